/**
 * Limits, choices by a condition, and replacement of what is not a number.
 */
import { bfloat16, bool, type DType, float16, float32, uint8 } from "../base/dtype.ts";
import { ArgumentTypeError, TorchError } from "../base/errors.ts";
import { pointwise, type OutOption } from "../dispatch/family/pointwise.ts";
import { type Chosen, variants } from "../dispatch/family/variants.ts";
import { type InplaceOpInfo, operator } from "../dispatch/op.ts";
import { checkNumbersFit } from "../dispatch/refuse.ts";
import type { ScalarLike } from "../dispatch/signature.ts";
import { E, type Expr, isFloat } from "../ir/expr.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Comparison } from "./compare.ts";
import { nonzero } from "./nonzero.ts";
import type { Op } from "./view.ts";

// --- clamp -----------------------------------------------------------------------------------------------------------

const limitName =
  (name: string, tensor: number) =>
  (isNumber: readonly boolean[]): string =>
    `${name}Backward${isNumber.includes(true) ? 1 - tensor : tensor}`;

/** Where the gradient of a value passes to it, and where to its limit. */
const atLeast = (g: Expr, x: Expr, m: Expr): Expr[] => [E.select(E.ge(x, m), g, 0), E.select(E.lt(x, m), g, 0)];
const atMost = (g: Expr, x: Expr, m: Expr): Expr[] => [E.select(E.le(x, m), g, 0), E.select(E.gt(x, m), g, 0)];

const lower = { bool: (x: Expr, m: Expr): Expr => E.or(x, m), checkValues: checkNumbersFit };
const upper = { bool: (x: Expr, m: Expr): Expr => E.and(x, m), checkValues: checkNumbersFit };

/** The elements, but not below `min`. */
export const clamp_min: Comparison = pointwise("clamp_min(Tensor input, Tensor|Scalar min)", (x, m) => E.max(x, m), {
  ...lower,
  grad: (g, _, x, m) => atLeast(g, x, m),
  gradName: limitName("ClampMin", 1),
});

/** The elements, but not above `max`. */
export const clamp_max: Comparison = pointwise("clamp_max(Tensor input, Tensor|Scalar max)", (x, m) => E.min(x, m), {
  ...upper,
  grad: (g, _, x, m) => atMost(g, x, m),
  gradName: limitName("ClampMax", 1),
});

const onlyLower = pointwise("clamp(Tensor input, Tensor|Scalar min)", (x, m) => E.max(x, m), {
  ...lower,
  grad: (g, _, x, m) => atLeast(g, x, m),
  gradName: limitName("Clamp", 0),
});

const onlyUpper = pointwise("clamp(Tensor input, Tensor|Scalar max)", (x, m) => E.min(x, m), {
  ...upper,
  grad: (g, _, x, m) => atMost(g, x, m),
  gradName: limitName("Clamp", 0),
});

const both = pointwise(
  "clamp(Tensor input, Tensor|Scalar min, Tensor|Scalar max)",
  (x, low, high) => E.min(E.max(x, low), high as Expr),
  {
    bool: (x, low, high) => E.and(E.or(x, low), high as Expr),
    checkValues: checkNumbersFit,
    grad: (g, _, x, low, high) => {
      const top = high as Expr;
      return [
        E.select(E.and(E.ge(x, low), E.le(x, top)), g, 0),
        E.select(E.and(E.lt(low, top), E.lt(x, low)), g, 0),
        E.select(E.or(E.gt(x, top), E.lt(top, low)), g, 0),
      ];
    },
    gradName: limitName("Clamp", 0),
  },
);

/** A limit: a tensor, a number, or none. */
export type Limit = Tensor | ScalarLike | null;

/** Options of {@link clamp}. */
export interface ClampOptions extends OutOption {
  min?: Limit;
  max?: Limit;
}

/** The type of {@link clamp}. */
export type Clamp = ((
  input: Tensor,
  min?: Limit | ClampOptions,
  max?: Limit | ClampOptions,
  options?: ClampOptions,
) => Tensor) & {
  readonly op: InplaceOpInfo;
};

const chooseLimits = (x: Tensor, min: Limit, max: Limit): Chosen => {
  if (min === null && max === null) {
    throw new TorchError("torch.clamp: At least one of 'min' or 'max' must not be None");
  }
  if (min !== null && max !== null) return [both, x, ...sameKind(min, max)];
  return min === null ? [onlyUpper, x, max] : [onlyLower, x, min];
};

/** PyTorch takes two tensors or two numbers. */
function sameKind(min: Limit, max: Limit): Limit[] {
  if (min instanceof Tensor === max instanceof Tensor) return [min, max];
  throw new ArgumentTypeError(
    `clamp() received an invalid combination of arguments: min and max must both be Tensors or both be Numbers`,
  );
}

/** The elements, but not below `min` and not above `max`; either may be left out. */
export const clamp: Clamp = variants(
  "clamp(Tensor input, Tensor|Scalar? min=None, Tensor|Scalar? max=None)",
  chooseLimits,
);

// --- where -----------------------------------------------------------------------------------------------------------

/** A condition that was converted to the type of the computation, as the condition it was. */
const truth = (c: Expr): Expr => (c.kind === "cast" && c.a.type === "bool" ? c.a : c.type === "bool" ? c : E.ne(c, 0));

const choose = pointwise<(condition: Tensor, input: Tensor | ScalarLike, other: Tensor | ScalarLike) => Tensor>(
  "where(Tensor condition, Tensor|Scalar input, Tensor|Scalar other)",
  (c, x, y) => E.select(truth(c), x, y as Expr),
  {
    bool: (c, x, y) => E.select(c, x, y as Expr),
    grad: (g, _, c) => [null, E.select(truth(c), g, 0), E.select(truth(c), 0, g)],
    gradName: "WhereBackward0",
    inplace: false,
  },
);

/** The forms of {@link where}. */
export interface Where {
  (condition: Tensor, input: Tensor | ScalarLike, other: Tensor | ScalarLike, options?: OutOption): Tensor;
  (condition: Tensor): Tensor[];
  readonly op: Op<unknown>["op"];
}

/** The elements of `input` where the condition holds, else those of `other`; of a condition alone, the indices where it holds. */
export const where: Where = operator(
  "where(Tensor condition, Tensor|Scalar? input=None, Tensor|Scalar? other=None)",
  (condition: Tensor, x: Tensor | ScalarLike | null, y: Tensor | ScalarLike | null): unknown => {
    if (x === null && y === null) return nonzero(condition, { as_tuple: true });
    if (x === null || y === null) {
      throw new ArgumentTypeError(
        "where() received an invalid combination of arguments: one of input and other is missing",
      );
    }
    const { dtype } = condition;
    if (dtype !== bool && dtype !== uint8) {
      throw new TorchError(
        `where expected condition to be a boolean tensor, but got a tensor with dtype ${dtype.scalarName}`,
      );
    }
    return choose(dtype === bool ? condition : condition.bool(), x, y);
  },
  { method: false },
) as unknown as Where;

/** @internal `x.where(condition, other)`. */
export const tensorWhere: Op<(input: Tensor, condition: Tensor, other: Tensor | ScalarLike) => Tensor> = operator(
  "where(Tensor input, Tensor condition, Tensor|Scalar other)",
  (x: Tensor, condition: Tensor, y: Tensor | ScalarLike) => where(condition, x, y),
  { namespace: false },
);

// --- nan_to_num ------------------------------------------------------------------------------------------------------

/** The largest finite number of a floating dtype. */
function largest(dtype: DType): number {
  if (dtype === float32) return 3.4028234663852886e38;
  return dtype === float16 ? 65504 : dtype === bfloat16 ? 3.3895313892515355e38 : Number.MAX_VALUE;
}

const replace = pointwise(
  "nan_to_num(Tensor input, float nan, float posinf, float neginf)",
  (x, nan, most, least) => {
    if (!isFloat(x.type)) return x;
    const bounded = E.select(E.eq(x, Infinity), most as Expr, E.select(E.eq(x, -Infinity), least as Expr, x));
    return E.select(E.isnan(x), nan as Expr, bounded);
  },
  { bool: (x) => x, grad: (g, _, x) => [E.select(E.lt(E.abs(x), Infinity), g, 0), null, null, null] },
);

/** Options of {@link nan_to_num}. */
export interface NanToNumOptions extends OutOption {
  nan?: number | null;
  posinf?: number | null;
  neginf?: number | null;
}

/** Replaces NaN by `nan` (0) and infinities by `posinf` and `neginf` (the largest finite numbers of the dtype). */
export const nan_to_num: ((
  input: Tensor,
  nan?: number | null | NanToNumOptions,
  posinf?: number | null | NanToNumOptions,
  neginf?: number | null | NanToNumOptions,
) => Tensor) & { readonly op: InplaceOpInfo } = variants(
  "nan_to_num(Tensor input, float? nan=None, float? posinf=None, float? neginf=None)",
  (x: Tensor, nan: number | null, most: number | null, least: number | null): Chosen => {
    const bound = largest(x.dtype);
    return [replace, x, nan ?? 0, most ?? bound, least ?? -bound];
  },
);
