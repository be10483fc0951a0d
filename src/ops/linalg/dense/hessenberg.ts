/**
 * Reduction to Hessenberg form by reflections: zeros below the first subdiagonal.
 */
import { applyReflection, reflectColumn } from "./householder.ts";
import {
  addRow,
  at,
  conjugate,
  identity,
  type Matrix,
  negated,
  one,
  type Parts,
  plus,
  put,
  times,
  zeros,
} from "./matrix.ts";

/** Reduces `a`, in place, in rows and columns low..high. Returns Q if wanted: A = Q H Q^H. */
export function hessenberg(a: Matrix, low: number, high: number, wantQ: boolean): Matrix | null {
  const n = a.rows;
  const complex = a.im !== null;
  const reflections: { v: Matrix; tau: Parts; row: number }[] = [];
  for (let k = low; k < high; k++) {
    const column = zeros(high + 1, 1, complex);
    for (let i = k + 1; i <= high; i++) put(column, i, 0, at(a, i, k));
    const tau = reflectColumn(column, k + 1, 0);
    const beta = at(column, k + 1, 0);
    // From the left H^H, from the right H.
    applyReflection(column, k + 1, 0, conjugate(tau), a, k + 1);
    const v = zeros(1, n, complex);
    for (let i = k + 1; i <= high; i++) put(v, 0, i, i === k + 1 ? one : conjugate(at(column, i, 0)));
    for (let i = 0; i <= high; i++) {
      let sum: Parts = { re: 0, im: 0 };
      for (let j = k + 1; j <= high; j++) sum = plus(sum, times(at(a, i, j), conjugate(at(v, 0, j))));
      addRow(a, i, v, 0, negated(times(sum, tau)), k + 1, high + 1);
    }
    put(a, k + 1, k, beta);
    for (let i = k + 2; i <= high; i++) put(a, i, k, { re: 0, im: 0 });
    reflections.push({ v: column, tau, row: k + 1 });
  }
  if (!wantQ) return null;
  const q = identity(n, complex);
  for (const { v, tau, row } of reflections.toReversed()) applyReflection(v, row, 0, tau, q, 0);
  return q;
}
