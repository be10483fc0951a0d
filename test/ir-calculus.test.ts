import { describe, expect, it } from "vitest";
import { derivative, freeVars, gradient, substitute, tangent } from "../src/ir/calculus.ts";
import { E, type Expr, operands } from "../src/ir/expr.ts";
import { Identity } from "../src/ir/identity.ts";
import { toFunction } from "../src/ir/interpret.ts";

const x = E.var("f64", 0);
const y = E.var("f64", 1);
const g = E.var("f64", 2);

const value = (e: Expr, a: number, b = 0, c = 1): number => Number(toFunction(e, [0, 1, 2])(a, b, c));

/** Central differences of the fourth order. */
function slope(f: (t: number) => number, t: number): number {
  const h = 1e-3 * Math.max(0.1, Math.abs(t));
  return (8 * (f(t + h) - f(t - h)) - (f(t + 2 * h) - f(t - 2 * h))) / (12 * h);
}

function close(got: number, want: number, what: string, tolerance = 2e-8): void {
  expect(Math.abs(got - want) <= tolerance * Math.max(1, Math.abs(want)), `${what}: ${got} against ${want}`).toBe(true);
}

const anywhere = [-2.3, -0.7, 0.4, 1.9];
const positive = [0.2, 0.9, 1.6, 4.2];
const within = [-0.85, -0.3, 0.2, 0.7];
const beyondOne = [1.2, 1.9, 3.5];

const unary: Readonly<Record<string, [(a: Expr) => Expr, readonly number[]]>> = {
  neg: [E.neg, anywhere],
  abs: [E.abs, anywhere],
  sqrt: [E.sqrt, positive],
  floor: [E.floor, anywhere],
  ceil: [E.ceil, anywhere],
  trunc: [E.trunc, anywhere],
  round: [E.round, anywhere],
  sign: [E.sign, anywhere],
  exp: [E.exp, anywhere],
  exp2: [E.exp2, anywhere],
  expm1: [E.expm1, anywhere],
  log: [E.log, positive],
  log2: [E.log2, positive],
  log10: [E.log10, positive],
  log1p: [E.log1p, positive],
  sin: [E.sin, anywhere],
  cos: [E.cos, anywhere],
  tan: [E.tan, within],
  asin: [E.asin, within],
  acos: [E.acos, within],
  atan: [E.atan, anywhere],
  sinh: [E.sinh, anywhere],
  cosh: [E.cosh, anywhere],
  tanh: [E.tanh, anywhere],
  asinh: [E.asinh, anywhere],
  acosh: [E.acosh, beyondOne],
  atanh: [E.atanh, within],
  sigmoid: [E.sigmoid, anywhere],
  rsqrt: [E.rsqrt, positive],
  reciprocal: [E.reciprocal, anywhere],
  erf: [E.erf, anywhere],
  erfc: [E.erfc, anywhere],
  erfinv: [E.erfinv, within],
  lgamma: [E.lgamma, [-2.3, -0.6, 0.3, 1.2, 2.4, 9.1]],
  digamma: [E.digamma, [-1.5, -0.5, 0.6, 1.2, 2.4, 9.1]],
  trigamma: [E.trigamma, [-1.5, -0.5, 0.6, 1.2, 2.4, 9.1]],
  gelu: [(a) => E.mul(E.mul(a, 0.5), E.add(E.erf(E.mul(a, Math.SQRT1_2)), 1)), anywhere],
  softplus: [(a) => E.log1p(E.exp(a)), anywhere],
  fma: [(a) => E.fma(E.sin(a), a, E.exp(a)), anywhere],
  throughSelect: [(a) => E.select(E.gt(a, 0), E.square(a), E.exp(a)), anywhere],
  shared: [
    (a): Expr => {
      const s = E.sin(a);
      return E.mul(E.add(s, E.square(s)), s);
    },
    anywhere,
  ],
};

const pairs: readonly (readonly [number, number])[] = [
  [0.7, 1.9],
  [2.3, 0.6],
  [1.4, -0.8],
  [3.1, 2.2],
];

const binary: Readonly<Record<string, (a: Expr, b: Expr) => Expr>> = {
  add: E.add,
  sub: E.sub,
  mul: E.mul,
  div: E.div,
  fmod: E.fmod,
  min: E.min,
  max: E.max,
  pmin: E.pmin,
  pmax: E.pmax,
  copysign: E.copysign,
  pow: E.pow,
  atan2: E.atan2,
  hypot: E.hypot,
};

describe("derivative", () => {
  for (const [name, [f, points]] of Object.entries(unary)) {
    it(`of ${name}, first, second and third`, () => {
      let e = f(x);
      for (let order = 1; order <= 3; order++) {
        const d = derivative(e, x);
        const back = gradient(e, [x], g)[0] as Expr;
        for (const a of points) {
          const want = slope((t) => value(e, t), a);
          close(value(d, a), want, `order ${order} at ${a}`, 10 ** (order - 9));
          close(value(back, a, 0, 3), 3 * want, `order ${order} back at ${a}`, 10 ** (order - 9));
        }
        e = d;
      }
    });
  }

  for (const [name, f] of Object.entries(binary)) {
    it(`of ${name}, all of the first and second order`, () => {
      const e = f(x, y);
      const [dx, dy] = gradient(e, [x, y], g) as [Expr, Expr];
      for (const [a, b] of pairs) {
        const fx = (t: number): number => value(e, t, b);
        const fy = (t: number): number => value(e, a, t);
        close(value(dx, a, b, 2), 2 * slope(fx, a), `dx at ${a}, ${b}`);
        close(value(dy, a, b, 2), 2 * slope(fy, b), `dy at ${a}, ${b}`);
        close(value(derivative(e, x), a, b), slope(fx, a), `forward dx at ${a}, ${b}`);
        for (const d of [dx, dy]) {
          const [ddx, ddy] = gradient(d, [x, y], E.const("f64", 1)) as [Expr, Expr];
          close(
            value(ddx, a, b),
            slope((t) => value(d, t, b), a),
            `second, x, at ${a}, ${b}`,
          );
          close(
            value(ddy, a, b),
            slope((t) => value(d, a, t), b),
            `second, y, at ${a}, ${b}`,
          );
        }
      }
    });
  }

  it("passes through casts between precisions and stops at integers", () => {
    const single = E.var("f32", 0);
    const e = E.exp(E.cast("f64", single));
    const d = derivative(e, single);
    expect(d.type).toBe("f64");
    expect(Number(toFunction(d, [0])(0.5))).toBe(Math.exp(0.5));
    const [back] = gradient(e, [single], E.const("f64", 1)) as [Expr];
    expect(back.type).toBe("f32");
    expect(Number(toFunction(back, [0])(0.5))).toBe(Math.fround(Math.exp(0.5)));
    expect(derivative(E.cast("f64", E.cast("i32", x)), x)).toEqual(E.const("f64", 0));
  });
});

const slopes = (e: Expr, a: number, b = 0): [number, number] => {
  const [dx, dy] = gradient(e, [x, y], g) as [Expr, Expr];
  return [value(dx, a, b, 1), value(dy, a, b, 1)];
};

describe("corners, as in PyTorch", () => {
  it("abs is flat at 0, sqrt is steep", () => {
    expect(slopes(E.abs(x), 0)[0]).toBe(0);
    expect(slopes(E.sqrt(x), 0)[0]).toBe(Infinity);
  });

  it("min and max share ties and pass NaN on", () => {
    expect(slopes(E.max(x, y), 1, 1)).toEqual([0.5, 0.5]);
    expect(slopes(E.min(x, y), 1, 1)).toEqual([0.5, 0.5]);
    expect(slopes(E.max(x, y), 1, 2)).toEqual([0, 1]);
    expect(slopes(E.min(x, y), NaN, 1)[0]).toBe(1);
  });

  it("pow has no slope in the base at exponent 0, nor in the exponent at base 0", () => {
    expect(slopes(E.pow(x, y), 0, 0)).toEqual([0, 0]);
    expect(slopes(E.pow(x, y), 0, 2)).toEqual([0, 0]);
    expect(slopes(E.pow(x, y), 0, 1)).toEqual([1, 0]);
    expect(gradient(E.pow(x, 0), [x], g)[0]).toEqual(E.const("f64", 0));
    expect(slopes(E.pow(x, 2), 3)[0]).toBe(6);
  });

  it("atan2 is flat at the origin, hypot is not defined there", () => {
    expect(slopes(E.atan2(x, y), 0, 0).map(Math.abs)).toEqual([0, 0]);
    expect(slopes(E.hypot(x, y), 0, 0)).toEqual([NaN, NaN]);
  });

  it("a select keeps 0·∞ of the side not taken, but a gradient of that side is exactly 0", () => {
    expect(slopes(E.select(E.gt(x, 0), E.sqrt(x), 0), -1)[0]).toBeNaN();
    expect(slopes(E.select(E.gt(x, 0), x, y), -1, 2)).toEqual([0, 1]);
  });

  it("copysign and fmod", () => {
    expect(slopes(E.copysign(x, y), 0, -1)).toEqual([0, 0]);
    expect(slopes(E.copysign(x, y), 2, -1)).toEqual([-1, 0]);
    expect(slopes(E.fmod(x, y), 7, 2)).toEqual([1, -3]);
  });
});

describe("the shape of derivatives", () => {
  const result = E.var("f64", 9);
  const saved = (e: Expr): string =>
    [...freeVars(substitute(gradient(e, [x], g)[0] as Expr, e, result))].toSorted((a, b) => a - b).join(" ");

  it("uses the result where that is enough, so that it alone is saved", () => {
    for (const f of [E.exp, E.exp2, E.expm1, E.tan, E.tanh, E.sigmoid, E.sqrt, E.rsqrt, E.reciprocal, E.erfinv]) {
      expect(saved(f(x))).toBe("2 9");
    }
    for (const f of [E.log, E.sin, E.cos, E.erf, E.atan, E.abs]) expect(saved(f(x))).toBe("0 2");
    expect(saved(E.add(x, y))).toBe("2");
    expect(saved(E.mul(x, y))).toBe("1 2");
  });

  it("vanishes where it should: no zeros or ones are left", () => {
    expect(gradient(E.add(E.mul(x, 3), 1), [x, y], g)).toEqual([E.mul(g, 3), E.const("f64", 0)]);
    expect(derivative(E.mul(x, 3), x)).toEqual(E.const("f64", 3));
    expect(derivative(E.exp(y), x)).toEqual(E.const("f64", 0));
    expect(tangent(E.exp(y), new Map([[0, g]]))).toBeNull();
  });

  it("grows linearly with depth where subexpressions are shared", () => {
    let e: Expr = x;
    for (let i = 0; i < 200; i++) e = E.mul(E.sin(e), E.add(e, 1));
    const seen = new Set<Expr>();
    const count = (n: Expr): void => {
      if (seen.has(n)) return;
      seen.add(n);
      operands(n).forEach(count);
    };
    count(gradient(e, [x], g)[0] as Expr);
    expect(seen.size).toBeLessThan(200 * 14);
    expect(Number.isFinite(value(gradient(e, [x], g)[0] as Expr, 0.3))).toBe(true);
  });

  it("substitutes by structure", () => {
    const e = E.mul(E.exp(x), E.add(E.exp(x), y));
    expect(substitute(e, E.exp(x), result)).toEqual(E.mul(result, E.add(result, y)));
    expect(substitute(x, x, y)).toBe(y);
    const identity = new Identity();
    expect(identity.share(e)).toEqual(e);
    expect(identity.of(E.const("f64", -0))).not.toBe(identity.of(E.const("f64", 0)));
  });
});
