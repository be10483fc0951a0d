/**
 * Matrix products by several threads. A product is cut along its columns or its rows, and a batch into runs of products. What
 * a task does is recorded by running the driver of gemm.ts with kernels that only note their arguments.
 */
import type { Gemm } from "../backend.ts";
import { elements } from "./gemm-emitter.ts";
import { assembleGemm, type GemmKernels, type ModuleOptions } from "./gemm-module.ts";
import { createGemmPart, type GemmPart } from "./gemm.ts";
import { tileColumns, tileRows } from "./gemm-tile.ts";
import type { TaskList } from "./task-list.ts";
import type { ThreadPool, Unit } from "./threads.ts";

/** Multiplications from which threads pay, and that a task should have at least: some 8 µs. */
const threadedWork = 400_000;
const taskWork = 200_000;
/** Tasks for each thread, so that one that comes late does not leave the others waiting. */
const tasksPerThread = 4;

export interface ThreadedGemmOptions extends ModuleOptions {
  readonly pool: ThreadPool;
  /** A new place for scratch memory: a function that gives the address of room for so many bytes, good until its next call. */
  readonly newScratch: () => (nbytes: number) => number;
}

/** Where a product is cut: `count` parts of `step` columns, or rows. */
interface Cut {
  readonly columns: boolean;
  readonly step: number;
  readonly count: number;
}

function cutOf(p: Gemm, tasks: number): Cut {
  const columns = p.n * 2 >= p.m;
  const [size, tile] = columns ? [p.n, tileColumns(elements[p.dtype])] : [p.m, tileRows];
  const step = Math.ceil(size / tasks / tile) * tile;
  return { columns, step, count: Math.ceil(size / step) };
}

/** What is recorded for other threads, and the module that they run. */
interface Recorder {
  readonly unit: Unit;
  /** By task: each has scratch memory of its own. */
  readonly parts: GemmPart[];
}

/** Matrix products on the threads of a pool; `local` does a part of one on this thread. */
export class ThreadedGemm {
  readonly #memory: WebAssembly.Memory;
  readonly #options: ThreadedGemmOptions;
  readonly #local: GemmPart;
  readonly #recorders: Map<Gemm["dtype"], Recorder> = new Map();
  #list: TaskList | null = null;

  constructor(memory: WebAssembly.Memory, options: ThreadedGemmOptions) {
    this.#memory = memory;
    this.#options = options;
    this.#local = createGemmPart(memory, { ...options, scratch: options.newScratch() });
  }

  #recorder(dtype: Gemm["dtype"]): Recorder {
    let recorder = this.#recorders.get(dtype);
    if (recorder === undefined) {
      recorder = { unit: this.#options.pool.unit(assembleGemm(dtype, this.#options)), parts: [] };
      this.#recorders.set(dtype, recorder);
    }
    return recorder;
  }

  #recordingPart(recorder: Recorder, task: number): GemmPart {
    return (recorder.parts[task] ??= createGemmPart(this.#memory, {
      ...this.#options,
      scratch: this.#options.newScratch(),
      kernels: (name) => this.#recordingKernels(name),
    }));
  }

  #recordingKernels(dtype: Gemm["dtype"]): GemmKernels {
    const module = new WebAssembly.Module(assembleGemm(dtype, this.#options) as BufferSource);
    const kernels: Record<string, (...args: number[]) => void> = {};
    WebAssembly.Module.exports(module).forEach(({ name }, index) => {
      kernels[name] = (...args) => this.#list?.call(index, args);
    });
    return kernels as unknown as GemmKernels;
  }

  /** The number of tasks that so much work is worth; 1 where threads do not pay. */
  #tasks(work: number): number {
    const { pool } = this.#options;
    if (work < threadedWork || !pool.parallel) return 1;
    return Math.min(pool.threads * tasksPerThread, Math.floor(work / taskWork));
  }

  gemm(p: Gemm): void {
    const tasks = this.#tasks(p.m * p.n * p.k);
    const cut = tasks > 1 ? cutOf(p, tasks) : null;
    if (cut === null || cut.count < 2) return this.#local(p, 0, p.m, 0, p.n);
    const recorder = this.#recorder(p.dtype);
    const { columns, step, count } = cut;
    const run = (part: GemmPart, task: number): number => {
      const [low, high] = [task * step, Math.min((task + 1) * step, columns ? p.n : p.m)];
      if (columns) part(p, 0, p.m, low, high);
      else part(p, low, high, 0, p.n);
      return 0;
    };
    this.#run(recorder, count, run);
  }

  /** Independent products of one dtype and one size. */
  batch(products: readonly Gemm[]): void {
    const [first] = products;
    if (first === undefined) return;
    const { threads } = this.#options.pool;
    const work = first.m * first.n * first.k;
    const tasks = Math.min(this.#tasks(work * products.length), products.length);
    // Few and large ones are better cut each for itself.
    if (tasks < 2 || (products.length < 2 * threads && work >= threadedWork)) {
      for (const p of products) this.gemm(p);
      return;
    }
    const recorder = this.#recorder(first.dtype);
    const step = products.length / tasks;
    this.#run(recorder, tasks, (part, task) => {
      for (let i = Math.round(task * step); i < Math.round((task + 1) * step); i++) {
        const p = products[i] as Gemm;
        part(p, 0, p.m, 0, p.n);
      }
      return 0;
    });
  }

  #run(recorder: Recorder, count: number, run: (part: GemmPart, task: number) => number): void {
    const write = (list: TaskList): void => {
      this.#list = list;
      try {
        for (let task = 0; task < count; task++) {
          list.begin();
          run(this.#recordingPart(recorder, task), task);
        }
      } finally {
        this.#list = null;
      }
    };
    this.#options.pool.run(recorder.unit, count, write, (task) => run(this.#local, task));
  }
}
