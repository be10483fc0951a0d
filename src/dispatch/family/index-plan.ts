/**
 * Indexing several dimensions at once, with NumPy's rules: index tensors broadcast against each other, and their dimensions
 * stand in the result where they were, or first if other dimensions lie between them.
 */
import { bool, int32, int64, uint8 } from "../../base/dtype.ts";
import { IndexError } from "../../base/errors.ts";
import { broadcastAll, formatShape, numel, type Shape } from "../../base/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type IndexPlan, placesOf } from "./indexing.ts";
import { nonzeroRaw, positionsOf } from "./masks.ts";

/** One index for each dimension from the first on; null takes the dimension as it is. */
export type Indices = readonly (Tensor | null)[];

/** Whether a tensor selects by truth rather than by number. */
export const isMask = (t: Tensor): boolean => t.dtype === bool || t.dtype === uint8;

/** Throws unless the index tensors are of types that index, and masks have the sizes of their dimensions. */
function checkTypes(shape: Shape, indices: Indices): void {
  let dim = 0;
  for (const index of indices) {
    if (index === null || !isMask(index)) {
      if (index !== null && index.dtype !== int64 && index.dtype !== int32) {
        throw new IndexError("tensors used as indices must be long, int, byte or bool tensors");
      }
      dim++;
      continue;
    }
    for (let j = 0; j < index.ndim; j++) {
      if (index.shape[j] !== shape[dim + j]) {
        throw new IndexError(
          `The shape of the mask ${formatShape(index.shape)} at index ${j} does not match the shape of the indexed tensor ${formatShape(shape)} at index ${dim + j}`,
        );
      }
    }
    dim += Math.max(index.ndim, 1);
  }
}

/** Masks become the indices of their nonzero elements, one tensor for each of their dimensions. */
function expandMasks(indices: Indices): (Tensor | null)[] {
  return indices.flatMap((index) => {
    if (index === null || !isMask(index)) return [index];
    const places = nonzeroRaw(index);
    return index.ndim === 0 ? [places.view(-1)] : index.shape.map((_, j) => places.select(1, j));
  });
}

/** The plan for one mask and otherwise whole dimensions: no index tensors need to be made. */
function maskPlan(shape: Shape, indices: Indices): IndexPlan | null {
  const at = indices.findIndex((t) => t !== null);
  const mask = indices[at] as Tensor;
  if (!isMask(mask) || mask.ndim === 0 || indices.some((t, k) => t !== null && k !== at)) return null;
  const dims = shape.map((_, d) => d);
  const [before, after] = [dims.slice(0, at), dims.slice(at + mask.ndim)];
  if (at + mask.ndim > shape.length) return null;
  const positions = positionsOf(mask);
  const sizes = (list: number[]): number[] => list.map((d) => shape[d] as number);
  return {
    shape: [...sizes(before), positions._numel, ...sizes(after)],
    dims: [...before, -1, ...after],
    indexed: [],
    places: [],
    masked: { first: at, shape: mask.shape, positions: seenFrom(positions, 0, after.length, after.length + 1) },
  };
}

/** The plan for a tensor of the given shape. Checks every index. */
export function planOf(shape: Shape, given: Indices): IndexPlan {
  checkTypes(shape, given);
  const masked = maskPlan(shape, given);
  if (masked !== null) return masked;
  const indices = expandMasks(given);
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
