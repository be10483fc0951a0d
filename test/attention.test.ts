import * as torch from "flambeau";
import { beforeEach, describe, expect, it } from "vitest";

const F = torch.nn.functional;
const { gradcheck, gradgradcheck } = torch.autograd;
const f64 = torch.float64;

beforeEach(() => {
  torch.manual_seed(0);
});

interface Settings {
  mask?: torch.Tensor | null;
  causal?: boolean;
  scale?: number;
}

/** The definition, one operator after another. */
function plain(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, { mask, causal, scale }: Settings): torch.Tensor {
  let scores = q.matmul(k.transpose(-2, -1)).mul(scale ?? 1 / Math.sqrt(q.shape.at(-1) as number));
  const [l, s] = [q.shape.at(-2), k.shape.at(-2)] as [number, number];
  if (causal === true) scores = scores.masked_fill(torch.ones(l, s).tril().eq(0), -Infinity);
  if (mask != null)
    scores = mask.dtype === torch.bool ? scores.masked_fill(mask.logical_not(), -Infinity) : scores.add(mask);
  const weights = torch.softmax(scores, -1);
  return weights.masked_fill(scores.eq(-Infinity).all(-1, true), 0).matmul(v);
}

const attend = (q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, { mask, causal, scale }: Settings): torch.Tensor =>
  F.scaled_dot_product_attention(q, k, v, {
    attn_mask: mask ?? null,
    is_causal: causal ?? false,
    scale: scale ?? null,
  });

function largestDifference(a: torch.Tensor, b: torch.Tensor): number {
  return Number(a.sub(b).abs().max().item());
}

/** Results and gradients of both ways of computing. */
function compare(shape: readonly [number, number, number, number, number], settings: Settings): number[] {
  const [n, h, l, s, e] = shape;
  const inputs = [l, s, s].map((rows) => torch.randn(n, rows, h, e, { dtype: f64 }).requires_grad_());
  const heads = inputs.map((t) => t.transpose(1, 2)) as [torch.Tensor, torch.Tensor, torch.Tensor];
  const g = torch.randn(n, h, l, e, { dtype: f64 });
  const [a, b] = [attend(...heads, settings), plain(...heads, settings)];
  expect(a.grad_fn?.name()).toBe("ScaledDotProductFlashAttentionForCpuBackward0");
  const of = (y: torch.Tensor): torch.Tensor[] =>
    torch.autograd.grad([y], inputs, { grad_outputs: [g] }) as torch.Tensor[];
  const [ga, gb] = [of(a), of(b)];
  return [largestDifference(a, b), ...ga.map((t, i) => largestDifference(t, gb[i] as torch.Tensor))];
}

describe("attention in blocks", () => {
  const floatMask = (...shape: number[]): torch.Tensor => torch.randn(shape, { dtype: f64 });
  it.each<[string, [number, number, number, number, number], () => Settings]>([
    ["one block", [2, 3, 5, 7, 4], () => ({})],
    ["another scale", [2, 3, 5, 7, 4], () => ({ scale: -0.3 })],
    ["causal", [2, 3, 5, 5, 4], () => ({ causal: true })],
    ["causal, fewer keys than queries", [1, 2, 6, 3, 4], () => ({ causal: true })],
    ["causal, several blocks of rows", [1, 2, 700, 700, 4], () => ({ causal: true })],
    ["causal, blocks of rows that see all keys", [1, 1, 700, 300, 4], () => ({ causal: true })],
    ["several blocks of heads", [1, 5, 520, 520, 4], () => ({})],
    ["several blocks of samples", [5, 1, 520, 520, 4], () => ({})],
    ["several blocks of rows", [1, 1, 1200, 1000, 4], () => ({})],
    ["a mask of numbers", [2, 3, 5, 7, 4], () => ({ mask: floatMask(5, 7) })],
    ["a mask for each head", [2, 3, 5, 7, 4], () => ({ mask: floatMask(1, 3, 5, 7) })],
    [
      "a mask of booleans, with rows that see nothing",
      [2, 3, 5, 7, 4],
      () => ({ mask: torch.rand(2, 1, 5, 7).gt(0.8) }),
    ],
    ["a mask of keys", [2, 3, 5, 7, 4], () => ({ mask: torch.tensor([[[[1, 1, 0, 1, 0, 1, 1]]]]).eq(1) })],
    ["a mask, several blocks of rows", [1, 1, 1200, 1000, 4], () => ({ mask: floatMask(1200, 1000) })],
  ])("is what the definition gives: %s", (_name, shape, settings) => {
    for (const difference of compare(shape, settings())) expect(difference).toBeLessThan(1e-10);
  });

  it("has right derivatives of both orders", () => {
    const inputs = [3, 4, 4].map((rows) => torch.randn(2, 2, rows, 3, { dtype: f64 }).requires_grad_());
    const mask = torch.tensor([
      [true, false, true, true],
      [false, false, false, false],
      [true, true, true, true],
    ]);
    for (const settings of [{}, { causal: true }, { mask }]) {
      const f = (...t: torch.Tensor[]): torch.Tensor =>
        attend(...(t as [torch.Tensor, torch.Tensor, torch.Tensor]), settings);
      expect(gradcheck(f, inputs)).toBe(true);
      expect(gradgradcheck(f, inputs)).toBe(true);
    }
  });

  it("keeps sums of 16-bit numbers in 32", () => {
    for (const dtype of [torch.float16, torch.bfloat16]) {
      const [q, k, v] = [0, 1, 2].map(() => torch.randn(1, 2, 40, 8).to(dtype)) as [
        torch.Tensor,
        torch.Tensor,
        torch.Tensor,
      ];
      const y = F.scaled_dot_product_attention(q, k, v);
      expect(y.dtype).toBe(dtype);
      const exact = plain(q.double(), k.double(), v.double(), {}).to(dtype);
      expect(largestDifference(y.double(), exact.double())).toBeLessThan(dtype === torch.float16 ? 1e-3 : 8e-3);
    }
  });

  it("leaves to single operators what it does not take", () => {
    const q = torch.randn(2, 5, 4, { requires_grad: true });
    expect(F.scaled_dot_product_attention(q, q, q).grad_fn?.name()).toBe("UnsafeViewBackward0");
    const mask = torch.zeros(5, 5, { requires_grad: true });
    const x = torch.randn(1, 2, 5, 4);
    F.scaled_dot_product_attention(x, x, x, mask).sum().backward();
    expect(mask.grad?.shape).toEqual([5, 5]);
  });
});

describe("groups of heads", () => {
  it("share keys and values", () => {
    const q = torch.randn(2, 6, 5, 4, { dtype: f64 });
    const [k, v] = [0, 1].map(() => torch.randn(2, 2, 5, 4, { dtype: f64 })) as [torch.Tensor, torch.Tensor];
    const y = F.scaled_dot_product_attention(q, k, v, { enable_gqa: true });
    const spread = (t: torch.Tensor): torch.Tensor => t.repeat_interleave(3, -3);
    expect(largestDifference(y, plain(q, spread(k), spread(v), {}))).toBeLessThan(1e-12);
    expect(() => F.scaled_dot_product_attention(q, k.repeat(1, 2, 1, 1), v, { enable_gqa: true })).toThrow(
      "Number of heads in key and value must divide the number of heads in query",
    );
  });
});

describe("what attention refuses", () => {
  const x = torch.zeros(1, 1, 2, 4);
  it.each<[() => unknown, string]>([
    [
      () => F.scaled_dot_product_attention(x, x.double(), x),
      "Expected query, key, and value to have the same dtype, but got query.dtype: float key.dtype: double and value.dtype: float instead.",
    ],
    [
      () => F.scaled_dot_product_attention(torch.zeros(3), x, x),
      "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: 1 key.dim: 4 and value.dim: 4 instead.",
    ],
    [
      () => F.scaled_dot_product_attention(x, x, x, torch.zeros(2, 2), { is_causal: true }),
      "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True",
    ],
  ])("%#", (f, message) => {
    expect(f).toThrow(message);
  });
});
