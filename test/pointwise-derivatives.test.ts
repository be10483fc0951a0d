/** Gradients of pointwise operators, of first and second order, against finite differences. */
import { describe, expect, it } from "vitest";
import * as torch from "flambeau";

type T = torch.Tensor;
const F = torch.nn.functional;
const S = torch.special;

const f64 = (data: unknown): T => torch.tensor(data as number[], { dtype: torch.float64 });
const leaf = (data: unknown): T => f64(data).requires_grad_();

/** The central difference of a function of one number. */
const difference = (f: (x: number) => number, x: number, h = 1e-4): number =>
  (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h);

const unary: Record<string, [(x: T) => T, number[]]> = {};
for (const name of [
  "exp exp2 expm1 sin cos tan asin acos atan sinh cosh tanh asinh atanh sigmoid erf erfc erfinv sinc deg2rad rad2deg",
  "i0 abs neg square",
]
  .join(" ")
  .split(" ")) {
  unary[name] = [(x) => (x as unknown as Record<string, () => T>)[name]!(), [-0.7, -0.31, 0.21, 0.83]];
}
for (const name of "log log2 log10 log1p sqrt rsqrt reciprocal lgamma digamma".split(" ")) {
  unary[name] = [(x) => (x as unknown as Record<string, () => T>)[name]!(), [0.3, 0.9, 2.7, 11.3]];
}
Object.assign(unary, {
  acosh: [(x: T) => x.acosh(), [1.3, 4]],
  logit: [(x: T) => torch.logit(x), [0.1, 0.7]],
  "logit with eps": [(x: T) => torch.logit(x, 0.2), [0.1, 0.7]],
  "pow 3": [(x: T) => x.pow(3), [-1.2, 0.7]],
  "pow 2.5": [(x: T) => x.pow(2.5), [0.4, 1.7]],
  "pow -1": [(x: T) => x.pow(-1), [-0.4, 1.7]],
  "2 to the power": [(x: T) => torch.pow(2, x), [-1.2, 0.7]],
  polygamma: [(x: T) => torch.polygamma(2, x), [0.7, 3.2]],
  mvlgamma: [(x: T) => torch.mvlgamma(x, 3), [2.5, 6]],
  i0e: [(x: T) => S.i0e(x), [-9.5, -2, 0.4, 7]],
  i1: [(x: T) => S.i1(x), [-9.5, -2, 0.4, 7]],
  i1e: [(x: T) => S.i1e(x), [-9.5, -2, 0.4, 7]],
  erfcx: [(x: T) => S.erfcx(x), [-1.5, 0.3, 4]],
  ndtr: [(x: T) => S.ndtr(x), [-1.5, 0.3]],
  log_ndtr: [(x: T) => S.log_ndtr(x), [-3.5, -0.5, 1.3]],
  ndtri: [(x: T) => S.ndtri(x), [0.02, 0.4, 0.95]],
  entr: [(x: T) => S.entr(x), [0.2, 1.7]],
  elu: [(x: T) => F.elu(x, 1.3), [-0.8, 0.6]],
  selu: [(x: T) => F.selu(x), [-0.8, 0.6]],
  celu: [(x: T) => F.celu(x, 2), [-0.8, 0.6]],
  gelu: [(x: T) => F.gelu(x), [-0.8, 0.6]],
  "gelu by tanh": [(x: T) => F.gelu(x, { approximate: "tanh" }), [-0.8, 0.6]],
  silu: [(x: T) => F.silu(x), [-0.8, 0.6]],
  mish: [(x: T) => F.mish(x), [-0.8, 0.6]],
  softplus: [(x: T) => F.softplus(x, 2, 5), [-0.8, 0.6, 4]],
  softsign: [(x: T) => F.softsign(x), [-0.8, 0.6]],
  tanhshrink: [(x: T) => F.tanhshrink(x), [-0.8, 0.6]],
  hardswish: [(x: T) => F.hardswish(x), [-4, -0.8, 0.6, 5]],
  logsigmoid: [(x: T) => F.logsigmoid(x), [-0.8, 0.6]],
  leaky_relu: [(x: T) => F.leaky_relu(x, 0.2), [-0.8, 0.6]],
  softshrink: [(x: T) => F.softshrink(x), [-0.8, 0.2, 0.6]],
});

describe("derivatives of first and second order agree with differences", () => {
  for (const [name, [f, points]] of Object.entries(unary)) {
    it(name, () => {
      const x = leaf(points);
      const y = f(x);
      const [g] = torch.autograd.grad([y.sum()], [x], { create_graph: true }) as [T];
      const value = (at: number): number => f(f64([at])).item() as number;
      const first = (at: number): number => {
        const z = leaf([at]);
        return (torch.autograd.grad([f(z).sum()], [z]) as [T])[0].item() as number;
      };
      const second = g.requires_grad ? (torch.autograd.grad([g.sum()], [x]) as [T])[0] : torch.zeros_like(x);
      points.forEach((at, i) => {
        expect(g.select(0, i).item()).toBeCloseTo(difference(value, at), 6);
        const curvature = difference(first, at);
        expect(Math.abs((second.select(0, i).item() as number) - curvature)).toBeLessThan(
          1e-6 * (1 + Math.abs(curvature)),
        );
      });
    });
  }
});

const binary: Record<string, [(x: T, y: T) => T, [number, number][]]> = {
  add: [(x, y) => torch.add(x, y, { alpha: 3 }), [[1, 2]]],
  sub: [(x, y) => torch.sub(x, y, { alpha: 3 }), [[1, 2]]],
  rsub: [(x, y) => torch.rsub(x, y), [[1, 2]]],
  mul: [(x, y) => torch.mul(x, y), [[1.5, -2]]],
  div: [(x, y) => torch.div(x, y), [[1.5, -2]]],
  remainder: [
    (x, y) => torch.remainder(x, y),
    [
      [5.3, 1.7],
      [-5.3, 1.7],
    ],
  ],
  fmod: [
    (x, y) => torch.fmod(x, y),
    [
      [5.3, 1.7],
      [-5.3, 1.7],
    ],
  ],
  pow: [
    (x, y) => torch.pow(x, y),
    [
      [1.4, -0.6],
      [0.3, 2],
    ],
  ],
  float_power: [(x, y) => torch.float_power(x, y), [[1.4, -0.6]]],
  atan2: [
    (x, y) => torch.atan2(x, y),
    [
      [1, -2],
      [-1, 0.5],
    ],
  ],
  hypot: [(x, y) => torch.hypot(x, y), [[1, -2]]],
  maximum: [(x, y) => torch.maximum(x, y), [[1, -2]]],
  fmin: [(x, y) => torch.fmin(x, y), [[1, -2]]],
  copysign: [(x, y) => torch.copysign(x, y), [[1, -2]]],
  xlogy: [(x, y) => torch.xlogy(x, y), [[1.2, 0.4]]],
  xlog1py: [(x, y) => S.xlog1py(x, y), [[1.2, 0.4]]],
  logaddexp: [
    (x, y) => torch.logaddexp(x, y),
    [
      [1.2, 0.4],
      [-50, 0.4],
    ],
  ],
  logaddexp2: [(x, y) => torch.logaddexp2(x, y), [[1.2, 0.4]]],
  ldexp: [(x, y) => torch.ldexp(x, y), [[1.2, 0.4]]],
  lerp: [(x, y) => torch.lerp(x, y, f64([0.3])), [[1.2, 0.4]]],
  addcmul: [(x, y) => torch.addcmul(x, x, y, { value: 0.7 }), [[1.2, 0.4]]],
  addcdiv: [(x, y) => torch.addcdiv(x, x, y, { value: 0.7 }), [[1.2, 0.4]]],
  "clamp by tensors": [
    (x, y) => torch.clamp(x, y, y.add(1)),
    [
      [0.7, 0.4],
      [0.2, 0.4],
      [2, 0.4],
    ],
  ],
  where: [
    (x, y) => torch.where(x.gt(y), x.square(), y),
    [
      [0.7, 0.4],
      [0.2, 0.4],
    ],
  ],
  prelu: [
    (x, y) => F.prelu(x, y),
    [
      [-0.7, 0.4],
      [0.7, 0.4],
    ],
  ],
  igamma: [(x, y) => torch.igamma(f64([1.7]), y).mul(x), [[1.7, 0.4]]],
  igammac: [(x, y) => torch.igammac(f64([1.7]), y).mul(x), [[1.7, 0.4]]],
};

describe("derivatives by either operand agree with differences", () => {
  for (const [name, [f, points]] of Object.entries(binary)) {
    it(name, () => {
      for (const [a, b] of points) {
        const [x, y] = [leaf([a]), leaf([b])];
        const grads = torch.autograd.grad([f(x, y).sum()], [x, y], {
          create_graph: true,
          allow_unused: true,
        }) as (T | null)[];
        const at = (p: number, q: number): number => f(f64([p]), f64([q])).item() as number;
        expect(grads[0]!.item()).toBeCloseTo(
          difference((p) => at(p, b), a),
          7,
        );
        expect(grads[1] === null ? 0 : grads[1]!.item()).toBeCloseTo(
          difference((q) => at(a, q), b),
          7,
        );
        const first = (p: number): number => {
          const z = leaf([p]);
          return (torch.autograd.grad([f(z, f64([b])).sum()], [z]) as [T])[0].item() as number;
        };
        const [second] = grads[0]!.requires_grad
          ? (torch.autograd.grad([grads[0]!.sum()], [x], { allow_unused: true }) as (T | null)[])
          : [null];
        expect(second == null ? 0 : second.item()).toBeCloseTo(difference(first, a), 6);
      }
    });
  }
});
