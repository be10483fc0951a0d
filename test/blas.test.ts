/**
 * Products by the machine's BLAS library against the same products in WebAssembly, and the ways in which a library can be missing.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as torch from "flambeau";
import type { Gemm } from "../src/backend/backend.ts";
import { findBlas, trialBytes } from "../src/backend/native/blas.ts";
import { cpu } from "../src/backend/wasm/index.ts";
import type { Products } from "../src/backend/wasm/gemm-threads.ts";
import { type BundledProgram, bundleProgram } from "./bundled-program.ts";
import { random } from "./wasm-harness.ts";

const threads = torch.get_num_threads();
const found = process.env["FLAMBEAU_BLAS"] === "off" ? null : cpu.blas;
const products = cpu.products as Products;

afterAll(() => {
  torch.set_num_threads(threads);
  products.useBlas(found);
});

if (found === null && process.env["CI"] !== "true") console.log("skipped: no BLAS library is found on this machine");

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

describe.runIf(found === null && process.env["CI"] === "true" && process.env["FLAMBEAU_BLAS"] !== "off")(
  "without a library",
  () => {
    it("the tests of BLAS cannot run", () => {
      expect.fail("a machine that tests Flambeau has OpenBLAS and koffi");
    });
  },
);

describe.runIf(found !== null)("a BLAS library", () => {
  it("is named", () => {
    expect(torch.backends.blas.is_available()).toBe(true);
    expect(torch.backends.blas.name).toMatch(/OpenBLAS|MKL|BLIS|Accelerate|BLAS/);
    expect(torch.backends.blas.path).toMatch(/blas|mkl|blis|Accelerate/i);
  });

  const roomBytes = 24 * 2 ** 20;
  const room = cpu.alloc(roomBytes);

  /** Computes a product both ways; the largest difference, relative to the largest sum of absolute values that there can be. */
  function difference(p: Gemm, before: Float32Array | Float64Array, fill: () => void): number {
    const results = [null, found].map((blas) => {
      products.useBlas(blas);
      fill();
      products.gemm(p);
      return before.slice();
    });
    const [ours, theirs] = results as [Float32Array, Float32Array];
    let worst = 0;
    for (let i = 0; i < ours.length; i++) {
      const [x, y] = [ours[i] as number, theirs[i] as number];
      const apart = Object.is(x, y) ? 0 : Math.abs(x - y);
      if (!(apart <= worst)) worst = apart;
    }
    return worst / (p.k + 1);
  }

  for (const dtype of ["float32", "float64"] as const) {
    for (const count of [1, 2]) {
      it(`gives the products that WebAssembly gives, ${dtype}, ${count} threads`, async () => {
        torch.set_num_threads(count);
        torch.ones(1 << 20).add(1);
        await sleep(200);
        const rand = random(count);
        const bytes = dtype === "float32" ? 4 : 8;
        const make = dtype === "float32" ? Float32Array : Float64Array;
        const epsilon = dtype === "float32" ? 2 ** -24 : 2 ** -53;
        for (const [m, n, k] of [
          [64, 64, 64],
          [300, 200, 100],
          [33, 517, 129],
          [517, 33, 129],
          [1, 700, 300],
          [700, 1, 300],
          [1, 64, 900],
          [2, 600, 300],
          [600, 3, 300],
          [130, 140, 1],
          [400, 300, 350],
        ] as const) {
          for (const transA of [false, true]) {
            for (const transB of [false, true]) {
              for (const [alpha, beta] of [
                [1, 0],
                [-0.5, 1],
                [2, 0.25],
              ] as const) {
                // Leading dimensions beyond the matrices: what lies between must stay.
                const lda = (transA ? m : k) + 3;
                const ldb = (transB ? k : n) + 5;
                const ldc = n + 2;
                const a = room.ptr;
                const b = a + (transA ? k : m) * lda * bytes;
                const c = b + (transB ? n : k) * ldb * bytes;
                const size = m * ldc;
                expect(c + size * bytes).toBeLessThan(room.ptr + roomBytes);
                const operands = new make(cpu.memory.buffer, a, (c - a) / bytes);
                for (let i = 0; i < operands.length; i++) operands[i] = rand() * 2 - 1;
                const target = new make(cpu.memory.buffer, c, size);
                const start = Float64Array.from(target, () => (beta === 0 ? NaN : rand() * 2 - 1));
                const p: Gemm = { dtype, transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc };
                expect(found?.takes(p)).toBe(true);
                const apart = difference(p, target, () => target.set(start));
                expect(apart, `${m} x ${n} x ${k} ${transA} ${transB} ${alpha} ${beta}`).toBeLessThan(8 * epsilon);
                const kept = make.from(start);
                for (let i = 0; i < m; i++) {
                  for (let at = i * ldc + n; at < (i + 1) * ldc; at++) {
                    if (!Object.is(target[at], kept[at])) expect.fail(`element ${at} beside the matrix has changed`);
                  }
                }
              }
            }
          }
        }
      });
    }
  }

  it("takes over large products only, and none with dimensions that it forbids", () => {
    const p: Gemm = {
      dtype: "float32",
      transA: false,
      transB: false,
      m: 64,
      n: 64,
      k: 64,
      alpha: 1,
      a: room.ptr,
      lda: 64,
      b: room.ptr,
      ldb: 64,
      beta: 0,
      c: room.ptr + 65536,
      ldc: 64,
    };
    expect(found?.takes(p)).toBe(true);
    expect(found?.takes({ ...p, ldb: 0 })).toBe(false);
    expect(found?.takes({ ...p, lda: 63 })).toBe(false);
    expect(found?.takes({ ...p, ldc: 2 ** 31 })).toBe(false);
  });

  it("gives the same training, to 1e-5", async () => {
    const losses = (): number[] => {
      torch.random.manual_seed(5);
      const x = torch.randn(128, 200);
      const y = torch.randn(128, 10);
      const u = torch.randn(200, 150).mul(0.07).requires_grad_();
      const v = torch.randn(150, 10).mul(0.07).requires_grad_();
      return Array.from({ length: 20 }, () => {
        const loss = x.mm(u).tanh().mm(v).sub(y).pow(2).mean();
        u.grad = null;
        v.grad = null;
        loss.backward();
        torch.no_grad(() => {
          u.sub_((u.grad as torch.Tensor).mul(0.5));
          v.sub_((v.grad as torch.Tensor).mul(0.5));
        });
        return loss.item() as number;
      });
    };
    const runs: number[][] = [];
    for (const blas of [null, found]) {
      for (const count of [1, 2]) {
        torch.set_num_threads(count);
        products.useBlas(blas);
        await sleep(100);
        runs.push(losses());
      }
    }
    for (const run of runs) {
      run.forEach((loss, i) => expect(Math.abs(loss - (runs[0]?.[i] ?? NaN))).toBeLessThan(1e-5));
    }
  });

  it("does batches of products", () => {
    const [a, b] = [torch.randn(37, 60, 70), torch.randn(37, 70, 50)];
    const [large, larger] = [torch.randn(2, 200, 300), torch.randn(2, 300, 250)];
    const results = [null, found].map((blas) => {
      products.useBlas(blas);
      return [a.bmm(b), large.bmm(larger), b.transpose(1, 2).bmm(a.transpose(1, 2)).transpose(1, 2)];
    });
    const [ours, theirs] = results as [torch.Tensor[], torch.Tensor[]];
    ours.forEach((x, i) => {
      expect(
        x
          .sub(theirs[i] as torch.Tensor)
          .abs()
          .max()
          .item(),
      ).toBeLessThan(1e-4);
    });
  });
});

describe("the choice of a library", () => {
  const choose = (wanted: string): { name: string | null; warnings: string[] } => {
    const before = process.env["FLAMBEAU_BLAS"];
    const { warn } = console;
    const warnings: string[] = [];
    console.warn = (text: string) => warnings.push(text);
    process.env["FLAMBEAU_BLAS"] = wanted;
    try {
      const blas = findBlas(cpu.memory, cpu.heap.allocScratch(trialBytes).ptr);
      return { name: blas?.name ?? null, warnings };
    } finally {
      console.warn = warn;
      if (before === undefined) delete process.env["FLAMBEAU_BLAS"];
      else process.env["FLAMBEAU_BLAS"] = before;
    }
  };

  it("is none if FLAMBEAU_BLAS is off", () => {
    expect(choose("off")).toEqual({ name: null, warnings: [] });
  });

  it("is none, with a warning, if FLAMBEAU_BLAS is no BLAS library", () => {
    for (const wanted of [join(import.meta.dirname, "blas.test.ts"), "/nowhere/libblas.so", "libc.so.6"]) {
      const { name, warnings } = choose(wanted);
      expect(name).toBe(null);
      expect(warnings).toEqual([`flambeau: FLAMBEAU_BLAS: ${wanted} cannot be used; going on without a BLAS library`]);
    }
  });

  it.runIf(found !== null)("is the one whose file FLAMBEAU_BLAS gives", () => {
    expect(choose(found?.path ?? "")).toEqual({ name: found?.name, warnings: [] });
  });
});

describe("a bundled program", () => {
  const source = `
    import * as torch from "flambeau";
    const x = torch.ones(300, 300);
    const ends = [];
    for (const threads of [1, 2]) {
      torch.set_num_threads(threads);
      for (let k = 0; k < 20; k++) x.mm(x).exp();
      ends.push(x.mm(x).sum().item());
      await new Promise((done) => setTimeout(done, 100));
      ends.push(x.mm(x).sum().item());
    }
    console.log(JSON.stringify({ blas: torch.backends.blas.name, ends }));
  `;
  const ends = [27e6, 27e6, 27e6, 27e6];
  let withKoffi: BundledProgram;
  let without: BundledProgram;

  beforeAll(async () => {
    withKoffi = await bundleProgram(source, ["koffi", "@koromix"]);
    without = await bundleProgram(source, []);
  });
  afterAll(() => {
    withKoffi.remove();
    without.remove();
  });

  const result = ({ stdout }: { stdout: string }): unknown => JSON.parse(stdout);

  it("runs with threads and BLAS, and ends", () => {
    expect(result(withKoffi.run())).toEqual({ blas: found?.name ?? null, ends });
    expect(result(withKoffi.run({ FLAMBEAU_BLAS: "off" }))).toEqual({ blas: null, ends });
  });

  it("runs with a file that is no library", () => {
    const { stdout, stderr } = withKoffi.run({ FLAMBEAU_BLAS: join(import.meta.dirname, "blas.test.ts") });
    expect(JSON.parse(stdout)).toEqual({ blas: null, ends });
    expect(stderr).toMatch("cannot be used");
  });

  it("runs without koffi, silently", () => {
    const { stdout, stderr } = without.run();
    expect(JSON.parse(stdout)).toEqual({ blas: null, ends });
    expect(stderr).toBe("");
  });

  it("that has only imported the library ends at once", async () => {
    const program = await bundleProgram(
      `import * as torch from "flambeau"; console.log(torch.get_num_threads() > 0);`,
      [],
    );
    expect(program.run().stdout).toBe("true\n");
    program.remove();
  });
});
