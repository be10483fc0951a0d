/**
 * The namespace `torch.masked`: reductions over the elements that a boolean mask keeps. Each fills the others with the value that
 * leaves the result unchanged.
 */
import { bool, type DType, float32, int64 } from "../base/dtype.ts";
import { ArgumentTypeError, TorchError } from "../base/errors.ts";
import { wrapDims } from "../base/shape.ts";
import * as ops from "../ops/index.ts";
import { linalg_vector_norm } from "../ops/norm.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { operator } from "../dispatch/op.ts";
import { pythonTypeOf } from "../dispatch/signature.ts";

type Dims = number | readonly number[] | null;

/** Options of the functions of `torch.masked`. */
export interface MaskedOptions {
  dim?: Dims;
  keepdim?: boolean | null;
  dtype?: DType | null;
  /** True keeps an element. Broadcasts to the input; null keeps all. */
  mask?: Tensor | null;
}

type MaskedReduction = (input: Tensor, dim?: Dims | MaskedOptions, options?: MaskedOptions) => Tensor;

/** The mask in the shape of the input. */
function inputMask(x: Tensor, mask: Tensor): Tensor {
  if (mask.ndim > x.ndim) {
    throw new ArgumentTypeError(
      "_input_mask expected mask dimensionality to be less than or equal to that of the input",
    );
  }
  return mask.expand(x.shape).to(bool);
}

function filled(x: Tensor, mask: Tensor | null, value: number): Tensor {
  if (mask === null) return x;
  return ops.where(inputMask(x, mask), x, ops.scalar_tensor(value, { dtype: x.dtype })) as Tensor;
}

const limits: Readonly<Record<string, readonly [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  int16: [-32768, 32767],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [-(2 ** 63), 2 ** 63 - 1024],
  bool: [0, 1],
};
const lowest = (d: DType): number => limits[d.name]?.[0] ?? -Infinity;
const highest = (d: DType): number => limits[d.name]?.[1] ?? Infinity;

const reduction = (
  name: string,
  compute: (x: Tensor, dims: number[], keepdim: boolean, dtype: DType | null, mask: Tensor | null, dim: Dims) => Tensor,
): MaskedReduction =>
  operator(
    `${name}(Tensor input, int|int[]? dim=None, *, bool? keepdim=False, dtype? dtype=None, Tensor? mask=None)`,
    (x: Tensor, dim: Dims, keepdim: boolean | null, dtype: DType | null, mask: Tensor | null) =>
      compute(x, wrapDims(dim as number[] | null, x.ndim), keepdim === true, dtype, mask, dim),
  );

const summed = (x: Tensor, dims: number[], keepdim: boolean, dtype: DType | null, mask: Tensor | null): Tensor =>
  ops.sum(filled(x, mask, 0), dims, keepdim, { dtype: dtype ?? (x.dtype.category < 2 ? int64 : x.dtype) });

/** The sum of the kept elements. */
export const sum: MaskedReduction = reduction("sum", summed);

/** The product of the kept elements. */
export const prod: MaskedReduction = reduction("prod", (x, dims, keepdim, dtype, mask, dim) => {
  const type = dtype ?? (x.dtype.category < 2 ? int64 : x.dtype);
  let out = filled(x, mask, 1);
  // A 0-d tensor has one dim for this purpose.
  const each = x.ndim === 0 && dims.length === 0 && dim !== null && !Array.isArray(dim) ? [0] : dims;
  for (const d of each.toSorted((a, b) => b - a)) out = ops.prod(out, d, keepdim);
  return out.to(type);
});

/** The largest of the kept elements. */
export const amax: MaskedReduction = reduction("amax", (x, dims, keepdim, dtype, mask) =>
  ops.amax(filled(x, mask, lowest(x.dtype)), dims, keepdim).to(dtype ?? x.dtype),
);
/** The smallest of the kept elements. */
export const amin: MaskedReduction = reduction("amin", (x, dims, keepdim, dtype, mask) =>
  ops.amin(filled(x, mask, highest(x.dtype)), dims, keepdim).to(dtype ?? x.dtype),
);

type Position = (input: Tensor, dim?: number | null, keepdim?: boolean) => Tensor;

const position = (name: string, find: Position, fill: (d: DType) => number): MaskedReduction =>
  reduction(name, (x, _dims, keepdim, dtype, mask, dim) => {
    const data = filled(x, mask, fill(x.dtype));
    const at = Array.isArray(dim) ? (dim as number[])[0] : (dim as number | null);
    const found = at === null || at === undefined ? find(data) : find(data, at, keepdim);
    return found.to(dtype ?? x.dtype);
  });
/** Where the largest of the kept elements is. */
export const argmax: MaskedReduction = position("argmax", ops.argmax, lowest);
/** Where the smallest of the kept elements is. */
export const argmin: MaskedReduction = position("argmin", ops.argmin, highest);

/** The logarithm of the sum of the exponentials of the kept elements. */
export const logsumexp: MaskedReduction = reduction("logsumexp", (x, dims, keepdim, dtype, mask) => {
  const data = x.dtype.category < 2 ? x.to(float32) : x;
  return ops.logsumexp(filled(data, mask, -Infinity), dims, keepdim).to(dtype ?? x.dtype);
});

/** How many elements are kept. */
function countOf(x: Tensor, dims: number[], keepdim: boolean, mask: Tensor | null): Tensor {
  return summed(ops.ones(x.shape, { dtype: int64 }), dims, keepdim, null, mask === null ? null : inputMask(x, mask));
}

/** The mean of the kept elements. */
export const mean: MaskedReduction = reduction("mean", (x, dims, keepdim, dtype, mask) => {
  const type = dtype ?? x.dtype;
  if (type.category < 2) {
    throw new TorchError(
      `mean(): could not infer output dtype. ${dtype === null ? "Input" : "Optional"} dtype must be either a floating point or complex dtype. Got: ${type.scalarName}`,
    );
  }
  return ops.div(summed(x, dims, keepdim, type, mask), countOf(x, dims, keepdim, mask));
});

/** The median of the kept elements along a dim. */
export const median: MaskedReduction = reduction("median", (x, dims, keepdim, _dtype, mask) => {
  if (!x.dtype.is_floating_point) {
    throw new TorchError(`input must be a floating point tensor, but got ${pythonTypeOf(x)} of ${String(x.dtype)}`);
  }
  const data = filled(x, mask, Number.NaN);
  return (ops.nanmedian(data, dims[0] ?? 0, keepdim) as unknown as { values: Tensor }).values;
});

function spread(root: boolean): (input: Tensor, ...args: unknown[]) => Tensor {
  return operator(
    `${root ? "std" : "var"}(Tensor input, int|int[]? dim=None, bool? unbiased=None, *, float? correction=None, bool? keepdim=False, dtype? dtype=None, Tensor? mask=None)`,
    (
      x: Tensor,
      dim: number[] | null,
      unbiased: boolean | null,
      correction: number | null,
      keepdim: boolean | null,
      dtype: DType | null,
      mask: Tensor | null,
    ) => {
      const dims = wrapDims(dim, x.ndim);
      const type = dtype ?? (x.dtype.category < 2 ? float32 : x.dtype);
      const by = correction ?? (unbiased === false ? 0 : 1);
      const kept = mask === null ? null : inputMask(x, mask);
      const centre = ops.div(summed(x, dims, true, type, kept), countOf(x, dims, true, kept));
      const from = ops.sub(x, centre);
      const total = summed(from.mul(from.conj()), dims, keepdim === true, type, kept);
      let count = countOf(x, dims, true, kept).reshape(total.shape);
      if (by !== 0) {
        const real = total.dtype.is_complex ? total.real.dtype : total.dtype;
        count = ops.maximum(count.to(real).sub(by), count.new_zeros([], { dtype: real }));
      }
      const out = ops.div(total, count).to(type);
      return root ? out.sqrt() : out;
    },
  );
}

/** The variance of the kept elements. */
const variance: (input: Tensor, ...args: unknown[]) => Tensor = spread(false);
export { variance as var };
/** The standard deviation of the kept elements. */
export const std: (input: Tensor, ...args: unknown[]) => Tensor = spread(true);

type MaskedScan = (input: Tensor, dim: number, options?: Omit<MaskedOptions, "dim" | "keepdim">) => Tensor;

const scan = (
  name: string,
  fill: number,
  compute: (x: Tensor, dim: number, dtype: DType | null) => Tensor,
): MaskedScan =>
  operator(
    `${name}(Tensor input, int dim, *, dtype? dtype=None, Tensor? mask=None)`,
    (x: Tensor, dim: number, dtype: DType | null, mask: Tensor | null) => compute(filled(x, mask, fill), dim, dtype),
  );

/** The running sum of the kept elements. */
export const cumsum: MaskedScan = scan("cumsum", 0, (x, dim, dtype) => ops.cumsum(x, dim, { dtype }));
/** The running product of the kept elements. */
export const cumprod: MaskedScan = scan("cumprod", 1, (x, dim, dtype) => ops.cumprod(x, dim, { dtype }));
/** Softmax over the kept elements. */
export const softmax: MaskedScan = scan("softmax", -Infinity, (x, dim, dtype) => ops.softmax(x, dim, { dtype }));
/** The logarithm of {@link softmax}. */
export const log_softmax: MaskedScan = scan("log_softmax", -Infinity, (x, dim, dtype) =>
  ops.log_softmax(x, dim, { dtype }),
);
/** Softmin over the kept elements. */
export const softmin: MaskedScan = scan("softmin", Infinity, (x, dim, dtype) => ops.softmin(x, dim, { dtype }));

/** The vector norm of the kept elements. */
export const norm: (input: Tensor, ord?: number, dim?: Dims, options?: MaskedOptions) => Tensor = operator(
  "norm(Tensor input, float? ord=2, int|int[]? dim=None, *, bool? keepdim=False, dtype? dtype=None, Tensor? mask=None)",
  (
    x: Tensor,
    ord: number | null,
    dim: number[] | null,
    keepdim: boolean | null,
    dtype: DType | null,
    mask: Tensor | null,
  ) => {
    const p = ord ?? 2;
    const data = filled(x, mask, p < 0 ? Infinity : 0);
    return linalg_vector_norm(data, p, wrapDims(dim, x.ndim), keepdim === true, { dtype });
  },
);

/** The kept elements divided by their norm along a dim. */
export const normalize: (
  input: Tensor,
  ord: number,
  dim: number,
  options?: MaskedOptions & { eps?: number },
) => Tensor = operator(
  "normalize(Tensor input, float ord, int dim, *, float eps=1e-12, dtype? dtype=None, Tensor? mask=None)",
  (x: Tensor, ord: number, dim: number, eps: number, dtype: DType | null, mask: Tensor | null) => {
    const size = norm(x, ord, dim, { keepdim: true, dtype, mask });
    const least = ops.maximum(size.dtype.is_complex ? size.real : size, size.new_full([], eps));
    return ops.div(filled(x, mask, 0), least);
  },
);

/** {@link ops.logaddexp} where elements that are not kept count nothing. */
export const logaddexp: (
  input: Tensor,
  other: Tensor,
  options?: { dtype?: DType | null; input_mask?: Tensor | null; other_mask?: Tensor | null },
) => Tensor = operator(
  "logaddexp(Tensor input, Tensor other, *, dtype? dtype=None, Tensor? input_mask=None, Tensor? other_mask=None)",
  (x: Tensor, y: Tensor, dtype: DType | null, a: Tensor | null, b: Tensor | null) =>
    ops.logaddexp(filled(x, a, -Infinity), filled(y, b, -Infinity)).to(dtype ?? x.dtype),
);
