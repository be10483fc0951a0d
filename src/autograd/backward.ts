/**
 * `torch.autograd.backward` and `torch.autograd.grad`: what users call, checked with PyTorch's messages.
 */
import { ArgumentTypeError, TorchError, ValueError } from "../base/errors.ts";
import { formatShape, sameShape } from "../base/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { AccumulateGrad } from "./accumulate.ts";
import { addToGrad, type Edge, runBackward } from "./engine.ts";
import { modes } from "./modes.ts";
import type { MaybeTensor } from "./node.ts";
import { edgeOf, gradFn, requiresGrad } from "./views.ts";

/** Options of {@link backward} and of `Tensor.backward`. */
export interface BackwardOptions {
  /** Keep the graph, so that it can be run again. Default: the value of `create_graph`. */
  retain_graph?: boolean | null;
  /** Record the computation of the gradients, so that these can be differentiated in turn. */
  create_graph?: boolean;
  /** Accumulate into the `.grad` of these tensors only. Default: into all leaves. */
  inputs?: Tensor | readonly Tensor[] | null;
}

/** Options of `Tensor.backward`. */
export interface TensorBackwardOptions extends BackwardOptions {
  /** The vector of the vector-Jacobian product, of the tensor's shape. Needed unless the tensor has one element. */
  gradient?: Tensor | null;
}

/** Options of {@link grad}. */
export interface GradOptions {
  /** The vectors of the vector-Jacobian product, one for each output. */
  grad_outputs?: Tensor | readonly MaybeTensor[] | null;
  retain_graph?: boolean | null;
  create_graph?: boolean;
  /** Return null for inputs that the outputs do not depend on, rather than throwing. */
  allow_unused?: boolean | null;
  /** Return zeros for those inputs. */
  materialize_grads?: boolean;
}

const list = <T>(x: T | readonly T[] | null | undefined): readonly T[] =>
  x === null || x === undefined ? [] : Array.isArray(x) ? (x as readonly T[]) : [x as T];

const kindOf = (x: unknown): string =>
  typeof x === "number" ? (Number.isInteger(x) ? "int" : "float") : typeof x === "string" ? "str" : typeof x;

/** Pairs each output with its seed. */
function seeds(outputs: readonly Tensor[], given: readonly MaybeTensor[]): MaybeTensor[] {
  return outputs.map((out, i) => {
    const g = given[i] ?? null;
    if (g === null) {
      if (!requiresGrad(out)) return null;
      if (out._numel !== 1) throw new TorchError("grad can be implicitly created only for scalar outputs");
      if (!out.dtype.is_floating_point) {
        throw new TorchError(
          `grad can be implicitly created only for real scalar outputs but got ${String(out.dtype)}`,
        );
      }
      return out.new_ones(out.shape);
    }
    if (!(g instanceof Tensor)) {
      throw new ArgumentTypeError(`gradients can be either Tensors or None, but got ${kindOf(g)}`);
    }
    if (!sameShape(g.shape, out.shape)) {
      throw new TorchError(
        `Mismatch in shape: grad_output[${i}] has a shape of torch.Size(${formatShape(g.shape)}) and output[${i}] has a shape of torch.Size(${formatShape(out.shape)}).`,
      );
    }
    if (g.dtype.is_complex !== out.dtype.is_complex) {
      throw new TorchError(
        `For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: grad_output[${i}] has a dtype of ${String(g.dtype)} and output[${i}] has a dtype of ${String(out.dtype)}.`,
      );
    }
    return g;
  });
}

function roots(outputs: readonly Tensor[]): Edge[] {
  return outputs.map((out, i) => {
    const node = edgeOf(out);
    if (node === null) {
      throw new TorchError(`element ${i} of tensors does not require grad and does not have a grad_fn`);
    }
    return { node, nr: gradFn(out) === null ? 0 : out._outputNr };
  });
}

function inputEdges(inputs: readonly unknown[]): Edge[] {
  return inputs.map((t) => {
    if (!(t instanceof Tensor)) {
      throw new ArgumentTypeError(`all inputs have to be Tensors or GradientEdges, but got ${kindOf(t)}`);
    }
    const node = edgeOf(t);
    if (node === null) throw new TorchError("One of the differentiated Tensors does not require grad");
    return { node, nr: gradFn(t) === null ? 0 : t._outputNr };
  });
}

let warnedCreateGraph = false;

/**
 * Computes the gradients of `tensors` with respect to the leaves of the graph and adds them to their `.grad`
 * (`torch.autograd.backward`).
 *
 * @param tensors the outputs to differentiate
 * @param grad_tensors the vector of the vector-Jacobian product for each output; may be null for outputs of one element
 */
export function backward(
  tensors: Tensor | readonly Tensor[],
  grad_tensors?: Tensor | readonly MaybeTensor[] | null,
  options: BackwardOptions = {},
): void {
  const outputs = list(tensors);
  const given = list<MaybeTensor>(grad_tensors as MaybeTensor | readonly MaybeTensor[] | null | undefined);
  const { create_graph = false, inputs = null } = options;
  if (inputs !== null && list(inputs).length === 0) {
    throw new TorchError("`inputs` argument to `backward()` cannot be empty.");
  }
  if (given.length > 0 && given.length !== outputs.length) {
    throw new TorchError(`got ${outputs.length} tensors and ${given.length} gradients`);
  }
  const edges = roots(outputs);
  const vectors = seeds(outputs, given);
  if (create_graph && !warnedCreateGraph) {
    warnedCreateGraph = true;
    console.warn(
      "UserWarning: Using backward() with create_graph=True will create a reference cycle between the parameter and its gradient which can cause a memory leak. We recommend using autograd.grad when creating the graph to avoid this. If you have to use this function, make sure to reset the .grad fields of your parameters to None after use to break the cycle and avoid the leak.",
    );
  }
  const wanted = inputs === null ? null : list(inputs);
  const targets = wanted === null ? null : inputEdges(wanted);
  const captured = runBackward(edges, vectors, {
    retainGraph: options.retain_graph ?? create_graph,
    createGraph: create_graph,
    inputs: targets,
    accumulate: true,
  });
  if (wanted === null || targets === null) return;
  wanted.forEach((t, i) => {
    const g = captured[i] ?? null;
    if (g !== null && !(targets[i]?.node instanceof AccumulateGrad)) addToGrad(t, g);
  });
}

/** A gradient `G` for each of the inputs `I`: a lone tensor is a list of one. */
export type Gradients<I extends Tensor | readonly Tensor[], G> = I extends readonly Tensor[]
  ? { -readonly [K in keyof I]: G }
  : [G];

/**
 * Computes and returns the gradients of `outputs` with respect to `inputs` (`torch.autograd.grad`); no `.grad` changes.
 *
 * @example
 * ```ts
 * const x = torch.tensor([1, 2, 3], { dtype: torch.float32, requires_grad: true });
 * const [g] = torch.autograd.grad(x.pow(2).sum(), x); // tensor([2., 4., 6.])
 * ```
 */
export function grad<const I extends Tensor | readonly Tensor[]>(
  outputs: Tensor | readonly Tensor[],
  inputs: I,
  options: GradOptions & { allow_unused: true; materialize_grads?: false },
): Gradients<I, MaybeTensor>;
export function grad<const I extends Tensor | readonly Tensor[]>(
  outputs: Tensor | readonly Tensor[],
  inputs: I,
  options?: GradOptions,
): Gradients<I, Tensor>;
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options: GradOptions = {},
): unknown {
  const { create_graph = false, materialize_grads = false } = options;
  if (materialize_grads && options.allow_unused === false) {
    throw new ValueError(
      "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False.",
    );
  }
  const allowUnused = options.allow_unused ?? materialize_grads;
  const outs = list(outputs);
  const ins = list(inputs);
  if (ins.length === 0) throw new TorchError("`inputs` argument to `grad()` cannot be empty.");
  const given = list<MaybeTensor>(options.grad_outputs as MaybeTensor | readonly MaybeTensor[] | null | undefined);
  if (given.length > 0 && given.length !== outs.length) {
    throw new TorchError(`got ${outs.length} tensors and ${given.length} gradients`);
  }
  const edges = roots(outs);
  const vectors = seeds(outs, given);
  const targets = inputEdges(ins);
  const captured = runBackward(edges, vectors, {
    retainGraph: options.retain_graph ?? create_graph,
    createGraph: create_graph,
    inputs: targets,
    accumulate: false,
  });
  return captured.map((g, i) => {
    if (g !== null) return g;
    if (!allowUnused) {
      throw new TorchError(
        `The differentiated Tensor at index ${i} appears to not have been used in the graph. Set allow_unused=True if this is the desired behavior.`,
      );
    }
    const t = ins[i] as Tensor;
    if (!materialize_grads) return null;
    const zeros = t.detach().new_zeros(t.shape);
    return modes.grad && create_graph ? zeros.requires_grad_() : zeros;
  });
}
