/**
 * Parameters and buffers: the tensors that a module registers when they are assigned to its fields.
 */
import { TorchError } from "../base/errors.ts";
import { allocate, Tensor } from "../tensor/tensor.ts";
import { get_default_dtype } from "../base/dtype.ts";
import { backendOf } from "../backend/backend.ts";

/** The given tensor, or an empty one. */
const orEmpty = (data: Tensor | null | undefined): Tensor =>
  data ?? allocate([0], get_default_dtype(), backendOf("cpu"));

/** A tensor that a module learns. It shares the memory of `data`. */
export class Parameter extends Tensor {
  /** @internal What the text of a parameter starts with. */
  static readonly printPrefix: string = "Parameter containing:\n";

  constructor(data?: Tensor | null, requires_grad: boolean | { requires_grad?: boolean } = true) {
    const t = orEmpty(data);
    const requires = typeof requires_grad === "boolean" ? requires_grad : (requires_grad.requires_grad ?? true);
    if (requires && t.dtype.category < 2) {
      throw new TorchError("Only Tensors of floating point and complex dtype can require gradients");
    }
    super(t._storage, t.shape, t._strides, t._offset, t.dtype, t._contiguous);
    this._counter = t._counter;
    this._requiresGrad = requires;
  }
}

/** A tensor that belongs to a module's state but is not learned. It shares the memory of `data`. */
export class Buffer extends Tensor {
  /** Whether it is part of the `state_dict`. */
  readonly persistent: boolean;

  constructor(data?: Tensor | null, options: { persistent?: boolean } = {}) {
    const t = orEmpty(data);
    super(t._storage, t.shape, t._strides, t._offset, t.dtype, t._contiguous);
    this._counter = t._counter;
    this._requiresGrad = t._requiresGrad;
    this.persistent = options.persistent ?? true;
  }
}
