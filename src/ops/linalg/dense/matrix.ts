/**
 * Dense matrices on the host, real or complex, and the operations on rows that the factorisations are made of.
 *
 * Note [Dense algorithms]
 * Factorisations are short on arithmetic that vector kernels help with and long on decisions, so they run as plain routines over
 * rows in double precision, whatever the dtype; results are rounded at the end. Complex matrices keep real and imaginary parts
 * apart; `im` is null for real ones, so that a routine is written once and a real matrix costs real arithmetic only.
 */

/** A matrix, row-major. */
export interface Matrix {
  readonly rows: number;
  readonly cols: number;
  readonly re: Float64Array;
  readonly im: Float64Array | null;
}

/** A number as two parts. */
export interface Parts {
  readonly re: number;
  readonly im: number;
}

export const one: Parts = { re: 1, im: 0 };

/** A matrix of zeros. */
export function zeros(rows: number, cols: number, complex: boolean): Matrix {
  return {
    rows,
    cols,
    re: new Float64Array(rows * cols),
    im: complex ? new Float64Array(rows * cols) : null,
  };
}

export function identity(n: number, complex: boolean, cols: number = n): Matrix {
  const out = zeros(n, cols, complex);
  for (let i = 0; i < n && i < cols; i++) out.re[i * cols + i] = 1;
  return out;
}

export function copyOf(a: Matrix): Matrix {
  return { rows: a.rows, cols: a.cols, re: a.re.slice(), im: a.im === null ? null : a.im.slice() };
}

/** The conjugate transpose. */
export function adjoint(a: Matrix): Matrix {
  const { rows, cols } = a;
  const out = zeros(cols, rows, a.im !== null);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) {
      out.re[j * rows + i] = a.re[i * cols + j] as number;
      if (a.im !== null && out.im !== null) out.im[j * rows + i] = -(a.im[i * cols + j] as number);
    }
  }
  return out;
}

/** Rows and columns from (row, col) on. */
export function part(a: Matrix, row: number, col: number, rows: number, cols: number): Matrix {
  const out = zeros(rows, cols, a.im !== null);
  for (let i = 0; i < rows; i++) {
    const at = (row + i) * a.cols + col;
    out.re.set(a.re.subarray(at, at + cols), i * cols);
    if (a.im !== null && out.im !== null) out.im.set(a.im.subarray(at, at + cols), i * cols);
  }
  return out;
}

export function at(a: Matrix, i: number, j: number): Parts {
  const k = i * a.cols + j;
  return { re: a.re[k] as number, im: a.im === null ? 0 : (a.im[k] as number) };
}

export function put(a: Matrix, i: number, j: number, value: Parts): void {
  const k = i * a.cols + j;
  a.re[k] = value.re;
  if (a.im !== null) a.im[k] = value.im;
}

export const conjugate = (z: Parts): Parts => ({ re: z.re, im: -z.im });
export const negated = (z: Parts): Parts => ({ re: -z.re, im: -z.im });
export const plus = (a: Parts, b: Parts): Parts => ({ re: a.re + b.re, im: a.im + b.im });
export const minus = (a: Parts, b: Parts): Parts => ({ re: a.re - b.re, im: a.im - b.im });
export const times = (a: Parts, b: Parts): Parts => ({
  re: a.re * b.re - a.im * b.im,
  im: a.re * b.im + a.im * b.re,
});
export const scaled = (a: Parts, by: number): Parts => ({ re: a.re * by, im: a.im * by });
export const modulus = (z: Parts): number => (z.im === 0 ? Math.abs(z.re) : Math.hypot(z.re, z.im));
/** The size that LAPACK compares by: |re| + |im|. */
export const size1 = (z: Parts): number => Math.abs(z.re) + Math.abs(z.im);

/** a / b, scaled so that the square of |b| does not overflow. */
export function over(a: Parts, b: Parts): Parts {
  if (b.im === 0) return { re: a.re / b.re, im: a.im / b.re };
  if (Math.abs(b.re) >= Math.abs(b.im)) {
    const r = b.im / b.re;
    const d = b.re + b.im * r;
    return { re: (a.re + a.im * r) / d, im: (a.im - a.re * r) / d };
  }
  const r = b.re / b.im;
  const d = b.re * r + b.im;
  return { re: (a.re * r + a.im) / d, im: (a.im * r - a.re) / d };
}

export function squareRoot(z: Parts): Parts {
  const size = modulus(z);
  if (size === 0) return { re: 0, im: 0 };
  const half = Math.sqrt((Math.abs(z.re) + size) / 2);
  const other = z.im / (2 * half);
  return z.re >= 0 ? { re: half, im: other } : { re: Math.abs(other), im: z.im < 0 ? -half : half };
}

/** a[i] += by * b[j], in columns from..to. */
export function addRow(
  a: Matrix,
  i: number,
  b: Matrix,
  j: number,
  by: Parts,
  from: number = 0,
  to: number = a.cols,
): void {
  const p = i * a.cols;
  const q = j * b.cols;
  const { re: x, im: y } = by;
  const [ar, br] = [a.re, b.re];
  if (a.im === null || b.im === null) {
    if (x !== 0) for (let c = from; c < to; c++) ar[p + c] = (ar[p + c] as number) + x * (br[q + c] as number);
    if (a.im !== null && y !== 0) {
      for (let c = from; c < to; c++) a.im[p + c] = (a.im[p + c] as number) + y * (br[q + c] as number);
    }
    return;
  }
  if (x === 0 && y === 0) return;
  const [ai, bi] = [a.im, b.im];
  for (let c = from; c < to; c++) {
    const [u, v] = [br[q + c] as number, bi[q + c] as number];
    ar[p + c] = (ar[p + c] as number) + x * u - y * v;
    ai[p + c] = (ai[p + c] as number) + x * v + y * u;
  }
}

/** The sum of conj(a[i]) * b[j] over columns from..to. */
export function dotRows(a: Matrix, i: number, b: Matrix, j: number, from: number = 0, to: number = a.cols): Parts {
  const p = i * a.cols;
  const q = j * b.cols;
  let re = 0;
  let im = 0;
  if (a.im === null || b.im === null) {
    for (let c = from; c < to; c++) re += (a.re[p + c] as number) * (b.re[q + c] as number);
    return { re, im: 0 };
  }
  for (let c = from; c < to; c++) {
    const [ar, ai] = [a.re[p + c] as number, a.im[p + c] as number];
    const [br, bi] = [b.re[q + c] as number, b.im[q + c] as number];
    re += ar * br + ai * bi;
    im += ar * bi - ai * br;
  }
  return { re, im };
}

export function scaleRow(a: Matrix, i: number, by: Parts, from: number = 0, to: number = a.cols): void {
  const p = i * a.cols;
  for (let c = p + from; c < p + to; c++) {
    const re = a.re[c] as number;
    if (a.im === null) a.re[c] = re * by.re;
    else {
      const im = a.im[c] as number;
      a.re[c] = re * by.re - im * by.im;
      a.im[c] = re * by.im + im * by.re;
    }
  }
}

export function swapRows(a: Matrix, i: number, j: number, from: number = 0, to: number = a.cols): void {
  if (i === j) return;
  for (const x of a.im === null ? [a.re] : [a.re, a.im]) {
    for (let c = from; c < to; c++) {
      const held = x[i * a.cols + c] as number;
      x[i * a.cols + c] = x[j * a.cols + c] as number;
      x[j * a.cols + c] = held;
    }
  }
}

export function swapColumns(a: Matrix, i: number, j: number, from: number = 0, to: number = a.rows): void {
  if (i === j) return;
  for (const x of a.im === null ? [a.re] : [a.re, a.im]) {
    for (let r = from; r < to; r++) {
      const held = x[r * a.cols + i] as number;
      x[r * a.cols + i] = x[r * a.cols + j] as number;
      x[r * a.cols + j] = held;
    }
  }
}

/** Rows i and j by a real rotation: a[i] ← c a[i] + s a[j], a[j] ← c a[j] - s a[i]. */
export function rotateRows(a: Matrix, i: number, j: number, c: number, s: number): void {
  rotateParts(a.re, i * a.cols, j * a.cols, a.cols, c, s);
  if (a.im !== null) rotateParts(a.im, i * a.cols, j * a.cols, a.cols, c, s);
}

function rotateParts(x: Float64Array, p: number, q: number, n: number, c: number, s: number): void {
  for (let k = 0; k < n; k++) {
    const u = x[p + k] as number;
    const v = x[q + k] as number;
    x[p + k] = c * u + s * v;
    x[q + k] = c * v - s * u;
  }
}

/** a @ b. */
export function multiply(a: Matrix, b: Matrix): Matrix {
  const out = zeros(a.rows, b.cols, a.im !== null || b.im !== null);
  for (let i = 0; i < a.rows; i++) {
    for (let k = 0; k < a.cols; k++) addRow(out, i, b, k, at(a, i, k));
  }
  return out;
}

/** Whether all elements are finite. */
export function isFinite(a: Matrix): boolean {
  return a.re.every(Number.isFinite) && (a.im === null || a.im.every(Number.isFinite));
}
