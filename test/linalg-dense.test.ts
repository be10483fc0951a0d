import { describe, expect, it } from "vitest";
import { cholesky } from "../src/ops/linalg/dense/cholesky.ts";
import { eigen } from "../src/ops/linalg/dense/eigen.ts";
import { exponential } from "../src/ops/linalg/dense/exponential.ts";
import { hermitianEigen, hermitianFrom } from "../src/ops/linalg/dense/hermitian-eigen.ts";
import { qr } from "../src/ops/linalg/dense/householder.ts";
import { ldlInPlace, solveByLdl } from "../src/ops/linalg/dense/ldl.ts";
import { luInPlace, rowOrder, solveByLu, solveByLuRight, unpackLu } from "../src/ops/linalg/dense/lu.ts";
import {
  addRow,
  adjoint,
  at,
  copyOf,
  identity,
  type Matrix,
  multiply,
  one,
  put,
  zeros,
} from "../src/ops/linalg/dense/matrix.ts";
import { singular } from "../src/ops/linalg/dense/singular.ts";

let state = 1;
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 31 - 1;
}

function randomMatrix(rows: number, cols: number, complex: boolean): Matrix {
  const out = zeros(rows, cols, complex);
  for (let i = 0; i < rows * cols; i++) {
    out.re[i] = random();
    if (out.im !== null) out.im[i] = random();
  }
  return out;
}

function diagonal(values: ArrayLike<number>, rows: number, cols: number, im?: ArrayLike<number>): Matrix {
  const out = zeros(rows, cols, im !== undefined);
  for (let i = 0; i < values.length; i++) put(out, i, i, { re: values[i] as number, im: im?.[i] ?? 0 });
  return out;
}

function distance(a: Matrix, b: Matrix): number {
  expect([a.rows, a.cols]).toEqual([b.rows, b.cols]);
  let max = 0;
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j < a.cols; j++) {
      const [p, q] = [at(a, i, j), at(b, i, j)];
      max = Math.max(max, Math.hypot(p.re - q.re, p.im - q.im));
    }
  }
  return max;
}

const near = (a: Matrix, b: Matrix, limit = 1e-12): void => expect(distance(a, b)).toBeLessThan(limit);
const gram = (a: Matrix): Matrix => multiply(adjoint(a), a);
const hermitianOf = (a: Matrix): Matrix => {
  const out = copyOf(a);
  const b = adjoint(a);
  for (let i = 0; i < a.rows; i++) addRow(out, i, b, i, one);
  return out;
};

for (const complex of [false, true]) {
  describe(complex ? "complex matrices" : "real matrices", () => {
    for (const [m, n] of [
      [1, 1],
      [3, 3],
      [5, 3],
      [3, 5],
      [20, 20],
      [31, 12],
    ] as const) {
      it(`${m} x ${n}: LU, QR, singular values`, () => {
        const a = randomMatrix(m, n, complex);
        const lu = copyOf(a);
        const { pivots, info } = luInPlace(lu);
        expect(info).toBe(0);
        const { l, u } = unpackLu(lu);
        const order = rowOrder(pivots, m);
        const exchanged = zeros(m, n, complex);
        order.forEach((from, to) => addRow(exchanged, to, a, from, one));
        near(multiply(l, u), exchanged);
        for (const complete of [false, true]) {
          const { q, r } = qr(a, complete);
          near(multiply(q, r), a);
          near(gram(q), identity(q.cols, complex));
          if (complete) expect(q.cols).toBe(m);
        }
        for (const full of [false, true]) {
          const { values, vectors, info: failed } = singular(a, true, full);
          expect(failed).toBe(0);
          const { u: left, vh } = vectors as { u: Matrix; vh: Matrix };
          near(gram(left), identity(left.cols, complex));
          near(gram(adjoint(vh)), identity(vh.rows, complex));
          near(multiply(multiply(left, diagonal(values, left.cols, vh.rows)), vh), a);
          expect([...values]).toEqual([...values].toSorted((x, y) => y - x));
        }
      });
    }
    it("equations from the factors, on both sides and conjugated", () => {
      const a = randomMatrix(6, 6, complex);
      const lu = copyOf(a);
      const { pivots } = luInPlace(lu);
      for (const turned of [false, true]) {
        const b = randomMatrix(6, 2, complex);
        const x = copyOf(b);
        solveByLu(lu, pivots, x, turned);
        near(multiply(turned ? adjoint(a) : a, x), b, 1e-11);
        const c = randomMatrix(2, 6, complex);
        const y = copyOf(c);
        solveByLuRight(lu, pivots, y, turned);
        near(multiply(y, turned ? adjoint(a) : a), c, 1e-11);
      }
    });
    it("a singular matrix: a zero pivot, and orthonormal vectors nevertheless", () => {
      const a = randomMatrix(6, 2, complex);
      const low = multiply(a, adjoint(a));
      put(low, 0, 0, at(low, 0, 0));
      const { values, vectors } = singular(low, true, true);
      expect(values[2] as number).toBeLessThan(1e-14);
      near(gram((vectors as { u: Matrix }).u), identity(6, complex));
      near(gram(adjoint((vectors as { vh: Matrix }).vh)), identity(6, complex));
      const none = zeros(3, 3, complex);
      expect(luInPlace(none).info).toBe(1);
    });
    it("Cholesky factors", () => {
      const a = randomMatrix(7, 7, complex);
      const positive = multiply(a, adjoint(a));
      const { factor, info } = cholesky(positive, false);
      expect(info).toBe(0);
      near(multiply(factor, adjoint(factor)), positive);
      const { factor: upper } = cholesky(positive, true);
      near(multiply(adjoint(upper), upper), positive);
      put(positive, 3, 3, { re: -1, im: 0 });
      expect(cholesky(positive, false).info).toBe(4);
    });
    for (const n of [1, 2, 5, 24]) {
      it(`eigenvalues of a Hermitian matrix of order ${n}`, () => {
        const a = hermitianOf(randomMatrix(n, n, complex));
        for (const upper of [false, true]) {
          const { values, vectors, info } = hermitianEigen(hermitianFrom(a, upper), true);
          expect(info).toBe(0);
          const v = vectors as Matrix;
          near(gram(v), identity(n, complex));
          near(multiply(a, v), multiply(v, diagonal(values, n, n)));
          expect([...values]).toEqual([...values].toSorted((x, y) => x - y));
        }
      });
      it(`eigenvalues of a general matrix of order ${n}`, () => {
        const a = randomMatrix(n, n, complex);
        const { re, im, vectors, info } = eigen(a, true);
        expect(info).toBe(0);
        const v = vectors as Matrix;
        near(multiply(a, v), multiply(v, diagonal(re, n, n, im)), 1e-11);
        const plain = eigen(a, false);
        near(diagonal(plain.re, n, n, plain.im), diagonal(re, n, n, im), 1e-12);
      });
    }
    it("eigenvalues where rows and columns isolate some", () => {
      const a = randomMatrix(5, 5, complex);
      for (let i = 0; i < 5; i++) for (let j = i + 1; j < 5; j++) put(a, i, j, { re: 0, im: 0 });
      put(a, 1, 2, one);
      const { re, im, vectors } = eigen(a, true);
      const v = vectors as Matrix;
      near(multiply(a, v), multiply(v, diagonal(re, 5, 5, im)), 1e-11);
    });
    it("LDL factors, symmetric and Hermitian", () => {
      for (let trial = 0; trial < 10; trial++) {
        for (const hermitian of [false, true]) {
          const a = hermitianOf(randomMatrix(6, 6, complex));
          if (!hermitian && a.im !== null) {
            for (let i = 0; i < 6; i++) for (let j = 0; j < i; j++) put(a, i, j, at(a, j, i));
          }
          if (trial % 2 === 0) for (let i = 0; i < 6; i++) put(a, i, i, { re: 0, im: 0 });
          const ld = copyOf(a);
          const { pivots, info } = ldlInPlace(ld, hermitian);
          expect(info).toBe(0);
          const b = randomMatrix(6, 2, complex);
          const x = copyOf(b);
          solveByLdl(ld, pivots, x, hermitian);
          near(multiply(a, x), b, 1e-10);
        }
      }
    });
    it("the exponential is inverse to that of the negative", () => {
      const a = randomMatrix(5, 5, complex);
      for (let i = 0; i < 25; i++) a.re[i] = (a.re[i] as number) * 3;
      const b = zeros(5, 5, complex);
      for (let i = 0; i < 5; i++) addRow(b, i, a, i, { re: -1, im: 0 });
      near(multiply(exponential(a), exponential(b)), identity(5, complex), 1e-9);
      const d = exponential(diagonal([1, -2, 0.5], 3, 3));
      expect(d.re[0] as number).toBeCloseTo(Math.E, 13);
      expect(d.re[4] as number).toBeCloseTo(Math.exp(-2), 14);
    });
  });
}
