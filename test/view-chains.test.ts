import { beforeAll, describe, expect, it } from "vitest";
import * as torch from "flambeau";
import { registerBackend } from "../src/backend/backend.ts";
import { reference } from "../src/backend/reference/index.ts";

beforeAll(() => registerBackend(reference));

function generator(seed: number): (n: number) => number {
  let s = seed >>> 0;
  return (n) => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return Math.floor((s / 2 ** 32) * n);
  };
}

type Move = (t: torch.Tensor, pick: (n: number) => number) => torch.Tensor;

const dim = (t: torch.Tensor, pick: (n: number) => number): number => pick(Math.max(t.ndim, 1));

/** A random order of the dims. */
function order(n: number, pick: (n: number) => number): number[] {
  const dims = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = pick(i + 1);
    [dims[i], dims[j]] = [dims[j] as number, dims[i] as number];
  }
  return dims;
}

const views: readonly Move[] = [
  (t, pick) => t.transpose(dim(t, pick), dim(t, pick)),
  (t, pick) => t.permute(order(t.ndim, pick)),
  (t, pick) => (t.ndim < 5 ? t.unsqueeze(pick(t.ndim + 1)) : t),
  (t) => t.squeeze(),
  (t, pick) => {
    if (t.ndim === 0) return t;
    const d = dim(t, pick);
    const n = t.shape[d] as number;
    const start = pick(n);
    return t.narrow(d, start, 1 + pick(n - start));
  },
  (t, pick) => (t.ndim > 0 && t.shape.every((n) => n > 0) ? t.select(0, pick(t.shape[0] as number)) : t),
  (t) => (t.ndim > 0 ? (t.at("::2") as torch.Tensor) : t),
  (t) => (t.ndim > 1 ? t.diagonal(0, 0, t.ndim - 1) : t),
  (t, pick) => (t.ndim > 0 ? t.unfold(dim(t, pick), 1, 1) : t),
  (t) => (t.is_contiguous() ? t.view(-1) : t),
  (t, pick) => (t.ndim > 1 ? (t.split(1, dim(t, pick))[0] as torch.Tensor) : t),
  (t) => t.reshape(t.numel() === 0 ? [0] : [t.numel()]),
  (t) => t.view_as(t),
];

const edits: readonly ((t: torch.Tensor, pick: (n: number) => number) => void)[] = [
  (t, pick) => void t.mul_(1 + pick(3)),
  (t, pick) => void t.add_(pick(5) - 2),
  (t) => void t.sin_(),
  (t) => void t.zero_(),
  (t, pick) => void t.fill_(pick(7)),
  (t) => void t.copy_(t.clone().mul(0.5)),
  (t) => void t.sub_(t.mean()),
];

interface Outcome {
  readonly log: readonly string[];
  readonly gradient: unknown;
}

function run(seed: number, device: string): Outcome {
  const pick = generator(seed);
  const shape = Array.from({ length: 1 + pick(4) }, () => 1 + pick(4));
  const n = shape.reduce((a, b) => a * b, 1);
  const x = torch
    .tensor(
      Array.from({ length: n }, () => pick(1000) / 500 - 1),
      { dtype: torch.float64, device },
    )
    .view(...shape)
    .requires_grad_();
  const log: string[] = [];
  chain(x, pick, log).backward();
  return { log, gradient: x.grad?.tolist() };
}

/** Views and in-place changes of a copy of `x`, and a number that all of them enter. */
function chain(x: torch.Tensor, pick: (n: number) => number, log: string[]): torch.Tensor {
  const base = x.mul(1);
  const made = [base];
  for (let i = 0; i < 7; i++) {
    const t = made[pick(made.length)] as torch.Tensor;
    const choice = pick(20);
    try {
      if (choice < 13) made.push((views[choice] as Move)(t, pick));
      else (edits[choice - 13] as (typeof edits)[number])(t, pick);
    } catch (error) {
      log.push((error as Error).message);
    }
  }
  // A part of a split whose base was changed since has no history any more; asking for it throws.
  const whole = made.filter((t) => {
    try {
      return t.grad_fn !== undefined;
    } catch (error) {
      log.push((error as Error).message);
      return false;
    }
  });
  for (const t of whole) {
    const geometry = `${t.shape}|${t.stride()}|${t.storage_offset()}|${t._version}`;
    log.push(`${geometry}|${t.grad_fn?.name()}|${JSON.stringify(t.tolist())}`);
  }
  return whole.reduce((sum, t) => sum.add(t.mul(t).sum()), base.sum());
}

/** Values of the two devices may differ in the last place: sines are computed by other means. */
const rounded = (text: string): string =>
  text.replaceAll(/-?\d+\.\d+(e[+-]?\d+)?|-?\d+e[+-]?\d+/g, (v) => String(Math.round(Number(v) * 1e9) / 1e9 + 0));

describe("2,000 random chains of views and in-place changes", () => {
  it("agree with the interpreter in value, stride and gradient", () => {
    for (let seed = 1; seed <= 2000; seed++) {
      const compiled = run(seed, "cpu");
      const interpreted = run(seed, "reference");
      expect(compiled.log.map(rounded), `chain ${seed}`).toEqual(interpreted.log.map(rounded));
      expect(rounded(JSON.stringify(compiled.gradient)), `gradient of chain ${seed}`).toBe(
        rounded(JSON.stringify(interpreted.gradient)),
      );
    }
  });

  it("have the gradients of finite differences", () => {
    for (let seed = 1; seed <= 300; seed++) {
      const x = torch.tensor([0.3, -0.7, 1.1, 0.9, -0.2, 0.5], { dtype: torch.float64 }).view(2, 3).requires_grad_();
      // What autograd forbids happens without it, so such chains are not the same function to both sides.
      const refused: string[] = [];
      chain(x, generator(seed), refused);
      if (refused.length > 0) continue;
      expect(
        torch.autograd.gradcheck((t: torch.Tensor) => chain(t, generator(seed), []), x),
        `chain ${seed}`,
      ).toBe(true);
    }
  });
});
