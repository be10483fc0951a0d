/**
 * How operations carry tangents.
 *
 * Note [Forward mode by transposition]
 * An operator states its vector-Jacobian product, g ↦ gᵀJ, as recorded operations. That map is linear in g, so differentiating
 * it with respect to g in the direction of the tangents gives the Jacobian-vector product Jt: the transpose of the transpose. It
 * holds for every operator whose backward formula is differentiable, without a rule of its own. Views carry the tangent through
 * the same view, so that in-place operations on parts work; the operators write the new tangent over the old one.
 */
import { grad } from "../autograd/backward.ts";
import { setTangent, tangentOf, withoutDual } from "../autograd/forward-ad.ts";
import { enable_grad, modes } from "../autograd/modes.ts";
import { type MaybeTensor, type Node, OpNode } from "../autograd/node.ts";
import { requiresGrad } from "../autograd/views.ts";
import { sameShape } from "../base/shape.ts";
import { allocate, type Tensor } from "../tensor/tensor.ts";
import { fillRaw } from "./elementwise.ts";
import type { Recordable } from "./primitive.ts";

/** A node outside any graph: it answers a formula's questions from the operation at hand. */
class TransposedNode extends OpNode {
  readonly #values: readonly Tensor[];

  constructor(
    rule: Recordable<never>,
    params: unknown,
    inputs: readonly Tensor[],
    outputs: readonly Tensor[],
    wanted: readonly boolean[],
  ) {
    super(
      rule,
      params,
      // A node of its own in place of the nodes of inputs with tangents: only these gradients are wanted.
      [],
      [],
      inputs.map((t) => t.shape),
      inputs.map((t) => t.dtype),
    );
    this._next = wanted.map((w): Node | null => (w ? this : null));
    this.#values = [...inputs, ...outputs];
  }

  override unpack(slot: number): Tensor {
    return this.#values[slot] as Tensor;
  }
}

function zerosLike(t: Tensor): Tensor {
  const out = allocate(t.shape, t.dtype, t._backend);
  fillRaw(out, 0);
  return out;
}

/** @internal Whether any of the tensors has a tangent. */
export function anyTangent(tensors: readonly Tensor[]): boolean {
  return modes.dual !== null && tensors.some((t) => tangentOf(t) !== null);
}

/** @internal The tangents of an operation's outputs; null for outputs that cannot have one. See Note [Forward mode by transposition]. */
export function pushForward<P>(
  rule: Recordable<P> & { readonly nonDifferentiable?: readonly number[] },
  inputs: readonly Tensor[],
  params: P,
  outputs: readonly Tensor[],
): MaybeTensor[] {
  const tangents = inputs.map(tangentOf);
  const differentiates = modes.grad && [...inputs, ...tangents].some((t) => t !== null && requiresGrad(t));
  return withoutDual(() => {
    const live = outputs.map((t, k) => t.dtype.category >= 2 && rule.nonDifferentiable?.includes(k) !== true);
    const vectors = outputs.map((t, k) => (live[k] === true ? leaf(zerosLike(t)) : null));
    const node = new TransposedNode(
      rule as unknown as Recordable<never>,
      params,
      inputs,
      outputs,
      tangents.map((t) => t !== null),
    );
    const pulled = enable_grad(() => rule.backward(node, vectors));
    const from: Tensor[] = [];
    const seeds: Tensor[] = [];
    tangents.forEach((t, i) => {
      const full = pulled[i] ?? null;
      if (t === null || full === null || !requiresGrad(full)) return;
      const { shape } = inputs[i] as Tensor;
      const g = sameShape(full.shape, shape) ? full : enable_grad(() => full.sum_to_size(shape));
      from.push(g);
      seeds.push(t.dtype === g.dtype ? t : t.to(g.dtype));
    });
    const wanted = vectors.filter((v) => v !== null);
    const pushed =
      from.length === 0
        ? wanted.map(() => null)
        : grad(from, wanted, { grad_outputs: seeds, allow_unused: true, create_graph: differentiates });
    let at = 0;
    return vectors.map((v, k) => (v === null ? null : (pushed[at++] ?? zerosLike(outputs[k] as Tensor))));
  });
}

function leaf(t: Tensor): Tensor {
  t._requiresGrad = true;
  return t;
}

/** @internal Gives the outputs of an operation their tangents. */
export function carryTangents<P>(
  rule: Recordable<P> & { readonly nonDifferentiable?: readonly number[] },
  inputs: readonly Tensor[],
  params: P,
  outputs: readonly Tensor[],
): void {
  const tangents = pushForward(rule, inputs, params, outputs);
  outputs.forEach((t, k) => {
    const tangent = tangents[k] ?? null;
    if (tangent !== null) setTangent(t, tangent);
  });
}

/** @internal Writes the tangent of a tensor that was modified in place: over the one it has, or into that of its base. */
export function writeTangent(target: Tensor, tangent: Tensor): void {
  const before = tangentOf(target);
  const base = target._view?.base ?? null;
  if (before !== null) {
    withoutDual(() => before.copy_(tangent));
    return;
  }
  if (base === null) {
    setTangent(target, tangent);
    return;
  }
  // The base gets zeros around the view's part.
  if (tangentOf(base) === null) setTangent(base, zerosLike(base));
  const whole = tangentOf(base) as Tensor;
  const part = withoutDual(() => {
    const view = whole.as_strided(target.shape, target._strides, target._offset - base._offset + whole._offset);
    view.copy_(tangent);
    return view;
  });
  setTangent(target, part);
}
