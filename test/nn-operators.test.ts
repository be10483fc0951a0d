/**
 * Operators of neural networks: their first and second derivatives against finite differences, the fused formulas against the
 * differentiable ones, and values worked out by hand.
 */
import * as torch from "flambeau";
import { beforeAll, describe, expect, it, vi } from "vitest";
import * as F from "../src/nn/functional.ts";

type Tensor = torch.Tensor;

// Broadcasting in losses is warned about, as in PyTorch.
beforeAll(() => {
  vi.spyOn(console, "warn").mockImplementation(() => {});
});

/** Numbers between -1 and 1 without ties, the same in every run. */
function numbers(...shape: number[]): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  const list = Array.from({ length: n }, (_, i) => Math.sin(1 + i * 1.7) * 0.9 + 0.05 * Math.cos(3 * i));
  return torch.tensor(list, { dtype: torch.float64 }).view(shape);
}

const leaf = (t: Tensor): Tensor => t.detach().clone().requires_grad_();

interface Case {
  readonly name: string;
  readonly f: (...x: Tensor[]) => Tensor;
  readonly inputs: readonly Tensor[];
  /** Whether PyTorch has a second derivative; default true. */
  readonly second?: false;
}

const signs = torch.tensor([1, -1, 1, -1, -1, 1], { dtype: torch.float64 }).view([2, 3]);
const labels = torch.tensor([2, 0], { dtype: torch.int64 });
const unit = (t: Tensor): Tensor => t.mul(0.45).add(0.5);

const losses: Case[] = [
  { name: "mse_loss", f: (x, y) => F.mse_loss(x, y), inputs: [numbers(2, 3), numbers(2, 3).add(0.3)] },
  { name: "mse_loss sum", f: (x, y) => F.mse_loss(x, y, { reduction: "sum" }), inputs: [numbers(6), numbers(6).neg()] },
  {
    name: "mse_loss none",
    f: (x, y) => F.mse_loss(x, y, { reduction: "none" }),
    inputs: [numbers(2, 3), numbers(3).neg()],
  },
  { name: "l1_loss", f: (x, y) => F.l1_loss(x, y), inputs: [numbers(2, 3), numbers(2, 3).add(0.3)] },
  {
    name: "smooth_l1_loss",
    f: (x, y) => F.smooth_l1_loss(x, y, { beta: 0.7 }),
    inputs: [numbers(6), numbers(6).neg()],
  },
  { name: "huber_loss", f: (x, y) => F.huber_loss(x, y, { delta: 0.7 }), inputs: [numbers(6), numbers(6).neg()] },
  {
    name: "binary_cross_entropy",
    f: (x, y) => F.binary_cross_entropy(x, y, { weight: numbers(2, 3).add(2) }),
    inputs: [unit(numbers(2, 3)), unit(numbers(2, 3).neg())],
  },
  {
    name: "binary_cross_entropy_with_logits",
    f: (x, y) => F.binary_cross_entropy_with_logits(x, y, { pos_weight: numbers(3).add(2) }),
    inputs: [numbers(2, 3), unit(numbers(2, 3).neg())],
  },
  {
    name: "kl_div",
    f: (x, y) => F.kl_div(x, y, { reduction: "batchmean" }),
    inputs: [numbers(2, 3), unit(numbers(2, 3))],
  },
  { name: "poisson_nll_loss", f: (x, y) => F.poisson_nll_loss(x, y), inputs: [numbers(6), numbers(6).add(2)] },
  {
    name: "gaussian_nll_loss",
    f: (x, y, v) => F.gaussian_nll_loss(x, y, v),
    inputs: [numbers(6), numbers(6).neg(), unit(numbers(6))],
  },
  { name: "soft_margin_loss", f: (x) => F.soft_margin_loss(x, signs), inputs: [numbers(2, 3)] },
  { name: "multi_margin_loss", f: (x) => F.multi_margin_loss(x, labels, { p: 2 }), inputs: [numbers(2, 3)] },
  {
    name: "multilabel_margin_loss",
    f: (x) =>
      F.multilabel_margin_loss(
        x,
        torch.tensor(
          [
            [2, -1, 0],
            [1, 0, -1],
          ],
          { dtype: torch.int64 },
        ),
      ),
    inputs: [numbers(2, 3)],
  },
  {
    name: "cosine_embedding_loss",
    f: (x, y) => F.cosine_embedding_loss(x, y, torch.tensor([1, -1])),
    inputs: [numbers(2, 3), numbers(2, 3).add(0.2)],
  },
  {
    name: "triplet_margin_loss",
    f: (a, p, n) => F.triplet_margin_loss(a, p, n, { swap: true }),
    inputs: [numbers(2, 3), numbers(2, 3).add(0.3), numbers(2, 3).neg()],
  },
  {
    name: "ctc_loss",
    f: (x) => F.ctc_loss(torch.log_softmax(x, 2), torch.tensor([[1, 2]], { dtype: torch.int64 }), [5], [2]),
    inputs: [numbers(5, 1, 3)],
    second: false,
  },
];

const norms: Case[] = [
  {
    name: "layer_norm",
    f: (x, w, b) => F.layer_norm(x, [4], w, b),
    inputs: [numbers(3, 4), numbers(4).add(2), numbers(4)],
  },
  { name: "layer_norm without weight", f: (x) => F.layer_norm(x, [2, 4]), inputs: [numbers(2, 2, 4)] },
  { name: "rms_norm", f: (x, w) => F.rms_norm(x, [4], w), inputs: [numbers(3, 4), numbers(4).add(2)] },
  {
    name: "group_norm",
    f: (x, w, b) => F.group_norm(x, 2, w, b),
    inputs: [numbers(2, 4, 3), numbers(4).add(2), numbers(4)],
  },
  {
    name: "batch_norm",
    f: (x, w, b) => F.batch_norm(x, null, null, w, b, true),
    inputs: [numbers(3, 2, 4), numbers(2).add(2), numbers(2)],
  },
  {
    name: "batch_norm of a matrix",
    f: (x, w, b) => F.batch_norm(x, null, null, w, b, true),
    inputs: [numbers(5, 2), numbers(2).add(2), numbers(2)],
  },
  {
    name: "batch_norm in evaluation",
    f: (x, w, b) => F.batch_norm(x, numbers(2), numbers(2).abs().add(0.5), w, b),
    inputs: [numbers(3, 2, 4), numbers(2).add(2), numbers(2)],
  },
  { name: "instance_norm", f: (x) => F.instance_norm(x), inputs: [numbers(2, 2, 5)] },
  { name: "local_response_norm", f: (x) => F.local_response_norm(x, 3), inputs: [numbers(1, 4, 3)] },
  { name: "norm 2", f: (x) => x.norm(), inputs: [numbers(2, 3)] },
  { name: "norm 1.5", f: (x) => x.norm(1.5, 1), inputs: [numbers(2, 3)] },
  { name: "norm 3", f: (x) => x.norm(3, 0), inputs: [numbers(2, 3)] },
  { name: "norm inf", f: (x) => x.norm(Infinity, 1), inputs: [numbers(2, 3)] },
  { name: "renorm", f: (x) => torch.renorm(x, 2, 0, 0.8), inputs: [numbers(3, 4)] },
  {
    name: "cosine_similarity",
    f: (x, y) => F.cosine_similarity(x, y),
    inputs: [numbers(2, 3), numbers(2, 3).add(0.4)],
  },
  { name: "cdist", f: (x, y) => torch.cdist(x, y, 3), inputs: [numbers(3, 2), numbers(4, 2).add(0.4)] },
  { name: "pdist", f: (x) => F.pdist(x), inputs: [numbers(4, 2)] },
  { name: "dist", f: (x, y) => torch.dist(x, y, 3), inputs: [numbers(2, 3), numbers(3).neg()] },
];

const images: Case[] = [
  {
    name: "conv1d",
    f: (x, w, b) => F.conv1d(x, w, b, { padding: 1 }),
    inputs: [numbers(2, 2, 5), numbers(3, 2, 3), numbers(3)],
  },
  {
    name: "conv2d with steps",
    f: (x, w, b) => F.conv2d(x, w, b, { stride: 2, padding: 1, dilation: [1, 2] }),
    inputs: [numbers(1, 2, 5, 6), numbers(2, 2, 3, 2), numbers(2)],
  },
  {
    name: "conv2d in groups",
    f: (x, w) => F.conv2d(x, w, { groups: 2, padding: "same" }),
    inputs: [numbers(2, 4, 4, 3), numbers(2, 2, 3, 2)],
  },
  { name: "conv2d of points", f: (x, w) => F.conv2d(x, w), inputs: [numbers(2, 3, 3, 2), numbers(2, 3, 1, 1)] },
  { name: "conv3d", f: (x, w) => F.conv3d(x, w), inputs: [numbers(1, 1, 3, 3, 3), numbers(2, 1, 2, 2, 2)] },
  {
    name: "conv_transpose2d",
    f: (x, w, b) => F.conv_transpose2d(x, w, b, { stride: 2, padding: 1, output_padding: 1 }),
    inputs: [numbers(1, 2, 3, 2), numbers(2, 2, 3, 3), numbers(2)],
  },
  { name: "max_pool2d", f: (x) => F.max_pool2d(x, 2, { stride: 1, padding: 1 }), inputs: [numbers(1, 2, 4, 3)] },
  {
    name: "avg_pool2d",
    f: (x) => F.avg_pool2d(x, 3, { stride: 2, padding: 1, ceil_mode: true, count_include_pad: false }),
    inputs: [numbers(1, 2, 4, 5)],
  },
  { name: "adaptive_avg_pool2d", f: (x) => F.adaptive_avg_pool2d(x, [2, 3]), inputs: [numbers(1, 2, 5, 4)] },
  { name: "adaptive_max_pool1d", f: (x) => F.adaptive_max_pool1d(x, 3), inputs: [numbers(2, 2, 7)] },
  { name: "lp_pool2d", f: (x) => F.lp_pool2d(x, 2, 2), inputs: [numbers(1, 1, 4, 4).add(2)] },
  { name: "pad", f: (x) => F.pad(x, [1, -1, 2, 0], { value: 3 }), inputs: [numbers(2, 3)] },
  { name: "pad reflect", f: (x) => F.pad(x, [2, 1], "reflect"), inputs: [numbers(1, 2, 4)] },
  { name: "pad replicate", f: (x) => F.pad(x, [2, 1, 0, 1], "replicate"), inputs: [numbers(1, 3, 4)] },
  { name: "pad circular", f: (x) => F.pad(x, [2, 1], "circular"), inputs: [numbers(1, 2, 4)] },
  { name: "interpolate nearest", f: (x) => F.interpolate(x, { scale_factor: 2 }), inputs: [numbers(1, 2, 3)] },
  {
    name: "interpolate bilinear",
    f: (x) => F.interpolate(x, { size: [5, 4], mode: "bilinear" }),
    inputs: [numbers(1, 2, 3, 3)],
  },
  {
    name: "interpolate bicubic",
    f: (x) => F.interpolate(x, { size: [5, 4], mode: "bicubic", align_corners: true }),
    inputs: [numbers(1, 1, 3, 3)],
  },
  {
    name: "grid_sample",
    f: (x, g) => F.grid_sample(x, g, { align_corners: true }),
    inputs: [numbers(1, 2, 3, 3), numbers(1, 2, 2, 2).mul(0.8)],
  },
  { name: "unfold", f: (x) => F.unfold(x, [2, 2], { padding: 1, stride: 2 }), inputs: [numbers(1, 2, 4, 3)] },
  { name: "fold", f: (x) => F.fold(x, [4, 3], [2, 2]), inputs: [numbers(1, 8, 6)] },
  { name: "pixel_shuffle", f: (x) => F.pixel_shuffle(x, 2), inputs: [numbers(1, 4, 2, 3)] },
  { name: "channel_shuffle", f: (x) => F.channel_shuffle(x, 2), inputs: [numbers(1, 6, 2, 2)] },
  {
    name: "scaled_dot_product_attention",
    f: (q, k, v) => F.scaled_dot_product_attention(q, k, v, { is_causal: true }),
    inputs: [numbers(2, 3, 4), numbers(2, 3, 4).neg(), numbers(2, 3, 2)],
  },
];

describe.each([
  ["losses", losses],
  ["norms", norms],
  ["images", images],
] as const)("%s", (_, cases) => {
  it.each([...cases])("$name: derivatives are those of the function", ({ f, inputs }) => {
    expect(torch.autograd.gradcheck(f, inputs.map(leaf))).toBe(true);
  });

  it.each(cases.filter((c) => c.second !== false))("$name: second derivatives", ({ f, inputs }) => {
    expect(torch.autograd.gradgradcheck(f, inputs.map(leaf))).toBe(true);
  });

  it.each([...cases])("$name: the fused gradient is that of the formula", ({ f, inputs, second }) => {
    if (second === false) return;
    const given = inputs.map(leaf);
    const y = f(...given);
    const seed = numbers(...y.shape);
    const fused = torch.autograd.grad([y], given, { grad_outputs: [seed], retain_graph: true });
    const formula = torch.autograd.grad([y], given, { grad_outputs: [seed], create_graph: true });
    fused.forEach((g, i) => {
      expect(torch.allclose(g, (formula[i] as Tensor).detach(), { rtol: 1e-10, atol: 1e-12 })).toBe(true);
    });
  });
});

describe("values", () => {
  it("a convolution is the sum of products over what the weight covers", () => {
    const x = torch.arange(16).to(torch.float32).view([1, 1, 4, 4]);
    const w = torch.tensor(
      [
        [
          [
            [1, 0],
            [0, -1],
          ],
        ],
      ],
      { dtype: torch.float32 },
    );
    expect(F.conv2d(x, w).flatten().tolist()).toEqual(Array.from({ length: 9 }, () => -5));
    expect(F.conv2d(x, w, { stride: 2 }).shape).toEqual([1, 1, 2, 2]);
  });

  it("large inputs are convolved in pieces, with the same result as row by row", () => {
    const x = torch.randn([2, 8, 96, 90]);
    const w = torch.randn([4, 8, 3, 3]);
    const whole = F.conv2d(x, w, { padding: 1 });
    const rows = F.conv2d(F.pad(x, [1, 1, 1, 1]).narrow(2, 40, 3), w);
    expect(torch.allclose(whole.narrow(2, 40, 1), rows, { atol: 1e-4 })).toBe(true);
  });

  it("running statistics of batch norm move by the momentum", () => {
    const x = torch.tensor(
      [
        [1, 2],
        [3, 6],
      ],
      { dtype: torch.float32 },
    );
    const mean = torch.zeros([2]);
    const variance = torch.ones([2]);
    F.batch_norm(x, mean, variance, { training: true, momentum: 0.5 });
    expect(mean.tolist()).toEqual([1, 2]);
    expect(variance.tolist()).toEqual([1.5, 4.5]);
  });

  it("the first of equal maxima gets the gradient, and NaN is a maximum", () => {
    const x = torch.tensor([[[1, 1, 0, Number.NaN]]], { requires_grad: true });
    const [y, at] = F.max_pool1d(x, 2, { return_indices: true });
    expect(at.tolist()).toEqual([[[0, 3]]]);
    y.sum().backward();
    expect((x.grad as Tensor).tolist()).toEqual([[[1, 0, 0, 1]]]);
  });

  it("losses of nothing: the mean is NaN, the sum 0", () => {
    const none = torch.zeros([0, 3]);
    expect(F.mse_loss(none, none).item()).toBeNaN();
    expect(F.mse_loss(none, none, { reduction: "sum" }).item()).toBe(0);
  });
});

describe("errors come before anything is computed", () => {
  const x = torch.zeros([1, 2, 4, 4]);
  it.each([
    ["reduction", () => F.mse_loss(x, x, { reduction: "abc" as "sum" }), "abc is not a valid value for reduction"],
    ["channels", () => F.conv2d(x, torch.zeros([3, 4, 2, 2])), "to have 4 channels, but got 2 channels instead"],
    ["kernel", () => F.conv2d(x, torch.zeros([3, 2, 5, 2])), "Kernel size can't be greater than actual input size"],
    ["pool", () => F.max_pool2d(x, 5), "Output size is too small"],
    [
      "indices",
      () => F.max_unpool2d(x, torch.full([1, 2, 4, 4], 64).to(torch.int64), 2),
      "Found an invalid max index: 64",
    ],
    ["reflection", () => F.pad(x, [4, 0, 0, 0], "reflect"), "Padding size should be less than"],
    ["normalized shape", () => F.layer_norm(x, [3]), "expected input with shape [*, 3]"],
    ["groups", () => F.group_norm(x, 4), "to be divisible by num_groups"],
  ])("%s", (_, run, message) => {
    expect(run).toThrow(message);
  });
});
