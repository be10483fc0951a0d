/**
 * Operands that lie across each other are walked by tiles: every element must still meet its partner.
 */
import { describe, expect, it } from "vitest";
import * as torch from "flambeau";

/** Element numbers of a tensor of a shape, taken in the order of permuted dims. */
function permutedNumbers(shape: readonly number[], order: readonly number[]): number[] {
  const strides = shape.map((_, d) => shape.slice(d + 1).reduce((a, b) => a * b, 1));
  let out = [0];
  for (const d of order) {
    out = out.flatMap((at) => Array.from({ length: shape[d] as number }, (_, i) => at + i * (strides[d] as number)));
  }
  return out;
}

const cases: readonly { readonly shape: readonly number[]; readonly order: readonly number[] }[] = [
  { shape: [128, 128], order: [1, 0] },
  { shape: [130, 133], order: [1, 0] },
  { shape: [33, 1021], order: [1, 0] },
  { shape: [3, 131, 140], order: [0, 2, 1] },
  { shape: [131, 3, 140], order: [2, 1, 0] },
  { shape: [140, 5, 131], order: [1, 2, 0] },
  { shape: [2, 129, 3, 136], order: [2, 3, 0, 1] },
];

describe.each(cases)("$shape in the order $order", ({ shape, order }) => {
  const numbers = permutedNumbers(shape, order);
  const total = numbers.length;

  it.each([torch.float32, torch.float64, torch.int64, torch.int32])("is copied as %s", (dtype) => {
    const x = torch.arange(total, { dtype }).view(shape).permute(order);
    expect(Array.from(x.contiguous().flatten().numpy(), Number)).toEqual(numbers);
  });

  it("is added to others", () => {
    const x = torch.arange(total, { dtype: torch.float32 }).view(shape).permute(order);
    const y = torch.arange(total, { dtype: torch.float32 }).view(x.shape);
    const sums = numbers.map((n, i) => n + i);
    expect(Array.from(y.add(x).flatten().numpy(), Number)).toEqual(sums);
    expect(Array.from(x.add(y).contiguous().flatten().numpy(), Number)).toEqual(sums);
  });

  it("is written to", () => {
    const target = torch.zeros([...shape], { dtype: torch.int32 });
    target.permute(order).copy_(torch.arange(total, { dtype: torch.int32 }).view(order.map((d) => shape[d] as number)));
    const expected: number[] = [];
    numbers.forEach((n, i) => (expected[n] = i));
    expect(Array.from(target.flatten().numpy(), Number)).toEqual(expected);
  });

  it("gives the same with several threads", () => {
    const x = torch.randn([...shape]).permute(order);
    const threads = torch.get_num_threads();
    torch.set_num_threads(2);
    const two = x.exp().contiguous().mul(x.contiguous());
    torch.set_num_threads(1);
    const one = x.exp().contiguous().mul(x.contiguous());
    torch.set_num_threads(threads);
    expect(torch.equal(one, two)).toBe(true);
  });
});
