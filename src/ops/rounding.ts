/**
 * Rounding to whole numbers or digits.
 */
import type { DType } from "../base/dtype.ts";
import { pointwise, type OutOption, type UnaryOperator } from "../dispatch/family/pointwise.ts";
import { type Chosen, variants } from "../dispatch/family/variants.ts";
import { describe, type InplaceOpInfo } from "../dispatch/op.ts";
import { notBool, onlyFloat } from "../dispatch/refuse.ts";
import { Signature } from "../dispatch/signature.ts";
import { E, type Expr, isFloat } from "../ir/expr.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** A step function of floating point numbers, which leaves integers as they are. */
const step = (name: string, f: (x: Expr) => Expr, gradName?: string): UnaryOperator =>
  pointwise(`${name}(Tensor input)`, (x) => (isFloat(x.type) ? f(x) : x), {
    grad: () => [null],
    check: notBool(`${name}_vml_cpu`),
    ...(gradName === undefined ? {} : { gradName }),
  });

/** The largest integer not above. */
export const floor: UnaryOperator = step("floor", (x) => E.floor(x));

/** The smallest integer not below. */
export const ceil: UnaryOperator = step("ceil", (x) => E.ceil(x));

/** Towards zero. */
export const trunc: UnaryOperator = step("trunc", (x) => E.trunc(x));

/** The part after the point, with the sign of the input. */
export const frac: UnaryOperator = pointwise("frac", (x) => E.sub(x, E.trunc(x)), {
  grad: (g) => [g],
  check: onlyFloat("frac_cpu"),
});

const toInteger = step("round", (x) => E.round(x));

const toUnits = pointwise<(input: Tensor) => Tensor>("round", (x) => E.round(x), {
  grad: () => [null],
  gradName: "RoundBackward1",
  check: (dtype: DType) => onlyFloat("round_cpu")(dtype),
});

const decimal = (name: string, f: (x: Expr, scale: Expr) => Expr): unknown =>
  pointwise(`${name}(Tensor input, float scale)`, (x, scale) => f(x, scale as Expr), {
    grad: () => [null, null],
    gradName: "RoundBackward1",
    check: onlyFloat("round_cpu"),
  });

const toDigits = decimal("round_digits", (x, scale) => E.div(E.round(E.mul(x, scale)), scale));
const toPowersOfTen = decimal("round_powers", (x, scale) => E.mul(E.round(E.div(x, scale)), scale));

/** Options of {@link round}. */
export interface RoundOptions extends OutOption {
  /** Digits after the point to keep; negative: before it. */
  decimals?: number;
}

const signature = "round(Tensor input, *, int? decimals=None)";

const rounded = variants<(input: Tensor, options?: RoundOptions) => Tensor>(
  signature,
  (x: Tensor, decimals: number | null): Chosen => {
    if (decimals === null) return [toInteger, x];
    if (decimals === 0) return [toUnits, x];
    return [decimals > 0 ? toDigits : toPowersOfTen, x, 10 ** Math.abs(decimals)];
  },
);

/** To the nearest integer, halves to even, or to `decimals` digits. */
export const round: ((input: Tensor, options?: RoundOptions) => Tensor) & { readonly op: InplaceOpInfo } = describe(
  (x: Tensor, options?: RoundOptions): Tensor => (options === undefined ? toInteger(x) : rounded(x, options)),
  new Signature(signature),
  { inplace: rounded.op.inplace },
);
