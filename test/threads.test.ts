/**
 * Threads: the same bits with any number of them, errors that are reported, workers that are lost, and a program that ends.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import * as torch from "flambeau";
import { float32, int32 } from "../src/base/dtype.ts";
import { E } from "../src/ir/expr.ts";
import type { Kernel } from "../src/ir/kernel.ts";
import { cpu, WasmBackend } from "../src/backend/wasm/index.ts";
import { WasmArena } from "../src/backend/wasm/memory.ts";
import { ModuleBuilder } from "../src/backend/wasm/assembler.ts";
import type { TaskList } from "../src/backend/wasm/task-list.ts";
import { ThreadPool } from "../src/backend/wasm/threads.ts";
import { words, workerSource } from "../src/backend/wasm/worker-source.ts";
import type { WorkerHandle } from "../src/backend/wasm/worker.ts";

const threads = torch.get_num_threads();
const pool = cpu.pool as NonNullable<typeof cpu.pool>;
const { worthWaking } = pool;
pool.worthWaking = 0;
afterAll(() => {
  torch.set_num_threads(threads);
  pool.worthWaking = worthWaking;
});
const bytesOf = (t: torch.Tensor): Uint8Array => {
  const a = t.detach().contiguous().numpy() as unknown as { buffer: ArrayBufferLike };
  return new Uint8Array(a.buffer);
};
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Workers take part only once they have started: a job for each until they have. */
async function started(count: number): Promise<void> {
  torch.set_num_threads(count);
  const x = torch.ones(1 << 20);
  x.add(x);
  expect(pool.workers.length).toBeGreaterThanOrEqual(count - 1);
  await sleep(300);
}

describe("the number of threads", () => {
  it("is what was set", () => {
    torch.set_num_threads(3);
    expect(torch.get_num_threads()).toBe(3);
    expect(() => torch.set_num_threads(0)).toThrow("set_num_threads expects a positive integer");
    expect(() => torch.set_num_threads(1.5)).toThrow("set_num_threads expects an int, but got float");
    expect(torch.get_num_threads()).toBe(3);
  });

  it("stays one where memory cannot be shared, with a warning once", () => {
    const backend = new WasmBackend(new WasmArena(2 ** 26, false));
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    backend.setThreads(1);
    expect(warn).not.toHaveBeenCalled();
    backend.setThreads(4);
    backend.setThreads(4);
    expect(warn).toHaveBeenCalledTimes(1);
    expect(backend.threads).toBe(1);
    warn.mockRestore();
  });
});

describe("results", () => {
  torch.random.manual_seed(7);
  const n = 300_007;
  const a = torch.randn(n);
  const b = torch.rand(n).add(0.5);
  const m = torch.randn(517, 613);
  const w = torch.randn(613, 259);
  const i = torch.arange(n);
  const batch = torch.randn(24, 40, 56);
  const workloads: Readonly<Record<string, () => torch.Tensor>> = {
    add: () => a.add(b),
    exp: () => a.exp(),
    pow: () => b.pow(1.7),
    erf: () => a.erf(),
    tanh: () => a.tanh(),
    "double sin": () => a.double().sin(),
    "strided sum of two": () => m.t().add(1).mul(m.t()),
    sum: () => a.sum(),
    mean: () => a.mean(),
    variance: () => a.var(),
    prod: () => b.prod(),
    largest: () => a.max(),
    "integer sum": () => i.sum(),
    any: () => a.gt(10).any(),
    "sum of rows": () => m.sum(1),
    "sum of columns": () => m.sum(0),
    "largest of columns": () => m.amax(0),
    logsumexp: () => m.logsumexp(1),
    softmax: () => m.softmax(-1),
    "log softmax over columns": () => m.log_softmax(0),
    gather: () => a.index_select(0, i.flip(0)),
    cumsum: () => m.cumsum(1),
    "matrix product": () => m.mm(w),
    "matrix product of transposes": () => w.t().mm(m.t()),
    "double matrix product": () => m.double().mm(w.double()),
    "matrix and vector": () => m.mv(w.select(1, 3)),
    "integer matrix product": () => m.mul(10).int().mm(w.mul(10).int()),
    "batched product": () => batch.matmul(batch.transpose(1, 2)),
  };
  const { blas } = cpu;
  beforeEach(() => cpu.products?.useBlas(null));
  afterEach(() => cpu.products?.useBlas(blas));
  cpu.products?.useBlas(null);
  torch.set_num_threads(1);
  const alone = Object.fromEntries(Object.entries(workloads).map(([name, f]) => [name, bytesOf(f())]));

  it.each([2, 3, 5])("are the same to the last bit with %i threads", async (count) => {
    await started(count);
    const run = vi.spyOn(pool, "run");
    for (let round = 0; round < 3; round++) {
      for (const [name, f] of Object.entries(workloads)) {
        run.mockClear();
        const result = f();
        expect(run, name).toHaveBeenCalled();
        expect(Buffer.compare(bytesOf(result), alone[name] as Uint8Array), name).toBe(0);
      }
    }
  });

  it("of training are the same to the last bit", async () => {
    const losses = (): number[] => {
      torch.random.manual_seed(3);
      const x = torch.randn(256, 300);
      const y = torch.randn(256, 1);
      const u = torch.randn(300, 400).mul(0.05).requires_grad_();
      const v = torch.randn(400, 1).mul(0.05).requires_grad_();
      return Array.from({ length: 12 }, () => {
        const loss = x.mm(u).tanh().mm(v).sub(y).pow(2).mean();
        u.grad = null;
        v.grad = null;
        loss.backward();
        torch.no_grad(() => {
          u.sub_((u.grad as torch.Tensor).mul(0.1));
          v.sub_((v.grad as torch.Tensor).mul(0.1));
        });
        return loss.item() as number;
      });
    };
    torch.set_num_threads(1);
    const expected = losses();
    expect(expected.at(-1)).toBeLessThan(expected[0] as number);
    await started(2);
    expect(losses()).toEqual(expected);
  });
});

/** One parallel loop over `n` integers with a guard: stops where in[i] is negative, with its size as the status. */
const guarded: Kernel = {
  name: "guarded",
  key: "guarded",
  buffers: [
    { name: "out", dtype: int32, access: "write" },
    { name: "in", dtype: int32, access: "read" },
  ],
  scalars: [{ name: "n", type: "i32" }],
  body: [
    {
      kind: "loop",
      loop: 0,
      mode: "parallel",
      extent: E.scalar("i32", 0),
      body: [
        {
          kind: "guard",
          cond: E.ge(E.load("i32", 1, E.index(0)), 0),
          status: E.neg(E.load("i32", 1, E.index(0))),
        },
        { kind: "store", buffer: 0, index: E.index(0), value: E.load("i32", 1, E.index(0)) },
      ],
    },
  ],
};

/** Reads in[i] out of an address far from the memory where `in` says so. */
const trapping: Kernel = {
  name: "trapping",
  key: "trapping",
  buffers: [
    { name: "out", dtype: float32, access: "write" },
    { name: "in", dtype: float32, access: "read" },
  ],
  scalars: [
    { name: "n", type: "i32" },
    { name: "far", type: "i32" },
  ],
  body: [
    {
      kind: "loop",
      loop: 0,
      mode: "parallel",
      extent: E.scalar("i32", 0),
      body: [
        {
          kind: "store",
          buffer: 0,
          index: E.index(0),
          value: E.load("f32", 1, E.mul(E.index(0), E.scalar("i32", 1))),
        },
      ],
    },
  ],
};

/** The address of one allocation after another. */
const roomsOf = (backend: WasmBackend) => (nbytes: number) => backend.heap.allocScratch(nbytes).ptr;

const busy = (ms: number): number => {
  const end = performance.now() + ms;
  while (performance.now() < end);
  return 0;
};

describe("tasks", () => {
  it("go to workers too", async () => {
    await started(2);
    const unit = pool.unit(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));
    let here = 0;
    const run = (): void => {
      const describeTasks = (list: TaskList): void => {
        for (let task = 0; task < 100; task++) list.begin();
      };
      pool.run(unit, 100, describeTasks, () => {
        here++;
        return busy(0.05);
      });
    };
    for (let round = 0; round < 20; round++) run();
    expect(here).toBeLessThan(2000);
  });

  it("of a module that a worker cannot compile are done by the caller, with a warning", async () => {
    const backend = new WasmBackend();
    const warnings: string[] = [];
    const lonely = new ThreadPool({
      memory: backend.memory,
      allocate: (nbytes) => backend.heap.allocScratch(nbytes),
      scratch: roomsOf(backend),
      warn: (message) => warnings.push(message),
    });
    lonely.threads = 2;
    const unit = lonely.unit(new Uint8Array([0, 1, 2, 3]));
    let here = 0;
    for (let round = 0; round < 50; round++) {
      lonely.run(
        unit,
        10,
        (list) => {
          for (let task = 0; task < 10; task++) list.begin();
        },
        () => {
          here++;
          return busy(0.1);
        },
      );
      // The worker takes some time to start.
      if (warnings.length === 0) await sleep(20);
    }
    expect(here).toBe(500);
    expect(warnings).toEqual([expect.stringMatching("could not compile a kernel, which goes on with one thread")]);
    lonely.close();
  });

  it("that never end are given up, and others go on", async () => {
    const module = new ModuleBuilder({ sharedMemory: true });
    const forever = module.function("forever", [], null);
    forever.loop((again) => {
      forever.i32(1);
      forever.branchIf(again);
    });
    module.export(forever);
    const nothing = module.function("nothing", [], null);
    module.export(nothing);

    const backend = new WasmBackend();
    const room = roomsOf(backend);
    const lost = new ThreadPool({
      memory: backend.memory,
      allocate: (nbytes) => backend.heap.allocScratch(nbytes),
      scratch: room,
      patience: 300,
    });
    lost.threads = 2;
    const unit = lost.unit(module.encode());
    const job = (index: number): number =>
      lost.run(
        unit,
        20,
        (list) => {
          for (let task = 0; task < 20; task++) {
            list.begin();
            list.call(index, []);
          }
        },
        () => busy(5),
      );
    expect(job(1)).toBe(0);
    await sleep(300);
    expect(() => job(0)).toThrow("a worker thread has not answered for 0.3 s");
    expect(job(1)).toBe(0);
    await sleep(300);
    expect(job(1)).toBe(0);
    lost.close();
  });
});

describe("failures", () => {
  it("of guards give the status of the first iteration that fails", async () => {
    await started(3);
    const n = 1 << 20;
    const input = cpu.alloc(4 * n);
    const output = cpu.alloc(4 * n);
    const program = cpu.compile(guarded);
    const view = new Int32Array(cpu.memory.buffer, input.ptr, n);
    view.fill(1);
    expect(program.run(output.ptr, input.ptr, n)).toBe(0);
    for (const places of [[n - 1], [5], [700_000, 300_001, 999_999], [0, n - 1]]) {
      view.fill(1);
      places.forEach((at) => (view[at] = -at - 7));
      for (let round = 0; round < 20; round++) {
        expect(program.run(output.ptr, input.ptr, n)).toBe(Math.min(...places) + 7);
      }
    }
  });

  it("within kernels are thrown, wherever they happen, and the next job runs", async () => {
    await started(2);
    const n = 1 << 20;
    const room = cpu.alloc(4 * n);
    const program = cpu.compile(trapping);
    // Every iteration past the first reads beyond 4 GiB - 64 KiB, which no heap reaches.
    const far = 0x3fff_c000 - (room.ptr >>> 2);
    for (let round = 0; round < 20; round++) {
      expect(() => program.run(room.ptr, room.ptr, n, far)).toThrow(/out of bounds|worker thread/);
    }
    const x = torch.ones(n);
    expect(x.add(x).sum().item()).toBe(2 * n);
  });

  it("of workers that somebody ends are made good", async () => {
    await started(3);
    const ended = pool.workers;
    for (const worker of ended) worker.terminate();
    await sleep(200);
    const x = torch.ones(1 << 20);
    expect(x.add(x).sum().item()).toBe(2 ** 21);
    expect(pool.workers.length).toBe(2);
    expect(pool.workers.some((worker: WorkerHandle) => ended.includes(worker))).toBe(false);
    await sleep(200);
    expect(x.add(x).sum().item()).toBe(2 ** 21);
  });

  it("in a task of the caller leave no job half open", async () => {
    await started(2);
    // A module without exports.
    const unit = pool.unit(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));
    let thrown = 0;
    for (let round = 0; round < 50; round++) {
      try {
        pool.run(
          unit,
          100,
          (list) => {
            for (let task = 0; task < 100; task++) list.begin();
          },
          () => {
            throw new RangeError("mine");
          },
        );
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        thrown++;
      }
    }
    expect(thrown).toBeGreaterThan(0);
    const x = torch.ones(1 << 20);
    expect(x.add(x).sum().item()).toBe(2 ** 21);
  });
});

describe("memory", () => {
  it("that has grown since a worker started is in its reach", async () => {
    const backend = new WasmBackend();
    backend.setThreads(2);
    const n = 1 << 20;
    const program = backend.compile(guarded);
    const run = (): void => {
      const input = backend.alloc(4 * n);
      const output = backend.alloc(4 * n);
      new Int32Array(backend.memory.buffer, input.ptr, n).fill(11);
      expect(program.run(output.ptr, input.ptr, n)).toBe(0);
      const found = new Int32Array(backend.memory.buffer, output.ptr, n);
      expect(found.every((x) => x === 11)).toBe(true);
    };
    run();
    await sleep(300);
    const held = [];
    for (let k = 0; k < 8; k++) {
      held.push(backend.alloc(40 * 2 ** 20));
      for (let round = 0; round < 5; round++) run();
    }
    expect(backend.memory.buffer.byteLength).toBeGreaterThan(300 * 2 ** 20);
    backend.pool?.close();
  });
});

describe("a program", () => {
  it("ends by itself although a worker sleeps", async () => {
    const memory = "new WebAssembly.Memory({ initial: 4, maximum: 8, shared: true })";
    const program = `
      const { Worker } = require("node:worker_threads");
      const memory = ${memory};
      const c = new Int32Array(memory.buffer, 4096);
      c[${words.gate}] = 1;
      c[${words.limit}] = 4;
      const workerData = { memory, control: 4096, index: 0, spin: 0.1 };
      new Worker(${JSON.stringify(workerSource)}, { eval: true, workerData }).unref();
      setTimeout(() => console.log("sleepers:", c[${words.sleepers}]), 500);
    `;
    const { stdout } = await promisify(execFile)(process.execPath, ["-e", program], { timeout: 20_000 });
    expect(stdout).toBe("sleepers: 1\n");
  });
});
