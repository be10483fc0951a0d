import * as torch from "flambeau";
import { inspect } from "node:util";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { copyModule } from "../src/nn/copy.ts";
import { weightFrom } from "../src/nn/weight-norm.ts";

const { nn } = torch;
const { gradcheck } = torch.autograd;

beforeEach(() => {
  torch.manual_seed(0);
});

class Net extends nn.Module {
  fc = new nn.Linear(2, 3);
  act = new nn.Tanh();
  scale = new nn.Parameter(torch.ones(3));
  readonly #secret = 7;
  reveal = (): number => this.#secret;

  override forward(x: torch.Tensor, times = 1): torch.Tensor {
    return this.act(this.fc(x)).mul(this.scale).mul(times);
  }
}

describe("a module", () => {
  it("is a function, typed by forward, that keeps private and arrow fields", () => {
    const net = new Net();
    const y: torch.Tensor = net(torch.ones(1, 2), 2);
    expect(y.shape).toEqual([1, 3]);
    expect(net.reveal()).toBe(7);
    expect(net).toBeInstanceOf(nn.Module);
    expect(Object.keys(net)).toEqual(["training", "fc", "act", "scale", "reveal"]);
    // @ts-expect-error -- forward takes a tensor
    expect(() => net("x")).toThrow();
  });

  it("has no fields of functions in the way", () => {
    class Named extends nn.Module {
      override name = "mine";
      override length = 3;
      override forward(): string {
        return `${this.name} ${this.length}`;
      }
    }
    const m = new Named();
    expect(m()).toBe("mine 3");
    expect("call" in m || "bind" in m).toBe(false);
    expect(() => new nn.Module()(1)).toThrow('Module [Module] is missing the required "forward" function');
  });

  it("prints as in PyTorch, in strings and in consoles", () => {
    const text = "Net(\n  (fc): Linear(in_features=2, out_features=3, bias=True)\n  (act): Tanh()\n)";
    const net = new Net();
    expect(String(net)).toBe(text);
    expect(`${net}`).toBe(text);
    expect(inspect(net)).toBe(text);
    expect(inspect({ net })).toContain("(fc): Linear");
  });

  it("finds parameters and modules in its fields, shared ones once", () => {
    class Tied extends nn.Module {
      a = new nn.Linear(2, 2, { bias: false });
      b = this.a;
      c = new nn.Linear(2, 2, { bias: false });
      plain = torch.ones(1);
      buffer = new nn.Buffer(torch.zeros(1));
      passing = new nn.Buffer(torch.zeros(1), { persistent: false });
    }
    const m = new Tied();
    m.c.weight = m.a.weight;
    expect([...m.named_parameters()].map(([n]) => n)).toEqual(["a.weight"]);
    expect([...m.named_parameters({ remove_duplicate: false })].map(([n]) => n)).toEqual([
      "a.weight",
      "b.weight",
      "c.weight",
    ]);
    expect([...m.named_modules()].map(([n]) => n)).toEqual(["", "a", "c"]);
    expect([...m.named_buffers()].map(([n]) => n)).toEqual(["buffer", "passing"]);
    expect(Object.keys(m.state_dict())).toEqual(["buffer", "a.weight", "b.weight", "c.weight"]);
    expect(m.get_parameter("c.weight")).toBe(m.a.weight);
    expect(() => m.get_submodule("a.x")).toThrow("Linear has no attribute `x`");
  });

  it("refuses values of another kind in registered fields", () => {
    const m = new nn.Linear(2, 3);
    expect(() => Reflect.set(m, "weight", torch.ones(3, 2))).toThrow(
      "cannot assign 'torch.FloatTensor' as parameter 'weight' (torch.nn.Parameter or None expected)",
    );
    m.bias = null;
    expect([...m.named_parameters()].map(([n]) => n)).toEqual(["weight"]);
    const net = new Net();
    net(torch.ones(1, 2));
    expect([...net.parameters()]).toHaveLength(3);
    expect(() => Reflect.set(net, "fc", 3)).toThrow(
      "cannot assign 'int' as child module 'fc' (torch.nn.Module or None expected)",
    );
    expect(() => net.register_buffer("fc", torch.ones(1))).toThrow("\"attribute 'fc' already exists\"");
    expect(() => net.add_module("a.b", new nn.ReLU())).toThrow("module name can");
  });

  it("switches modes, gradients and dtypes of everything inside", () => {
    const m = new nn.Sequential(new nn.Linear(2, 2), new nn.Dropout(), new nn.BatchNorm1d(2));
    const before = [...m.parameters()];
    m.eval();
    expect([...m.modules()].some((x) => x.training)).toBe(false);
    m.double();
    expect([...m.parameters()].every((p, i) => p === before[i])).toBe(true);
    expect([...m.parameters(), ...m.buffers()].map((t) => t.dtype.name)).toEqual([
      "float64",
      "float64",
      "float64",
      "float64",
      "float64",
      "float64",
      "int64",
    ]);
    m(torch.ones(3, 2, { dtype: torch.float64 }))
      .sum()
      .backward();
    expect(before[0]?.grad?.dtype).toBe(torch.float64);
    m.float();
    expect(before[0]?.grad?.dtype).toBe(torch.float32);
    m.zero_grad({ set_to_none: false });
    expect(before[0]?.grad?.tolist()).toEqual([
      [0, 0],
      [0, 0],
    ]);
    m.zero_grad();
    expect(before[0]?.grad).toBe(null);
    expect(m.requires_grad_(false)(torch.ones(3, 2)).requires_grad).toBe(false);
    expect(() => m.to(torch.int64)).toThrow("nn.Module.to only accepts floating point or complex dtypes");
  });
});

describe("states", () => {
  it("go from one module to another", () => {
    const [a, b] = [new Net(), new Net()];
    expect(String(b.load_state_dict(a.state_dict()))).toBe("<All keys matched successfully>");
    const x = torch.randn(2, 2);
    expect(b(x).tolist()).toEqual(a(x).tolist());
    expect(a.state_dict()["fc.weight"]?.requires_grad).toBe(false);
  });

  it("say all that does not fit, and change nothing", () => {
    const m = new nn.Linear(2, 3);
    const before = m.weight.tolist();
    expect(() => m.load_state_dict({ weight: torch.ones(2, 2), x: torch.ones(1) })).toThrow(
      'Error(s) in loading state_dict for Linear:\n\tMissing key(s) in state_dict: "bias". \n\tUnexpected key(s) in state_dict: "x". \n\tsize mismatch for weight: copying a param with shape torch.Size([2, 2]) from checkpoint, the shape in current model is torch.Size([3, 2]).',
    );
    expect(() => m.load_state_dict({ weight: torch.ones(3, 2), bias: 3 })).toThrow(/received int/);
    expect(m.weight.tolist()).toEqual(before);
    const result = m.load_state_dict(new Map([["weight", torch.ones(3, 2)]]), { strict: false });
    expect(result.missing_keys).toEqual(["bias"]);
    expect(m.weight.tolist()).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
  });

  it("hold names that objects have already", () => {
    const m = new nn.Linear(1, 1);
    const hostile = JSON.parse('{"__proto__": 1, "constructor": 2, "weight": 3}') as Record<string, unknown>;
    expect(() => m.load_state_dict(hostile)).toThrow(/Unexpected key\(s\) in state_dict: "__proto__", "constructor"/);
  });

  it("of batch normalisation before it counted batches still load", () => {
    const { num_batches_tracked: _count, ...old } = new nn.BatchNorm1d(2).state_dict();
    expect(new nn.BatchNorm1d(2).load_state_dict(old).missing_keys).toEqual([]);
  });
});

describe("copies", () => {
  it("have parameters of their own, shared as before", () => {
    const a = new nn.Linear(2, 2);
    const m = new nn.Sequential(a, new nn.ReLU(), a);
    const copy = copyModule(m);
    expect([...copy.parameters()]).toHaveLength(2);
    expect(copy.at(0)).toBe(copy.at(2));
    const x = torch.randn(1, 2);
    const before = m(x).tolist();
    torch.no_grad(() => [...copy.parameters()].forEach((p) => p.zero_()));
    expect(m(x).tolist()).toEqual(before);
    expect(copy(x).tolist()).toEqual([[0, 0]]);
    expect(String(copy)).toBe(String(m));
  });
});

describe("containers", () => {
  it("hold modules by number and by name", () => {
    const list = new nn.ModuleList([new nn.Linear(1, 2), new nn.Linear(1, 2)]);
    list.append(new nn.Linear(1, 3)).insert(0, new nn.Linear(9, 9));
    expect([...list].map((m) => m.in_features)).toEqual([9, 1, 1, 1]);
    expect(list.at(-1).out_features).toBe(3);
    list.pop(0);
    expect(String(list)).toBe(
      "ModuleList(\n  (0-1): 2 x Linear(in_features=1, out_features=2, bias=True)\n  (2): Linear(in_features=1, out_features=3, bias=True)\n)",
    );
    expect(() => list.at(3)).toThrow("index 3 is out of range");
    const dict = new nn.ModuleDict({ keys: new nn.ReLU(), training: new nn.Tanh() });
    expect([...dict.keys()]).toEqual(["keys", "training"]);
    expect(dict.training).toBe(true);
    const named = new nn.Sequential({ first: new nn.Linear(1, 1), then: new nn.ReLU() });
    expect(Object.keys(named.state_dict())).toEqual(["first.weight", "first.bias"]);
    expect(() => new nn.Sequential(3 as never)).toThrow("int is not a Module subclass");
  });

  it("hold parameters", () => {
    class Mixture extends nn.Module {
      weights = new nn.ParameterList([torch.ones(1), torch.ones(2)]);
      named = new nn.ParameterDict({ get: torch.ones(3) });
    }
    const m = new Mixture();
    expect([...m.named_parameters()].map(([n]) => n)).toEqual(["weights.0", "weights.1", "named.get"]);
    expect(m.named.get("get").requires_grad).toBe(true);
  });
});

describe("hooks", () => {
  it("see and replace arguments and outputs", () => {
    const m = new nn.Identity();
    const pre = m.register_forward_pre_hook((_m, [x]) => [(x as torch.Tensor).mul(10)]);
    const post = m.register_forward_hook((_m, _args, out) => (out as torch.Tensor).add(1));
    expect(m(torch.ones(2)).tolist()).toEqual([11, 11]);
    pre.remove();
    post.remove();
    expect(m(torch.ones(2)).tolist()).toEqual([1, 1]);
  });

  it("see and replace gradients", () => {
    const m = new nn.Linear(2, 1, { bias: false });
    nn.init.ones_(m.weight);
    const seen: unknown[] = [];
    m.register_full_backward_pre_hook((_m, [g]) => [(g as torch.Tensor).mul(2)]);
    m.register_full_backward_hook((_m, [gi], [go]) => {
      seen.push(gi?.tolist(), go?.tolist());
      return [(gi as torch.Tensor).mul(10)];
    });
    const x = torch.tensor([[1, 2]], { requires_grad: true });
    const y = m(x);
    expect(y.grad_fn?.name()).toBe("BackwardHookFunctionBackward");
    y.sum().backward();
    expect(seen).toEqual([[[2, 2]], [[2]]]);
    expect(x.grad?.tolist()).toEqual([[20, 20]]);
    expect(m.weight.grad?.tolist()).toEqual([[2, 4]]);
  });

  it("of gradients forbid modules that work in place", () => {
    const m = new nn.ReLU({ inplace: true });
    m.register_full_backward_hook(() => null);
    expect(() => m(torch.ones(2, { requires_grad: true }).mul(1))).toThrow(
      /Output 0 of BackwardHookFunction is a view and is being modified inplace/,
    );
  });
});

describe("derivatives of modules", () => {
  const double = { dtype: torch.float64 };
  const x = (...shape: number[]): torch.Tensor => torch.randn(shape, { ...double, requires_grad: true });
  const modules: [string, () => [nn: (...xs: torch.Tensor[]) => torch.Tensor, ...inputs: torch.Tensor[]]][] = [
    [
      "LSTM",
      () => {
        const m = new nn.LSTM(2, 3, { num_layers: 2, bidirectional: true }).double();
        return [(t) => m(t)[0], x(3, 1, 2)];
      },
    ],
    [
      "GRU",
      () => {
        const m = new nn.GRU(2, 3).double();
        return [(t, h) => m(t, h)[0], x(3, 1, 2), x(1, 1, 3)];
      },
    ],
    [
      "MultiheadAttention",
      () => {
        const m = new nn.MultiheadAttention(4, 2, { batch_first: true, add_bias_kv: true }).double();
        return [(q, k) => m(q, k, k)[0], x(1, 2, 4), x(1, 3, 4)];
      },
    ],
    [
      "TransformerEncoderLayer",
      () => {
        const m = new nn.TransformerEncoderLayer(4, 2, { dim_feedforward: 4, dropout: 0, norm_first: true }).double();
        return [(t) => m(t), x(2, 1, 4)];
      },
    ],
    [
      "BatchNorm2d",
      () => {
        const m = new nn.BatchNorm2d(2).double();
        return [(t) => m(t), x(2, 2, 2, 2)];
      },
    ],
    [
      "Conv2d with circular padding",
      () => {
        const m = new nn.Conv2d(1, 2, 3, { padding: 1, padding_mode: "circular" }).double();
        return [(t) => m(t), x(1, 1, 3, 3)];
      },
    ],
    [
      "AdaptiveLogSoftmaxWithLoss",
      () => {
        const m = new nn.AdaptiveLogSoftmaxWithLoss(4, 6, [2, 4], { div_value: 2 }).double();
        const target = torch.tensor([0n, 3n, 5n, 1n]);
        return [(t) => m(t, target).loss, x(4, 4)];
      },
    ],
  ];
  for (const [name, make] of modules) {
    it(`${name} agrees with finite differences`, () => {
      const [f, ...inputs] = make();
      expect(gradcheck(f, inputs)).toBe(true);
    });
  }
});

describe("modules that are made of others", () => {
  it("an LSTM is its cell, step by step", () => {
    const lstm = new nn.LSTM(2, 3);
    const cell = new nn.LSTMCell(2, 3);
    for (const name of ["weight_ih", "weight_hh", "bias_ih", "bias_hh"] as const) {
      (cell[name] as torch.Tensor).data = (Reflect.get(lstm, `${name}_l0`) as torch.Tensor).data;
    }
    const x = torch.randn(4, 2, 2);
    const [output, [h, c]] = lstm(x);
    let state: [torch.Tensor, torch.Tensor] = [torch.zeros(2, 3), torch.zeros(2, 3)];
    for (let t = 0; t < 4; t++) {
      state = cell(x.select(0, t), state);
      expect(torch.allclose(state[0], output.select(0, t))).toBe(true);
    }
    expect(torch.allclose(h.squeeze(0), state[0]) && torch.allclose(c.squeeze(0), state[1])).toBe(true);
  });

  it("a causal encoder does not see what comes later", () => {
    const m = new nn.TransformerEncoder(new nn.TransformerEncoderLayer(4, 2, { dropout: 0 }), 2);
    const mask = nn.Transformer.generate_square_subsequent_mask(3);
    const x = torch.randn(3, 1, 4);
    const changed = x.clone();
    changed.select(0, 2).fill_(9);
    const [a, b] = [m(x, { mask }), m(changed, { mask })];
    expect(torch.allclose(a.narrow(0, 0, 2), b.narrow(0, 0, 2))).toBe(true);
    expect(torch.allclose(a.select(0, 2), b.select(0, 2))).toBe(false);
  });

  it("a lazy module becomes an ordinary one with its first input", () => {
    const m = new nn.Sequential(new nn.LazyConv2d(3, 2), new nn.Flatten(), new nn.LazyLinear(2));
    const optimizer = new torch.optim.SGD(m.parameters(), { lr: 1 });
    const held = [...m.parameters()];
    m(torch.ones(1, 2, 3, 3))
      .sum()
      .backward();
    expect(String(m.at(2))).toBe("Linear(in_features=12, out_features=2, bias=True)");
    expect([...m.parameters()].every((p, i) => p === held[i] && p.grad !== null)).toBe(true);
    optimizer.step();
  });

  it("batch normalisation keeps running statistics", () => {
    const m = new nn.BatchNorm1d(1, { momentum: null });
    m(torch.tensor([[0], [2]]));
    m(torch.tensor([[4], [6]]));
    expect(m.running_mean?.tolist()).toEqual([3]);
    expect(m.num_batches_tracked?.item()).toBe(2);
    const y = m.eval()(torch.tensor([[3]]));
    expect(y.tolist()).toEqual([[0]]);
  });
});

describe("packed sequences", () => {
  const { rnn } = nn.utils;
  const lists = [3, 1, 2].map((n) => torch.arange(2 * n, { dtype: torch.float32 }).view(n, 2));

  it("are padded and unpadded", () => {
    const padded = rnn.pad_sequence(lists, true, -1);
    expect(padded.shape).toEqual([3, 3, 2]);
    expect(padded.select(0, 1).tolist()).toEqual([
      [0, 1],
      [-1, -1],
      [-1, -1],
    ]);
    const packed = rnn.pack_padded_sequence(padded, [3, 1, 2], { batch_first: true, enforce_sorted: false });
    expect(packed.batch_sizes.tolist()).toEqual([3, 2, 1]);
    const [again, lengths] = rnn.pad_packed_sequence(packed, { batch_first: true, padding_value: -1 });
    expect(again.tolist()).toEqual(padded.tolist());
    expect(lengths.tolist()).toEqual([3, 1, 2]);
    expect(rnn.unpack_sequence(packed).map((t) => t.tolist())).toEqual(lists.map((t) => t.tolist()));
    expect(() => rnn.pack_sequence(lists)).toThrow("`lengths` array must be sorted in decreasing order");
  });

  it("run through a network as each alone would", () => {
    const m = new nn.LSTM(2, 3, { num_layers: 2, bidirectional: true });
    const [output, [h, c]] = m(rnn.pack_sequence(lists, false));
    const outputs = rnn.unpack_sequence(output);
    lists.forEach((x, i) => {
      const [alone, [h1, c1]] = m(x);
      expect(torch.allclose(outputs[i] as torch.Tensor, alone, { atol: 1e-6 })).toBe(true);
      expect(torch.allclose(h.select(1, i), h1, { atol: 1e-6 })).toBe(true);
      expect(torch.allclose(c.select(1, i), c1, { atol: 1e-6 })).toBe(true);
    });
  });
});

describe("first values", () => {
  it("have the spread that keeps the variance", () => {
    const t = torch.empty(400, 300);
    const spread = (): number => Number(t.std().item());
    nn.init.kaiming_normal_(t, { nonlinearity: "relu" });
    expect(spread()).toBeCloseTo(Math.sqrt(2 / 300), 3);
    nn.init.xavier_uniform_(t);
    expect(spread()).toBeCloseTo(Math.sqrt(2 / 700), 3);
    nn.init.trunc_normal_(t, 0, 1, -0.5, 0.5);
    expect(Number(t.abs().max().item())).toBeLessThanOrEqual(0.5);
    nn.init.orthogonal_(t, 2);
    expect(torch.allclose(t.t().mm(t), torch.eye(300).mul(4), { atol: 1e-4 })).toBe(true);
    expect(() => nn.init.eye_(torch.empty(2))).toThrow("Only tensors with 2 dimensions are supported");
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    nn.init.kaiming_uniform_(torch.empty(0, 2));
    expect(warn).toHaveBeenCalledWith("UserWarning: Initializing zero-element tensors is a no-op");
    warn.mockRestore();
  });

  it("are not recorded", () => {
    const p = new nn.Parameter(torch.zeros(2, 2));
    expect(nn.init.dirac_(torch.empty(2, 2, 3)).tolist()).toEqual([
      [
        [0, 1, 0],
        [0, 0, 0],
      ],
      [
        [0, 0, 0],
        [0, 1, 0],
      ],
    ]);
    expect(nn.init.constant_(p, 3)).toBe(p);
    expect([p.is_leaf, p.grad_fn]).toEqual([true, null]);
  });
});

describe("training", () => {
  for (const [name, make] of [
    ["SGD", (p: Iterable<torch.Tensor>) => new torch.optim.SGD(p, { lr: 0.1, momentum: 0.9 })],
    ["Adam", (p: Iterable<torch.Tensor>) => new torch.optim.Adam(p, { lr: 0.05 })],
    ["AdamW", (p: Iterable<torch.Tensor>) => new torch.optim.AdamW(p, { lr: 0.05 })],
  ] as const) {
    it(`learns a line with ${name}`, () => {
      const model = new nn.Sequential(new nn.Linear(1, 16), new nn.ReLU(), new nn.Linear(16, 1));
      const x = torch.linspace(-1, 1, 32).view(-1, 1);
      const y = x.mul(3).add(1);
      const optimizer = make(model.parameters());
      let last = 0;
      for (let i = 0; i < 200; i++) {
        const loss = model(x).sub(y).pow(2).mean();
        optimizer.zero_grad();
        loss.backward();
        optimizer.step();
        last = loss.item() as number;
      }
      expect(last).toBeLessThan(0.01);
    });
  }
});

describe("parametrizations", () => {
  const { parametrizations, parametrize } = nn.utils;

  it("store the length and the direction of a weight apart", () => {
    const m = new nn.Linear(3, 2);
    const before = m.weight.clone();
    parametrizations.weight_norm(m);
    expect(String(m)).toBe(
      "ParametrizedLinear(\n  in_features=3, out_features=2, bias=True\n  (parametrizations): ModuleDict(\n    (weight): ParametrizationList(\n      (0): _WeightNorm()\n    )\n  )\n)",
    );
    expect(torch.allclose(m.weight, before)).toBe(true);
    const stored = [...m.named_parameters()].map(([n]) => n);
    expect(stored).toEqual(["bias", "parametrizations.weight.original0", "parametrizations.weight.original1"]);
    m(torch.ones(1, 3)).sum().backward();
    expect([...m.parameters()].every((p) => p.grad !== null)).toBe(true);
    parametrize.remove_parametrizations(m, "weight");
    expect([m.constructor, [...m.named_parameters()].map(([n]) => n)]).toEqual([nn.Linear, ["bias", "weight"]]);
    expect(torch.allclose(m.weight, before)).toBe(true);
  });

  it("are chained, and go into copies", () => {
    class Double extends nn.Module {
      override forward(x: torch.Tensor): torch.Tensor {
        return x.mul(2);
      }
      right_inverse(x: torch.Tensor): torch.Tensor {
        return x.div(2);
      }
    }
    const m = new nn.Linear(2, 2);
    const before = m.weight.tolist();
    parametrize.register_parametrization(m, "weight", new Double());
    parametrize.register_parametrization(m, "weight", new Double());
    expect(m.weight.tolist()).toEqual(before);
    const copy = copyModule(m);
    Reflect.set(copy, "weight", torch.ones(2, 2));
    expect(copy.get_parameter("parametrizations.weight.original").tolist()).toEqual([
      [0.25, 0.25],
      [0.25, 0.25],
    ]);
    expect(m.weight.tolist()).toEqual(before);
    expect(() => parametrize.register_parametrization(m, "nope", new Double())).toThrow(
      "does not have a parameter, a buffer, or a parametrized element with name 'nope'",
    );
  });

  it("keep matrices orthogonal while they learn", () => {
    for (const [rows, columns] of [
      [3, 3],
      [4, 2],
      [2, 4],
    ] as const) {
      const m = parametrizations.orthogonal(new nn.Linear(columns, rows));
      const optimizer = new torch.optim.SGD(m.parameters(), { lr: 0.5 });
      for (let i = 0; i < 3; i++) {
        m(torch.ones(1, columns)).pow(2).sum().backward();
        optimizer.step();
      }
      const w = rows < columns ? m.weight.t() : m.weight;
      expect(torch.allclose(w.t().mm(w), torch.eye(Math.min(rows, columns)), { atol: 1e-5 })).toBe(true);
    }
  });

  it("bring the largest singular value to 1", () => {
    const m = parametrizations.spectral_norm(new nn.Linear(5, 4), { n_power_iterations: 20 });
    m(torch.ones(1, 5));
    expect(Number(torch.linalg.svdvals(m.weight.detach()).max().item())).toBeCloseTo(1, 3);
    const old = nn.utils.spectral_norm(new nn.Conv2d(2, 3, 2));
    for (let i = 0; i < 50; i++) old(torch.ones(1, 2, 3, 3));
    expect(Number(torch.linalg.svdvals(old.weight.detach().flatten(1)).max().item())).toBeCloseTo(1, 3);
    expect([...old.named_parameters()].map(([n]) => n)).toEqual(["bias", "weight_orig"]);
    expect([...nn.utils.remove_spectral_norm(old).named_buffers()]).toEqual([]);
  });

  it("of the old kind have the gradient of what they compute", () => {
    const v = torch.randn([3, 2, 2], { dtype: torch.float64, requires_grad: true });
    const g = torch.rand([3, 1, 1], { dtype: torch.float64, requires_grad: true });
    const m = nn.utils.weight_norm(new nn.Conv1d(2, 3, 2).double(), { dim: 0 });
    expect(m.weight.grad_fn?.name()).toBe("WeightNormInterfaceBackward0");
    const f = (a: torch.Tensor, b: torch.Tensor): torch.Tensor => weightFrom(a, b, 0);
    expect(gradcheck(f, [v, g])).toBe(true);
    expect(torch.autograd.gradgradcheck(f, [v, g])).toBe(true);
    expect([...nn.utils.remove_weight_norm(m).named_parameters()].map(([n]) => n)).toEqual(["bias", "weight"]);
  });
});
