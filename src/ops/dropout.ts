/**
 * Dropout: random elements, or whole channels, become zero, and the others grow so that the mean stays.
 */
import { formatGeneral } from "../base/decimal.ts";
import { TorchError } from "../base/errors.ts";
import { allocate, type Tensor } from "../tensor/tensor.ts";
import { fillBernoulli } from "../base/distributions.ts";
import { allocateLike } from "../dispatch/elementwise.ts";
import { drawInto } from "../dispatch/family/random.ts";
import { describe, type Operator, operator } from "../dispatch/op.ts";
import { Signature } from "../dispatch/signature.ts";
import { add, mul } from "./arithmetic.ts";
import { zeros } from "./create.ts";
import { streamOf } from "./generator.ts";
import type { Op } from "./view.ts";

/** The negative limit of {@link selu}, which alpha dropout sets elements to. */
const saturation = 1.7580993408473766;

/** Ones and zeros, of which each element or each channel gets one. */
function noiseFor(input: Tensor, features: boolean, p: number): Tensor {
  let noise: Tensor;
  if (features) {
    if (input.ndim < 2) throw new TorchError("Feature dropout requires at least 2 dimensions in the input");
    const shape = input.shape.map((n, d) => (d < 2 ? n : 1));
    noise = allocate(shape, input.dtype, input._backend);
  } else noise = allocateLike(input.shape, input.dtype, [input]);
  drawInto(noise, (out) => fillBernoulli(streamOf(null), out, 1 - p));
  return noise;
}

interface Kind {
  readonly features: boolean;
  readonly alpha: boolean;
}

function drop({ features, alpha }: Kind, input: Tensor, p: number, train: boolean, inplace: boolean): Tensor {
  if (!(p >= 0 && p <= 1)) {
    throw new TorchError(`dropout probability has to be between 0 and 1, but got ${formatGeneral(p)}`);
  }
  if (p === 0 || !train || input._numel === 0) return input;
  const times = (factor: Tensor): Tensor => (inplace ? input.mul_(factor) : mul(input, factor));
  if (p === 1) return times(zeros([], { dtype: input.dtype }));
  const noise = noiseFor(input, features, p);
  if (!alpha) return times(noise.div_(1 - p));
  const a = 1 / Math.sqrt((saturation * saturation * p + 1) * (1 - p));
  const shift = add(noise, -1)
    .mul_(saturation * a)
    .add_(saturation * a * p);
  return times(noise.mul_(a)).add_(shift);
}

type Dropout = Op<(input: Tensor, p: number, train: boolean) => Tensor>;

function define(name: string, kind: Kind): Dropout {
  const form = (suffix: string, inplace: boolean): Dropout =>
    operator(
      `${name}${suffix}(Tensor input, float p, bool train)`,
      (input: Tensor, p: number, train: boolean) => drop(kind, input, p, train, inplace),
      { method: false },
    );
  const plain = form("", false);
  return describe(plain, new Signature(plain.op.signature.text), {
    method: false,
    inplace: form("_", true) as unknown as Operator,
  });
}

/** Zeroes each element with probability `p`, if `train`. */
export const dropout: Dropout = define("dropout", { features: false, alpha: false });
/** Zeroes each channel with probability `p`, if `train`. */
export const feature_dropout: Dropout = define("feature_dropout", { features: true, alpha: false });
/** Dropout for networks of SELU units: keeps mean and variance. */
export const alpha_dropout: Dropout = define("alpha_dropout", { features: false, alpha: true });
/** {@link alpha_dropout} of whole channels. */
export const feature_alpha_dropout: Dropout = define("feature_alpha_dropout", { features: true, alpha: true });

const inplaceOf = (op: Dropout): Dropout => op.op.inplace as unknown as Dropout;

/** {@link dropout} in place. */
export const dropout_: Dropout = inplaceOf(dropout);
/** {@link feature_dropout} in place. */
export const feature_dropout_: Dropout = inplaceOf(feature_dropout);
/** {@link alpha_dropout} in place. */
export const alpha_dropout_: Dropout = inplaceOf(alpha_dropout);
/** {@link feature_alpha_dropout} in place. */
export const feature_alpha_dropout_: Dropout = inplaceOf(feature_alpha_dropout);
