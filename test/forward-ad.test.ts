import { describe, expect, it } from "vitest";
import * as torch from "flambeau";

const fw = torch.autograd.forward_ad;
const text = (x: unknown): string => String(x);

describe("forward mode", () => {
  it("carries tangents through operations, in-place changes and views", () => {
    fw.dual_level(() => {
      const d = fw.make_dual(torch.tensor([1, 2]), torch.tensor([10, 20]));
      expect(text(fw.unpack_dual(d.mul(d)))).toBe(
        "UnpackedDualTensor(primal=tensor([1., 4.]), tangent=tensor([20., 80.]))",
      );
      const b = d.mul(1);
      b.narrow(0, 0, 1).mul_(2);
      expect(text(fw.unpack_dual(b).tangent)).toBe("tensor([20., 20.])");
      b.mul_(d);
      expect(text(fw.unpack_dual(b).tangent)).toBe("tensor([40., 80.])");
      const c = torch.zeros([2]);
      c.add_(d);
      expect(text(fw.unpack_dual(c).tangent)).toBe("tensor([10., 20.])");
      expect(fw.unpack_dual(d.detach()).tangent).toBeNull();
      torch.no_grad(() => expect(text(fw.unpack_dual(d.mul(2)).tangent)).toBe("tensor([20., 40.])"));
    });
  });

  it("writes the tangent of a changed part into the whole", () => {
    fw.dual_level(() => {
      const d = fw.make_dual(torch.tensor([1, 2]), torch.tensor([10, 20]));
      const whole = torch.zeros([2, 2]);
      whole.select(0, 1).copy_(d);
      expect(text(fw.unpack_dual(whole).tangent)).toBe("tensor([[ 0.,  0.],\n        [10., 20.]])");
    });
  });

  it("can be differentiated backwards", () => {
    const x = torch.tensor([1, 2], { requires_grad: true });
    fw.dual_level(() => {
      const d = fw.make_dual(x, torch.tensor([1, 0]));
      const [g] = torch.autograd.grad(d.mul(d).mul(d).sum(), d, { create_graph: true });
      expect((g as torch.Tensor).tolist()).toEqual([3, 12]);
      expect(fw.unpack_dual(g as torch.Tensor).tangent?.tolist()).toEqual([6, 0]);
    });
  });

  it("ends with its level", () => {
    const y = fw.dual_level(() => fw.make_dual(torch.ones([2]), torch.ones([2])).mul(2));
    fw.dual_level(() => expect(fw.unpack_dual(y).tangent).toBeNull());
    expect(() => fw.make_dual(torch.ones([2]), torch.ones([2]))).toThrow(/no level exists/);
    expect(() => fw.dual_level(() => fw.enter_dual_level())).toThrow(
      "Nested forward mode AD is not supported at the moment",
    );
    expect(() => fw.dual_level(() => fw.make_dual(torch.ones([3]), torch.ones([4])))).toThrow(
      "Tensor is of size [3] while the given forward gradient is of size [4].",
    );
  });
});
