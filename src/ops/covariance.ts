/**
 * Covariances and correlations.
 */
import { no_grad } from "../autograd/modes.ts";
import { bool, int64 } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { operator } from "../dispatch/op.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { complex } from "./complex.ts";
import type { Op } from "./view.ts";

function checkWeights(w: Tensor, name: "fweights" | "aweights", observations: number): void {
  if (w.ndim > 1) {
    throw new TorchError(
      `cov(): expected ${name} to have one or fewer dimensions but got ${name} with ${w.ndim} dimensions`,
    );
  }
  const integral = w.dtype.category === 1;
  if (name === "fweights" ? !integral : w.dtype.category !== 2) {
    const wanted = name === "fweights" ? "integral" : "floating point";
    throw new TorchError(
      `cov(): expected ${name} to have ${wanted} dtype but got ${name} with ${w.dtype.scalarName} dtype`,
    );
  }
  if (w._numel !== observations) {
    throw new TorchError(
      `cov(): expected ${name} to have the same numel as there are observations in the input but got ${w._numel} != ${observations}`,
    );
  }
  if (observations > 0 && Number(w.detach().amin().item()) < 0)
    throw new TorchError(`cov(): ${name} cannot be negative`);
}

/** Options of `cov`. */
export interface CovOptions {
  /** How much smaller than the number of observations the divisor is. */
  correction?: number;
  /** How often each observation counts. */
  fweights?: Tensor | null;
  /** How much each observation counts. */
  aweights?: Tensor | null;
}

function covariance(x: Tensor, correction: number, fweights: Tensor | null, aweights: Tensor | null): Tensor {
  if (x.ndim > 2) {
    throw new TorchError(
      `cov(): expected input to have two or fewer dimensions but got an input with ${x.ndim} dimensions`,
    );
  }
  if (x.dtype === bool) throw new TorchError("cov(): bool dtype is not supported for input");
  const rows = x.ndim < 2 ? x.view([1, -1]) : x;
  const observations = rows.shape[1] as number;
  if (fweights !== null) checkWeights(fweights, "fweights", observations);
  if (aweights !== null) checkWeights(aweights, "aweights", observations);
  const w = fweights === null ? aweights : aweights === null ? fweights : fweights.mul(aweights);
  const total = w === null ? rows.new_tensor(BigInt(observations), { dtype: int64 }) : w.sum();
  if (w !== null && Number(total.detach().item()) === 0) {
    throw new TorchError("cov(): weights sum to zero, can't be normalized");
  }
  const mean = (w === null ? rows : rows.mul(w)).sum(1).div(total);
  let divisor: Tensor;
  if (w !== null && aweights !== null && correction !== 0) {
    divisor = total.sub(w.mul(aweights).sum().mul(correction).div(total));
  } else divisor = total.sub(correction);
  if (Number(divisor.detach().item()) <= 0) {
    console.warn(
      "UserWarning: cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of observations.",
    );
    divisor = no_grad(() => divisor.detach().mul(0));
  }
  const centred = rows.sub(mean.unsqueeze(1));
  const product = centred.mm((w === null ? centred : centred.mul(w)).t().conj());
  return product.div(divisor).squeeze();
}

/** The covariances of variables (rows) over observations (columns). */
export const cov: Op<(input: Tensor, options?: CovOptions) => Tensor> = operator(
  "cov(Tensor input, *, int correction=1, Tensor? fweights=None, Tensor? aweights=None)",
  covariance,
);

/** The correlation coefficients of variables (rows) over observations (columns). */
export const corrcoef: Op<(input: Tensor) => Tensor> = operator("corrcoef(Tensor input)", (x: Tensor) => {
  if (x.ndim > 2) {
    throw new TorchError(
      `corrcoef(): expected input to have two or fewer dimensions but got an input with ${x.ndim} dimensions`,
    );
  }
  const c = covariance(x, 1, null, null);
  if (c.ndim === 0) return c.div(c);
  const deviations = c.diag().real.sqrt();
  const scaled = c.div(deviations.view([-1, 1])).div(deviations.view([1, -1]));
  return scaled.dtype.is_complex ? complex(scaled.real.clamp(-1, 1), scaled.imag.clamp(-1, 1)) : scaled.clamp(-1, 1);
});
