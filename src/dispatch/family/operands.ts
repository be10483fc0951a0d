/**
 * Operands as a computation sees them: converted to the dtype it is done in.
 */
import type { DType } from "../../base/dtype.ts";
import type { Scalar } from "../../base/promote.ts";
import { E, type Expr, type Type } from "../../ir/expr.ts";
import { bfloat16Bits, bfloat16Value, float16Bits, float16Value } from "../../ir/half.ts";
import { asArgument } from "../elementwise.ts";

/** A number as an operand of a computation in `dtype`: integers wrap, the 16-bit floating types round. */
export function asOperand(value: Scalar, dtype: DType, type: Type, precise: boolean): number | bigint {
  switch (dtype.name) {
    case "uint8":
    case "int8":
    case "int16":
    case "int32": {
      const low = Number(BigInt.asIntN(32, asArgument(value, "i64") as bigint));
      return wrapTo(dtype, low);
    }
    case "float16":
      return precise ? Number(value) : float16Value(float16Bits(Number(value)));
    case "bfloat16":
      return precise ? Number(value) : bfloat16Value(bfloat16Bits(Number(value)));
    default:
      return asArgument(value, type);
  }
}

function wrapTo(dtype: DType, value: number): number {
  if (dtype.itemsize === 4) return value;
  if (!dtype.is_signed) return value & 255;
  const drop = 32 - 8 * dtype.itemsize;
  return (value << drop) >> drop;
}

/** An operand as a value of the compute type; integers that the dtype computed in does not hold wrap first. */
export function operandExpr(x: Expr, from: DType, compute: DType, type: Type): Expr {
  const value = E.cast(type, x);
  const narrows = from !== compute && from.category === 1 && from.itemsize >= compute.itemsize;
  if (!narrows || compute.category !== 1 || compute.itemsize === 4) return value;
  const drop = 32 - 8 * compute.itemsize;
  return compute.is_signed ? E.shr(E.shl(value, drop), drop) : E.and(value, 255);
}
