/**
 * The innermost part of the matrix product: a tile of C held in registers while the whole depth of a block runs past it,
 * and the loops that cover a block of C with tiles.
 *
 * Note [Tile shape]: 4 rows by 2 vectors. Its 8 accumulators are as many as hide the latency of two multiply-adds per
 * cycle, and with the 4 + 2 operands they fit the 15 vector registers that V8 has on x64. V8 up to version 11 (Node 20)
 * moves all loads of a loop body to its top, so the body must be one step of k, not several: unrolled, or with tiles that
 * would fit only when loads are interleaved with arithmetic (5x2, 6x2), it spills and runs at half the speed.
 */
import type { FunctionBuilder } from "./assembler.ts";
import type { Element, Emitter, IntVariable, VectorVariable } from "./gemm-emitter.ts";

/** Rows of a full tile. */
export const tileRows = 4;
/** Vectors in a row of a full tile. */
export const tileVectors = 2;

/** Columns of a full tile. */
export function tileColumns(element: Element): number {
  return tileVectors * element.lanes;
}

/**
 * How the elements of a tile's A lie. "rows": consecutive in k, with a stride between the tile's rows. "columns": the
 * tile's rows are consecutive, with a stride between steps of k; so are packed panels and transposed matrices.
 */
export type Layout = "rows" | "columns";
export const layouts: readonly Layout[] = ["rows", "columns"];

/**
 * One tile of at most 4 rows and 1 or 2 vectors: C = beta*C + alpha*A*B, k at least 1. Strides in bytes; beta = 0 means
 * that C is not read. All lanes of B are read and all lanes of C are written.
 *
 * Parameters: a, stride of a, b, stride of b (between steps of k), c, stride of c (between rows), k, alpha, beta.
 */
export function emitTile(e: Emitter, layout: Layout, rows: number, width: number): void {
  const { bytes } = e.element;
  const [a, strideA, b, strideB, c, strideC, k] = e.parameters(7);
  const alpha = e.parameter("scalar", 7);
  const beta = e.parameter("scalar", 8);

  const rowPointers: IntVariable[] = [a];
  if (layout === "rows") {
    for (let r = 1; r < rows; r++) {
      const pointer = e.int();
      e.set(pointer, e.add(rowPointers[r - 1] as IntVariable, strideA));
      rowPointers.push(pointer);
    }
  }
  const sums = Array.from({ length: rows }, () => e.vectors(width));
  const rowOfB = e.vectors(width);
  const factor = e.vector();

  e.countDown(k, 1, () => {
    rowOfB.forEach((to, v) => e.set(to, e.load(b, 16 * v)));
    sums.forEach((row, r) => {
      const factorAt = layout === "rows" ? e.loadSplat(rowPointers[r] as IntVariable) : e.loadSplat(a, bytes * r);
      e.set(factor, factorAt);
      row.forEach((sum, v) => e.set(sum, e.mulAdd(factor, rowOfB[v] as VectorVariable, sum)));
    });
    if (layout === "rows") for (const pointer of rowPointers) e.increment(pointer, bytes);
    else e.increment(a, strideA);
    e.increment(b, strideB);
  });

  const scale = e.vector();
  e.set(scale, e.splat(alpha));
  for (const sum of sums.flat()) e.set(sum, e.vectorMul(sum, scale));
  e.when(
    e.isNonZero(beta),
    () => {
      e.set(scale, e.splat(beta));
      sums.forEach((row, r) => {
        row.forEach((sum, v) => e.store(c, 16 * v, e.mulAdd(scale, e.load(c, 16 * v), sum)));
        if (r < rows - 1) e.increment(c, strideC);
      });
    },
    () => {
      sums.forEach((row, r) => {
        row.forEach((sum, v) => e.store(c, 16 * v, sum));
        if (r < rows - 1) e.increment(c, strideC);
      });
    },
  );
}

/**
 * c[i*stride] = alpha*sums[i] + beta*c[i*stride] for i < n, rounded as at the end of a tile whether vectors or single lanes do it.
 *
 * Parameters: sums, c, stride of c in bytes, n, alpha, beta. Reads sums up to a whole vector beyond n.
 */
export function emitUpdate(e: Emitter): void {
  const { bytes, lanes } = e.element;
  const [sums, c, stride, n] = e.parameters(4);
  const [alpha, beta, value] = e.vectors(3) as [VectorVariable, VectorVariable, VectorVariable];
  const keep = e.int();
  e.set(alpha, e.splat(e.parameter("scalar", 4)));
  e.set(beta, e.splat(e.parameter("scalar", 5)));
  e.set(keep, e.isNonZero(e.parameter("scalar", 5)));
  e.when(e.equal(stride, bytes), () => {
    e.whileTrue(e.atLeast(n, lanes), () => {
      e.set(value, e.vectorMul(e.load(sums), alpha));
      e.when(keep, () => e.set(value, e.mulAdd(beta, e.load(c), value)));
      e.store(c, 0, value);
      e.increment(sums, 16);
      e.increment(c, 16);
      e.decrement(n, lanes);
    });
  });
  e.whileTrue(e.atLeast(n, 1), () => {
    e.set(value, e.vectorMul(e.loadFirst(1, sums), alpha));
    e.when(keep, () => e.set(value, e.mulAdd(beta, e.loadFirst(1, c), value)));
    e.storeLane(c, 0, value, 0);
    e.increment(sums, bytes);
    e.increment(c, stride);
    e.decrement(n, 1);
  });
}

/** The tiles of one layout, by rows - 1 and width - 1, and the update. */
export interface TileFunctions {
  readonly tiles: readonly (readonly FunctionBuilder[])[];
  readonly update: FunctionBuilder;
}

/**
 * Covers an m x n block of C with tiles: columns of tiles one after the other, so that a panel of B stays in the L1 cache
 * while A streams past it from L2.
 *
 * Parameters: a, stride of a, step of a from tile to tile, b, stride of b, step of b, c, stride of c, m, n, k, alpha, beta
 * and the address of room for one tile. B must be readable in whole vectors: a last panel that is not full has to be padded.
 */
export function emitBlock(e: Emitter, functions: TileFunctions): void {
  const { bytes, lanes } = e.element;
  const columns = tileColumns(e.element);
  const [a, strideA, stepA, b, strideB, stepB, c, strideC, m, n, k] = e.parameters(11);
  const alpha = e.parameter("scalar", 11);
  const beta = e.parameter("scalar", 12);
  const edge = e.parameter("i32", 13);
  const [tileA, tileC, rowsLeft] = [e.int(), e.int(), e.int()];
  const tile = (rows: number, width: number): FunctionBuilder =>
    functions.tiles[rows - 1]?.[width - 1] as FunctionBuilder;

  const startPanel = (): void => {
    e.set(tileA, a);
    e.set(tileC, c);
    e.set(rowsLeft, m);
  };
  const full = (rows: number): void =>
    e.call(tile(rows, tileVectors), [tileA, strideA, b, strideB, tileC, strideC, k, alpha, beta]);
  e.whileTrue(e.atLeast(n, columns), () => {
    startPanel();
    e.whileTrue(e.atLeast(rowsLeft, tileRows), () => {
      full(tileRows);
      e.increment(tileA, stepA);
      e.increment(tileC, e.mul(strideC, tileRows));
      e.decrement(rowsLeft, tileRows);
    });
    for (let rows = 1; rows < tileRows; rows++) e.when(e.equal(rowsLeft, rows), () => full(rows));
    e.increment(b, stepB);
    e.increment(c, columns * bytes);
    e.decrement(n, columns);
  });

  // What is left of the columns goes through a full tile elsewhere.
  const partial = (rows: number, width: number): void => {
    const one = e.constantScalar(1);
    const zero = e.constantScalar(0);
    e.call(tile(rows, width), [tileA, strideA, b, strideB, edge, e.constant(columns * bytes), k, one, zero]);
    for (let r = 0; r < rows; r++) {
      const to = e.add(tileC, e.mul(strideC, r));
      e.call(functions.update, [e.add(edge, r * columns * bytes), to, e.constant(bytes), n, alpha, beta]);
    }
  };
  const partialPanel = (width: number): void => {
    startPanel();
    e.whileTrue(e.atLeast(rowsLeft, tileRows), () => {
      partial(tileRows, width);
      e.increment(tileA, stepA);
      e.increment(tileC, e.mul(strideC, tileRows));
      e.decrement(rowsLeft, tileRows);
    });
    for (let rows = 1; rows < tileRows; rows++) e.when(e.equal(rowsLeft, rows), () => partial(rows, width));
  };
  e.when(e.atLeast(n, 1), () => {
    e.when(
      e.atLeast(n, lanes + 1),
      () => partialPanel(2),
      () => partialPanel(1),
    );
  });
}

/** c[i] = beta*c[i], or 0 if beta is: parameters c, stride between rows in bytes, m, n, beta. */
export function emitScale(e: Emitter): void {
  const { bytes, lanes } = e.element;
  const [c, stride, m, n] = e.parameters(4);
  const beta = e.vector();
  const value = e.vector();
  const keep = e.int();
  const at = e.int();
  const left = e.int();
  e.set(beta, e.splat(e.parameter("scalar", 4)));
  e.set(keep, e.isNonZero(e.parameter("scalar", 4)));
  e.countDown(m, 1, () => {
    e.set(at, c);
    e.set(left, n);
    e.whileTrue(e.atLeast(left, lanes), () => {
      e.when(keep, () => e.set(value, e.vectorMul(e.load(at), beta)));
      e.store(at, 0, value);
      e.increment(at, 16);
      e.decrement(left, lanes);
    });
    e.whileTrue(e.atLeast(left, 1), () => {
      e.when(keep, () => e.set(value, e.vectorMul(e.loadFirst(1, at), beta)));
      e.storeLane(at, 0, value, 0);
      e.increment(at, bytes);
      e.decrement(left, 1);
    });
    e.increment(c, stride);
  });
}
