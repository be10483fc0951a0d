/**
 * `torch.autograd.functional`: Jacobians, Hessians and their products with vectors, of ordinary functions.
 */
import { grad } from "../autograd/backward.ts";
import { enable_grad, is_grad_enabled, set_grad_enabled } from "../autograd/modes.ts";
import type { MaybeTensor } from "../autograd/node.ts";
import { ArgumentTypeError, TorchError } from "../base/errors.ts";
import { formatShape, sameShape } from "../base/shape.ts";
import { pythonTypeOf } from "../dispatch/signature.ts";
import { zeros_like } from "../ops/create.ts";
import { stack } from "../ops/join.ts";
import { Tensor } from "../tensor/tensor.ts";

/** A tensor, or several. */
export type Tensors = Tensor | readonly Tensor[];

/** Options of the functions of `torch.autograd.functional`. */
export interface FunctionalOptions {
  /** Record the computation, so that the result can be differentiated. Default: false. */
  create_graph?: boolean;
  /** Throw where an output does not depend on an input, rather than giving zeros. Default: false. */
  strict?: boolean;
}

// oxlint-disable-next-line typescript/no-explicit-any -- the function is called with as many tensors as inputs are given
type Func = (...inputs: any[]) => unknown;

function asTuple(x: unknown, argument: string, name: string): [tuple: boolean, list: Tensor[]] {
  const tuple = Array.isArray(x);
  const list = (tuple ? x : [x]) as unknown[];
  list.forEach((t, i) => {
    if (t instanceof Tensor) return;
    if (tuple) {
      throw new ArgumentTypeError(
        `The ${argument} given to ${name} must be either a Tensor or a tuple of Tensors but the value at index ${i} has type <class '${pythonTypeOf(t)}'>.`,
      );
    }
    throw new ArgumentTypeError(
      `The ${argument} given to ${name} must be either a Tensor or a tuple of Tensors but the given ${argument} has type <class '${pythonTypeOf(t)}'>.`,
    );
  });
  return [tuple, list as Tensor[]];
}

/** Inputs that gradients can be taken of: new leaves, or aliases that keep the history where the result is recorded. */
function prepare(inputs: readonly Tensor[], create_graph: boolean, need_graph: boolean): Tensor[] {
  return inputs.map((t) => (create_graph && t.requires_grad ? t.view_as(t) : t.detach().requires_grad_(need_graph)));
}

function finish(list: readonly Tensor[], create_graph: boolean): Tensor[] {
  return list.map((t) => (create_graph ? t : t.detach()));
}

const unwrap = (tuple: boolean, list: readonly Tensor[]): Tensor | Tensor[] =>
  tuple ? [...list] : (list[0] as Tensor);

function checkRequiresGrad(
  list: readonly MaybeTensor[],
  kind: "outputs" | "grad_input" | "jacobian" | "hessian",
  strict: boolean,
): void {
  if (!strict) return;
  list.forEach((t, i) => {
    if (kind === "outputs") {
      if (t !== null && t.requires_grad) return;
      throw new TorchError(
        `Output ${i} of the user-provided function does not require gradients. The outputs must be computed in a differentiable manner from the input when running in strict mode.`,
      );
    }
    if (t !== null && (kind !== "grad_input" || t.requires_grad)) return;
    if (t === null) {
      throw new TorchError(
        `The output of the user-provided function is independent of input ${i}. This is not allowed in strict mode.`,
      );
    }
    throw new TorchError(
      `The gradient with respect to input ${i} is independent of the inputs of the user-provided function. This is not allowed in strict mode.`,
    );
  });
}

/** Gradients, with zeros where there is no dependence (an error when strict). */
function filled(
  grads: readonly MaybeTensor[],
  inputs: readonly Tensor[],
  strict: boolean,
  create_graph: boolean,
  stage: string,
  output: number | null = null,
): Tensor[] {
  return grads.map((g, i) => {
    if (g !== null) {
      if (strict && create_graph && !g.requires_grad && stage !== "double_back") {
        throw new TorchError(
          `The jacobian of the user-provided function with respect to input ${i} is independent of the input. This is not allowed in strict mode when create_graph=True.`,
        );
      }
      return g;
    }
    if (strict) {
      const which = output === null ? "The output" : `Output ${output}`;
      throw new TorchError(
        `${which} of the user-provided function is independent of input ${i}. This is not allowed in strict mode.`,
      );
    }
    return zeros_like(inputs[i] as Tensor);
  });
}

function gradOf(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  vectors: readonly MaybeTensor[] | null,
  create_graph: boolean,
  retain_graph?: boolean,
): MaybeTensor[] {
  const used: Tensor[] = [];
  const given: MaybeTensor[] = [];
  outputs.forEach((o, i) => {
    if (!o.requires_grad) return;
    used.push(o);
    given.push(vectors === null ? null : (vectors[i] ?? null));
  });
  if (used.length === 0) return inputs.map(() => null);
  return grad(used, inputs, {
    grad_outputs: given,
    allow_unused: true,
    create_graph,
    retain_graph: retain_graph ?? null,
  });
}

function checkVector(v: readonly Tensor[], of: readonly Tensor[], vTuple: boolean): void {
  if (v.length !== of.length) {
    if (vTuple) {
      throw new TorchError(`v is a tuple of invalid length: should be ${of.length} but got ${v.length}.`);
    }
    throw new TorchError("The given v should contain a single Tensor.");
  }
  v.forEach((t, i) => {
    const o = of[i] as Tensor;
    if (sameShape(t.shape, o.shape)) return;
    const entry = vTuple ? `Entry ${i} in ` : "";
    throw new TorchError(
      `${entry}v has invalid size: should be torch.Size(${formatShape(o.shape)}) but got torch.Size(${formatShape(t.shape)}).`,
    );
  });
}

/** The vector to multiply with: given, or one for a single element. */
function vectorFor(v: Tensors | null | undefined, of: readonly Tensor[], name: string, what: string): Tensor[] {
  if (v !== null && v !== undefined) {
    const [tuple, list] = asTuple(v, "v", name);
    const detached = list.map((t) => (t.requires_grad ? t : t.detach()));
    checkVector(detached, of, tuple);
    return detached;
  }
  if (of.length !== 1 || (of[0] as Tensor).numel() !== 1) {
    throw new TorchError(`The vector v can only be None if ${what}.`);
  }
  return [];
}

const singleOutput = "the user-provided function returns a single Tensor with a single element";
const singleInput = "the input to the user-provided function is a single Tensor with a single element";

/**
 * The Jacobian of `func` at `inputs`: for each output and each input a tensor of shape output.shape + input.shape.
 *
 * With several inputs or outputs (given or returned as arrays) the result is nested likewise: outputs first, then inputs.
 *
 * @example
 * ```ts
 * torch.autograd.functional.jacobian((x) => x.mul(x), torch.tensor([1, 2])); // tensor([[2., 0.], [0., 4.]])
 * ```
 */
export function jacobian(func: (input: Tensor) => Tensor, inputs: Tensor, options?: FunctionalOptions): Tensor;
export function jacobian(func: Func, inputs: Tensors, options?: FunctionalOptions): Tensor | Tensor[] | Tensor[][];
export function jacobian(func: Func, inputs: Tensors, options: FunctionalOptions = {}): Tensor | Tensor[] | Tensor[][] {
  const { create_graph = false, strict = false } = options;
  return enable_grad(() => {
    const [inTuple, given] = asTuple(inputs, "inputs", "jacobian");
    const ins = prepare(given, create_graph, true);
    const [outTuple, outs] = outputsOf(func(...ins), "jacobian");
    checkRequiresGrad(outs, "outputs", strict);
    const rows = outs.map((out, k) => {
      const columns: Tensor[][] = ins.map(() => []);
      const flat = out.reshape(-1);
      for (let j = 0; j < out.numel(); j++) {
        const grads = gradOf([flat.select(0, j)], ins, null, create_graph, true);
        filled(grads, ins, strict, create_graph, "back", k).forEach((g, i) => columns[i]?.push(g));
      }
      return columns.map((parts, i) => {
        const shape = [...out.shape, ...(ins[i] as Tensor).shape];
        return parts.length === 0 ? out.new_zeros(shape) : stack(parts, 0).view(shape);
      });
    });
    const done = rows.map((row) => finish(row, create_graph));
    const perOutput = done.map((row) => unwrap(inTuple, row));
    return outTuple ? (perOutput as Tensor[] | Tensor[][]) : (perOutput[0] as Tensor | Tensor[]);
  });
}

function outputsOf(out: unknown, name: string): [boolean, Tensor[]] {
  return asTuple(out, "outputs of the user-provided function", name);
}

/** Checks that a function gives one element, as Hessians need. */
function scalarOf(out: unknown, name: string): Tensor {
  const [tuple, list] = outputsOf(out, name);
  const only = list[0] as Tensor;
  if (tuple || list.length !== 1) {
    throw new TorchError(`The function given to ${name} should return a single Tensor`);
  }
  if (only.numel() !== 1) {
    throw new TorchError(`The Tensor returned by the function given to ${name} should contain a single element`);
  }
  return only.reshape([]);
}

/** The Hessian of a function with one output element: for each pair of inputs a tensor of both shapes. */
export function hessian(func: (input: Tensor) => Tensor, inputs: Tensor, options?: FunctionalOptions): Tensor;
export function hessian(func: Func, inputs: Tensors, options?: FunctionalOptions): Tensor | Tensor[] | Tensor[][];
export function hessian(func: Func, inputs: Tensors, options: FunctionalOptions = {}): Tensor | Tensor[] | Tensor[][] {
  const { create_graph = false, strict = false } = options;
  const [inTuple, given] = asTuple(inputs, "inputs", "hessian");
  const gradient = (...ins: Tensor[]): Tensor[] => {
    const out = scalarOf(func(...ins), "hessian");
    checkRequiresGrad([out], "outputs", strict);
    return filled(gradOf([out], ins, null, true), ins, strict, false, "back");
  };
  const rows = jacobian(gradient, given, { create_graph, strict }) as Tensor[][];
  return inTuple ? rows : ((rows[0] as Tensor[])[0] as Tensor);
}

/** The product vᵀJ of a vector with the Jacobian, and the outputs: `[outputs, vjp]`. */
export function vjp(
  func: Func,
  inputs: Tensors,
  v?: Tensors | null,
  options: FunctionalOptions = {},
): [outputs: Tensor | Tensor[], vjp: Tensor | Tensor[]] {
  const { create_graph = false, strict = false } = options;
  return enable_grad(() => {
    const [inTuple, given] = asTuple(inputs, "inputs", "vjp");
    const ins = prepare(given, create_graph, true);
    const [outTuple, outs] = outputsOf(func(...ins), "vjp");
    checkRequiresGrad(outs, "outputs", strict);
    const vector = vectorFor(v, outs, "vjp", singleOutput);
    const grads = gradOf(outs, ins, vector.length === 0 ? null : vector, create_graph);
    const product = filled(grads, ins, strict, create_graph, "back");
    return [unwrap(outTuple, finish(outs, create_graph)), unwrap(inTuple, finish(product, create_graph))];
  });
}

/**
 * The product Jv of the Jacobian with a vector, and the outputs: `[outputs, jvp]`. By the double backward trick: the gradient
 * vᵀJ is linear in its vector, so its own gradient is Jv.
 */
export function jvp(
  func: Func,
  inputs: Tensors,
  v?: Tensors | null,
  options: FunctionalOptions = {},
): [outputs: Tensor | Tensor[], jvp: Tensor | Tensor[]] {
  const { create_graph = false, strict = false } = options;
  return enable_grad(() => {
    const [, given] = asTuple(inputs, "inputs", "jvp");
    const vector = vectorFor(v, given, "jvp", singleInput);
    const ins = prepare(given, create_graph, true);
    const [outTuple, outs] = outputsOf(func(...ins), "jvp");
    checkRequiresGrad(outs, "outputs", strict);
    const dummies = outs.map((o) => zeros_like(o).requires_grad_());
    const back = filled(gradOf(outs, ins, dummies, true), ins, strict, true, "double_back");
    checkRequiresGrad(back, "grad_input", strict);
    const ones = vector.length === 0 ? null : vector;
    const forward = gradOf(back, dummies, ones, create_graph);
    const product = filled(forward, outs, strict, create_graph, "double_back");
    return [unwrap(outTuple, finish(outs, create_graph)), unwrap(outTuple, finish(product, create_graph))];
  });
}

function hessianProduct(
  name: "vhp" | "hvp",
  func: Func,
  inputs: Tensors,
  v: Tensors | null | undefined,
  options: FunctionalOptions,
): [Tensor, Tensor | Tensor[]] {
  const { create_graph = false, strict = false } = options;
  return enable_grad(() => {
    const [inTuple, given] = asTuple(inputs, "inputs", name);
    const vector = vectorFor(v, given, name, singleInput);
    const ins = prepare(given, create_graph, true);
    const out = scalarOf(func(...ins), name);
    checkRequiresGrad([out], "outputs", strict);
    const gradient = filled(gradOf([out], ins, null, true), ins, strict, true, "double_back");
    checkRequiresGrad(gradient, "grad_input", strict);
    // The Hessian is symmetric, so both products are the gradient of the gradient's product with v.
    const keep = is_grad_enabled() && create_graph;
    const product = set_grad_enabled(true, () => gradOf(gradient, ins, vector.length === 0 ? null : vector, keep));
    const result = filled(product, ins, strict, create_graph, "double_back");
    return [finish([out], create_graph)[0] as Tensor, unwrap(inTuple, finish(result, create_graph))];
  });
}

/** The product vᵀH of a vector with the Hessian, and the output: `[output, vhp]`. */
export function vhp(
  func: Func,
  inputs: Tensors,
  v?: Tensors | null,
  options: FunctionalOptions = {},
): [output: Tensor, vhp: Tensor | Tensor[]] {
  return hessianProduct("vhp", func, inputs, v, options);
}

/** The product Hv of the Hessian with a vector, and the output: `[output, hvp]`. */
export function hvp(
  func: Func,
  inputs: Tensors,
  v?: Tensors | null,
  options: FunctionalOptions = {},
): [output: Tensor, hvp: Tensor | Tensor[]] {
  return hessianProduct("hvp", func, inputs, v, options);
}
