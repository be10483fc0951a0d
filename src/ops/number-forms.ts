/**
 * Products and quotients with a number, under the names that PyTorch gives their nodes inside other operators.
 */
import { type BinaryOperator, pointwise } from "../dispatch/family/pointwise.ts";
import { E } from "../ir/expr.ts";

const internal = { method: false, namespace: false, inplace: false } as const;

/** The product with a number; its node is `MulBackward1`. */
export const mulNumber: BinaryOperator = pointwise<BinaryOperator>(
  "mul(Tensor|Scalar input, Tensor|Scalar other)",
  (a, b) => E.mul(a, b),
  { ...internal, gradName: "MulBackward1" },
);

/** The quotient by a number; its node is `DivBackward1`. */
export const divNumber: BinaryOperator = pointwise<BinaryOperator>(
  "div(Tensor|Scalar input, Tensor|Scalar other)",
  (a, b) => E.div(a, b),
  { ...internal, dtype: "float", gradName: "DivBackward1" },
);
