/**
 * The Schur form of a complex Hessenberg matrix by the single-shift QR algorithm, with the shifts and criteria of LAPACK's zlahqr.
 */
import {
  at,
  conjugate,
  type Matrix,
  minus,
  modulus,
  negated,
  one,
  over,
  type Parts,
  plus,
  put,
  scaled,
  scaleRow,
  size1,
  squareRoot,
  times,
} from "./matrix.ts";

const ulp = Number.EPSILON;
const smallest = 2 ** -1022;

function scaleColumn(a: Matrix, j: number, by: Parts, from: number, to: number): void {
  for (let i = from; i < to; i++) put(a, i, j, times(at(a, i, j), by));
}

/** Makes h(i, i-1) real by a change of phase. */
function realSubdiagonal(h: Matrix, z: Matrix | null, i: number): void {
  const sub = at(h, i, i - 1);
  if (sub.im === 0) return;
  const size = modulus(sub);
  const phase = scaled(sub, 1 / size);
  const n = h.rows;
  put(h, i, i - 1, { re: size, im: 0 });
  scaleRow(h, i, conjugate(phase), i, n);
  scaleColumn(h, i, phase, 0, Math.min(n, i + 2));
  if (z !== null) scaleColumn(z, i, phase, 0, n);
}

function deflate(h: Matrix, i: number, low: number, high: number, small: number): number {
  for (let k = i; k > low; k--) {
    const sub = at(h, k, k - 1);
    if (size1(sub) <= small) return k;
    let test = size1(at(h, k - 1, k - 1)) + size1(at(h, k, k));
    if (test === 0) {
      if (k - 2 >= low) test += Math.abs(at(h, k - 1, k - 2).re);
      if (k + 1 <= high) test += Math.abs(at(h, k + 1, k).re);
    }
    if (Math.abs(sub.re) > ulp * test) continue;
    const above = size1(at(h, k - 1, k));
    const [ab, ba] = [Math.max(size1(sub), above), Math.min(size1(sub), above)];
    const own = size1(at(h, k, k));
    const gap = size1(minus(at(h, k - 1, k - 1), at(h, k, k)));
    const [aa, bb] = [Math.max(own, gap), Math.min(own, gap)];
    const s = aa + ab;
    if (ba * (ab / s) <= Math.max(small, ulp * (bb * (aa / s)))) return k;
  }
  return low;
}

function shiftOf(h: Matrix, l: number, i: number, count: number): Parts {
  if (count % 20 === 0) return plus({ re: 0.75 * Math.abs(at(h, i, i - 1).re), im: 0 }, at(h, i, i));
  if (count % 10 === 0) return plus({ re: 0.75 * Math.abs(at(h, l + 1, l).re), im: 0 }, at(h, l, l));
  const t = at(h, i, i);
  const u = times(squareRoot(at(h, i - 1, i)), squareRoot(at(h, i, i - 1)));
  let s = size1(u);
  if (s === 0) return t;
  const x = scaled(minus(at(h, i - 1, i - 1), t), 0.5);
  const sx = size1(x);
  s = Math.max(s, sx);
  const [xs, us] = [scaled(x, 1 / s), scaled(u, 1 / s)];
  let y = scaled(squareRoot(plus(times(xs, xs), times(us, us))), s);
  if (sx > 0 && (x.re / sx) * y.re + (x.im / sx) * y.im < 0) y = negated(y);
  return minus(t, times(u, over(u, plus(x, y))));
}

/** The reflection of (a, b): beta, tau and the second element of v. */
function reflect(a: Parts, b: Parts): { beta: Parts; tau: Parts; v: Parts } {
  const tail = modulus(b);
  if (tail === 0 && a.im === 0) return { beta: a, tau: { re: 0, im: 0 }, v: { re: 0, im: 0 } };
  const size = Math.hypot(a.re, a.im, tail);
  const beta = a.re >= 0 ? -size : size;
  return {
    beta: { re: beta, im: 0 },
    tau: { re: (beta - a.re) / beta, im: -a.im / beta },
    v: times(b, over(one, { re: a.re - beta, im: a.im })),
  };
}

function step(h: Matrix, z: Matrix | null, l: number, i: number, t: Parts): void {
  const n = h.rows;
  let m = i - 1;
  let v1: Parts = one;
  let v2: Parts = one;
  for (; ; m--) {
    let top = minus(at(h, m, m), t);
    let sub = at(h, m + 1, m).re;
    const s = size1(top) + Math.abs(sub);
    top = scaled(top, 1 / s);
    sub /= s;
    [v1, v2] = [top, { re: sub, im: 0 }];
    if (m === l) break;
    const before = Math.abs(at(h, m, m - 1).re);
    if (before * Math.abs(sub) <= ulp * (size1(top) * (size1(at(h, m, m)) + size1(at(h, m + 1, m + 1))))) break;
  }
  for (let k = m; k < i; k++) {
    if (k > m) [v1, v2] = [at(h, k, k - 1), at(h, k + 1, k - 1)];
    const { beta, tau, v } = reflect(v1, v2);
    if (k > m) {
      put(h, k, k - 1, beta);
      put(h, k + 1, k - 1, { re: 0, im: 0 });
    }
    const second = { re: times(tau, v).re, im: 0 };
    const ct = conjugate(tau);
    for (let j = k; j < n; j++) {
      const sum = plus(times(ct, at(h, k, j)), times(second, at(h, k + 1, j)));
      put(h, k, j, minus(at(h, k, j), sum));
      put(h, k + 1, j, minus(at(h, k + 1, j), times(sum, v)));
    }
    const cv = conjugate(v);
    const columns = (x: Matrix, to: number): void => {
      for (let j = 0; j < to; j++) {
        const sum = plus(times(tau, at(x, j, k)), times(second, at(x, j, k + 1)));
        put(x, j, k, minus(at(x, j, k), sum));
        put(x, j, k + 1, minus(at(x, j, k + 1), times(sum, cv)));
      }
    };
    columns(h, Math.min(k + 2, i) + 1);
    if (z !== null) columns(z, n);
    if (k === m && m > l) {
      // The step began below l: keep h(m, m-1) real.
      let phase = minus(one, tau);
      phase = scaled(phase, 1 / modulus(phase));
      put(h, m + 1, m, times(at(h, m + 1, m), conjugate(phase)));
      if (m + 2 <= i) put(h, m + 2, m + 1, times(at(h, m + 2, m + 1), phase));
      for (let j = m; j <= i; j++) {
        if (j === m + 1) continue;
        scaleRow(h, j, phase, j + 1, n);
        scaleColumn(h, j, conjugate(phase), 0, j);
        if (z !== null) scaleColumn(z, j, conjugate(phase), 0, n);
      }
    }
  }
  const last = at(h, i, i - 1);
  if (last.im !== 0) {
    const size = modulus(last);
    put(h, i, i - 1, { re: size, im: 0 });
    const phase = scaled(last, 1 / size);
    scaleRow(h, i, conjugate(phase), i + 1, n);
    scaleColumn(h, i, phase, 0, i);
    if (z !== null) scaleColumn(z, i, phase, 0, n);
  }
}

/** Brings a complex Hessenberg matrix to triangular form in place; as `realSchur`. */
export function complexSchur(
  h: Matrix,
  z: Matrix | null,
  low: number,
  high: number,
): { re: Float64Array; im: Float64Array; info: number } {
  const n = h.rows;
  for (let i = low + 1; i <= high; i++) realSubdiagonal(h, z, i);
  const small = smallest * ((high - low + 1) / ulp);
  const limit = 30 * Math.max(10, high - low + 1);
  let info = 0;
  for (let i = high; i >= low && info === 0;) {
    let l = low;
    let count = 0;
    for (let its = 0; ; its++) {
      if (its > limit) {
        info = i + 1;
        break;
      }
      l = deflate(h, i, l, high, small);
      if (l > low) put(h, l, l - 1, { re: 0, im: 0 });
      if (l >= i) break;
      count++;
      step(h, z, l, i, shiftOf(h, l, i, count));
    }
    i = l - 1;
  }
  const re = new Float64Array(n);
  const im = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const value = at(h, i, i);
    re[i] = value.re;
    im[i] = value.im;
  }
  return { re, im, info };
}
