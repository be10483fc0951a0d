/**
 * Puts the operators on the prototype of tensors as methods, and the properties beside them.
 */
import { AccumulateGrad, accumulatorOf, extraOf } from "./autograd/accumulate.ts";
import { backward } from "./autograd/backward.ts";
import { tangentOf } from "./autograd/forward-ad.ts";
import { push, type TensorHook } from "./autograd/node.ts";
import { edgeOf, gradFn, isLeaf, requiresGrad } from "./autograd/views.ts";
import { Complex } from "./base/complex-number.ts";
import { bool, type DType } from "./base/dtype.ts";
import { ArgumentTypeError, TorchError } from "./base/errors.ts";
import { formatShape, sameShape, wrapDim } from "./base/shape.ts";
import { contiguousRaw } from "./dispatch/elementwise.ts";
import type { Operator } from "./dispatch/op.ts";
import { isOptions, pythonTypeOf } from "./dispatch/signature.ts";
import { readElement, viewElements } from "./tensor/data.ts";
import { formatTensor, type Printable } from "./tensor/format.ts";
import { alias, Tensor } from "./tensor/tensor.ts";
import { VersionCounter } from "./tensor/storage.ts";
import * as ops from "./ops/index.ts";
import { resize_, resize_as_ } from "./ops/internal.ts";

const isOperator = (x: unknown): x is Operator => typeof x === "function" && "op" in x;

/** Names under which the operator's export differs from the method. */
const methodNames: Readonly<Record<string, string>> = {
  toBool: "bool",
  toBFloat16: "bfloat16",
  tensorWhere: "where",
  tensorPolygamma: "polygamma",
};

function install(name: string, fn: Operator): void {
  const proto = Tensor.prototype as unknown as Record<string, unknown>;
  // Wrappers of fixed arity: rest parameters would cost an array on every call.
  const method =
    fn.op.signature.variadic >= 0
      ? function (this: Tensor, ...args: unknown[]): unknown {
          return fn(this, ...args);
        }
      : fn.op.signature.params.length <= 1
        ? function (this: Tensor, a?: unknown): unknown {
            return a === undefined ? fn(this) : fn(this, a);
          }
        : fn.op.signature.params.length === 2
          ? function (this: Tensor, a?: unknown, b?: unknown): unknown {
              return b === undefined ? fn(this, a) : fn(this, a, b);
            }
          : function (
              this: Tensor,
              a?: unknown,
              b?: unknown,
              c?: unknown,
              d?: unknown,
              e?: unknown,
              f?: unknown,
            ): unknown {
              return fn(this, a, b, c, d, e, f);
            };
  Object.defineProperty(method, "name", { value: name });
  Object.defineProperty(proto, name, { value: method, writable: true, configurable: true });
}

/** Installs every operator that is a method, and its in-place form. */
export function installMethods(): void {
  for (const [key, fn] of Object.entries({ ...ops, resize_, resize_as_ })) {
    if (!isOperator(fn) || !fn.op.method) continue;
    const name = methodNames[key] ?? key;
    install(name, fn);
    if (fn.op.inplace !== null) install(`${name}_`, fn.op.inplace);
  }
}

const nonLeafGrad =
  "UserWarning: The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be populated during autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure you access the leaf Tensor instead. See github.com/pytorch/pytorch/pull/30531 for more information.";

function setGrad(t: Tensor, grad: unknown): void {
  if (grad === null || grad === undefined) {
    if (t._extra !== null) t._extra.grad = null;
    return;
  }
  if (!(grad instanceof Tensor)) {
    throw new ArgumentTypeError(
      `assigned grad expected to be a Tensor or None but got grad of type ${pythonTypeOf(grad)}`,
    );
  }
  if (grad === t) throw new TorchError("can't assign Variable as its own grad");
  if (grad.dtype !== t.dtype) {
    throw new TorchError(
      `attempting to assign a gradient with dtype '${grad.dtype.scalarName.toLowerCase()}' to a tensor with grad_dtype '${t.dtype.scalarName}'. The gradient must match the tensor's grad_dtype (defaults to the tensor's dtype). You can set the tensor's grad_dtype attribute with a specific dtype, or None to allow any dtype. Set grad_dtype with caution. Diverging the dtypes of a tensor and its gradient may break downstream systems that assume they match.`,
    );
  }
  if (!sameShape(grad.shape, t.shape)) {
    throw new TorchError(
      `attempting to assign a gradient of size '${formatShape(grad.shape)}' to a tensor of size '${formatShape(t.shape)}'. Please ensure that the gradient and the tensor are the same size`,
    );
  }
  extraOf(t).grad = grad;
}

function setRequiresGrad(t: Tensor, value: boolean, wording: "setter" | "method"): void {
  if (!isLeaf(t)) {
    if (value) return;
    throw new TorchError(
      "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a subgraph that doesn't require differentiation use var_no_grad = var.detach().",
    );
  }
  if (value && t.dtype.category < 2) {
    throw new TorchError(
      wording === "setter"
        ? "only Tensors of floating point and complex dtype can require gradients"
        : "only Tensors of floating point dtype can require gradients",
    );
  }
  t._requiresGrad = value;
}

const properties: Record<string, { get(this: Tensor): unknown; set?(this: Tensor, value: never): void }> = {
  grad: {
    get() {
      if (this._extra?.grad == null && !isLeaf(this) && this._extra?.retainsGrad !== true) console.warn(nonLeafGrad);
      return this._extra?.grad ?? null;
    },
    set(value: unknown) {
      setGrad(this, value);
    },
  },
  grad_fn: {
    get() {
      return gradFn(this);
    },
  },
  requires_grad: {
    get() {
      return requiresGrad(this);
    },
    set(value: boolean) {
      setRequiresGrad(this, value, "setter");
    },
  },
  is_leaf: {
    get() {
      return isLeaf(this);
    },
  },
  retains_grad: {
    get() {
      return !isLeaf(this) && this._extra?.retainsGrad === true;
    },
  },
  data: {
    get() {
      const out = alias(this, this.shape, this._strides, this._offset);
      out._counter = new VersionCounter();
      return out;
    },
    set(value: Tensor) {
      if (this._requiresGrad && value.dtype.category < 2) {
        throw new TorchError("data set to a tensor that requires gradients must be floating point or complex dtype");
      }
      Object.assign(this as object, {
        _storage: value._storage,
        _offset: value._offset,
        _strides: value._strides,
        _contiguous: value._contiguous,
        shape: value.shape,
        dtype: value.dtype,
        _numel: value._numel,
      });
    },
  },
  device: {
    get() {
      return this._backend.type;
    },
  },
  T: {
    get() {
      return this.permute(this.shape.map((_, i) => this.ndim - 1 - i));
    },
  },
  mT: {
    get() {
      if (this.ndim < 2) {
        throw new TorchError(
          `tensor.mT is only supported on matrices or batches of matrices. Got ${this.ndim}-D tensor.`,
        );
      }
      return this.transpose(-2, -1);
    },
  },
  H: {
    get() {
      if (this.ndim !== 2 && this.ndim !== 0) {
        throw new TorchError(
          `tensor.H is only supported on matrices (2-D tensors). Got ${this.ndim}-D tensor.${this.ndim > 2 ? " For batches of matrices, consider using tensor.mH" : ""}`,
        );
      }
      return this.ndim === 0 ? this.conj() : this.transpose(0, 1).conj();
    },
  },
  mH: {
    get() {
      if (this.ndim < 2) {
        throw new TorchError(
          `tensor.mH is only supported on matrices or batches of matrices. Got ${this.ndim}-D tensor.`,
        );
      }
      return this.transpose(-2, -1).conj();
    },
  },
  real: {
    get() {
      return ops.real(this);
    },
    set(value: Tensor) {
      ops.real(this).copy_(value);
    },
  },
  imag: {
    get() {
      return ops.imag(this);
    },
    set(value: Tensor) {
      ops.imag(this).copy_(value);
    },
  },
  itemsize: {
    get() {
      return this.dtype.itemsize;
    },
  },
  nbytes: {
    get() {
      return this._numel * this.dtype.itemsize;
    },
  },
  _base: {
    get() {
      return this._view?.base ?? null;
    },
  },
  _version: {
    get() {
      return this._counter.version;
    },
  },
  output_nr: {
    get() {
      return this._outputNr;
    },
  },
};

// oxlint-disable-next-line typescript/no-explicit-any -- methods of many signatures; `TensorProperties` types them
const methods: ThisType<Tensor> & Record<string, (...args: any[]) => unknown> = {
  backward(first?: unknown, second?: unknown) {
    const options = (isOptions(first) ? first : isOptions(second) ? second : {}) as Record<string, unknown>;
    const gradient = first instanceof Tensor ? first : ((options["gradient"] as Tensor | null | undefined) ?? null);
    if (first !== undefined && first !== null && !(first instanceof Tensor) && !isOptions(first)) {
      throw new ArgumentTypeError(`gradients can be either Tensors or None, but got ${pythonTypeOf(first)}`);
    }
    backward(this, gradient === null ? null : [gradient], options);
  },
  requires_grad_(value = true) {
    setRequiresGrad(this, value as boolean, "method");
    return this;
  },
  retain_grad() {
    if (!requiresGrad(this)) throw new TorchError("can't retain_grad on Tensor that has requires_grad=False");
    const node = gradFn(this);
    if (node === null) return;
    extraOf(this).retainsGrad = true;
    node._ensureHooks().retain.set(this._outputNr, new WeakRef(this));
  },
  detach_() {
    if (this._view !== null) {
      throw new TorchError(
        "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for training, and gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence detach_() cannot be called on these gradients. To fix this error, please refer to the Optimizer.zero_grad() function in torch/optim/optimizer.py as the solution.",
      );
    }
    this._node = null;
    this._outputNr = 0;
    this._requiresGrad = false;
    return this;
  },
  register_hook(hook: TensorHook) {
    const node = edgeOf(this);
    if (node === null) throw new TorchError("cannot register a hook on a tensor that doesn't require gradient");
    return push(node._ensureHooks().tensor, { nr: node instanceof AccumulateGrad ? 0 : this._outputNr, hook });
  },
  register_post_accumulate_grad_hook(hook: (leaf: Tensor) => void) {
    if (!requiresGrad(this)) throw new TorchError("cannot register a hook on a tensor that doesn't require gradient");
    if (!isLeaf(this)) throw new TorchError("post accumulate grad hooks cannot be registered on non-leaf tensors");
    return push(accumulatorOf(this)._post, hook);
  },
  size(dim?: number) {
    return dim === undefined ? this.shape : this.shape[wrapDim(dim, this.ndim)];
  },
  stride(dim?: number) {
    return dim === undefined ? this._strides : this._strides[wrapDim(dim, this.ndim)];
  },
  dim() {
    return this.ndim;
  },
  numel() {
    return this._numel;
  },
  nelement() {
    return this._numel;
  },
  element_size() {
    return this.dtype.itemsize;
  },
  storage_offset() {
    return this._offset;
  },
  data_ptr() {
    return this._ptr;
  },
  is_contiguous(options: { memory_format?: string } = {}) {
    const format = options.memory_format;
    if (format !== "torch.channels_last" && format !== "torch.channels_last_3d") return this._isContiguous;
    const rank = format === "torch.channels_last" ? 4 : 5;
    if (this.ndim !== rank) return false;
    const strides = ops.formatStrides(this.shape, format);
    return this.shape.every((n, d) => n === 1 || this._strides[d] === strides[d]);
  },
  is_floating_point() {
    return this.dtype.is_floating_point;
  },
  is_complex() {
    return this.dtype.is_complex;
  },
  is_signed() {
    return this.dtype.is_signed;
  },
  is_set_to(other: Tensor) {
    return (
      this._storage === other._storage &&
      this._offset === other._offset &&
      sameShape(this.shape, other.shape) &&
      sameShape(this._strides, other._strides)
    );
  },
  type(dtype?: DType) {
    return dtype === undefined ? `torch.${this.dtype.scalarName}Tensor` : this.to(dtype);
  },
  numpy() {
    if (requiresGrad(this)) {
      throw new TorchError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.");
    }
    return viewElements(contiguousRaw(this)).slice();
  },
  toString() {
    return textOf(this);
  },
  valueOf() {
    return this;
  },
};

/** The elements at positions of the row-major order. */
function readAt(t: Tensor, positions: readonly number[]): (number | bigint)[] {
  const host = t._backend.host;
  if (host === null) return [];
  const base = t._ptr / t.dtype.itemsize;
  const out: (number | bigint)[] = [];
  for (const p of positions) {
    let rest = p;
    let at = base;
    for (let d = t.ndim - 1; d >= 0; d--) {
      const n = t.shape[d] as number;
      at += (rest % n) * (t._strides[d] as number);
      rest = Math.floor(rest / n);
    }
    const v = readElement(host, t.dtype, at);
    if (v instanceof Complex) out.push(v.re, v.im);
    else out.push(typeof v === "boolean" ? Number(v) : (v as number | bigint));
  }
  return out;
}

function printable(t: Tensor): Printable {
  const node = gradFn(t);
  return {
    shape: t.shape,
    dtype: t.dtype,
    requires_grad: requiresGrad(t),
    gradFnName: node === null ? null : node._className,
    device: t._backend.type,
    readElements: t._backend.host === null ? null : (positions) => readAt(t, positions),
  };
}

function textOf(t: Tensor): string {
  const tangent = tangentOf(t);
  const prefix = (t.constructor as { readonly printPrefix?: string }).printPrefix ?? "";
  return prefix + formatTensor(printable(t), tangent === null ? {} : { tangent: printable(tangent) });
}

/** Installs the properties and methods that are not operators. */
export function installProperties(): void {
  const proto = Tensor.prototype;
  for (const [name, { get, set }] of Object.entries(properties)) {
    Object.defineProperty(proto, name, { get, ...(set === undefined ? {} : { set }), configurable: true });
  }
  for (const [name, method] of Object.entries(methods)) {
    Object.defineProperty(proto, name, { value: method, writable: true, configurable: true });
  }
  Object.defineProperty(proto, Symbol.iterator, {
    value(this: Tensor) {
      if (this.ndim === 0) throw new ArgumentTypeError("iteration over a 0-d tensor");
      return this.unbind(0)[Symbol.iterator]();
    },
  });
  Object.defineProperty(proto, Symbol.toPrimitive, {
    value(this: Tensor, hint: string) {
      if (hint === "string") return textOf(this);
      if (this._numel !== 1) {
        throw new TorchError(
          this.dtype === bool
            ? "Boolean value of Tensor with more than one value is ambiguous"
            : `a Tensor with ${this._numel} elements cannot be converted to Scalar`,
        );
      }
      return hint === "number" ? Number(this.item()) : textOf(this);
    },
  });
  Object.defineProperty(proto, Symbol.for("nodejs.util.inspect.custom"), {
    value(this: Tensor) {
      return textOf(this);
    },
  });
}
