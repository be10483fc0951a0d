/**
 * The exponential of matrices.
 */
import { operator } from "../../dispatch/op.ts";
import { apply1, type Primitive, primitive } from "../../dispatch/primitive.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { cat } from "../join.ts";
import { fromMatrices, matricesOf } from "./batch.ts";
import { exponential } from "./dense/exponential.ts";
import { checkFloating, checkSquare } from "./errors.ts";
import { type LinalgOp, ofNamespace } from "./results.ts";

const expPrimitive: Primitive<null> = primitive<null>({
  name: "linalg_matrix_exp",
  forward: ([a]) => {
    const x = a as Tensor;
    return fromMatrices(matricesOf(x).map(exponential), x.shape, x.dtype, x._backend, "rows");
  },
  grads: [
    {
      uses: [0],
      vjp: (g, ctx) => {
        // The derivative in a direction stands in the upper right block of exp [[A, E], [0, A]]; its adjoint has A^H for A.
        const a = ctx.input(0).mH;
        const n = a.shape.at(-1) as number;
        const whole = cat([cat([a, g], -1), cat([a.mul(0), a], -1)], -2);
        return apply1(expPrimitive, [whole], null).narrow(-2, 0, n).narrow(-1, n, n);
      },
    },
  ],
});

function compute(a: Tensor): Tensor {
  checkSquare(a, "linalg.matrix_exp");
  checkFloating(a, "matrix_exp");
  return apply1(expPrimitive, [a], null);
}

type Unary = LinalgOp<(A: Tensor) => Tensor>;

/** e to the power of square matrices. */
export const linalg_matrix_exp: Unary = operator("linalg_matrix_exp(Tensor input)", compute, ofNamespace);
/** e to the power of square matrices. */
export const matrix_exp: Unary = operator("matrix_exp(Tensor input)", compute);
