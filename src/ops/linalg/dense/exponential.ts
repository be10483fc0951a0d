/**
 * The exponential of a matrix: Taylor's polynomial of a matrix scaled to norm below one, squared back.
 */
import { addRow, identity, type Matrix, multiply, zeros } from "./matrix.ts";

function norm1(a: Matrix): number {
  const sums = new Float64Array(a.cols);
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j < a.cols; j++) {
      const k = i * a.cols + j;
      sums[j] =
        (sums[j] as number) +
        (a.im === null ? Math.abs(a.re[k] as number) : Math.hypot(a.re[k] as number, a.im[k] as number));
    }
  }
  return sums.reduce((x, y) => (Number.isNaN(y) ? y : Math.max(x, y)), 0);
}

function inverseFactorial(k: number): number {
  let out = 1;
  for (let i = 2; i <= k; i++) out /= i;
  return out;
}

/** e to the matrix. */
export function exponential(a: Matrix): Matrix {
  const n = a.rows;
  const complex = a.im !== null;
  const norm = norm1(a);
  if (!Number.isFinite(norm)) {
    const out = zeros(n, n, complex);
    out.re.fill(NaN);
    out.im?.fill(NaN);
    return out;
  }
  const squarings = norm > 0.5 ? Math.ceil(Math.log2(norm)) + 1 : 0;
  const x = zeros(n, n, complex);
  for (let i = 0; i < n; i++) addRow(x, i, a, i, { re: 2 ** -squarings, im: 0 });
  // |x| <= 1/2: 1/2^k/k! is below the rounding of 1 from k = 15 on. By powers up to x^4, Horner's scheme in x^4 takes the degree
  // to 16 with six products (Paterson and Stockmeyer).
  const powers = [identity(n, complex), x];
  for (let k = 2; k <= 4; k++) powers.push(multiply(powers[k - 1] as Matrix, x));
  let out = zeros(n, n, complex);
  for (let i = 0; i < n; i++) addRow(out, i, powers[0] as Matrix, i, { re: inverseFactorial(16), im: 0 });
  for (let from = 12; from >= 0; from -= 4) {
    out = multiply(out, powers[4] as Matrix);
    for (let k = 0; k < 4; k++) {
      const by = { re: inverseFactorial(from + k), im: 0 };
      for (let i = 0; i < n; i++) addRow(out, i, powers[k] as Matrix, i, by);
    }
  }
  for (let s = 0; s < squarings; s++) out = multiply(out, out);
  return out;
}
