/**
 * Arithmetic, powers and rounding.
 */
import { bool, type DType } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { toFloat } from "../base/promote.ts";
import { pointwise, type BinaryOperator, type OutOption, type UnaryOperator } from "../dispatch/family/pointwise.ts";
import { describe, type InplaceOpInfo, type Operator } from "../dispatch/op.ts";
import { PyFloat, type ScalarLike, Signature } from "../dispatch/signature.ts";
import { E, type Expr, isFloat } from "../ir/expr.ts";
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

/** `input + alpha * other`. */
export const add: ScaledBinaryOperator = pointwise(
  "add(Tensor|Scalar input, Tensor|Scalar other, *, Scalar alpha=1)",
  (x, y, alpha) => E.add(x, E.mul(y, alpha as Expr)),
  { bool: (x, y) => E.or(x, y) },
);

const subtractsBool = (dtype: DType): void => {
  if (dtype === bool) {
    throw new TorchError(
      "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead.",
    );
  }
};

/** `input - alpha * other`. */
export const sub: ScaledBinaryOperator = pointwise(
  "sub(Tensor|Scalar input, Tensor|Scalar other, *, Scalar alpha=1)",
  (x, y, alpha) => E.sub(x, E.mul(y, alpha as Expr)),
  { check: subtractsBool },
);

/** `other - alpha * input`. */
export const rsub: ScaledBinaryOperator = pointwise(
  "rsub(Tensor|Scalar input, Tensor|Scalar other, *, Scalar alpha=1)",
  (x, y, alpha) => E.sub(y, E.mul(x, alpha as Expr)),
  { check: subtractsBool, inplace: false },
);

/** `input * other`. */
export const mul: BinaryOperator = pointwise("mul", (x, y) => E.mul(x, y), {
  bool: (x, y) => E.and(x, y),
});

const truediv = pointwise<BinaryOperator>("div", (x, y) => E.div(x, y), {
  dtype: "float",
  grad: (g, _, x, y) => [E.div(g, y), E.mul(E.neg(g), E.div(E.div(x, y), y))],
});

/** Rounds the quotient of integers towards minus infinity; of floats as Python's `//`. */
function floorQuotient(x: Expr, y: Expr): Expr {
  if (int(x)) {
    const q = E.div(x, y);
    const inexact = E.ne(E.rem(x, y), 0);
    const negative = E.ne(E.lt(E.xor(x, y), 0), E.const("bool", false));
    return E.select(E.and(inexact, negative), E.sub(q, 1), q);
  }
  // As Python: from the remainder, so that the result is exact where x / y would round up to an integer.
  const mod = E.fmod(x, y);
  const div = E.div(E.sub(x, mod), y);
  const wrong = E.and(E.ne(mod, 0), E.ne(E.lt(y, 0), E.lt(mod, 0)));
  const adjusted = E.select(wrong, E.sub(div, 1), div);
  const floor = E.floor(adjusted);
  const rounded = E.select(E.gt(E.sub(adjusted, floor), 0.5), E.add(floor, 1), floor);
  const result = E.select(E.eq(adjusted, 0), E.copysign(E.const(x.type, 0), E.div(x, y)), rounded);
  return E.select(E.eq(y, 0), E.div(x, y), result);
}

const divTrunc = pointwise<BinaryOperator>("div_trunc", (x, y) => (int(x) ? E.div(x, y) : E.trunc(E.div(x, y))), {
  gradName: "DivBackward1",
  grad: (g) => [E.mul(g, 0), E.mul(g, 0)],
});

const divFloor = pointwise<BinaryOperator>("floor_divide", floorQuotient, {
  gradName: "DivBackward1",
  grad: (g) => [E.mul(g, 0), E.mul(g, 0)],
});

/** `input // other`: the quotient rounded towards minus infinity. */
export const floor_divide: BinaryOperator = divFloor;

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

function divide(args: readonly unknown[], form: (op: BinaryOperator) => Operator): unknown {
  const extra: Record<string, unknown> = {};
  const [x, y, mode] = new Signature(divSignature).bind(args, extra);
  if (mode !== null && mode !== "trunc" && mode !== "floor") {
    throw new TorchError(
      `div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '${String(mode)}'`,
    );
  }
  const op = mode === null ? truediv : mode === "trunc" ? divTrunc : divFloor;
  return form(op)(x, y, extra);
}

const divInplace = describe(
  (...args: unknown[]) => divide(args, (op) => op.op.inplace as Operator),
  new Signature(divSignature.replace("(", "_(")),
) as Operator;

/** `input / other`; integers are divided as floats unless `rounding_mode` says otherwise. */
export const div: DivOperator = describe(
  (x: Tensor | ScalarLike, y: Tensor | ScalarLike, options?: DivOptions): Tensor =>
    options === undefined ? truediv(x, y) : (divide([x, y, options], (op) => op) as Tensor),
  new Signature(divSignature),
  { inplace: divInplace },
);

/** The remainder of division with the sign of `other` (Python's `%`). */
export const remainder: BinaryOperator = pointwise(
  "remainder",
  (x, y) => {
    const r = int(x) ? E.rem(x, y) : E.fmod(x, y);
    const fix = E.and(E.ne(r, 0), E.ne(E.lt(r, 0), E.lt(y, 0)));
    return E.select(fix, E.add(r, y), r);
  },
  { grad: (g, _, x, y) => [g, E.mul(E.neg(g), floorQuotient(x, y))] },
);

/** The remainder of division with the sign of `input` (C's `fmod`). */
export const fmod: BinaryOperator = pointwise("fmod", (x, y) => (int(x) ? E.rem(x, y) : E.fmod(x, y)), {
  grad: (g, _, x, y) => [g, E.mul(E.neg(g), E.trunc(E.div(x, y)))],
});

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
export const abs: UnaryOperator = pointwise("abs", (x) => E.abs(x), { bool: (x) => x });

/** -1, 0 or 1 by the sign. */
export const sign: UnaryOperator = pointwise("sign", (x) => E.sign(x), { bool: (x) => x });

/** `1 / input`. */
export const reciprocal: UnaryOperator = pointwise("reciprocal", (x) => E.reciprocal(x), { dtype: "float" });

/** `input * input`; its node is that of `pow`, as in PyTorch. */
export const square: UnaryOperator = pointwise("square", (x) => E.mul(x, x), {
  gradName: "PowBackward0",
  dtype: (d) => (d === bool ? bool : d),
});

/** Square root; the derivative at 0 is infinite. */
export const sqrt: UnaryOperator = pointwise("sqrt", (x) => E.sqrt(x), { dtype: "float" });

/** `1 / sqrt(input)`. */
export const rsqrt: UnaryOperator = pointwise("rsqrt", (x) => E.rsqrt(x), { dtype: "float" });

const rounding = { bool: (x: Expr): Expr => x };

/** The largest integer not above. */
export const floor: UnaryOperator = pointwise("floor", (x) => (int(x) ? x : E.floor(x)), rounding);

/** The smallest integer not below. */
export const ceil: UnaryOperator = pointwise("ceil", (x) => (int(x) ? x : E.ceil(x)), rounding);

/** Towards zero. */
export const trunc: UnaryOperator = pointwise("trunc", (x) => (int(x) ? x : E.trunc(x)), { ...rounding });

/** The part after the point, with the sign of the input. */
export const frac: UnaryOperator = pointwise("frac", (x) => E.sub(x, E.trunc(x)));

const roundInteger = pointwise<UnaryOperator>("round", (x) => (int(x) ? x : E.round(x)), rounding);

const roundDecimals = pointwise<(input: Tensor, scale: number, up: boolean) => Tensor>(
  "round(Tensor input, float scale, bool up)",
  (x, scale, up) =>
    E.select(
      E.ne(up as Expr, 0),
      E.div(E.round(E.mul(x, scale as Expr)), scale as Expr),
      E.mul(E.round(E.div(x, scale as Expr)), scale as Expr),
    ),
  { grad: (g) => [E.mul(g, 0)] },
);

/** Options of {@link round}. */
export interface RoundOptions extends OutOption {
  /** Digits after the point to keep; negative: before it. */
  decimals?: number;
}

/** To the nearest integer, halves to even, or to `decimals` digits. */
export const round: ((input: Tensor, options?: RoundOptions) => Tensor) & { readonly op: InplaceOpInfo } = describe(
  (x: Tensor, options?: RoundOptions): Tensor => {
    const decimals = options?.decimals ?? 0;
    if (decimals === 0) return options === undefined ? roundInteger(x) : roundInteger(x, { out: options.out ?? null });
    return roundDecimals(x, 10 ** Math.abs(decimals), decimals > 0);
  },
  new Signature("round(Tensor input, *, int decimals=0)"),
  {
    inplace: describe((x: Tensor, options?: RoundOptions): unknown => {
      const decimals = options?.decimals ?? 0;
      if (decimals === 0) return (roundInteger.op.inplace as Operator)(x);
      return ((roundDecimals as unknown as Operator).op.inplace as Operator)(x, 10 ** Math.abs(decimals), decimals > 0);
    }, new Signature("round_(Tensor input, *, int decimals=0)")) as Operator,
  },
);

// --- powers ----------------------------------------------------------------------------------------------------------

/** Integer powers by squaring, wrapping on overflow; negative exponents give 0, 1 or -1 as in PyTorch. */
function integerPower(base: Expr, exponent: Expr): Expr {
  const { type } = base;
  const one = E.const(type, 1);
  let result: Expr = one;
  let square = base;
  let rest = exponent;
  for (let bit = 0; bit < (type === "i64" ? 63 : 31); bit++) {
    result = E.select(E.ne(E.and(rest, 1), 0), E.mul(result, square), result);
    square = E.mul(square, square);
    rest = E.shru(rest, 1);
  }
  const even = E.eq(E.and(exponent, 1), 0);
  const minusOne = E.select(even, one, E.const(type, -1));
  const reciprocal = E.select(E.eq(base, 1), one, E.select(E.eq(base, -1), minusOne, E.const(type, 0)));
  return E.select(E.lt(exponent, 0), reciprocal, result);
}

const tensorPower = pointwise<BinaryOperator>(
  "pow(Tensor|Scalar input, Tensor|Scalar exponent)",
  (x, y) => (int(x) ? integerPower(x, y) : E.pow(x, y)),
  {
    gradName: "PowBackward1",
    grad: (g, r, x, y) => [
      E.select(E.eq(y, 0), E.const(x.type, 0), E.mul(g, E.mul(y, E.pow(x, E.sub(y, 1))))),
      E.select(E.and(E.eq(x, 0), E.ge(y, 0)), E.const(x.type, 0), E.mul(g, E.mul(r, E.log(x)))),
    ],
  },
);

/** A constant exponent: its own expression, exact and cheap, where one is common. */
const constantPowers: ReadonlyMap<number, UnaryOperator> = new Map(
  (
    [
      [2, (x: Expr) => E.mul(x, x)],
      [3, (x: Expr) => E.mul(E.mul(x, x), x)],
      [0.5, (x: Expr) => E.sqrt(x)],
    ] as const
  ).map(([e, f]) => [e, pointwise<UnaryOperator>(`pow_${e}(Tensor input)`, f, { gradName: "PowBackward0" })]),
);

const scalarPower = pointwise<(input: Tensor, exponent: ScalarLike) => Tensor>(
  "pow(Tensor input, Tensor|Scalar exponent)",
  (x, y) => (int(x) ? integerPower(x, y as Expr) : E.pow(x, y as Expr)),
  {
    gradName: "PowBackward0",
    grad: (g, _, x, y) => [
      E.select(E.eq(y as Expr, 0), E.const(x.type, 0), E.mul(g, E.mul(y as Expr, E.pow(x, E.sub(y as Expr, 1))))),
      null,
    ],
  },
);

function choosePower(x: unknown, y: unknown): Operator {
  if (x instanceof Tensor && !(y instanceof Tensor)) {
    const e = y instanceof PyFloat ? y.value : y;
    const special = x.dtype.is_floating_point && typeof e === "number" ? constantPowers.get(e) : undefined;
    if (special !== undefined) return special as unknown as Operator;
    if (typeof e === "number" && Number.isInteger(e) && e < 0 && !(y instanceof PyFloat) && x.dtype.category < 2) {
      throw new TorchError("Integers to negative integer powers are not allowed.");
    }
    return scalarPower as unknown as Operator;
  }
  return tensorPower as unknown as Operator;
}

const powSignature = new Signature("pow(Tensor|Scalar input, Tensor|Scalar exponent)");

function power(args: readonly unknown[], inplace: boolean): unknown {
  const extra: Record<string, unknown> = {};
  const [x, y] = powSignature.bind(args, extra);
  const op = choosePower(x, y);
  const form = inplace ? (op.op.inplace as Operator) : op;
  const one = op !== tensorPower && op !== (scalarPower as unknown as Operator);
  return one ? form(x, extra) : form(x, y, extra);
}

/** `input ** exponent`. */
export const pow: BinaryOperator = describe((...args: unknown[]) => power(args, false) as Tensor, powSignature, {
  inplace: describe(
    (...args: unknown[]) => power(args, true),
    new Signature("pow_(Tensor input, Tensor|Scalar exponent)"),
  ) as Operator,
});

/** `input ** exponent` in double precision. */
export const float_power: Op<
  (input: Tensor | ScalarLike, exponent: Tensor | ScalarLike, options?: OutOption) => Tensor
> = describe((x: Tensor | ScalarLike, y: Tensor | ScalarLike, options?: OutOption): Tensor => {
  const wide = (t: Tensor | ScalarLike): Tensor | ScalarLike => (t instanceof Tensor ? t.double() : t);
  return options === undefined ? pow(wide(x), wide(y)) : pow(wide(x), wide(y), options);
}, new Signature("float_power(Tensor|Scalar input, Tensor|Scalar exponent)"));

/** `input + value * tensor1 * tensor2`. */
export const addcmul: ((
  input: Tensor,
  tensor1: Tensor,
  tensor2: Tensor,
  options?: { value?: ScalarLike } & OutOption,
) => Tensor) & {
  readonly op: InplaceOpInfo;
} = pointwise("addcmul(Tensor input, Tensor tensor1, Tensor tensor2, *, Scalar value=1)", (x, a, b, value) =>
  E.add(x, E.mul(E.mul(value as Expr, a as Expr), b as Expr)),
);

/** `input + value * tensor1 / tensor2`. */
export const addcdiv: typeof addcmul = pointwise(
  "addcdiv(Tensor input, Tensor tensor1, Tensor tensor2, *, Scalar value=1)",
  (x, a, b, value) => E.add(x, E.mul(value as Expr, E.div(a as Expr, b as Expr))),
  { dtype: toFloat },
);

/** `input + weight * (end - input)`. */
export const lerp: ((input: Tensor, end: Tensor, weight: Tensor | ScalarLike, options?: OutOption) => Tensor) & {
  readonly op: InplaceOpInfo;
} = pointwise("lerp(Tensor input, Tensor end, Tensor|Scalar weight)", (x, y, w) => {
  const near = E.add(x, E.mul(w as Expr, E.sub(y, x)));
  const far = E.sub(y, E.mul(E.sub(y, x), E.sub(E.const(x.type, 1), w as Expr)));
  return E.select(E.lt(E.abs(w as Expr), 0.5), near, far);
});
