/**
 * Equations with triangular matrices, by substitution.
 */
import { addRow, at, type Matrix, negated, one, over, put, scaleRow } from "./matrix.ts";

export interface Triangle {
  readonly upper: boolean;
  /** The diagonal counts as ones and is not read. */
  readonly unit?: boolean;
}

/** Solves T X = B; X overwrites B. The other triangle of T is not read. */
export function solveLeft(t: Matrix, b: Matrix, { upper, unit = false }: Triangle): void {
  const n = t.rows;
  for (let step = 0; step < n; step++) {
    const i = upper ? n - 1 - step : step;
    for (let k = upper ? i + 1 : 0; k < (upper ? n : i); k++) addRow(b, i, b, k, negated(at(t, i, k)));
    if (!unit) divideRow(b, i, t);
  }
}

/** Row i of b over the diagonal element of t. */
function divideRow(b: Matrix, i: number, t: Matrix): void {
  const d = at(t, i, i);
  if (d.im !== 0) {
    scaleRow(b, i, over(one, d));
    return;
  }
  const end = (i + 1) * b.cols;
  for (let c = i * b.cols; c < end; c++) {
    b.re[c] = (b.re[c] as number) / d.re;
    if (b.im !== null) b.im[c] = (b.im[c] as number) / d.re;
  }
}

/** Solves X T = B; X overwrites B. */
export function solveRight(t: Matrix, b: Matrix, { upper, unit = false }: Triangle): void {
  const n = t.rows;
  for (let row = 0; row < b.rows; row++) {
    for (let step = 0; step < n; step++) {
      const k = upper ? step : n - 1 - step;
      const x = unit ? at(b, row, k) : over(at(b, row, k), at(t, k, k));
      put(b, row, k, x);
      if (upper) addRow(b, row, t, k, negated(x), k + 1, n);
      else addRow(b, row, t, k, negated(x), 0, k);
    }
  }
}
