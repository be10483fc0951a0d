import * as torch from "flambeau";
import { beforeEach, describe, expect, it } from "vitest";

beforeEach(() => {
  torch.manual_seed(0);
});

describe("a seed gives PyTorch's numbers", () => {
  it("uniform and normal ones", () => {
    expect(torch.rand(2).tolist()).toEqual([0.49625658988952637, 0.7682217955589294]);
    torch.manual_seed(0);
    expect(String(torch.randn(3))).toBe("tensor([ 1.5410, -0.2934, -2.1788])");
    torch.manual_seed(0);
    expect(String(torch.randn([2, 2], { dtype: torch.float64 }))).toContain("1.5410");
  });

  it("orders and integers", () => {
    expect(torch.randperm(5).tolist()).toEqual([4, 0, 1, 3, 2]);
    torch.manual_seed(0);
    expect(torch.randint(0, 10, [4]).tolist()).toEqual([4, 9, 3, 0]);
    expect(torch.randint(3, [2, 2]).dtype).toBe(torch.int64);
  });
});
