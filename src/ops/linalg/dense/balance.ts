/**
 * Balancing before eigenvalues are computed: rows and columns that isolate an eigenvalue move to the borders, and the rest is
 * scaled by powers of two until rows and columns have about equal norms. The order of steps is LAPACK's, since it decides
 * the order of the eigenvalues.
 */
import { addRow, at, type Matrix, modulus, scaleRow, size1, swapColumns, swapRows, zeros } from "./matrix.ts";

export interface Balance {
  /** The rows and columns from `low` to `high`, inclusive, are not yet triangular. */
  readonly low: number;
  readonly high: number;
  readonly scale: Float64Array;
  readonly swaps: readonly (readonly [number, number])[];
}

function isolates(a: Matrix, index: number, low: number, high: number, byRow: boolean): boolean {
  for (let k = low; k <= high; k++) {
    if (k !== index && size1(byRow ? at(a, index, k) : at(a, k, index)) !== 0) return false;
  }
  return true;
}

/** Balances in place. */
export function balance(a: Matrix): Balance {
  const n = a.rows;
  const swaps: [number, number][] = [];
  let low = 0;
  let high = n - 1;
  const exchange = (i: number, j: number): void => {
    if (i === j) return;
    swapColumns(a, i, j);
    swapRows(a, i, j);
    swaps.push([i, j]);
  };
  for (let found = true; found && high > 0;) {
    found = false;
    for (let i = high; i >= 0; i--) {
      if (!isolates(a, i, 0, high, true)) continue;
      exchange(i, high);
      high--;
      found = true;
      break;
    }
  }
  for (let found = true; found && low < high;) {
    found = false;
    for (let j = low; j <= high; j++) {
      if (!isolates(a, j, low, high, false)) continue;
      exchange(j, low);
      low++;
      found = true;
      break;
    }
  }
  const scale = new Float64Array(n).fill(1);
  for (let again = true; again;) {
    again = false;
    for (let i = low; i <= high; i++) {
      let c = 0;
      let r = 0;
      for (let k = low; k <= high; k++) {
        c = Math.hypot(c, modulus(at(a, k, i)));
        r = Math.hypot(r, modulus(at(a, i, k)));
      }
      if (c === 0 || r === 0 || !Number.isFinite(c + r)) continue;
      let f = 1;
      const before = c + r;
      let [columns, rows] = [c, r];
      while (columns < rows / 2 && f < 2 ** 500) {
        f *= 2;
        columns *= 2;
        rows /= 2;
      }
      while (columns / 2 >= rows && f > 2 ** -500) {
        f /= 2;
        columns /= 2;
        rows *= 2;
      }
      if (columns + rows >= 0.95 * before) continue;
      scale[i] = (scale[i] as number) * f;
      again = true;
      scaleRow(a, i, { re: 1 / f, im: 0 });
      for (const x of a.im === null ? [a.re] : [a.re, a.im]) {
        for (let k = 0; k < n; k++) x[k * n + i] = (x[k * n + i] as number) * f;
      }
    }
  }
  return { low, high, scale, swaps };
}

/** Eigenvectors, as columns, of the balanced matrix become those of the original. */
export function undoBalance(vectors: Matrix, { scale, swaps }: Balance): Matrix {
  const out = zeros(vectors.rows, vectors.cols, vectors.im !== null);
  for (let i = 0; i < vectors.rows; i++) addRow(out, i, vectors, i, { re: scale[i] as number, im: 0 });
  for (const [i, j] of swaps.toReversed()) swapRows(out, i, j);
  return out;
}
