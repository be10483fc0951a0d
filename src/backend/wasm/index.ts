/**
 * The device "cpu": one WebAssembly.Memory with an automatic heap, and kernels compiled to WebAssembly SIMD.
 */
import type { Kernel } from "../../ir/kernel.ts";
import type { Allocation, Backend, Gemm, HostMemory, MemoryStats, Program, Routines } from "../backend.ts";
import type { Blas } from "../native/blas.ts";
import { hasRelaxedSimd } from "./features.ts";
import { createGemm } from "./gemm.ts";
import { Products } from "./gemm-threads.ts";
import { Heap } from "./heap.ts";
import { WasmArena } from "./memory.ts";
import { instantiate } from "./program.ts";
import { scratchOf } from "./scratch.ts";
import { ThreadPool } from "./threads.ts";
import { defaultThreads } from "./worker.ts";

export class WasmBackend implements Backend {
  readonly type = "cpu";
  readonly host: HostMemory;
  readonly routines: Routines;
  /** Kernels and worker threads work on it; only the heap of this object gives out parts of it. */
  readonly memory: WebAssembly.Memory;
  readonly heap: Heap;
  /** Null where memory cannot be shared. */
  readonly pool: ThreadPool | null;
  /** Matrix products, by several threads or a BLAS library; null where memory cannot be shared. */
  readonly products: Products | null;
  #warned = false;

  constructor(arena: WasmArena = new WasmArena()) {
    this.memory = arena.memory;
    this.heap = new Heap(arena);
    this.host = this.heap.host;
    this.pool = arena.shared ? this.#createPool() : null;
    this.products = this.pool === null ? null : this.#createProducts(this.pool);
    this.routines = this.#createRoutines(arena.shared);
  }

  #createPool(): ThreadPool {
    const pool = new ThreadPool({
      memory: this.memory,
      allocate: (nbytes) => this.heap.allocScratch(nbytes),
      scratch: scratchOf(this.heap),
    });
    pool.threads = defaultThreads();
    return pool;
  }

  #createProducts(pool: ThreadPool): Products {
    const newScratch = (): ((nbytes: number) => number) => scratchOf(this.heap);
    return new Products({
      memory: this.memory,
      pool,
      // Found out when the first product is computed.
      get relaxedSimd() {
        return hasRelaxedSimd();
      },
      shared: true,
      newScratch,
    });
  }

  #createRoutines(shared: boolean): Routines {
    const { products } = this;
    if (products !== null) return { gemm: (p) => products.gemm(p), gemmBatch: (list) => products.batch(list) };
    let made: ((p: Gemm) => void) | null = null;
    const gemm = (p: Gemm): void => {
      const options = { relaxedSimd: hasRelaxedSimd(), shared };
      made ??= createGemm(this.memory, { ...options, scratch: scratchOf(this.heap) });
      made(p);
    };
    return { gemm };
  }

  alloc(nbytes: number): Allocation {
    return this.heap.alloc(nbytes);
  }

  free(allocation: Allocation): void {
    this.heap.free(allocation);
  }

  /** Compiles anew at each call; callers keep programs by `kernel.key`. */
  compile(kernel: Kernel): Program {
    const program = instantiate(kernel, this.memory, {}, this.pool);
    remember(kernel);
    return program;
  }

  /** The number of threads that compute, the calling one included. */
  get threads(): number {
    return this.pool?.threads ?? 1;
  }

  setThreads(count: number): void {
    if (this.pool !== null) this.pool.threads = count;
    else if (count > 1) this.#warnOfOneThread();
  }

  #warnOfOneThread(): void {
    if (this.#warned) return;
    this.#warned = true;
    console.warn(
      "flambeau: memory cannot be shared with other threads here, so one thread is used; pages must be cross-origin isolated (headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp)",
    );
  }

  /** The BLAS library in use; null if there is none. */
  get blas(): Blas | null {
    return this.products?.blas ?? null;
  }

  memoryStats(): MemoryStats {
    return this.heap.memoryStats();
  }
}

// What has been compiled, for `torch.debug.kernels()`: as long as a program is in use, its kernel is listed.
let compiled: WeakRef<Kernel>[] = [];
let pruneAt = 256;

function remember(kernel: Kernel): void {
  if (compiled.length >= pruneAt) {
    compiled = compiled.filter((ref) => ref.deref() !== undefined);
    pruneAt = Math.max(256, 2 * compiled.length);
  }
  compiled.push(new WeakRef(kernel));
}

/** The kernels of all programs that are in use on the device "cpu", in the order in which they were compiled. */
export function compiledKernels(): readonly Kernel[] {
  return compiled.map((ref) => ref.deref()).filter((kernel) => kernel !== undefined);
}

/** The device "cpu". */
export const cpu: WasmBackend = new WasmBackend();
