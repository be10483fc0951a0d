/**
 * Comparisons, tests of one value, and the larger or smaller of two.
 */
import { TorchError } from "../base/errors.ts";
import { toFloat } from "../base/promote.ts";
import { sameShape } from "../base/shape.ts";
import { pointwise, type OutOption } from "../dispatch/family/pointwise.ts";
import { type InplaceOpInfo, operator } from "../dispatch/op.ts";
import type { ScalarLike } from "../dispatch/signature.ts";
import { E, type Expr, isFloat } from "../ir/expr.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { abs, add, mul, sub } from "./arithmetic.ts";
import { imag, real } from "./complex.ts";
import { logical_and, logical_or } from "./logical.ts";
import { all } from "./reduce.ts";
import type { Op } from "./view.ts";

/** A comparison of a tensor with a tensor or a number. */
export type Comparison = ((input: Tensor, other: Tensor | ScalarLike, options?: OutOption) => Tensor) & {
  readonly op: InplaceOpInfo;
};

/** An operator of two tensors, which broadcast and are promoted. */
export type TensorBinary = ((input: Tensor, other: Tensor, options?: OutOption) => Tensor) & {
  readonly op: InplaceOpInfo;
};

/** An operator of two tensors without an in-place form. */
export type TensorBinaryOut = Op<(input: Tensor, other: Tensor, options?: OutOption) => Tensor>;

const comparison = (name: string, f: (x: Expr, y: Expr) => Expr): Comparison =>
  pointwise(`${name}(Tensor input, Tensor|Scalar other)`, f, {
    dtype: "bool",
    // In place the gradient is zero; the node tells whether the operand was a number.
    gradName: ([, number]) => `${name.charAt(0).toUpperCase()}${name.slice(1)}Backward${number === true ? 0 : 1}`,
  });

/** Whether equal. */
export const eq: Comparison = comparison("eq", (x, y) => E.eq(x, y));
/** Whether not equal. */
export const ne: Comparison = comparison("ne", (x, y) => E.ne(x, y));
/** Whether less. */
export const lt: Comparison = comparison("lt", (x, y) => E.lt(x, y));
/** Whether less or equal. */
export const le: Comparison = comparison("le", (x, y) => E.le(x, y));
/** Whether greater. */
export const gt: Comparison = comparison("gt", (x, y) => E.gt(x, y));
/** Whether greater or equal. */
export const ge: Comparison = comparison("ge", (x, y) => E.ge(x, y));

// --- tests of one value ----------------------------------------------------------------------------------------------

/** A test that for integers and bool always has the same answer. */
const floatTest = (
  name: string,
  f: (x: Expr) => Expr,
  otherwise: boolean,
  complex?: (z: Tensor) => Tensor,
): UnaryTest =>
  pointwise(`${name}(Tensor input)`, (x) => (isFloat(x.type) ? f(x) : E.const("bool", otherwise)), {
    dtype: "bool",
    inplace: false,
    ...(complex === undefined ? {} : { complex }),
  });

/** A test of each element. */
export type UnaryTest = Op<(input: Tensor, options?: OutOption) => Tensor>;

/** Whether NaN. */
export const isnan: UnaryTest = floatTest("isnan", (x) => E.isnan(x), false);
/** Whether infinite. */
export const isinf: UnaryTest = floatTest(
  "isinf",
  (x) => E.eq(E.abs(x), Infinity),
  false,
  (z) => logical_or(isinf(real(z)), isinf(imag(z))),
);
/** Whether neither infinite nor NaN. */
export const isfinite: UnaryTest = floatTest(
  "isfinite",
  (x) => E.lt(E.abs(x), Infinity),
  true,
  (z) => logical_and(isfinite(real(z)), isfinite(imag(z))),
);
/** Whether `-inf`. */
export const isneginf: UnaryTest = floatTest("isneginf", (x) => E.eq(x, -Infinity), false);
/** Whether `+inf`. */
export const isposinf: UnaryTest = floatTest("isposinf", (x) => E.eq(x, Infinity), false);
/** Whether without an imaginary part. */
export const isreal: UnaryTest = floatTest(
  "isreal",
  () => E.const("bool", true),
  true,
  (z) => eq(imag(z), 0),
);

/** Whether the sign bit is set: of a negative number, and of -0. */
export const signbit: UnaryTest = pointwise(
  "signbit(Tensor input)",
  (x) => E.lt(isFloat(x.type) ? E.copysign(E.const(x.type, 1), x) : x, 0),
  { dtype: "bool", bool: () => E.const("bool", false), inplace: false },
);

// --- closeness -------------------------------------------------------------------------------------------------------

/** Options of {@link isclose} and {@link allclose}. */
export interface CloseOptions {
  /** The relative tolerance. Default: 1e-5. */
  rtol?: number;
  /** The absolute tolerance. Default: 1e-8. */
  atol?: number;
  /** Whether a NaN equals a NaN. */
  equal_nan?: boolean;
}

const closeness = (name: string, nanEqual: boolean): ((x: Tensor, y: Tensor, rtol: number, atol: number) => Tensor) =>
  pointwise(
    `${name}(Tensor input, Tensor other, float rtol, float atol)`,
    (x, y, rtol, atol) => {
      const allowed = E.add(atol as Expr, E.abs(E.mul(rtol as Expr, y as Expr)));
      const actual = E.abs(E.sub(x, y as Expr));
      const near = E.and(E.le(actual, allowed), E.lt(actual, Infinity));
      const close = E.or(E.eq(x, y as Expr), near);
      return nanEqual ? E.or(close, E.and(E.isnan(x), E.isnan(y as Expr))) : close;
    },
    { dtype: "bool", compute: toFloat },
  );

const close = closeness("isclose", false);
const closeOrBothNaN = closeness("isclose_nan", true);

function complexClose(x: Tensor, y: Tensor, rtol: number, atol: number, equalNaN: boolean): Tensor {
  const actual = abs(sub(x, y));
  const near = logical_and(le(actual, add(abs(mul(y, rtol)), atol)), isfinite(actual));
  const close = logical_or(eq(x, y), near);
  return equalNaN ? logical_or(close, logical_and(isnan(x), isnan(y))) : close;
}

type CloseFunction<R> = (
  input: Tensor,
  other: Tensor,
  rtol?: number | CloseOptions,
  atol?: number | CloseOptions,
  equal_nan?: boolean | CloseOptions,
) => R;

/** Whether `|input - other| <= atol + rtol * |other|`. */
export const isclose: Op<CloseFunction<Tensor>> = operator(
  "isclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False)",
  (x: Tensor, y: Tensor, rtol: number, atol: number, equalNaN: boolean): Tensor => {
    if (x.dtype !== y.dtype) {
      throw new TorchError(`${x.dtype.scalarName} did not match ${y.dtype.scalarName}`);
    }
    if (!(rtol >= 0)) throw new TorchError(`rtol must be greater than or equal to zero, but got ${rtol}`);
    if (!(atol >= 0)) throw new TorchError(`atol must be greater than or equal to zero, but got ${atol}`);
    if (x.dtype.is_complex) return complexClose(x, y, rtol, atol, equalNaN);
    return (equalNaN ? closeOrBothNaN : close)(x, y, rtol, atol);
  },
);

/** Whether all elements are close; see {@link isclose}. */
export const allclose: Op<CloseFunction<boolean>> = operator(
  "allclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False)",
  (x: Tensor, y: Tensor, rtol: number, atol: number, equalNaN: boolean): boolean =>
    Boolean(all(isclose(x, y, rtol, atol, equalNaN)).item()),
);

/** Whether of the same shape and with the same elements. */
export const equal: Op<(input: Tensor, other: Tensor) => boolean> = operator(
  "equal(Tensor input, Tensor other)",
  (x: Tensor, y: Tensor): boolean => sameShape(x.shape, y.shape) && Boolean(all(eq(x, y)).item()),
);

// --- the larger and the smaller --------------------------------------------------------------------------------------

const or = (x: Expr, y: Expr): Expr => E.or(x, y);
const and = (x: Expr, y: Expr): Expr => E.and(x, y);

/** The larger; NaN if either is. A tie shares the gradient. */
export const maximum: TensorBinaryOut = pointwise("maximum(Tensor input, Tensor other)", (x, y) => E.max(x, y), {
  bool: or,
  inplace: false,
});

/** The smaller; NaN if either is. A tie shares the gradient. */
export const minimum: TensorBinaryOut = pointwise("minimum(Tensor input, Tensor other)", (x, y) => E.min(x, y), {
  bool: and,
  inplace: false,
});

/** The one that is a number where the other is NaN, else by the comparison. */
const preferring = (
  name: string,
  pick: (x: Expr, y: Expr) => Expr,
  first: (x: Expr, y: Expr) => Expr,
  boolean: (x: Expr, y: Expr) => Expr,
): TensorBinaryOut =>
  pointwise(
    `${name}(Tensor input, Tensor other)`,
    (x, y) => (isFloat(x.type) ? E.select(E.isnan(x), y, E.select(E.isnan(y), x, pick(x, y))) : pick(x, y)),
    {
      bool: boolean,
      inplace: false,
      grad: (g, _, x, y) => {
        const takesFirst = E.or(first(x, y), E.isnan(y));
        return [E.select(takesFirst, g, 0), E.select(takesFirst, 0, g)];
      },
    },
  );

/** The larger; where one is NaN, the other. */
export const fmax: TensorBinaryOut = preferring(
  "fmax",
  (x, y) => E.max(x, y),
  (x, y) => E.ge(x, y),
  or,
);

/** The smaller; where one is NaN, the other. */
export const fmin: TensorBinaryOut = preferring(
  "fmin",
  (x, y) => E.min(x, y),
  (x, y) => E.le(x, y),
  and,
);

// --- steps and signs -------------------------------------------------------------------------------------------------

/** 0 below zero, 1 above, `values` at zero. */
export const heaviside: TensorBinary = pointwise(
  "heaviside(Tensor input, Tensor values)",
  (x, v) => E.select(E.eq(x, 0), v, E.select(E.gt(x, 0), E.const(x.type, 1), 0)),
  {
    derivative: "not implemented",
    checkValues: ([x, v]) => {
      if ((x as Tensor).dtype !== (v as Tensor).dtype) {
        throw new TorchError("heaviside is not yet implemented for tensors with different dtypes.");
      }
    },
  },
);

/** The magnitude of `input` with the sign of `other`. */
export const copysign: Comparison = pointwise(
  "copysign(Tensor input, Tensor|Scalar other)",
  (x, y) => E.copysign(x, y),
  {
    dtype: "float",
    gradName: ([, number]) => (number === true ? "CopysignBackward1" : "CopysignBackward0"),
    grad: (g, r, x) => [E.select(E.eq(x, 0), E.const(x.type, 0), E.mul(g, E.div(r, x))), null],
  },
);
