/**
 * What operators that take index tensors check, and how.
 */
import { int32, int64 } from "../base/dtype.ts";
import { IndexError, TorchError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import type { PlaceRules } from "../dispatch/family/indexing.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** The size of a dimension; a tensor of no dimensions counts as one of size 1. */
export const dimSize = (x: Tensor, dim: number): number => (x.ndim === 0 ? 1 : (x.shape[dim] as number));

/** Indices along a dimension from 0 on, as `gather` takes them. */
export const exactPlaces = (dim: number, size: number): PlaceRules => ({
  wrap: false,
  error: (i) => new TorchError(`index ${i} is out of bounds for dimension ${dim} with size ${size}`),
});

/** Indices of whole slices, from 0 on. */
export const inSelf: PlaceRules = { wrap: false, error: () => new IndexError("index out of range in self") };

/** Positions in row-major order, from either end. */
export const flatPlaces = (total: number): PlaceRules => ({
  wrap: true,
  error: (i) => new IndexError(`out of range: tried to access index ${i} on a tensor of ${total} elements.`),
});

/** Throws unless the tensor is of int32 or int64. */
export function checkIndexType(index: Tensor, message: string): void {
  if (index.dtype !== int64 && index.dtype !== int32) throw new TorchError(message);
}

/** The conditions that `gather` and `scatter` share. */
export function checkIndexShape(name: string, x: Tensor, dim: number, index: Tensor, src: Tensor | null): void {
  if (index._numel === 0) return;
  checkIndexType(index, `${name}(): Expected dtype int32/int64 for index`);
  const rank = (t: Tensor): number => Math.max(t.ndim, 1);
  if (rank(index) !== rank(x)) {
    throw new TorchError(
      `Index tensor must have the same number of dimensions as ${name === "gather" ? "input" : "self"} tensor`,
    );
  }
  if (src !== null && rank(index) !== rank(src)) {
    throw new TorchError("Index tensor must have the same number of dimensions as src tensor");
  }
  for (let d = 0; d < index.ndim; d++) {
    const n = index.shape[d] as number;
    if (d !== dim && n > dimSize(x, d)) {
      if (src === null && name === "gather") {
        throw new TorchError(
          `Size does not match at dimension ${d} expected index ${formatShape(index.shape)} to be no larger than self ${formatShape(x.shape)} apart from dimension ${dim}`,
        );
      }
      throw tooLarge(index, x, dim, src);
    }
    if (src !== null && n > dimSize(src, d)) throw tooLarge(index, x, dim, src);
  }
}

function tooLarge(index: Tensor, x: Tensor, dim: number, src: Tensor | null): TorchError {
  const also = src === null ? "" : ` and to be no larger size than src ${formatShape(src.shape)}`;
  return new TorchError(
    `Expected index ${formatShape(index.shape)} to be no larger than self ${formatShape(x.shape)} apart from dimension ${dim}${also}`,
  );
}
