/**
 * Singular values and vectors by one-sided Jacobi rotations (Hestenes), which find small singular values to high relative
 * accuracy: the rows of R of a QR factorisation are rotated against each other until they are orthogonal.
 */
import { completeBasis, pivotedQrInPlace, productOf, upperTriangle } from "./householder.ts";
import {
  addRow,
  adjoint,
  at,
  conjugate,
  copyOf,
  dotRows,
  identity,
  isFinite,
  type Matrix,
  modulus,
  multiply,
  one,
  put,
  rotateRows,
  scaled,
  scaleRow,
  zeros,
} from "./matrix.ts";

export interface SingularValues {
  /** In descending order. */
  readonly values: Float64Array;
  /** U and V^H; null if not asked for. */
  readonly vectors: { readonly u: Matrix; readonly vh: Matrix } | null;
  /** 0 if the iteration converged; -1 if the matrix has elements that are not finite. */
  readonly info: number;
}

const sweeps = 60;

/** Rotates the rows of `w` until they are orthogonal; `j` takes the same rotations. */
function orthogonalize(w: Matrix, j: Matrix | null): boolean {
  const n = w.rows;
  const tolerance = Number.EPSILON * Math.sqrt(Math.max(w.cols, 1));
  for (let sweep = 0; sweep < sweeps; sweep++) {
    let rotated = false;
    const squares = Float64Array.from({ length: n }, (_, i) => dotRows(w, i, w, i).re);
    for (let p = 0; p < n - 1; p++) {
      for (let q = p + 1; q < n; q++) {
        const gamma = dotRows(w, p, w, q);
        const size = modulus(gamma);
        const [alpha, beta] = [squares[p] as number, squares[q] as number];
        if (size === 0 || size <= tolerance * Math.sqrt(alpha) * Math.sqrt(beta)) continue;
        rotated = true;
        const phase = scaled(conjugate(gamma), 1 / size);
        const zeta = (beta - alpha) / (2 * size);
        const t = (zeta >= 0 ? 1 : -1) / (Math.abs(zeta) + Math.hypot(1, zeta));
        const c = 1 / Math.hypot(1, t);
        const s = c * t;
        for (const x of j === null ? [w] : [w, j]) {
          if (phase.im !== 0 || phase.re !== 1) scaleRow(x, q, phase);
          rotateRows(x, p, q, c, -s);
        }
        // The new squares follow from the old ones, unless cancellation would spoil them.
        const [below, above] = [alpha - t * size, beta + t * size];
        squares[p] = below > 0.01 * alpha ? below : dotRows(w, p, w, p).re;
        squares[q] = above > 0.01 * beta ? above : dotRows(w, q, w, q).re;
      }
    }
    if (!rotated) return true;
  }
  return false;
}

/** The largest size of an element, to scale by so that squares neither overflow nor vanish. */
function magnitude(a: Matrix): number {
  let max = 0;
  for (const x of a.re) max = Math.max(max, Math.abs(x));
  if (a.im !== null) for (const x of a.im) max = Math.max(max, Math.abs(x));
  return max;
}

/** The singular values, and vectors if wanted: k = min(m, n) of them, or all of both bases. */
export function singular(a: Matrix, wantVectors: boolean, full: boolean): SingularValues {
  if (a.rows < a.cols) {
    const { values, vectors, info } = singular(adjoint(a), wantVectors, full);
    return {
      values,
      info,
      vectors: vectors === null ? null : { u: adjoint(vectors.vh), vh: adjoint(vectors.u) },
    };
  }
  const { rows: m, cols: n } = a;
  const complex = a.im !== null;
  if (!isFinite(a)) return { values: new Float64Array(n).fill(NaN), vectors: null, info: -1 };
  const scale = magnitude(a);
  if (n === 0 || scale === 0) {
    return {
      values: new Float64Array(n),
      vectors: wantVectors ? { u: identity(m, complex, full ? m : n), vh: identity(n, complex) } : null,
      info: 0,
    };
  }
  // A power of two: no rounding.
  const by = 2 ** -Math.floor(Math.log2(scale));
  const work = copyOf(a);
  for (let i = 0; i < m; i++) scaleRow(work, i, { re: by, im: 0 });
  // With columns exchanged the rows of R fall in size, which the rotations converge faster for.
  const { taus, order: columns } = pivotedQrInPlace(work);
  const r = upperTriangle(work, n);
  const j = wantVectors ? identity(n, complex) : null;
  const converged = orthogonalize(r, j);
  const norms = Float64Array.from({ length: n }, (_, i) => Math.sqrt(dotRows(r, i, r, i).re));
  const order = [...norms.keys()].toSorted((x, y) => (norms[y] as number) - (norms[x] as number));
  const values = Float64Array.from(order, (i) => (norms[i] as number) / by);
  const info = converged ? 0 : 1;
  if (j === null) return { values, vectors: null, info };
  // J R = S W: R = J^H S W, so U = Q J^H and V^H = W.
  const rank = order.filter((i) => (norms[i] as number) > 0).length;
  const found = zeros(rank, n, complex);
  const jOrdered = zeros(n, n, complex);
  order.forEach((from, to) => {
    if (to < rank) addRow(found, to, r, from, { re: 1 / (norms[from] as number), im: 0 });
    addRow(jOrdered, to, j, from, one);
  });
  const vh = rank === n ? found : completeBasis(found);
  let u = multiply(productOf(work, taus, n), adjoint(jOrdered));
  if (full && m > n) u = adjoint(completeBasis(adjoint(u)));
  // A = (A P) P^T: the columns of V^H go back to their places.
  const placed = zeros(n, n, complex);
  columns.forEach((to, from) => {
    for (let i = 0; i < n; i++) put(placed, i, to, at(vh, i, from));
  });
  return { values, vectors: { u, vh: placed }, info };
}
