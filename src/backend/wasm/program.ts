/**
 * Compiled kernels as functions.
 */
import type { Kernel } from "../../ir/kernel.ts";
import type { Program } from "../backend.ts";
import { emitKernel, type EmitOptions } from "./emit.ts";
import { hasRelaxedSimd } from "./features.ts";

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

/** The functions of a kernel's module over a memory. */
export function link(kernel: Kernel, module: WebAssembly.Module, memory: WebAssembly.Memory): WasmProgram {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const { run, whole, extent } = exports as unknown as Exports;
  // The exports themselves: a function around them would cost more than the call.
  return { kernel, module, run: whole ?? run, runRange: whole === undefined ? null : run, extent: extent ?? null };
}

/** Compiles a kernel over a memory. */
export function instantiate(
  kernel: Kernel,
  memory: WebAssembly.Memory,
  options: Partial<EmitOptions> = {},
): WasmProgram {
  const sharedMemory =
    options.sharedMemory ?? (typeof SharedArrayBuffer !== "undefined" && memory.buffer instanceof SharedArrayBuffer);
  const relaxedSimd = options.relaxedSimd ?? hasRelaxedSimd();
  const bytes = emitKernel(kernel, { relaxedSimd, sharedMemory });
  return link(kernel, new WebAssembly.Module(bytes as BufferSource), memory);
}
