/**
 * The linear map of neural networks.
 */
import { TorchError } from "../base/errors.ts";
import { operator } from "../dispatch/op.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { addmm, matmul } from "./matmul.ts";
import { t } from "./permute.ts";
import { type Op, view } from "./view.ts";

/**
 * `input @ weight.T + bias`.
 *
 * @param input shape (…, in_features)
 * @param weight shape (out_features, in_features), or (in_features)
 * @param bias shape (out_features)
 */
export const linear: Op<(input: Tensor, weight: Tensor, bias?: Tensor | null) => Tensor> = operator(
  "linear(Tensor input, Tensor weight, Tensor? bias=None)",
  (x: Tensor, weight: Tensor, bias: Tensor | null) => {
    if (x.ndim === 0 || weight.ndim === 0) {
      throw new TorchError(
        `both arguments to linear need to be at least 1D, but they are ${x.ndim}D and ${weight.ndim}D`,
      );
    }
    if (bias !== null && weight.ndim === 2) {
      if (x.ndim === 2) return addmm(bias, x, t(weight));
      if (x._isContiguous && x._numel > 0 && bias.ndim <= 1) {
        const inner = x.shape.at(-1) as number;
        const flat = addmm(bias, view(x, [x._numel / inner, inner]), t(weight));
        return view(flat, [...x.shape.slice(0, -1), weight.shape[0] as number]);
      }
    }
    const out = matmul(x, weight.ndim === 1 ? weight : t(weight));
    return bias === null ? out : out.add(bias);
  },
  { method: false, namespace: false },
);
