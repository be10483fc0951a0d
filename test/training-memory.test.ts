import { describe, expect, it } from "vitest";
import * as torch from "flambeau";

/** Runs `steps` and returns by how many megabytes the process grew at most, looking now and then. */
function growth(steps: number, step: () => void): number {
  const before = process.memoryUsage().rss;
  let peak = before;
  for (let i = 0; i < steps; i++) {
    step();
    if (i % 50 === 0) peak = Math.max(peak, process.memoryUsage().rss);
  }
  return (Math.max(peak, process.memoryUsage().rss) - before) / 2 ** 20;
}

// Synchronous loops, in which no callback of the garbage collector can run, without any dispose.
describe("memory of a synchronous loop", () => {
  it("of 200,000 small training steps stays bounded", () => {
    const w = torch.tensor([0.1, 0.2, 0.3, 0.4], { requires_grad: true });
    const x = torch.tensor([1, 2, 3, 4]);
    const grown = growth(200_000, () => {
      const loss = w.mul(x).tanh().sub(0.5).mul(x).sum();
      loss.backward();
      torch.no_grad(() => w.sub_((w.grad as torch.Tensor).mul(1e-6)));
      w.grad = null;
    });
    console.log(`200,000 small steps: resident size grew by ${grown.toFixed(0)} MB at most`);
    expect(grown).toBeLessThan(700);
    expect(Number.isFinite(w.sum().item())).toBe(true);
  });

  it("of 5,000 steps that allocate 10 MB each stays bounded", () => {
    const w = torch.ones([2_500_000], { requires_grad: true });
    let checksum = 0;
    const grown = growth(5_000, () => {
      checksum += w.detach().add(1).select(0, 7).item();
    });
    console.log(`5,000 steps of 10 MB: resident size grew by ${grown.toFixed(0)} MB at most`);
    expect(checksum).toBe(10_000);
    expect(grown).toBeLessThan(1000);
  });

  it("of steps whose graph keeps 8 MB alive until backward stays bounded", () => {
    const w = torch.ones([500_000], { requires_grad: true });
    const grown = growth(1_000, () => {
      w.mul(w).tanh().mul(w).sum().backward();
      w.grad = null;
    });
    console.log(`1,000 steps with a graph of 8 MB: resident size grew by ${grown.toFixed(0)} MB at most`);
    expect(grown).toBeLessThan(1000);
  });
});
