/**
 * Eigenvalues and eigenvectors of general matrices: balancing, Hessenberg form, Schur form, back substitution.
 */
import { balance, undoBalance } from "./balance.ts";
import { hessenberg } from "./hessenberg.ts";
import {
  at,
  conjugate,
  copyOf,
  type Matrix,
  minus,
  modulus,
  multiply,
  negated,
  over,
  type Parts,
  plus,
  put,
  scaled,
  size1,
  times,
  zeros,
} from "./matrix.ts";
import { complexSchur } from "./schur-complex.ts";
import { realSchur } from "./schur-real.ts";

export interface Eigen {
  readonly re: Float64Array;
  readonly im: Float64Array;
  /** As columns of norm 1, complex; null if not asked for. */
  readonly vectors: Matrix | null;
  readonly info: number;
}

const asComplex = (a: Matrix): Matrix => (a.im === null ? { ...a, im: new Float64Array(a.re.length) } : a);

/** Turns the 2 by 2 blocks of a real Schur form, as a complex one, to triangles. */
function triangularize(t: Matrix, q: Matrix, im: Float64Array): void {
  const n = t.rows;
  for (let k = 0; k < n - 1; k++) {
    if (im[k] === 0 || (im[k] as number) < 0) continue;
    // The eigenvector of the block to the eigenvalue a + i w: (b, i w), normalised.
    const b = at(t, k, k + 1).re;
    const w = im[k] as number;
    const size = Math.hypot(b, w);
    const x: Parts = { re: b / size, im: 0 };
    const y: Parts = { re: 0, im: w / size };
    // G = [x -conj(y); y conj(x)] is unitary with that vector first.
    for (let j = 0; j < n; j++) {
      const [p, r] = [at(t, k, j), at(t, k + 1, j)];
      put(t, k, j, plus(times(conjugate(x), p), times(conjugate(y), r)));
      put(t, k + 1, j, plus(times(negated(y), p), times(x, r)));
    }
    for (const m of [t, q]) {
      for (let i = 0; i < n; i++) {
        const [p, r] = [at(m, i, k), at(m, i, k + 1)];
        put(m, i, k, plus(times(p, x), times(r, y)));
        put(m, i, k + 1, plus(times(p, negated(conjugate(y))), times(r, conjugate(x))));
      }
    }
    put(t, k + 1, k, { re: 0, im: 0 });
  }
}

/** The eigenvectors of a triangular matrix as columns, each with 1 on the diagonal. */
function triangularVectors(t: Matrix): Matrix {
  const n = t.rows;
  const x = zeros(n, n, true);
  let norm = 0;
  for (let i = 0; i < n; i++) for (let j = i; j < n; j++) norm = Math.max(norm, size1(at(t, i, j)));
  const least = Math.max(Number.EPSILON * norm, 2 ** -1022);
  for (let k = 0; k < n; k++) {
    put(x, k, k, { re: 1, im: 0 });
    const value = at(t, k, k);
    for (let i = k - 1; i >= 0; i--) {
      let sum = at(t, i, k);
      for (let j = i + 1; j < k; j++) sum = plus(sum, times(at(t, i, j), at(x, j, k)));
      let gap = minus(at(t, i, i), value);
      if (size1(gap) < least) gap = { re: least, im: 0 };
      put(x, i, k, over(negated(sum), gap));
    }
  }
  return x;
}

/** Norm 1, and for complex vectors the largest element real, as LAPACK has them. */
function normalize(v: Matrix, k: number, real: boolean): void {
  let norm = 0;
  let largest: Parts = { re: 0, im: 0 };
  for (let i = 0; i < v.rows; i++) {
    const z = at(v, i, k);
    norm = Math.hypot(norm, modulus(z));
    if (modulus(z) > modulus(largest)) largest = z;
  }
  if (norm === 0) return;
  const turn = real ? { re: 1 / norm, im: 0 } : scaled(conjugate(largest), 1 / (norm * modulus(largest)));
  for (let i = 0; i < v.rows; i++) {
    const z = times(at(v, i, k), turn);
    put(v, i, k, real ? { re: z.re, im: 0 } : z);
  }
}

/** The eigenvalues, and vectors if wanted, in the order of the Schur form; a real matrix gives conjugate pairs in neighbours. */
export function eigen(input: Matrix, wantVectors: boolean): Eigen {
  const a = copyOf(input);
  const balanced = balance(a);
  const q = hessenberg(a, balanced.low, balanced.high, wantVectors);
  const { re, im, info } = (a.im === null ? realSchur : complexSchur)(a, q, balanced.low, balanced.high);
  if (q === null || info !== 0) return { re, im, vectors: null, info };
  const t = asComplex(a);
  const z = asComplex(q);
  if (a.im === null) triangularize(t, z, im);
  const vectors = undoBalance(multiply(z, triangularVectors(t)), balanced);
  const real = input.im === null;
  for (let k = 0; k < vectors.cols; k++) {
    if (real && (im[k] as number) < 0) {
      for (let i = 0; i < vectors.rows; i++) put(vectors, i, k, conjugate(at(vectors, i, k - 1)));
    } else normalize(vectors, k, real && im[k] === 0);
  }
  return { re, im, vectors, info };
}
