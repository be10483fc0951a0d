/**
 * Householder reflections, H = I - tau v v^H, and the QR factorisation made of them. The conventions are LAPACK's: v begins with
 * 1, which is not stored, and H^H maps x to (beta, 0, …) with real beta of the sign opposite to that of x's first element.
 */
import {
  addRow,
  adjoint,
  at,
  conjugate,
  copyOf,
  identity,
  type Matrix,
  modulus,
  negated,
  one,
  over,
  type Parts,
  put,
  swapColumns,
  times,
  zeros,
} from "./matrix.ts";

/** The reflection that annihilates column `col` below row `row`; v is left in the column, beta at its head. */
export function reflectColumn(a: Matrix, row: number, col: number): Parts {
  let tail = 0;
  for (let i = row + 1; i < a.rows; i++) tail = Math.hypot(tail, modulus(at(a, i, col)));
  const alpha = at(a, row, col);
  if (tail === 0 && alpha.im === 0) return { re: 0, im: 0 };
  const size = Math.hypot(alpha.re, alpha.im, tail);
  const beta = alpha.re >= 0 && !Object.is(alpha.re, -0) ? -size : size;
  const scale = over(one, { re: alpha.re - beta, im: alpha.im });
  for (let i = row + 1; i < a.rows; i++) put(a, i, col, times(at(a, i, col), scale));
  put(a, row, col, { re: beta, im: 0 });
  return { re: (beta - alpha.re) / beta, im: -alpha.im / beta };
}

/**
 * Applies I - tau v v^H to `target` from the left, in its rows from `row` and columns from `from`; v stands in column `col` of
 * `a` below `row`.
 */
export function applyReflection(
  a: Matrix,
  row: number,
  col: number,
  tau: Parts,
  target: Matrix,
  from: number,
  firstRow: number = row,
): void {
  if (tau.re === 0 && tau.im === 0) return;
  const n = a.rows - row;
  const sum = zeros(1, target.cols, target.im !== null);
  for (let i = 0; i < n; i++) {
    const v = i === 0 ? one : conjugate(at(a, row + i, col));
    addRow(sum, 0, target, firstRow + i, v, from);
  }
  for (let i = 0; i < n; i++) {
    const v = i === 0 ? one : at(a, row + i, col);
    addRow(target, firstRow + i, sum, 0, negated(times(tau, v)), from);
  }
}

/** QR in place: R on and above the diagonal, the reflections below. */
export function qrInPlace(a: Matrix): Parts[] {
  const steps = Math.min(a.rows, a.cols);
  const taus: Parts[] = [];
  for (let k = 0; k < steps; k++) {
    const tau = reflectColumn(a, k, k);
    taus.push(tau);
    applyReflection(a, k, k, conjugate(tau), a, k + 1);
  }
  return taus;
}

/**
 * QR in place with exchanges of columns, so that the diagonal of R does not grow: A P = Q R. Gives the order of A's columns.
 */
export function pivotedQrInPlace(a: Matrix): { taus: Parts[]; order: number[] } {
  const steps = Math.min(a.rows, a.cols);
  const order = Array.from({ length: a.cols }, (_, j) => j);
  const taus: Parts[] = [];
  for (let k = 0; k < steps; k++) {
    const squares = new Float64Array(a.cols);
    for (let i = k; i < a.rows; i++) {
      for (let j = k; j < a.cols; j++) {
        const c = i * a.cols + j;
        const im = a.im === null ? 0 : (a.im[c] as number);
        squares[j] = (squares[j] as number) + (a.re[c] as number) ** 2 + im ** 2;
      }
    }
    let largest = k;
    for (let j = k + 1; j < a.cols; j++) if ((squares[j] as number) > (squares[largest] as number)) largest = j;
    swapColumns(a, k, largest);
    [order[k], order[largest]] = [order[largest] as number, order[k] as number];
    const tau = reflectColumn(a, k, k);
    taus.push(tau);
    applyReflection(a, k, k, conjugate(tau), a, k + 1);
  }
  return { taus, order };
}

/** The first `cols` columns of H_1 H_2 … H_k. */
export function productOf(a: Matrix, taus: readonly Parts[], cols: number): Matrix {
  const q = identity(a.rows, a.im !== null, cols);
  for (let k = taus.length - 1; k >= 0; k--) applyReflection(a, k, k, taus[k] as Parts, q, 0);
  return q;
}

/** Q C, or Q^H C, with Q = H_1 H_2 … H_k; C is overwritten. */
export function applyProduct(a: Matrix, taus: readonly Parts[], c: Matrix, conjugateTransposed: boolean): void {
  for (let step = 0; step < taus.length; step++) {
    const k = conjugateTransposed ? step : taus.length - 1 - step;
    const tau = taus[k] as Parts;
    applyReflection(a, k, k, conjugateTransposed ? conjugate(tau) : tau, c, 0);
  }
}

/** Q with `cols` columns, and R with as many rows. */
export function qr(a: Matrix, complete: boolean): { q: Matrix; r: Matrix } {
  const work = copyOf(a);
  const taus = qrInPlace(work);
  const inner = complete ? a.rows : Math.min(a.rows, a.cols);
  return { q: productOf(work, taus, inner), r: upperTriangle(work, inner) };
}

/** The part on and above the diagonal, in a matrix of `rows` rows. */
export function upperTriangle(a: Matrix, rows: number): Matrix {
  const out = zeros(rows, a.cols, a.im !== null);
  for (let i = 0; i < rows && i < a.rows; i++) {
    for (let j = i; j < a.cols; j++) put(out, i, j, at(a, i, j));
  }
  return out;
}

/** Completes orthonormal rows to an orthonormal basis: a square matrix that begins with them. */
export function completeBasis(rows: Matrix): Matrix {
  const n = rows.cols;
  const columns = adjoint(rows);
  const taus = qrInPlace(columns);
  const basis = adjoint(productOf(columns, taus, n));
  const out = zeros(n, n, rows.im !== null);
  for (let i = 0; i < n; i++) {
    const given = i < rows.rows;
    addRow(out, i, given ? rows : basis, i, one);
  }
  return out;
}
