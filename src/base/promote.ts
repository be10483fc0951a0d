/**
 * Type promotion: the result dtype of an operation over mixed operands, as `torch.result_type`.
 *
 * Operands come in three ranks: tensors with dimensions, 0-d tensors, and plain numbers. A lower rank changes the result
 * only when its category (bool < integral < floating < complex) is higher than that of all ranks above it.
 */
import { Complex } from "./complex-number.ts";
import {
  bool,
  complex64,
  type DType,
  dtypeCodes,
  dtypes,
  get_default_dtype,
  int64,
  toComplex,
  uint8,
} from "./dtype.ts";

/** A number as an operand: JavaScript booleans act as Python's, BigInts and integral numbers as its ints, others as floats. */
export type Scalar = number | bigint | boolean | Complex;

const order = [
  "bool",
  "uint8",
  "int8",
  "int16",
  "int32",
  "int64",
  "float16",
  "bfloat16",
  "float32",
  "float64",
] as const;

function promotePair(a: DType, b: DType): DType {
  if (a === b) return a;
  if (a.is_complex || b.is_complex) {
    const [c, o] = a.is_complex ? [a, b] : [b, a];
    if (o.is_complex) return c.itemsize > o.itemsize ? c : o;
    if (o.category < 2) return c;
    const oc = o.name === "bfloat16" ? complex64 : toComplex(o);
    return oc.itemsize > c.itemsize ? oc : c;
  }
  if (a.category !== b.category) return a.category > b.category ? a : b;
  // One of float16 and bfloat16 cannot hold the other, nor can uint8 and int8.
  const names = [a.name, b.name];
  if (names.includes("float16") && names.includes("bfloat16")) return dtypes.float32;
  if (a === uint8 || b === uint8) {
    const other = a === uint8 ? b : a;
    if (other.name === "int8") return dtypes.int16;
  }
  return order.indexOf(a.name as (typeof order)[number]) > order.indexOf(b.name as (typeof order)[number]) ? a : b;
}

const table: (DType | undefined)[] = [];
for (const a of Object.values(dtypes)) {
  for (const b of Object.values(dtypes)) table[a.code * dtypeCodes + b.code] = promotePair(a, b);
}

/** The smallest dtype to which both can be cast (`torch.promote_types`). */
export function promote_types(a: DType, b: DType): DType {
  return table[a.code * dtypeCodes + b.code] as DType;
}

/** The dtype of a number on its own: bool, int64 or the default floating type. */
export function scalarType(value: Scalar): DType {
  if (value instanceof Complex) return toComplex(get_default_dtype());
  if (typeof value === "boolean") return bool;
  if (typeof value === "bigint" || Number.isInteger(value)) return int64;
  return get_default_dtype();
}

/** What promotion needs to know of a tensor operand. */
export interface Typed {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

const isTyped = (x: Typed | Scalar): x is Typed => typeof x === "object" && !(x instanceof Complex);

/**
 * The dtype of `a op b` where either is a tensor or a number.
 */
export function resultType(a: Typed | Scalar, b: Typed | Scalar): DType {
  if (isTyped(a) && isTyped(b)) {
    if (a.dtype === b.dtype) return a.dtype;
    const da = a.shape.length > 0;
    const db = b.shape.length > 0;
    if (da === db) return promote_types(a.dtype, b.dtype);
    return da ? mixRanks(a.dtype, b.dtype) : mixRanks(b.dtype, a.dtype);
  }
  if (isTyped(a)) return mixRanks(a.dtype, scalarType(b as Scalar));
  if (isTyped(b)) return mixRanks(b.dtype, scalarType(a));
  return promote_types(scalarType(a), scalarType(b));
}

/** The dtype of an operation over any number of operands. */
export function resultTypeOf(operands: readonly (Typed | Scalar)[]): DType {
  let dims: DType | null = null;
  let zero: DType | null = null;
  let wrapped: DType | null = null;
  for (const o of operands) {
    if (!isTyped(o)) {
      const t = scalarType(o);
      wrapped = wrapped === null ? t : promote_types(wrapped, t);
    } else if (o.shape.length > 0) dims = dims === null ? o.dtype : promote_types(dims, o.dtype);
    else zero = zero === null ? o.dtype : promote_types(zero, o.dtype);
  }
  let result = dims;
  for (const lower of [zero, wrapped]) {
    if (lower !== null) result = result === null ? lower : mixRanks(result, lower);
  }
  return result ?? get_default_dtype();
}

/** `high` stands for operands of a higher rank than `low`. */
function mixRanks(high: DType, low: DType): DType {
  if (low.category <= high.category) return high;
  if (low.is_complex && high.is_floating_point) {
    // A complex number beside real floating tensors keeps their precision.
    return high.name === "bfloat16" ? complex64 : toComplex(high);
  }
  return low;
}

/** Whether a value of type `from` may be stored into `to` by an in-place or `out=` operation (`torch.can_cast`). */
export function can_cast(from: DType, to: DType): boolean {
  if (from.is_complex && !to.is_complex) return false;
  if (from.is_floating_point && to.category < 2) return false;
  return !(from !== bool && to === bool);
}

/** The floating type an operation that needs one computes in: the type itself, or the default for integers and bool. */
export function toFloat(dtype: DType): DType {
  return dtype.category >= 2 ? dtype : get_default_dtype();
}
