/**
 * Compiled kernels as functions.
 */
import type { Kernel } from "../../ir/kernel.ts";
import type { Program } from "../backend.ts";
import { emitKernel, type EmitOptions, parallelLoop } from "./emit.ts";
import { operationsPerNanosecond } from "./emit-work.ts";
import { hasRelaxedSimd } from "./features.ts";
import type { ThreadPool, Unit } from "./threads.ts";

type Run = (...args: (number | bigint)[]) => number;

export interface WasmProgram extends Program {
  /** For other threads: a module can be sent to a worker, an instance cannot. */
  readonly module: WebAssembly.Module;
  /** Takes the arguments of `run` and then a range [low, high) of the parallel loop; null if the kernel is not one. */
  readonly runRange: Run | null;
  /** The number of iterations of the parallel loop, from the arguments of `run`; null if the kernel is not one. */
  readonly extent: Run | null;
}

interface Exports {
  readonly run: Run;
  readonly whole?: Run;
  readonly extent?: Run;
}

/** Called by a kernel with its arguments, the extent of its loop and the number of operations; see Note [Threads] in emit.ts. */
export type Share = (...args: (number | bigint)[]) => number;

/** The functions of a kernel's module over a memory. */
export function link(
  kernel: Kernel,
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  parallel?: Share,
): WasmProgram {
  const env = parallel === undefined ? { memory } : { memory, parallel };
  const { exports } = new WebAssembly.Instance(module, { env });
  const { run, whole, extent } = exports as unknown as Exports;
  // The exports themselves: a function around them would cost more than the call.
  return { kernel, module, run: whole ?? run, runRange: whole === undefined ? null : run, extent: extent ?? null };
}

/** Compiles a kernel over a memory. */
export function instantiate(
  kernel: Kernel,
  memory: WebAssembly.Memory,
  options: Partial<EmitOptions> = {},
  pool: ThreadPool | null = null,
): WasmProgram {
  const sharedMemory =
    options.sharedMemory ?? (typeof SharedArrayBuffer !== "undefined" && memory.buffer instanceof SharedArrayBuffer);
  const relaxedSimd = options.relaxedSimd ?? hasRelaxedSimd();
  const threads = pool !== null && parallelLoop(kernel) !== null;
  const bytes = emitKernel(kernel, { relaxedSimd, sharedMemory, threads });
  const module = new WebAssembly.Module(bytes as BufferSource);
  if (!threads) return link(kernel, module, memory);
  let runRange: Run | null = null;
  const share = shareOver(pool, bytes, (...args) => (runRange as Run)(...args));
  const program = link(kernel, module, memory, share);
  runRange = program.runRange;
  return program;
}

/** Pieces for each thread, so that one that comes late does not leave the others waiting. */
const piecesPerThread = 4;

/** Divides the iterations of a loop among threads. */
function shareOver(pool: ThreadPool, bytes: Uint8Array, runRange: Run): Share {
  let unit: Unit | null = null;
  return (...args) => {
    const work = args.pop() as number;
    const extent = args.pop() as number;
    if (!pool.wants(work / operationsPerNanosecond)) return runRange(...args, 0, extent);
    unit ??= pool.unit(bytes);
    const pieces = Math.min(extent, pool.threads * piecesPerThread);
    const step = extent / pieces;
    const n = args.length;
    const rangeOf = (piece: number): (number | bigint)[] => {
      args[n] = Math.round(piece * step);
      args[n + 1] = Math.round((piece + 1) * step);
      return args;
    };
    return pool.run(
      unit,
      pieces,
      (list) => {
        for (let piece = 0; piece < pieces; piece++) {
          list.begin();
          list.call(0, rangeOf(piece));
        }
      },
      (piece) => runRange(...rangeOf(piece)),
    );
  };
}
