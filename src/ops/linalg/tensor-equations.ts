/**
 * Linear equations whose unknowns are tensors.
 */
import { TorchError } from "../../base/errors.ts";
import { numel, wrapDim } from "../../base/shape.ts";
import { operator } from "../../dispatch/op.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { linalg_inv_ex, linalg_solve } from "./solve.ts";
import { type LinalgOp, ofNamespace } from "./results.ts";
import { checkInfo } from "./errors.ts";
import { viewElements } from "../../tensor/data.ts";

/** The tensor that inverts `tensordot` with A over the first `ind` dims. */
export const linalg_tensorinv: LinalgOp<(A: Tensor, ind?: number, options?: { out?: Tensor | null }) => Tensor> =
  operator(
    "linalg_tensorinv(Tensor input, int ind=2)",
    (a: Tensor, ind: number) => {
      if (ind <= 0) throw new TorchError("Expected a strictly positive integer for 'ind'");
      const first = a.shape.slice(0, ind);
      const last = a.shape.slice(ind);
      const [rows, cols] = [numel(first), numel(last)];
      if (rows !== cols) {
        throw new TorchError(
          `Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got ${cols} != ${rows}`,
        );
      }
      const { inverse, info } = linalg_inv_ex(a.reshape([cols, rows]));
      checkInfo(viewElements(info) as Int32Array, true, "inv", "inv");
      return inverse.reshape([...last, ...first]);
    },
    ofNamespace,
  );

/** The X with `tensordot(A, X)` equal to B. */
export const linalg_tensorsolve: LinalgOp<
  (A: Tensor, B: Tensor, dims?: readonly number[] | null, options?: { out?: Tensor | null }) => Tensor
> = operator(
  "linalg_tensorsolve(Tensor input, Tensor other, int[]? dims=None)",
  (a: Tensor, b: Tensor, dims: readonly number[] | null) => {
    let x = a;
    if (dims !== null) {
      const moved = dims.map((d) => wrapDim(d, a.ndim));
      x = a.movedim(
        [...moved],
        moved.map((_, i) => a.ndim - moved.length + i),
      );
    }
    const shape = x.shape.slice(b.ndim);
    const unknowns = numel(shape);
    const equations = numel(x.shape.slice(0, b.ndim));
    if (unknowns !== equations) {
      throw new TorchError(
        `Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), but got ${unknowns} != ${equations}`,
      );
    }
    return linalg_solve(x.reshape([unknowns, unknowns]), b.reshape([-1])).reshape(shape);
  },
  ofNamespace,
);
