/**
 * The matrix product C = alpha * op(A) op(B) + beta * C.
 *
 * Large products are blocked for the caches as GotoBLAS and BLIS do: a block of B, `depth` by `blockColumns`, is packed into
 * panels one tile wide that pass through the L1 cache one at a time, while a block of A, `blockRows` by `depth`, stays in
 * L2. What lies well already is read in place instead of packed. Products with very few rows or columns are bound by memory,
 * and take the kernels of gemm-vector.ts.
 *
 * Note [Summation order]: each element of C is the sum of its k products in an order that k fixes (together with the way
 * that `wayOf` chooses for the whole product), whatever its place in the matrix and however rows and columns are divided
 * into calls:
 * - k is cut into equal blocks of at most 2 KiB of one row (512 float32, 256 float64); within a block the products are
 *   added one after the other to a sum that begins at 0; the sums s of the blocks, in order, give C = beta*C + alpha*s and
 *   then C = C + alpha*s. Every kernel keeps this order, tiles, their edges and `combine` alike.
 * - where a product goes by vectors and the matrix is consecutive along k (`dot`), each element has 2 * lanes partial sums,
 *   which take the products in turn and are added pairwise at the end.
 * With relaxed SIMD each product and addition is rounded once if the machine fuses them, otherwise twice; both the tiles
 * and the edges use the same instruction. Nothing is skipped because a factor is 0, so NaN and infinity propagate; only
 * beta = 0 means that C is not read.
 */
import type { Gemm } from "../backend.ts";
import { elements } from "./gemm-emitter.ts";
import { type GemmKernels, instantiateGemm, type ModuleOptions } from "./gemm-module.ts";
import { tileColumns, tileRows } from "./gemm-tile.ts";

export interface GemmOptions extends ModuleOptions {
  /** The byte address of room for so many bytes, good until the next call. */
  readonly scratch: (nbytes: number) => number;
  /** The kernels of an element type; default: those of an instance of its own. */
  readonly kernels?: (dtype: Gemm["dtype"]) => GemmKernels;
}

/** The element type's kernels, with the sizes that go with them. */
interface Machine {
  readonly kernels: GemmKernels;
  readonly bytes: number;
  /** Elements of a vector. */
  readonly lanes: number;
  /** Columns of a tile. */
  readonly columns: number;
  readonly scratch: (nbytes: number) => number;
}

/** Bytes along k of one row in a block. A panel of B then takes 16 KiB at most, a third of the L1 cache. */
const depthBytes = 2048;
/** Rows in a block of A: 256 KiB at most, to stay in L2 beside what streams past. */
const blockRows = 128;
/** Columns in a block of B: 4 MiB at most, to stay in L3. */
const blockColumns = 2048;
/** As many rows or columns go one by one through the vector kernels if the other operand has many elements. */
const fewVectors = 3;
const manyElements = 16384;
/** Columns or rows for which the vector kernels keep sums at a time. */
const vectorChunk = 1024;

/** Length of the blocks into which k is cut: a function of k alone. */
function blockDepth(k: number, bytes: number): number {
  const blocks = Math.ceil(k / (depthBytes / bytes));
  return Math.ceil(k / blocks / 8) * 8;
}

function roundUp(n: number, multiple: number): number {
  return Math.ceil(n / multiple) * multiple;
}

/** By tiles. */
function tiledProduct(machine: Machine, p: Gemm, i0: number, i1: number, j0: number, j1: number): void {
  const { kernels, bytes, columns } = machine;
  const { k, alpha, transA, transB } = p;
  const [lda, ldb, ldc] = [p.lda * bytes, p.ldb * bytes, p.ldc * bytes];
  const depth = blockDepth(k, bytes);

  const packB = transB || packsB(p, bytes);
  const packA = packsA(p, bytes);
  const edgeBytes = tileRows * columns * bytes;
  const bytesB = roundUp(Math.min(j1 - j0, packB ? blockColumns : columns), columns) * depth * bytes;
  const bytesA = packA ? roundUp(Math.min(i1 - i0, blockRows), tileRows) * depth * bytes : 0;
  const edge = machine.scratch(edgeBytes + bytesB + bytesA);
  const panelsB = edge + edgeBytes;
  const panelsA = panelsB + bytesB;

  const block = transA || packA ? kernels.blockColumns : kernels.blockRows;
  const strideA = packA ? tileRows * bytes : lda;
  // Along the rows and along k.
  const [rowA, stepA] = transA ? [bytes, lda] : [lda, bytes];

  for (let j = j0; j < j1; j += blockColumns) {
    const n = Math.min(blockColumns, j1 - j);
    // B in place serves whole tiles only, since these read whole vectors.
    const inPlace = packB ? 0 : n - (n % columns);
    for (let q = 0; q < k; q += depth) {
      const kc = Math.min(depth, k - q);
      const beta = q === 0 ? p.beta : 1;
      const b = p.b + (transB ? j * ldb + q * bytes : q * ldb + j * bytes);
      if (inPlace < n) {
        if (transB) kernels.packTransposeB(b, ldb, panelsB, n, kc);
        else kernels.packCopyB(b + inPlace * bytes, ldb, panelsB, n - inPlace, kc);
      }
      for (let i = i0; i < i1; i += blockRows) {
        const m = Math.min(blockRows, i1 - i);
        let a = p.a + i * rowA + q * stepA;
        let nextTile = tileRows * rowA;
        if (packA) {
          if (transA) kernels.packCopyA(a, lda, panelsA, m, kc);
          else kernels.packTransposeA(a, lda, panelsA, m, kc);
          a = panelsA;
          nextTile = tileRows * bytes * kc;
        }
        const c = p.c + i * ldc + j * bytes;
        if (inPlace > 0) {
          block(a, strideA, nextTile, b, ldb, columns * bytes, c, ldc, m, inPlace, kc, alpha, beta, edge);
        }
        if (inPlace < n) {
          const [panel, rest] = [columns * bytes, n - inPlace];
          block(
            a,
            strideA,
            nextTile,
            panelsB,
            panel,
            panel * kc,
            c + inPlace * bytes,
            ldc,
            m,
            rest,
            kc,
            alpha,
            beta,
            edge,
          );
        }
      }
    }
  }
}

/** Whether B, not transposed, is worth packing. */
function packsB(p: Gemm, bytes: number): boolean {
  return p.m >= 8 && p.k * p.ldb * bytes > 32768;
}

/** Whether A is worth packing. */
function packsA(p: Gemm, bytes: number): boolean {
  return p.transA && p.k * p.lda * bytes > 32768;
}

/**
 * How a product goes: row by row or column by column through the kernels for vectors, or by tiles. Vectors pay where there
 * are so few rows or columns that packing the other operand, or reading it in narrow columns, would cost more than to read
 * it several times in its own order. The answer must not depend on anything but the whole product: Note [Summation order].
 */
function wayOf(p: Gemm): "rows" | "columns" | "tiles" {
  const { m, n, k } = p;
  if (m === 1 || (m <= fewVectors && m <= n && n * k >= manyElements)) return "rows";
  if (n === 1 || (n <= fewVectors && m * k >= manyElements)) return "columns";
  return "tiles";
}

/** Elements `from` to `to` of row `index` of C, or of column `index`. */
function vectorProduct(
  machine: Machine,
  p: Gemm,
  way: "rows" | "columns",
  index: number,
  from: number,
  to: number,
): void {
  const { kernels, bytes, lanes, scratch } = machine;
  const { k, alpha, beta } = p;
  const isRow = way === "rows";
  const single = p.m === 1 && p.n === 1;
  const [lda, ldb, ldc] = [p.lda * bytes, p.ldb * bytes, p.ldc * bytes];
  // The matrix, the stride of its rows, the vector, its stride, and the stride of the result.
  let [matrix, stride] = isRow ? [p.b, ldb] : [p.a, lda];
  let [x, strideX] = isRow
    ? [p.a + index * (p.transA ? bytes : lda), p.transA ? lda : bytes]
    : [p.b + index * (p.transB ? ldb : bytes), p.transB ? bytes : ldb];
  const strideC = isRow ? bytes : ldc;
  const c = p.c + index * (isRow ? ldc : bytes) + from * strideC;
  const alongK = isRow ? p.transB : !p.transA;
  const chunk = Math.min(to - from, vectorChunk);
  const sumBytes = roundUp(chunk, lanes) * bytes;
  const xBytes = roundUp(k * bytes, 16);

  if (alongK || single) {
    const sums = scratch(sumBytes + 2 * xBytes);
    if (strideX !== bytes) {
      kernels.gather(x, strideX, sums + sumBytes, k);
      x = sums + sumBytes;
    }
    // A matrix of one column is a vector with a stride.
    if (!alongK && stride !== bytes) {
      kernels.gather(matrix, stride, sums + sumBytes + xBytes, k);
      matrix = sums + sumBytes + xBytes;
      stride = bytes * k;
    }
    for (let i = from; i < to; i += chunk) {
      const n = Math.min(chunk, to - i);
      kernels.dot(matrix + i * stride, stride, x, sums, n, k);
      kernels.update(sums, c + (i - from) * strideC, strideC, n, alpha, beta);
    }
    return;
  }
  const sums = scratch(sumBytes);
  const depth = blockDepth(k, bytes);
  for (let j = from; j < to; j += chunk) {
    const n = Math.min(chunk, to - j);
    for (let q = 0; q < k; q += depth) {
      const rows = matrix + q * stride + j * bytes;
      kernels.scale(sums, 0, 1, roundUp(n, lanes), 0);
      kernels.combine(rows, stride, x + q * strideX, strideX, sums, n, Math.min(depth, k - q));
      kernels.update(sums, c + (j - from) * strideC, strideC, n, alpha, q === 0 ? beta : 1);
    }
  }
}

/**
 * Computes rows `i0` to `i1` and columns `j0` to `j1` of C. Parts of one product may run in any order and on several
 * threads, each with its own instance and scratch memory: every element comes out the same to the last bit.
 */
export type GemmPart = (p: Gemm, i0: number, i1: number, j0: number, j1: number) => void;

export function createGemmPart(memory: WebAssembly.Memory, options: GemmOptions): GemmPart {
  const machines = new Map<Gemm["dtype"], Machine>();
  const machineOf = (dtype: Gemm["dtype"]): Machine => {
    let machine = machines.get(dtype);
    if (machine === undefined) {
      const element = elements[dtype];
      machine = {
        kernels: options.kernels?.(dtype) ?? instantiateGemm(dtype, memory, options),
        bytes: element.bytes,
        lanes: element.lanes,
        columns: tileColumns(element),
        scratch: options.scratch,
      };
      machines.set(dtype, machine);
    }
    return machine;
  };
  return (p, i0, i1, j0, j1) => {
    if (i1 <= i0 || j1 <= j0) return;
    const machine = machineOf(p.dtype);
    if (p.k === 0) {
      const { bytes, kernels } = machine;
      kernels.scale(p.c + (i0 * p.ldc + j0) * bytes, p.ldc * bytes, i1 - i0, j1 - j0, p.beta);
      return;
    }
    const way = wayOf(p);
    if (way === "rows") for (let i = i0; i < i1; i++) vectorProduct(machine, p, way, i, j0, j1);
    else if (way === "columns") for (let j = j0; j < j1; j++) vectorProduct(machine, p, way, j, i0, i1);
    else tiledProduct(machine, p, i0, i1, j0, j1);
  };
}

/** The matrix product on this thread. */
export function createGemm(memory: WebAssembly.Memory, options: GemmOptions): (p: Gemm) => void {
  const part = createGemmPart(memory, options);
  return (p) => part(p, 0, p.m, 0, p.n);
}
