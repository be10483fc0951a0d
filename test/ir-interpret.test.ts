import { describe, expect, it } from "vitest";
import * as dtypes from "../src/base/dtype.ts";
import type { DType } from "../src/base/dtype.ts";
import { E, type Expr, type Type } from "../src/ir/expr.ts";
import { bfloat16Bits, bfloat16Value, float16Bits, float16Value } from "../src/ir/half.ts";
import { evaluate, interpret, type Memory, prepare, toFunction, type Value } from "../src/ir/interpret.ts";
import type { Kernel, Stmt } from "../src/ir/kernel.ts";

const c = (type: Type, value: number | bigint | boolean): Expr => E.const(type, value);
const i32 = (value: number): Expr => c("i32", value);
const i64 = (value: bigint): Expr => c("i64", value);

function memory(bytes = 256): Memory {
  const b = new ArrayBuffer(bytes);
  return {
    i8: new Int8Array(b),
    u8: new Uint8Array(b),
    i16: new Int16Array(b),
    u16: new Uint16Array(b),
    i32: new Int32Array(b),
    i64: new BigInt64Array(b),
    f32: new Float32Array(b),
    f64: new Float64Array(b),
  };
}

function kernel(buffers: readonly DType[], scalars: readonly Type[], body: readonly Stmt[]): Kernel {
  return {
    name: "test",
    key: "test",
    buffers: buffers.map((dtype, i) => ({ name: `b${i}`, dtype, access: "readwrite" })),
    scalars: scalars.map((type, i) => ({ name: `s${i}`, type })),
    body,
  };
}

const cast = (to: Type, from: Type, value: number | bigint | boolean): Value =>
  evaluate(E.cast(to, E.var(from, 0)), { vars: new Map([[0, value]]) });

describe("expressions", () => {
  it("float32 rounds after each operation", () => {
    const x = E.var("f32", 0);
    const sum = toFunction(E.add(E.mul(x, x), 1), [0]);
    expect(sum(Math.fround(0.1))).toBe(Math.fround(Math.fround(Math.fround(0.1) * Math.fround(0.1)) + 1));
    expect(evaluate(E.add(c("f32", 16777216), c("f32", 1)))).toBe(16777216);
    expect(evaluate(E.exp(c("f32", 1)))).toBe(Math.fround(Math.E));
  });

  it("fma is rounded once, or twice where asked", () => {
    const e = (type: Type, a: number, b: number): Expr => E.fma(c(type, a), c(type, a), c(type, b));
    const s = 1 + 2 ** -12;
    expect(evaluate(e("f32", s, -1))).toBe(Math.fround(s * s - 1));
    expect(evaluate(e("f32", s, -1), {}, "twice")).toBe(2 ** -11);
    const d = 1 + 2 ** -27;
    expect(evaluate(e("f64", d, -1))).toBe(2 ** -26 + 2 ** -54);
    expect(evaluate(e("f64", d, -1), {}, "twice")).toBe(2 ** -26);
    expect(evaluate(e("f64", 1e200, 1))).toBe(Infinity);
    expect(evaluate(e("f64", NaN, 1))).toBeNaN();
    expect(evaluate(E.fma(c("f64", Infinity), c("f64", 0), c("f64", 1)))).toBeNaN();
  });

  it("integers wrap, and divide toward zero", () => {
    expect(evaluate(E.add(i32(2147483647), i32(1)))).toBe(-2147483648);
    expect(evaluate(E.mul(i32(65537), i32(65537)))).toBe(131073);
    expect(evaluate(E.neg(i32(-2147483648)))).toBe(-2147483648);
    expect(evaluate(E.abs(i32(-2147483648)))).toBe(-2147483648);
    expect(evaluate(E.div(i32(-7), i32(2)))).toBe(-3);
    expect(evaluate(E.rem(i32(-7), i32(2)))).toBe(-1);
    expect(evaluate(E.shru(i32(-1), i32(28)))).toBe(15);
    expect(evaluate(E.shr(i32(-16), i32(2)))).toBe(-4);
    expect(evaluate(E.not(i32(5)))).toBe(-6);
    const big = 2n ** 63n - 1n;
    expect(evaluate(E.add(i64(big), i64(1n)))).toBe(-(2n ** 63n));
    expect(evaluate(E.mul(i64(big), i64(2n)))).toBe(-2n);
    expect(evaluate(E.div(i64(-7n), i64(2n)))).toBe(-3n);
    expect(evaluate(E.shru(i64(-1n), i64(60n)))).toBe(15n);
    expect(evaluate(E.shl(i64(1n), i64(63n)))).toBe(-(2n ** 63n));
    expect(() => evaluate(E.div(i32(1), i32(0)))).toThrow(RangeError);
    expect(() => evaluate(E.rem(i64(1n), i64(0n)))).toThrow(RangeError);
  });

  it("min, max, pmin, pmax, round, copysign and comparisons treat NaN and zeros as they say", () => {
    const f = (x: number): Expr => c("f64", x);
    expect(evaluate(E.min(f(NaN), f(1)))).toBeNaN();
    expect(evaluate(E.max(f(1), f(NaN)))).toBeNaN();
    expect(evaluate(E.pmin(f(NaN), f(1)))).toBeNaN();
    expect(evaluate(E.pmin(f(1), f(NaN)))).toBe(1);
    expect(evaluate(E.pmax(f(1), f(NaN)))).toBe(1);
    expect([0.5, 1.5, 2.5, -0.5, -1.5, 0.49999999999999994].map((x) => evaluate(E.round(f(x))))).toEqual([
      0, 2, 2, -0, -2, 0,
    ]);
    expect(evaluate(E.copysign(f(2), f(-0)))).toBe(-2);
    expect(evaluate(E.eq(f(NaN), f(NaN)))).toBe(false);
    expect(evaluate(E.ne(f(NaN), f(NaN)))).toBe(true);
    expect(evaluate(E.isnan(f(NaN)))).toBe(true);
    expect(evaluate(E.lt(i64(1n), i64(2n)))).toBe(true);
    expect(evaluate(E.xor(c("bool", true), c("bool", true)))).toBe(false);
  });

  it("casts truncate and saturate, wrap, or ask whether it is zero", () => {
    expect([-2.9, 2.9, NaN, 1e10, -1e10].map((x) => cast("i32", "f32", x))).toEqual([
      -2, 2, 0, 2147483647, -2147483648,
    ]);
    expect([-2.9, NaN, 1e30, -Infinity].map((x) => cast("i64", "f64", x))).toEqual([
      -2n,
      0n,
      2n ** 63n - 1n,
      -(2n ** 63n),
    ]);
    expect(cast("i32", "i64", 2n ** 32n + 5n)).toBe(5);
    expect(cast("i32", "i64", 2n ** 31n)).toBe(-2147483648);
    expect([0, -0, NaN, 0.1].map((x) => cast("bool", "f64", x))).toEqual([false, false, true, true]);
    expect(cast("f32", "bool", true)).toBe(1);
    expect(cast("i64", "bool", true)).toBe(1n);
    expect(cast("f32", "f64", 0.1)).toBe(Math.fround(0.1));
    // Rounded once: through float64 this would be a tie and go down.
    expect(cast("f32", "i64", 2n ** 60n + 2n ** 36n + 1n)).toBe(2 ** 60 + 2 ** 37);
    expect(cast("f64", "i64", 2n ** 53n + 1n)).toBe(2 ** 53);
  });

  it("bitcasts", () => {
    expect(evaluate(E.bitcast("i32", c("f32", 1)))).toBe(0x3f800000);
    expect(evaluate(E.bitcast("f64", i64(0x3ff0000000000000n)))).toBe(1);
    expect(evaluate(E.bitcast("i64", c("f64", -0)))).toBe(-(2n ** 63n));
  });

  it("computes a shared subexpression once", () => {
    let loads = 0;
    const load = E.load("f64", 0, i32(3));
    const value = evaluate(E.add(E.mul(load, load), load), { load: (_, index) => ((loads += 1), index) });
    expect(value).toBe(12);
    expect(loads).toBe(1);
    let e: Expr = E.var("f64", 0);
    for (let i = 0; i < 100; i++) e = E.mul(E.add(e, e), 0.5);
    expect(toFunction(e, [0])(3)).toBe(3);
  });

  it("says what has no value or no meaning", () => {
    expect(() => evaluate(E.var("f32", 7))).toThrow("variable 7 has no value");
    expect(() => evaluate(E.floor(i32(1)))).toThrow("floor of i32");
  });
});

describe("16-bit floats", () => {
  const formats = [
    ["float16", float16Value, float16Bits, 0x7c00],
    ["bfloat16", bfloat16Value, bfloat16Bits, 0x7f80],
  ] as const;

  for (const [name, value, bits, infinity] of formats) {
    it(`${name}: every pattern survives the round trip`, () => {
      for (let b = 0; b < 0x10000; b++) {
        const x = value(b);
        if (Number.isNaN(x)) expect((b & 0x7fff) > infinity).toBe(true);
        else if (bits(x) !== b) expect(bits(x)).toBe(b);
      }
    });

    it(`${name}: rounds to nearest, ties to even, from float64 too`, () => {
      for (let b = 0; b < infinity - 1; b++) {
        const low = value(b);
        const high = value(b + 1);
        const tie = low / 2 + high / 2;
        const even = b % 2 === 0 ? b : b + 1;
        const got = [tie, tie - (high - low) * 2 ** -30, tie + (high - low) * 2 ** -30].map(bits);
        if (got[0] !== even || got[1] !== b || got[2] !== b + 1) expect(got).toEqual([even, b, b + 1]);
      }
      expect(bits(value(infinity - 1) * 1.01)).toBe(infinity);
      expect(bits(-1e39)).toBe(0x8000 | infinity);
      expect(value(bits(NaN))).toBeNaN();
    });
  }

  it("known values", () => {
    expect([1, -2, 65504, 65519, 65520, 2 ** -24, 2 ** -25, 0.1].map(float16Bits)).toEqual([
      0x3c00, 0xc000, 0x7bff, 0x7bff, 0x7c00, 1, 0, 0x2e66,
    ]);
    expect([1, 3.140625, 0.1].map(bfloat16Bits)).toEqual([0x3f80, 0x4049, 0x3dcd]);
  });
});

const through = (dtype: DType, type: Type, value: number | bigint | boolean): Value => {
  const m = memory();
  const k = kernel(
    [dtype],
    [],
    [
      { kind: "store", buffer: 0, index: i32(3), value: c(type, value) },
      { kind: "guard", cond: E.eq(E.load(type, 0, i32(2)), c(type, 0)), status: i32(1) },
    ],
  );
  expect(interpret(k, m, [16], [])).toBe(0);
  const env = kernel([dtype, dtype], [], [{ kind: "store", buffer: 1, index: i32(0), value: E.load(type, 0, i32(3)) }]);
  expect(interpret(env, m, [16, 0], [])).toBe(0);
  const views: Readonly<Record<string, ArrayLike<number | bigint>>> = {
    uint8: m.u8,
    int8: m.i8,
    int16: m.i16,
    int32: m.i32,
    int64: m.i64,
    bool: m.u8,
    float32: m.f32,
    complex64: m.f32,
    float64: m.f64,
    complex128: m.f64,
    float16: m.u16,
    bfloat16: m.u16,
    complex32: m.u16,
  };
  return views[dtype.name]?.[0] ?? NaN;
};

const store = (index: number, value: Expr): Kernel =>
  kernel([dtypes.float32], [], [{ kind: "store", buffer: 0, index: i32(index), value }]);

describe("kernels", () => {
  const n = E.scalar("i32", 0);

  it("loops, loads, computes and stores at byte addresses", () => {
    const m = memory();
    m.f32.set([1, 2, 3, 4], 4);
    const i = E.index(0);
    const k = kernel(
      [dtypes.float32, dtypes.float32],
      ["i32", "f32"],
      [
        {
          kind: "loop",
          loop: 0,
          mode: "vector",
          extent: n,
          body: [
            { kind: "let", id: 0, value: E.load("f32", 0, i) },
            { kind: "store", buffer: 1, index: i, value: E.mul(E.var("f32", 0), E.scalar("f32", 1)) },
          ],
        },
      ],
    );
    expect(interpret(k, m, [16, 64], [3, 0.1])).toBe(0);
    const tenth = Math.fround(0.1);
    expect([...m.f32.subarray(16, 20)]).toEqual([1, 2, 3].map((x) => Math.fround(x * tenth)).concat(0));
  });

  it("runs again with other memory, addresses and sizes", () => {
    const i = E.index(3);
    const run = prepare(
      kernel(
        [dtypes.int64],
        ["i32", "i64"],
        [
          {
            kind: "loop",
            loop: 3,
            mode: "serial",
            extent: n,
            body: [{ kind: "store", buffer: 0, index: i, value: E.mul(E.scalar("i64", 1), E.cast("i64", i)) }],
          },
        ],
      ),
    );
    const a = memory();
    const b = memory();
    run(a, [0], [3, 2n ** 62n]);
    run(b, [8], [2, 5n]);
    expect([...a.i64.subarray(0, 4)]).toEqual([0n, 2n ** 62n, -(2n ** 63n), 0n]);
    expect([...b.i64.subarray(0, 4)]).toEqual([0n, 0n, 5n, 0n]);
  });

  it("variables, assignment, nested loops and if", () => {
    const m = memory();
    const [i, j] = [E.index(0), E.index(1)];
    const total = E.var("i32", 9);
    const k = kernel(
      [dtypes.int32],
      ["i32"],
      [
        { kind: "var", id: 9, value: i32(0) },
        {
          kind: "loop",
          loop: 0,
          mode: "serial",
          extent: n,
          body: [
            {
              kind: "loop",
              loop: 1,
              mode: "serial",
              extent: i,
              body: [
                {
                  kind: "if",
                  cond: E.eq(E.rem(j, i32(2)), i32(0)),
                  then: [{ kind: "assign", id: 9, value: E.add(total, E.add(i, j)) }],
                  else: [{ kind: "assign", id: 9, value: E.sub(total, 1) }],
                },
              ],
            },
          ],
        },
        { kind: "store", buffer: 0, index: i32(0), value: total },
      ],
    );
    interpret(k, m, [0], [6]);
    let want = 0;
    for (let p = 0; p < 6; p++) for (let q = 0; q < p; q++) want += q % 2 === 0 ? p + q : -1;
    expect(m.i32[0]).toBe(want);
  });

  it("reduces with every combination", () => {
    const m = memory();
    m.f32.set([3, 1, NaN, 2], 16);
    m.i64.set([5n, -7n, 2n], 16);
    m.u8.set([1, 1, 0], 200);
    const results: Value[] = [];
    const reduce = (
      combine: Extract<Stmt, { kind: "reduce" }>["combine"],
      init: Expr,
      value: Expr,
      extent = 3,
    ): Value => {
      const out = init.type === "f32" ? dtypes.float32 : init.type === "i64" ? dtypes.int64 : dtypes.bool;
      const k = kernel(
        [dtypes.float32, dtypes.int64, dtypes.bool, out],
        [],
        [
          { kind: "reduce", id: 0, loop: 0, extent: i32(extent), combine, init, value },
          { kind: "store", buffer: 3, index: i32(0), value: E.var(init.type, 0) },
        ],
      );
      interpret(k, m, [64, 128, 200, 0], []);
      const result = init.type === "f32" ? m.f32[0] : init.type === "i64" ? m.i64[0] : m.u8[0];
      results.push(result as Value);
      return result as Value;
    };
    const f = E.load("f32", 0, E.index(0));
    const long = E.load("i64", 1, E.index(0));
    const flag = E.load("bool", 2, E.index(0));
    expect(reduce("add", c("f32", 0), f, 2)).toBe(4);
    expect(reduce("add", c("f32", 0.5), f, 0)).toBe(0.5);
    expect(reduce("max", c("f32", -Infinity), f, 4)).toBeNaN();
    expect(reduce("pmax", c("f32", -Infinity), f, 4)).toBe(3);
    expect(reduce("mul", c("f32", 1), f, 2)).toBe(3);
    expect(reduce("add", i64(0n), long)).toBe(0n);
    expect(reduce("min", i64(100n), long)).toBe(-7n);
    expect(reduce("mul", i64(1n), long)).toBe(-70n);
    expect(reduce("and", c("bool", true), flag)).toBe(0);
    expect(reduce("or", c("bool", false), flag)).toBe(1);
    expect(results).toHaveLength(10);
  });

  it("a long float32 sum is as good as any order of it", () => {
    const m = memory();
    const term = E.div(c("f32", 1), E.cast("f32", E.add(E.index(0), 1)));
    const k = kernel(
      [dtypes.float32],
      [],
      [
        { kind: "reduce", id: 0, loop: 0, extent: i32(100000), combine: "add", init: c("f32", 0), value: term },
        { kind: "store", buffer: 0, index: i32(0), value: E.var("f32", 0) },
      ],
    );
    interpret(k, m, [0], []);
    expect(m.f32[0]).toBeCloseTo(12.090146, 5);
  });

  it("a guard stops the kernel with its status", () => {
    const m = memory();
    const i = E.index(0);
    const k = kernel(
      [dtypes.int32],
      ["i32"],
      [
        {
          kind: "loop",
          loop: 0,
          mode: "serial",
          extent: n,
          body: [
            { kind: "guard", cond: E.lt(i, i32(2)), status: E.add(i, 40) },
            { kind: "store", buffer: 0, index: i, value: i32(1) },
          ],
        },
        { kind: "store", buffer: 0, index: i32(5), value: i32(9) },
      ],
    );
    expect(interpret(k, m, [0], [4])).toBe(42);
    expect([...m.i32.subarray(0, 6)]).toEqual([1, 1, 0, 0, 0, 0]);
    expect(interpret(k, m, [0], [2])).toBe(0);
    expect(m.i32[5]).toBe(9);
  });

  it("narrows on store and widens on load, per dtype", () => {
    expect(through(dtypes.uint8, "i32", 300)).toBe(44);
    expect(through(dtypes.int8, "i32", 200)).toBe(-56);
    expect(through(dtypes.int16, "i32", 40000)).toBe(-25536);
    expect(through(dtypes.int32, "i32", -5)).toBe(-5);
    expect(through(dtypes.int64, "i64", -5n)).toBe(-5n);
    expect(through(dtypes.bool, "bool", true)).toBe(1);
    expect(through(dtypes.float32, "f32", 0.1)).toBe(Math.fround(0.1));
    expect(through(dtypes.float64, "f64", 0.1)).toBe(0.1);
    expect(through(dtypes.complex64, "f32", 0.1)).toBe(Math.fround(0.1));
    expect(through(dtypes.complex128, "f64", 0.1)).toBe(0.1);
    expect(through(dtypes.float16, "f32", 0.1)).toBe(0x2e66);
    expect(through(dtypes.bfloat16, "f32", 0.1)).toBe(0x3dcd);
    expect(through(dtypes.complex32, "f32", 0.1)).toBe(0x2e66);
  });

  it("finds accesses outside memory, misaligned buffers and wrong types", () => {
    expect(() => interpret(store(1000, c("f32", 1)), memory(), [0], [])).toThrow("buffer b0 has no element 1000");
    expect(() => interpret(store(-1, c("f32", 1)), memory(), [0], [])).toThrow("has no element -1");
    expect(() => interpret(store(0, c("f32", 1)), memory(), [2], [])).toThrow("not aligned");
    expect(() => interpret(store(0, c("f64", 1)), memory(), [0], [])).toThrow("a store of f64");
    expect(() => interpret(store(0, E.cast("f32", E.load("f64", 0, i32(0)))), memory(), [0], [])).toThrow(
      "a load of f64",
    );
    expect(() => interpret(store(0, E.var("f32", 1)), memory(), [0], [])).toThrow("variable 1 has no value");
  });
});
