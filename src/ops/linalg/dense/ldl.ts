/**
 * LDL factorisation of symmetric or Hermitian matrices with Bunch-Kaufman pivoting (LAPACK's sytf2 and hetf2, lower triangle).
 */
import { at, conjugate, type Matrix, minus, negated, over, type Parts, plus, put, size1, times } from "./matrix.ts";

const alpha = (1 + Math.sqrt(17)) / 8;
const zero: Parts = { re: 0, im: 0 };

export interface LdlResult {
  /** As LAPACK: from 1; negative in pairs where a 2 by 2 block of D stands. */
  readonly pivots: Int32Array;
  readonly info: number;
}

/** Factors the lower triangle in place. `hermitian`: A = L D L^H; else A = L D L^T. */
export function ldlInPlace(a: Matrix, hermitian: boolean): LdlResult {
  const n = a.rows;
  const flip = (z: Parts): Parts => (hermitian ? conjugate(z) : z);
  const realDiagonal = (i: number): void => {
    if (hermitian) put(a, i, i, { re: at(a, i, i).re, im: 0 });
  };
  const diagonalSize = (i: number): number => (hermitian ? Math.abs(at(a, i, i).re) : size1(at(a, i, i)));
  const pivots = new Int32Array(n);
  let info = 0;
  for (let k = 0; k < n;) {
    let step = 1;
    let pivot = k;
    const own = diagonalSize(k);
    let largestAt = k;
    let column = 0;
    for (let i = k + 1; i < n; i++) {
      const size = size1(at(a, i, k));
      if (size > column) [column, largestAt] = [size, i];
    }
    if (Math.max(own, column) === 0 || Number.isNaN(own)) {
      if (info === 0) info = k + 1;
      realDiagonal(k);
      pivots[k] = k + 1;
      k++;
      continue;
    }
    if (own < alpha * column) {
      let row = 0;
      for (let j = k; j < largestAt; j++) row = Math.max(row, size1(at(a, largestAt, j)));
      for (let i = largestAt + 1; i < n; i++) row = Math.max(row, size1(at(a, i, largestAt)));
      if (own < alpha * column * (column / row)) {
        pivot = largestAt;
        if (diagonalSize(largestAt) < alpha * row) step = 2;
      }
    }
    const kk = k + step - 1;
    if (pivot !== kk) {
      exchange(a, kk, pivot, flip);
      if (step === 2) {
        const held = at(a, k + 1, k);
        put(a, k + 1, k, at(a, pivot, k));
        put(a, pivot, k, held);
      }
    }
    realDiagonal(k);
    if (step === 1) eliminateOne(a, k, flip);
    else {
      realDiagonal(k + 1);
      eliminateTwo(a, k, flip);
    }
    for (let i = k + step; i < n; i++) realDiagonal(i);
    if (step === 1) pivots[k] = pivot + 1;
    else {
      pivots[k] = -(pivot + 1);
      pivots[k + 1] = -(pivot + 1);
    }
    k += step;
  }
  return { pivots, info };
}

/** Rows and columns kk and p of the trailing lower triangle, kk < p. */
function exchange(a: Matrix, kk: number, p: number, flip: (z: Parts) => Parts): void {
  const n = a.rows;
  for (let i = p + 1; i < n; i++) {
    const held = at(a, i, kk);
    put(a, i, kk, at(a, i, p));
    put(a, i, p, held);
  }
  for (let j = kk + 1; j < p; j++) {
    const held = flip(at(a, j, kk));
    put(a, j, kk, flip(at(a, p, j)));
    put(a, p, j, held);
  }
  put(a, p, kk, flip(at(a, p, kk)));
  const held = at(a, kk, kk);
  put(a, kk, kk, at(a, p, p));
  put(a, p, p, held);
}

function eliminateOne(a: Matrix, k: number, flip: (z: Parts) => Parts): void {
  const n = a.rows;
  const d = at(a, k, k);
  for (let j = k + 1; j < n; j++) {
    const factor = over(flip(at(a, j, k)), d);
    for (let i = j; i < n; i++) put(a, i, j, minus(at(a, i, j), times(at(a, i, k), factor)));
  }
  for (let i = k + 1; i < n; i++) put(a, i, k, over(at(a, i, k), d));
}

function eliminateTwo(a: Matrix, k: number, flip: (z: Parts) => Parts): void {
  const n = a.rows;
  const [d11, d21, d22] = [at(a, k, k), at(a, k + 1, k), at(a, k + 1, k + 1)];
  const det = minus(times(d11, d22), times(d21, flip(d21)));
  const columns: [Parts, Parts][] = [];
  for (let i = k + 2; i < n; i++) {
    const [x, y] = [at(a, i, k), at(a, i, k + 1)];
    // (x, y) D^-1 with D = [d11 flip(d21); d21 d22].
    columns.push([
      over(minus(times(x, d22), times(y, d21)), det),
      over(minus(times(y, d11), times(x, flip(d21))), det),
    ]);
  }
  for (let j = k + 2; j < n; j++) {
    const [x, y] = [flip(at(a, j, k)), flip(at(a, j, k + 1))];
    for (let i = j; i < n; i++) {
      const [p, q] = columns[i - k - 2] as [Parts, Parts];
      put(a, i, j, minus(at(a, i, j), plus(times(p, x), times(q, y))));
    }
  }
  columns.forEach(([p, q], i) => {
    put(a, k + 2 + i, k, p);
    put(a, k + 2 + i, k + 1, q);
  });
}

/** Solves A X = B from the factors; X overwrites B. */
export function solveByLdl(ld: Matrix, pivots: Int32Array, b: Matrix, hermitian: boolean): void {
  const n = ld.rows;
  const flip = (z: Parts): Parts => (hermitian ? conjugate(z) : z);
  const swap = (i: number, j: number): void => {
    if (i === j) return;
    for (let c = 0; c < b.cols; c++) {
      const held = at(b, i, c);
      put(b, i, c, at(b, j, c));
      put(b, j, c, held);
    }
  };
  const sizeOf = (k: number): number => ((pivots[k] as number) > 0 ? 1 : 2);
  for (let k = 0; k < n; k += sizeOf(k)) {
    const step = sizeOf(k);
    swap(k + step - 1, Math.abs(pivots[k] as number) - 1);
    for (let i = k + step; i < n; i++) {
      for (let s = 0; s < step; s++) {
        const factor = negated(at(ld, i, k + s));
        for (let c = 0; c < b.cols; c++) put(b, i, c, plus(at(b, i, c), times(factor, at(b, k + s, c))));
      }
    }
    divide(ld, k, step, b, flip);
  }
  const starts: number[] = [];
  for (let k = 0; k < n; k += sizeOf(k)) starts.push(k);
  for (const k of starts.toReversed()) {
    const step = sizeOf(k);
    for (let s = 0; s < step; s++) {
      for (let c = 0; c < b.cols; c++) {
        let sum = zero;
        for (let i = k + step; i < n; i++) sum = plus(sum, times(flip(at(ld, i, k + s)), at(b, i, c)));
        put(b, k + s, c, minus(at(b, k + s, c), sum));
      }
    }
    swap(k + step - 1, Math.abs(pivots[k] as number) - 1);
  }
}

/** Rows k.. of b by the inverse of the block of D there. */
function divide(ld: Matrix, k: number, step: number, b: Matrix, flip: (z: Parts) => Parts): void {
  const d11 = at(ld, k, k);
  if (step === 1) {
    for (let c = 0; c < b.cols; c++) put(b, k, c, over(at(b, k, c), d11));
    return;
  }
  const [d21, d22] = [at(ld, k + 1, k), at(ld, k + 1, k + 1)];
  const det = minus(times(d11, d22), times(d21, flip(d21)));
  for (let c = 0; c < b.cols; c++) {
    const [x, y] = [at(b, k, c), at(b, k + 1, c)];
    put(b, k, c, over(minus(times(d22, x), times(flip(d21), y)), det));
    put(b, k + 1, c, over(minus(times(d11, y), times(d21, x)), det));
  }
}
