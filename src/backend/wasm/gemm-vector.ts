/**
 * Products of a matrix and a vector. Memory bound: each element of the matrix is used once, so it is read in the order in
 * which it lies and never packed.
 */
import type { Emitter, IntVariable, VectorVariable } from "./gemm-emitter.ts";

/** Rows that run at once. */
const group = 4;

/**
 * y[i] = sum over p < k of matrix[i][p] * x[p], for rows that are consecutive in p. Parameters: matrix, stride between rows
 * in bytes, x (consecutive), y (consecutive), number of rows n, k.
 *
 * Each row has two vectors of partial sums, which take the vectors of the row in turn; see Note [Summation order]. The loop
 * tests its end after each vector, as larger bodies would spill: Note [Tile shape].
 */
export function emitDot(e: Emitter): void {
  const { bytes, lanes } = e.element;
  const [matrix, stride, x, y, n, k] = e.parameters(6);
  const [left, xAt] = [e.int(), e.int()];
  const pointers = Array.from({ length: group }, () => e.int());
  const sums = [e.vectors(group), e.vectors(group)] as const;
  const part = e.vector();

  const rows = (count: number): void => {
    const active = pointers.slice(0, count);
    active.forEach((pointer, r) => {
      e.set(pointer, r === 0 ? matrix : e.add(active[r - 1] as IntVariable, stride));
      for (const half of sums) e.set(half[r] as VectorVariable, e.zero());
    });
    e.set(xAt, x);
    e.set(left, k);
    const advance = (by: number): void => {
      for (const pointer of active) e.increment(pointer, by * bytes);
      e.increment(xAt, by * bytes);
      e.decrement(left, by);
    };
    const step = (half: 0 | 1): void => {
      e.set(part, e.load(xAt));
      active.forEach((pointer, r) => {
        const sum = sums[half][r] as VectorVariable;
        e.set(sum, e.mulAdd(e.load(pointer), part, sum));
      });
      advance(lanes);
    };
    const rest = (count: 1 | 2): void => {
      e.when(e.atLeast(left, count), () => {
        e.set(part, e.loadFirst(count, xAt));
        active.forEach((pointer, r) => {
          const sum = sums[0][r] as VectorVariable;
          e.set(sum, e.mulAdd(e.loadFirst(count, pointer), part, sum));
        });
        advance(count);
      });
    };
    e.breakable((leave) => {
      e.whileTrue(e.atLeast(left, lanes), () => {
        step(0);
        leave(e.lessThan(left, lanes));
        step(1);
      });
    });
    if (lanes > 2) rest(2);
    rest(1);
    active.forEach((_, r) => {
      const [sum, other] = [sums[0][r] as VectorVariable, sums[1][r] as VectorVariable];
      e.set(sum, e.vectorAdd(sum, other));
      for (let by = 8; by >= bytes; by /= 2) e.set(sum, e.vectorAdd(sum, e.rotate(sum, by)));
      e.storeLane(y, bytes * r, sum, 0);
    });
    e.increment(matrix, e.mul(stride, count));
    e.increment(y, count * bytes);
    e.decrement(n, count);
  };
  e.whileTrue(e.atLeast(n, group), () => rows(group));
  e.whileTrue(e.atLeast(n, 1), () => rows(1));
}

/**
 * y[j] += matrix[p][j] * x[p] for p = 0, 1, ... k - 1 in this order, for rows that are consecutive in j. Parameters: matrix,
 * stride between rows in bytes, x, stride of x in bytes, y (consecutive), n, k.
 */
export function emitCombine(e: Emitter): void {
  const { bytes, lanes } = e.element;
  const [matrix, stride, x, strideX, y, n, k] = e.parameters(7);
  const [left, yAt] = [e.int(), e.int()];
  const pointers = Array.from({ length: group }, () => e.int());
  const factors = e.vectors(group);
  const sum = e.vector();

  const rows = (count: number): void => {
    const active = pointers.slice(0, count);
    active.forEach((pointer, r) => {
      e.set(pointer, r === 0 ? matrix : e.add(active[r - 1] as IntVariable, stride));
      e.set(factors[r] as VectorVariable, e.loadSplat(x));
      e.increment(x, strideX);
    });
    e.increment(matrix, e.mul(stride, count));
    e.set(yAt, y);
    e.set(left, n);
    const advance = (by: number): void => {
      for (const pointer of active) e.increment(pointer, by * bytes);
      e.increment(yAt, by * bytes);
      e.decrement(left, by);
    };
    e.whileTrue(e.atLeast(left, lanes), () => {
      e.set(sum, e.load(yAt));
      active.forEach((pointer, r) => {
        e.set(sum, e.mulAdd(factors[r] as VectorVariable, e.load(pointer), sum));
      });
      e.store(yAt, 0, sum);
      advance(lanes);
    });
    e.whileTrue(e.atLeast(left, 1), () => {
      e.set(sum, e.loadFirst(1, yAt));
      active.forEach((pointer, r) => {
        e.set(sum, e.mulAdd(factors[r] as VectorVariable, e.loadFirst(1, pointer), sum));
      });
      e.storeLane(yAt, 0, sum, 0);
      advance(1);
    });
    e.decrement(k, count);
  };
  e.whileTrue(e.atLeast(k, group), () => rows(group));
  e.whileTrue(e.atLeast(k, 1), () => rows(1));
}

/** Makes a vector consecutive. Parameters: from, its stride in bytes, to, n. */
export function emitGather(e: Emitter): void {
  const { bytes } = e.element;
  const [from, stride, to, n] = e.parameters(4);
  e.whileTrue(e.atLeast(n, 1), () => {
    e.storeLane(to, 0, e.loadFirst(1, from), 0);
    e.increment(from, stride);
    e.increment(to, bytes);
    e.decrement(n, 1);
  });
}
