import { describe, expect, it } from "vitest";
import * as torch from "flambeau";

type Context = torch.autograd.FunctionContext;

class Cube extends torch.autograd.Function {
  static forward(ctx: Context, x: torch.Tensor): torch.Tensor {
    ctx.save_for_backward(x);
    return x.pow(3);
  }
  static backward(ctx: Context, g: torch.Tensor): torch.Tensor {
    const [x] = ctx.saved_tensors as [torch.Tensor];
    return g.mul(x.mul(x).mul(3));
  }
}

class Scale extends torch.autograd.Function {
  static forward(ctx: Context, x: torch.Tensor, by: number): torch.Tensor {
    ctx["by"] = by;
    return x.mul(by);
  }
  static backward(ctx: Context, g: torch.Tensor): (torch.Tensor | null)[] {
    return [g.mul(ctx["by"] as number), null];
  }
}

class Halves extends torch.autograd.Function {
  static forward(x: torch.Tensor): torch.Tensor[] {
    return [x.narrow(0, 0, 2).clone(), x.narrow(0, 2, 2).clone()];
  }
  static setup_context(ctx: Context, [x]: [torch.Tensor]): void {
    ctx["shape"] = x.shape;
  }
  static backward(_ctx: Context, a: torch.Tensor, b: torch.Tensor): torch.Tensor {
    return torch.cat([a, b]);
  }
}

describe("custom functions", () => {
  it("compute, record and differentiate, twice too", () => {
    const x = torch.tensor([1, 2], { dtype: torch.float64, requires_grad: true });
    const y = Cube.apply(x);
    expect(String(y)).toBe("tensor([1., 8.], dtype=torch.float64, grad_fn=<CubeBackward>)");
    const [g] = torch.autograd.grad(y.sum(), x, { create_graph: true });
    expect((g as torch.Tensor).tolist()).toEqual([3, 12]);
    const [h] = torch.autograd.grad((g as torch.Tensor).sum(), x);
    expect((h as torch.Tensor).tolist()).toEqual([6, 12]);
    expect(torch.autograd.gradgradcheck((t: torch.Tensor) => Cube.apply(t), x)).toBe(true);
  });

  it("take arguments that are not tensors", () => {
    const x = torch.tensor([1, 2], { requires_grad: true });
    Scale.apply(x, 5).sum().backward();
    expect(x.grad?.tolist()).toEqual([5, 5]);
  });

  it("may have several outputs; gradients that are undefined arrive as zeros", () => {
    const x = torch.arange(4, { dtype: torch.float32 }).requires_grad_();
    const [, second] = Halves.apply(x) as [torch.Tensor, torch.Tensor];
    second.mul(3).sum().backward();
    expect(x.grad?.tolist()).toEqual([0, 0, 3, 3]);
  });

  it("notice that a saved tensor was modified, and that it was freed", () => {
    const x = torch.tensor([1, 2], { requires_grad: true });
    const z = x.mul(1);
    const y = Cube.apply(z);
    z.mul_(2);
    expect(() => y.sum().backward()).toThrow(/modified by an inplace operation/);
    const w = Cube.apply(x).sum();
    w.backward();
    expect(() => w.backward()).toThrow(/backward through the graph a second time/);
  });

  it("refuse what PyTorch refuses", () => {
    class Few extends torch.autograd.Function {
      static forward(_ctx: Context, a: torch.Tensor, b: torch.Tensor): torch.Tensor {
        return a.mul(b);
      }
      static backward(_ctx: Context, g: torch.Tensor): torch.Tensor {
        return g;
      }
    }
    class NoBackward extends torch.autograd.Function {
      static forward(_ctx: Context, a: torch.Tensor): torch.Tensor {
        return a.mul(2);
      }
    }
    class Saves extends torch.autograd.Function {
      static forward(ctx: Context, a: torch.Tensor): torch.Tensor {
        ctx.save_for_backward(3 as unknown as torch.Tensor);
        return a;
      }
    }
    const x = torch.ones([2], { requires_grad: true });
    expect(() => Few.apply(x, x).sum().backward()).toThrow(
      "function FewBackward returned an incorrect number of gradients (expected 2, got 1)",
    );
    expect(() => NoBackward.apply(x).sum().backward()).toThrow(/implement either the backward or vjp/);
    expect(() => Saves.apply(x)).toThrow("save_for_backward can only save variables, but argument 0 is of type int");
  });

  it("that change an input in place become its history", () => {
    class Double extends torch.autograd.Function {
      static forward(ctx: Context, a: torch.Tensor): torch.Tensor {
        ctx.mark_dirty(a);
        return a.mul_(2);
      }
      static backward(_ctx: Context, g: torch.Tensor): torch.Tensor {
        return g.mul(2);
      }
    }
    const leaf = torch.ones([2], { requires_grad: true });
    expect(() => Double.apply(leaf)).toThrow(
      "a leaf Variable that requires grad has been used in an in-place operation.",
    );
    const x = torch.ones([2], { requires_grad: true });
    const y = x.mul(3);
    expect(Double.apply(y)).toBe(y);
    y.sum().backward();
    expect(x.grad?.tolist()).toEqual([6, 6]);
  });

  it("marked once_differentiable cannot be differentiated twice", () => {
    class Once extends torch.autograd.Function {
      static forward(ctx: Context, x: torch.Tensor): torch.Tensor {
        ctx.save_for_backward(x);
        return x.mul(x);
      }
      static backward = torch.autograd.once_differentiable((ctx: Context, g: torch.Tensor) =>
        g.mul((ctx.saved_tensors[0] as torch.Tensor).mul(2)),
      );
    }
    const x = torch.tensor([3], { requires_grad: true });
    const y = Once.apply(x).sum();
    y.backward({ retain_graph: true });
    expect(x.grad?.tolist()).toEqual([6]);
    const z = Once.apply(x.mul(1)).mul(2).pow(2).sum();
    const [g] = torch.autograd.grad(z, x, { create_graph: true });
    expect(() => (g as torch.Tensor).sum().backward()).toThrow(/marked with @once_differentiable/);
  });
});
