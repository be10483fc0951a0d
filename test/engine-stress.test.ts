import { describe, expect, it } from "vitest";
import * as torch from "flambeau";

/** A small generator of our own, so that graphs do not depend on the library's. */
function generator(seed: number): () => number {
  let s = seed >>> 0;
  return () => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return s / 2 ** 32;
  };
}

type Step = (pool: torch.Tensor[], pick: () => torch.Tensor) => torch.Tensor;

const rows = 32;
const cols = 48;

const steps: readonly Step[] = [
  (_, pick) => pick().add(pick()),
  (_, pick) => pick().sub(pick(), { alpha: 0.5 }),
  (_, pick) => pick().mul(pick()),
  (_, pick) => pick().sin(),
  (_, pick) => pick().tanh(),
  (_, pick) => pick().mul(0.7).add(0.1),
  (_, pick) => pick().t().contiguous().t(),
  (_, pick) => pick().reshape(cols, rows).cos().reshape(rows, cols),
  (_, pick) => pick().sum(0, true).expand(rows, cols),
  (_, pick) => pick().mean(1, true).mul(pick()),
  (_, pick) => torch.cat([pick().narrow(0, 0, 10), pick().narrow(0, 10, rows - 10)]),
  (_, pick) => pick().softmax(1),
  (_, pick) =>
    pick()
      .matmul(pick().t())
      .matmul(pick())
      .mul(1 / (rows * cols)),
  (_, pick) => pick().add(pick().select(0, 3)),
  (_, pick) => {
    const x = pick().clone();
    x.narrow(0, 0, 4).mul_(2);
    return x;
  },
  (_, pick) => {
    const x = pick().mul(1.5);
    x.add_(pick());
    return x;
  },
  (_, pick) => pick().detach().mul(pick()),
];

function build(seed: number, leaves: readonly torch.Tensor[]): torch.Tensor {
  const random = generator(seed);
  const pool = [...leaves];
  const pick = (): torch.Tensor => pool[Math.floor(random() * pool.length)] as torch.Tensor;
  for (let i = 0; i < 14; i++) {
    const step = steps[Math.floor(random() * steps.length)] as Step;
    pool.push(step(pool, pick));
  }
  const weights = torch
    .arange(rows * cols, { dtype: torch.float64 })
    .mul(0.01)
    .cos()
    .view(rows, cols);
  return pool.slice(-3).reduce((sum, t) => sum.add(t.mul(weights).sum()), torch.zeros([], { dtype: torch.float64 }));
}

describe("random graphs", () => {
  it("give the same gradients whether the engine reuses memory or records everything", () => {
    for (let seed = 1; seed <= 400; seed++) {
      const random = generator(seed * 7919);
      const leaves = Array.from({ length: 3 }, () =>
        torch
          .tensor(Float64Array.from({ length: rows * cols }, () => random() - 0.5))
          .view(rows, cols)
          .requires_grad_(),
      );
      // Recording gradients keeps every one of them: nothing is reused or added to in place.
      const expected = torch.autograd.grad(build(seed, leaves), leaves, { create_graph: true, allow_unused: true });
      const wanted = expected.map((g) => g?.detach().reshape(-1).tolist() ?? null);
      for (let pass = 0; pass < 2; pass++) {
        for (const leaf of leaves) leaf.grad = null;
        build(seed, leaves).backward();
        leaves.forEach((leaf, i) => {
          const got = leaf.grad === null ? null : (leaf.grad.reshape(-1).tolist() as number[]);
          const want = wanted[i] as number[] | null;
          expect(got === null, `graph ${seed}, leaf ${i}`).toBe(want === null);
          if (want === null || got === null) return;
          const worst = Math.max(...want.map((v, k) => Math.abs(v - (got[k] as number)) / Math.max(1, Math.abs(v))));
          expect(worst, `graph ${seed}, pass ${pass}, leaf ${i}`).toBeLessThan(1e-12);
        });
      }
    }
  });

  it("leave intermediate values and earlier gradients as they were", () => {
    for (let seed = 500; seed < 560; seed++) {
      const x = torch.full([rows, cols], 0.25, { dtype: torch.float64 }).requires_grad_();
      const y = build(seed, [x, x.detach().mul(2)]);
      if (!y.requires_grad) continue;
      y.backward({ retain_graph: true });
      const first = x.grad?.clone() ?? null;
      y.backward({ retain_graph: true });
      if (first === null) continue;
      const twice = (x.grad as torch.Tensor).sub(first.mul(2)).abs().max().item();
      expect(twice, `graph ${seed}`).toBeLessThan(1e-9);
    }
  });
});
