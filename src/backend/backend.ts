/**
 * What a device must offer, and the registry of devices. Everything above this floor reaches memory and machine code only
 * through a {@link Backend}.
 */
import type { Kernel } from "../ir/kernel.ts";

/** A kind of device by name, as in `torch.device("cpu")`. */
export type DeviceType = "cpu" | "reference" | "meta" | "webgpu";

/**
 * A piece of a device's memory. It lives as long as some object holds the Block: nobody frees it. A small piece may share
 * a Block with others (`ptr` of {@link Allocation} tells them apart).
 */
export interface Block {
  /** Keeps the memory alive; opaque. */
  readonly owner: object;
}

export interface Allocation extends Block {
  /** Byte address in the device's memory, a multiple of 16. */
  readonly ptr: number;
}

/** A compiled kernel. */
export interface Program {
  readonly kernel: Kernel;
  /**
   * Runs it: byte addresses of the buffers in order, then the uniform scalars in order (numbers; i64 scalars as bigint).
   * Returns 0, or the status of the guard that failed.
   *
   * Note [Pointers and collection]: `alloc` may reclaim the memory of unreachable blocks. Take addresses out of storages
   * only after the last allocation before a run, as otherwise the engine is free to consider the storage dead.
   */
  readonly run: (...args: (number | bigint)[]) => number;
}

/**
 * Memory that JavaScript can read and write at once. The views are replaced when the memory grows: read them from here on
 * each use, never keep them. Indices are in elements: `f32[ptr / 4]`.
 */
export interface HostMemory {
  readonly i8: Int8Array;
  readonly u8: Uint8Array;
  readonly i16: Int16Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly i64: BigInt64Array;
  readonly f32: Float32Array;
  readonly f64: Float64Array;
}

/** Operands of a general matrix product C = alpha * op(A) op(B) + beta * C, row-major with leading dimensions (elements). */
export interface Gemm {
  readonly dtype: "float32" | "float64";
  readonly transA: boolean;
  readonly transB: boolean;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly alpha: number;
  readonly a: number;
  readonly lda: number;
  readonly b: number;
  readonly ldb: number;
  readonly beta: number;
  readonly c: number;
  readonly ldc: number;
}

/** Named routines that a backend may have beside what it compiles. */
export interface Routines {
  readonly gemm?: (p: Gemm) => void;
  /** Independent products of one dtype and one size. */
  readonly gemmBatch?: (products: readonly Gemm[]) => void;
}

export interface Backend {
  readonly type: DeviceType;
  /** Memory that is not initialised. Zero bytes are allowed. */
  alloc(nbytes: number): Allocation;
  /** Gives back what only the caller holds, before the collector would. Nobody may touch it afterwards. */
  free(allocation: Allocation): void;
  compile(kernel: Kernel): Program;
  /** Null on devices that cannot be read synchronously. */
  readonly host: HostMemory | null;
  readonly routines: Routines;
  memoryStats(): MemoryStats;
}

/** Bytes, and counts of events since the start. */
export interface MemoryStats {
  /** In blocks that are alive or not yet known to be dead. */
  readonly allocated_bytes: number;
  readonly peak_allocated_bytes: number;
  /** Taken from the system. */
  readonly reserved_bytes: number;
  readonly allocations: number;
  readonly collections: number;
}

const backends = new Map<string, Backend>();

export function registerBackend(backend: Backend): void {
  backends.set(backend.type, backend);
}

export function backendOf(type: string): Backend {
  const backend = backends.get(type);
  if (backend === undefined) {
    throw new Error(`no device of type '${type}' is available here; available: ${[...backends.keys()].join(", ")}`);
  }
  return backend;
}
