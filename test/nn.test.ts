import * as torch from "flambeau";
import { beforeEach, describe, expect, it } from "vitest";

const { nn } = torch;

beforeEach(() => {
  torch.manual_seed(0);
});

describe("a module", () => {
  class Net extends nn.Module {
    fc = new nn.Linear(2, 3);
    act = new nn.Tanh();
    scale = new nn.Parameter(torch.ones(3));
    readonly #secret = 7;
    override forward(x: torch.Tensor, times = 1): torch.Tensor {
      return this.act(this.fc(x)).mul(this.scale).mul(times);
    }
    get secret(): number {
      return this.#secret;
    }
  }

  it("is a function, typed by forward, that keeps private fields", () => {
    const net = new Net();
    const y = net(torch.ones(1, 2), 2);
    expect(y.shape).toEqual([1, 3]);
    expect(net.secret).toBe(7);
    expect(net).toBeInstanceOf(nn.Module);
    expect(Object.keys(net)).toEqual(["training", "fc", "act", "scale"]);
  });

  it("finds parameters and modules in its fields, and prints as in PyTorch", () => {
    const net = new Net();
    expect([...net.named_parameters()].map(([n]) => n)).toEqual(["scale", "fc.weight", "fc.bias"]);
    expect(Object.keys(net.state_dict())).toEqual(["scale", "fc.weight", "fc.bias"]);
    expect(String(net)).toBe("Net(\n  (fc): Linear(in_features=2, out_features=3, bias=True)\n  (act): Tanh()\n)");
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
