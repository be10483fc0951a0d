import * as torch from "flambeau";
import { describe, expect, it } from "vitest";

const { gradcheck, gradgradcheck } = torch.autograd;

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const double = (values: unknown): torch.Tensor =>
  torch.tensor(values as number[], { dtype: torch.float64, requires_grad: true });
const ints = (values: unknown): torch.Tensor => torch.tensor(values as number[], { dtype: torch.int64 });
const ramp = (...shape: number[]): torch.Tensor =>
  torch.arange(product(shape)).double().mul(0.37).sin().view(shape).detach().requires_grad_();

describe("gathering and scattering", () => {
  const x = ramp(3, 4);
  const index = ints([
    [0, 2, 1, 1],
    [2, 2, 0, 1],
  ]);
  const src = ramp(2, 4).detach().add(0.21).requires_grad_();
  const rows = ints([2, 0, 2]);
  const mask = torch.tensor([true, false, true, true]);

  it("are each other's transposes", () => {
    const g = x.gather(0, index);
    const back = torch.zeros(3, 4, { dtype: torch.float64 }).scatter_add(0, index, src);
    expect(g.mul(src).sum().item()).toBeCloseTo(x.mul(back).sum().item(), 12);
  });

  it.each([
    ["gather", (a: torch.Tensor) => a.gather(0, index), [x]],
    ["index_select", (a: torch.Tensor) => a.index_select(0, rows), [x]],
    [
      "take",
      (a: torch.Tensor) =>
        a.take(
          ints([
            [0, -1],
            [5, 5],
          ]),
        ),
      [x],
    ],
    ["take_along_dim", (a: torch.Tensor) => a.take_along_dim(ints([[-1], [0], [2]]), 1), [x]],
    ["scatter_add", (a: torch.Tensor, b: torch.Tensor) => a.scatter_add(0, index, b), [x, src]],
    [
      "scatter",
      (a: torch.Tensor, b: torch.Tensor) =>
        a.scatter(
          1,
          ints([
            [3, 1],
            [0, 2],
          ]),
          b,
        ),
      [x, ramp(2, 2)],
    ],
    ["index_add", (a: torch.Tensor, b: torch.Tensor) => a.index_add(0, rows, b, { alpha: 1.5 }), [x, ramp(3, 4)]],
    ["index_copy", (a: torch.Tensor, b: torch.Tensor) => a.index_copy(0, ints([2, 0]), b), [x, src]],
    ["index_fill", (a: torch.Tensor, b: torch.Tensor) => a.index_fill(0, rows, b), [x, double(0.5)]],
    ["put", (a: torch.Tensor, b: torch.Tensor) => a.put(ints([0, 5, 5]), b, true), [x, ramp(3)]],
    ["masked_fill", (a: torch.Tensor, b: torch.Tensor) => a.masked_fill(mask, b), [x, double(2)]],
    ["masked_select", (a: torch.Tensor) => a.masked_select(mask), [x]],
    ["masked_scatter", (a: torch.Tensor, b: torch.Tensor) => a.masked_scatter(mask, b), [x, ramp(12)]],
    ["sum", (a: torch.Tensor, b: torch.Tensor) => a.scatter_reduce(0, index, b, "sum"), [x, src]],
    ["prod", (a: torch.Tensor, b: torch.Tensor) => a.scatter_reduce(0, index, b, "prod"), [x, src]],
    ["mean", (a: torch.Tensor, b: torch.Tensor) => a.scatter_reduce(0, index, b, "mean"), [x, src]],
    [
      "amax",
      (a: torch.Tensor, b: torch.Tensor) => a.scatter_reduce(0, index, b, "amax", { include_self: false }),
      [x, src],
    ],
    ["reduced slices", (a: torch.Tensor, b: torch.Tensor) => a.index_reduce(0, rows, b, "prod"), [x, ramp(3, 4)]],
  ] as [string, (...t: torch.Tensor[]) => torch.Tensor, torch.Tensor[]][])(
    "have gradients of first and second order: %s",
    (_, f, inputs) => {
      expect(gradcheck(f, inputs)).toBe(true);
      expect(gradgradcheck((...t: torch.Tensor[]) => f(...t).pow(2), inputs)).toBe(true);
    },
  );

  it("work in place, on views, and in every dtype", () => {
    const y = torch.zeros(3, 4);
    y.T.index_fill_(0, ints([1]), 3);
    y.at(":", "2:").scatter_(1, ints([[1], [0]]), 8);
    expect(y.tolist()).toEqual([
      [0, 3, 0, 8],
      [0, 3, 8, 0],
      [0, 3, 0, 0],
    ]);
    for (const dtype of [
      torch.int8,
      torch.uint8,
      torch.int16,
      torch.int32,
      torch.int64,
      torch.float16,
      torch.bfloat16,
    ]) {
      const t = torch.arange(6).to(dtype).view(2, 3);
      expect(
        t
          .gather(
            1,
            ints([
              [2, 0],
              [1, 1],
            ]),
          )
          .tolist(),
      ).toEqual([
        [2, 0],
        [4, 4],
      ]);
      const sums = torch.zeros(2, { dtype }).index_add(0, ints([1, 1, 0]), torch.tensor([1, 2, 3]).to(dtype));
      expect(sums.tolist()).toEqual([3, 3]);
    }
  });

  it("notice that an index was changed before the backward pass", () => {
    const i = ints([0, 1]);
    const y = ramp(3).index_select(0, i);
    i.add_(1);
    expect(() => y.sum().backward()).toThrow("has been modified by an inplace operation");
  });

  it("leave empty and zero-dimensional tensors in peace", () => {
    expect(torch.zeros(0, 3).index_select(0, ints([]).long()).shape).toEqual([0, 3]);
    expect(torch.zeros(0).at([]).shape).toEqual([0]);
    expect(torch.tensor(4).gather(0, ints(0)).item()).toBe(4);
    expect(
      torch
        .tensor(4)
        .index_add(0, ints([0]), torch.tensor(2))
        .item(),
    ).toBe(6);
    expect(torch.zeros(0, 2).masked_select(torch.zeros(0, 2).gt(0)).shape).toEqual([0]);
  });
});

describe("embedding", () => {
  const F = torch.nn.functional;

  it("sums the gradients of repeated rows, except those of the padding", () => {
    const table = ramp(4, 3);
    const places = ints([
      [1, 2],
      [1, 0],
    ]);
    const f = (w: torch.Tensor): torch.Tensor => F.embedding(places, w, { padding_idx: 0 });
    f(table).sum().backward();
    expect(table.grad?.tolist()).toEqual([
      [0, 0, 0],
      [2, 2, 2],
      [1, 1, 1],
      [0, 0, 0],
    ]);
    expect(gradgradcheck((w: torch.Tensor) => F.embedding(places, w).pow(2), [ramp(4, 3)])).toBe(true);
    expect(() => F.embedding(ints([4]), table)).toThrow("index out of range in self");
    expect(() => F.embedding(ints([-1]), table)).toThrow("index out of range in self");
  });

  it("scales gradients by frequency and rows to a norm", () => {
    const table = ramp(3, 2);
    F.embedding(ints([1, 1, 2]), table, { scale_grad_by_freq: true })
      .sum()
      .backward();
    expect(table.grad?.tolist()).toEqual([
      [0, 0],
      [1, 1],
      [1, 1],
    ]);
    const long = torch.tensor([
      [3, 4],
      [0.1, 0],
    ]);
    F.embedding(ints([0]), long, { max_norm: 1 });
    expect(long.at(0).pow(2).sum().item()).toBeCloseTo(1, 5);
    expect(long.at(1, 0).item()).toBeCloseTo(0.1, 6);
  });

  it("adds up bags", () => {
    const table = ramp(5, 2);
    const places = ints([0, 1, 1, 4]);
    const offsets = ints([0, 3]);
    for (const mode of ["sum", "mean", "max"] as const) {
      const f = (w: torch.Tensor): torch.Tensor => F.embedding_bag(places, w, { offsets, mode });
      expect(gradcheck(f, [table])).toBe(true);
    }
    const rows = table.detach();
    const first = rows.at(0).add(rows.at(1).mul(2));
    expect(F.embedding_bag(places, table, { offsets, mode: "sum" }).at(0).tolist()).toEqual(first.tolist());
  });

  it("makes one-hot rows", () => {
    expect(F.one_hot(ints([0, 2])).tolist()).toEqual([
      [1, 0, 0],
      [0, 0, 1],
    ]);
    expect(() => F.one_hot(ints([3]), 2)).toThrow("Class values must be smaller than num_classes.");
  });
});
