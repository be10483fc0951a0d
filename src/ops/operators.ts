/**
 * The methods behind Python's operators where the tensor stands on the right (`2 - x` is `x.__rsub__(2)`), and those of bits, for
 * front ends that have operators.
 */
import { type OpInfo, operator } from "../dispatch/op.ts";
import type { ScalarLike } from "../dispatch/signature.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { add, floor_divide, mul, reciprocal, remainder, rsub } from "./arithmetic.ts";
import { bitwise_and, bitwise_left_shift, bitwise_or, bitwise_right_shift, bitwise_xor } from "./logical.ts";
import { pow } from "./power.ts";

/** A method of a tensor and what stands beside it. */
export type OperatorMethod = ((input: Tensor, other: Tensor | ScalarLike) => Tensor) & { readonly op: OpInfo };

const method = (name: string, f: (x: Tensor, other: Tensor | ScalarLike) => Tensor): OperatorMethod =>
  operator(`${name}(Tensor input, Tensor|Scalar other)`, f, { namespace: false });

/** `other + input`. */
export const __radd__: OperatorMethod = method("__radd__", (x, other) => add(x, other));
/** `other - input`. */
export const __rsub__: OperatorMethod = method("__rsub__", (x, other) => rsub(x, other));
/** `other * input`. */
export const __rmul__: OperatorMethod = method("__rmul__", (x, other) => mul(x, other));
/** `other / input`. */
export const __rdiv__: OperatorMethod = method("__rdiv__", (x, other) => mul(reciprocal(x), other));
/** `other / input`. */
export const __rtruediv__: OperatorMethod = __rdiv__;
/** `other // input`. */
export const __rfloordiv__: OperatorMethod = method("__rfloordiv__", (x, other) => floor_divide(other, x));
/** `other % input`. */
export const __rmod__: OperatorMethod = method("__rmod__", (x, other) => remainder(other, x));
/** `other ** input`. */
export const __rpow__: OperatorMethod = method("__rpow__", (x, other) => pow(other, x));
/** `input & other`. */
export const __and__: OperatorMethod = method("__and__", (x, other) => bitwise_and(x, other));
/** `other & input`. */
export const __rand__: OperatorMethod = method("__rand__", (x, other) => bitwise_and(x, other));
/** `input | other`. */
export const __or__: OperatorMethod = method("__or__", (x, other) => bitwise_or(x, other));
/** `other | input`. */
export const __ror__: OperatorMethod = method("__ror__", (x, other) => bitwise_or(x, other));
/** `input ^ other`. */
export const __xor__: OperatorMethod = method("__xor__", (x, other) => bitwise_xor(x, other));
/** `other ^ input`. */
export const __rxor__: OperatorMethod = method("__rxor__", (x, other) => bitwise_xor(x, other));
/** `input << other`. */
export const __lshift__: OperatorMethod = method("__lshift__", (x, other) => bitwise_left_shift(x, other));
/** `other << input`. */
export const __rlshift__: OperatorMethod = method("__rlshift__", (x, other) => bitwise_left_shift(other, x));
/** `input >> other`. */
export const __rshift__: OperatorMethod = method("__rshift__", (x, other) => bitwise_right_shift(x, other));
/** `other >> input`. */
export const __rrshift__: OperatorMethod = method("__rrshift__", (x, other) => bitwise_right_shift(other, x));
