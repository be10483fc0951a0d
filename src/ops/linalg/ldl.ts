/**
 * LDL factorisation of symmetric or Hermitian matrices.
 */
import { int32 } from "../../base/dtype.ts";
import { TorchError } from "../../base/errors.ts";
import { formatShape, sameShape } from "../../base/shape.ts";
import { named } from "../../dispatch/named.ts";
import { operator } from "../../dispatch/op.ts";
import { apply, apply1, primitive } from "../../dispatch/primitive.ts";
import { viewElements } from "../../tensor/data.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { batchIndex, broadcastLead, fromIntegers, fromMatrices, leadOf, matricesOf, pivotsOf } from "./batch.ts";
import { ldlInPlace, solveByLdl } from "./dense/ldl.ts";
import { copyOf, type Matrix } from "./dense/matrix.ts";
import { checkFloating, checkLapack, checkMatrix, checkSquare } from "./errors.ts";
import { type LinalgOp, type Named, ofNamespace } from "./results.ts";

const factorPrimitive = primitive<boolean>({
  name: "linalg_ldl_factor_ex",
  forward: ([a], hermitian) => {
    const x = a as Tensor;
    const list = matricesOf(x);
    const results = list.map((m) => ldlInPlace(m, hermitian));
    const lower = list.map((m) => {
      // Only the lower triangle means something.
      for (let i = 0; i < m.rows; i++) {
        for (let j = i + 1; j < m.cols; j++) {
          m.re[i * m.cols + j] = 0;
          if (m.im !== null) m.im[i * m.cols + j] = 0;
        }
      }
      return m;
    });
    return [
      fromMatrices(lower, x.shape, x.dtype, x._backend),
      fromIntegers(
        results.flatMap((r) => [...r.pivots]),
        x.shape.slice(0, -1),
        x._backend,
      ),
      fromIntegers(
        results.map((r) => r.info),
        leadOf(x),
        x._backend,
      ),
    ];
  },
});

function factored(a: Tensor, hermitian: boolean): [Tensor, Tensor, Tensor] {
  checkSquare(a, "torch.linalg.ldl_factor_ex");
  checkFloating(a, "torch.linalg.ldl_factor_ex");
  checkLapack(a, "ldl_factor_kernel_cpu");
  return apply(factorPrimitive, [a], hermitian) as [Tensor, Tensor, Tensor];
}

function checkFactored(info: Tensor, name: string): void {
  const failed = (viewElements(info) as Int32Array).find((x) => x !== 0);
  if (failed !== undefined) throw new TorchError(`${name}: Unknown error code: ${failed}.`);
}

/** The factors in the lower triangle, the exchanged rows, and for each matrix 0 or the place of a zero block. */
export const linalg_ldl_factor_ex: LinalgOp<
  (input: Tensor, options?: { hermitian?: boolean; check_errors?: boolean }) => Named<"LD" | "pivots" | "info">
> = operator(
  "linalg_ldl_factor_ex(Tensor input, *, bool hermitian=False, bool check_errors=False)",
  (a: Tensor, hermitian: boolean, check: boolean) => {
    const [LD, pivots, info] = factored(a, hermitian);
    if (check) checkFactored(info, "torch.linalg.ldl_factor_ex");
    return named("linalg_ldl_factor_ex", { LD, pivots, info });
  },
  ofNamespace,
);

/** L and D, with A = L D L^T (or L^H), in one lower triangle, and the exchanged rows as LAPACK writes them. */
export const linalg_ldl_factor: LinalgOp<(input: Tensor, options?: { hermitian?: boolean }) => Named<"LD" | "pivots">> =
  operator(
    "linalg_ldl_factor(Tensor input, *, bool hermitian=False)",
    (a: Tensor, hermitian: boolean) => {
      const [LD, pivots, info] = factored(a, hermitian);
      checkFactored(info, "torch.linalg.ldl_factor");
      return named("linalg_ldl_factor", { LD, pivots });
    },
    ofNamespace,
  );

const solvePrimitive = primitive<boolean>({
  name: "linalg_ldl_solve",
  forward: ([a, p, b], hermitian) => {
    const [factors, pivots, right] = [a as Tensor, p as Tensor, b as Tensor];
    const lead = broadcastLead(factors, right);
    const [list, exchanges, sides] = [matricesOf(factors), pivotsOf(pivots), matricesOf(right)];
    const fromB = batchIndex(leadOf(right), lead);
    const results = batchIndex(leadOf(factors), lead).map((from, i) => {
      const x = copyOf(sides[fromB[i] as number] as Matrix);
      solveByLdl(list[from] as Matrix, exchanges[from] as Int32Array, x, hermitian);
      return x;
    });
    return fromMatrices(results, [...lead, ...right.shape.slice(-2)], right.dtype, right._backend);
  },
});

/** Solves A X = B by the factors of A. */
export const linalg_ldl_solve: LinalgOp<
  (LD: Tensor, pivots: Tensor, B: Tensor, options?: { hermitian?: boolean; out?: Tensor | null }) => Tensor
> = operator(
  "linalg_ldl_solve(Tensor LD, Tensor pivots, Tensor B, *, bool hermitian=False)",
  (factors: Tensor, pivots: Tensor, b: Tensor, hermitian: boolean) => {
    const name = "torch.linalg.ldl_solve";
    checkSquare(factors, name);
    checkFloating(factors, name);
    checkMatrix(b, name, "B");
    if (b.shape.at(-2) !== factors.shape.at(-1)) {
      throw new TorchError(
        `Incompatible matrix sizes for ${name}: each A matrix is ${factors.shape.at(-1)} by ${factors.shape.at(-1)} but each b matrix is ${b.shape.at(-2)} by ${b.shape.at(-1)}`,
      );
    }
    if (!sameShape(pivots.shape, factors.shape.slice(0, -1))) {
      throw new TorchError(
        `${name}: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with shape ${formatShape(pivots.shape)} instead`,
      );
    }
    if (pivots.dtype !== int32 && pivots.dtype.category !== 1) {
      throw new TorchError(`${name}: Expected pivots to be integers. Got ${pivots.dtype.scalarName}`);
    }
    if (factors.dtype !== b.dtype) {
      throw new TorchError(
        `${name}: LD dtype ${factors.dtype.scalarName} does not match b dtype ${b.dtype.scalarName}`,
      );
    }
    checkLapack(factors, "ldl_solve_kernel_cpu");
    return apply1(solvePrimitive, [factors, pivots, b], hermitian);
  },
  ofNamespace,
);
