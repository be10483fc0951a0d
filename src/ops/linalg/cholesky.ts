/**
 * Cholesky factorisation and what is solved by it.
 */
import { TorchError } from "../../base/errors.ts";
import { named } from "../../dispatch/named.ts";
import { operator } from "../../dispatch/op.ts";
import { apply, apply1, type Primitive, primitive } from "../../dispatch/primitive.ts";
import { viewElements } from "../../tensor/data.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { batchIndex, broadcastLead, fromIntegers, fromMatrices, leadOf, matricesOf } from "./batch.ts";
import { cholesky as factor } from "./dense/cholesky.ts";
import { adjoint, copyOf, identity, type Matrix } from "./dense/matrix.ts";
import { solveLeft } from "./dense/triangular.ts";
import { checkFloating, checkInfo, checkLapack, checkMatrix, checkSquare } from "./errors.ts";
import { type LinalgOp, type Named, ofNamespace } from "./results.ts";
import { solveTriangular } from "./triangular.ts";

function choleskyPrimitive(name: string, gradName: string): Primitive<boolean> {
  return primitive<boolean>({
    name,
    gradName,
    nonDifferentiable: [1],
    forward: ([a], upper) => {
      const x = a as Tensor;
      const results = matricesOf(x).map((m) => factor(m, upper));
      return [
        fromMatrices(
          results.map((r) => r.factor),
          x.shape,
          x.dtype,
          x._backend,
        ),
        fromIntegers(
          results.map((r) => r.info),
          leadOf(x),
          x._backend,
        ),
      ];
    },
    grads: [
      {
        uses: ["out"],
        vjp: (g, ctx) => {
          const upper = ctx.params;
          const l = upper ? ctx.output().mH : ctx.output();
          const gl = upper ? g.mH : g;
          // L^-H sym(tril(L^H gL)) L^-1, where sym copies the lower triangle to the upper one and halves.
          const phi = l.mH.matmul(gl);
          const symmetric = phi.tril().add(phi.tril(-1).mH).mul(0.5);
          const left = solveTriangular(l.mH, symmetric, { upper: true, left: true });
          return solveTriangular(l, left, { upper: false, left: false });
        },
      },
    ],
  });
}

const choleskyEx = choleskyPrimitive("linalg_cholesky_ex", "LinalgCholeskyExBackward0");
const oldCholesky = choleskyPrimitive("cholesky", "CholeskyBackward0");

function compute(prim: Primitive<boolean>, a: Tensor, upper: boolean, name: string, check: boolean): [Tensor, Tensor] {
  checkSquare(a, name);
  checkFloating(a, name);
  checkLapack(a, "cholesky_cpu");
  const [l, info] = apply(prim, [a], upper) as [Tensor, Tensor];
  if (check) checkInfo(viewElements(info) as Int32Array, a.ndim === 2, name, "cholesky");
  return [l, info];
}

/** The factor L of A = L L^H (or U^H U), and for each matrix 0 or the order of the minor that is not positive-definite. */
export const linalg_cholesky_ex: LinalgOp<
  (input: Tensor, options?: { upper?: boolean; check_errors?: boolean }) => Named<"L" | "info">
> = operator(
  "linalg_cholesky_ex(Tensor input, *, bool upper=False, bool check_errors=False)",
  (a: Tensor, upper: boolean, check: boolean) => {
    const [L, info] = compute(choleskyEx, a, upper, check ? "linalg.cholesky_ex" : "linalg.cholesky", check);
    return named("linalg_cholesky_ex", { L, info });
  },
  ofNamespace,
);

/** The lower triangular L with A = L L^H of Hermitian positive-definite matrices; with `upper` the U with A = U^H U. */
export const linalg_cholesky: LinalgOp<(input: Tensor, options?: { upper?: boolean; out?: Tensor | null }) => Tensor> =
  operator(
    "linalg_cholesky(Tensor input, *, bool upper=False)",
    (a: Tensor, upper: boolean) => compute(choleskyEx, a, upper, "linalg.cholesky", true)[0],
    ofNamespace,
  );

/** As `linalg.cholesky`, under PyTorch's older name. */
export const cholesky: LinalgOp<(input: Tensor, upper?: boolean, options?: { out?: Tensor | null }) => Tensor> =
  operator(
    "cholesky(Tensor input, bool upper=False)",
    (a: Tensor, upper: boolean) => compute(oldCholesky, a, upper, "cholesky", true)[0],
  );

/** Solves A X = B in place of B by the factor of A. */
function solveByFactor(l: Matrix, b: Matrix, upper: boolean): void {
  const conjugate = adjoint(l);
  solveLeft(upper ? conjugate : l, b, { upper: false });
  solveLeft(upper ? l : conjugate, b, { upper: true });
}

const choleskySolve = primitive<boolean>({
  name: "cholesky_solve",
  forward: ([b, l], upper) => {
    const [x, f] = [b as Tensor, l as Tensor];
    const lead = broadcastLead(x, f);
    const [right, factors] = [matricesOf(x), matricesOf(f)];
    const fromFactors = batchIndex(leadOf(f), lead);
    const results = batchIndex(leadOf(x), lead).map((from, i) => {
      const out = copyOf(right[from] as Matrix);
      solveByFactor(factors[fromFactors[i] as number] as Matrix, out, upper);
      return out;
    });
    return fromMatrices(results, [...lead, ...x.shape.slice(-2)], x.dtype, x._backend);
  },
  joint: {
    uses: (needs) => (needs(1) ? [1, "out"] : [1]),
    vjp: ([g], ctx) => {
      if (g == null) return [null, null];
      const upper = ctx.params;
      const l = ctx.input(1);
      const gb = cholesky_solve(g, l, upper);
      if (!ctx.needs(1)) return [gb, null];
      const half = gb.matmul(ctx.output().mH);
      const common = half.add(half.mH);
      return [gb, (upper ? l.matmul(common) : common.matmul(l)).neg()];
    },
  },
});

/** Solves A X = B, where A = L L^H is given by its factor L (or U). */
export const cholesky_solve: LinalgOp<
  (input: Tensor, L: Tensor, upper?: boolean, options?: { out?: Tensor | null }) => Tensor
> = operator(
  "cholesky_solve(Tensor input, Tensor input2, bool upper=False)",
  (b: Tensor, l: Tensor, upper: boolean) => {
    if (b.ndim < 2) {
      throw new TorchError(`b should have at least 2 dimensions, but has ${b.ndim} dimensions instead`);
    }
    if (l.ndim < 2) {
      throw new TorchError(`u should have at least 2 dimensions, but has ${l.ndim} dimensions instead`);
    }
    const [rows, cols] = l.shape.slice(-2);
    if (b.dtype !== l.dtype) {
      throw new TorchError(
        `Expected b and A to have the same dtype, but found b of type ${b.dtype.scalarName} and A of type ${l.dtype.scalarName} instead.`,
      );
    }
    if (rows !== cols) {
      throw new TorchError(`A must be batches of square matrices, but they are ${rows} by ${cols} matrices`);
    }
    if (b.shape.at(-2) !== rows) {
      throw new TorchError(
        `Incompatible matrix sizes for cholesky_solve: each A matrix is ${rows} by ${rows} but each b matrix is ${b.shape.at(-2)} by ${b.shape.at(-1)}`,
      );
    }
    checkLapack(b, "cholesky_solve_cpu");
    return apply1(choleskySolve, [b, l], upper);
  },
);

const choleskyInverse = primitive<boolean>({
  name: "cholesky_inverse",
  forward: ([l], upper) => {
    const f = l as Tensor;
    const results = matricesOf(f).map((m) => {
      const out = identity(m.rows, m.im !== null);
      solveByFactor(m, out, upper);
      return out;
    });
    return fromMatrices(results, f.shape, f.dtype, f._backend);
  },
  grads: [
    {
      uses: [0, "out"],
      vjp: (g, ctx) => {
        const l = ctx.input(0);
        const inverse = ctx.output();
        const common = inverse.matmul(g.add(g.mH).matmul(inverse));
        return (ctx.params ? l.matmul(common) : common.matmul(l)).neg();
      },
    },
  ],
});

/** The inverse of A = L L^H from its factor L (or U). */
export const cholesky_inverse: LinalgOp<(input: Tensor, upper?: boolean, options?: { out?: Tensor | null }) => Tensor> =
  operator("cholesky_inverse(Tensor input, bool upper=False)", (l: Tensor, upper: boolean) => {
    checkMatrix(l, "cholesky_inverse");
    checkSquare(l, "cholesky_inverse");
    checkLapack(l, "cholesky_inverse_out_cpu");
    return apply1(choleskyInverse, [l], upper);
  });
