/* oxlint-disable unicorn/no-array-sort -- tensors have a sort of their own */
import * as torch from "flambeau";
import { describe, expect, it } from "vitest";

const { gradcheck, gradgradcheck } = torch.autograd;

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const ramp = (...shape: number[]): torch.Tensor =>
  torch.arange(product(shape)).double().mul(0.77).sin().view(shape).detach().requires_grad_();
const longs = (values: unknown): torch.Tensor => torch.tensor(values as number[], { dtype: torch.int64 });
const numbers = (t: torch.Tensor): number[] => t.detach().reshape(-1).tolist() as number[];

/** Numbers of few values, so that many are equal. */
function repetitive(n: number, values: number): number[] {
  let state = 12345;
  return Array.from({ length: n }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return ((state >>> 16) % values) - Math.floor(values / 2);
  });
}

describe("scans", () => {
  it("along every dimension of any layout", () => {
    const x = torch.arange(24).view(2, 3, 4);
    for (const t of [x, x.transpose(0, 2), x.at("::1, 1:, ::2")]) {
      for (let dim = 0; dim < 3; dim++) {
        const parts = Array.from({ length: t.shape[dim] as number }, (_, i) =>
          t
            .narrow(dim, 0, i + 1)
            .sum(dim, true)
            .tolist(),
        );
        const got = t.cumsum(dim);
        parts.forEach((part, i) => expect(got.narrow(dim, i, 1).tolist()).toEqual(part));
      }
    }
    expect(torch.tensor(3).cumsum(0).item()).toBe(3);
    expect(torch.zeros(0, 2).cumsum(0).shape).toEqual([0, 2]);
  });

  it("keep sums of float32 in double precision", () => {
    const n = 1_000_000;
    const x = torch.full([n], 0.1);
    const last = (t: torch.Tensor): number => t.at(-1).item();
    expect(Math.abs(last(x.cumsum(0)) / (n * Math.fround(0.1)) - 1)).toBeLessThan(1e-7);
    const columns = torch.full([100_000, 8], 0.1).cumsum(0).at(-1);
    for (const v of numbers(columns)) expect(Math.abs(v / (100_000 * Math.fround(0.1)) - 1)).toBeLessThan(1e-7);
  });

  it("convert integers to int64, and stay in their dtype in place", () => {
    const x = torch.tensor([100, 100]).to(torch.int8);
    expect(x.cumsum(0).dtype).toBe(torch.int64);
    expect(x.cumsum(0).tolist()).toEqual([100, 200]);
    expect(x.cumsum_(0).tolist()).toEqual([100, -56]);
    expect(torch.ones(3).gt(0).cumsum(0).tolist()).toEqual([1, 2, 3]);
  });

  it.each([
    ["cumsum", (t: torch.Tensor) => t.cumsum(1), [ramp(2, 4)]],
    ["cumprod", (t: torch.Tensor) => t.cumprod(0), [ramp(4, 2)]],
    [
      "cumprod with zeros",
      (t: torch.Tensor) => t.mul(torch.tensor([1, 0, 1, 0, 1], { dtype: torch.float64 })).cumprod(0),
      [ramp(5)],
    ],
    ["logcumsumexp", (t: torch.Tensor) => t.logcumsumexp(1), [ramp(2, 4)]],
    ["cummax", (t: torch.Tensor) => t.cummax(0).values, [ramp(5, 2)]],
    ["diff", (t: torch.Tensor) => t.diff(2, 0), [ramp(5, 2)]],
    ["trapezoid", (y: torch.Tensor, x: torch.Tensor) => torch.trapezoid(y, x), [ramp(2, 5), ramp(5)]],
    ["gradient", (t: torch.Tensor) => torch.gradient(t, { dim: 1, edge_order: 2 })[0], [ramp(2, 5)]],
  ] as [string, (...t: torch.Tensor[]) => torch.Tensor, torch.Tensor[]][])(
    "have gradients of first and second order: %s",
    (_, f, inputs) => {
      expect(gradcheck(f, inputs)).toBe(true);
      expect(gradgradcheck((...t: torch.Tensor[]) => f(...t).pow(2), inputs)).toBe(true);
    },
  );

  it("carry NaN and infinities", () => {
    const x = torch.tensor([1, Number.NaN, 5, 2]);
    expect(numbers(x.cummax(0).values)).toEqual([1, Number.NaN, Number.NaN, Number.NaN]);
    expect(numbers(x.cummax(0).indices)).toEqual([0, 1, 1, 1]);
    expect(numbers(torch.tensor([-Infinity, -Infinity, 0]).logcumsumexp(0))).toEqual([-Infinity, -Infinity, 0]);
    expect(numbers(torch.tensor([1000, 1000]).logcumsumexp(0))[1]).toBeCloseTo(1000 + Math.log(2), 4);
    expect(numbers(torch.tensor([2, 2, 1, 2]).cummax(0).indices)).toEqual([0, 1, 1, 3]);
  });
});

describe("sorting", () => {
  /** What a stable sort of numbers gives, NaN last or first. */
  function expected(values: readonly number[], descending: boolean): number[] {
    const rank = (v: number): number => (Number.isNaN(v) ? Number.POSITIVE_INFINITY : v);
    return values
      .map((_, i) => i)
      .toSorted((i, j) => {
        const [a, b] = [values[i] as number, values[j] as number];
        const sign = descending ? -1 : 1;
        if (Number.isNaN(a) !== Number.isNaN(b)) return Number.isNaN(a) ? sign : -sign;
        return sign * (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0) || i - j;
      });
  }

  it.each([5, 40, 700, 3000])("is stable in both directions, in every dtype: %i elements", (n) => {
    for (const dtype of [
      torch.float32,
      torch.float64,
      torch.float16,
      torch.bfloat16,
      torch.int64,
      torch.int32,
      torch.int16,
      torch.int8,
    ]) {
      const values = repetitive(n, 37);
      const x = torch.tensor(values).to(dtype);
      for (const descending of [false, true]) {
        const order = expected(values, descending);
        const { values: got, indices } = torch.sort(x, 0, descending);
        expect(numbers(indices)).toEqual(order);
        expect(numbers(got)).toEqual(order.map((i) => (values[i] as number) + 0));
        expect(numbers(x.argsort(0, descending))).toEqual(order);
      }
    }
  });

  it.each([4, 2000])("puts NaN last, or first in descending order: %i elements", (n) => {
    const values = repetitive(n, 9).map((v, i) => (i % 3 === 1 ? Number.NaN : i % 7 === 0 ? -0 : v));
    for (const dtype of [torch.float32, torch.float64]) {
      const x = torch.tensor(values, { dtype });
      for (const descending of [false, true]) {
        expect(numbers(x.argsort(0, descending))).toEqual(expected(values, descending));
      }
    }
  });

  it("tells int64 apart beyond 2 ** 53", () => {
    const x = torch.tensor([2n ** 62n, 2n ** 62n - 1n, -(2n ** 62n), 2n ** 53n + 1n, 2n ** 53n]);
    expect(numbers(x.argsort())).toEqual([2, 4, 3, 1, 0]);
    expect(torch.searchsorted(torch.sort(x).values, torch.tensor([2n ** 53n + 1n])).tolist()).toEqual([2]);
    expect(x.unique().shape).toEqual([5]);
  });

  it("works along any dimension and gives the input's layout", () => {
    const x = torch.tensor(repetitive(24, 100)).view(2, 3, 4).transpose(0, 2);
    for (let dim = 0; dim < 3; dim++) {
      const { values, indices } = torch.sort(x, dim);
      expect(x.gather(dim, indices).tolist()).toEqual(values.tolist());
      expect(Number(values.diff(1, dim).lt(0).sum().item())).toBe(0);
      expect(values.stride()).toEqual(x.stride());
    }
    expect(torch.sort(torch.tensor(2)).indices.item()).toBe(0);
    expect(torch.sort(torch.zeros(3, 0)).values.shape).toEqual([3, 0]);
  });

  it("prints named results as PyTorch does", () => {
    const result = torch.sort(torch.tensor([3, 1]));
    expect(String(result)).toBe("torch.return_types.sort(\nvalues=tensor([1., 3.]),\nindices=tensor([1, 0]))");
    const [values, indices] = result;
    expect(values).toBe(result.values);
    expect(indices).toBe(result.indices);
  });
});

describe("selection", () => {
  it("agrees with sorting", () => {
    for (const n of [1, 2, 3, 10, 17, 100, 1000]) {
      const x = torch.tensor(repetitive(n, 50).map((v) => v + 0.5));
      const sorted = numbers(torch.sort(x, 0).values);
      for (const k of new Set([1, Math.ceil(n / 70), Math.ceil(n / 2), n])) {
        expect(numbers(x.kthvalue(k).values)).toEqual([sorted[k - 1]]);
        const least = x.topk(k, 0, false);
        expect(numbers(least.values)).toEqual(sorted.slice(0, k));
        expect(numbers(x.gather(0, least.indices))).toEqual(numbers(least.values));
        expect(new Set(numbers(least.indices)).size).toBe(k);
        expect(numbers(x.topk(k).values)).toEqual(sorted.toReversed().slice(0, k));
      }
      expect(x.median().item()).toBe(sorted[Math.floor((n - 1) / 2)]);
      expect(numbers(x.median(0).values)).toEqual([sorted[Math.floor((n - 1) / 2)]]);
    }
  });

  it("counts NaN as the largest, or not at all", () => {
    const x = torch.tensor([3, Number.NaN, 1, 2]);
    expect(x.median().item()).toBeNaN();
    expect(x.nanmedian().item()).toBe(2);
    expect(x.median(0).indices.item()).toBe(1);
    expect(x.topk(2).indices.tolist()).toEqual([1, 0]);
    expect(x.max().item()).toBeNaN();
    expect(x.max(0).indices.item()).toBe(1);
    expect(x.argmin().item()).toBe(1);
    expect(x.quantile(0.5).item()).toBeNaN();
    expect(x.nanquantile(0.5).item()).toBe(2);
  });

  it("finds the first extreme element, and splits gradients as PyTorch does", () => {
    const x = torch.tensor(
      [
        [1, 5, 5],
        [7, 7, 0],
      ],
      { requires_grad: true },
    );
    expect(x.max(1).indices.tolist()).toEqual([1, 0]);
    expect(x.argmax().item()).toBe(3);
    x.max(1).values.sum().backward();
    expect(x.grad?.tolist()).toEqual([
      [0, 1, 0],
      [1, 0, 0],
    ]);
    const y = torch.tensor([2, 2, 1], { requires_grad: true });
    y.max().backward();
    expect(y.grad?.tolist()).toEqual([0.5, 0.5, 0]);
    expect(torch.max(torch.tensor([1, 4]), torch.tensor([3, 2])).tolist()).toEqual([3, 4]);
    expect(() => torch.zeros(0).max()).toThrow("Expected reduction dim to be specified for input.numel() == 0");
  });

  it("counts", () => {
    expect(torch.tensor([2, 1, 2, 1, 3]).mode().values.item()).toBe(1);
    expect(longs([0, 2, 2]).bincount().tolist()).toEqual([1, 0, 2]);
    expect(torch.tensor([1, 2, 1]).histc(4, 0, 3).tolist()).toEqual([0, 2, 1, 0]);
    expect(torch.bucketize(torch.tensor([1, 2, 5]), torch.tensor([1, 3])).tolist()).toEqual([0, 1, 2]);
    expect(torch.bucketize(torch.tensor([1]), torch.tensor([1, 3]), { right: true }).tolist()).toEqual([1]);
    expect(torch.isin(longs([1, 2, 3]), longs([2])).tolist()).toEqual([false, true, false]);
    const [values, inverse, counts] = longs([3, 1, 3]).unique(true, true, true);
    expect([values.tolist(), inverse.tolist(), counts.tolist()]).toEqual([
      [1, 3],
      [1, 0, 1],
      [1, 2],
    ]);
    expect(
      longs([
        [1, 2],
        [0, 9],
        [1, 2],
      ])
        .unique(true, false, false, 0)
        .tolist(),
    ).toEqual([
      [0, 9],
      [1, 2],
    ]);
    expect(longs([1, 1, 2, 1]).unique_consecutive().tolist()).toEqual([1, 2, 1]);
  });

  it("has gradients", () => {
    for (const f of [
      (t: torch.Tensor) => torch.sort(t, 1).values,
      (t: torch.Tensor) => t.topk(2, 0).values,
      (t: torch.Tensor) => t.kthvalue(2, 1, true).values,
      (t: torch.Tensor) => t.median(),
      (t: torch.Tensor) => t.quantile(torch.tensor([0.2, 0.9], { dtype: torch.float64 }), 1),
      (t: torch.Tensor) => t.aminmax({ dim: 0 }).max,
    ]) {
      expect(gradcheck(f, [ramp(3, 4)])).toBe(true);
      expect(gradgradcheck((t: torch.Tensor) => f(t).pow(2), [ramp(3, 4)])).toBe(true);
    }
  });
});

describe("arrangement", () => {
  const x = torch.arange(6).view(2, 3);

  it("flips, rolls and rotates", () => {
    expect(x.flip(0, 1).tolist()).toEqual([
      [5, 4, 3],
      [2, 1, 0],
    ]);
    expect(x.T.flip([0]).tolist()).toEqual(x.fliplr().T.tolist());
    expect(x.roll(1).tolist()).toEqual([
      [5, 0, 1],
      [2, 3, 4],
    ]);
    expect(x.roll([1, -1], [0, 1]).tolist()).toEqual([
      [4, 5, 3],
      [1, 2, 0],
    ]);
    expect(x.rot90().tolist()).toEqual([
      [2, 5],
      [1, 4],
      [0, 3],
    ]);
    expect(x.rot90(5).tolist()).toEqual(x.rot90().tolist());
  });

  it("repeats", () => {
    expect(x.repeat(2, 1, 2).shape).toEqual([2, 2, 6]);
    expect(x.at(0).tile(2).tolist()).toEqual([0, 1, 2, 0, 1, 2]);
    expect(x.at(0).repeat_interleave(2).tolist()).toEqual([0, 0, 1, 1, 2, 2]);
    expect(x.repeat_interleave(longs([0, 2]), 0).tolist()).toEqual([
      [3, 4, 5],
      [3, 4, 5],
    ]);
    expect(() => x.repeat(2)).toThrow("Number of dimensions of repeat dims can not be smaller");
  });

  it("cuts triangles and places diagonals", () => {
    const square = torch.arange(1, 10).view(3, 3);
    expect(square.tril(-1).tolist()).toEqual([
      [0, 0, 0],
      [4, 0, 0],
      [7, 8, 0],
    ]);
    expect(square.triu().add(square.tril(-1)).tolist()).toEqual(square.tolist());
    for (const dtype of [torch.float64, torch.float16, torch.uint8, torch.bool]) {
      expect(numbers(square.to(dtype).tril(-9).ne(0)).every((v) => Number(v) === 0)).toBe(true);
    }
    expect(square.diag().diag().diag(0).tolist()).toEqual([1, 5, 9]);
    expect(square.trace().item()).toBe(15);
    expect(torch.block_diag(longs([[1, 2]]), longs(3)).tolist()).toEqual([
      [1, 2, 0],
      [0, 0, 3],
    ]);
  });

  it("makes grids and combinations", () => {
    const [a, b] = torch.meshgrid(longs([1, 2]), longs([3, 4, 5])) as [torch.Tensor, torch.Tensor];
    expect(a.tolist()).toEqual([
      [1, 1, 1],
      [2, 2, 2],
    ]);
    expect(b.tolist()).toEqual([
      [3, 4, 5],
      [3, 4, 5],
    ]);
    expect(torch.combinations(longs([1, 2, 3])).tolist()).toEqual([
      [1, 2],
      [1, 3],
      [2, 3],
    ]);
    expect(torch.cartesian_prod(longs([1, 2]), longs([3, 4])).tolist()).toEqual([
      [1, 3],
      [1, 4],
      [2, 3],
      [2, 4],
    ]);
  });

  it("stacks and splits", () => {
    const row = x.at(0);
    expect(torch.hstack([row, row]).shape).toEqual([6]);
    expect(torch.vstack([row, x]).shape).toEqual([3, 3]);
    expect(torch.dstack([x, x]).shape).toEqual([2, 3, 2]);
    expect(torch.column_stack([row, row]).shape).toEqual([3, 2]);
    expect(row.tensor_split(2).map((t) => t.tolist())).toEqual([[0, 1], [2]]);
    expect(x.hsplit([1]).map((t) => t.shape)).toEqual([
      [2, 1],
      [2, 2],
    ]);
    expect(x.nonzero().tolist()).toEqual([
      [0, 1],
      [0, 2],
      [1, 0],
      [1, 1],
      [1, 2],
    ]);
    expect(x.at(...x.gt(3).nonzero({ as_tuple: true })).tolist()).toEqual([4, 5]);
  });

  it("has gradients", () => {
    for (const f of [
      (t: torch.Tensor) => t.flip([0]),
      (t: torch.Tensor) => t.roll(2, 1),
      (t: torch.Tensor) => t.rot90(3),
      (t: torch.Tensor) => t.repeat(2, 1, 3),
      (t: torch.Tensor) => t.repeat_interleave(longs([1, 0, 2]), 0),
      (t: torch.Tensor) => t.tril(1),
      (t: torch.Tensor) => t.diag_embed(1),
      (t: torch.Tensor) => t.trace(),
      (t: torch.Tensor) => t.select_scatter(t.at(0), 0, 1),
      (t: torch.Tensor) => t.slice_scatter(t.at("::2").mul(2), 0, 0, null, 2),
      (t: torch.Tensor) => torch.block_diag(t, t.at(1)),
      (t: torch.Tensor) => torch.unfold_copy(t, 1, 2, 1),
    ]) {
      expect(gradcheck(f, [ramp(3, 4)])).toBe(true);
      expect(gradgradcheck((t: torch.Tensor) => f(t).pow(2), [ramp(3, 4)])).toBe(true);
    }
  });
});
