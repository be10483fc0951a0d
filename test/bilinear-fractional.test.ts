import * as torch from "flambeau";
import { beforeEach, describe, expect, it } from "vitest";

const { nn } = torch;
const F = nn.functional;
const { gradcheck, gradgradcheck } = torch.autograd;
const leaf = (...shape: number[]): torch.Tensor => torch.randn(shape, { dtype: torch.float64 }).requires_grad_();

beforeEach(() => {
  torch.manual_seed(0);
});

describe("bilinear", () => {
  it("is a form of each pair of vectors", () => {
    const [a, b, w, bias] = [leaf(2, 3, 4), leaf(2, 3, 5), leaf(6, 4, 5), leaf(6)] as [
      torch.Tensor,
      torch.Tensor,
      torch.Tensor,
      torch.Tensor,
    ];
    const expected = torch.einsum("bni,oij,bnj->bno", a, w, b).add(bias);
    const out = F.bilinear(a, b, w, bias);
    expect(out.shape).toEqual([2, 3, 6]);
    expect(Number(out.sub(expected).abs().max().item())).toBeLessThan(1e-13);
    expect(F.bilinear(leaf(4), leaf(5), w).shape).toEqual([6]);
  });

  it("has right derivatives of both orders", () => {
    const inputs = [leaf(2, 3), leaf(2, 2), leaf(2, 3, 2), leaf(2)];
    const f = (...t: torch.Tensor[]): torch.Tensor =>
      F.bilinear(...(t as [torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]));
    expect(gradcheck(f, inputs)).toBe(true);
    expect(gradgradcheck(f, inputs)).toBe(true);
  });

  it("refuses sizes that do not fit", () => {
    expect(() => F.bilinear(leaf(2, 3), leaf(3, 2), leaf(1, 3, 2))).toThrow(
      "bilinear(): input batch dimensions do not match at dim 0: got 2 and 3",
    );
    expect(() => F.bilinear(leaf(2, 4), leaf(2, 2), leaf(1, 3, 2))).toThrow(
      "bilinear(): input1 size does not match weight size: got 4 but expected 3",
    );
    expect(() => F.bilinear(leaf(2, 3), leaf(2, 2), leaf(1, 3, 2), leaf(2))).toThrow(
      "bilinear(): bias size does not match weight size: got 2 but expected 1",
    );
  });

  it("is a module with drawn weights", () => {
    const m = new nn.Bilinear(2, 3, 4);
    expect(String(m)).toBe("Bilinear(in1_features=2, in2_features=3, out_features=4, bias=True)");
    expect(m(torch.ones(5, 2), torch.ones(5, 3)).shape).toEqual([5, 4]);
    expect(Number(m.weight.abs().max().item())).toBeLessThanOrEqual(Math.SQRT1_2);
  });
});

describe("fractional max pooling", () => {
  it("takes the maxima of windows, which end at the end", () => {
    const x = leaf(2, 3, 9, 7);
    const [out, indices] = F.fractional_max_pool2d(x, 2, { output_size: [5, 4], return_indices: true });
    expect(out.shape).toEqual([2, 3, 5, 4]);
    const flat = x.flatten(2).gather(2, indices.flatten(2)).view(out.shape);
    expect(out.equal(flat)).toBe(true);
    const corner = x.narrow(2, 7, 2).narrow(3, 5, 2).flatten(2).amax(2);
    expect(out.select(3, 3).select(2, 4).equal(corner)).toBe(true);
  });

  it("begins windows where the samples say", () => {
    const x = torch.arange(7, { dtype: torch.float64 }).view(1, 1, 1, 7);
    const of = (sample: number): unknown =>
      F.fractional_max_pool2d(x, [1, 2], {
        output_size: [1, 4],
        _random_samples: torch.tensor([[[sample, 0]]], { dtype: torch.float64 }),
      })
        .flatten()
        .tolist();
    // Windows begin at floor((i + s) * 5 / 3) - floor(s * 5 / 3), the last at 5.
    expect(of(0)).toEqual([1, 2, 4, 6]);
    expect(of(0.5)).toEqual([1, 3, 5, 6]);
    expect(of(0.9)).toEqual([1, 3, 4, 6]);
  });

  it("has right derivatives", () => {
    const _random_samples = torch.rand(1, 2, 3, { dtype: torch.float64 });
    const f = (t: torch.Tensor): torch.Tensor => F.fractional_max_pool3d(t, 2, { output_ratio: 0.6, _random_samples });
    const x = leaf(1, 2, 4, 5, 4);
    expect(f(x).shape).toEqual([1, 2, 2, 3, 2]);
    expect(gradcheck(f, [x])).toBe(true);
    expect(gradgradcheck(f, [x])).toBe(true);
  });

  it("refuses what cannot be pooled", () => {
    const x = leaf(1, 3, 3);
    expect(() => F.fractional_max_pool2d(x, 2)).toThrow("requires specifying either an output_size or an output_ratio");
    expect(() => F.fractional_max_pool2d(x, 2, { output_size: 3 })).toThrow(
      "fractional_max_pool2d(): pool height 2 too large relative to input height 3",
    );
    expect(() => new nn.FractionalMaxPool2d(2, { output_ratio: 1.5 })).toThrow("output_ratio must be between 0 and 1");
    expect(() => new nn.FractionalMaxPool3d(2)).toThrow(
      "FractionalMaxPool3d requires specifying either an output size, or a pooling ratio",
    );
  });
});
