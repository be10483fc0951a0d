/**
 * The leaves of the graph: nodes that add gradients to `.grad`.
 */
import { isNonOverlappingAndDense } from "../base/shape.ts";
import { alias, allocateStrided, type AutogradExtra, type Tensor } from "../tensor/tensor.ts";
import { modes } from "./modes.ts";
import { type MaybeTensor, Node } from "./node.ts";

/** @internal The rare autograd fields of a tensor, made when first needed. */
export function extraOf(t: Tensor): AutogradExtra {
  t._extra ??= { grad: null, accumulator: null, retainsGrad: false, tangent: null, tangentLevel: null };
  return t._extra;
}

/** @internal Called with the leaf after its gradient was accumulated. */
export type PostAccumulateHook = (leaf: Tensor) => void;

/** Adds what it receives to the `.grad` of a leaf. */
export class AccumulateGrad extends Node {
  /** The leaf. */
  readonly variable: Tensor;
  /** @internal */ _post: PostAccumulateHook[] = [];
  /** @internal Set by the engine: whether the gradient it is given belongs to nobody else. */
  _mayKeep = false;

  constructor(variable: Tensor) {
    super([], [], Number.POSITIVE_INFINITY);
    this.variable = variable;
    this._outputs = [{ shape: variable.shape, dtype: variable.dtype, backend: variable._backend }];
  }

  override name(): string {
    return "torch::autograd::AccumulateGrad";
  }

  override _apply(grads: MaybeTensor[]): MaybeTensor[] {
    const grad = grads[0] ?? null;
    if (grad === null) return [];
    const extra = extraOf(this.variable);
    if (extra.grad === null) extra.grad = this.#first(grad);
    else if (modes.grad) extra.grad = extra.grad.add(grad);
    else extra.grad.add_(grad);
    for (const hook of [...this._post]) hook(this.variable);
    return [];
  }

  /**
   * The first gradient becomes `.grad`, in the layout of the leaf: kept as it is where nobody else holds it, else copied.
   */
  #first(grad: Tensor): Tensor {
    const v = this.variable;
    const dense = isNonOverlappingAndDense(v.shape, v._strides);
    const fits = dense ? sameLayout(grad, v) : grad._isContiguous;
    if (!modes.grad && this._mayKeep && fits) return alias(grad, grad.shape, grad._strides, grad._offset);
    if (modes.grad) return fits ? grad.clone() : grad.contiguous().clone();
    const out = dense ? allocateStrided(v.shape, v._strides, v.dtype, v._backend) : null;
    return out === null ? grad.clone().contiguous() : out.copy_(grad);
  }
}

function sameLayout(a: Tensor, b: Tensor): boolean {
  for (let i = 0; i < a.shape.length; i++) {
    if (a.shape[i] !== 1 && a._strides[i] !== b._strides[i]) return false;
  }
  return true;
}

/** @internal The node that accumulates into a leaf. */
export function accumulatorOf(leaf: Tensor): AccumulateGrad {
  const extra = extraOf(leaf);
  extra.accumulator ??= new AccumulateGrad(leaf);
  return extra.accumulator as AccumulateGrad;
}
