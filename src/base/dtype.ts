/**
 * Element types. The objects are singletons: `x.dtype === torch.float32`.
 */

import { showAsText } from "./inspect.ts";

export type DTypeName =
  | "uint8"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "float16"
  | "float32"
  | "float64"
  | "complex32"
  | "complex64"
  | "complex128"
  | "bool"
  | "bfloat16";

/** The category that promotion ranks first: bool < integral < floating < complex. */
export type Category = 0 | 1 | 2 | 3;

/** The type of a tensor's elements (`torch.dtype`). */
export class DType {
  /** PyTorch's name without the prefix, such as `"float32"`. */
  readonly name: DTypeName;
  /** A small number, unique to the type: PyTorch's ScalarType code. */
  readonly code: number;
  /** Size of one element in bytes. */
  readonly itemsize: number;
  /** PyTorch's C++ name, which its messages use: `Float`, `Long`. */
  readonly scalarName: string;
  readonly category: Category;
  readonly is_signed: boolean;

  constructor(
    name: DTypeName,
    code: number,
    itemsize: number,
    scalarName: string,
    category: Category,
    isSigned: boolean,
  ) {
    this.name = name;
    this.code = code;
    this.itemsize = itemsize;
    this.scalarName = scalarName;
    this.category = category;
    this.is_signed = isSigned;
    Object.freeze(this);
  }

  get is_floating_point(): boolean {
    return this.category === 2;
  }

  get is_complex(): boolean {
    return this.category === 3;
  }

  toString(): string {
    return `torch.${this.name}`;
  }
}
showAsText(DType.prototype);

export const uint8: DType = new DType("uint8", 0, 1, "Byte", 1, false);
export const int8: DType = new DType("int8", 1, 1, "Char", 1, true);
export const int16: DType = new DType("int16", 2, 2, "Short", 1, true);
export const int32: DType = new DType("int32", 3, 4, "Int", 1, true);
export const int64: DType = new DType("int64", 4, 8, "Long", 1, true);
export const float16: DType = new DType("float16", 5, 2, "Half", 2, true);
export const float32: DType = new DType("float32", 6, 4, "Float", 2, true);
export const float64: DType = new DType("float64", 7, 8, "Double", 2, true);
export const complex32: DType = new DType("complex32", 8, 4, "ComplexHalf", 3, true);
export const complex64: DType = new DType("complex64", 9, 8, "ComplexFloat", 3, true);
export const complex128: DType = new DType("complex128", 10, 16, "ComplexDouble", 3, true);
export const bool: DType = new DType("bool", 11, 1, "Bool", 0, false);
export const bfloat16: DType = new DType("bfloat16", 15, 2, "BFloat16", 2, true);

/** Every dtype, by name. */
export const dtypes: Readonly<Record<DTypeName, DType>> = {
  uint8,
  int8,
  int16,
  int32,
  int64,
  float16,
  float32,
  float64,
  complex32,
  complex64,
  complex128,
  bool,
  bfloat16,
};

/** A dtype code is smaller than this; tables indexed by code have this many rows. */
export const dtypeCodes = 16;

let defaultDType: DType = float32;

/** The dtype that numbers take when none is given (`torch.get_default_dtype`). */
export function get_default_dtype(): DType {
  return defaultDType;
}

/** Sets the dtype that numbers take when none is given (`torch.set_default_dtype`); a floating point type. */
export function set_default_dtype(dtype: DType): void {
  if (!dtype.is_floating_point) {
    throw new TypeError(`only floating-point types are supported as the default type, but got ${String(dtype)}`);
  }
  defaultDType = dtype;
}

/** The complex type of the given floating type's precision. */
export function toComplex(dtype: DType): DType {
  if (dtype.is_complex) return dtype;
  return dtype === float64 ? complex128 : dtype === float16 ? complex32 : complex64;
}

/** The real type of a complex type's parts; other types are their own. */
export function toReal(dtype: DType): DType {
  return dtype === complex128 ? float64 : dtype === complex64 ? float32 : dtype === complex32 ? float16 : dtype;
}
