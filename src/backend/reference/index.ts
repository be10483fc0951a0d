/**
 * The device "reference": plain memory, and kernels run by the interpreter of the IR. Slow, and right by definition; tests
 * compare the other devices with it.
 */
import { prepare } from "../../ir/interpret.ts";
import type { Kernel } from "../../ir/kernel.ts";
import type { Allocation, Backend, HostMemory, MemoryStats, Program, Routines } from "../backend.ts";
import { Heap } from "../wasm/heap.ts";
import { PlainArena } from "../wasm/memory.ts";

export class ReferenceBackend implements Backend {
  readonly type = "reference";
  readonly host: HostMemory;
  readonly routines: Routines = {};
  private readonly heap: Heap = new Heap(new PlainArena());

  constructor() {
    this.host = this.heap.host;
  }

  alloc(nbytes: number): Allocation {
    return this.heap.alloc(nbytes);
  }

  free(allocation: Allocation): void {
    this.heap.free(allocation);
  }

  compile(kernel: Kernel): Program {
    const interpreted = prepare(kernel);
    const count = kernel.buffers.length;
    return {
      kernel,
      run: (...args) => interpreted(this.host, args.slice(0, count).map(Number), args.slice(count)),
    };
  }

  memoryStats(): MemoryStats {
    return this.heap.memoryStats();
  }
}

/** The device "reference". Its memory is taken when it is first used. */
export const reference: Backend = new ReferenceBackend();
