/**
 * What computes matrix products on several threads: our kernels in WebAssembly, or a BLAS library. Each can do a part of a
 * product here, and note in a task list what another thread has to call for it.
 */
import type { Blas } from "../native/blas.ts";
import type { Gemm } from "../backend.ts";
import { assembleGemm, type GemmKernels, type ModuleOptions } from "./gemm-module.ts";
import { createGemmPart, type GemmPart } from "./gemm.ts";
import type { TaskList } from "./task-list.ts";
import type { ThreadPool, Unit } from "./threads.ts";

export interface GemmEngine {
  /** Multiplications that a thread does in a nanosecond. */
  readonly speed: number;
  /** Tasks for each thread: more of them leave less waiting for a thread that comes late, but pack operands more often. */
  readonly tasksPerThread: number;
  /** Computes a part of C on this thread. */
  readonly part: GemmPart;
  /** The module that tasks call. */
  unit(dtype: Gemm["dtype"]): Unit;
  /** Notes the calls for a part of C; each task has a number, from 0. */
  record(list: TaskList, task: number, p: Gemm, i0: number, i1: number, j0: number, j1: number): void;
}

export interface WasmEngineOptions extends ModuleOptions {
  /** A new place for scratch memory: a function that gives the address of room for so many bytes, good until its next call. */
  readonly newScratch: () => (nbytes: number) => number;
}

/** The kernels of gemm.ts. Their driver runs on this thread only; for others it is run with kernels that note their arguments. */
export class WasmEngine implements GemmEngine {
  readonly speed = 25;
  readonly tasksPerThread = 4;
  readonly part: GemmPart;
  readonly #memory: WebAssembly.Memory;
  readonly #pool: ThreadPool;
  readonly #options: WasmEngineOptions;
  readonly #units: Map<Gemm["dtype"], Unit> = new Map();
  readonly #kernels: Map<Gemm["dtype"], GemmKernels> = new Map();
  /** By task: each has scratch memory of its own. */
  readonly #recorders: GemmPart[] = [];
  #list: TaskList | null = null;

  constructor(memory: WebAssembly.Memory, pool: ThreadPool, options: WasmEngineOptions) {
    this.#memory = memory;
    this.#pool = pool;
    this.#options = options;
    this.part = createGemmPart(memory, { ...options, scratch: options.newScratch() });
  }

  unit(dtype: Gemm["dtype"]): Unit {
    let unit = this.#units.get(dtype);
    if (unit === undefined) {
      unit = this.#pool.unit(assembleGemm(dtype, this.#options));
      this.#units.set(dtype, unit);
    }
    return unit;
  }

  record(list: TaskList, task: number, p: Gemm, i0: number, i1: number, j0: number, j1: number): void {
    const part = (this.#recorders[task] ??= createGemmPart(this.#memory, {
      ...this.#options,
      scratch: this.#options.newScratch(),
      kernels: (dtype) => this.#recordingKernels(dtype),
    }));
    this.#list = list;
    try {
      part(p, i0, i1, j0, j1);
    } finally {
      this.#list = null;
    }
  }

  #recordingKernels(dtype: Gemm["dtype"]): GemmKernels {
    let kernels = this.#kernels.get(dtype);
    if (kernels === undefined) {
      const module = new WebAssembly.Module(assembleGemm(dtype, this.#options) as BufferSource);
      const made: Record<string, (...args: number[]) => void> = {};
      WebAssembly.Module.exports(module).forEach(({ name }, index) => {
        made[name] = (...args) => this.#list?.call(index, args);
      });
      kernels = made as unknown as GemmKernels;
      this.#kernels.set(dtype, kernels);
    }
    return kernels;
  }
}

/** A BLAS library that is called from each thread for a part of its own. */
export class BlasEngine implements GemmEngine {
  readonly speed = 50;
  readonly tasksPerThread: number;
  readonly part: GemmPart;
  readonly #blas: Blas;
  readonly #pool: ThreadPool;
  #unit: Unit | null = null;

  constructor(blas: Blas, pool: ThreadPool) {
    this.#blas = blas;
    this.#pool = pool;
    // With threads of its own, the library gets the product whole.
    this.tasksPerThread = blas.ownThreads ? 0 : 2;
    this.part = (p, i0, i1, j0, j1) => blas.part(p, i0, i1, j0, j1);
  }

  unit(): Unit {
    return (this.#unit ??= this.#pool.unit(new TextEncoder().encode(JSON.stringify(this.#blas.description))));
  }

  record(list: TaskList, _task: number, p: Gemm, i0: number, i1: number, j0: number, j1: number): void {
    const first = p.dtype === "float64" ? 2 : 0;
    this.#blas.part(p, i0, i1, j0, j1, {
      gemm: (...args) => list.call(first, args),
      gemv: (...args) => list.call(first + 1, args),
    });
  }
}
