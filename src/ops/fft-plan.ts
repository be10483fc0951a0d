/**
 * Fast Fourier transforms of one line of complex numbers, of any length: Stockham's algorithm for lengths with small prime factors,
 * Bluestein's, which makes a convolution of it, for the others.
 */

/** A transform prepared for one length. */
export interface Plan {
  readonly n: number;
  /** Transforms the first n numbers of (re, im) in place: X[k] = sum x[j] exp(-2 pi i j k / n). */
  forward(re: Float64Array, im: Float64Array): void;
}

/** Larger prime factors cost more by the direct sum than by a convolution. */
const largestRadix = 13;

function factorize(n: number): number[] {
  const factors: number[] = [];
  let rest = n;
  for (const p of [4, 2, 3, 5, 7, 11, 13]) {
    while (rest % p === 0) {
      factors.push(p);
      rest /= p;
    }
  }
  for (let p = 17; rest > 1; p += 2) {
    if (p * p > rest) p = rest;
    while (rest % p === 0) {
      factors.push(p);
      rest /= p;
    }
  }
  return factors;
}

/** Stockham's algorithm: each pass does one factor and leaves its results in order, so that nothing is permuted. */
class MixedRadix implements Plan {
  readonly n: number;
  readonly #factors: readonly number[];
  readonly #cos: Float64Array;
  readonly #sin: Float64Array;
  #otherRe: Float64Array;
  #otherIm: Float64Array;

  constructor(n: number, factors: readonly number[]) {
    this.n = n;
    this.#factors = factors;
    this.#cos = new Float64Array(n);
    this.#sin = new Float64Array(n);
    for (let k = 0; k < n; k++) {
      const angle = (-2 * Math.PI * k) / n;
      this.#cos[k] = Math.cos(angle);
      this.#sin[k] = Math.sin(angle);
    }
    this.#otherRe = new Float64Array(n);
    this.#otherIm = new Float64Array(n);
  }

  forward(re: Float64Array, im: Float64Array): void {
    let [xr, xi, yr, yi] = [re, im, this.#otherRe, this.#otherIm];
    let size = this.n;
    let stride = 1;
    for (const p of this.#factors) {
      if (p === 2) this.#pass2(xr, xi, yr, yi, size, stride);
      else if (p === 4) this.#pass4(xr, xi, yr, yi, size, stride);
      else this.#pass(p, xr, xi, yr, yi, size, stride);
      [xr, xi, yr, yi] = [yr, yi, xr, xi];
      size /= p;
      stride *= p;
    }
    if (xr !== re) {
      re.set(xr);
      im.set(xi);
    }
  }

  #pass2(xr: Float64Array, xi: Float64Array, yr: Float64Array, yi: Float64Array, size: number, s: number): void {
    const m = size / 2;
    const half = s * m;
    for (let k = 0; k < m; k++) {
      const [wr, wi] = [this.#cos[k * s] as number, this.#sin[k * s] as number];
      for (let q = 0; q < s; q++) {
        const a = q + s * k;
        const b = a + half;
        const [ar, ai, br, bi] = [xr[a] as number, xi[a] as number, xr[b] as number, xi[b] as number];
        const to = q + s * 2 * k;
        yr[to] = ar + br;
        yi[to] = ai + bi;
        const [dr, di] = [ar - br, ai - bi];
        yr[to + s] = dr * wr - di * wi;
        yi[to + s] = dr * wi + di * wr;
      }
    }
  }

  #pass4(xr: Float64Array, xi: Float64Array, yr: Float64Array, yi: Float64Array, size: number, s: number): void {
    const m = size / 4;
    const quarter = s * m;
    for (let k = 0; k < m; k++) {
      const [w1r, w1i] = [this.#cos[k * s] as number, this.#sin[k * s] as number];
      const [w2r, w2i] = [this.#cos[2 * k * s] as number, this.#sin[2 * k * s] as number];
      const [w3r, w3i] = [this.#cos[3 * k * s] as number, this.#sin[3 * k * s] as number];
      for (let q = 0; q < s; q++) {
        const a = q + s * k;
        const b = a + quarter;
        const c = b + quarter;
        const d = c + quarter;
        const pr = (xr[a] as number) + (xr[c] as number);
        const pi = (xi[a] as number) + (xi[c] as number);
        const mr = (xr[a] as number) - (xr[c] as number);
        const mi = (xi[a] as number) - (xi[c] as number);
        const or = (xr[b] as number) + (xr[d] as number);
        const oi = (xi[b] as number) + (xi[d] as number);
        // -i (b - d)
        const nr = (xi[b] as number) - (xi[d] as number);
        const ni = (xr[d] as number) - (xr[b] as number);
        const to = q + s * 4 * k;
        yr[to] = pr + or;
        yi[to] = pi + oi;
        const [ur, ui] = [mr + nr, mi + ni];
        yr[to + s] = ur * w1r - ui * w1i;
        yi[to + s] = ur * w1i + ui * w1r;
        const [vr, vi] = [pr - or, pi - oi];
        yr[to + 2 * s] = vr * w2r - vi * w2i;
        yi[to + 2 * s] = vr * w2i + vi * w2r;
        const [zr, zi] = [mr - nr, mi - ni];
        yr[to + 3 * s] = zr * w3r - zi * w3i;
        yi[to + 3 * s] = zr * w3i + zi * w3r;
      }
    }
  }

  #pass(
    p: number,
    xr: Float64Array,
    xi: Float64Array,
    yr: Float64Array,
    yi: Float64Array,
    size: number,
    s: number,
  ): void {
    const m = size / p;
    const apart = s * m;
    const root = this.n / p;
    for (let k = 0; k < m; k++) {
      for (let q = 0; q < s; q++) {
        const from = q + s * k;
        for (let u = 0; u < p; u++) {
          let sr = 0;
          let si = 0;
          for (let r = 0; r < p; r++) {
            const w = ((r * u) % p) * root;
            const [cr, ci] = [this.#cos[w] as number, this.#sin[w] as number];
            const [ar, ai] = [xr[from + apart * r] as number, xi[from + apart * r] as number];
            sr += ar * cr - ai * ci;
            si += ar * ci + ai * cr;
          }
          const w = k * u * s;
          const [wr, wi] = [this.#cos[w] as number, this.#sin[w] as number];
          const to = q + s * (p * k + u);
          yr[to] = sr * wr - si * wi;
          yi[to] = sr * wi + si * wr;
        }
      }
    }
  }
}

/** Bluestein's algorithm: j k = (j^2 + k^2 - (k - j)^2) / 2 makes the transform a convolution with a chirp. */
class Bluestein implements Plan {
  readonly n: number;
  readonly #inner: Plan;
  readonly #size: number;
  readonly #chirpRe: Float64Array;
  readonly #chirpIm: Float64Array;
  readonly #filterRe: Float64Array;
  readonly #filterIm: Float64Array;

  constructor(n: number) {
    this.n = n;
    let size = 1;
    while (size < 2 * n - 1) size *= 2;
    this.#size = size;
    this.#inner = planFor(size);
    this.#chirpRe = new Float64Array(n);
    this.#chirpIm = new Float64Array(n);
    this.#filterRe = new Float64Array(size);
    this.#filterIm = new Float64Array(size);
    let square = 0;
    for (let k = 0; k < n; k++) {
      // k^2 modulo 2 n, without large numbers.
      const angle = (-Math.PI * square) / n;
      const [re, im] = [Math.cos(angle), Math.sin(angle)];
      this.#chirpRe[k] = re;
      this.#chirpIm[k] = im;
      for (const at of k === 0 ? [0] : [k, size - k]) {
        this.#filterRe[at] = re;
        this.#filterIm[at] = -im;
      }
      square = (square + 2 * k + 1) % (2 * n);
    }
    this.#inner.forward(this.#filterRe, this.#filterIm);
  }

  forward(re: Float64Array, im: Float64Array): void {
    const { n } = this;
    const size = this.#size;
    const ar = new Float64Array(size);
    const ai = new Float64Array(size);
    for (let k = 0; k < n; k++) {
      const [cr, ci] = [this.#chirpRe[k] as number, this.#chirpIm[k] as number];
      ar[k] = (re[k] as number) * cr - (im[k] as number) * ci;
      ai[k] = (re[k] as number) * ci + (im[k] as number) * cr;
    }
    this.#inner.forward(ar, ai);
    for (let k = 0; k < size; k++) {
      const [fr, fi] = [this.#filterRe[k] as number, this.#filterIm[k] as number];
      const [pr, pi] = [ar[k] as number, ai[k] as number];
      ar[k] = pr * fr - pi * fi;
      ai[k] = pr * fi + pi * fr;
    }
    // Back: with the parts exchanged, forward is inverse.
    this.#inner.forward(ai, ar);
    for (let k = 0; k < n; k++) {
      const [cr, ci] = [(this.#chirpRe[k] as number) / size, (this.#chirpIm[k] as number) / size];
      re[k] = (ar[k] as number) * cr - (ai[k] as number) * ci;
      im[k] = (ar[k] as number) * ci + (ai[k] as number) * cr;
    }
  }
}

/** Plans by length; the least recently used go when there are many. */
const plans: Map<number, Plan> = new Map();
const keptPlans = 32;

/** The transform of a length. */
export function planFor(n: number): Plan {
  let plan = plans.get(n);
  if (plan === undefined) {
    const factors = factorize(n);
    plan = factors.every((p) => p <= largestRadix) ? new MixedRadix(n, factors) : new Bluestein(n);
  } else plans.delete(n);
  plans.set(n, plan);
  if (plans.size > keptPlans) plans.delete(plans.keys().next().value as number);
  return plan;
}

/**
 * Transforms every line along a dim of a row-major array of complex numbers, in place: `outer` blocks of n lines of `inner`
 * neighbours. The inverse is not divided by n.
 */
export function transformLines(
  re: Float64Array,
  im: Float64Array,
  outer: number,
  n: number,
  inner: number,
  inverse: boolean,
): void {
  if (n <= 1) return;
  const plan = planFor(n);
  const [first, second] = inverse ? [im, re] : [re, im];
  if (inner === 1) {
    for (let o = 0; o < outer; o++)
      plan.forward(first.subarray(o * n, (o + 1) * n), second.subarray(o * n, (o + 1) * n));
    return;
  }
  const lineRe = new Float64Array(n);
  const lineIm = new Float64Array(n);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const start = o * n * inner + i;
      for (let k = 0; k < n; k++) {
        lineRe[k] = first[start + k * inner] as number;
        lineIm[k] = second[start + k * inner] as number;
      }
      plan.forward(lineRe, lineIm);
      for (let k = 0; k < n; k++) {
        first[start + k * inner] = lineRe[k] as number;
        second[start + k * inner] = lineIm[k] as number;
      }
    }
  }
}
