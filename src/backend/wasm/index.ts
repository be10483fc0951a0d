/**
 * The device "cpu": one WebAssembly.Memory with an automatic heap, and kernels compiled to WebAssembly SIMD.
 */
import type { Kernel } from "../../ir/kernel.ts";
import type { Allocation, Backend, Gemm, HostMemory, MemoryStats, Program, Routines } from "../backend.ts";
import { emitKernel } from "./emit.ts";
import { hasRelaxedSimd } from "./features.ts";
import { createGemm } from "./gemm.ts";
import { Heap } from "./heap.ts";
import { WasmArena } from "./memory.ts";
import { scratchOf } from "./scratch.ts";

export class WasmBackend implements Backend {
  readonly type = "cpu";
  readonly host: HostMemory;
  readonly routines: Routines;
  /** Kernels and worker threads work on it; only the heap of this object gives out parts of it. */
  readonly memory: WebAssembly.Memory;
  readonly heap: Heap;
  private readonly shared: boolean;

  constructor(arena: WasmArena = new WasmArena()) {
    this.memory = arena.memory;
    this.heap = new Heap(arena);
    this.host = this.heap.host;
    this.shared = arena.shared;
    let gemm: ((p: Gemm) => void) | null = null;
    this.routines = {
      gemm: (p) => {
        gemm ??= createGemm(arena.memory, {
          relaxedSimd: hasRelaxedSimd(),
          shared: arena.shared,
          scratch: scratchOf(this.heap),
        });
        gemm(p);
      },
    };
  }

  alloc(nbytes: number): Allocation {
    return this.heap.alloc(nbytes);
  }

  free(allocation: Allocation): void {
    this.heap.free(allocation);
  }

  /** Compiles anew at each call; callers keep programs by `kernel.key`. */
  compile(kernel: Kernel): Program {
    const bytes = emitKernel(kernel, { relaxedSimd: hasRelaxedSimd(), sharedMemory: this.shared });
    const module = new WebAssembly.Module(bytes as BufferSource);
    const { exports } = new WebAssembly.Instance(module, { env: { memory: this.memory } });
    remember(kernel);
    // A kernel that is one parallel loop exports `whole`, all of the loop, beside `run`, a range of it.
    return { kernel, run: (exports["whole"] ?? exports["run"]) as Program["run"] };
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
