/**
 * Powers, and multiplication by powers of two.
 */
import { bool, complex128, float64, get_default_dtype, int64 } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import type { Scalar } from "../base/promote.ts";
import { type BinaryOperator, type OutOption, pointwise, type UnaryOperator } from "../dispatch/family/pointwise.ts";
import { type Chosen, variants } from "../dispatch/family/variants.ts";
import { describe, type Operator } from "../dispatch/op.ts";
import { checkNumbersFit, notBool } from "../dispatch/refuse.ts";
import { PyFloat, type ScalarLike, Signature } from "../dispatch/signature.ts";
import { E, type Expr, isFloat } from "../ir/expr.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { TensorBinary } from "./compare.ts";

const int = (e: Expr): boolean => !isFloat(e.type);

/** `input * input`; its node is that of `pow`, as in PyTorch. */
export const square: UnaryOperator = pointwise("square", (x) => E.mul(x, x), {
  gradName: "PowBackward0",
  dtype: (d) => (d === bool ? int64 : d),
});

/** Integer powers by squaring, wrapping on overflow; negative exponents give 0, 1 or -1 as in PyTorch. */
function integerPower(base: Expr, exponent: Expr): Expr {
  const { type } = base;
  const one = E.const(type, 1);
  let result: Expr = one;
  let factor = base;
  let rest = exponent;
  for (let bit = 0; bit < (type === "i64" ? 63 : 31); bit++) {
    result = E.select(E.ne(E.and(rest, 1), 0), E.mul(result, factor), result);
    factor = E.mul(factor, factor);
    rest = E.shru(rest, 1);
  }
  const even = E.eq(E.and(exponent, 1), 0);
  const minusOne = E.select(even, one, E.const(type, -1));
  const reciprocal = E.select(E.eq(base, 1), one, E.select(E.eq(base, -1), minusOne, E.const(type, 0)));
  return E.select(E.lt(exponent, 0), reciprocal, result);
}

/** `exponent * base ** (exponent - 1)`, and 0 for the exponent 0. */
function baseGradient(g: Expr, x: Expr, y: Expr): Expr {
  return E.select(E.eq(y, 0), E.const(x.type, 0), E.mul(g, E.mul(y, E.pow(x, E.sub(y, 1)))));
}

function exponentGradient(g: Expr, r: Expr, x: Expr, y: Expr): Expr {
  return E.select(E.and(E.eq(x, 0), E.ge(y, 0)), E.const(x.type, 0), E.mul(g, E.mul(r, E.log(x))));
}

const general = pointwise<BinaryOperator>(
  "pow(Tensor|Scalar input, Tensor|Scalar exponent)",
  (x, y) => (int(x) ? integerPower(x, y) : E.pow(x, y)),
  {
    gradName: ([base, exponent]) =>
      base === true ? "PowBackward2" : exponent === true ? "PowBackward0" : "PowBackward1",
    grad: (g, r, x, y) => [baseGradient(g, x, y), exponentGradient(g, r, x, y)],
    check: notBool("pow"),
    complexOrder: true,
    checkValues: ([, exponent], compute) => checkNumbersFit([exponent as object], compute),
    preciseNumbers: true,
  },
);

/** A constant exponent: its own expression, exact and cheap, where one is common. */
const constantPowers: ReadonlyMap<number, UnaryOperator> = new Map(
  (
    [
      [2, (x: Expr) => E.mul(x, x)],
      [3, (x: Expr) => E.mul(E.mul(x, x), x)],
      [0.5, (x: Expr) => E.sqrt(x)],
      [-0.5, (x: Expr) => E.rsqrt(x)],
      [-1, (x: Expr) => E.reciprocal(x)],
    ] as const
  ).map(([e, f]) => [e, pointwise<UnaryOperator>(`pow_${e}(Tensor input)`, f, { gradName: "PowBackward0" })]),
);

function choosePower(x: Tensor | Scalar | PyFloat, y: Tensor | Scalar | PyFloat): Chosen {
  if (x instanceof Tensor && !(y instanceof Tensor)) {
    const e = y instanceof PyFloat ? y.value : y;
    if (x.dtype.is_floating_point) {
      const special = typeof e === "number" ? constantPowers.get(e) : undefined;
      if (special !== undefined) return [special, x];
    } else if (typeof e === "number" && Number.isInteger(e) && e < 0 && !(y instanceof PyFloat)) {
      throw new TorchError("Integers to negative integer powers are not allowed.");
    }
  }
  return [general, x, y];
}

/** `input ** exponent`. */
export const pow: BinaryOperator = variants("pow(Tensor|Scalar input, Tensor|Scalar exponent)", choosePower);

const wide = (x: Tensor | ScalarLike): Tensor | ScalarLike => {
  if (x instanceof Tensor) return x.to(x.dtype.is_complex ? complex128 : float64);
  return x;
};

const floatPower = (
  args: readonly unknown[],
  form: (x: unknown, y: unknown, out: OutOption | null) => unknown,
): unknown => {
  const extra: Record<string, unknown> = {};
  const [x, y] = floatPowerSignature.bind(args, extra);
  return form(x, y, extra["out"] == null ? null : (extra as OutOption));
};

const floatPowerSignature = new Signature("float_power(Tensor|Scalar input, Tensor|Scalar exponent)");

/** `input ** exponent` in double precision. */
export const float_power: BinaryOperator = describe(
  (...args: unknown[]): Tensor =>
    floatPower(args, (x, y, out) => {
      const base = wide(x as Tensor);
      const exponent = wide(y as Tensor);
      return out === null ? pow(base, exponent) : pow(base, exponent, out);
    }) as Tensor,
  floatPowerSignature,
  {
    inplace: describe((...args: unknown[]): unknown => {
      return floatPower(args, (x, y) => {
        const base = x as Tensor;
        const needed = [x, y].some((t) => t instanceof Tensor && t.dtype.is_complex) ? complex128 : float64;
        if (base.dtype !== needed) {
          throw new TorchError(
            `the base given to float_power_ has dtype ${base.dtype.scalarName} but the operation's result requires dtype ${needed.scalarName}`,
          );
        }
        return pow.op.inplace(base, wide(y as Tensor));
      });
    }, new Signature("float_power_(Tensor input, Tensor|Scalar exponent)")) as Operator,
  },
) as BinaryOperator;

// --- powers of two ---------------------------------------------------------------------------------------------------

const scaled = pointwise<BinaryOperator>("ldexp(Tensor input, Tensor other)", (x, n) => E.mul(x, E.exp2(n)), {
  dtype: "float",
  grad: (g, y, _, n) => [E.mul(g, E.exp2(n)), E.mul(g, E.mul(y, Math.LN2))],
});

const ldexpSignature = "ldexp(Tensor input, Tensor other)";

const exponents = (n: Tensor): Tensor => (n.dtype.category < 2 ? n.to(get_default_dtype()) : n);

const multiply = variants<TensorBinary>(ldexpSignature, (x: Tensor, n: Tensor): Chosen => [scaled, x, exponents(n)]);

/** `input * 2 ** other`, where the power of an integer is of the default dtype. */
export const ldexp: TensorBinary = describe(
  (...args: [Tensor, Tensor, OutOption?]): Tensor => multiply(...args),
  new Signature(ldexpSignature),
  {
    inplace: describe(
      (x: Tensor, n: Tensor): unknown => {
        if (n instanceof Tensor && x.dtype.category < 2) {
          throw new TorchError(`ldexp can't be cast to the desired output type ${x.dtype.scalarName}`);
        }
        return multiply.op.inplace(x, n);
      },
      new Signature(ldexpSignature.replace("(", "_(")),
    ) as Operator,
  },
);
