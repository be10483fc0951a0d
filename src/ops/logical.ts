/**
 * Logic on truth values, and operations on the bits and divisors of integers.
 */
import { hostPointwise } from "../dispatch/family/host.ts";
import { pointwise, type OutOption, type UnaryOperator } from "../dispatch/family/pointwise.ts";
import type { InplaceOpInfo } from "../dispatch/op.ts";
import { onlyInteger } from "../dispatch/refuse.ts";
import type { ScalarLike } from "../dispatch/signature.ts";
import { E, type Expr } from "../ir/expr.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { TensorBinary } from "./compare.ts";

const truth = (x: Expr): Expr => E.ne(x, 0);

const logical = (name: string, f: (x: Expr, y: Expr) => Expr): TensorBinary =>
  pointwise(`${name}(Tensor input, Tensor other)`, (x, y) => f(truth(x), truth(y)), { dtype: "bool", bool: f });

/** Whether both are nonzero. */
export const logical_and: TensorBinary = logical("logical_and", (x, y) => E.and(x, y));
/** Whether one or both are nonzero. */
export const logical_or: TensorBinary = logical("logical_or", (x, y) => E.or(x, y));
/** Whether exactly one is nonzero. */
export const logical_xor: TensorBinary = logical("logical_xor", (x, y) => E.xor(x, y));
/** Whether zero. */
export const logical_not: UnaryOperator = pointwise("logical_not", (x) => E.eq(x, 0), {
  dtype: "bool",
  bool: (x) => E.not(x),
});

/** An operator of integers, either of which may be a number. */
export type IntegerBinary = ((
  input: Tensor | ScalarLike,
  other: Tensor | ScalarLike,
  options?: OutOption,
) => Tensor) & {
  readonly op: InplaceOpInfo;
};

const bitwise = (name: string, f: (x: Expr, y: Expr) => Expr, kernel = `${name}_cpu`, boolToo = true): IntegerBinary =>
  pointwise(`${name}(Tensor|Scalar input, Tensor|Scalar other)`, f, {
    differentiable: false,
    check: onlyInteger(kernel, boolToo),
    ...(boolToo ? { bool: f } : {}),
  });

/** Bitwise and; of truth values, the logical one. */
export const bitwise_and: IntegerBinary = bitwise("bitwise_and", (x, y) => E.and(x, y));
/** Bitwise or. */
export const bitwise_or: IntegerBinary = bitwise("bitwise_or", (x, y) => E.or(x, y));
/** Bitwise exclusive or. */
export const bitwise_xor: IntegerBinary = bitwise("bitwise_xor", (x, y) => E.xor(x, y));
/** The complement of all bits; of truth values, the logical one. */
export const bitwise_not: UnaryOperator = pointwise("bitwise_not", (x) => E.not(x), {
  differentiable: false,
  check: onlyInteger("bitwise_not_cpu", true),
  bool: (x) => E.not(x),
});

const width = (x: Expr): number => (x.type === "i64" ? 64 : 32);

/** Whether a shift is by a number of bits that the type has. Narrower integers are computed in 32 bits. */
const inRange = (x: Expr, bits: Expr): Expr => E.and(E.ge(bits, 0), E.lt(bits, width(x)));

/** The bits moved to the left; 0 for shifts beyond the width. */
export const bitwise_left_shift: IntegerBinary = bitwise(
  "bitwise_left_shift",
  (x, bits) => E.select(inRange(x, bits), E.shl(x, bits), E.const(x.type, 0)),
  "lshift_cpu",
  false,
);

/** The bits moved to the right, filled up with the sign. */
export const bitwise_right_shift: IntegerBinary = bitwise(
  "bitwise_right_shift",
  (x, bits) => E.shr(x, E.select(inRange(x, bits), bits, E.const(x.type, width(x) - 1))),
  "rshift_cpu",
  false,
);

// --- divisors --------------------------------------------------------------------------------------------------------

const magnitude = (a: bigint): bigint => (a < 0n ? -a : a);

function greatestDivisor(a: bigint, b: bigint): bigint {
  let x = magnitude(a);
  let y = magnitude(b);
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

/** The greatest common divisor, not negative. */
export const gcd: TensorBinary = hostPointwise("gcd(Tensor input, Tensor other)", {
  integers: greatestDivisor,
  check: onlyInteger("gcd_cpu"),
});

/** The least common multiple, not negative. */
export const lcm: TensorBinary = hostPointwise("lcm(Tensor input, Tensor other)", {
  integers: (a, b) => {
    const divisor = greatestDivisor(a, b);
    return divisor === 0n ? 0n : magnitude(BigInt.asIntN(64, (a / divisor) * b));
  },
  check: onlyInteger("lcm_cpu"),
});
