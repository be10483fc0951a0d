/**
 * Decompositions whose factors are determined only up to signs or phases (eigenvectors, singular vectors, QR): the factors
 * must reconstruct the input and be orthonormal where PyTorch's are; the determined parts must agree as usual.
 */

import { type Tolerance, difference } from "./compare.ts";
import type { SampleRecord } from "./format.ts";
import { type Reading, isComplexType } from "./tensors.ts";

/** A complex matrix, row-major. */
interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly re: Float64Array;
  readonly im: Float64Array;
}

function zeros(rows: number, columns: number): Matrix {
  return { rows, columns, re: new Float64Array(rows * columns), im: new Float64Array(rows * columns) };
}

/** The matrices of a batch. */
function matrices({ dtype, shape, data }: Pick<Reading, "dtype" | "shape" | "data">): Matrix[] {
  const [rows = 0, columns = 0] = shape.slice(-2);
  const size = rows * columns;
  const width = isComplexType(dtype) ? 2 : 1;
  const count = shape.slice(0, -2).reduce((n, d) => n * d, 1);
  return Array.from({ length: count }, (_, b) => {
    const m = zeros(rows, columns);
    for (let i = 0; i < size; i++) {
      m.re[i] = Number(data[(b * size + i) * width]);
      m.im[i] = width === 2 ? Number(data[(b * size + i) * width + 1]) : 0;
    }
    return m;
  });
}

/** The vectors of a batch, as diagonal matrices of the given shape. */
function diagonals(values: Reading, rows: number, columns: number): Matrix[] {
  const size = values.shape.at(-1) ?? 0;
  const width = isComplexType(values.dtype) ? 2 : 1;
  const count = values.shape.slice(0, -1).reduce((n, d) => n * d, 1);
  return Array.from({ length: count }, (_, b) => {
    const m = zeros(rows, columns);
    for (let i = 0; i < size; i++) {
      m.re[i * columns + i] = Number(values.data[(b * size + i) * width]);
      m.im[i * columns + i] = width === 2 ? Number(values.data[(b * size + i) * width + 1]) : 0;
    }
    return m;
  });
}

function multiply(a: Matrix, b: Matrix): Matrix {
  const out = zeros(a.rows, b.columns);
  for (let i = 0; i < a.rows; i++) {
    for (let k = 0; k < a.columns; k++) {
      const [ar, ai] = [a.re[i * a.columns + k] ?? 0, a.im[i * a.columns + k] ?? 0];
      for (let j = 0; j < b.columns; j++) {
        const [br, bi] = [b.re[k * b.columns + j] ?? 0, b.im[k * b.columns + j] ?? 0];
        const at = i * b.columns + j;
        out.re[at] = (out.re[at] ?? 0) + ar * br - ai * bi;
        out.im[at] = (out.im[at] ?? 0) + ar * bi + ai * br;
      }
    }
  }
  return out;
}

function adjoint(a: Matrix): Matrix {
  const out = zeros(a.columns, a.rows);
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j < a.columns; j++) {
      out.re[j * a.rows + i] = a.re[i * a.columns + j] ?? 0;
      out.im[j * a.rows + i] = -(a.im[i * a.columns + j] ?? 0);
    }
  }
  return out;
}

function identity(n: number): Matrix {
  const out = zeros(n, n);
  for (let i = 0; i < n; i++) out.re[i * n + i] = 1;
  return out;
}

/** The Hermitian matrix of which only one triangle is read. */
function hermitian(a: Matrix, upper: boolean): Matrix {
  const out = zeros(a.rows, a.columns);
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j < a.columns; j++) {
      const stored = upper ? i <= j : i >= j;
      const at = stored ? i * a.columns + j : j * a.columns + i;
      out.re[i * a.columns + j] = a.re[at] ?? 0;
      out.im[i * a.columns + j] = i === j ? 0 : (a.im[at] ?? 0) * (stored ? 1 : -1);
    }
  }
  return out;
}

function largest(a: Matrix): number {
  let max = 0;
  for (let i = 0; i < a.re.length; i++) max = Math.max(max, Math.hypot(a.re[i] ?? 0, a.im[i] ?? 0));
  return max;
}

function distance(a: Matrix, b: Matrix): number {
  let max = 0;
  for (let i = 0; i < b.re.length; i++) {
    const d = Math.hypot((a.re[i] ?? 0) - (b.re[i] ?? 0), (a.im[i] ?? 0) - (b.im[i] ?? 0));
    if (!(d <= max)) max = d;
  }
  return max;
}

/** Null if the two products agree for every matrix of the batch. */
function agree(what: string, left: readonly Matrix[], right: readonly Matrix[], limit: number): string | null {
  for (const [b, l] of left.entries()) {
    const r = right[b] ?? zeros(l.rows, l.columns);
    const off = distance(l, r);
    if (!(off <= limit * Math.max(1, largest(r)))) return `${what} is off by ${off.toExponential(1)}`;
  }
  return null;
}

function orthonormal(what: string, factor: readonly Matrix[], limit: number): string | null {
  const gram = factor.map((m) => multiply(adjoint(m), m));
  return agree(
    `${what}^H ${what} = I`,
    gram,
    factor.map((m) => identity(m.columns)),
    limit,
  );
}

function zip(a: readonly Matrix[], b: readonly Matrix[]): Matrix[] {
  return a.map((m, i) => multiply(m, b[i] ?? zeros(m.columns, 0)));
}

/** The ops of this file. */
export const freeFactors: ReadonlySet<string> = new Set([
  "linalg_eig",
  "linalg_eigh",
  "linalg_svd",
  "svd",
  "linalg_qr",
  "qr",
]);

/**
 * Null if the results of such an op are right. `input` is the decomposed matrix; dtypes, shapes and the determined results
 * are compared with the records.
 */
export function factorDifference(
  op: string,
  sample: SampleRecord,
  input: Reading,
  outs: readonly Reading[],
  tolerances: readonly Tolerance[],
): string | null {
  const records = sample.outs ?? [];
  const loose: Tolerance = { rtol: 0, atol: Infinity };
  const determined = op.endsWith("svd") ? 1 : op.includes("eig") ? 0 : -1;
  for (const [k, record] of records.entries()) {
    const out = outs[k];
    if (!out) return `outs[${k}] is absent`;
    const reason = difference(out, record, k === determined ? (tolerances[k] ?? loose) : loose);
    if (reason !== null) return `outs[${k}] ${reason}`;
  }
  const limit = input.dtype === "float32" || input.dtype === "complex64" ? 1e-4 : 1e-10;
  const a = matrices(input);
  const [first, second, third] = outs;
  if (!first || !second) return "too few results";
  if (op.endsWith("qr")) {
    const r = matrices(second);
    if (first.data.length === 0) {
      return agree("R^H R = A^H A", zip(r.map(adjoint), r), zip(a.map(adjoint), a), limit);
    }
    const q = matrices(first);
    return orthonormal("Q", q, limit) ?? agree("Q R = A", zip(q, r), a, limit);
  }
  if (op.includes("eig")) {
    const v = matrices(second);
    const n = second.shape.at(-1) ?? 0;
    const h = op === "linalg_eigh" ? a.map((m) => hermitian(m, sample.kwargs["UPLO"] === "U")) : a;
    const scaled = agree("A V = V diag(L)", zip(h, v), zip(v, diagonals(first, n, n)), limit * 10);
    return scaled ?? (op === "linalg_eigh" ? orthonormal("V", v, limit) : null);
  }
  if (!third) return "too few results";
  const u = matrices(first);
  const right = matrices(third);
  const vh = op === "svd" ? right.map(adjoint) : right;
  const s = diagonals(second, u[0]?.columns ?? 0, vh[0]?.rows ?? 0);
  return (
    orthonormal("U", u, limit) ??
    orthonormal("V", vh.map(adjoint), limit) ??
    agree("U S V^H = A", zip(zip(u, s), vh), a, limit)
  );
}
