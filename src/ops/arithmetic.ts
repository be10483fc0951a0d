/**
 * Sums, products, quotients and remainders.
 */
import { bool, type DType } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { type Scalar } from "../base/promote.ts";
import { contiguousRaw } from "../dispatch/elementwise.ts";
import { pointwise, type BinaryOperator, type OutOption, type UnaryOperator } from "../dispatch/family/pointwise.ts";
import { type Chosen, variants } from "../dispatch/family/variants.ts";
import { describe, type InplaceOpInfo, operator } from "../dispatch/op.ts";
import { notBool } from "../dispatch/refuse.ts";
import { PyFloat, type ScalarLike, Signature } from "../dispatch/signature.ts";
import { E, type Expr, isFloat } from "../ir/expr.ts";
import { viewElements } from "../tensor/data.ts";
import { complexAbs, complexAngle, complexSgn } from "./complex.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Op } from "./view.ts";

/** Options of `add` and `sub`. */
export interface AlphaOption extends OutOption {
  /** Multiplies `other`. Default: 1. */
  alpha?: ScalarLike;
}

/** The type of {@link add} and {@link sub}. */
export type ScaledBinaryOperator = ((
  input: Tensor | ScalarLike,
  other: Tensor | ScalarLike,
  options?: AlphaOption,
) => Tensor) & {
  readonly op: InplaceOpInfo;
};

const int = (e: Expr): boolean => !isFloat(e.type);

const isFraction = (x: unknown): boolean => x instanceof PyFloat || (typeof x === "number" && !Number.isInteger(x));

/** What `alpha` may be beside operands of these dtypes. */
function checkAlpha([x, y, alpha]: readonly unknown[]): void {
  if (alpha === 1) return;
  const operands = [x, y];
  const fractional = operands.some((o) => (o instanceof Tensor ? o.dtype.category > 1 : isFraction(o)));
  const allBool = operands.every((o) => (o instanceof Tensor ? o.dtype === bool : typeof o === "boolean"));
  if (typeof alpha === "boolean" && !allBool) throw new TorchError("Boolean alpha only supported for Boolean results.");
  if (isFraction(alpha) && !fractional) {
    throw new TorchError("For integral input tensors, argument alpha must not be a floating point number.");
  }
}

/** `input + alpha * other`. */
export const add: ScaledBinaryOperator = pointwise(
  "add(Tensor|Scalar input, Tensor|Scalar other, *, Scalar alpha=1)",
  (x, y, alpha) => E.add(x, E.mul(y, alpha as Expr)),
  {
    bool: (x, y, alpha) => E.or(x, E.and(y, alpha as Expr)),
    checkArguments: checkAlpha,
    preciseNumbers: true,
  },
);

const twoBools =
  "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead.";
const oneBool =
  "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead.";

const isBool = (x: unknown): boolean => (x instanceof Tensor ? x.dtype === bool : typeof x === "boolean");

const subtraction = {
  checkValues: (operands: readonly unknown[]): void => {
    if (operands.some(isBool)) throw new TorchError(operands.every(isBool) ? twoBools : oneBool);
  },
  checkArguments: checkAlpha,
  preciseNumbers: true,
};

/** `input - alpha * other`. */
export const sub: ScaledBinaryOperator = pointwise(
  "sub(Tensor|Scalar input, Tensor|Scalar other, *, Scalar alpha=1)",
  (x, y, alpha) => E.sub(x, E.mul(y, alpha as Expr)),
  subtraction,
);

/** `other - alpha * input`. */
export const rsub: Op<(input: Tensor, other: Tensor | ScalarLike, options?: AlphaOption) => Tensor> = pointwise(
  "rsub(Tensor input, Tensor|Scalar other, *, Scalar alpha=1)",
  (x, y, alpha) => E.sub(y, E.mul(x, alpha as Expr)),
  {
    ...subtraction,
    inplace: false,
    gradName: ([, number]) => (number === true ? "RsubBackward1" : "RsubBackward0"),
  },
);

/** `input * other`. */
export const mul: BinaryOperator = pointwise("mul", (x, y) => E.mul(x, y), {
  bool: (x, y) => E.and(x, y),
  preciseNumbers: true,
});

// --- quotients -------------------------------------------------------------------------------------------------------

const truediv = pointwise<BinaryOperator>("div", (x, y) => E.div(x, y), {
  dtype: "float",
  grad: (g, _, x, y) => [E.div(g, y), E.mul(E.neg(g), E.div(E.div(x, y), y))],
  preciseNumbers: true,
});

/** Integers have no quotient by zero; nothing is computed then. */
function refuseZeroDivisor(operands: readonly (Tensor | Scalar)[], compute: DType): void {
  if (compute.category > 1 || operands.some((o) => o instanceof Tensor && o._numel === 0)) return;
  const divisor = operands[1] as Tensor | Scalar;
  if (divisor instanceof Tensor ? hasZero(divisor) : Number(divisor) === 0) throw new TorchError("ZeroDivisionError");
}

function hasZero(t: Tensor): boolean {
  const elements = viewElements(contiguousRaw(t));
  return elements instanceof BigInt64Array ? elements.includes(0n) : elements.includes(0);
}

/** Rounds the quotient of integers towards minus infinity; of floats as Python's `//`. */
function floorQuotient(x: Expr, y: Expr): Expr {
  if (int(x)) {
    const q = E.div(x, y);
    const inexact = E.ne(E.rem(x, y), 0);
    const negative = E.lt(E.xor(x, y), 0);
    return E.select(E.and(inexact, negative), E.sub(q, 1), q);
  }
  // As Python: from the remainder, so that the result is exact where x / y would round up to an integer.
  const mod = E.fmod(x, y);
  const div = E.div(E.sub(x, mod), y);
  const wrong = E.and(E.ne(mod, 0), E.xor(E.lt(y, 0), E.lt(mod, 0)));
  const adjusted = E.select(wrong, E.sub(div, 1), div);
  const floor = E.floor(adjusted);
  const rounded = E.select(E.gt(E.sub(adjusted, floor), 0.5), E.add(floor, 1), floor);
  const result = E.select(E.eq(adjusted, 0), E.copysign(E.const(x.type, 0), E.div(x, y)), rounded);
  return E.select(E.eq(y, 0), E.div(x, y), result);
}

const noGradient = (): readonly null[] => [null, null];

const divTrunc = pointwise<BinaryOperator>("div_trunc", (x, y) => (int(x) ? E.div(x, y) : E.trunc(E.div(x, y))), {
  gradName: "DivBackward2",
  grad: noGradient,
  check: notBool("div_trunc_cpu"),
  checkValues: refuseZeroDivisor,
});

const divFloor = pointwise<BinaryOperator>("div_floor", floorQuotient, {
  gradName: "DivBackward2",
  grad: noGradient,
  check: notBool("div_floor_cpu"),
  checkValues: refuseZeroDivisor,
});

/** `input // other`: the quotient rounded towards minus infinity, without a gradient. */
export const floor_divide: BinaryOperator = pointwise("floor_divide", floorQuotient, {
  differentiable: false,
  check: notBool("div_floor_cpu"),
  checkValues: refuseZeroDivisor,
});

/** Options of {@link div}. */
export interface DivOptions extends OutOption {
  /** `null`: true division; `"trunc"`: towards zero; `"floor"`: towards minus infinity. */
  rounding_mode?: "trunc" | "floor" | null;
}

/** The type of {@link div}. */
export type DivOperator = ((input: Tensor | ScalarLike, other: Tensor | ScalarLike, options?: DivOptions) => Tensor) & {
  readonly op: InplaceOpInfo;
};

const divSignature = "div(Tensor|Scalar input, Tensor|Scalar other, *, str? rounding_mode=None)";

const divide = variants<DivOperator>(divSignature, (x: unknown, y: unknown, mode: string | null): Chosen => {
  if (mode !== null && mode !== "trunc" && mode !== "floor") {
    throw new TorchError(`div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '${mode}'`);
  }
  return [mode === null ? truediv : mode === "trunc" ? divTrunc : divFloor, x, y];
});

/** `input / other`; integers are divided as floats unless `rounding_mode` says otherwise. */
export const div: DivOperator = describe(
  (x: Tensor | ScalarLike, y: Tensor | ScalarLike, options?: DivOptions): Tensor =>
    options === undefined ? truediv(x, y) : divide(x, y, options),
  new Signature(divSignature),
  { inplace: divide.op.inplace },
);

/** `input / other`. */
export const true_divide: BinaryOperator = pointwise("true_divide", (x, y) => E.div(x, y), {
  dtype: "float",
  gradName: "DivBackward0",
  grad: (g, _, x, y) => [E.div(g, y), E.mul(E.neg(g), E.div(E.div(x, y), y))],
  preciseNumbers: true,
});

/** The remainder of division with the sign of `other` (Python's `%`). */
export const remainder: BinaryOperator = pointwise(
  "remainder",
  (x, y) => {
    const r = int(x) ? E.rem(x, y) : E.fmod(x, y);
    const fix = E.and(E.ne(r, 0), E.xor(E.lt(r, 0), E.lt(y, 0)));
    return E.select(fix, E.add(r, y), r);
  },
  {
    grad: (g, _, x, y) => [g, E.mul(E.neg(g), floorQuotient(x, y))],
    gradName: ([, number]) => (number === true ? "RemainderBackward0" : "RemainderBackward1"),
    check: notBool("remainder_cpu"),
    checkValues: refuseZeroDivisor,
  },
);

/** The remainder of division with the sign of `input` (C's `fmod`). */
export const fmod: ((input: Tensor, other: Tensor | ScalarLike, options?: OutOption) => Tensor) & {
  readonly op: InplaceOpInfo;
} = pointwise("fmod(Tensor input, Tensor|Scalar other)", (x, y) => (int(x) ? E.rem(x, y) : E.fmod(x, y)), {
  grad: (g, _, x, y) => [g, E.mul(E.neg(g), E.trunc(E.div(x, y)))],
  gradName: ([, number]) => (number === true ? "FmodBackward0" : "FmodBackward1"),
  check: notBool("fmod_cpu"),
  checkValues: refuseZeroDivisor,
});

// --- of one operand --------------------------------------------------------------------------------------------------

/** `-input`. */
export const neg: UnaryOperator = pointwise("neg", (x) => E.neg(x), {
  check: (dtype) => {
    if (dtype === bool) {
      throw new TorchError(
        "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead.",
      );
    }
  },
});

/** `|input|`; the derivative at 0 is 0. */
export const abs: UnaryOperator = pointwise("abs", (x) => E.abs(x), {
  complex: complexAbs,
  bool: (x) => x,
  grad: (g, _, x) => [E.mul(g, signOf(x))],
});

/** -1, 0 or 1 by the sign; a NaN gives 0. */
export const sign: UnaryOperator = pointwise("sign", signOf, { bool: (x) => x, grad: () => [null] });

/** -1, 0 or 1 by the sign: {@link sign}, which for complex numbers would be the direction. */
export const sgn: UnaryOperator = pointwise("sgn", signOf, { complex: complexSgn, bool: (x) => x, grad: () => [null] });

function signOf(x: Expr): Expr {
  return E.select(E.gt(x, 0), E.const(x.type, 1), E.select(E.lt(x, 0), E.const(x.type, -1), 0));
}

/** The angle of a number in the complex plane: 0, or π for negative numbers. */
export const angle: Op<(input: Tensor, options?: OutOption) => Tensor> = pointwise(
  "angle(Tensor input)",
  (x) => E.select(E.isnan(x), x, E.select(E.lt(x, 0), E.const(x.type, Math.PI), 0)),
  { dtype: "float", complex: complexAngle, grad: () => [null], inplace: false },
);

/** The input itself. */
export const positive: Op<(input: Tensor) => Tensor> = operator("positive(Tensor input)", (x: Tensor): Tensor => {
  if (x.dtype === bool) throw new TorchError("The `+` operator, on a bool tensor is not supported.");
  return x;
});

/** `1 / input`. */
export const reciprocal: UnaryOperator = pointwise("reciprocal", (x) => E.reciprocal(x), { dtype: "float" });

/** Square root; the derivative at 0 is infinite. */
export const sqrt: UnaryOperator = pointwise("sqrt", (x) => E.sqrt(x), { dtype: "float" });

/** `1 / sqrt(input)`. */
export const rsqrt: UnaryOperator = pointwise("rsqrt", (x) => E.rsqrt(x), { dtype: "float" });

// --- of three operands -----------------------------------------------------------------------------------------------

/** The type of {@link addcmul} and {@link addcdiv}. */
export type TernaryOperator = ((
  input: Tensor,
  tensor1: Tensor,
  tensor2: Tensor,
  options?: { value?: ScalarLike } & OutOption,
) => Tensor) & {
  readonly op: InplaceOpInfo;
};

/** `input + value * tensor1 * tensor2`. */
export const addcmul: TernaryOperator = pointwise(
  "addcmul(Tensor input, Tensor tensor1, Tensor tensor2, *, Scalar value=1)",
  (x, a, b, value) => E.add(x, E.mul(E.mul(value as Expr, a as Expr), b as Expr)),
  { check: notBool("addcmul_cpu_out") },
);

/** `input + value * tensor1 / tensor2`. */
export const addcdiv: TernaryOperator = pointwise(
  "addcdiv(Tensor input, Tensor tensor1, Tensor tensor2, *, Scalar value=1)",
  (x, a, b, value) => E.add(x, E.mul(value as Expr, E.div(a as Expr, b as Expr))),
  {
    checkArguments: ([, a, b]) => {
      if ([a, b].every((t) => t instanceof Tensor && t.dtype.category < 2)) throw new TorchError(integerAddcdiv);
    },
  },
);

const integerAddcdiv =
  "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a true division of tensor1 and tensor2. The historic addcdiv behavior can be implemented as (input + value * torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs and as (input + value * tensor1 / tensor2) for float inputs. The future addcdiv behavior is just the latter implementation: (input + value * tensor1 / tensor2), for all dtypes.";

/** `input + weight * (end - input)`. */
export const lerp: ((input: Tensor, end: Tensor, weight: Tensor | ScalarLike, options?: OutOption) => Tensor) & {
  readonly op: InplaceOpInfo;
} = pointwise(
  "lerp(Tensor input, Tensor end, Tensor|Scalar weight)",
  (x, y, w) => {
    const near = E.add(x, E.mul(w as Expr, E.sub(y, x)));
    const far = E.sub(y, E.mul(E.sub(y, x), E.sub(E.const(x.type, 1), w as Expr)));
    return E.select(E.lt(E.abs(w as Expr), 0.5), near, far);
  },
  {
    grad: (g, _, x, y, w) => [E.mul(g, E.sub(1, w as Expr)), E.mul(g, w as Expr), E.mul(g, E.sub(y, x))],
    complexOrder: true,
    gradName: ([, , number]) => (number === true ? "LerpBackward0" : "LerpBackward1"),
    preciseNumbers: true,
    checkArguments: ([x, y, w]) => {
      const dtype = (x as Tensor).dtype;
      const name = (t: Tensor): string => t.dtype.scalarName.toLowerCase();
      for (const [what, t] of [
        ["end", y],
        ["weight", w],
      ] as const) {
        if (t instanceof Tensor && t.dtype !== dtype) {
          throw new TorchError(`expected dtype ${name(x as Tensor)} for \`${what}\` but got dtype ${name(t)}`);
        }
      }
    },
  },
);
