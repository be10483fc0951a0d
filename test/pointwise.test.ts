import { describe, expect, it } from "vitest";
import * as torch from "flambeau";

const { Tensor } = torch;
type T = torch.Tensor;
const F = torch.nn.functional;

const f64 = (data: unknown): T => torch.tensor(data as number[], { dtype: torch.float64 });
const leaf = (data: unknown): T => f64(data).requires_grad_();
const ints = (data: readonly number[], dtype = torch.int64): T => torch.tensor(data.map(BigInt)).to(dtype);
const values = (t: T): unknown => t.tolist();

/** The name and message of what `f` throws. */
function raised(f: () => unknown): string {
  try {
    f();
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
  return "nothing";
}

/** The gradient of the sum of `f`. */
const slope = (f: (x: T) => T, at: readonly number[]): unknown => {
  const x = leaf(at);
  f(x).sum().backward();
  return x.grad!.tolist();
};

describe("integer division", () => {
  it("refuses a zero divisor and leaves the operands as they were", () => {
    const x = ints([5, 6, 7]);
    const zero = ints([1, 0, 2]);
    for (const f of [
      () => x.floor_divide_(zero),
      () => x.remainder_(zero),
      () => x.fmod_(zero),
      () => x.div_(zero, { rounding_mode: "trunc" }),
      () => torch.floor_divide(x, 0),
      () => torch.remainder(x, 0),
      () => torch.fmod(x, 0),
      () => torch.remainder(7, zero),
      () => torch.div(x, zero, { rounding_mode: "floor" }),
    ]) {
      expect(raised(f)).toBe("RuntimeError: ZeroDivisionError");
    }
    expect(values(x)).toEqual([5, 6, 7]);
    expect(values(torch.remainder(ints([]), 0))).toEqual([]);
    expect(values(torch.div(ints([1, -1, 0]), 0))).toEqual([Infinity, -Infinity, NaN]);
  });

  it("rounds as Python and as C, and wraps at the least number", () => {
    const x = ints([7, -7, 7, -7]);
    const y = ints([2, 2, -2, -2]);
    expect(values(torch.floor_divide(x, y))).toEqual([3, -4, -4, 3]);
    expect(values(torch.div(x, y, { rounding_mode: "trunc" }))).toEqual([3, -3, -3, 3]);
    expect(values(torch.remainder(x, y))).toEqual([1, 1, -1, -1]);
    expect(values(torch.fmod(x, y))).toEqual([1, -1, 1, -1]);
    const least = ints([-(2 ** 31)], torch.int32);
    expect(values(torch.floor_divide(least, -1))).toEqual([-(2 ** 31)]);
    expect(values(torch.remainder(least, -1))).toEqual([0]);
  });

  it("takes floor of floats from the remainder", () => {
    expect(values(torch.floor_divide(f64([1, -1, 5, 1]), f64([0.1, 0.1, Infinity, 0])))).toEqual([9, -10, 0, Infinity]);
    expect(values(torch.remainder(f64([5.5, -5.5, 5.5]), f64([2, 2, -2])))).toEqual([1.5, 0.5, -0.5]);
  });
});

describe("numbers as operands", () => {
  it("promote by kind, and convert to the dtype that is computed in", () => {
    const i = ints([1, 2]);
    expect(torch.add(i, 2).dtype).toBe(torch.int64);
    expect(torch.add(i, 2.5).dtype).toBe(torch.float32);
    expect(torch.add(i, torch.pyfloat(2)).dtype).toBe(torch.float32);
    expect(torch.mul(torch.tensor([1]).half(), 2.5).dtype).toBe(torch.float16);
    expect(torch.add(torch.tensor([true]), true).dtype).toBe(torch.bool);
    expect(torch.add(torch.tensor([true]), 1).dtype).toBe(torch.int64);
    expect(torch.div(i, 2).dtype).toBe(torch.float32);
    expect(torch.float_power(i, 2).dtype).toBe(torch.float64);
    // 300 is 44 as a byte; 0.1 rounds to the 16-bit type.
    expect(values(ints([44], torch.uint8).eq(300))).toEqual([true]);
    expect(values(ints([44], torch.uint8).lt(300))).toEqual([false]);
    expect(values(torch.tensor([0.1]).half().eq(0.1))).toEqual([true]);
    expect(values(torch.tensor([0.1]).bfloat16().ge(0.1))).toEqual([true]);
    expect(values(ints([1], torch.int8).add(300))).toEqual([45]);
  });

  it("wrap integers of other widths before comparing and dividing", () => {
    const bytes = ints([0, 3, 200, 255], torch.uint8);
    const minusThree = ints([-3], torch.int8).reshape([]);
    expect(values(torch.maximum(bytes, minusThree))).toEqual([253, 253, 253, 255]);
    expect(values(torch.floor_divide(bytes, minusThree))).toEqual([0, 0, 0, 1]);
    const wide = ints([300]).reshape([]);
    expect(values(torch.remainder(ints([100], torch.int8), wide))).toEqual([12]);
  });

  it("follow the default dtype when it changes", () => {
    const i = ints([1, 4]);
    expect(torch.sqrt(i).dtype).toBe(torch.float32);
    torch.set_default_dtype(torch.float64);
    try {
      expect(torch.sqrt(i).dtype).toBe(torch.float64);
      expect(torch.add(i, 0.5).dtype).toBe(torch.float64);
      expect(torch.div(i, i).dtype).toBe(torch.float64);
    } finally {
      torch.set_default_dtype(torch.float32);
    }
    expect(torch.sqrt(i).dtype).toBe(torch.float32);
  });
});

describe("what operators refuse", () => {
  it("says so in PyTorch's words", () => {
    const b = torch.tensor([true, false]);
    const i = ints([1, 2]);
    const f = torch.tensor([1, 2.5]);
    const cases: [() => unknown, string][] = [
      [() => b.sub(b), "RuntimeError: Subtraction, the `-` operator, with two bool tensors is not supported."],
      [() => i.sub(true), "RuntimeError: Subtraction, the `-` operator, with a bool tensor is not supported."],
      [() => b.neg(), "RuntimeError: Negation, the `-` operator, on a bool tensor is not supported."],
      [() => i.add(i, { alpha: 1.5 }), "RuntimeError: For integral input tensors, argument alpha must not be"],
      [() => i.add(i, { alpha: true }), "RuntimeError: Boolean alpha only supported for Boolean results."],
      [() => i.pow(-1), "RuntimeError: Integers to negative integer powers are not allowed."],
      [() => i.add_(f), "RuntimeError: result type Float can't be cast to the desired output type Long"],
      [() => i.exp_(), "RuntimeError: result type Float can't be cast to the desired output type Long"],
      [() => f.bitwise_and(i), `NotImplementedError: "bitwise_and_cpu" not implemented for 'Float'`],
      [() => torch.clamp(f), "RuntimeError: torch.clamp: At least one of 'min' or 'max' must not be None"],
      [() => ints([1], torch.uint8).clamp(null, 300), "RuntimeError: value cannot be converted to type uint8_t"],
      [() => torch.where(f, 1, 2), "RuntimeError: where expected condition to be a boolean tensor, but got a tensor"],
      [() => torch.div(f, f, { rounding_mode: "up" as "floor" }), "RuntimeError: div expected rounding_mode to be one"],
      [() => torch.isclose(f, f.double()), "RuntimeError: Float did not match Double"],
      [() => torch.isclose(f, f, { rtol: -1 }), "RuntimeError: rtol must be greater than or equal to zero, but got -1"],
      [() => torch.lerp(f, f.double(), 0.5), "RuntimeError: expected dtype float for `end` but got dtype double"],
      [() => torch.relu(b), "RuntimeError: Boolean inputs not supported for relu"],
      [
        () => F.gelu(f, { approximate: "x" as "none" }),
        "RuntimeError: approximate argument must be either none or tanh.",
      ],
      [() => F.glu(torch.ones(3)), "RuntimeError: Halving dimension must be even, but dimension 0 is size 3"],
      [() => f.add(torch.ones(3)), "RuntimeError: The size of tensor a (2) must match the size of tensor b (3)"],
      [() => torch.ones(1).add_(f), "RuntimeError: output with shape [1] doesn't match the broadcast shape [2]"],
      [() => torch.ones(1).expand(3).add_(1), "RuntimeError: unsupported operation: more than one element"],
      [
        () => torch.atan2(f, 2 as unknown as T),
        "TypeError: atan2(): argument 'other' (position 2) must be Tensor, not int",
      ],
    ];
    for (const [f, message] of cases) expect(raised(f)).toContain(message);
    expect(values(i)).toEqual([1, 2]);
  });
});

describe("derivatives at corners", () => {
  it("are PyTorch's choice", () => {
    expect(slope((x) => x.abs(), [0, NaN])).toEqual([0, 0]);
    expect(slope((x) => torch.relu(x), [0, 1])).toEqual([0, 1]);
    expect(slope((x) => F.leaky_relu(x, 0.1), [0])).toEqual([0.1]);
    expect(slope((x) => F.elu(x), [0])).toEqual([1]);
    expect(slope((x) => F.relu6(x), [0, 6])).toEqual([0, 0]);
    expect(slope((x) => F.hardtanh(x), [-1, 1])).toEqual([0, 0]);
    expect(slope((x) => F.hardsigmoid(x), [-3, 3])).toEqual([0, 0]);
    expect(slope((x) => F.hardshrink(x), [0.5, -0.5])).toEqual([0, 0]);
    expect(slope((x) => F.elu(x).add(F.hardtanh(x)).add(F.softshrink(x)), [NaN])).toEqual([3]);
    expect(slope((x) => F.softshrink(x), [0.5])).toEqual([0]);
    expect(slope((x) => F.threshold(x, 1, 5), [1, 2])).toEqual([0, 1]);
    expect(slope((x) => x.clamp(0, 1), [0, 1, -1, 2])).toEqual([1, 1, 0, 0]);
    expect(slope((x) => x.sqrt(), [0])).toEqual([Infinity]);
    expect(slope((x) => x.sign().add(x.floor()).add(x.round()), [0.5])).toEqual([0]);
    expect(slope((x) => x.pow(0), [0])).toEqual([0]);
    expect(slope((t) => torch.pow(0, t), [0, 1])).toEqual([0, 0]);
    expect(slope((x) => torch.sinc(x), [0])).toEqual([0]);
    expect(slope((x) => torch.where(x.gt(0), x.sqrt(), 0), [-1])).toEqual([NaN]);
    expect(slope((x) => x.remainder(3), [4])).toEqual([1]);
    expect(slope((x) => x.nan_to_num(), [NaN, Infinity, 2])).toEqual([0, 0, 1]);
  });

  it("share ties of maximum, and give all to one of fmax", () => {
    const [x, y] = [leaf([1, 2, NaN]), leaf([1, 1, 1])];
    torch.maximum(x, y).sum().backward();
    expect([values(x.grad!), values(y.grad!)]).toEqual([
      [0.5, 1, 1],
      [0.5, 0, 1],
    ]);
    const [a, b] = [leaf([1, 2, NaN]), leaf([1, 1, 1])];
    torch.fmax(a, b).sum().backward();
    expect([values(a.grad!), values(b.grad!)]).toEqual([
      [1, 1, 0],
      [0, 0, 1],
    ]);
    const [u, v] = [leaf([0]), leaf([0])];
    torch.atan2(u, v).sum().backward();
    expect(values(u.grad!.abs().add(v.grad!.abs()))).toEqual([0]);
  });

  it("are zero behind a comparison in place", () => {
    const x = leaf([1, 2]);
    const y = x.mul(3);
    y.eq_(3);
    expect(y.grad_fn!.name()).toBe("EqBackward0");
    y.sum().backward();
    expect(values(x.grad!)).toEqual([0, 0]);
    expect(raised(() => leaf([1]).lt_(2))).toContain("a leaf Variable that requires grad");
  });

  it("that PyTorch has not written throw in backward", () => {
    const x = leaf([1]);
    expect(
      raised(() =>
        torch
          .heaviside(x, f64([1]))
          .sum()
          .backward(),
      ),
    ).toBe("NotImplementedError: the derivative for 'heaviside' is not implemented.");
  });
});

it("nodes have the names of PyTorch's overloads", () => {
  const x = leaf([1.5]);
  const names: [T, string][] = [
    [x.pow(2), "PowBackward0"],
    [x.pow(x), "PowBackward1"],
    [torch.pow(2, x), "PowBackward2"],
    [torch.xlogy(x, x), "XlogyBackward0"],
    [torch.xlogy(2, x), "XlogyBackward1"],
    [torch.xlogy(x, 2), "XlogyBackward2"],
    [torch.rsub(x, 1), "RsubBackward1"],
    [torch.rsub(x, x), "RsubBackward0"],
    [x.remainder(2), "RemainderBackward0"],
    [x.remainder(x), "RemainderBackward1"],
    [x.div(2, { rounding_mode: "floor" }), "DivBackward2"],
    [x.div(2), "DivBackward0"],
    [x.clamp(0, 1), "ClampBackward1"],
    [x.clamp(x, x), "ClampBackward0"],
    [x.clamp_min(0), "ClampMinBackward0"],
    [x.clamp_max(x), "ClampMaxBackward1"],
    [x.log1p(), "Log1PBackward0"],
    [x.deg2rad(), "Deg2RadBackward0"],
    [x.lerp(x, 0.5), "LerpBackward0"],
    [x.lerp(x, x), "LerpBackward1"],
    [x.round(), "RoundBackward0"],
    [x.round({ decimals: 1 }), "RoundBackward1"],
    [torch.special.i0e(x), "SpecialI0EBackward0"],
    [torch.special.ndtr(x), "MulBackward1"],
    [F.relu6(x), "HardtanhBackward0"],
    [F.selu(x), "EluBackward0"],
    [F.softsign(x), "DivBackward0"],
  ];
  for (const [y, name] of names) expect(y.grad_fn!.name()).toBe(name);
  expect(x.floor_divide(2).requires_grad).toBe(false);
  expect(torch.special.bessel_j0(x).requires_grad).toBe(false);
});

describe("choices and limits", () => {
  it("where takes tensors, numbers, or a condition alone", () => {
    const c = torch.tensor([true, false, true]);
    expect(values(torch.where(c, 1, 2))).toEqual([1, 2, 1]);
    expect(torch.where(c, 1, 2).dtype).toBe(torch.int64);
    expect(torch.where(c, 1.5, 2).dtype).toBe(torch.float32);
    expect(values(torch.where(c, ints([1, 2, 3]), 2.5))).toEqual([1, 2.5, 3]);
    expect(values(f64([1, 2, 3]).where(c, f64([7, 8, 9])))).toEqual([1, 8, 3]);
    expect(torch.where(c).map(values)).toEqual([[0, 2]]);
    expect(values(torch.where(c.unsqueeze(1), f64([1, 2]), f64([[5], [6], [7]])))).toEqual([
      [1, 2],
      [6, 6],
      [1, 2],
    ]);
  });

  it("clamp keeps NaN, and lets the upper limit win", () => {
    expect(values(f64([NaN, -1, 5]).clamp(0, 1))).toEqual([NaN, 0, 1]);
    expect(values(f64([0, 5]).clamp(3, 1))).toEqual([1, 1]);
    expect(values(f64([1, 2]).clamp({ max: 1.5 }))).toEqual([1, 1.5]);
    expect(values(ints([1, 2]).clamp(1.5))).toEqual([1.5, 2]);
    const x = f64([-1, 3]);
    expect(x.clamp_(0, 2)).toBe(x);
    expect(values(x)).toEqual([0, 2]);
    expect(values(f64([NaN, Infinity, -Infinity]).nan_to_num(1, 2, 3))).toEqual([1, 2, 3]);
    expect(torch.tensor([Infinity]).half().nan_to_num().item()).toBe(65504);
  });

  it("tests of values", () => {
    const x = f64([NaN, Infinity, -Infinity, -0, 1]);
    expect(values(torch.isnan(x))).toEqual([true, false, false, false, false]);
    expect(values(torch.isinf(x))).toEqual([false, true, true, false, false]);
    expect(values(torch.isfinite(x))).toEqual([false, false, false, true, true]);
    expect(values(torch.isneginf(x))).toEqual([false, false, true, false, false]);
    expect(values(torch.signbit(x))).toEqual([false, false, true, true, false]);
    expect(values(torch.isfinite(ints([1])))).toEqual([true]);
    expect(torch.allclose(f64([1, NaN]), f64([1 + 1e-9, NaN]))).toBe(false);
    expect(torch.allclose(f64([1, NaN]), f64([1 + 1e-9, NaN]), { equal_nan: true })).toBe(true);
    expect(torch.equal(f64([1, 2]), f64([1, 2]))).toBe(true);
    expect(torch.equal(f64([1, 2]), f64([[1, 2]]))).toBe(false);
    expect(values(torch.heaviside(f64([-1, 0, 2, NaN]), f64([0.5])))).toEqual([0, 0.5, 1, 0]);
    expect(values(torch.copysign(f64([1, -2]), -0))).toEqual([-1, -2]);
  });
});

describe("integers", () => {
  it("bits, shifts and divisors", () => {
    const x = ints([6, -5, 0]);
    expect(values(torch.bitwise_and(x, 3))).toEqual([2, 3, 0]);
    expect(values(torch.bitwise_not(x))).toEqual([-7, 4, -1]);
    expect(values(torch.bitwise_left_shift(ints([1, 1, 1]), ints([3, 64, -1])))).toEqual([8, 0, 0]);
    expect(values(torch.bitwise_right_shift(ints([-8, -8, 8]), ints([1, 70, 70])))).toEqual([-4, -1, 0]);
    expect(values(torch.bitwise_left_shift(ints([1], torch.int8), 7))).toEqual([-128]);
    expect(values(torch.gcd(ints([12, -18, 0]), ints([18, 12, 0])))).toEqual([6, 6, 0]);
    expect(values(torch.lcm(ints([4, -6, 0]), ints([6, 4, 5])))).toEqual([12, 12, 0]);
    expect(values(x.__rand__(3))).toEqual([2, 3, 0]);
    expect(values(x.__rsub__(1))).toEqual([-5, 6, 1]);
    expect(values(ints([2, 3]).__rpow__(2))).toEqual([4, 8]);
    expect(values(ints([2, 3]).pow(ints([62, -1])))).toEqual([2n ** 62n, 0]);
    expect(values(ints([3], torch.int8).pow(5))).toEqual([-13]);
    expect(values(torch.logical_xor(f64([0, 2, 0]), f64([0, 0, NaN])))).toEqual([false, true, true]);
  });
});

describe("activation functions", () => {
  it("work in place when asked", () => {
    const x = f64([-1, 2]);
    const y = F.relu(x, { inplace: true });
    expect(y).toBe(x);
    expect(values(x)).toEqual([0, 2]);
    const z = leaf([-1, 2]);
    const w = z.mul(1);
    F.elu(w, 1, true);
    w.sum().backward();
    expect(values(z.grad!)).toEqual([Math.exp(-1), 1]);
    expect(F.hardtanh_(f64([-3]), -2, 2).item()).toBe(-2);
    expect(raised(() => F.hardtanh(x, 2, 1))).toBe("ValueError: min_val cannot be greater than max_val");
    expect(raised(() => F.celu(x, 0))).toContain("ZeroDivisionError");
  });

  it("prelu has a weight for each channel, glu halves, rrelu draws within its limits", () => {
    const x = f64([[-1, -1, 2]]);
    expect(values(F.prelu(x, f64([0.1, 0.2, 0.3])))).toEqual([[-0.1, -0.2, 2]]);
    expect(raised(() => F.prelu(x, f64([1, 2])))).toContain("Found parameter numbers = 2 and channel size = 3.");
    expect(values(F.glu(f64([[1, 2, 0, 0]])))).toEqual([[0.5, 1]]);
    torch.manual_seed(3);
    const drawn = F.rrelu(f64(Array.from({ length: 200 }, () => -1)), 0.2, 0.4, true).tolist() as number[];
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(-0.4);
    expect(Math.max(...drawn)).toBeLessThanOrEqual(-0.2);
    expect(new Set(drawn).size).toBeGreaterThan(190);
    expect(F.rrelu(f64([-1]), 0.2, 0.4).item()).toBeCloseTo(-0.3, 12);
  });

  it("stay finite far out", () => {
    const x = f64([-1000, -50, 50, 1000]);
    const all = [
      F.silu,
      F.mish,
      F.softplus,
      F.logsigmoid,
      F.gelu,
      F.elu,
      F.selu,
      torch.sigmoid,
      torch.tanh,
      F.softsign,
    ];
    for (const f of all as ((x: T) => T)[]) {
      const y = leaf(x.tolist());
      f(y).sum().backward();
      expect(values(torch.isfinite(f(x)))).toEqual([true, true, true, true]);
      expect(values(torch.isfinite(y.grad!))).toEqual([true, true, true, true]);
    }
  });
});

describe("layouts", () => {
  it("transposed, expanded, 0-d and empty operands", () => {
    const a = f64([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const t = a.t();
    const sum = torch.add(t, t);
    expect(values(sum)).toEqual([
      [2, 8],
      [4, 10],
      [6, 12],
    ]);
    expect(sum.stride()).toEqual([1, 3]);
    expect(values(torch.mul(f64([1, 2]).unsqueeze(1).expand(2, 3), a))).toEqual([
      [1, 2, 3],
      [8, 10, 12],
    ]);
    expect(torch.exp(f64(0)).shape).toEqual([]);
    expect(torch.add(torch.empty(0, 3), torch.ones(1, 3)).shape).toEqual([0, 3]);
    const whole = f64([1, 2, 3, 4]);
    whole.narrow(0, 1, 3).add_(whole.narrow(0, 0, 3));
    expect(values(whole)).toEqual([1, 3, 5, 7]);
    const out = torch.empty(2, 3, { dtype: torch.float64 });
    expect(torch.exp(a, { out })).toBe(out);
    expect(out.select(0, 0).select(0, 0).item()).toBe(Math.exp(1));
  });

  it("frexp and nextafter take numbers apart", () => {
    const { mantissa, exponent } = torch.frexp(f64([8, -0.3, 0, 5e-324, Infinity]));
    expect(values(mantissa)).toEqual([0.5, -0.6, 0, 0.5, Infinity]);
    expect(values(exponent)).toEqual([4, -1, 0, -1073, 0]);
    expect(exponent.dtype).toBe(torch.int32);
    expect(torch.nextafter(f64([1]), f64([2])).item()).toBe(1 + 2 ** -52);
    expect(torch.nextafter(torch.tensor([1]), torch.tensor([0])).item()).toBe(1 - 2 ** -24);
    const half = (x: number): T => torch.tensor([x]).half();
    expect(torch.nextafter(half(1), half(2)).item()).toBe(1 + 2 ** -10);
    expect(torch.nextafter(half(0), half(-1)).item()).toBe(-(2 ** -24));
    expect(torch.nextafter(half(2 ** -14), half(0)).item()).toBe(2 ** -14 - 2 ** -24);
    const brain = (x: number): T => torch.tensor([x]).bfloat16();
    expect(torch.nextafter(brain(1), brain(2)).item()).toBe(1 + 2 ** -7);
  });
});

it("results are tensors of the library", () => {
  expect(torch.add(f64([1]), 1)).toBeInstanceOf(Tensor);
  expect(torch.absolute).toBe(torch.abs);
  expect(torch.clip).toBe(torch.clamp);
  expect(raised(() => torch.add(1, 2))).toContain("TypeError");
});
