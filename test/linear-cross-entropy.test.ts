import * as torch from "flambeau";
import { beforeEach, describe, expect, it } from "vitest";

const { nn } = torch;
const F = nn.functional;

beforeEach(() => {
  torch.manual_seed(0);
});

const leaf = (...shape: number[]): torch.Tensor => torch.randn(shape, { dtype: torch.float64 }).requires_grad_();
const difference = (a: torch.Tensor, b: torch.Tensor): number =>
  a._numel === 0 ? 0 : Number(a.sub(b).abs().max().item());

describe("linear_cross_entropy", () => {
  const target = torch.tensor([0n, 3n, 1n, 2n, 3n, 0n, 1n]);
  it.each([1, 2, 3, 7, 20])("in chunks of %i samples is what it is at once", (batch_chunk_size) => {
    for (const reduction of ["mean", "sum", "none"] as const) {
      for (const biased of [false, true]) {
        for (const weighted of [false, true]) {
          const inputs = [leaf(7, 5), leaf(4, 5), ...(biased ? [leaf(4)] : [])];
          const [x, w, linear_bias = null] = inputs as [torch.Tensor, torch.Tensor, torch.Tensor?];
          const weight = weighted ? torch.tensor([0.5, 2, 1, 3], { dtype: torch.float64 }) : null;
          const settings = { linear_bias, weight, reduction, ignore_index: 1 };
          const chunked = F.linear_cross_entropy(x, w, target, { ...settings, options: { batch_chunk_size } });
          const whole = F.cross_entropy(F.linear(x, w, linear_bias), target, { weight, reduction, ignore_index: 1 });
          expect(difference(chunked, whole)).toBeLessThan(1e-13);
          const g = torch.randn(whole.shape, { dtype: torch.float64 });
          const of = (y: torch.Tensor): torch.Tensor[] =>
            torch.autograd.grad([y], inputs, { grad_outputs: [g] }) as torch.Tensor[];
          const expected = of(whole);
          of(chunked).forEach((t, i) => expect(difference(t, expected[i] as torch.Tensor)).toBeLessThan(1e-13));
        }
      }
    }
  });

  it("has right derivatives of second order of single losses", () => {
    const f = (x: torch.Tensor, w: torch.Tensor): torch.Tensor =>
      F.linear_cross_entropy(x, w, target.narrow(0, 0, 3), { reduction: "none", options: { batch_chunk_size: 2 } });
    const inputs = [leaf(3, 2), leaf(4, 2)];
    expect(torch.autograd.gradcheck(f, inputs)).toBe(true);
    expect(torch.autograd.gradgradcheck(f, inputs)).toBe(true);
  });

  it("takes one sample, 16-bit numbers, and samples with several classes each", () => {
    const [x, w] = [leaf(5), leaf(4, 5)];
    const loss = F.linear_cross_entropy(x, w, torch.tensor(2n), { options: {} });
    expect(loss.shape).toEqual([]);
    expect(loss.item()).toBeCloseTo(Number(F.cross_entropy(F.linear(x, w), torch.tensor(2n)).item()), 12);
    const half = F.linear_cross_entropy(x.half(), w.half(), torch.tensor(2n), { options: {} });
    expect(half.dtype).toBe(torch.float16);
    expect(Number(half.item())).toBeCloseTo(Number(loss.item()), 1);
    const many = F.linear_cross_entropy(leaf(3, 5), leaf(4, 2, 5), torch.zeros(3, 2, { dtype: torch.int64 }), {
      reduction: "none",
    });
    expect(many.shape).toEqual([3, 2]);
  });

  it("refuses targets that are no classes", () => {
    const of = (t: torch.Tensor, reduction: "mean" | "none"): unknown =>
      F.linear_cross_entropy(leaf(2, 5), leaf(4, 5), t, { reduction, options: { batch_chunk_size: 1 } });
    expect(() => of(torch.tensor([0n, 4n]), "mean")).toThrow("Target 4 is out of bounds.");
    expect(() => of(torch.tensor([-1n, 0n]), "none")).toThrow("Target -1 is out of bounds.");
    expect(() => of(torch.tensor([0n]), "mean")).toThrow(
      "Expected input batch_size (2) to match target batch_size (1).",
    );
  });
});

describe("LinearCrossEntropyLoss", () => {
  it("is a linear layer and its loss", () => {
    const loss = new nn.LinearCrossEntropyLoss(5, 4, { options: { batch_chunk_size: 2 } });
    const x = torch.randn(3, 5);
    const target = torch.tensor([1n, 0n, 3n]);
    expect(loss(x, target).item()).toBeCloseTo(Number(F.cross_entropy(loss.linear(x), target).item()), 5);
    expect(String(loss)).toContain("options=LinearCrossEntropyOptions(allow_retain_graph=True, batch_chunk_size=2,");
    expect(() => new nn.LinearCrossEntropyLoss(5, 4, { weight: torch.ones(3) })).toThrow(
      "expected weight shape to be (4,), got (3,)",
    );
  });
});
