/**
 * Condition numbers, norms by singular values, and diagonals.
 */
import { TorchError } from "../../base/errors.ts";
import { operator } from "../../dispatch/op.ts";
import { PyFloat, type ScalarLike } from "../../dispatch/signature.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { linalg_matrix_norm, type NormOrder } from "../norm.ts";
import { leadOf, realOf } from "./batch.ts";
import { checkSquare } from "./errors.ts";
import { type LinalgOp, ofNamespace } from "./results.ts";
import { linalg_inv_ex } from "./solve.ts";
import { singularValues } from "./svd.ts";

function byInverse(a: Tensor, ord: NormOrder): Tensor {
  const { inverse, info } = linalg_inv_ex(a);
  const singular = info.ne(0).unsqueeze(-1).unsqueeze(-1);
  return linalg_matrix_norm(a, ord).mul(linalg_matrix_norm(inverse.masked_fill(singular, Infinity), ord));
}

/** How much relative errors grow when equations with the matrix are solved; by default in the 2-norm. */
export const linalg_cond: LinalgOp<(A: Tensor, p?: NormOrder | null, options?: { out?: Tensor | null }) => Tensor> =
  operator(
    "linalg_cond(Tensor input, Scalar|str? p=None)",
    (a: Tensor, p: ScalarLike | string | null) => {
      if (a.ndim < 2) throw new TorchError("linalg.cond: The input tensor must have at least 2 dimensions.");
      const order = p instanceof PyFloat ? p.value : (p ?? 2);
      const none = (): Tensor => a.new_zeros(leadOf(a), { dtype: realOf(a) });
      if (typeof order === "string") {
        if (order !== "fro" && order !== "nuc") throw new TorchError(`linalg.cond got an invalid norm type: ${order}`);
        checkSquare(a, `linalg.cond(ord=${order})`);
        if (a._numel === 0) return none();
        if (order === "nuc") {
          const s = singularValues(a);
          return s.sum(-1).mul(s.reciprocal().sum(-1));
        }
        return byInverse(a, order);
      }
      const number = Number(order);
      if (a._numel === 0) return none();
      if (Math.abs(number) === 2) {
        const s = singularValues(a);
        const largest = s.narrow(-1, 0, 1);
        const smallest = s.narrow(-1, (s.shape.at(-1) as number) - 1, 1);
        return (number < 0 ? smallest.div(largest) : largest.div(smallest)).squeeze(-1);
      }
      if (Math.abs(number) !== 1 && Math.abs(number) !== Infinity) {
        throw new TorchError(`linalg.cond got an invalid norm type: ${number}`);
      }
      const shown = p instanceof PyFloat || !Number.isFinite(number) ? cFloat(number) : String(number);
      checkSquare(a, `linalg.cond(ord=${shown})`);
      return byInverse(a, number);
    },
    ofNamespace,
  );

/** A float as C prints it. */
const cFloat = (x: number): string => (Number.isFinite(x) ? x.toFixed(6) : x > 0 ? "inf" : "-inf");

/** The diagonal of matrices, as a view. */
export const linalg_diagonal: LinalgOp<
  (A: Tensor, options?: { offset?: number; dim1?: number; dim2?: number }) => Tensor
> = operator(
  "linalg_diagonal(Tensor A, *, int offset=0, int dim1=-2, int dim2=-1)",
  (a: Tensor, offset: number, dim1: number, dim2: number) => a.diagonal(offset, dim1, dim2),
  ofNamespace,
);
