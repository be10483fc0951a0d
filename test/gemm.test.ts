import { describe, expect, test } from "vitest";
import type { Gemm } from "../src/backend/backend.ts";
import { hasRelaxedSimd } from "../src/backend/wasm/features.ts";
import { createGemm, createGemmPart } from "../src/backend/wasm/gemm.ts";

type DType = Gemm["dtype"];
type Floats = Float32Array | Float64Array;
type Shape = Omit<Gemm, "a" | "b" | "c" | "dtype">;

/** Numbers that repeat from run to run (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const memory = new WebAssembly.Memory({ initial: 512, maximum: 4096 });
const sharedMemory = new WebAssembly.Memory({ initial: 512, maximum: 4096, shared: true });

/** Hands out the memory from its start; scratch room lies at its end. */
class Bench {
  readonly memory: WebAssembly.Memory;
  readonly dtype: DType;
  #next = 64;

  constructor(memory: WebAssembly.Memory, dtype: DType) {
    this.memory = memory;
    this.dtype = dtype;
  }

  static scratch(memory: WebAssembly.Memory): (nbytes: number) => number {
    return (nbytes) => {
      // Garbage in scratch memory must never be seen.
      const start = Math.floor((memory.buffer.byteLength - nbytes) / 16) * 16;
      new Uint8Array(memory.buffer, start).fill(0xff);
      return start;
    };
  }

  array(length: number): Floats {
    const at = this.#next;
    const made =
      this.dtype === "float32"
        ? new Float32Array(this.memory.buffer, at, length)
        : new Float64Array(this.memory.buffer, at, length);
    // Next to each other, so that a write past the end hits the next operand; elements are aligned to 8 bytes at least.
    this.#next = Math.ceil((at + made.byteLength) / 8) * 8;
    return made;
  }
}

/** Whether two arrays are equal to the bit; `toEqual` is too slow for large ones. */
function same(x: Floats, y: Floats): boolean {
  const words = (of: Floats): Int32Array => new Int32Array(of.buffer, of.byteOffset, of.byteLength / 4);
  const [left, right] = [words(x), words(y)];
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
  return true;
}

function extent(rows: number, columns: number, ld: number): number {
  return rows === 0 ? 0 : (rows - 1) * ld + columns;
}

interface Problem {
  readonly p: Gemm;
  readonly a: Floats;
  readonly b: Floats;
  readonly c: Floats;
}

function makeProblem(memory: WebAssembly.Memory, dtype: DType, shape: Shape, random: () => number): Problem {
  const bench = new Bench(memory, dtype);
  const { m, n, k, transA, transB, lda, ldb, ldc } = shape;
  const a = bench.array(transA ? extent(k, m, lda) : extent(m, k, lda));
  const b = bench.array(transB ? extent(n, k, ldb) : extent(k, n, ldb));
  const c = bench.array(extent(m, n, ldc));
  const after = bench.array(8);
  for (const operand of [a, b, c, after]) for (let i = 0; i < operand.length; i++) operand[i] = 2 * random() - 1;
  return { p: { ...shape, dtype, a: a.byteOffset, b: b.byteOffset, c: c.byteOffset }, a, b, c };
}

/** Whether C is what a product in double precision says, within the rounding of the type; and the rest is untouched. */
function check(memory: WebAssembly.Memory, gemm: (p: Gemm) => void, dtype: DType, shape: Shape, seed = 1): void {
  const { p, a, b, c } = makeProblem(memory, dtype, shape, generator(seed));
  const { m, n, k, transA, transB, lda, ldb, ldc, alpha, beta } = shape;
  if (beta === 0) for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) c[i * ldc + j] = NaN;
  const [before, beforeA, beforeB] = [c.slice(), a.slice(), b.slice()];
  const after = new Uint8Array(memory.buffer, c.byteOffset + c.byteLength, 32);
  const beforeAfter = after.slice();
  gemm(p);
  const epsilon = dtype === "float32" ? 2 ** -23 : 2 ** -52;
  let wrong = "";
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      let size = 0;
      for (let q = 0; q < k; q++) {
        const product =
          (beforeA[transA ? q * lda + i : i * lda + q] as number) *
          (beforeB[transB ? j * ldb + q : q * ldb + j] as number);
        sum += product;
        size += Math.abs(product);
      }
      const at = i * ldc + j;
      const old = beta === 0 ? 0 : beta * (before[at] as number);
      const bound = epsilon * ((k + 4) * Math.abs(alpha) * size + 4 * Math.abs(old)) + 1e-300;
      const found = c[at] as number;
      if (!(Math.abs(found - (alpha * sum + old)) <= bound))
        wrong ||= `c[${i}][${j}] = ${found}, not ${alpha * sum + old}`;
      before[at] = found;
    }
  }
  expect(wrong, JSON.stringify({ dtype, ...shape })).toBe("");
  expect(same(a, beforeA) && same(b, beforeB), "operands unchanged").toBe(true);
  expect(same(c, before), "gaps between rows unchanged").toBe(true);
  expect(after, "what lies behind").toEqual(beforeAfter);
}

function shapeOf(m: number, n: number, k: number, options: Partial<Shape> = {}): Shape {
  const { transA = false, transB = false } = options;
  return {
    m,
    n,
    k,
    transA,
    transB,
    alpha: 1,
    beta: 0,
    lda: Math.max(1, transA ? m : k),
    ldb: Math.max(1, transB ? k : n),
    ldc: Math.max(1, n),
    ...options,
  };
}

const transposes = [false, true].flatMap((transA) => [false, true].map((transB) => ({ transA, transB })));

const variants = [
  { relaxedSimd: true, shared: false },
  { relaxedSimd: false, shared: true },
];
for (const { relaxedSimd, shared } of variants) {
  if (relaxedSimd && !hasRelaxedSimd()) continue;
  const where = shared ? sharedMemory : memory;
  const options = { relaxedSimd, shared, scratch: Bench.scratch(where) };
  const gemm = createGemm(where, options);
  const part = createGemmPart(where, options);

  describe.each(["float32", "float64"] as const)(
    `%s, ${relaxedSimd ? "relaxed" : "plain"} SIMD, ${shared ? "shared" : "own"} memory`,
    (dtype) => {
      test("small and odd shapes, transposes, leading dimensions, alpha and beta", () => {
        const random = generator(relaxedSimd ? 7 : 8);
        const below = (limit: number): number => Math.floor(random() * limit);
        for (let round = 0; round < 250; round++) {
          const [m, n, k] = [1 + below(70), 1 + below(70), 1 + below(70)];
          const minimum = shapeOf(m, n, k, transposes[below(4)] ?? {});
          const alpha = [1, 1, -1, 0.5, 2.25][below(5)] ?? 1;
          const beta = [0, 0, 1, 1, -0.75][below(5)] ?? 0;
          const [lda, ldb, ldc] = [minimum.lda + below(9), minimum.ldb + below(9), minimum.ldc + below(9)];
          check(where, gemm, dtype, { ...minimum, alpha, beta, lda, ldb, ldc }, round);
        }
      });

      test("every size up to 10, and 1 in any place", () => {
        for (const trans of transposes) {
          for (let m = 1; m <= 10; m++) {
            for (let n = 1; n <= 10; n++) {
              for (const k of [1, 2, 3, 4, 5, 7, 8]) check(where, gemm, dtype, shapeOf(m, n, k, trans), m);
            }
          }
        }
      });

      test.each([
        [1, 1, 1000],
        [1, 1037, 530],
        [1037, 1, 530],
        [1, 10, 256],
        [10, 1, 257],
        [3, 1, 1],
        [1, 3, 1],
      ])("a matrix and a vector: %i x %i x %i", (m, n, k) => {
        for (const trans of transposes) {
          for (const [alpha, beta] of [
            [1, 0],
            [0.5, 1],
            [-1, 2],
          ] as const) {
            check(where, gemm, dtype, shapeOf(m, n, k, { ...trans, alpha, beta }));
            const { lda, ldb, ldc } = shapeOf(m, n, k, trans);
            check(
              where,
              gemm,
              dtype,
              shapeOf(m, n, k, { ...trans, alpha, beta, lda: lda + 3, ldb: ldb + 5, ldc: ldc + 2 }),
            );
          }
        }
      });

      test.each([
        [129, 127, 131],
        [64, 256, 784],
        [64, 10, 256],
        [256, 784, 64],
        [131, 67, 1031],
        [5, 2053, 19],
        [2, 300, 515],
        [300, 2, 515],
        [261, 9, 520],
        [128, 128, 128],
      ])("blocks of a large product: %i x %i x %i", (m, n, k) => {
        for (const trans of transposes) {
          check(where, gemm, dtype, shapeOf(m, n, k, trans));
          const { lda, ldb, ldc } = shapeOf(m, n, k, trans);
          const more = { ...trans, alpha: -0.5, beta: 1.5, lda: lda + 1, ldb: ldb + 2, ldc: ldc + 3 };
          check(where, gemm, dtype, shapeOf(m, n, k, more));
        }
      });

      test("nothing to sum: C = beta * C", () => {
        for (const beta of [0, 1, -2]) {
          for (const [m, n] of [
            [5, 7],
            [1, 9],
            [9, 1],
          ] as const) {
            check(where, gemm, dtype, shapeOf(m, n, 0, { beta, ldc: n + 2 }));
          }
        }
        check(where, gemm, dtype, shapeOf(0, 5, 3));
        check(where, gemm, dtype, shapeOf(5, 0, 3));
        check(where, gemm, dtype, shapeOf(0, 0, 0));
      });

      test("operands that end where the memory ends", () => {
        const small = new WebAssembly.Memory({ initial: 2, maximum: 2, shared });
        const multiply = createGemm(small, { relaxedSimd, shared, scratch: () => 0 });
        const bytes = dtype === "float32" ? 4 : 8;
        const end = small.buffer.byteLength;
        for (const trans of transposes) {
          for (const [m, n, k] of [
            [5, 9, 7],
            [1, 9, 7],
            [9, 1, 7],
            [3, 3, 1],
          ] as const) {
            const shape = { ...shapeOf(m, n, k, trans), dtype };
            const [a, b, c] = [end - m * k * bytes, end - k * n * bytes, end - m * n * bytes];
            const view = (at: number): Floats =>
              dtype === "float32" ? new Float32Array(small.buffer, at) : new Float64Array(small.buffer, at);
            const before = 65536;
            for (const operands of [
              { a, b: before, c: 2 * before - 8192 },
              { a: before, b, c: 2 * before - 8192 },
              { a: before, b: before + 8192, c },
            ]) {
              view(before).fill(1);
              multiply({ ...shape, ...operands });
              expect(
                view(operands.c)
                  .subarray(0, m * n)
                  .every((x) => x === k),
              ).toBe(true);
            }
          }
        }
      });

      test("NaN and infinity reach every element that they take part in, also through zeros", () => {
        for (const trans of transposes) {
          for (const [m, n, k] of [
            [9, 11, 5],
            [1, 11, 5],
            [9, 1, 5],
            [1, 1, 5],
            [70, 70, 70],
          ] as const) {
            for (const [bad, expected] of [
              [NaN, NaN],
              [Infinity, NaN],
            ] as const) {
              const { p, a, b, c } = makeProblem(where, dtype, shapeOf(m, n, k, trans), generator(3));
              a.fill(0);
              b.fill(1);
              b[trans.transB ? (n - 1) * k + 2 : 2 * n + n - 1] = bad;
              c.fill(5);
              gemm(p);
              const wanted = c.map((_, at) => (at % n === n - 1 ? expected : 0));
              expect(c.every((x, at) => Object.is(x, wanted[at]))).toBe(true);
            }
          }
        }
      });

      test("alpha and infinity; beta times NaN", () => {
        const { p, a, b, c } = makeProblem(where, dtype, shapeOf(6, 6, 3, { alpha: -2, beta: 1 }), generator(4));
        a.fill(1);
        b.fill(2);
        b[0] = Infinity;
        c.fill(1);
        c[7] = NaN;
        gemm(p);
        expect([c[0], c[6], c[1], c[7]]).toEqual([-Infinity, -Infinity, -11, NaN]);
      });

      test("parts of a product give the same bits as the whole", () => {
        for (const trans of transposes) {
          for (const [m, n, k] of [
            [67, 53, 600],
            [130, 41, 70],
            [1, 77, 600],
            [77, 1, 600],
            [3, 9, 2000],
          ] as const) {
            const shape = shapeOf(m, n, k, { ...trans, alpha: 1.25, beta: 0.5 });
            const { p, c } = makeProblem(where, dtype, shape, generator(5));
            const start = c.slice();
            gemm(p);
            const whole = c.slice();
            for (const [rows, columns] of [
              [17, 100],
              [100, 13],
              [10, 7],
              [1, 1000],
              [1000, 1],
            ] as const) {
              c.set(start);
              for (let i = 0; i < m; i += rows) {
                for (let j = 0; j < n; j += columns) part(p, i, Math.min(m, i + rows), j, Math.min(n, j + columns));
              }
              expect(same(c, whole)).toBe(true);
            }
          }
        }
      });

      // Without fused multiplication each step can be followed exactly.
      test.runIf(!relaxedSimd)("the order of summation is the documented one", () => {
        const round = dtype === "float32" ? Math.fround : (x: number): number => x;
        const [lanes, limit] = dtype === "float32" ? [4, 512] : [2, 256];
        const inBlocks = (k: number, product: (q: number) => number): number => {
          const blocks = Math.ceil(k / limit);
          const depth = Math.ceil(k / blocks / 8) * 8;
          let total = 0;
          for (let start = 0; start < k; start += depth) {
            let sum = 0;
            for (let q = start; q < Math.min(k, start + depth); q++) sum = round(sum + product(q));
            total = round(total + sum);
          }
          return total;
        };
        const inLanes = (k: number, product: (q: number) => number): number => {
          const sums = new Array<number>(2 * lanes).fill(0);
          const whole = k - (k % lanes);
          for (let q = 0; q < k; q++) {
            const lane = q < whole ? q % (2 * lanes) : lanes === 4 && (k & 2) !== 0 && q < whole + 2 ? q - whole : 0;
            sums[lane] = round((sums[lane] ?? 0) + product(q));
          }
          const [s0 = 0, s1 = 0, s2 = 0, s3 = 0] = sums
            .slice(0, lanes)
            .map((s, l) => round(s + (sums[lanes + l] ?? 0)));
          return lanes === 2 ? round(s0 + s1) : round(round(s0 + s2) + round(s1 + s3));
        };
        for (const trans of transposes) {
          for (const [m, n, k] of [
            [9, 11, 1031],
            [1, 11, 1031],
            [11, 1, 1030],
            [1, 1, 1029],
            [3, 50, 1028],
            [64, 70, 100],
          ] as const) {
            const { p, a, b, c } = makeProblem(where, dtype, shapeOf(m, n, k, trans), generator(9));
            gemm(p);
            const byRows = m === 1 || m === 3;
            const lanesAlongK =
              (m === 1 && n === 1) || (byRows && trans.transB) || (n === 1 && !byRows && !trans.transA);
            const expected = c.map((_, at) => {
              const [i, j] = [Math.floor(at / n), at % n];
              const product = (q: number): number => {
                const left = a[trans.transA ? q * m + i : i * k + q] ?? 0;
                return round(left * (b[trans.transB ? j * k + q : q * n + j] ?? 0));
              };
              return lanesAlongK ? inLanes(k, product) : inBlocks(k, product);
            });
            expect(same(c, expected), `${m} x ${n} x ${k}`).toBe(true);
          }
        }
      });

      test("a row of a product does not depend on the rows beside it", () => {
        const k = 1100;
        const { p, c } = makeProblem(where, dtype, shapeOf(13, 27, k), generator(6));
        gemm(p);
        const whole = c.slice();
        for (let i = 0; i < 13; i++) {
          c.fill(0);
          gemm({ ...p, m: 1, a: p.a + i * k * c.BYTES_PER_ELEMENT });
          expect(same(c.slice(0, 27), whole.slice(i * 27, (i + 1) * 27))).toBe(true);
        }
      });
    },
  );
}
