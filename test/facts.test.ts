import { describe, expect, it } from "vitest";
import * as torch from "flambeau";

describe("facts about tensors and dtypes", () => {
  it("are those of PyTorch", () => {
    const x = torch.ones([2, 3]);
    expect(torch.is_tensor(x)).toBe(true);
    expect(torch.is_tensor([1])).toBe(false);
    expect(torch.numel(x)).toBe(6);
    expect(x.is_same_size(torch.zeros([2, 3]))).toBe(true);
    expect(torch.is_nonzero(torch.tensor([0.5]))).toBe(true);
    expect(() => torch.is_nonzero(x)).toThrow("Boolean value of Tensor with more than one value is ambiguous");
    expect(torch.result_type(torch.ones([1], { dtype: torch.int32 }), 2)).toBe(torch.int32);
    expect(torch.result_type(torch.ones([1], { dtype: torch.int32 }), torch.pyfloat(2))).toBe(torch.float32);
    expect(torch.finfo(torch.float32).max).toBe(3.4028234663852886e38);
    expect(torch.finfo(torch.bfloat16).eps).toBe(0.0078125);
    expect(torch.iinfo(torch.int64).max).toBe(9223372036854775807n);
    expect(torch.iinfo(torch.uint8).max).toBe(255);
    expect(String(torch.finfo(torch.float32))).toBe(
      "finfo(resolution=1e-06, min=-3.40282e+38, max=3.40282e+38, eps=1.19209e-07, " +
        "smallest_normal=1.17549e-38, tiny=1.17549e-38, dtype=float32)",
    );
    expect(String(torch.iinfo(torch.int64))).toBe("iinfo(min=-9.22337e+18, max=9.22337e+18, dtype=int64)");
    expect(() => torch.iinfo(torch.float32)).toThrow(/requires an integer input type/);
  });

  it("fill_diagonal_ wraps in tall matrices", () => {
    const x = torch.zeros([7, 3]).fill_diagonal_(1, true);
    expect(x.sum(1).tolist()).toEqual([1, 1, 1, 0, 1, 1, 1]);
    expect(torch.zeros([2, 3]).fill_diagonal_(2).tolist()).toEqual([
      [2, 0, 0],
      [0, 2, 0],
    ]);
  });
});
