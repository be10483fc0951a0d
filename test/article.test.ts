import { describe, expect, it, vi } from "vitest";
import { program, questions } from "../examples/backward.ts";

function linesOf(run: () => void): string[] {
  const lines: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((...args: unknown[]) => {
    lines.push(...args.map(String).join(" ").split("\n"));
  });
  try {
    run();
  } finally {
    log.mockRestore();
  }
  return lines;
}

describe("the article's program", () => {
  it("prints what PyTorch prints", () => {
    expect(linesOf(program)).toEqual([
      "tensor([2., 3., 4.], requires_grad=True)",
      "tensor([ 512.,  768., 1024.], grad_fn=<MulBackward0>)",
      "tensor([256., 256., 256.])",
    ]);
  });

  it("answers the questions it raises, every line as PyTorch has it", () => {
    const answers = linesOf(questions).filter((line) => line !== "" && !line.startsWith("#"));
    expect(answers).toEqual([
      "grad can be implicitly created only for scalar outputs",
      "tensor([4., 6., 8.])",
      "tensor([2.5600e+01, 2.5600e+02, 2.5600e-02])",
      "tensor([[256.,   0.,   0.],",
      "        [  0., 256.,   0.],",
      "        [  0.,   0., 256.]])",
      "tensor([2.5600e+01, 2.5600e+02, 2.5600e-02])",
      "tensor([[12.,  4.,  3.],",
      "        [ 4., 18.,  2.],",
      "        [ 3.,  2., 24.]])",
      "Trying to backward through the graph a second time (or directly access saved tensors after they have already been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors after calling backward.",
      "tensor([4., 6., 8.])",
      "tensor([ 8., 12., 16.])",
      "tensor([12., 27., 48.], grad_fn=<MulBackward0>)",
      "tensor([12., 18., 24.])",
      "tensor([12., 27., 48.])",
      "element 0 of tensors does not require grad and does not have a grad_fn",
      "SumBackward0",
      "  ExpBackward0",
      "    MulBackward0",
      "      torch::autograd::AccumulateGrad of tensor([2., 3., 4.], requires_grad=True)",
    ]);
  });
});
