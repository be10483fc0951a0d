/**
 * The `max_norm` of embeddings.
 */
import { placesOf } from "../dispatch/family/indexing.ts";
import { viewElements } from "../tensor/data.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { inSelf } from "./index-checks.ts";

/** Scales the rows that are used down to a largest norm, in place. */
export function limitNorms(weight: Tensor, indices: Tensor, maxNorm: number, p: number): void {
  const rows = weight.shape[0] as number;
  const used = new Set(viewElements(placesOf(indices, rows, inSelf).contiguous()) as Int32Array);
  const table = weight.detach();
  for (const row of used) {
    const r = table.select(0, row);
    const norm = rowNorm(r, p);
    if (norm > maxNorm) r.mul_(maxNorm / (norm + 1e-7));
  }
}

function rowNorm(row: Tensor, p: number): number {
  const values = Array.from(viewElements(row.double().contiguous()) as Float64Array, Math.abs);
  if (p === Number.POSITIVE_INFINITY) return values.reduce((a, b) => Math.max(a, b), 0);
  return values.reduce((a, b) => a + b ** p, 0) ** (1 / p);
}
