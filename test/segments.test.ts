import * as torch from "flambeau";
import { describe, expect, it } from "vitest";

const { gradcheck, gradgradcheck } = torch.autograd;
const f64 = torch.float64;
const lengths = torch.tensor([2n, 0n, 3n]);
const values = (): torch.Tensor => torch.tensor([3, -1, 4, 1.5, 9], { dtype: f64 });

describe("segment_reduce", () => {
  it.each([
    ["sum", [2, 0, 14.5]],
    ["mean", [1, NaN, 14.5 / 3]],
    ["max", [3, -Infinity, 9]],
    ["min", [-1, Infinity, 1.5]],
    ["prod", [-3, 1, 54]],
  ] as const)("reduces runs: %s", (reduce, expected) => {
    expect(torch.segment_reduce(values(), reduce, { lengths }).tolist()).toEqual(expected);
    const offsets = torch.tensor([0n, 2n, 2n, 5n]);
    expect(torch.segment_reduce(values(), reduce, { offsets }).tolist()).toEqual(expected);
  });

  it("starts from what is given", () => {
    const of = (reduce: "mean" | "max"): unknown =>
      torch.segment_reduce(values(), reduce, { lengths, initial: 5 }).tolist();
    expect(of("mean")).toEqual([3.5, 5, 6.5]);
    expect(of("max")).toEqual([5, 5, 9]);
  });

  it("has right derivatives, along any dimension, and where elements are zero", () => {
    const x = torch.randn(2, 5, 3, { dtype: f64 }).requires_grad_();
    const each = torch.tensor([
      [1n, 4n, 0n],
      [2n, 2n, 1n],
    ]);
    for (const reduce of ["sum", "mean", "max", "min", "prod"] as const) {
      // What empty segments give must be a number.
      const initial = { sum: 0, mean: 1, max: -100, min: 100, prod: 1 }[reduce];
      const f = (t: torch.Tensor): torch.Tensor => torch.segment_reduce(t, reduce, { lengths: each, axis: 1, initial });
      expect(gradcheck(f, [x]), reduce).toBe(true);
      if (reduce === "sum" || reduce === "prod") expect(gradgradcheck(f, [x]), reduce).toBe(true);
    }
    const zeros = torch.tensor([2, 0, 3, 0, 0], { dtype: f64 }).requires_grad_();
    torch.segment_reduce(zeros, "prod", { lengths }).sum().backward();
    expect(zeros.grad?.tolist()).toEqual([0, 2, 0, 0, 0]);
  });

  it("shares the gradient among equal extremes", () => {
    const x = torch.tensor([1, 1, 2, 7, 7], { dtype: f64 }).requires_grad_();
    torch.segment_reduce(x, "max", { lengths }).narrow(0, 2, 1).sum().backward();
    expect(x.grad?.tolist()).toEqual([0, 0, 0, 0.5, 0.5]);
  });

  it.each<[object, string]>([
    [{}, "Either lengths or offsets must be defined."],
    [
      { lengths: torch.tensor([2n, 2n]) },
      "Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1)",
    ],
    [{ lengths: torch.tensor([-1n, 6n]) }, "lengths contains negative value!"],
    [{ lengths: torch.tensor([9n]), unsafe: true }, "segment from 0 to 9 is not within a dimension of size 5"],
    [{ offsets: torch.tensor([0n, 6n]) }, "segment from 0 to 6 is not within a dimension of size 5"],
    [{ lengths: torch.tensor([[5n]]) }, "Expected axis to be the last dimension of lengths but got 0."],
  ])("refuses segments that are none %#", (options, message) => {
    expect(() => torch.segment_reduce(values(), "sum", options)).toThrow(message);
  });
});

describe("indexing where a mask holds", () => {
  const x = torch.arange(6, { dtype: f64 }).view(2, 3);
  const rows = torch.tensor([[0n], [99n]]);
  const columns = torch.tensor([[2n, 1n, -7n]]);
  const mask = torch.tensor([
    [true, true, false],
    [false, false, false],
  ]);

  it("reads and adds only there, whatever the indices are elsewhere", () => {
    expect(torch._unsafe_masked_index(x, mask, [rows, columns], -1).tolist()).toEqual([
      [2, 1, -1],
      [-1, -1, -1],
    ]);
    const put = torch._unsafe_masked_index_put_accumulate(x, mask, [rows, columns], torch.ones(2, 3, { dtype: f64 }));
    expect(put.tolist()).toEqual([
      [0, 2, 3],
      [3, 4, 5],
    ]);
  });

  it("has right derivatives", () => {
    const leaf = x.clone().requires_grad_();
    const read = (t: torch.Tensor): torch.Tensor => torch._unsafe_masked_index(t, mask, [rows, columns], 3).pow(2);
    expect(gradcheck(read, [leaf])).toBe(true);
    expect(gradgradcheck(read, [leaf])).toBe(true);
    const put = (t: torch.Tensor, v: torch.Tensor): torch.Tensor =>
      torch._unsafe_masked_index_put_accumulate(t, mask, [rows, columns], v).pow(2);
    expect(gradgradcheck(put, [leaf, torch.randn(2, 3, { dtype: f64 }).requires_grad_()])).toBe(true);
  });
});

describe("histogramdd", () => {
  const points = torch.tensor([
    [0, 0],
    [1, 0.5],
    [1, 1],
    [0.2, 0.9],
  ]);

  it("counts points in boxes", () => {
    const [hist, [a, b]] = torch.histogramdd(points, 2) as [torch.Tensor, [torch.Tensor, torch.Tensor]];
    expect(hist.tolist()).toEqual([
      [1, 1],
      [0, 2],
    ]);
    expect([a.tolist(), b.tolist()]).toEqual([
      [0, 0.5, 1],
      [0, 0.5, 1],
    ]);
    const edges = [torch.tensor([0, 0.5, 2]), torch.tensor([0, 0.7])];
    const weight = torch.tensor([2, 3, 5, 7]);
    expect(torch.histogramdd(points, edges, { weight })[0].tolist()).toEqual([[2], [3]]);
    const density = torch.histogramdd(points, [2, 1], { range: [0, 2, 0, 4], density: true })[0];
    expect(density.tolist()).toEqual([[0.125], [0.125]]);
    expect(() => torch.histogramdd(points, [1])).toThrow("The size of bins must be equal to the innermost dimension");
  });
});
