/**
 * Eigenvalues and eigenvectors of Hermitian matrices: reduction to a real tridiagonal matrix by reflections, then the implicit
 * QL algorithm.
 */
import { applyReflection, reflectColumn } from "./householder.ts";
import {
  addRow,
  adjoint,
  at,
  conjugate,
  copyOf,
  dotRows,
  identity,
  type Matrix,
  negated,
  one,
  type Parts,
  plus,
  put,
  rotateRows,
  scaled,
  swapRows,
  times,
  zeros,
} from "./matrix.ts";

export interface HermitianEigen {
  /** In ascending order. */
  readonly values: Float64Array;
  /** As columns; null if not asked for. */
  readonly vectors: Matrix | null;
  /** 0, or how many off-diagonal elements did not converge. */
  readonly info: number;
}

/** The whole matrix of which one triangle is given. */
export function hermitianFrom(a: Matrix, upper: boolean): Matrix {
  const out = copyOf(a);
  const n = a.rows;
  for (let i = 0; i < n; i++) {
    put(out, i, i, { re: a.re[i * n + i] as number, im: 0 });
    for (let j = 0; j < i; j++) {
      if (upper) put(out, i, j, conjugate(at(a, j, i)));
      else put(out, j, i, conjugate(at(a, i, j)));
    }
  }
  return out;
}

/** Diagonal and subdiagonal of T, and Q, with A = Q T Q^H. */
function tridiagonalize(a: Matrix, wantVectors: boolean): { d: Float64Array; e: Float64Array; q: Matrix | null } {
  const n = a.rows;
  const complex = a.im !== null;
  const taus: Parts[] = [];
  const e = new Float64Array(n);
  for (let k = 0; k < n - 1; k++) {
    const tau = reflectColumn(a, k + 1, k);
    taus.push(tau);
    e[k] = a.re[(k + 1) * n + k] as number;
    if (tau.re === 0 && tau.im === 0) continue;
    // The block B below and right of k becomes H^H B H = B - v w^H - w v^H. Vectors are rows here, conjugated.
    const m = n - k - 1;
    const v = zeros(1, n, complex);
    for (let i = 0; i < m; i++) put(v, 0, k + 1 + i, i === 0 ? one : at(a, k + 1 + i, k));
    const x = zeros(1, n, complex);
    for (let i = k + 1; i < n; i++) {
      // (B v)_i, where row i of B conjugated is what dotRows conjugates back.
      let sum: Parts = { re: 0, im: 0 };
      if (complex) {
        for (let j = k + 1; j < n; j++) sum = plus(sum, times(at(a, i, j), at(v, 0, j)));
      } else sum = dotRows(a, i, v, 0, k + 1, n);
      put(x, 0, i, times(tau, sum));
    }
    const half = times(scaled(tau, -0.5), dotRows(x, 0, v, 0, k + 1, n));
    addRow(x, 0, v, 0, half, k + 1, n);
    const [vc, wc] = [conjugated(v), conjugated(x)];
    for (let i = k + 1; i < n; i++) {
      addRow(a, i, wc, 0, negated(at(v, 0, i)), k + 1, n);
      addRow(a, i, vc, 0, negated(at(x, 0, i)), k + 1, n);
    }
  }
  const d = new Float64Array(n);
  for (let i = 0; i < n; i++) d[i] = a.re[i * n + i] as number;
  if (!wantVectors) return { d, e, q: null };
  const q = identity(n, complex);
  for (let k = n - 2; k >= 0; k--) applyReflection(a, k + 1, k, taus[k] as Parts, q, 0);
  return { d, e, q };
}

function conjugated(row: Matrix): Matrix {
  return row.im === null ? row : { ...row, im: row.im.map((x) => -x) };
}

/** The QL algorithm with implicit shifts. `vectors` has the eigenvectors as rows and is rotated along. Returns what is left over. */
function ql(d: Float64Array, e: Float64Array, vectors: Matrix | null): number {
  const n = d.length;
  const get = (x: Float64Array, i: number): number => x[i] as number;
  for (let l = 0; l < n; l++) {
    for (let iteration = 0; ; iteration++) {
      let m = l;
      while (m < n - 1) {
        const size = Math.abs(get(d, m)) + Math.abs(get(d, m + 1));
        if (Math.abs(get(e, m)) <= Number.EPSILON * 0.5 * size) break;
        m++;
      }
      if (m === l) break;
      if (iteration === 50) return n - l;
      let g = (get(d, l + 1) - get(d, l)) / (2 * get(e, l));
      let r = Math.hypot(g, 1);
      g = get(d, m) - get(d, l) + get(e, l) / (g + (g >= 0 ? r : -r));
      let s = 1;
      let c = 1;
      let p = 0;
      let i = m - 1;
      for (; i >= l; i--) {
        const f = s * get(e, i);
        const b = c * get(e, i);
        r = Math.hypot(f, g);
        e[i + 1] = r;
        if (r === 0) {
          d[i + 1] = get(d, i + 1) - p;
          e[m] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = get(d, i + 1) - p;
        r = (get(d, i) - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        if (vectors !== null) rotateRows(vectors, i + 1, i, c, s);
      }
      if (r === 0 && i >= l) continue;
      d[l] = get(d, l) - p;
      e[l] = g;
      e[m] = 0;
    }
  }
  return 0;
}

/** The eigenvalues, and eigenvectors if wanted, of a Hermitian matrix, which is overwritten. */
export function hermitianEigen(a: Matrix, wantVectors: boolean): HermitianEigen {
  const { d, e, q } = tridiagonalize(a, wantVectors);
  // With A = Q T Q^H and T = Z L Z^T the vectors are the columns of Q Z: rows of Z^T Q^T, without conjugation.
  const rows = q === null ? null : conjugated(adjoint(q));
  const info = ql(d, e, rows);
  const n = d.length;
  for (let i = 0; i < n - 1; i++) {
    let least = i;
    for (let j = i + 1; j < n; j++) if ((d[j] as number) < (d[least] as number)) least = j;
    if (least === i) continue;
    const held = d[i] as number;
    d[i] = d[least] as number;
    d[least] = held;
    if (rows !== null) swapRows(rows, i, least);
  }
  return { values: d, vectors: rows === null ? null : conjugated(adjoint(rows)), info };
}
