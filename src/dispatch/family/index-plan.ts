/**
 * Indexing several dimensions at once, with NumPy's rules: index tensors broadcast against each other, and their dimensions
 * stand in the result where they were, or first if other dimensions lie between them.
 */
import { bool, int32, int64, uint8 } from "../../base/dtype.ts";
import { IndexError } from "../../base/errors.ts";
import { broadcastAll, formatShape, numel, type Shape } from "../../base/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type IndexPlan, placesOf } from "./indexing.ts";
import { nonzeroRaw } from "./masks.ts";

/** One index for each dimension from the first on; null takes the dimension as it is. */
export type Indices = readonly (Tensor | null)[];

/** Whether a tensor selects by truth rather than by number. */
export const isMask = (t: Tensor): boolean => t.dtype === bool || t.dtype === uint8;

/** Masks become the indices of their nonzero elements, one tensor for each of their dimensions. */
export function expandMasks(shape: Shape, indices: Indices): (Tensor | null)[] {
  const out: (Tensor | null)[] = [];
  indices.forEach((index) => {
    if (index === null || !isMask(index)) {
      if (index !== null && index.dtype !== int64 && index.dtype !== int32) {
        throw new IndexError("tensors used as indices must be long, int, byte or bool tensors");
      }
      out.push(index);
      return;
    }
    for (let j = 0; j < index.ndim; j++) {
      const at = out.length + j;
      if (index.shape[j] !== shape[at]) {
        throw new IndexError(
          `The shape of the mask ${formatShape(index.shape)} at index ${j} does not match the shape of the indexed tensor ${formatShape(shape)} at index ${at}`,
        );
      }
    }
    const places = nonzeroRaw(index);
    if (index.ndim === 0) {
      out.push(places.view(-1));
      return;
    }
    for (let j = 0; j < index.ndim; j++) out.push(places.select(1, j));
  });
  return out;
}

/** The plan for a tensor of the given shape. Checks every index. */
export function planOf(shape: Shape, given: Indices): IndexPlan {
  const indices = expandMasks(shape, given);
  if (indices.length > shape.length) {
    throw new IndexError(`too many indices for tensor of dimension ${shape.length} (got ${indices.length})`);
  }
  const indexed: number[] = [];
  indices.forEach((t, d) => {
    if (t !== null) indexed.push(d);
  });
  const tensors = indexed.map((d) => indices[d] as Tensor);
  let common: Shape;
  try {
    common = broadcastAll(tensors.map((t) => t.shape));
  } catch {
    throw new IndexError(
      `shape mismatch: indexing tensors could not be broadcast together with shapes ${tensors.map((t) => formatShape(t.shape)).join(", ")}`,
    );
  }
  const first = indexed[0] as number;
  const adjacent = (indexed.at(-1) as number) - first === indexed.length - 1;
  const start = adjacent ? first : 0;
  const free = shape.map((_, d) => d).filter((d) => !indexed.includes(d));
  const before = free.filter((d) => adjacent && d < first);
  const after = free.filter((d) => !(adjacent && d < first));
  const result = [...before.map((d) => shape[d] as number), ...common, ...after.map((d) => shape[d] as number)];
  const empty = numel(common) === 0;
  const places = indexed.map((d, k) => {
    const size = shape[d] as number;
    const index = tensors[k] as Tensor;
    if (size === 0 && !empty) throw new IndexError("index is out of bounds for dimension with size 0");
    const checked = placesOf(index, size, {
      wrap: true,
      error: (i) => new IndexError(`index ${i} is out of bounds for dimension ${d} with size ${size}`),
    });
    return seenFrom(checked, start, result.length - start - common.length, result.length);
  });
  return {
    shape: result,
    dims: [...before, ...common.map(() => -1), ...after],
    indexed,
    places,
  };
}

/** Places with dimensions of size 1 for those of the result after them. */
function seenFrom(places: Tensor, before: number, after: number, ndim: number): Tensor {
  const lead = ndim - before - after - places.ndim;
  const ones = (n: number): number[] => new Array<number>(n).fill(1);
  return places.view([...ones(before + lead), ...places.shape, ...ones(after)]);
}
