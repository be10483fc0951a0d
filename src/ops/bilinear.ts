/**
 * Bilinear forms of pairs of vectors.
 */
import { float32 } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { operator } from "../dispatch/op.ts";
import { apply1, primitive, untracked } from "../dispatch/primitive.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { matmul } from "./matmul.ts";
import { transpose } from "./permute.ts";
import { flatten, type Op, reshape, squeeze, unsqueeze } from "./view.ts";

/** All products of an element of one with an element of the other vector: (N, I * J). */
const products = (a: Tensor, b: Tensor): Tensor => flatten(unsqueeze(a, 2).mul(unsqueeze(b, 1)), 1);

/** Sums over i and j of `a[n, i] * w[o, i, j] * b[n, j]`. */
const trilinear = primitive({
  name: "_trilinear",
  forward: (inputs) => {
    // Sums of 16-bit numbers are kept in float32.
    const [a, w, b] = inputs.map((t) =>
      t.dtype.is_floating_point && t.dtype.itemsize === 2 ? untracked(t).to(float32) : untracked(t),
    ) as [Tensor, Tensor, Tensor];
    return matmul(products(a, b), transpose(flatten(w, 1), 0, 1)).to((inputs[0] as Tensor).dtype);
  },
  joint: {
    uses: () => [0, 1, 2],
    vjp: ([g], ctx) => {
      if (g == null) return [null, null, null];
      const [a, w, b] = [ctx.input(0), ctx.input(1), ctx.input(2)];
      const [samples, i, j] = [a.shape[0], a.shape[1], b.shape[1]] as [number, number, number];
      const pairs = ctx.needs(0) || ctx.needs(2) ? reshape(matmul(g, flatten(w, 1)), [samples, i, j]) : null;
      return [
        ctx.needs(0) && pairs !== null ? squeeze(matmul(pairs, unsqueeze(b, 2)), 2) : null,
        ctx.needs(1) ? reshape(matmul(transpose(g, 0, 1), products(a, b)), w.shape) : null,
        ctx.needs(2) && pairs !== null ? squeeze(matmul(transpose(pairs, 1, 2), unsqueeze(a, 2)), 2) : null,
      ];
    },
  },
});

/**
 * `input1 @ weight[o] @ input2 + bias[o]` for each output o.
 *
 * @param input1 shape (…, in1)
 * @param input2 shape (…, in2)
 * @param weight shape (out, in1, in2)
 */
export const bilinear: Op<(input1: Tensor, input2: Tensor, weight: Tensor, bias?: Tensor | null) => Tensor> = operator(
  "bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None)",
  (a: Tensor, b: Tensor, weight: Tensor, bias: Tensor | null) => {
    if (a.ndim !== b.ndim) {
      throw new TorchError(`bilinear(): input dimensions do not match: got ${a.ndim} and ${b.ndim}`);
    }
    for (let d = 0; d < a.ndim - 1; d++) {
      if (a.shape[d] !== b.shape[d]) {
        throw new TorchError(
          `bilinear(): input batch dimensions do not match at dim ${d}: got ${a.shape[d]} and ${b.shape[d]}`,
        );
      }
    }
    if (weight.ndim !== 3) throw new TorchError(`bilinear(): expected a 3-dimensional weight, got ${weight.ndim}`);
    const [outputs, in1, in2] = weight.shape as [number, number, number];
    const last = (t: Tensor): number => t.shape.at(-1) as number;
    if (last(a) !== in1) {
      throw new TorchError(`bilinear(): input1 size does not match weight size: got ${last(a)} but expected ${in1}`);
    }
    if (last(b) !== in2) {
      throw new TorchError(`bilinear(): input2 size does not match weight size: got ${last(b)} but expected ${in2}`);
    }
    if (bias !== null && bias.shape[0] !== outputs) {
      throw new TorchError(
        `bilinear(): bias size does not match weight size: got ${bias.shape[0]} but expected ${outputs}`,
      );
    }
    const lead = a.shape.slice(0, -1);
    const samples = lead.reduce((n, size) => n * size, 1);
    const flat = apply1(trilinear, [reshape(a, [samples, in1]), weight, reshape(b, [samples, in2])], undefined);
    const out = reshape(flat, [...lead, outputs]);
    return bias === null ? out : out.add(bias);
  },
  { method: false },
);
