/**
 * The meaning of every operation on scalars, one table per type: the arithmetic that `interpret` runs and `math` folds
 * constants with. float32 results are computed in float64 and rounded, i32 wraps at 32 bits, i64 at 64.
 */
import type { BinaryOp, Type, UnaryOp } from "./expr.ts";
import { roundHalfEven } from "./half.ts";
import * as special from "./special.ts";

/** A value while it is computed: bigint for i64, boolean for bool, else number. */
export type Value = number | bigint | boolean;

type Table<K extends string, F> = Readonly<Partial<Record<K, F>>>;
type Unary<T> = (a: T) => T;
type Binary<T, R = T> = (a: T, b: T) => R;

function divisor<T extends number | bigint>(b: T): T {
  // eslint-disable-next-line eqeqeq -- 0 == 0n
  if (b == 0) throw new RangeError("integer division by zero");
  return b;
}

function copysign(a: number, b: number): number {
  const negative = b < 0 || Object.is(b, -0);
  return negative ? -Math.abs(a) : Math.abs(a);
}

function round(x: number): number {
  return Math.abs(x) < 2 ** 52 ? roundHalfEven(x) : x;
}

function pow(a: number, b: number): number {
  // C99 and PyTorch: 1 to any power is 1, and so is -1 to an infinite one; JavaScript says NaN.
  if (a === 1 || (a === -1 && (b === Infinity || b === -Infinity))) return 1;
  return a ** b;
}

function log10(x: number): number {
  const y = Math.log10(x);
  const n = Math.round(y);
  return n >= 0 && n <= 22 && 10 ** n === x ? n : y;
}

const sign = (x: number): number => (x > 0 ? 1 : x < 0 ? -1 : x === 0 ? 0 : NaN);

const f64Unary: Table<UnaryOp, Unary<number>> = {
  neg: (a) => -a,
  abs: Math.abs,
  sqrt: Math.sqrt,
  floor: Math.floor,
  ceil: Math.ceil,
  trunc: Math.trunc,
  round,
  exp: Math.exp,
  exp2: (a) => 2 ** a,
  expm1: Math.expm1,
  log: Math.log,
  log2: Math.log2,
  log10,
  log1p: Math.log1p,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  asinh: Math.asinh,
  acosh: Math.acosh,
  atanh: Math.atanh,
  sigmoid: (a) => 1 / (1 + Math.exp(-a)),
  rsqrt: (a) => 1 / Math.sqrt(a),
  reciprocal: (a) => 1 / a,
  erf: special.erf,
  erfc: special.erfc,
  erfinv: special.erfinv,
  lgamma: special.lgamma,
  digamma: special.digamma,
  trigamma: special.trigamma,
  sign,
};

const f64Binary: Table<BinaryOp, Binary<number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  rem: (a, b) => a % b,
  min: Math.min,
  max: Math.max,
  pmin: (a, b) => (b < a ? b : a),
  pmax: (a, b) => (a < b ? b : a),
  copysign,
  pow,
  atan2: Math.atan2,
  fmod: (a, b) => a % b,
  hypot: Math.hypot,
  nextafter: special.nextafter,
  polygamma: special.polygamma,
};

function singles<K extends string, F extends (...args: number[]) => number>(table: Table<K, F>): Table<K, F> {
  const entries = Object.entries<F | undefined>(table).map(([op, f]) => [
    op,
    f && ((...args: number[]): number => Math.fround(f(...args))),
  ]);
  return Object.fromEntries(entries) as Table<K, F>;
}

// Rounding the float64 result of one of + - * / sqrt to float32 gives the correctly rounded float32 result.
const f32Unary: Table<UnaryOp, Unary<number>> = singles(f64Unary);
const f32Binary: Table<BinaryOp, Binary<number>> = {
  ...singles(f64Binary),
  add: (a, b) => Math.fround(a + b),
  sub: (a, b) => Math.fround(a - b),
  mul: (a, b) => Math.fround(a * b),
  div: (a, b) => Math.fround(a / b),
  nextafter: special.nextafterSingle,
};

const i32Unary: Table<UnaryOp, Unary<number>> = {
  neg: (a) => -a | 0,
  abs: (a) => Math.abs(a) | 0,
  not: (a) => ~a,
  sign: (a) => Math.sign(a) | 0,
};

const i32Binary: Table<BinaryOp, Binary<number>> = {
  add: (a, b) => (a + b) | 0,
  sub: (a, b) => (a - b) | 0,
  mul: Math.imul,
  div: (a, b) => (a / divisor(b)) | 0,
  rem: (a, b) => (a % divisor(b)) | 0,
  min: (a, b) => (b < a ? b : a),
  max: (a, b) => (a < b ? b : a),
  pmin: (a, b) => (b < a ? b : a),
  pmax: (a, b) => (a < b ? b : a),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => a << b,
  shr: (a, b) => a >> b,
  shru: (a, b) => (a >>> b) | 0,
};

const wrap = (a: bigint): bigint => BigInt.asIntN(64, a);

const i64Unary: Table<UnaryOp, Unary<bigint>> = {
  neg: (a) => wrap(-a),
  abs: (a) => wrap(a < 0n ? -a : a),
  not: (a) => ~a,
  sign: (a) => (a > 0n ? 1n : a < 0n ? -1n : 0n),
};

const i64Binary: Table<BinaryOp, Binary<bigint>> = {
  add: (a, b) => wrap(a + b),
  sub: (a, b) => wrap(a - b),
  mul: (a, b) => wrap(a * b),
  div: (a, b) => wrap(a / divisor(b)),
  rem: (a, b) => wrap(a % divisor(b)),
  min: (a, b) => (b < a ? b : a),
  max: (a, b) => (a < b ? b : a),
  pmin: (a, b) => (b < a ? b : a),
  pmax: (a, b) => (a < b ? b : a),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => wrap(a << (b & 63n)),
  shr: (a, b) => a >> (b & 63n),
  shru: (a, b) => wrap(BigInt.asUintN(64, a) >> (b & 63n)),
};

const boolUnary: Table<UnaryOp, Unary<boolean>> = { not: (a) => !a };

const boolBinary: Table<BinaryOp, Binary<boolean>> = {
  and: (a, b) => a && b,
  or: (a, b) => a || b,
  xor: (a, b) => a !== b,
  min: (a, b) => a && b,
  max: (a, b) => a || b,
  pmin: (a, b) => a && b,
  pmax: (a, b) => a || b,
};

const comparison: Table<BinaryOp, Binary<Value, boolean>> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
};

const unaries: Readonly<Record<Type, Table<UnaryOp, unknown>>> = {
  f64: f64Unary,
  f32: f32Unary,
  i32: i32Unary,
  i64: i64Unary,
  bool: boolUnary,
};

const binaries: Readonly<Record<Type, Table<BinaryOp, unknown>>> = {
  f64: f64Binary,
  f32: f32Binary,
  i32: i32Binary,
  i64: i64Binary,
  bool: boolBinary,
};

const cell = new DataView(new ArrayBuffer(8));

function bitcast(from: Type, to: Type): (a: Value) => Value {
  switch (`${from} ${to}`) {
    case "f32 i32":
      return (a) => (cell.setFloat32(0, a as number), cell.getInt32(0));
    case "i32 f32":
      return (a) => (cell.setInt32(0, a as number), cell.getFloat32(0));
    case "f64 i64":
      return (a) => (cell.setFloat64(0, a as number), cell.getBigInt64(0));
    case "i64 f64":
      return (a) => (cell.setBigInt64(0, a as bigint), cell.getFloat64(0));
    default:
      throw new TypeError(`ir: a bitcast from ${from} to ${to}`);
  }
}

/** The function of a unary operation on operands of type `from` that gives `to`. */
export function unaryFunction(op: UnaryOp, from: Type, to: Type): (a: Value) => Value {
  if (op === "bitcast") return bitcast(from, to);
  if (op === "isnan") return (a) => Number.isNaN(a);
  const f = unaries[from][op];
  if (f === undefined) throw new TypeError(`ir: ${op} of ${from}`);
  return f as (a: Value) => Value;
}

/** The function of a binary operation on operands of the given type. */
export function binaryFunction(op: BinaryOp, type: Type): (a: Value, b: Value) => Value {
  const f = comparison[op] ?? binaries[type][op];
  if (f === undefined) throw new TypeError(`ir: ${op} of ${type}`);
  return f as (a: Value, b: Value) => Value;
}

/** How a * b + c is rounded: once, or after the multiplication too. Both are right; see `fma` of {@link Expr}. */
export type Fma = "fused" | "twice";

/** The rounding error of the product of two numbers, by Veltkamp's splitting; NaN where that overflows. */
function productError(a: number, b: number, product: number): number {
  const split = 2 ** 27 + 1;
  const ah = a * split - (a * split - a);
  const bh = b * split - (b * split - b);
  const al = a - ah;
  const bl = b - bh;
  return ah * bh - product + ah * bl + al * bh + al * bl;
}

function fusedDouble(a: number, b: number, c: number): number {
  const product = a * b;
  const sum = product + c;
  const low = productError(a, b, product);
  if (!Number.isFinite(sum) || Number.isNaN(low)) return sum;
  const c1 = sum - product;
  return sum + (product - (sum - c1) + (c - c1) + low);
}

/** The function of `fma` on the given type. */
export function fmaFunction(type: Type, rounding: Fma): (a: Value, b: Value, c: Value) => Value {
  const f: (a: number, b: number, c: number) => number =
    type === "f64"
      ? rounding === "fused"
        ? fusedDouble
        : (a, b, c) => a * b + c
      : type === "f32"
        ? rounding === "fused"
          ? (a, b, c) => Math.fround(a * b + c)
          : (a, b, c) => Math.fround(Math.fround(a * b) + c)
        : (a, b, c) => (Math.imul(a, b) + c) | 0;
  if (type === "bool" || type === "i64") throw new TypeError(`ir: fma of ${type}`);
  return f as (a: Value, b: Value, c: Value) => Value;
}

const least = -(2n ** 63n);

function truncate64(x: number): bigint {
  if (Number.isNaN(x)) return 0n;
  if (x >= 2 ** 63) return -1n - least;
  return x <= -(2 ** 63) ? least : BigInt(Math.trunc(x));
}

function truncate32(x: number): number {
  return Number.isNaN(x) ? 0 : Math.trunc(Math.max(-2147483648, Math.min(2147483647, x))) | 0;
}

/** Rounds once: through float64 a large integer would be rounded twice. */
function singleOf64(x: bigint): number {
  if (BigInt.asIntN(53, x) === x) return Math.fround(Number(x));
  const high = x >> 20n;
  return Math.fround(Number(high << 20n === x ? high : high | 1n)) * 2 ** 20;
}

/** The conversion between two types. */
export function castFunction(from: Type, to: Type): (a: Value) => Value {
  if (from === to) return (a) => a;
  switch (to) {
    case "bool":
      return from === "i64" ? (a) => a !== 0n : (a) => a !== 0;
    case "i64":
      return from === "i32" || from === "bool" ? (a) => BigInt(a) : (a) => truncate64(a as number);
    case "i32":
      if (from === "bool") return Number;
      return from === "i64" ? (a) => Number(BigInt.asIntN(32, a as bigint)) : (a) => truncate32(a as number);
    case "f32":
      return from === "i64" ? (a) => singleOf64(a as bigint) : (a) => Math.fround(Number(a));
    case "f64":
      return Number;
  }
}
