/**
 * Primitives: the operations that autograd records. `apply` is the one place where an operation meets autograd.
 */
import { TorchError } from "../base/errors.ts";
import { formatShape, sameShape } from "../base/shape.ts";
import { can_cast } from "../base/promote.ts";
import { setTangent, tangentOf, withoutDual } from "../autograd/forward-ad.ts";
import { modes } from "../autograd/modes.ts";
import { type MaybeTensor, type Node, OpNode, type NodeRule } from "../autograd/node.ts";
import { SavedTensor } from "../autograd/saved.ts";
import { checkInplace, edgeOf, markView, rebaseHistory, requiresGrad } from "../autograd/views.ts";
import { alias, type Tensor } from "../tensor/tensor.ts";
import { anyTangent, carryTangents, pushForward, writeTangent } from "./forward.ts";

/** A value that a gradient formula uses: an input by its number, or an output: `"out"` is the first, `"out1"` the second. */
export type Use = number | "out" | "out1" | "out2" | "out3";

/** The gradient of one input. */
export interface InputGrad<P> {
  /** What must be saved if this gradient is wanted. */
  readonly uses?: readonly Use[];
  /** From the gradients of the outputs (`g` is that of the first) the gradient of the input. */
  readonly vjp: (g: Tensor, ctx: GradContext<P>) => MaybeTensor;
}

/** What a gradient formula sees of its node. */
export interface GradContext<P> {
  readonly params: P;
  /** A saved input. */
  input(i: number): Tensor;
  /** A saved output. */
  output(k?: number): Tensor;
  /** The shape of an input, saved or not. */
  shape(i: number): readonly number[];
  /** Whether the gradient of input i is wanted. */
  needs(i: number): boolean;
  /** The gradients of all outputs. */
  readonly grads: readonly MaybeTensor[];
}

export interface PrimitiveDefinition<P> {
  /** PyTorch's name of the operation. */
  readonly name: string;
  /** The name of its node; `MmBackward0` for `mm` if not given. */
  readonly gradName?: string | undefined;
  /** Computes the result, without autograd. */
  readonly forward: (inputs: readonly Tensor[], params: P) => Tensor | Tensor[];
  /** One entry for each input; null where no gradient flows. */
  readonly grads?: readonly (InputGrad<P> | null)[] | InputGrad<P>;
  /** Instead of `grads`: all gradients at once. */
  readonly joint?: {
    readonly uses: (needs: (i: number) => boolean) => readonly Use[];
    readonly vjp: (grads: readonly MaybeTensor[], ctx: GradContext<P>) => MaybeTensor[];
  };
  /** Whether outputs share memory with the first input. */
  readonly view?: "view" | "multi_output";
  /** Outputs without gradient, such as indices. */
  readonly nonDifferentiable?: readonly number[];
  /** Writes the result straight into the first input, for the in-place form. Default: computes it and copies. */
  readonly into?: (target: Tensor, inputs: readonly Tensor[], params: P) => void;
}

/** `log_softmax` → `LogSoftmaxBackward0`, `log1p` → `Log1PBackward0`. */
export function gradNameOf(name: string): string {
  const camel = name
    .replace(/^_+/, "")
    .split("_")
    .map((w) => w.charAt(0).toUpperCase() + w.slice(1).replaceAll(/\d[a-z]/g, (pair) => pair.toUpperCase()))
    .join("");
  return `${camel}Backward0`;
}

class Context<P> implements GradContext<P> {
  readonly #node: OpNode;
  readonly grads: readonly MaybeTensor[];

  constructor(node: OpNode, grads: readonly MaybeTensor[]) {
    this.#node = node;
    this.grads = grads;
  }
  get params(): P {
    return this.#node.params as P;
  }
  input(i: number): Tensor {
    return this.#node.unpack(i);
  }
  output(k = 0): Tensor {
    return this.#node.unpack(this.#node.inputShapes.length + k);
  }
  shape(i: number): readonly number[] {
    return this.#node.inputShapes[i] as readonly number[];
  }
  needs(i: number): boolean {
    return this.#node.needs(i);
  }
}

type Rules<P> = PrimitiveDefinition<P>["grads"];

/** The gradient rule of an input; one rule alone serves all. */
function ruleOf<P>(rules: Rules<P>, i: number): InputGrad<P> | null {
  return Array.isArray(rules)
    ? ((rules as readonly (InputGrad<P> | null)[])[i] ?? null)
    : ((rules as InputGrad<P> | undefined) ?? null);
}

export class Primitive<P> implements NodeRule {
  readonly name: string;
  readonly gradName: string;
  readonly forward: (inputs: readonly Tensor[], params: P) => Tensor | Tensor[];
  readonly differentiable: boolean;
  readonly view: "view" | "multi_output" | null;
  readonly into: ((target: Tensor, inputs: readonly Tensor[], params: P) => void) | null;
  readonly nonDifferentiable: readonly number[];
  readonly #definition: PrimitiveDefinition<P>;

  constructor(definition: PrimitiveDefinition<P>) {
    this.name = definition.name;
    this.gradName = definition.gradName ?? gradNameOf(definition.name);
    this.forward = definition.forward;
    this.view = definition.view ?? null;
    this.into = definition.into ?? null;
    this.nonDifferentiable = definition.nonDifferentiable ?? [];
    this.differentiable = definition.grads !== undefined || definition.joint !== undefined;
    this.#definition = definition;
  }

  /** What to save, by slot: inputs first, then outputs. */
  usesFor(count: number, needs: (i: number) => boolean): readonly Use[] {
    const { grads, joint } = this.#definition;
    if (joint !== undefined) return joint.uses(needs);
    const out: Use[] = [];
    for (let i = 0; i < count; i++) {
      const rule = ruleOf(grads, i);
      if (rule?.uses === undefined || !needs(i)) continue;
      for (const u of rule.uses) if (!out.includes(u)) out.push(u);
    }
    return out;
  }

  backward(node: OpNode, grads: MaybeTensor[]): MaybeTensor[] {
    const { grads: rules, joint } = this.#definition;
    const ctx = new Context<P>(node, grads);
    if (joint !== undefined) return joint.vjp(grads, ctx);
    const g = grads[0] ?? null;
    const count = node.inputShapes.length;
    const out = new Array<MaybeTensor>(count).fill(null);
    if (g === null && grads.every((x) => x === null)) return out;
    for (let i = 0; i < count; i++) {
      if (!node.needs(i)) continue;
      const rule = ruleOf(rules, i);
      if (rule != null) out[i] = rule.vjp(g as Tensor, ctx);
    }
    return out;
  }
}

export function primitive<P = undefined>(definition: PrimitiveDefinition<P>): Primitive<P> {
  return new Primitive(definition);
}

function anyRequiresGrad(inputs: readonly Tensor[]): boolean {
  for (let i = 0; i < inputs.length; i++) if (requiresGrad(inputs[i] as Tensor)) return true;
  return false;
}

/** @internal What a rule needs to be recorded. */
export interface Recordable<P> extends NodeRule {
  usesFor(count: number, needs: (i: number) => boolean, params: P): readonly Use[];
  /** Whether numbers that stand for tensors are saved; see PointwiseRule. */
  savesNumbers?(needs: (i: number) => boolean, params: P): boolean;
}

/** @internal A node for an operation over `inputs`, with edges to their nodes. */
export function makeNode<P>(rule: NodeRule, inputs: readonly Tensor[], params: P): OpNode {
  const n = inputs.length;
  const next = new Array<Node | null>(n);
  const nextNr = new Array<number>(n);
  const shapes = new Array<readonly number[]>(n);
  const dtypes = new Array<Tensor["dtype"]>(n);
  for (let i = 0; i < n; i++) {
    const t = inputs[i] as Tensor;
    next[i] = edgeOf(t);
    nextNr[i] = t._node === null ? 0 : t._outputNr;
    shapes[i] = t.shape;
    dtypes[i] = t.dtype;
  }
  return new OpNode(rule, params, next, nextNr, shapes, dtypes);
}

const outputNumber = (u: Exclude<Use, number>): number => (u === "out" ? 0 : Number(u.slice(3)));

function save(node: OpNode, uses: readonly Use[], inputs: readonly Tensor[], outputs: readonly Tensor[]): void {
  if (uses.length === 0) return;
  node.saves = true;
  const n = inputs.length;
  const slots = new Array<SavedTensor | null>(n + outputs.length).fill(null);
  for (const u of uses) {
    if (typeof u === "number") slots[u] = new SavedTensor(inputs[u] as Tensor, -1);
    else {
      const k = outputNumber(u);
      slots[n + k] = new SavedTensor(outputs[k] as Tensor, k);
    }
  }
  node.saved = slots;
}

/** Runs a primitive: computes, and records if a gradient can flow. */
export function apply<P>(prim: Primitive<P>, inputs: readonly Tensor[], params: P): Tensor | Tensor[] {
  const out = prim.forward(inputs, params);
  const records = modes.grad && prim.differentiable && anyRequiresGrad(inputs);
  const dual = modes.dual !== null && prim.differentiable && anyTangent(inputs);
  if (!records && !dual && prim.view === null) return out;
  const outputs = Array.isArray(out) ? out : [out];
  if (prim.view !== null) {
    const creation = modes.grad ? (prim.view === "multi_output" ? "multi_output" : "default") : "no_grad";
    for (const t of outputs) markView(inputs[0] as Tensor, t, creation);
  }
  if (records) record(prim, inputs, params, outputs);
  if (dual) {
    if (prim.view === null) carryTangents(prim, inputs, params, outputs);
    else {
      const tangent = tangentOf(inputs[0] as Tensor) as Tensor;
      const tangents = withoutDual(() => apply(prim, [tangent], params));
      outputs.forEach((t, k) => setTangent(t, (Array.isArray(tangents) ? tangents[k] : tangents) as Tensor));
    }
  }
  return out;
}

/** {@link apply} for primitives with one output. */
export function apply1<P>(prim: Primitive<P>, inputs: readonly Tensor[], params: P): Tensor {
  return apply(prim, inputs, params) as Tensor;
}

/** @internal */
export function record<P>(
  rule: Recordable<P> & { readonly nonDifferentiable?: readonly number[] },
  inputs: readonly Tensor[],
  params: P,
  outputs: readonly Tensor[],
): void {
  if (outputs.every((t) => t.dtype.category < 2)) return;
  const node = makeNode(rule, inputs, params);
  for (let k = 0; k < outputs.length; k++) {
    const t = outputs[k] as Tensor;
    node._outputs.push({ shape: t.shape, dtype: t.dtype, backend: t._backend });
    if (t.dtype.category < 2 || rule.nonDifferentiable?.includes(k) === true) continue;
    t._node = node;
    t._outputNr = k;
  }
  const needs = (i: number): boolean => node._next[i] != null;
  save(node, rule.usesFor(inputs.length, needs, params), inputs, outputs);
  if (rule.savesNumbers?.(needs, params) === true) node.saves = true;
}

/** Throws unless every element of `t` has its own place in memory. */
export function checkWritable(t: Tensor): void {
  for (let i = 0; i < t.shape.length; i++) {
    if ((t.shape[i] as number) > 1 && t._strides[i] === 0) {
      throw new TorchError(
        "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() the tensor before performing the operation.",
      );
    }
  }
}

/** Throws unless a result of the given geometry can be stored into `t`. */
export function checkStorable(t: Tensor, shape: readonly number[], dtype: Tensor["dtype"]): void {
  if (!sameShape(shape, t.shape)) {
    throw new TorchError(
      `output with shape ${formatShape(t.shape)} doesn't match the broadcast shape ${formatShape(shape)}`,
    );
  }
  if (!can_cast(dtype, t.dtype)) {
    throw new TorchError(
      `result type ${dtype.scalarName} can't be cast to the desired output type ${t.dtype.scalarName}`,
    );
  }
}

/**
 * @internal Runs an operation in place on `inputs[0]`: `write` changes the memory. Checks first, so that an error leaves
 * everything as it was; then the version is counted up and the history rebased. `overlapping`: whether elements may share their
 * place in memory, which is harmless where all get the same value.
 */
export function applyInplace<P>(
  rule: Recordable<P> & { readonly differentiable: boolean },
  inputs: readonly Tensor[],
  params: P,
  write: (target: Tensor) => void,
  clone: (t: Tensor) => Tensor,
  overlapping = false,
): Tensor {
  const target = inputs[0] as Tensor;
  const records = modes.grad && rule.differentiable && anyRequiresGrad(inputs);
  checkInplace(target, records);
  if (!overlapping) checkWritable(target);
  if (modes.dual !== null && rule.differentiable && anyTangent(inputs)) {
    const values = [dualClone(target, clone), ...inputs.slice(1)];
    withoutDual(() => applyInplace(rule, inputs, params, write, clone));
    const [tangent] = pushForward(rule, values, params, [target]);
    if (tangent != null) writeTangent(target, tangent);
    return target;
  }
  if (!records) {
    write(target);
    target._counter.version++;
    return target;
  }
  const node = makeNode(rule, inputs, params);
  const needs = (i: number): boolean => node._next[i] != null;
  const uses = rule.usesFor(inputs.length, needs, params);
  if (rule.savesNumbers?.(needs, params) === true) node.saves = true;
  // The formula wants the value from before the change.
  const before = uses.includes(0) ? clone(target) : target;
  const savedInputs = before === target ? inputs : [before, ...inputs.slice(1)];
  const inputUses = uses.filter((u) => typeof u === "number");
  save(node, inputUses, savedInputs, [target]);
  const savedInputSlots = node.saved;
  write(target);
  target._counter.version++;
  node._outputs.push({ shape: target.shape, dtype: target.dtype, backend: target._backend });
  const outputUses = uses.filter((u) => typeof u !== "number");
  if (outputUses.length > 0) {
    save(node, outputUses, savedInputs, [target]);
    const outputSlots = node.saved;
    node.saved = outputSlots.map((s, i) => s ?? savedInputSlots[i] ?? null);
  }
  rebaseHistory(target, node);
  return target;
}

/** The value and tangent of a tensor before it is modified. */
function dualClone(t: Tensor, clone: (t: Tensor) => Tensor): Tensor {
  const out = clone(t);
  const tangent = tangentOf(t);
  if (tangent !== null) setTangent(out, clone(tangent));
  return out;
}

/** A tensor over the same memory that autograd knows nothing of. */
export function untracked(t: Tensor): Tensor {
  return alias(t, t.shape, t._strides, t._offset);
}
