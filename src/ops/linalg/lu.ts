/**
 * LU factorisation with partial pivoting, its parts, and what is solved by it.
 */
import { TorchError } from "../../base/errors.ts";
import { formatShape } from "../../base/shape.ts";
import { int32 } from "../../base/dtype.ts";
import { named } from "../../dispatch/named.ts";
import { operator } from "../../dispatch/op.ts";
import { apply, apply1, primitive } from "../../dispatch/primitive.ts";
import { viewElements } from "../../tensor/data.ts";
import { allocate, type Tensor } from "../../tensor/tensor.ts";
import {
  batchIndex,
  broadcastLead,
  fromIntegers,
  fromMatrices,
  fromOne,
  leadOf,
  matricesOf,
  pivotsOf,
} from "./batch.ts";
import { luInPlace, rowOrder, solveByLu, solveByLuRight, unpackLu } from "./dense/lu.ts";
import { copyOf, type Matrix, zeros } from "./dense/matrix.ts";
import { checkInfo, checkLapack, checkSides } from "./errors.ts";
import { cat } from "../join.ts";
import { type LinalgOp, type Named, ofNamespace } from "./results.ts";
import { solveTriangular } from "./triangular.ts";

/** The permutation matrix P with A = P L U. */
function permutation(pivots: Int32Array, rows: number): Matrix {
  const p = zeros(rows, rows, false);
  rowOrder(pivots, rows).forEach((from, to) => (p.re[from * rows + to] = 1));
  return p;
}

/** The gradient of A from those of L and U, with A = P L U. */
function luBackward(gl: Tensor | null, gu: Tensor | null, p: Tensor, l: Tensor, u: Tensor): Tensor | null {
  if (gl === null && gu === null) return null;
  const m = l.shape.at(-2) as number;
  const n = u.shape.at(-1) as number;
  const k = Math.min(m, n);
  const l1 = l.narrow(-2, 0, k);
  const u1 = u.narrow(-1, 0, k);
  // Both triangles of the k by k part, of L^H gL and gU U^H.
  let lower = gl === null ? null : l1.mH.matmul(gl.narrow(-2, 0, k));
  let upper = gu === null ? null : gu.narrow(-1, 0, k).matmul(u1.mH);
  const gl2 = gl !== null && m > k ? gl.narrow(-2, k, m - k) : null;
  const gu2 = gu !== null && n > k ? gu.narrow(-1, k, n - k) : null;
  if (gl2 !== null) {
    // The rows of L below: L2 = A2 U^-1 moves against U.
    const term = l.narrow(-2, k, m - k).mH.matmul(gl2);
    upper = upper === null ? term.neg() : upper.sub(term);
  }
  if (gu2 !== null) {
    const term = gu2.matmul(u.narrow(-1, k, n - k).mH);
    lower = lower === null ? term.neg() : lower.sub(term);
  }
  let inner = lower === null ? null : lower.tril(-1);
  if (upper !== null) inner = inner === null ? upper.triu() : inner.add(upper.triu());
  const middle = inner as Tensor;
  const left = solveTriangular(l1.mH, middle, { upper: true, left: true, unit: true });
  let out = solveTriangular(u1.mH, left, { upper: false, left: false });
  if (m > k) {
    const below = gl2 ?? l.narrow(-2, k, m - k).mul(0);
    const rows = solveTriangular(u1.mH, below, { upper: false, left: false });
    out = cat([out, rows], -2);
  }
  if (n > k) {
    const beside = gu2 ?? u.narrow(-1, k, n - k).mul(0);
    const columns = solveTriangular(l1.mH, beside, { upper: true, left: true, unit: true });
    out = cat([out, columns], -1);
  }
  return p.matmul(out);
}

const factorPrimitive = primitive<null>({
  name: "linalg_lu_factor_ex",
  nonDifferentiable: [1, 2],
  forward: ([a]) => {
    const x = a as Tensor;
    const list = matricesOf(x);
    const results = list.map((m) => luInPlace(m));
    const k = Math.min(x.shape.at(-2) as number, x.shape.at(-1) as number);
    const lead = leadOf(x);
    return [
      fromMatrices(list, x.shape, x.dtype, x._backend),
      fromIntegers(
        results.flatMap((r) => [...r.pivots].map((p) => p + 1)),
        [...lead, k],
        x._backend,
      ),
      fromIntegers(
        results.map((r) => r.info),
        lead,
        x._backend,
      ),
    ];
  },
  grads: [
    {
      uses: ["out", "out1"],
      vjp: (g, ctx) => {
        const [p, l, u] = lu_unpack(ctx.output(0), ctx.output(1)) as unknown as [Tensor, Tensor, Tensor];
        const k = l.shape.at(-1) as number;
        return luBackward(g.narrow(-1, 0, k).tril(-1), g.narrow(-2, 0, k).triu(), p, l, u);
      },
    },
  ],
});

function checkFactor(a: Tensor, name: string, pivot: boolean): void {
  if (a.ndim < 2) {
    throw new TorchError(
      `${name}: Expected tensor with 2 or more dimensions. Got size: ${formatShape(a.shape)} instead`,
    );
  }
  checkLapack(a, "lu_cpu");
  if (!pivot) throw new TorchError("linalg.lu_factor: LU without pivoting is not implemented on the CPU");
}

/** @internal LU, pivots and error codes. */
export function luFactor(a: Tensor): [Tensor, Tensor, Tensor] {
  return apply(factorPrimitive, [a], null) as [Tensor, Tensor, Tensor];
}

const infosOf = (info: Tensor): Int32Array => viewElements(info) as Int32Array;

/** The factors in one matrix, the exchanged rows counted from 1, and for each matrix 0 or the place of a zero pivot. */
export const linalg_lu_factor_ex: LinalgOp<
  (input: Tensor, options?: { pivot?: boolean; check_errors?: boolean }) => Named<"LU" | "pivots" | "info">
> = operator(
  "linalg_lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False)",
  (a: Tensor, pivot: boolean, check: boolean) => {
    checkFactor(a, "torch.lu_factor_ex", pivot);
    const [LU, pivots, info] = luFactor(a);
    if (check) checkInfo(infosOf(info), a.ndim === 2, "torch.linalg.lu_factor_ex", "lu");
    return named("linalg_lu_factor_ex", { LU, pivots, info });
  },
  ofNamespace,
);

/** The factors in one matrix, and the exchanged rows, counted from 1 as LAPACK does. */
export const linalg_lu_factor: LinalgOp<(input: Tensor, options?: { pivot?: boolean }) => Named<"LU" | "pivots">> =
  operator(
    "linalg_lu_factor(Tensor A, *, bool pivot=True)",
    (a: Tensor, pivot: boolean) => {
      checkFactor(a, "torch.lu_factor", pivot);
      const [LU, pivots, info] = luFactor(a);
      checkInfo(infosOf(info), a.ndim === 2, "torch.linalg.lu_factor", "lu");
      return named("linalg_lu_factor", { LU, pivots });
    },
    ofNamespace,
  );

/** As `linalg.lu_factor`, under PyTorch's older name; with `get_infos` the error codes too. */
export const lu: LinalgOp<(input: Tensor, pivot?: boolean, get_infos?: boolean) => Tensor[]> = operator(
  "lu(Tensor A, bool pivot=True, bool get_infos=False)",
  (a: Tensor, pivot: boolean, infos: boolean) => {
    checkFactor(a, "torch.lu_factor_ex", pivot);
    const [LU, pivots, info] = luFactor(a);
    if (infos) return [LU, pivots, info];
    checkInfo(infosOf(info), a.ndim === 2, "torch.linalg.lu_factor_ex", "lu");
    return [LU, pivots];
  },
);

const luPrimitive = primitive<null>({
  name: "linalg_lu",
  nonDifferentiable: [0],
  forward: ([a]) => {
    const x = a as Tensor;
    const [m, n] = x.shape.slice(-2) as [number, number];
    const k = Math.min(m, n);
    const lead = leadOf(x);
    const results = matricesOf(x).map((matrix) => {
      const { pivots } = luInPlace(matrix);
      return { p: permutation(pivots, m), ...unpackLu(matrix) };
    });
    return [
      fromMatrices(
        results.map((r) => r.p),
        [...lead, m, m],
        x.dtype,
        x._backend,
        "rows",
      ),
      fromMatrices(
        results.map((r) => r.l),
        [...lead, m, k],
        x.dtype,
        x._backend,
        "rows",
      ),
      fromMatrices(
        results.map((r) => r.u),
        [...lead, k, n],
        x.dtype,
        x._backend,
        "rows",
      ),
    ];
  },
  joint: {
    uses: () => ["out", "out1", "out2"],
    vjp: ([, gl, gu], ctx) => [luBackward(gl ?? null, gu ?? null, ctx.output(0), ctx.output(1), ctx.output(2))],
  },
});

/** P, L and U with A = P L U. */
export const linalg_lu: LinalgOp<(input: Tensor, options?: { pivot?: boolean }) => Named<"P" | "L" | "U">> = operator(
  "linalg_lu(Tensor A, *, bool pivot=True)",
  (a: Tensor, pivot: boolean) => {
    checkFactor(a, "linalg.lu", pivot);
    const [P, L, U] = apply(luPrimitive, [a], null) as [Tensor, Tensor, Tensor];
    return named("linalg_lu", { P, L, U });
  },
  ofNamespace,
);

interface UnpackParams {
  readonly data: boolean;
  readonly pivots: boolean;
}

const unpackPrimitive = primitive<UnpackParams>({
  name: "lu_unpack",
  nonDifferentiable: [0],
  forward: ([a, b], params) => {
    const [x, pivots] = [a as Tensor, b as Tensor];
    const [m, n] = x.shape.slice(-2) as [number, number];
    const k = Math.min(m, n);
    const lead = leadOf(x);
    const none = (): Tensor => allocate([0], x.dtype, x._backend);
    const parts = params.data ? matricesOf(x).map((matrix) => unpackLu(matrix)) : [];
    const p = params.pivots ? pivotsOf(pivots).map((row) => permutation(fromOne(row), m)) : [];
    return [
      params.pivots ? fromMatrices(p, [...lead, m, m], x.dtype, x._backend, "rows") : none(),
      params.data
        ? fromMatrices(
            parts.map((r) => r.l),
            [...lead, m, k],
            x.dtype,
            x._backend,
            "rows",
          )
        : none(),
      params.data
        ? fromMatrices(
            parts.map((r) => r.u),
            [...lead, k, n],
            x.dtype,
            x._backend,
            "rows",
          )
        : none(),
    ];
  },
  joint: {
    uses: () => [],
    vjp: ([, gl, gu], ctx) => {
      const [m, n] = ctx.shape(0).slice(-2) as [number, number];
      // L fills the first columns of LU, U the first rows.
      const lower = gl == null ? null : widen(gl.tril(-1), -1, n);
      const upper = gu == null ? null : widen(gu.triu(), -2, m);
      if (lower === null || upper === null) return [lower ?? upper, null];
      return [lower.add(upper), null];
    },
  },
});

/** Zeros appended along a dim. */
function widen(x: Tensor, dim: number, size: number): Tensor {
  const missing = size - (x.shape.at(dim) as number);
  if (missing === 0) return x;
  const shape = [...x.shape];
  shape[shape.length + dim] = missing;
  return cat([x, x.new_zeros(shape)], dim);
}

/** P, L and U from the factors in one matrix and the exchanged rows. */
export const lu_unpack: LinalgOp<
  (LU_data: Tensor, LU_pivots: Tensor, unpack_data?: boolean, unpack_pivots?: boolean) => Named<"P" | "L" | "U">
> = operator(
  "lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data=True, bool unpack_pivots=True)",
  (x: Tensor, pivots: Tensor, data: boolean, unpackPivots: boolean) => {
    if (x.ndim < 2)
      throw new TorchError(
        "lu_unpack: Expected tensor with 2 or more dimensions. Got size: " + formatShape(x.shape) + " instead",
      );
    if (unpackPivots && pivots.dtype !== int32) {
      throw new TorchError(
        "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.\nNote: this function is intended to be used with the output produced by torch.linalg.lu_factor",
      );
    }
    const [P, L, U] = apply(unpackPrimitive, [x, pivots], { data, pivots: unpackPivots }) as [Tensor, Tensor, Tensor];
    return named("lu_unpack", { P, L, U });
  },
  { method: false },
);

interface SolveParams {
  readonly left: boolean;
  readonly adjoint: boolean;
}

/** The gradient of the factors, from A = P L U: whichever side A stands on, and conjugated or not. */
function solveBackward(g: Tensor, factors: Tensor, pivots: Tensor, x: Tensor, { left, adjoint }: SolveParams): Tensor {
  const [p, l, u] = lu_unpack(factors, pivots) as unknown as [Tensor, Tensor, Tensor];
  // With gA the gradient as if A itself were given: A X = B has gA = -A^-H gX X^H, and so on.
  const gb = luSolve(factors, pivots, g, { left, adjoint: !adjoint });
  const plain = left ? gb.matmul(x.mH) : x.mH.matmul(gb);
  const ga = (adjoint ? plain.mH : plain).neg();
  // dA = P (dL U + L dU).
  const inner = p.mT.matmul(ga);
  return inner.matmul(u.mH).tril(-1).add(l.mH.matmul(inner).triu());
}

const luSolvePrimitive = primitive<SolveParams>({
  name: "linalg_lu_solve",
  forward: ([a, b, c], { left, adjoint }) => {
    const [factors, pivots, right] = [a as Tensor, b as Tensor, c as Tensor];
    const lead = broadcastLead(factors, right);
    const [list, sides, exchanges] = [matricesOf(factors), matricesOf(right), pivotsOf(pivots).map(fromOne)];
    const fromB = batchIndex(leadOf(right), lead);
    const results = batchIndex(leadOf(factors), lead).map((from, i) => {
      const x = copyOf(sides[fromB[i] as number] as Matrix);
      (left ? solveByLu : solveByLuRight)(list[from] as Matrix, exchanges[from] as Int32Array, x, adjoint);
      return x;
    });
    const shape = [...lead, ...right.shape.slice(-2)];
    return fromMatrices(results, shape, right.dtype, right._backend, left ? "columns" : "rows");
  },
  joint: {
    uses: (needs) => (needs(0) ? [0, 1, "out"] : [0, 1]),
    vjp: ([g], ctx) => {
      if (g == null) return [null, null, null];
      const { left, adjoint } = ctx.params;
      const [factors, pivots] = [ctx.input(0), ctx.input(1)];
      return [
        ctx.needs(0) ? solveBackward(g, factors, pivots, ctx.output(), ctx.params) : null,
        null,
        ctx.needs(2) ? luSolve(factors, pivots, g, { left, adjoint: !adjoint }) : null,
      ];
    },
  },
});

/** @internal `linalg.lu_solve` without checks. */
export function luSolve(factors: Tensor, pivots: Tensor, b: Tensor, params: SolveParams): Tensor {
  return apply1(luSolvePrimitive, [factors, pivots, b], params);
}

function checkLuSolve(factors: Tensor, pivots: Tensor, b: Tensor, left: boolean): void {
  if (factors.dtype !== b.dtype) {
    throw new TorchError(
      `linalg.lu_solve: Expected LU and B to have the same dtype, but found LU of type ${factors.dtype.scalarName} and B of type ${b.dtype.scalarName} instead`,
    );
  }
  if (pivots.dtype !== int32) {
    throw new TorchError("linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32");
  }
  checkSides(factors, b, left, "linalg.lu_solve");
  if (factors.shape.at(-1) !== pivots.shape.at(-1)) {
    throw new TorchError("linalg.lu_solve: Number of pivots per batch should be same as the dimension of the matrix");
  }
  if (formatShape(leadOf(factors)) !== formatShape(pivots.shape.slice(0, -1))) {
    throw new TorchError(
      `linalg.lu_solve: Expected LU.shape[:-1] and pivots.shape to be the same, but got pivots with shape ${formatShape(pivots.shape)} instead`,
    );
  }
  checkLapack(factors, "lu_solve_cpu");
}

/** Solves A X = B by the factors of A; `left` false: X A = B; `adjoint`: with the conjugate transpose of A. */
export const linalg_lu_solve: LinalgOp<
  (
    LU: Tensor,
    pivots: Tensor,
    B: Tensor,
    options?: { left?: boolean; adjoint?: boolean; out?: Tensor | null },
  ) => Tensor
> = operator(
  "linalg_lu_solve(Tensor LU, Tensor pivots, Tensor B, *, bool left=True, bool adjoint=False)",
  (factors: Tensor, pivots: Tensor, b: Tensor, left: boolean, adjoint: boolean) => {
    checkLuSolve(factors, pivots, b, left);
    return luSolve(factors, pivots, b, { left, adjoint });
  },
  ofNamespace,
);

/** Solves A X = b by the factors of A, under PyTorch's older name. */
export const lu_solve: LinalgOp<(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) => Tensor> = operator(
  "lu_solve(Tensor input, Tensor LU_data, Tensor LU_pivots)",
  (b: Tensor, factors: Tensor, pivots: Tensor) => {
    checkLuSolve(factors, pivots, b, true);
    return luSolve(factors, pivots, b, { left: true, adjoint: false });
  },
);
