/**
 * The tensor: geometry over a storage, a dtype, and the fields that autograd keeps on it. It has no operations of its own;
 * `index.ts` installs them on the prototype, and {@link TensorMethods} types them.
 */
import type { Backend } from "../backend/backend.ts";
import type { DType } from "../base/dtype.ts";
import { contiguousStrides, isContiguous, numel, type Shape } from "../base/shape.ts";
// The one upward edge of the floors, and a type only: what is installed on the prototype later.
import type { Node, TensorMethods } from "../methods.ts";
import { Storage, type VersionCounter } from "./storage.ts";

/** Why an in-place operation on a view may have to be refused (PyTorch's `CreationMeta`). */
export type ViewCreation = "default" | "no_grad" | "multi_output" | "inference" | "custom_function";

/** What a differentiable view remembers; see Note [In-place on views] in autograd/views.ts. */
export interface ViewInfo {
  readonly base: Tensor;
  creation: ViewCreation;
  /** The version at which the view's `grad_fn` was made; a later one means that it is stale. */
  version: number;
}

/** Autograd fields that few tensors need. */
export interface AutogradExtra {
  grad: Tensor | null;
  /** The node that accumulates into `grad`; leaves only. */
  accumulator: Node | null;
  retainsGrad: boolean;
  /** In forward mode the derivative that travels with the value, and the level it belongs to. */
  tangent: Tensor | null;
  tangentLevel: object | null;
}

// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- the methods are installed on the prototype by index.ts
export class Tensor {
  /** @internal */ _storage: Storage;
  /** @internal Position of the first element, in elements. */ _offset: number;
  /** @internal */ _strides: Shape;
  /** @internal */ _counter: VersionCounter;
  /** @internal The node this tensor is an output of; use `gradFn` of autograd/views.ts, which refreshes stale views. */ _node: Node | null;
  /** @internal Which output of `_node`. */ _outputNr: number;
  /** @internal Set on leaves only. */ _requiresGrad: boolean;
  /** @internal */ _view: ViewInfo | null;
  /** @internal */ _extra: AutogradExtra | null;
  /** @internal -1: not yet known; 0, 1. */ _contiguous: number;
  /** The sizes of the dimensions (`torch.Size`). */
  readonly shape: Shape;
  /** The type of the elements. */
  readonly dtype: DType;
  /** @internal The number of elements. */ readonly _numel: number;

  /** @internal Use `torch.tensor`, `torch.empty` and the other factories. */
  constructor(storage: Storage, shape: Shape, strides: Shape, offset: number, dtype: DType, contiguous = -1) {
    this._storage = storage;
    this._offset = offset;
    this._strides = strides;
    this._counter = storage;
    this._node = null;
    this._outputNr = 0;
    this._requiresGrad = false;
    this._view = null;
    this._extra = null;
    this._contiguous = contiguous;
    this.shape = shape;
    this.dtype = dtype;
    this._numel = numel(shape);
  }

  /** The number of dimensions. */
  get ndim(): number {
    return this.shape.length;
  }

  /** @internal */
  get _backend(): Backend {
    return this._storage.backend;
  }

  /** @internal Byte address of the first element. See Note [Pointers and collection] in backend.ts. */
  get _ptr(): number {
    return this._storage.ptr + this._offset * this.dtype.itemsize;
  }

  /** @internal */
  get _isContiguous(): boolean {
    if (this._contiguous < 0) this._contiguous = isContiguous(this.shape, this._strides) ? 1 : 0;
    return this._contiguous === 1;
  }
}

// oxlint-disable-next-line typescript/no-unsafe-declaration-merging, typescript/no-empty-object-type -- as above
export interface Tensor extends TensorMethods {}

/** A new contiguous tensor with uninitialised elements. */
export function allocate(shape: Shape, dtype: DType, backend: Backend): Tensor {
  return new Tensor(new Storage(backend, numel(shape) * dtype.itemsize), shape, contiguousStrides(shape), 0, dtype, 1);
}

/** A new tensor with the given strides (which must be dense) and uninitialised elements. */
export function allocateStrided(shape: Shape, strides: Shape, dtype: DType, backend: Backend): Tensor {
  let last = 0;
  let empty = false;
  for (let i = 0; i < shape.length; i++) {
    if (shape[i] === 0) empty = true;
    last += ((shape[i] as number) - 1) * (strides[i] as number);
  }
  return new Tensor(new Storage(backend, empty ? 0 : (last + 1) * dtype.itemsize), shape, strides, 0, dtype);
}

/** Another tensor over the same elements, or others of the same storage; it knows nothing of autograd. */
export function alias(t: Tensor, shape: Shape, strides: Shape, offset: number): Tensor {
  const out = new Tensor(t._storage, shape, strides, offset, t.dtype);
  out._counter = t._counter;
  return out;
}
