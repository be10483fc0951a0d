import { afterAll, describe, expect, it } from "vitest";
import { E, type Expr, functionBinary, functionUnary, operands, type Type } from "../src/ir/expr.ts";
import { type Fma, toFunction } from "../src/ir/interpret.ts";
import { lower } from "../src/ir/math.ts";
import { binaryFunction, unaryFunction } from "../src/ir/scalar.ts";
import { specialValues } from "./ir-special-values.ts";

type Float = "f32" | "f64";
const floats: readonly Float[] = ["f32", "f64"];
const roundings: readonly Fma[] = ["fused", "twice"];

/** A deterministic stream of numbers in [0, 1). */
function stream(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return ((state >>> 1) + 0.5) / 2 ** 31;
  };
}

const bits = new DataView(new ArrayBuffer(8));

/** The distance between neighbouring numbers at x. */
function ulp(type: Float, x: number): number {
  const a = Math.abs(x);
  if (type === "f32") {
    if (a < 2 ** -126) return 2 ** -149;
    bits.setFloat32(0, Math.min(a, 2 ** 127));
    return 2 ** ((bits.getInt32(0) >>> 23) - 150);
  }
  if (a < 2 ** -1022) return 2 ** -1074;
  bits.setFloat64(0, Math.min(a, 2 ** 1023));
  return 2 ** (Number(bits.getBigInt64(0) >> 52n) - 1075);
}

const reference = (op: (typeof functionUnary)[number]): ((x: number) => number) => {
  const f = unaryFunction(op, "f64", "f64");
  return (x) => Number(f(x));
};

function unaryLowered(op: (typeof functionUnary)[number], type: Float, fma: Fma): (x: number) => number {
  const f = toFunction(lower(E[op](E.var(type, 0))), [0], fma);
  return (x) => Number(f(x));
}

/**
 * How arguments are drawn: "a..b" evenly in an interval, "log a..b" evenly in the logarithm, "both a..b" the same with both signs;
 * several with commas.
 */
function parse(ranges: string): ((random: () => number) => number)[] {
  return ranges.split(", ").map((range) => {
    const [, spread, low, high] = /^(log |both )?(.*)\.\.(.*)$/.exec(range) as unknown as [
      string,
      string?,
      string?,
      string?,
    ];
    const [a, b] = [Number(low), Number(high)];
    if (spread === undefined) return (random) => a + (b - a) * random();
    const [la, lb] = [Math.log(a), Math.log(b)];
    const sign = (random: () => number): number => (spread === "both " && random() < 0.5 ? -1 : 1);
    return (random) => sign(random) * Math.exp(la + (lb - la) * random());
  });
}

/**
 * Per function: bounds in ulp for float32 and float64, and where they hold (float64 apart where it differs). The float64
 * reference may itself be off by one, and by some more for the error functions, for which there is a table below.
 */
const unaryBounds: Readonly<
  Record<string, readonly [single: number, double: number, ranges: string, double?: string]>
> = {
  exp: [1.2, 1, "-86.9..88.72, -1..1", "-745..709.7, -1..1"],
  exp2: [1.2, 1, "-150..128, -1..1", "-1074..1024, -1..1"],
  expm1: [1.8, 2, "-3..3, -30..88.7, both 1e-30..1", "-3..3, -30..709.7, both 1e-300..1"],
  log: [1.2, 1, "0.5..2, log 1e-45..3e38", "0.5..2, log 1e-323..1e308"],
  log2: [2.5, 2, "0.5..2, log 1e-45..3e38", "0.5..2, log 1e-323..1e308"],
  log10: [2.5, 2, "0.5..2, log 1e-45..3e38", "0.5..2, log 1e-323..1e308"],
  log1p: [1.8, 2, "-0.999..3, log 1e-30..1e30, both 1e-20..0.5"],
  sin: [2.6, 2, "-4..4, -1000..1000, both 1e-30..1e4", "-4..4, -1000..1000, both 1e-300..1e9"],
  cos: [2.6, 3, "-4..4, -1000..1000, both 1e-30..1e4", "-4..4, -1000..1000, both 1e-300..1e9"],
  tan: [4, 3, "-4..4, -1000..1000, both 1e-30..1e4", "-4..4, -1000..1000, both 1e-300..1e9"],
  asin: [3.3, 3, "-1..1, both 1e-30..1"],
  acos: [2, 2, "-1..1, 0.999..1, -1..-0.999"],
  atan: [2.5, 2, "-3..3, both 1e-30..1e30"],
  sinh: [1.8, 2, "-3..3, both 1e-30..89.4", "-3..3, both 1e-300..710.4"],
  cosh: [1.4, 1, "-3..3, both 1e-30..89.4", "-3..3, both 1e-300..710.4"],
  tanh: [6, 3, "-10..10, both 1e-30..30"],
  asinh: [2.4, 2, "-3..3, both 1e-30..3e38", "-3..3, both 1e-300..1e308"],
  acosh: [2.5, 2, "1..3, log 1..3e38", "1..3, log 1..1e308"],
  atanh: [2.6, 3, "-1..1, both 1e-30..1"],
  sigmoid: [2.4, 4, "-86..30, -10..10", "-708..40, -10..10"],
  rsqrt: [1.5, 1.5, "log 1e-37..1e38", "log 1e-307..1e308"],
  reciprocal: [0.5, 0.5, "both 1e-37..1e37", "both 1e-307..1e307"],
  erf: [6, 8, "-4..4, both 1e-30..10"],
  erfc: [4.5, 8, "-4..4, 4..9.1", "-0.5..0.5"],
  erfinv: [5, 16, "-1..1, both 1e-30..1, 0.99..1"],
  lgamma: [0.6, Infinity, "0..10, log 1e-30..1e30, -10..0"],
  digamma: [0.6, Infinity, "0..10, log 1e-10..1e10, -5..0"],
  trigamma: [0.6, 40, "0..10, log 1e-10..1e10, -5..0"],
};

describe("functions in machine operations, in units of the last place", () => {
  const measured: string[] = [];
  afterAll(() => {
    if (process.env["SHOW_ERRORS"] !== undefined) console.log(measured.join("\n"));
  });
  for (const [name, [single, double, ranges, doubleRanges = ranges]] of Object.entries(unaryBounds)) {
    const op = name as (typeof functionUnary)[number];
    for (const type of floats) {
      const bound = type === "f32" ? single : double;
      if (bound === Infinity) continue;
      it(`${name} of ${type} within ${bound}`, () => {
        const want = reference(op);
        let worst = 0;
        let at = 0;
        for (const fma of roundings) {
          const f = unaryLowered(op, type, fma);
          for (const draw of parse(type === "f32" ? ranges : doubleRanges)) {
            const random = stream(11);
            for (let i = 0; i < 1500; i++) {
              const x = type === "f32" ? Math.fround(draw(random)) : draw(random);
              const exact = want(x);
              const error = Math.abs(f(x) - exact) / ulp(type, exact);
              // An infinite exact value must be met exactly; then the difference is NaN.
              if (!(error <= worst) && f(x) !== exact) [worst, at] = [error, x];
            }
          }
        }
        measured.push(`${name} ${type} ${worst.toFixed(2)}`);
        expect(worst, `at ${at}`).toBeLessThanOrEqual(bound);
      });
    }
  }

  it("covers every function", () => {
    const others = ["sign", "isnan"];
    expect([...Object.keys(unaryBounds), ...others].toSorted()).toEqual([...functionUnary].toSorted());
  });
});

/** Bounds of |error| / max(1, |value|) against values of high precision, in units of 2^-52. */
const specialBounds: Readonly<Record<string, readonly [f: (x: Expr) => Expr, bound: number]>> = {
  erf: [E.erf, 1],
  erfc: [E.erfc, 2],
  erfinv: [E.erfinv, 3],
  lgamma: [E.lgamma, 3],
  digamma: [E.digamma, 8],
  // PyTorch's series, which is as good as this.
  trigamma: [E.trigamma, 2e-9 * 2 ** 52],
  tetragamma: [(x) => E.polygamma(E.const("f64", 2), x), 5],
  pentagamma: [(x) => E.polygamma(E.const("f64", 3), x), 6],
};

describe("special functions against values of high precision", () => {
  for (const [name, [f, bound]] of Object.entries(specialBounds)) {
    it(name, () => {
      const e = f(E.var("f64", 0));
      const values = specialValues[name] as readonly number[];
      const forms: [string, Expr, Fma, number][] = [
        ["fused", lower(e), "fused", bound],
        ["twice", lower(e), "twice", bound],
        ["interpreter", e, "fused", Math.max(20, bound)],
      ];
      for (const [form, expression, fma, limit] of forms) {
        const g = toFunction(expression, [0], fma);
        let worst = 0;
        for (let i = 0; i < values.length; i += 2) {
          const want = values[i + 1] as number;
          const error = Math.abs(Number(g(values[i] as number)) - want) / Math.max(1, Math.abs(want));
          worst = Math.max(worst, error * 2 ** 52);
        }
        expect(worst, form).toBeLessThanOrEqual(limit);
      }
    });
  }

  it("erfc is right in the relative sense far out", () => {
    const values = specialValues["erfc"] as readonly number[];
    const f = toFunction(lower(E.erfc(E.var("f64", 0))), [0]);
    for (let i = 0; i < values.length; i += 2) {
      const want = values[i + 1] as number;
      expect(Math.abs(Number(f(values[i] as number)) / want - 1)).toBeLessThan(4e-16);
    }
  });
});

const corners = [
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  2,
  -2,
  3,
  -3,
  1.5,
  -2.5,
  100,
  -100,
  1000,
  -1000,
  1e-40,
  -1e-40,
  5e-324,
  -1e-310,
  1e300,
  -1e300,
  Infinity,
  -Infinity,
  NaN,
  9007199254740992,
  -9007199254740991,
  0.3,
];

const same = (type: Float, got: number, want: number): boolean => {
  if (Object.is(got, want)) return true;
  const single = type === "f32";
  // Relative, but absolute where a function that is not zero at zero has a zero; one step among subnormal numbers.
  const near =
    Math.abs(got - want) <= Math.max((single ? 8e-7 : 4e-15) * Math.abs(want), ulp(type, 0)) ||
    (Math.abs(got - want) < 1e-15 && Math.abs(want) > 1e-2);
  // Float32 exponentials underflow a little early: see Note [Exponentials].
  const flushed = single && Math.abs(want) < 2 ** -125.5;
  return (near && Math.sign(got) === Math.sign(want)) || (got === 0 && (flushed || Math.abs(want) === ulp(type, 0)));
};

// Out of the range of the argument reduction, see Note [Reduction by π].
const huge = (op: string, type: Float, x: number): boolean =>
  (["sin", "cos", "tan"].includes(op) || (op === "trigamma" && x < 0)) &&
  Math.abs(x) > (type === "f32" ? 1e5 : 1e9) &&
  Number.isFinite(x);

describe("corners: signed zeros, infinities, NaN, subnormal and huge numbers", () => {
  for (const op of functionUnary) {
    for (const type of floats) {
      it(`${op} of ${type}`, () => {
        const result: Type = op === "isnan" ? "bool" : type;
        const want = unaryFunction(op, type, result);
        for (const fma of roundings) {
          const f = toFunction(lower(E[op](E.var(type, 0))), [0], fma);
          for (const corner of corners) {
            const x = type === "f32" ? Math.fround(corner) : corner;
            if (huge(op, type, x)) {
              if (op === "sin" || op === "cos") expect(Math.abs(Number(f(x)))).toBeLessThanOrEqual(1.0001);
              continue;
            }
            const got = f(x);
            const exact = want(x);
            if (typeof exact === "boolean") expect(got, `at ${x}`).toBe(exact);
            else
              expect(same(type, Number(got), Number(exact)), `at ${x}: ${String(got)}, not ${String(exact)}`).toBe(
                true,
              );
          }
        }
      });
    }
  }

  for (const op of functionBinary) {
    if (op === "polygamma") continue;
    for (const type of floats) {
      it(`${op} of ${type}`, () => {
        const want = binaryFunction(op, type);
        for (const fma of roundings) {
          const f = toFunction(lower(E[op](E.var(type, 0), E.var(type, 1))), [0, 1], fma);
          for (const x of corners.map((c) => (type === "f32" ? Math.fround(c) : c))) {
            for (const y of corners.map((c) => (type === "f32" ? Math.fround(c) : c))) {
              // fmod is exact for quotients up to a limit.
              if (op === "fmod" && Math.abs(x / y) > (type === "f32" ? 2 ** 33 : 2 ** 75) && Number.isFinite(x)) {
                if (y !== 0) continue;
              }
              const got = Number(f(x, y));
              const exact = Number(want(x, y));
              expect(same(type, got, exact), `at ${x}, ${y}: ${got}, not ${exact}`).toBe(true);
            }
          }
        }
      });
    }
  }

  it("values that programs rely on are exact", () => {
    for (const type of floats) {
      for (const fma of roundings) {
        const at = (op: (typeof functionUnary)[number], x: number): number => unaryLowered(op, type, fma)(x);
        expect([at("exp", 0), at("exp2", 10), at("exp2", -3), at("cos", 0), at("cosh", 0)]).toEqual([
          1, 1024, 0.125, 1, 1,
        ]);
        expect([at("log", 1), at("log2", 8), at("log2", 2 ** -20), at("log10", 1)]).toEqual([0, 3, -20, 0]);
        expect([at("sigmoid", 0), at("tanh", 40), at("tanh", -40), at("erf", 10), at("erfc", 0)]).toEqual([
          0.5, 1, -1, 1, 1,
        ]);
        expect([at("lgamma", 1), at("lgamma", 2), at("acos", 1), at("atanh", 0)]).toEqual([0, 0, 0, 0]);
      }
    }
  });

  it("no result leaves the range of its function", () => {
    const limits: readonly (readonly [(typeof functionUnary)[number], number, number, number])[] = [
      ["tanh", -1, 1, 12],
      ["erf", -1, 1, 5],
      ["sin", -1, 1, 4],
      ["cos", -1, 1, 4],
      ["sigmoid", 0, 1, 40],
    ];
    for (const [op, low, high, reach] of limits) {
      for (const type of floats) {
        for (const fma of roundings) {
          const f = unaryLowered(op, type, fma);
          const random = stream(3);
          for (let i = 0; i < 3000; i++) {
            const x = reach * (2 * random() - 1);
            const y = f(type === "f32" ? Math.fround(x) : x);
            expect(y >= low && y <= high).toBe(true);
          }
        }
      }
    }
  });
});

const any = (r: () => number, size: number): number => (2 * r() - 1) * Math.exp((2 * r() - 1) * size);

const close = (
  op: "pow" | "atan2" | "hypot" | "fmod",
  type: Float,
  bound: number,
  next: (r: () => number) => number[],
): void => {
  it(`${op} of ${type} within ${bound}`, () => {
    const want = binaryFunction(op, "f64");
    for (const fma of roundings) {
      const f = toFunction(lower(E[op](E.var(type, 0), E.var(type, 1))), [0, 1], fma);
      const random = stream(5);
      for (let i = 0; i < 4000; i++) {
        const [x = 0, y = 0] = next(random).map((v) => (type === "f32" ? Math.fround(v) : v));
        const exact = Number(want(x, y));
        const error = Math.abs(Number(f(x, y)) - exact) / ulp(type, exact);
        expect(error <= bound || f(x, y) === exact, `at ${x}, ${y}: ${error}`).toBe(true);
      }
    }
  });
};

describe("functions of two arguments, in units of the last place", () => {
  for (const type of floats) {
    const top = type === "f32" ? 87 : 700;
    close("pow", type, type === "f32" ? 1.3 : 1, (r) => {
      const x = Math.exp((2 * r() - 1) * (r() < 0.5 ? 1 : top - 7));
      return [x, (2 * r() - 1) * Math.min(top / Math.abs(Math.log(x)), r() < 0.3 ? 5 : 1e9)];
    });
    close("atan2", type, type === "f32" ? 2.5 : 2, (r) => [any(r, 40), any(r, 40)]);
    close("atan2", type, type === "f32" ? 2.5 : 2, (r) => [any(r, 1), any(r, 1)]);
    close("hypot", type, type === "f32" ? 1.2 : 2, (r) => [any(r, 80), any(r, 80)]);
    close("hypot", type, type === "f32" ? 1.2 : 2, (r) => [any(r, 1), any(r, 1)]);
    close("fmod", type, 0, (r) => {
      const y = any(r, 5);
      return [y * (2 * r() - 1) * Math.exp(r() * (type === "f32" ? 20 : 50)), y];
    });
  }

  it("pow by a small constant is multiplication", () => {
    const x = E.var("f32", 0);
    expect(lower(E.pow(x, 2))).toEqual(E.mul(x, x));
    expect(lower(E.pow(x, 0.5))).toEqual(E.sqrt(x));
    expect(lower(E.pow(x, -1))).toEqual(E.div(1, x));
  });
});

const nodes = (e: Expr): Set<Expr> => {
  const seen = new Set<Expr>();
  const go = (x: Expr): void => {
    if (seen.has(x)) return;
    seen.add(x);
    operands(x).forEach(go);
  };
  go(e);
  return seen;
};
const isFunction = (x: Expr): boolean =>
  (x.kind === "unary" && functionUnary.some((op) => op === x.op)) ||
  (x.kind === "binary" && functionBinary.some((op) => op === x.op));
const instructions = (e: Expr): number =>
  [...nodes(e)].filter((x) => x.kind !== "const" && x.kind !== "var" && !(x.kind === "unary" && x.op === "bitcast"))
    .length;

describe("lower", () => {
  it("leaves machine kinds of one type only", () => {
    for (const type of floats) {
      const x = E.var(type, 0);
      const all = [
        ...functionUnary.map((op) => E[op](x)),
        ...functionBinary.map((op) =>
          op === "polygamma" ? E.polygamma(E.const(type, 2), x) : E[op](x, E.var(type, 1)),
        ),
      ];
      for (const e of all) {
        const low = lower(e);
        expect(low.type).toBe(e.type);
        expect([...nodes(low)].some(isFunction)).toBe(false);
      }
    }
  });

  it("keeps the functions that networks live on short", () => {
    const limits = { exp: 15, log: 28, tanh: 15, sigmoid: 17, erf: 17, sin: 16, cos: 18 } as const;
    for (const [op, limit] of Object.entries(limits)) {
      const e = lower(E[op as keyof typeof limits](E.var("f32", 0)));
      expect(instructions(e), op).toBeLessThanOrEqual(limit);
    }
  });

  it("computes functions of constants", () => {
    expect(lower(E.exp(E.const("f64", 1)))).toEqual(E.const("f64", Math.E));
    expect(lower(E.pow(E.const("f64", 2), E.const("f64", 10)))).toEqual(E.const("f64", 1024));
  });

  it("keeps sharing", () => {
    const x = E.var("f32", 0);
    const y = E.exp(x);
    const low = lower(E.mul(y, E.add(y, 1)));
    expect(instructions(low)).toBe(instructions(lower(y)) + 2);
  });
});
