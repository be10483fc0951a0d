import { describe, expect, it } from "vitest";
import { OutOfMemoryError, TorchError } from "../src/base/errors.ts";
import { float32 } from "../src/base/dtype.ts";
import { E } from "../src/ir/expr.ts";
import type { Kernel } from "../src/ir/kernel.ts";
import type { Allocation } from "../src/backend/backend.ts";
import { ReferenceBackend } from "../src/backend/reference/index.ts";
import { type Collector, synchronousCollector } from "../src/backend/wasm/collector.ts";
import { Heap, slabBytes, smallBytes } from "../src/backend/wasm/heap.ts";
import { compiledKernels, WasmBackend } from "../src/backend/wasm/index.ts";
import { scratchOf } from "../src/backend/wasm/scratch.ts";
import { PlainArena, WasmArena } from "../src/backend/wasm/memory.ts";

const megabyte = 2 ** 20;

/** xorshift32: the same run every time. */
function random(seed: number): (n: number) => number {
  let x = seed;
  return (n) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return Math.floor(((x >>> 0) / 2 ** 32) * n);
  };
}

function resident(): number {
  return process.memoryUsage().rss / megabyte;
}

/** As on an engine that does not show what a minor collection finds. */
function fullOnly(): Collector | null {
  const collector = synchronousCollector();
  return collector === null ? null : { ...collector, minor: null };
}

/** What a tensor's storage holds: the address and the owner, not the allocation. */
class Holder {
  readonly ptr: number;
  readonly owner: object;
  constructor(heap: Heap, nbytes: number) {
    const { ptr, owner } = heap.alloc(nbytes);
    this.ptr = ptr;
    this.owner = owner;
  }
}

describe("heap", () => {
  it("aligns, never hands out address 0, and takes requests of zero bytes", () => {
    const heap = new Heap(new WasmArena());
    const held: Allocation[] = [];
    const seen = new Set<number>();
    for (const nbytes of [0, 0, 1, 15, 16, 17, 4095, 4096, 4097, 10_000, 65_536, 3_000_000, 0, 1]) {
      const a = heap.alloc(nbytes);
      held.push(a);
      expect(a.ptr % (nbytes > smallBytes ? 64 : 16)).toBe(0);
      expect(a.ptr).toBeGreaterThanOrEqual(65_536);
      expect(a.ptr + nbytes).toBeLessThanOrEqual(heap.host.u8.length);
      expect(seen.has(a.ptr)).toBe(false);
      seen.add(a.ptr);
    }
    heap.verify();
    expect(heap.memoryStats().allocations).toBe(held.length);
    for (const nbytes of [-1, 0.5, NaN, Infinity]) expect(() => heap.alloc(nbytes)).toThrow(TorchError);
  });

  it("reuses at once what free gave back", () => {
    const heap = new Heap(new WasmArena());
    for (const nbytes of [16, 1000, 4096, 4097, 100_000, 10_000_000]) {
      const a = heap.alloc(nbytes);
      const before = heap.memoryStats().allocated_bytes;
      heap.free({ ptr: a.ptr, owner: a.owner });
      expect(heap.memoryStats().allocated_bytes).toBeLessThan(before);
      const b = heap.alloc(nbytes);
      expect(b.ptr).toBe(a.ptr);
      expect(heap.memoryStats().allocated_bytes).toBe(before);
      heap.verify();
    }
    expect(heap.memoryStats().collections).toBe(0);
  });

  it("gives freed memory to requests of other sizes before it grows", () => {
    const heap = new Heap(new WasmArena(64 * megabyte));
    const pieces = Array.from({ length: 40 }, () => heap.alloc(megabyte));
    const reserved = heap.memoryStats().reserved_bytes;
    for (const piece of pieces) heap.free(piece);
    const one = heap.alloc(36 * megabyte);
    expect(heap.memoryStats().reserved_bytes).toBe(reserved);
    expect(one.ptr).toBeGreaterThan(0);
    heap.verify();
  });

  it("refuses to free twice, or what is not its own", () => {
    const heap = new Heap(new WasmArena());
    const a = heap.alloc(10_000);
    heap.free(a);
    expect(() => heap.free(a)).toThrow("freed twice");
    heap.collect();
    expect(() => heap.free(a)).toThrow("freed twice");
    expect(() => heap.free({ ptr: 65_536, owner: {} })).toThrow("another device");
    heap.verify();
  });

  it("releases exactly what nobody holds", () => {
    const heap = new Heap(new WasmArena());
    const keep = (count: number, nbytes: number): Holder[] =>
      Array.from({ length: count }, () => new Holder(heap, nbytes)).filter((_, i) => i % 4 === 0);
    const held = keep(100, 100_000);
    heap.collect();
    heap.verify();
    expect(heap.memoryStats().allocated_bytes).toBeGreaterThanOrEqual(25 * 100_000);
    // One more may still be on the stack.
    expect(heap.memoryStats().allocated_bytes).toBeLessThanOrEqual(26 * 103_000);
    expect(new Set(held.map((h) => h.ptr)).size).toBe(25);
    // A slab lives as long as one of its pieces.
    const small = [new Holder(heap, 64)];
    for (let i = 0; i < 100_000; i++) void new Holder(heap, 64);
    heap.collect();
    heap.verify();
    expect(heap.memoryStats().allocated_bytes).toBeLessThanOrEqual(26 * 103_000 + 3 * slabBytes);
    expect(small.length).toBe(1);
  });

  it.each([
    ["shared", () => new WasmArena(undefined, true)],
    ["not shared", () => new WasmArena(undefined, false)],
    ["plain", () => new PlainArena()],
  ])("keeps contents and refreshes the views when a memory (%s) grows", (_, arena) => {
    const heap = new Heap(arena());
    const { host } = heap;
    const a = heap.alloc(4096);
    host.f64[a.ptr / 8] = 1.5;
    const old = host.f64;
    const b = heap.alloc(100 * megabyte);
    expect(heap.host).toBe(host);
    expect(host.f64 === old).toBe(false);
    expect(host.f64[a.ptr / 8]).toBe(1.5);
    for (const view of Object.values(host) as Uint8Array[])
      expect(view.byteLength).toBe(heap.memoryStats().reserved_bytes);
    host.i64[b.ptr / 8 + (100 * megabyte) / 8 - 1] = 7n;
    expect(host.i64[b.ptr / 8 + (100 * megabyte) / 8 - 1]).toBe(7n);
    heap.verify();
  });

  it.each([
    [1, "minor and full", synchronousCollector],
    [2, "minor and full", synchronousCollector],
    [3, "full", fullOnly],
    [4, "full", fullOnly],
  ])("never lets live pieces overlap or lose their contents (workload %i, %s collections)", (seed, _, collector) => {
    const below = random(seed * 7919);
    const limit = 96 * megabyte;
    const heap = new Heap(new WasmArena(limit), { collector });
    interface Model {
      nbytes: number;
      mark: number;
      piece: Holder;
    }
    const live: Model[] = [];
    const fill = (m: Model): void => {
      const { u8 } = heap.host;
      u8.fill(m.mark, m.piece.ptr, m.piece.ptr + m.nbytes);
    };
    const intact = (m: Model): boolean => {
      const { u8 } = heap.host;
      for (let i = m.piece.ptr; i < m.piece.ptr + m.nbytes; i += 1 + (m.nbytes >> 7))
        if (u8[i] !== m.mark) return false;
      return m.nbytes === 0 || u8[m.piece.ptr + m.nbytes - 1] === m.mark;
    };
    const remove = (i: number): Model => {
      const m = live[i] as Model;
      live[i] = live[live.length - 1] as Model;
      live.pop();
      return m;
    };
    const liveBytes = (): number => live.reduce((sum, m) => sum + m.nbytes, 0);
    let exhausted = 0;
    for (let step = 0; step < 30_000; step++) {
      const dice = below(100);
      if (dice < 52 || live.length === 0) {
        const nbytes = below(2 ** below(22));
        let piece: Holder;
        try {
          piece = new Holder(heap, nbytes);
        } catch (error) {
          expect(error).toBeInstanceOf(OutOfMemoryError);
          // Fragmentation must not cost half of the memory.
          expect(liveBytes() + nbytes).toBeGreaterThan(limit / 2);
          exhausted++;
          live.length = live.length >> 1;
          continue;
        }
        const end = piece.ptr + nbytes;
        for (const m of live) {
          if (piece.ptr < m.piece.ptr + m.nbytes && m.piece.ptr < end) {
            throw new Error(`[${piece.ptr}, ${end}) overlaps [${m.piece.ptr}, ${m.piece.ptr + m.nbytes})`);
          }
        }
        const m = { nbytes, mark: below(256), piece };
        fill(m);
        live.push(m);
      } else {
        const m = remove(below(live.length));
        if (!intact(m)) throw new Error(`step ${step}: ${m.nbytes} bytes at ${m.piece.ptr} were overwritten`);
        if (dice < 70) heap.free(m.piece);
      }
      if (step % 1500 === 0) {
        heap.collect();
        heap.verify();
        const small = live.filter((m) => m.nbytes <= smallBytes).length;
        const bound = liveBytes() * (1 + 1 / 32) + live.length * 4096 + (small + 2) * slabBytes + 3 * 2 ** 22;
        expect(heap.memoryStats().allocated_bytes).toBeGreaterThanOrEqual(liveBytes());
        expect(heap.memoryStats().allocated_bytes).toBeLessThanOrEqual(bound);
      }
    }
    expect(live.every(intact)).toBe(true);
    expect(heap.memoryStats().collections).toBeGreaterThanOrEqual(20);
    expect(heap.memoryStats().reserved_bytes).toBeLessThanOrEqual(limit);
    expect(exhausted).toBeGreaterThan(0);
  });
});

describe("synchronous loops", () => {
  it.each([
    ["minor and full", synchronousCollector],
    ["full", fullOnly],
  ])("runs 5,000 steps of 10 MB each in bounded memory (%s collections)", (kinds, collector) => {
    const heap = new Heap(new WasmArena(), { collector });
    const start = resident();
    let peak = 0;
    let previous: Holder | null = null;
    const begin = performance.now();
    for (let step = 0; step < 5000; step++) {
      const piece: Holder = new Holder(heap, 10_000_000);
      // One byte in each page makes the page resident.
      const { u8 } = heap.host;
      for (let i = 0; i < 10_000_000; i += 4096) u8[piece.ptr + i] = step;
      if (previous !== null && u8[previous.ptr + 4096] !== ((step - 1) & 255))
        throw new Error(`step ${step}: overwritten`);
      previous = piece;
      if (step % 100 === 0) peak = Math.max(peak, resident() - start);
    }
    const stats = heap.memoryStats();
    console.log(
      `5,000 x 10 MB, ${kinds}: ${(performance.now() - begin).toFixed(0)} ms, ${stats.collections} collections, ` +
        `resident +${peak.toFixed(0)} MB, reserved ${(stats.reserved_bytes / megabyte).toFixed(0)} MB`,
    );
    heap.verify();
    expect(peak).toBeLessThan(1000);
    expect(stats.reserved_bytes).toBeLessThan(1000 * megabyte);
  });

  it("finds what dies young without full collections, beside what lives on", () => {
    let fulls = 0;
    const heap = new Heap(new WasmArena(), {
      collector: () => {
        const collector = synchronousCollector();
        if (collector === null) throw new Error("Node has a collector");
        return {
          ...collector,
          full: () => {
            fulls++;
            collector.full();
          },
        };
      },
    });
    const held: Holder[] = [];
    for (let step = 0; step < 2000; step++) {
      const piece = new Holder(heap, megabyte);
      heap.host.u8[piece.ptr] = step;
      if (step % 40 === 0) held.push(piece);
    }
    heap.verify();
    expect(fulls).toBe(0);
    expect(heap.memoryStats().reserved_bytes).toBeLessThan((50 + 200) * megabyte);
    held.forEach((piece, i) => expect(heap.host.u8[piece.ptr]).toBe((40 * i) & 255));
    held.length = 1;
    heap.collect();
    heap.verify();
    expect(fulls).toBe(1);
    expect(heap.memoryStats().allocated_bytes).toBeLessThanOrEqual(4 * megabyte);
  });

  it("runs 400,000 steps of ten small pieces in bounded memory", () => {
    const heap = new Heap(new WasmArena());
    const start = resident();
    let peak = 0;
    const begin = performance.now();
    for (let step = 0; step < 400_000; step++) {
      for (let i = 0; i < 10; i++) heap.host.f32[new Holder(heap, 16 + i * 5).ptr / 4] = step;
      if (step % 5000 === 0) peak = Math.max(peak, resident() - start);
    }
    const stats = heap.memoryStats();
    console.log(
      `400,000 x 10 small: ${(performance.now() - begin).toFixed(0)} ms, ${stats.collections} collections, ` +
        `resident +${peak.toFixed(0)} MB, reserved ${(stats.reserved_bytes / megabyte).toFixed(0)} MB`,
    );
    heap.verify();
    expect(stats.collections).toBeGreaterThan(0);
    expect(peak).toBeLessThan(1000);
    expect(stats.reserved_bytes).toBeLessThan(500 * megabyte);
    heap.collect();
    expect(heap.memoryStats().allocated_bytes).toBeLessThanOrEqual(3 * slabBytes);
  });

  it("takes nothing for dead when it collects with the stack nearly used up", () => {
    const heap = new Heap(new WasmArena());
    const held = Array.from({ length: 200 }, () => new Holder(heap, 5000));
    held.forEach((piece, i) => heap.host.u8.fill(i, piece.ptr, piece.ptr + 5000));
    let overflows = 0;
    let passes = 0;
    const descend = (depth: number): void => {
      try {
        descend(depth + 1);
      } catch {
        // Each frame on the way back has a little more of the stack left.
      }
      if (passes > 30) return;
      try {
        for (let i = 0; i < 9; i++) void new Holder(heap, 2 * megabyte);
        passes++;
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        overflows++;
      }
    };
    descend(0);
    expect(overflows).toBeGreaterThan(0);
    expect(passes).toBeGreaterThan(0);
    heap.verify();
    const more = Array.from({ length: 200 }, () => new Holder(heap, 5000));
    for (const piece of more) heap.host.u8.fill(255, piece.ptr, piece.ptr + 5000);
    held.forEach((piece, i) => {
      for (let b = 0; b < 5000; b += 100) expect(heap.host.u8[piece.ptr + b]).toBe(i);
    });
  });

  it("does not collect while free returns all that is allocated", () => {
    const heap = new Heap(new WasmArena());
    for (let step = 0; step < 10_000; step++) heap.free(heap.alloc(megabyte));
    expect(heap.memoryStats().collections).toBe(0);
    expect(heap.memoryStats().reserved_bytes).toBeLessThan(32 * megabyte);
  });
});

describe("without a synchronous collector", () => {
  it("returns memory while the loop yields", async () => {
    const heap = new Heap(new WasmArena(), { collector: () => null });
    for (let step = 0; step < 1000; step++) {
      for (let i = 0; i < 2; i++) heap.host.u8[new Holder(heap, 10_000_000).ptr] = step;
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    const stats = heap.memoryStats();
    heap.verify();
    expect(stats.collections).toBeGreaterThan(0);
    expect(stats.reserved_bytes).toBeLessThan(2 ** 31);
  });

  it("says so when memory runs out in a loop that does not yield", async () => {
    const heap = new Heap(new WasmArena(64 * megabyte), { collector: () => null });
    const exhaust = (): void => {
      for (let step = 0; step < 1000; step++) void new Holder(heap, megabyte);
    };
    expect(exhaust).toThrow("while the program awaits something");
    heap.verify();
  });
});

describe("exhaustion", () => {
  it("finds room for a routine without collecting, or throws", () => {
    const heap = new Heap(new WasmArena(32 * megabyte));
    const scratch = scratchOf(heap);
    const held: Holder[] = [];
    for (let i = 0; i < 9; i++) held.push(new Holder(heap, 3 * megabyte));
    const at = scratch(1000);
    expect(scratch(2000)).toBe(at);
    // The eight that are dropped are dead, but a routine could be working on them.
    held.length = 1;
    const { collections } = heap.memoryStats();
    expect(() => scratch(10 * megabyte)).toThrow(OutOfMemoryError);
    expect(heap.memoryStats().collections).toBe(collections);
    expect(heap.alloc(10 * megabyte).ptr).toBeGreaterThan(0);
    expect(heap.memoryStats().collections).toBeGreaterThan(collections);
    expect(scratch(megabyte)).toBeGreaterThan(0);
    heap.verify();
  });

  it("throws an error that names the request and what is in use, and stays usable", () => {
    const heap = new Heap(new WasmArena(32 * megabyte));
    const held: (Holder | null)[] = [];
    let error: unknown;
    try {
      for (;;) held.push(new Holder(heap, 3 * megabyte));
    } catch (e) {
      error = e;
    }
    expect(error).toBeInstanceOf(OutOfMemoryError);
    expect(held.length).toBe(10);
    expect(String(error)).toBe(
      "OutOfMemoryError: DefaultCPUAllocator: can't allocate memory: you tried to allocate 3145728 bytes. " +
        `${heap.memoryStats().allocated_bytes} bytes are in use, of at most 33554432.`,
    );
    heap.verify();
    expect(() => heap.alloc(3 * megabyte)).toThrow(OutOfMemoryError);
    for (const h of held) heap.host.u8[(h as Holder).ptr] = 1;
    held[2] = null;
    held[3] = null;
    expect(heap.alloc(3 * megabyte).ptr).toBeGreaterThan(0);
    heap.verify();
  });

  it("refuses at once what can never fit, without growing", () => {
    const heap = new Heap(new WasmArena());
    const { reserved_bytes } = heap.memoryStats();
    for (const nbytes of [2 ** 32, 2 ** 33, 1e15]) expect(() => heap.alloc(nbytes)).toThrow(OutOfMemoryError);
    expect(heap.memoryStats()).toMatchObject({ reserved_bytes, collections: 0, allocations: 0 });
  });

  it("uses all 4 GiB, and addresses above 2 GiB", () => {
    const heap = new Heap(new WasmArena());
    const held = Array.from({ length: 7 }, () => heap.alloc(2 ** 29));
    for (const a of held) heap.host.f32[a.ptr / 4 + 2 ** 27 - 1] = a.ptr;
    for (const a of held) expect(heap.host.f32[a.ptr / 4 + 2 ** 27 - 1]).toBe(Math.fround(a.ptr));
    expect(Math.max(...held.map((a) => a.ptr))).toBeGreaterThan(2 ** 31);
    const small = Array.from({ length: 3000 }, () => heap.alloc(4000));
    expect(new Set(small.map((a) => a.ptr)).size).toBe(3000);
    heap.verify();
    expect(() => heap.alloc(2 ** 30)).toThrow(OutOfMemoryError);
    for (const a of held) heap.free(a);
    expect(heap.alloc(3 * 2 ** 30).ptr).toBeGreaterThan(0);
    heap.verify();
  });
});

/** y[i] = x[i] * s + i */
const kernel: Kernel = {
  name: "scale_index",
  key: "test.scale_index",
  buffers: [
    { name: "x", dtype: float32, access: "read" },
    { name: "y", dtype: float32, access: "write" },
  ],
  scalars: [
    { name: "n", type: "i32" },
    { name: "s", type: "f32" },
  ],
  body: [
    {
      kind: "loop",
      loop: 0,
      mode: "vector",
      extent: E.scalar("i32", 0),
      body: [
        {
          kind: "store",
          buffer: 1,
          index: E.index(0),
          value: E.add(E.mul(E.load("f32", 0, E.index(0)), E.scalar("f32", 1)), E.cast("f32", E.index(0))),
        },
      ],
    },
  ],
};

describe("backends", () => {
  it.each([
    ["reference", () => new ReferenceBackend()],
    ["cpu", () => new WasmBackend()],
    ["cpu, memory not shared", () => new WasmBackend(new WasmArena(undefined, false))],
  ])("%s: compiles and runs a kernel", (_, make) => {
    const backend = make();
    const n = 1003;
    const x = backend.alloc(n * 4);
    const y = backend.alloc(n * 4);
    const { f32 } = backend.host;
    for (let i = 0; i < n; i++) f32[x.ptr / 4 + i] = i / 2;
    const program = backend.compile(kernel);
    expect(program.kernel).toBe(kernel);
    expect(program.run(x.ptr, y.ptr, n, 3)).toBe(0);
    for (let i = 0; i < n; i++) expect(backend.host.f32[y.ptr / 4 + i]).toBe((i / 2) * 3 + i);
    // Compiled code sees the memory after growth, too.
    const far = backend.alloc(200 * megabyte);
    expect(program.run(x.ptr, far.ptr + 199 * megabyte, n, 3)).toBe(0);
    for (let i = 0; i < n; i++) {
      expect(backend.host.f32[(far.ptr + 199 * megabyte) / 4 + i]).toBe((i / 2) * 3 + i);
    }
  });

  it("lists the kernels that were compiled", () => {
    const program = new WasmBackend().compile({ ...kernel, name: "listed" });
    expect(compiledKernels()).toContain(program.kernel);
  });

  it("multiplies matrices beyond 2 GiB, and never collects for its own room while it does", () => {
    const backend = new WasmBackend();
    const ballast = [backend.alloc(2 ** 30), backend.alloc(2 ** 30), backend.alloc(64 * megabyte)];
    const [m, n, k] = [70, 90, 600];
    const [a, b, c] = [m * k, k * n, m * n].map((count) => backend.alloc(count * 4)) as [
      Allocation,
      Allocation,
      Allocation,
    ];
    expect(Math.min(a.ptr, b.ptr, c.ptr)).toBeGreaterThan(2 ** 31);
    const { f32 } = backend.host;
    for (let i = 0; i < m * k; i++) f32[a.ptr / 4 + i] = (i % 7) - 3;
    for (let i = 0; i < k * n; i++) f32[b.ptr / 4 + i] = (i % 5) - 2;
    const { collections } = backend.memoryStats();
    backend.routines.gemm?.({
      dtype: "float32",
      transA: false,
      transB: true,
      m,
      n,
      k,
      alpha: 1,
      beta: 0,
      a: a.ptr,
      lda: k,
      b: b.ptr,
      ldb: k,
      c: c.ptr,
      ldc: n,
    });
    expect(backend.memoryStats().collections).toBe(collections);
    const { f32: after } = backend.host;
    for (const [i, j] of [
      [0, 0],
      [69, 89],
      [13, 77],
    ] as const) {
      let sum = 0;
      for (let q = 0; q < k; q++) sum += (((i * k + q) % 7) - 3) * (((j * k + q) % 5) - 2);
      expect(after[c.ptr / 4 + i * n + j]).toBe(sum);
    }
    expect(ballast.length).toBe(3);
  });
});
