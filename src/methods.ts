/**
 * The types of what is installed on tensors: methods derived from the operators, and by hand the properties and the methods
 * with several forms. This is the one file that lower floors look up to, for types only.
 */
import type { TensorBackwardOptions } from "./autograd/backward.ts";
import type { Node, RemovableHandle, TensorHook } from "./autograd/node.ts";
import type { DType } from "./base/dtype.ts";
import type { ValuesIndices } from "./dispatch/named.ts";
import type { OpInfo, InplaceOpInfo } from "./dispatch/op.ts";
import type { ScalarLike } from "./dispatch/signature.ts";
import type * as ops from "./ops/index.ts";
import type { NormOptions, NormOrder } from "./ops/norm.ts";
import type { Dims, TypedReduceOptions, VarOptions } from "./ops/reduce.ts";
import type { Tensor } from "./tensor/tensor.ts";

export type { Node } from "./autograd/node.ts";

type Ops = typeof ops;

/** A function without its first parameter, the tensor. */
type Method<F> = F extends (input: infer _Self, ...rest: infer R) => infer O ? (...rest: R) => O : never;

/** Operators under names that tensors give another meaning, or that `TensorProperties` types by hand. */
type Excluded = keyof TensorProperties;

type MethodNames = {
  [K in keyof Ops]: Ops[K] extends { readonly op: OpInfo } ? (K extends Excluded ? never : K) : never;
}[keyof Ops];

type Methods = { [K in keyof Ops as K extends MethodNames ? K : never]: Method<Ops[K]> };
type InplaceMethods = {
  [
    K in keyof Ops as K extends MethodNames ? (Ops[K] extends { readonly op: InplaceOpInfo } ? `${K}_` : never) : never
  ]: Method<Ops[K]>;
};

export interface TensorMethods extends Methods, InplaceMethods, TensorProperties {}

/** Properties, and methods that belong to tensors alone. */
export interface TensorProperties {
  /** The gradient that `backward` has accumulated, or null. */
  grad: Tensor | null;
  /** The node of the graph that made this tensor; null for leaves. */
  readonly grad_fn: Node | null;
  /** Whether operations on the tensor are recorded for `backward`. May be set on leaves. */
  requires_grad: boolean;
  /** Whether the tensor was made by the user rather than by a recorded operation. */
  readonly is_leaf: boolean;
  /** Whether `.grad` is filled in though the tensor is not a leaf. */
  readonly retains_grad: boolean;
  /** The values, without history and with a version counter of their own. */
  data: Tensor;
  /** Where the elements are, such as `"cpu"`. */
  readonly device: string;
  /** The dimensions in reverse order. */
  readonly T: Tensor;
  /** With the last two dimensions swapped. */
  readonly mT: Tensor;
  /** The conjugate transpose of a matrix. */
  readonly H: Tensor;
  /** The conjugate of {@link mT}. */
  readonly mH: Tensor;
  /** The real part, sharing memory. */
  real: Tensor;
  /** The imaginary part, sharing memory; complex tensors only. */
  imag: Tensor;
  /** The size of one element in bytes. */
  readonly itemsize: number;
  readonly nbytes: number;
  /** The tensor this is a view of, or null. */
  readonly _base: Tensor | null;
  /** How often the values were modified in place. */
  readonly _version: number;
  /** Which output of `grad_fn` this is. */
  readonly output_nr: number;

  /**
   * Computes the gradients of this tensor with respect to the leaves of its graph, and adds them to their `.grad`.
   *
   * A tensor of one element needs no `gradient`. For others it is the vector v of the product vᵀJ with the Jacobian J that is
   * computed: how much each element counts.
   */
  backward(gradient?: Tensor | null, options?: TensorBackwardOptions): void;
  backward(options?: TensorBackwardOptions): void;
  /** Turns recording on or off; for leaves. Returns the tensor. */
  requires_grad_(requires_grad?: boolean): this;
  /** Fills in `.grad` in `backward` though the tensor is not a leaf. */
  retain_grad(): void;
  /** Cuts the tensor itself off from the graph. */
  detach_(): this;
  /** Calls `hook` with each gradient computed for the tensor; what it returns, if anything, replaces the gradient. */
  register_hook(hook: TensorHook): RemovableHandle;
  /** Calls `hook` with the leaf after a gradient was accumulated into its `.grad`. */
  register_post_accumulate_grad_hook(hook: (leaf: Tensor) => void): RemovableHandle;
  /** The sizes, or the size of one dimension. */
  size(): readonly number[];
  size(dim: number): number;
  /** The strides in elements, or that of one dimension. */
  stride(): readonly number[];
  stride(dim: number): number;
  /** The number of dimensions. */
  dim(): number;
  /** The number of elements. */
  numel(): number;
  nelement(): number;
  element_size(): number;
  storage_offset(): number;
  /** The address of the first element in the device's memory. */
  data_ptr(): number;
  is_contiguous(options?: { memory_format?: string }): boolean;
  is_floating_point(): boolean;
  is_complex(): boolean;
  is_signed(): boolean;
  /** Whether both are the same view of the same memory. */
  is_set_to(other: Tensor): boolean;
  /** Converts to bool. */
  bool(options?: object): Tensor;
  /** Converts to bfloat16. */
  bfloat16(options?: object): Tensor;
  /** The sum of the elements, over all dims or the given ones. */
  sum(options?: TypedReduceOptions): Tensor;
  sum(dim: Dims, keepdim?: boolean | TypedReduceOptions, options?: TypedReduceOptions): Tensor;
  /** The mean of the elements, over all dims or the given ones. */
  mean(options?: TypedReduceOptions): Tensor;
  mean(dim: Dims, keepdim?: boolean | TypedReduceOptions, options?: TypedReduceOptions): Tensor;
  /** The product of the elements, over all dims or the given one. */
  prod(options?: TypedReduceOptions): Tensor;
  prod(dim: number | null, keepdim?: boolean | TypedReduceOptions, options?: TypedReduceOptions): Tensor;
  /** The norm of the elements, the Euclidean one by default, over all dims or the given ones. */
  norm(options?: NormOptions & { p?: NormOrder | null }): Tensor;
  norm(p: NormOrder | null, dim?: Dims | NormOptions, keepdim?: boolean | NormOptions, options?: NormOptions): Tensor;
  /** The variance, over all dims or the given ones. */
  var(options?: VarOptions): Tensor;
  var(unbiased: boolean): Tensor;
  var(dim: Dims, unbiased?: boolean | VarOptions, keepdim?: boolean, options?: VarOptions): Tensor;
  /** The standard deviation, over all dims or the given ones. */
  std(options?: VarOptions): Tensor;
  std(unbiased: boolean): Tensor;
  std(dim: Dims, unbiased?: boolean | VarOptions, keepdim?: boolean, options?: VarOptions): Tensor;
  /** The elements where `condition` holds, elsewhere those of `other`. */
  where(condition: Tensor, other: Tensor | ScalarLike): Tensor;
  /** The n-th derivative of `digamma`. */
  polygamma(n: number): Tensor;
  polygamma_(n: number): Tensor;
  /** The largest element; along a dimension also where it is; or the larger of two tensors, by element. */
  max(): Tensor;
  max(other: Tensor): Tensor;
  max(dim: number, keepdim?: boolean | { keepdim?: boolean }): ValuesIndices;
  max(options: { dim: number; keepdim?: boolean }): ValuesIndices;
  /** The smallest element; along a dimension also where it is; or the smaller of two tensors, by element. */
  min(): Tensor;
  min(other: Tensor): Tensor;
  min(dim: number, keepdim?: boolean | { keepdim?: boolean }): ValuesIndices;
  min(options: { dim: number; keepdim?: boolean }): ValuesIndices;
  /** The median, the lower one of two; along a dimension also where it is. */
  median(): Tensor;
  median(dim: number | { dim: number; keepdim?: boolean }, keepdim?: boolean): ValuesIndices;
  /** The median without regard to NaN. */
  nanmedian(): Tensor;
  nanmedian(dim: number | { dim: number; keepdim?: boolean }, keepdim?: boolean): ValuesIndices;
  /** The indices of the elements that are not zero, as rows, or as one tensor for each dimension. */
  nonzero(): Tensor;
  nonzero(options: { as_tuple: true }): Tensor[];
  nonzero(options: { as_tuple?: false }): Tensor;
  /** Gives the tensor another shape, with more memory if it needs that. */
  resize_(...size: (number | readonly number[])[]): Tensor;
  resize_as_(the_template: Tensor): Tensor;
  /** PyTorch's text of the tensor. */
  toString(): string;
  /** The name of the class and dtype: `torch.FloatTensor`. */
  type(): string;
  type(dtype: DType): Tensor;
  /** Over the first dimension. */
  [Symbol.iterator](): Iterator<Tensor>;
  /**
   * The elements as a typed array, a copy in row-major order (PyTorch's `numpy()`, which shares memory). Throws on a tensor
   * that requires grad, as PyTorch does.
   */
  numpy(): ArrayLike<number | bigint> & ArrayBufferView;
}
