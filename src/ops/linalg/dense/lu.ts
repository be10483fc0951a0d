/**
 * LU factorisation with partial pivoting, and equations solved by it.
 */
import {
  addRow,
  adjoint,
  at,
  type Matrix,
  modulus,
  negated,
  over,
  part,
  put,
  size1,
  swapColumns,
  swapRows,
} from "./matrix.ts";
import { solveLeft, solveRight } from "./triangular.ts";

export interface LuResult {
  /** For each step the row, from 0, that was exchanged with it. */
  readonly pivots: Int32Array;
  /** 0, or the position from 1 of the first zero on the diagonal of U. */
  readonly info: number;
}

/** Factors `a` in place: L below the diagonal, whose own diagonal is ones, and U above. */
export function luInPlace(a: Matrix): LuResult {
  const steps = Math.min(a.rows, a.cols);
  const pivots = new Int32Array(steps);
  let info = 0;
  for (let k = 0; k < steps; k++) {
    let pivot = k;
    let largest = size1(at(a, k, k));
    for (let i = k + 1; i < a.rows; i++) {
      const size = size1(at(a, i, k));
      if (size > largest) {
        largest = size;
        pivot = i;
      }
    }
    pivots[k] = pivot;
    const head = at(a, pivot, k);
    if (modulus(head) === 0) {
      if (info === 0) info = k + 1;
      continue;
    }
    swapRows(a, k, pivot);
    for (let i = k + 1; i < a.rows; i++) {
      const factor = over(at(a, i, k), head);
      put(a, i, k, factor);
      addRow(a, i, a, k, negated(factor), k + 1);
    }
  }
  return { pivots, info };
}

/** Solves A X = B from the factors, or A^H X = B; X overwrites B. */
export function solveByLu(lu: Matrix, pivots: Int32Array, b: Matrix, conjugateTransposed: boolean): void {
  if (!conjugateTransposed) {
    for (let k = 0; k < pivots.length; k++) swapRows(b, k, pivots[k] as number);
    solveLeft(lu, b, { upper: false, unit: true });
    solveLeft(lu, b, { upper: true });
    return;
  }
  const factors = adjoint(lu);
  solveLeft(factors, b, { upper: false });
  solveLeft(factors, b, { upper: true, unit: true });
  for (let k = pivots.length - 1; k >= 0; k--) swapRows(b, k, pivots[k] as number);
}

/** Solves X A = B from the factors, or X A^H = B; X overwrites B. */
export function solveByLuRight(lu: Matrix, pivots: Int32Array, b: Matrix, conjugateTransposed: boolean): void {
  const factors = conjugateTransposed ? adjoint(lu) : lu;
  if (conjugateTransposed) {
    for (let k = 0; k < pivots.length; k++) swapColumns(b, k, pivots[k] as number);
    solveRight(factors, b, { upper: true, unit: true });
    solveRight(factors, b, { upper: false });
    return;
  }
  solveRight(factors, b, { upper: true });
  solveRight(factors, b, { upper: false, unit: true });
  for (let k = pivots.length - 1; k >= 0; k--) swapColumns(b, k, pivots[k] as number);
}

/** L, m by k, and U, k by n, from both in one matrix. */
export function unpackLu(lu: Matrix): { l: Matrix; u: Matrix } {
  const k = Math.min(lu.rows, lu.cols);
  const l = part(lu, 0, 0, lu.rows, k);
  const u = part(lu, 0, 0, k, lu.cols);
  for (let i = 0; i < l.rows; i++) {
    for (let j = i; j < k; j++) put(l, i, j, { re: i === j ? 1 : 0, im: 0 });
  }
  for (let i = 1; i < k; i++) for (let j = 0; j < i; j++) put(u, i, j, { re: 0, im: 0 });
  return { l, u };
}

/** The order of rows after the exchanges: row i of P^T A is row order[i] of A. */
export function rowOrder(pivots: Int32Array, rows: number): Int32Array {
  const order = Int32Array.from({ length: rows }, (_, i) => i);
  for (let k = 0; k < pivots.length; k++) {
    const p = pivots[k] as number;
    const held = order[k] as number;
    order[k] = order[p] as number;
    order[p] = held;
  }
  return order;
}
