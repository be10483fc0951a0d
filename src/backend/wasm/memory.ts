/**
 * Memory that grows: one WebAssembly.Memory, or one plain ArrayBuffer, and the typed arrays over it.
 */
import { OutOfMemoryError } from "../../base/errors.ts";
import type { HostMemory } from "../backend.ts";

/** The unit in which WebAssembly counts memory. */
export const pageSize = 65536;

/** A growing range of bytes that starts at address 0. */
export interface Arena {
  readonly buffer: ArrayBufferLike;
  /** It cannot grow beyond this. */
  readonly maximumBytes: number;
  /** Grows to a multiple of the page size; what is there stays. Throws when the system refuses. */
  grow(bytes: number): void;
}

/**
 * The views of an arena. The object stays, its fields are replaced on growth: a shared WebAssembly.Memory leaves the old
 * arrays valid and short, any other detaches them.
 */
export class ArenaViews implements HostMemory {
  i8: Int8Array;
  u8: Uint8Array;
  i16: Int16Array;
  u16: Uint16Array;
  i32: Int32Array;
  u32: Uint32Array;
  i64: BigInt64Array;
  f32: Float32Array;
  f64: Float64Array;

  constructor(buffer: ArrayBufferLike) {
    this.i8 = new Int8Array(buffer);
    this.u8 = new Uint8Array(buffer);
    this.i16 = new Int16Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i64 = new BigInt64Array(buffer);
    this.f32 = new Float32Array(buffer);
    this.f64 = new Float64Array(buffer);
  }

  refresh(buffer: ArrayBufferLike): void {
    Object.assign(this, new ArenaViews(buffer));
  }
}

/** 4 GiB, all that 32-bit addresses reach. */
const maximumPages = 65536;

/** Whether this realm may share memory with workers: always in Node, with cross-origin isolation in browsers. */
export function canShareMemory(): boolean {
  return typeof SharedArrayBuffer === "function" && globalThis.crossOriginIsolated !== false;
}

/** One WebAssembly.Memory, by default shared if possible, as worker threads need it. */
export class WasmArena implements Arena {
  readonly memory: WebAssembly.Memory;
  readonly shared: boolean;
  readonly maximumBytes: number;

  /** Grows to 4 GiB at most, or to the largest size for which the system has addresses to reserve (phones may lack them). */
  constructor(maximumBytes: number = maximumPages * pageSize, shared: boolean = canShareMemory()) {
    this.shared = shared;
    for (let maximum = Math.floor(maximumBytes / pageSize); ; maximum = Math.floor(maximum / 2)) {
      try {
        this.memory = new WebAssembly.Memory({ initial: 1, maximum, shared });
        // The last page is never used: the address after an object must not wrap around to 0 in 32-bit arithmetic.
        this.maximumBytes = Math.min(maximum, maximumPages - 1) * pageSize;
        return;
      } catch (error) {
        if (maximum <= 16) throw error;
      }
    }
  }

  get buffer(): ArrayBufferLike {
    return this.memory.buffer;
  }

  grow(bytes: number): void {
    const pages = (bytes - this.memory.buffer.byteLength) / pageSize;
    if (pages > 0) this.memory.grow(pages);
  }
}

/** Plain memory, copied when it grows. */
export class PlainArena implements Arena {
  buffer: ArrayBuffer = new ArrayBuffer(pageSize);
  readonly maximumBytes: number = 2 ** 31;

  grow(bytes: number): void {
    const old = new Uint8Array(this.buffer);
    if (bytes > this.maximumBytes) throw new OutOfMemoryError(`an arena of at most ${this.maximumBytes} bytes`);
    this.buffer = new ArrayBuffer(bytes);
    new Uint8Array(this.buffer).set(old);
  }
}
