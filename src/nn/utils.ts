/**
 * `torch.nn.utils`: parameters and gradients as a whole.
 */
import { no_grad } from "../autograd/modes.ts";
import { formatRepr } from "../base/decimal.ts";
import { ArgumentTypeError, TorchError } from "../base/errors.ts";
import { PyFloat, pythonTypeOf, type ScalarLike } from "../dispatch/signature.ts";
import { tensor } from "../ops/create.ts";
import { cat, stack } from "../ops/join.ts";
import { linalg_vector_norm } from "../ops/norm.ts";
import { Tensor } from "../tensor/tensor.ts";

export * as parametrizations from "./parametrizations.ts";
export * as rnn from "./packed.ts";
export * as parametrize from "./parametrize.ts";
export { remove_spectral_norm, remove_weight_norm, spectral_norm, weight_norm } from "./weight-norm.ts";

/** One tensor or many. */
export type Tensors = Tensor | Iterable<Tensor>;

const listOf = (tensors: Tensors): Tensor[] => (tensors instanceof Tensor ? [tensors] : [...tensors]);

const gradients = (parameters: Tensors): Tensor[] =>
  listOf(parameters).flatMap((p) => {
    const grad = p._extra?.grad ?? null;
    return grad === null ? [] : [grad];
  });

/** A number, also where it is marked as a float. */
const numberOf = (x: ScalarLike | string): number =>
  x instanceof PyFloat ? x.value : x === "inf" ? Infinity : Number(x);

/** Options of {@link clip_grad_norm_} and {@link get_total_norm}. */
export interface NormOptions {
  /** Of which norm; `"inf"` for the largest absolute value. Default: 2. */
  norm_type?: number | "inf";
  /** Whether a norm that is not finite is an error. Default: false. */
  error_if_nonfinite?: boolean;
  foreach?: boolean | null;
}

const optionsOf = (
  norm_type: number | "inf" | NormOptions | undefined,
  error_if_nonfinite: boolean | NormOptions | undefined,
): { p: ScalarLike; strict: boolean } => {
  const isNumber = typeof norm_type === "number" || typeof norm_type === "string" || norm_type instanceof PyFloat;
  const options = isNumber ? (typeof error_if_nonfinite === "object" ? error_if_nonfinite : {}) : (norm_type ?? {});
  const p = (isNumber ? norm_type : (options.norm_type ?? 2)) as ScalarLike | "inf";
  const strict = typeof error_if_nonfinite === "boolean" ? error_if_nonfinite : (options.error_if_nonfinite ?? false);
  return { p: numberOf(p), strict };
};

function totalNorm(tensors: readonly Tensor[], p: number, strict: boolean): Tensor {
  if (tensors.length === 0) return tensor(0);
  const norms = tensors.map((t) => linalg_vector_norm(t, p));
  const total = linalg_vector_norm(stack(norms), p);
  if (strict && !Number.isFinite(Number(total.item()))) {
    throw new TorchError(
      `The total norm of order ${formatRepr(p)} for gradients from \`parameters\` is non-finite, so it cannot be clipped. To disable this error and scale the gradients by the non-finite norm anyway, set \`error_if_nonfinite=False\``,
    );
  }
  return total;
}

/** The norm of all the tensors as if they were one vector. */
export function get_total_norm(
  tensors: Tensors,
  norm_type?: number | "inf" | NormOptions,
  error_if_nonfinite?: boolean | NormOptions,
): Tensor {
  const { p, strict } = optionsOf(norm_type, error_if_nonfinite);
  return totalNorm(listOf(tensors), Number(p), strict);
}

/** Scales the gradients down, if their total norm is above `max_norm`, as if it were `total_norm`. */
export function clip_grads_with_norm_(parameters: Tensors, max_norm: number, total_norm: Tensor): void {
  no_grad(() => {
    const factor = total_norm.add(1e-6).reciprocal().mul(numberOf(max_norm)).clamp({ max: 1 });
    for (const grad of gradients(parameters)) grad.mul_(factor);
  });
}

/** Scales the gradients of all parameters down to a total norm of at most `max_norm`. Returns the norm before. */
export function clip_grad_norm_(
  parameters: Tensors,
  max_norm: number,
  norm_type?: number | "inf" | NormOptions,
  error_if_nonfinite?: boolean | NormOptions,
): Tensor {
  const { p, strict } = optionsOf(norm_type, error_if_nonfinite);
  // A generator can be run through only once.
  const list = listOf(parameters);
  return no_grad(() => {
    const total = totalNorm(gradients(list), Number(p), strict);
    clip_grads_with_norm_(list, max_norm, total);
    return total;
  });
}

/** Limits every element of the gradients to [-clip_value, clip_value]. */
export function clip_grad_value_(parameters: Tensors, clip_value: number): void {
  const limit = numberOf(clip_value);
  no_grad(() => {
    for (const grad of gradients(parameters)) grad.clamp_(-limit, limit);
  });
}

/** All parameters one after the other in a vector. */
export function parameters_to_vector(parameters: Iterable<Tensor>): Tensor {
  return cat(
    [...parameters].map((p) => p.view(-1)),
    0,
  );
}

/** Takes the values of all parameters out of a vector; they share its memory. */
export function vector_to_parameters(vec: Tensor, parameters: Iterable<Tensor>): void {
  if (!(vec instanceof Tensor)) {
    throw new ArgumentTypeError(`expected torch.Tensor, but got: ${pythonTypeOf(vec)}`);
  }
  let at = 0;
  for (const p of parameters) {
    const n = p.numel();
    p.data = vec.narrow(0, at, n).view_as(p).data;
    at += n;
  }
}
