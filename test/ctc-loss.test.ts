import * as torch from "flambeau";
import { describe, expect, it } from "vitest";

const F = torch.nn.functional;
const f64 = torch.float64;

/** The labels that a sequence over time stands for: repetitions collapse, then blanks go. */
function collapsed(sequence: readonly number[], blank: number): string {
  return sequence.filter((label, i) => label !== blank && label !== sequence[i - 1]).join();
}

/** The loss by its definition: the probabilities of all sequences over time that stand for the target. */
function byEnumeration(
  probabilities: readonly (readonly number[])[],
  target: readonly number[],
  blank: number,
): number {
  const wanted = target.join();
  let total = 0;
  const extend = (sequence: readonly number[], p: number): void => {
    const row = probabilities[sequence.length];
    if (row === undefined) {
      if (collapsed(sequence, blank) === wanted) total += p;
      return;
    }
    row.forEach((q, label) => extend([...sequence, label], p * q));
  };
  extend([], 1);
  return -Math.log(total);
}

const logits = (times: number, samples: number, labels: number): torch.Tensor =>
  torch
    .arange(times * samples * labels, { dtype: f64 })
    .mul(1.7)
    .sin()
    .view(times, samples, labels);

describe("ctc_loss", () => {
  it.each<[number[], number]>([
    [[1, 2], 0],
    [[1, 1], 0],
    [[2, 1, 2], 0],
    [[], 0],
    [[0, 1], 2],
  ])("is the sum over all alignments: target %j, blank %i", (target, blank) => {
    const log = torch.log_softmax(logits(5, 1, 3), -1);
    const rows = log.squeeze(1).exp().tolist() as number[][];
    const targets = torch.tensor([target.map(BigInt)], { dtype: torch.int64 }).view(1, target.length);
    const loss = F.ctc_loss(log, targets, [5], [target.length], { blank, reduction: "none" });
    expect(loss.item()).toBeCloseTo(byEnumeration(rows, target, blank), 12);
    const unbatched = F.ctc_loss(log.squeeze(1), targets.squeeze(0), [5], [target.length], {
      blank,
      reduction: "none",
    });
    expect(unbatched.item()).toBe(loss.item());
  });

  it("has the gradient of the logits", () => {
    const x = logits(6, 3, 4).requires_grad_();
    const targets = torch.tensor([1n, 2n, 3n, 3n, 1n]);
    const f = (t: torch.Tensor): torch.Tensor =>
      F.ctc_loss(torch.log_softmax(t, -1), targets, [6, 4, 5], [2, 2, 1], { reduction: "sum" });
    expect(torch.autograd.gradcheck(f, [x])).toBe(true);
    const [g] = torch.autograd.grad([f(x)], [x], { create_graph: true }) as torch.Tensor[];
    expect(() => (g as torch.Tensor).sum().backward()).toThrow(
      "derivative for aten::_ctc_loss_backward is not implemented",
    );
  });

  it("is infinite, or zero without gradient, where the target does not fit", () => {
    const x = logits(2, 1, 3).requires_grad_();
    const of = (zero_infinity: boolean): torch.Tensor =>
      F.ctc_loss(torch.log_softmax(x, -1), torch.tensor([[1n, 1n]]), [2], [2], { zero_infinity });
    expect(of(false).item()).toBe(Infinity);
    const loss = of(true);
    expect(loss.item()).toBe(0);
    loss.backward();
    expect((x.grad as torch.Tensor).abs().max().item()).toBe(0);
  });

  it.each<[Partial<{ blank: number; inputs: number[]; sizes: number[]; targets: torch.Tensor }>, string]>([
    [{ blank: 3 }, "blank must be in label range"],
    [{ inputs: [2, 2] }, "input_lengths must be of size batch_size"],
    [{ inputs: [3] }, "Expected input_lengths to have value at most 2, but got value 3"],
    [{ sizes: [-1] }, "Expected target_lengths to have value at least 0, but got value -1"],
    [{ sizes: [2] }, "Expected tensor to have size at least 2 at dimension 1, but got size 1"],
    [{ targets: torch.tensor([[7n]]) }, "Expected targets to be in the range of labels [0, 3), but got value 7"],
    [{ targets: torch.ones(1, 1) }, "Expected tensor for argument #2 'targets' to have scalar type Int"],
  ])("refuses wrong arguments %#", ({ blank, inputs, sizes, targets }, message) => {
    const call = (): unknown =>
      F.ctc_loss(logits(2, 1, 3), targets ?? torch.tensor([[1n]]), inputs ?? [2], sizes ?? [1], { blank: blank ?? 0 });
    expect(call).toThrow(message);
  });
});
