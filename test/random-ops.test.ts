import * as torch from "flambeau";
import { beforeEach, describe, expect, it } from "vitest";

beforeEach(() => {
  torch.manual_seed(0);
});

const f64 = { dtype: torch.float64 };

describe("a seed gives PyTorch's numbers", () => {
  it("uniform and normal ones", () => {
    expect(torch.rand(2).tolist()).toEqual([0.49625658988952637, 0.7682217955589294]);
    torch.manual_seed(0);
    expect(String(torch.randn(3))).toBe("tensor([ 1.5410, -0.2934, -2.1788])");
    torch.manual_seed(0);
    expect(String(torch.randn([2, 2], f64))).toContain("1.5410");
  });

  it("orders and integers", () => {
    expect(torch.randperm(5).tolist()).toEqual([4, 0, 1, 3, 2]);
    torch.manual_seed(0);
    expect(torch.randint(0, 10, [4]).tolist()).toEqual([4, 9, 3, 0]);
    expect(torch.randint(3, [2, 2]).dtype).toBe(torch.int64);
  });

  it("the first values of a layer", () => {
    const layer = new torch.nn.Linear(2, 1);
    expect(String(layer.weight)).toBe("Parameter containing:\ntensor([[-0.0053,  0.3793]], requires_grad=True)");
  });
});

describe("generators", () => {
  it("are independent, and can be brought back", () => {
    const [a, b] = [new torch.Generator().manual_seed(7), new torch.Generator().manual_seed(7)];
    torch.rand(3);
    expect(torch.rand([2], { generator: a }).tolist()).toEqual(torch.rand(2, { generator: b }).tolist());
    const state = a.get_state();
    expect([state.dtype, state.shape]).toEqual([torch.uint8, [5056]]);
    const next = torch.randn([3], { generator: a }).tolist();
    a.set_state(state);
    expect(torch.randn([3], { generator: a }).tolist()).toEqual(next);
    expect(b.clone_state().initial_seed()).toBe(7);
    expect(() => a.set_state(torch.zeros(3))).toThrow("RNG state must be a torch.ByteTensor");
    expect(() => torch.rand(2, { generator: 3 as never })).toThrow("expected a 'torch.Generator', but got int");
  });

  it("leave no trace in a fork", () => {
    const whole = torch.rand(4).tolist() as number[];
    torch.manual_seed(0);
    const first = torch.rand(2).tolist() as number[];
    torch.random.fork_rng(() => torch.rand(100));
    expect([...first, ...(torch.rand(2).tolist() as number[])]).toEqual(whole);
  });

  it("take seeds of 64 bits", () => {
    expect(torch.manual_seed(2n ** 63n + 1n)).toBe(torch.default_generator);
    expect(torch.initial_seed()).toBe(2n ** 63n + 1n);
    expect(() => torch.manual_seed(2n ** 64n)).toThrow("Overflow when unpacking long long");
  });
});

describe("random numbers in place", () => {
  it("are drawn in the order of memory, whatever the strides", () => {
    const flat = torch.empty(6).uniform_().tolist() as number[];
    torch.manual_seed(0);
    const turned = torch.empty(2, 3).t().uniform_();
    expect(turned.t().reshape(-1).tolist()).toEqual(flat);
    torch.manual_seed(0);
    const half = torch.empty(4, { dtype: torch.float16 }).uniform_();
    expect(half.dtype).toBe(torch.float16);
    expect(half.lt(1).all().item()).toBe(true);
  });

  it("count as a modification without gradient", () => {
    const x = torch.ones(4, { requires_grad: true });
    const y = x.mul(2);
    y.narrow(0, 0, 2).normal_();
    expect(y.grad_fn?.name()).toBe("torch::autograd::CopySlices");
    y.sum().backward();
    expect(x.grad?.tolist()).toEqual([0, 0, 2, 2]);
    expect(() => x.uniform_()).toThrow("a leaf Variable that requires grad is being used in an in-place operation.");
    expect(x.tolist()).toEqual([1, 1, 1, 1]);
    expect(torch.ones(2, { requires_grad: true }).mul(1).bernoulli_().grad_fn?.name()).toBe("BernoulliBackward0");
  });

  it("refuse bad arguments and leave the tensor and the stream as they were", () => {
    const x = torch.ones(2);
    const state = torch.get_rng_state();
    expect(() => x.uniform_(3, 1)).toThrow("uniform_ expects to return a [from, to) range, but found from=3 > to=1");
    expect(() => x.normal_(0, -1)).toThrow("normal expects std >= 0.0, but found std -1");
    expect(() => x.geometric_(2)).toThrow("geometric_ expects p to be in (0, 1), but got p=2");
    expect(() => x.random_(5, 5)).toThrow("random_ expects 'from' to be less than 'to', but got from=5 >= to=5");
    expect(() => x.expand(3, 2).uniform_()).toThrow(/more than one element of the written-to tensor/);
    expect(() => torch.ones(2, { dtype: torch.int32 }).normal_()).toThrow(
      "\"normal_kernel_cpu\" not implemented for 'Int'",
    );
    expect(x.tolist()).toEqual([1, 1]);
    expect(torch.equal(torch.get_rng_state(), state)).toBe(true);
  });
});

describe("distributions have the moments they should have", () => {
  const n = 20_000;
  const moments = (t: torch.Tensor): [number, number] => [
    Number(t.double().mean().item()),
    Number(t.double().std().item()),
  ];
  const cases: [string, () => torch.Tensor, mean: number, std: number][] = [
    ["rand", () => torch.rand(n), 0.5, Math.sqrt(1 / 12)],
    ["randn", () => torch.randn([n], f64), 0, 1],
    ["normal of tensors", () => torch.normal(torch.full([n], 3), torch.full([n], 2)), 3, 2],
    ["exponential_", () => torch.empty(n).exponential_(2), 0.5, 0.5],
    ["geometric_", () => torch.empty(n).geometric_(0.25), 4, Math.sqrt(12)],
    ["log_normal_", () => torch.empty(n).log_normal_(0, 0.5).log(), 0, 0.5],
    ["bernoulli_", () => torch.empty(n).bernoulli_(0.3), 0.3, Math.sqrt(0.21)],
    ["bernoulli", () => torch.bernoulli(torch.full([n], 0.3)), 0.3, Math.sqrt(0.21)],
    ["poisson", () => torch.poisson(torch.full([n], 20)), 20, Math.sqrt(20)],
    ["randint", () => torch.randint(0, 10, [n]), 4.5, Math.sqrt(99 / 12)],
    ["random_ of bytes", () => torch.empty(n, { dtype: torch.uint8 }).random_(), 127.5, Math.sqrt((2 ** 16 - 1) / 12)],
    ["multinomial", () => torch.multinomial(torch.tensor([1, 3]), n, true), 0.75, Math.sqrt(3 / 16)],
    ["dropout", () => torch.nn.functional.dropout(torch.ones(n), 0.75), 1, Math.sqrt(3)],
    ["alpha_dropout", () => torch.nn.functional.alpha_dropout(torch.randn(n), 0.3, true), 0, 1],
  ];
  for (const [name, draw, mean, std] of cases) {
    it(name, () => {
      const [m, s] = moments(draw());
      expect(Math.abs(m - mean)).toBeLessThan((5 * std) / Math.sqrt(n));
      expect(Math.abs(s / std - 1)).toBeLessThan(0.05);
    });
  }
});

describe("dropout", () => {
  it("has the mask's gradient, and none of it in evaluation", () => {
    const x = torch.ones(8, { requires_grad: true });
    const y = torch.nn.functional.dropout(x, 0.5);
    expect(y.grad_fn?.name()).toBe("MulBackward0");
    y.sum().backward();
    expect(x.grad?.tolist()).toEqual(y.tolist());
    expect(torch.nn.functional.dropout(x, { p: 0.5, training: false })).toBe(x);
    expect(torch.nn.functional.dropout(x, 1).tolist()).toEqual(new Array(8).fill(0));
  });

  it("of channels keeps or drops whole ones", () => {
    const y = torch.nn.functional.dropout2d(torch.ones(2, 4, 3, 3), 0.5).sum([2, 3]);
    for (const v of y.reshape(-1).tolist() as number[]) expect([0, 18]).toContain(v);
    expect(() => torch.nn.functional.dropout(torch.ones(2), 1.5)).toThrow(
      "dropout probability has to be between 0 and 1, but got 1.5",
    );
    expect(() => torch.feature_dropout(torch.ones(2), 0.5, true)).toThrow(
      "Feature dropout requires at least 2 dimensions in the input",
    );
  });

  it("in place changes the input itself", () => {
    const x = torch.ones(100);
    expect(torch.nn.functional.dropout(x, { p: 0.5, inplace: true })).toBe(x);
    expect(new Set(x.tolist() as number[])).toEqual(new Set([0, 2]));
  });
});

describe("masks", () => {
  it("compare the same random numbers, in any dtype and over the ends of blocks", () => {
    // An odd number of words first, so that a pair spans two blocks of 624.
    const draw = (dtype: torch.dtype): number[] => {
      torch.manual_seed(3);
      torch.rand(1);
      return torch.empty(2000, { dtype }).bernoulli_(0.4).tolist() as number[];
    };
    torch.manual_seed(3);
    torch.rand(1);
    const uniform = torch.rand([2000], f64).tolist() as number[];
    const expected = uniform.map((u) => Number(u < 0.4));
    expect(draw(torch.float32)).toEqual(expected);
    expect(draw(torch.float64)).toEqual(expected);
    expect(draw(torch.int64)).toEqual(expected);
    expect(draw(torch.bfloat16)).toEqual(expected);
  });
});

describe("shapes and dtypes", () => {
  it("of factories", () => {
    expect(torch.rand(0).shape).toEqual([0]);
    expect(torch.rand([]).shape).toEqual([]);
    expect(torch.rand(2, 3, { requires_grad: true }).requires_grad).toBe(true);
    expect(torch.randn_like(torch.zeros(3, 2).t()).stride()).toEqual([1, 2]);
    expect(torch.randint_like(torch.zeros(3), 5).dtype).toBe(torch.float32);
    expect(torch.randperm(4, { dtype: torch.float32 }).dtype).toBe(torch.float32);
    expect(torch.normal(0, 1, [2, 2]).shape).toEqual([2, 2]);
    expect(() => torch.rand(2, { dtype: torch.int64 })).toThrow("\"check_uniform_bounds\" not implemented for 'Long'");
    expect(() => torch.randperm(-1)).toThrow("Trying to create tensor with negative dimension -1: [-1]");
    expect(() => torch.randint(10)).toThrow("randint() missing 1 required positional argument: 'size'");
  });
});
