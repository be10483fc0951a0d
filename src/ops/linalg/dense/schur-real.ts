/**
 * The real Schur form of a Hessenberg matrix by the double-shift QR algorithm. Shifts and deflation criteria are those of LAPACK's
 * dlahqr, so that eigenvalues come out in the same order.
 */
import type { Matrix } from "./matrix.ts";

const ulp = Number.EPSILON;
const smallest = 2 ** -1022;
const sign = (a: number, b: number): number => (b >= 0 && !Object.is(b, -0) ? Math.abs(a) : -Math.abs(a));

/** Element access to a square matrix. */
class Square {
  readonly x: Float64Array;
  readonly n: number;

  constructor(m: Matrix) {
    this.x = m.re;
    this.n = m.cols;
  }
  get(i: number, j: number): number {
    return this.x[i * this.n + j] as number;
  }
  set(i: number, j: number, value: number): void {
    this.x[i * this.n + j] = value;
  }
}

interface Standard {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly cs: number;
  readonly sn: number;
}

/** The Schur factorisation of a 2 by 2 matrix in standard form: c is 0, or the diagonal elements are equal and b c < 0. */
function standardize(a: number, b: number, c: number, d: number): Standard {
  if (c === 0) return { a, b, c, d, cs: 1, sn: 0 };
  if (b === 0) return { a: d, b: -c, c: 0, d: a, cs: 0, sn: 1 };
  if (a - d === 0 && sign(1, b) !== sign(1, c)) return { a, b, c, d, cs: 1, sn: 0 };
  let temp = a - d;
  let p = 0.5 * temp;
  const larger = Math.max(Math.abs(b), Math.abs(c));
  const smaller = Math.min(Math.abs(b), Math.abs(c)) * sign(1, b) * sign(1, c);
  const scale = Math.max(Math.abs(p), larger);
  let z = (p / scale) * p + (larger / scale) * smaller;
  if (z >= 4 * ulp) {
    z = p + sign(Math.sqrt(scale) * Math.sqrt(z), p);
    const tau = Math.hypot(c, z);
    return { a: d + z, b: b - c, c: 0, d: d - (larger / z) * smaller, cs: z / tau, sn: c / tau };
  }
  const sigma = b + c;
  const tau = Math.hypot(sigma, temp);
  let cs = Math.sqrt(0.5 * (1 + Math.abs(sigma) / tau));
  let sn = -(p / (tau * cs)) * sign(1, sigma);
  const [aa, bb, cc, dd] = [a * cs + b * sn, -a * sn + b * cs, c * cs + d * sn, -c * sn + d * cs];
  let [ra, rb, rc, rd] = [aa * cs + cc * sn, bb * cs + dd * sn, -aa * sn + cc * cs, -bb * sn + dd * cs];
  temp = 0.5 * (ra + rd);
  ra = temp;
  rd = temp;
  if (rc !== 0) {
    if (rb === 0) {
      rb = -rc;
      rc = 0;
      [cs, sn] = [-sn, cs];
    } else if (sign(1, rb) === sign(1, rc)) {
      const [sab, sac] = [Math.sqrt(Math.abs(rb)), Math.sqrt(Math.abs(rc))];
      p = sign(sab * sac, rc);
      const inverse = 1 / Math.sqrt(Math.abs(rb + rc));
      ra = temp + p;
      rd = temp - p;
      rb -= rc;
      rc = 0;
      const [c1, s1] = [sab * inverse, sac * inverse];
      [cs, sn] = [cs * c1 - sn * s1, cs * s1 + sn * c1];
    }
  }
  return { a: ra, b: rb, c: rc, d: rd, cs, sn };
}

/** The reflection of (x, ...) as [beta, tau, v2, v3]. */
function reflect(x: readonly number[]): [number, number, number, number] {
  const tail = Math.hypot(...x.slice(1));
  const alpha = x[0] as number;
  if (tail === 0) return [alpha, 0, 0, 0];
  const beta = -sign(Math.hypot(alpha, tail), alpha);
  const scale = 1 / (alpha - beta);
  return [beta, (beta - alpha) / beta, (x[1] as number) * scale, ((x[2] as number | undefined) ?? 0) * scale];
}

/** Where the active block begins: the row below the lowest negligible subdiagonal element. */
function deflate(h: Square, i: number, low: number, high: number, small: number): number {
  for (let k = i; k > low; k--) {
    const sub = Math.abs(h.get(k, k - 1));
    if (sub <= small) return k;
    let test = Math.abs(h.get(k - 1, k - 1)) + Math.abs(h.get(k, k));
    if (test === 0) {
      if (k - 2 >= low) test += Math.abs(h.get(k - 1, k - 2));
      if (k + 1 <= high) test += Math.abs(h.get(k + 1, k));
    }
    if (sub <= ulp * test) {
      const over = Math.abs(h.get(k - 1, k));
      const [ab, ba] = [Math.max(sub, over), Math.min(sub, over)];
      const own = Math.abs(h.get(k, k));
      const gap = Math.abs(h.get(k - 1, k - 1) - h.get(k, k));
      const [aa, bb] = [Math.max(own, gap), Math.min(own, gap)];
      const s = aa + ab;
      if (ba * (ab / s) <= Math.max(small, ulp * (bb * (aa / s)))) return k;
    }
  }
  return low;
}

/** The two shifts, as [re1, im1, re2, im2]. */
function shiftsOf(h: Square, l: number, i: number, count: number): [number, number, number, number] {
  let [h11, h21, h12, h22] = [h.get(i - 1, i - 1), h.get(i, i - 1), h.get(i - 1, i), h.get(i, i)];
  if (count % 20 === 0 || count % 10 === 0) {
    const atEnd = count % 20 === 0;
    const s = atEnd
      ? Math.abs(h.get(i, i - 1)) + Math.abs(h.get(i - 1, i - 2))
      : Math.abs(h.get(l + 1, l)) + Math.abs(h.get(l + 2, l + 1));
    h11 = 0.75 * s + (atEnd ? h.get(i, i) : h.get(l, l));
    [h12, h21, h22] = [-0.4375 * s, s, h11];
  }
  const s = Math.abs(h11) + Math.abs(h12) + Math.abs(h21) + Math.abs(h22);
  if (s === 0) return [0, 0, 0, 0];
  [h11, h21, h12, h22] = [h11 / s, h21 / s, h12 / s, h22 / s];
  const half = (h11 + h22) / 2;
  const det = (h11 - half) * (h22 - half) - h12 * h21;
  const root = Math.sqrt(Math.abs(det));
  if (det >= 0) return [half * s, root * s, half * s, -root * s];
  const [r1, r2] = [half + root, half - root];
  const near = (Math.abs(r1 - h22) <= Math.abs(r2 - h22) ? r1 : r2) * s;
  return [near, 0, near, 0];
}

/** One sweep of the double-shift step over rows l..i. */
function step(
  h: Square,
  z: Square | null,
  l: number,
  i: number,
  first: number,
  last: number,
  shifts: readonly [number, number, number, number],
): void {
  const [rt1r, rt1i, rt2r, rt2i] = shifts;
  let m = i - 2;
  let v: number[] = [];
  for (; m >= l; m--) {
    let sub = Math.abs(h.get(m + 1, m));
    let s = Math.abs(h.get(m, m) - rt2r) + Math.abs(rt2i) + sub;
    sub = h.get(m + 1, m) / s;
    v = [
      sub * h.get(m, m + 1) + (h.get(m, m) - rt1r) * ((h.get(m, m) - rt2r) / s) - rt1i * (rt2i / s),
      sub * (h.get(m, m) + h.get(m + 1, m + 1) - rt1r - rt2r),
      sub * h.get(m + 2, m + 1),
    ];
    s = v.reduce((sum, x) => sum + Math.abs(x), 0);
    v = v.map((x) => x / s);
    if (m === l) break;
    const [v1, v2, v3] = v as [number, number, number];
    const around = Math.abs(h.get(m - 1, m - 1)) + Math.abs(h.get(m, m)) + Math.abs(h.get(m + 1, m + 1));
    if (Math.abs(h.get(m, m - 1)) * (Math.abs(v2) + Math.abs(v3)) <= ulp * Math.abs(v1) * around) break;
  }
  for (let k = m; k < i; k++) {
    const count = Math.min(3, i - k + 1);
    if (k > m) v = Array.from({ length: count }, (_, r) => h.get(k + r, k - 1));
    const [beta, tau, v2, v3] = reflect(v.slice(0, count));
    if (k > m) {
      h.set(k, k - 1, beta);
      h.set(k + 1, k - 1, 0);
      if (k < i - 1) h.set(k + 2, k - 1, 0);
    } else if (m > l) h.set(k, k - 1, h.get(k, k - 1) * (1 - tau));
    const three = count === 3;
    for (let j = k; j <= last; j++) {
      const sum = (h.get(k, j) + v2 * h.get(k + 1, j) + (three ? v3 * h.get(k + 2, j) : 0)) * tau;
      h.set(k, j, h.get(k, j) - sum);
      h.set(k + 1, j, h.get(k + 1, j) - sum * v2);
      if (three) h.set(k + 2, j, h.get(k + 2, j) - sum * v3);
    }
    const columns = (x: Square, from: number, to: number): void => {
      for (let j = from; j <= to; j++) {
        const sum = (x.get(j, k) + v2 * x.get(j, k + 1) + (three ? v3 * x.get(j, k + 2) : 0)) * tau;
        x.set(j, k, x.get(j, k) - sum);
        x.set(j, k + 1, x.get(j, k + 1) - sum * v2);
        if (three) x.set(j, k + 2, x.get(j, k + 2) - sum * v3);
      }
    };
    columns(h, first, Math.min(k + 3, i));
    if (z !== null) columns(z, 0, z.n - 1);
  }
}

/** Columns i-1 and i of z, and rows and columns of h around the block, by the rotation that standardised it. */
function rotateBlock(h: Square, z: Square | null, i: number, { cs, sn }: Standard): void {
  for (let j = i + 1; j < h.n; j++) {
    const [x, y] = [h.get(i - 1, j), h.get(i, j)];
    h.set(i - 1, j, cs * x + sn * y);
    h.set(i, j, cs * y - sn * x);
  }
  const columns = (m: Square, to: number): void => {
    for (let r = 0; r < to; r++) {
      const [x, y] = [m.get(r, i - 1), m.get(r, i)];
      m.set(r, i - 1, cs * x + sn * y);
      m.set(r, i, cs * y - sn * x);
    }
  };
  columns(h, i - 1);
  if (z !== null) columns(z, z.n);
}

/**
 * Brings the Hessenberg matrix `t` to Schur form in place; `q`, if given, is multiplied by the transformations from the right.
 * Gives the eigenvalues, and 0 or how many did not converge.
 */
export function realSchur(
  t: Matrix,
  q: Matrix | null,
  low: number,
  high: number,
): { re: Float64Array; im: Float64Array; info: number } {
  const n = t.rows;
  const h = new Square(t);
  const z = q === null ? null : new Square(q);
  const re = new Float64Array(n);
  const im = new Float64Array(n);
  for (let i = 0; i < n; i++) if (i < low || i > high) re[i] = h.get(i, i);
  const small = smallest * ((high - low + 1) / ulp);
  // Without the form itself only the active block would be needed; it is small work and kept for both.
  const limit = 30 * Math.max(10, high - low + 1);
  let i = high;
  while (i >= low) {
    let l = low;
    let its = 0;
    for (let count = 0; ; its++) {
      if (its > limit) return { re, im, info: i + 1 };
      l = deflate(h, i, l, high, small);
      if (l > low) h.set(l, l - 1, 0);
      if (l >= i - 1) break;
      count++;
      step(h, z, l, i, 0, n - 1, shiftsOf(h, l, i, count));
    }
    if (l === i) re[i] = h.get(i, i);
    else {
      const s = standardize(h.get(i - 1, i - 1), h.get(i - 1, i), h.get(i, i - 1), h.get(i, i));
      h.set(i - 1, i - 1, s.a);
      h.set(i - 1, i, s.b);
      h.set(i, i - 1, s.c);
      h.set(i, i, s.d);
      rotateBlock(h, z, i, s);
      re[i - 1] = s.a;
      re[i] = s.d;
      if (s.c !== 0) {
        im[i - 1] = Math.sqrt(Math.abs(s.b)) * Math.sqrt(Math.abs(s.c));
        im[i] = -(im[i - 1] as number);
      }
    }
    i = l - 1;
  }
  return { re, im, info: 0 };
}
