/**
 * Cholesky factorisation of Hermitian positive-definite matrices.
 */
import { adjoint, at, dotRows, type Matrix, minus, put, scaled, zeros } from "./matrix.ts";

/** The factor, and 0 or the order of the first leading minor that is not positive-definite. Only one triangle of `a` is read. */
export function cholesky(a: Matrix, upper: boolean): { factor: Matrix; info: number } {
  const n = a.rows;
  const source = upper ? adjoint(a) : a;
  const l = zeros(n, n, a.im !== null);
  let info = 0;
  for (let i = 0; i < n && info === 0; i++) {
    for (let j = 0; j < i; j++) {
      // Sum over k < j of l_ik conj(l_jk).
      const known = dotRows(l, j, l, i, 0, j);
      put(l, i, j, scaled(minus(at(source, i, j), known), 1 / (l.re[j * n + j] as number)));
    }
    const rest = (source.re[i * n + i] as number) - dotRows(l, i, l, i, 0, i).re;
    if (rest > 0) l.re[i * n + i] = Math.sqrt(rest);
    else info = i + 1;
  }
  return { factor: upper ? adjoint(l) : l, info };
}
