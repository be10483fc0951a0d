/**
 * Matrix products by several threads: a product is cut along its columns or its rows, a batch into runs of products. And the
 * choice between BLAS and WebAssembly.
 */
import { needStack } from "../../base/stack.ts";
import { type Blas, findBlas, trialBytes } from "../native/blas.ts";
import type { Gemm } from "../backend.ts";
import { BlasEngine, type GemmEngine, WasmEngine, type WasmEngineOptions } from "./gemm-engines.ts";
import type { GemmPart } from "./gemm.ts";
import type { TaskList } from "./task-list.ts";
import type { ThreadPool } from "./threads.ts";

/** Nanoseconds from which threads pay, and that a task should have at least. */
const threadedTime = 12_000;
const taskTime = 6000;
/** Whole vectors and tiles of all kernels: cutting elsewhere would only cost time. */
const columnGrain = 16;
const rowGrain = 12;

/**
 * Whether a product is worth a call of BLAS, where WebAssembly needs no more than its 0.1 µs. Measured with OpenBLAS: 16 x 16 x 16 takes
 * 0.20 µs in WebAssembly and 0.29 µs in BLAS, 24 x 24 x 24 0.59 and 0.48; with 2 to 4 rows neither is faster.
 */
function worthBlas(m: number, n: number, k: number): boolean {
  const least = Math.min(m, n);
  return m * n * k >= (least === 1 ? 32_768 : least <= 4 ? 262_144 : 10_000);
}

export interface ProductsOptions extends WasmEngineOptions {
  readonly memory: WebAssembly.Memory;
  readonly pool: ThreadPool;
}

/** Matrix products on the threads of a pool. */
export class Products {
  readonly #options: ProductsOptions;
  readonly #pool: ThreadPool;
  #wasm: GemmEngine | null = null;
  #blas: Blas | null | undefined;
  #blasEngine: GemmEngine | null = null;

  constructor(options: ProductsOptions) {
    this.#options = options;
    this.#pool = options.pool;
  }

  /** The BLAS library in use, which is looked for when first wanted; null if there is none. */
  get blas(): Blas | null {
    if (this.#blas === undefined) {
      // Where this fails for want of stack it shall not look as if there were no library.
      needStack(1000);
      this.useBlas(findBlas(this.#options.memory, this.#options.newScratch()(trialBytes)));
    }
    return this.#blas ?? null;
  }

  /** Uses this library from now on, or none. */
  useBlas(blas: Blas | null): void {
    this.#blas = blas;
    this.#blasEngine = blas === null ? null : new BlasEngine(blas, this.#pool);
  }

  #engine(p: Gemm): GemmEngine {
    if (worthBlas(p.m, p.n, p.k)) {
      const { blas } = this;
      if (blas !== null && this.#blasEngine !== null && blas.takes(p)) return this.#blasEngine;
    }
    const { memory } = this.#options;
    return (this.#wasm ??= new WasmEngine(memory, this.#pool, this.#options));
  }

  /** The number of tasks that so many multiplications are worth; less than 2 where threads do not pay. */
  #tasks(engine: GemmEngine, work: number): number {
    const time = work / engine.speed;
    if (time < threadedTime || !this.#pool.wants(time)) return 1;
    return Math.min(this.#pool.threads * engine.tasksPerThread, Math.floor(time / taskTime));
  }

  gemm(p: Gemm): void {
    const engine = this.#engine(p);
    const tasks = this.#tasks(engine, p.m * p.n * p.k);
    if (tasks > 1) {
      const columns = p.n * 2 >= p.m;
      const [size, grain] = columns ? [p.n, columnGrain] : [p.m, rowGrain];
      const step = Math.ceil(size / tasks / grain) * grain;
      const count = Math.ceil(size / step);
      if (count > 1) {
        this.#run(engine, p.dtype, count, (part, task) => {
          const [low, high] = [task * step, Math.min((task + 1) * step, size)];
          if (columns) part(p, 0, p.m, low, high);
          else part(p, low, high, 0, p.n);
        });
        return;
      }
    }
    engine.part(p, 0, p.m, 0, p.n);
  }

  /** Independent products of one dtype and one size. */
  batch(products: readonly Gemm[]): void {
    const [first] = products;
    if (first === undefined) return;
    const { threads } = this.#pool;
    const engine = this.#engine(first);
    const work = first.m * first.n * first.k;
    const tasks = Math.min(this.#tasks(engine, work * products.length), products.length);
    // Few and large ones are better cut each for itself.
    if (tasks < 2 || (products.length < 2 * threads && work >= threadedTime * engine.speed)) {
      for (const p of products) this.gemm(p);
      return;
    }
    const step = products.length / tasks;
    this.#run(engine, first.dtype, tasks, (part, task) => {
      for (let i = Math.round(task * step); i < Math.round((task + 1) * step); i++) {
        const p = products[i] as Gemm;
        part(p, 0, p.m, 0, p.n);
      }
    });
  }

  #run(engine: GemmEngine, dtype: Gemm["dtype"], count: number, run: (part: GemmPart, task: number) => void): void {
    const write = (list: TaskList): void => {
      for (let task = 0; task < count; task++) {
        list.begin();
        run((p, i0, i1, j0, j1) => engine.record(list, task, p, i0, i1, j0, j1), task);
      }
    };
    this.#pool.run(engine.unit(dtype), count, write, (task) => {
      run(engine.part, task);
      return 0;
    });
  }
}
