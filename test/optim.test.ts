import * as torch from "flambeau";
import { describe, expect, it, vi } from "vitest";

const { optim } = torch;
type Params = Iterable<torch.Tensor>;

/** A badly scaled bowl, whose minimum is at (3, -2). */
function descend(make: (params: Params) => torch.optim.Optimizer, steps: number, dtype: torch.dtype = torch.float64) {
  const p = torch.tensor([0, 0], { dtype, requires_grad: true });
  const target = torch.tensor([3, -2], { dtype });
  const scale = torch.tensor([1, 4], { dtype });
  const optimizer = make([p]);
  const closure = (): torch.Tensor => {
    optimizer.zero_grad();
    const loss = p.sub(target).pow(2).mul(scale).sum();
    loss.backward();
    return loss;
  };
  for (let i = 0; i < steps; i++) optimizer.step(closure);
  return { p, optimizer, distance: Number(p.detach().sub(target).abs().max().item()) };
}

const all: [string, (params: Params) => torch.optim.Optimizer, number][] = [
  ["SGD", (p) => new optim.SGD(p, { lr: 0.05 }), 200],
  ["SGD with momentum", (p) => new optim.SGD(p, { lr: 0.02, momentum: 0.9, nesterov: true }), 200],
  ["Adam", (p) => new optim.Adam(p, { lr: 0.1, amsgrad: true }), 500],
  ["AdamW", (p) => new optim.AdamW(p, { lr: 0.1, weight_decay: 0 }), 500],
  ["Adamax", (p) => new optim.Adamax(p, { lr: 0.1 }), 500],
  ["NAdam", (p) => new optim.NAdam(p, { lr: 0.1 }), 500],
  ["RAdam", (p) => new optim.RAdam(p, { lr: 0.1 }), 500],
  ["RMSprop", (p) => new optim.RMSprop(p, { lr: 0.01, centered: true, momentum: 0.5 }), 600],
  ["Adagrad", (p) => new optim.Adagrad(p, { lr: 0.5 }), 500],
  ["Adadelta", (p) => new optim.Adadelta(p, { lr: 20 }), 500],
  ["Rprop", (p) => new optim.Rprop(p, { lr: 0.1 }), 100],
  ["ASGD", (p) => new optim.ASGD(p, { lr: 0.05 }), 300],
  ["Adafactor", (p) => new optim.Adafactor(p, { lr: 0.3 }), 600],
  ["LBFGS", (p) => new optim.LBFGS(p, { line_search_fn: "strong_wolfe" }), 5],
];

describe("optimizers find the minimum", () => {
  for (const [name, make, steps] of all) {
    it(name, () => {
      expect(descend(make, steps).distance).toBeLessThan(0.05);
    });
  }

  it("Muon, of matrices", () => {
    const p = torch.zeros(2, 3, { requires_grad: true });
    const target = torch.tensor([
      [1, -1, 2],
      [0, 1, 1],
    ]);
    const optimizer = new optim.Muon([p], { lr: 0.02, weight_decay: 0 });
    for (let i = 0; i < 300; i++) {
      optimizer.zero_grad();
      p.sub(target).pow(2).sum().backward();
      optimizer.step();
    }
    expect(Number(p.detach().sub(target).abs().max().item())).toBeLessThan(0.1);
  });
});

describe("the arithmetic of a step", () => {
  const step = (optimizer: torch.optim.Optimizer, p: torch.Tensor, grad: number[]): number[] => {
    p.grad = torch.tensor(grad, { dtype: p.dtype });
    optimizer.step();
    return p.tolist() as number[];
  };

  it("of SGD with momentum, dampening and weight decay", () => {
    const p = torch.tensor([1, 2], { dtype: torch.float64, requires_grad: true });
    const optimizer = new optim.SGD([p], { lr: 0.1, momentum: 0.9, dampening: 0.5, weight_decay: 0.01 });
    // The first momentum is the whole gradient.
    expect(step(optimizer, p, [1, -1])).toEqual([1 - 0.1 * 1.01, 2 - 0.1 * (-1 + 0.02)]);
    const before = 0.899;
    const momentum = 0.9 * 1.01 + 0.5 * (1 + 0.01 * before);
    expect(step(optimizer, p, [1, -1])[0]).toBeCloseTo(before - 0.1 * momentum, 14);
  });

  it("of AdamW, whose decay does not go through the averages", () => {
    const p = torch.tensor([1], { dtype: torch.float64, requires_grad: true });
    const optimizer = new optim.AdamW([p], { lr: 0.1, weight_decay: 0.5 });
    // The first step is the learning rate, whatever the gradient.
    expect(step(optimizer, p, [1e-3])[0]).toBeCloseTo(1 * (1 - 0.1 * 0.5) - 0.1, 5);
    const state = optimizer.state.get(p) as Record<string, torch.Tensor>;
    expect((state["exp_avg"] as torch.Tensor).item()).toBeCloseTo(1e-4, 12);
    expect((state["exp_avg_sq"] as torch.Tensor).item()).toBeCloseTo(1e-9, 15);
    expect((state["step"] as torch.Tensor).item()).toBe(1);
  });

  it("does not depend on how parameters lie in memory", () => {
    const values = torch.arange(6, { dtype: torch.float32 }).view(2, 3);
    const flat = new torch.nn.Parameter(values.clone());
    const turned = new torch.nn.Parameter(values.t().contiguous().t());
    expect(turned.stride()).toEqual([1, 2]);
    for (const p of [flat, turned]) {
      const optimizer = new optim.Adam([p], { lr: 0.1, weight_decay: 0.1 });
      for (let i = 0; i < 3; i++) {
        p.grad = torch.ones(1, 3).expand(2, 3);
        optimizer.step();
      }
    }
    expect(turned.tolist()).toEqual(flat.tolist());
  });

  it("counts the version up, so that backward notices", () => {
    const p = torch.ones(2, { requires_grad: true });
    const loss = p.mul(p).sum();
    p.grad = torch.ones(2);
    new optim.Adam([p]).step();
    expect(p._version).toBe(1);
    expect(() => loss.backward()).toThrow(/modified by an inplace operation/);
  });

  it("leaves parameters without a gradient alone", () => {
    const [p, q] = [torch.ones(2, { requires_grad: true }), torch.ones(2, { requires_grad: true })];
    const optimizer = new optim.Adam([p, q], { weight_decay: 1 });
    expect(step(optimizer, p, [1, 1])).not.toEqual([1, 1]);
    expect(q.tolist()).toEqual([1, 1]);
    expect(optimizer.state.has(q)).toBe(false);
  });
});

describe("groups and states", () => {
  it("have options of their own, which may change", () => {
    const [p, q] = [torch.zeros(1, { requires_grad: true }), torch.zeros(1, { requires_grad: true })];
    const optimizer = new optim.SGD([{ params: [p] }, { params: q, lr: 0.5 }], { lr: 0.1 });
    for (const group of optimizer.param_groups) group.lr *= 2;
    for (const t of [p, q]) t.grad = torch.ones(1);
    optimizer.step();
    expect([p.item(), q.item()]).toEqual([Math.fround(-0.2), -1]);
    expect(String(optimizer)).toContain("Parameter Group 1\n    dampening: 0");
  });

  it("refuse what cannot be optimized", () => {
    const p = torch.ones(1, { requires_grad: true });
    expect(() => new optim.SGD([])).toThrow("optimizer got an empty parameter list");
    expect(() => new optim.SGD([p.mul(2)])).toThrow("can't optimize a non-leaf Tensor");
    expect(() => new optim.Adam([p], { betas: [0.9, 1] })).toThrow("Invalid beta parameter at index 1: 1");
    expect(() => new optim.Adam([p], { learning_rate: 1 } as object)).toThrow(
      "Adam got an unexpected keyword argument 'learning_rate'",
    );
    expect(() => new optim.SGD([p]).add_param_group({ params: [p] })).toThrow(
      "some parameters appear in more than one parameter group",
    );
  });

  it("go on from a state as if nothing had happened", () => {
    for (const [name, make] of all) {
      const a = descend(make, 3);
      const copy = new torch.nn.Parameter(a.p.detach().clone());
      const other = make([copy]);
      other.load_state_dict(saved(a.optimizer.state_dict()));
      for (const [p, optimizer] of [
        [a.p, a.optimizer],
        [copy, other],
      ] as const) {
        const closure = (): torch.Tensor => {
          optimizer.zero_grad();
          const loss = p.pow(2).sum();
          loss.backward();
          return loss;
        };
        optimizer.step(closure);
      }
      // Loading turns the numbers that NAdam and ASGD keep in float32 into the dtype of the parameter, as in PyTorch.
      expect(Number(copy.detach().sub(a.p.detach()).abs().max().item()), name).toBeLessThan(1e-9);
    }
  });
});

/** A copy as a file would give it: other tensors of the same values. */
function saved<T>(value: T): T {
  if (value instanceof torch.Tensor) return value.detach().clone() as T;
  if (Array.isArray(value)) return value.map((x: unknown) => saved(x)) as T;
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([k, x]) => [k, saved(x)])) as T;
  }
  return value;
}

describe("schedulers", () => {
  const rates = (make: (o: torch.optim.SGD) => { step(): void }, steps: number): number[] => {
    const optimizer = new optim.SGD([torch.ones(1, { requires_grad: true })], { lr: 1 });
    const scheduler = make(optimizer);
    return Array.from({ length: steps }, () => {
      const { lr } = optimizer.param_groups[0] as { lr: number };
      optimizer.step();
      scheduler.step();
      return Math.round(lr * 1e6) / 1e6;
    });
  };
  const { lr_scheduler: s } = optim;

  it("change the rate by their rule", () => {
    expect(rates((o) => new s.StepLR(o, 2, 0.5), 5)).toEqual([1, 1, 0.5, 0.5, 0.25]);
    expect(rates((o) => new s.MultiStepLR(o, [1, 3], { gamma: 0.1 }), 5)).toEqual([1, 0.1, 0.1, 0.01, 0.01]);
    expect(rates((o) => new s.LambdaLR(o, (epoch) => 1 / (1 + epoch)), 3)).toEqual([1, 0.5, 0.333333]);
    expect(rates((o) => new s.CosineAnnealingLR(o, 4), 5)).toEqual([1, 0.853553, 0.5, 0.146447, 0]);
    expect(rates((o) => new s.LinearLR(o, { start_factor: 0.5, total_iters: 2 }), 4)).toEqual([0.5, 0.75, 1, 1]);
  });

  it("warn when they step before the optimizer", () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const optimizer = new optim.SGD([torch.ones(1, { requires_grad: true })]);
    new s.StepLR(optimizer, 1).step();
    expect(warn).toHaveBeenCalledWith(expect.stringContaining("`lr_scheduler.step()` before `optimizer.step()`"));
    warn.mockRestore();
  });

  it("go on from a state", () => {
    const make = (): [torch.optim.SGD, torch.optim.lr_scheduler.OneCycleLR] => {
      const o = new optim.SGD([torch.ones(1, { requires_grad: true })], { momentum: 0.9 });
      return [o, new s.OneCycleLR(o, { max_lr: 1, total_steps: 10 })];
    };
    const [a, first] = make();
    for (let i = 0; i < 4; i++) {
      a.step();
      first.step();
    }
    const [b, second] = make();
    b.load_state_dict(a.state_dict());
    second.load_state_dict(first.state_dict());
    a.step();
    first.step();
    b.step();
    second.step();
    expect(second.get_last_lr()).toEqual(first.get_last_lr());
    expect(b.param_groups[0]?.momentum).toBe(a.param_groups[0]?.momentum);
  });
});

describe("gradients as a whole", () => {
  it("are clipped by their norm and by value", () => {
    const p = torch.tensor([3, 4], { requires_grad: true });
    p.mul(p).sum().backward();
    expect(Number(torch.nn.utils.clip_grad_norm_([p], 1).item())).toBe(10);
    expect(String(p.grad)).toBe("tensor([0.6000, 0.8000])");
    torch.nn.utils.clip_grad_value_(p, 0.7);
    expect(String(p.grad)).toBe("tensor([0.6000, 0.7000])");
    p.grad = torch.tensor([Infinity, 1]);
    expect(() => torch.nn.utils.clip_grad_norm_([p], 1, { error_if_nonfinite: true })).toThrow(
      "The total norm of order 2.0 for gradients from `parameters` is non-finite",
    );
    expect(p.grad.tolist()).toEqual([Infinity, 1]);
  });

  it("parameters become a vector and come back", () => {
    const model = new torch.nn.Linear(2, 3);
    const vector = torch.nn.utils.parameters_to_vector(model.parameters()).detach();
    expect(vector.shape).toEqual([9]);
    torch.nn.utils.vector_to_parameters(vector.mul(2), model.parameters());
    expect(torch.nn.utils.parameters_to_vector(model.parameters()).tolist()).toEqual(vector.mul(2).tolist());
  });
});
