/**
 * Systems of linear equations and inverses.
 */
import { modes } from "../../autograd/modes.ts";
import { TorchError } from "../../base/errors.ts";
import { sameShape } from "../../base/shape.ts";
import { named } from "../../dispatch/named.ts";
import { operator } from "../../dispatch/op.ts";
import { apply, primitive } from "../../dispatch/primitive.ts";
import { viewElements } from "../../tensor/data.ts";
import { alias, type Tensor } from "../../tensor/tensor.ts";
import { batchIndex, broadcastLead, fromIntegers, fromMatrices, leadOf, matricesOf } from "./batch.ts";
import { type LuResult, luInPlace, solveByLu, solveByLuRight } from "./dense/lu.ts";
import { copyOf, identity, type Matrix } from "./dense/matrix.ts";
import { checkFloating, checkInfo, checkLapack, checkSides, checkSquare } from "./errors.ts";
import { luSolve } from "./lu.ts";
import { type LinalgOp, type Named, ofNamespace } from "./results.ts";

interface SolveParams {
  readonly left: boolean;
  /** B is a batch of vectors, not of matrices. */
  readonly vector: boolean;
}

/** A vector, or batch of them, as matrices of one column. */
const asColumns = (b: Tensor, vector: boolean): Tensor => (vector ? b.unsqueeze(-1) : b);

/** @internal The factors and exchanged rows of each matrix, as tensors. */
export function factorsOf(a: Tensor): { list: Matrix[]; results: LuResult[]; tensors: [Tensor, Tensor, Tensor] } {
  const list = matricesOf(a);
  const results = list.map((m) => luInPlace(m));
  const n = a.shape.at(-1) as number;
  const lead = leadOf(a);
  return {
    list,
    results,
    tensors: [
      fromMatrices(list, a.shape, a.dtype, a._backend),
      fromIntegers(
        results.flatMap((r) => [...r.pivots].map((p) => p + 1)),
        [...lead, n],
        a._backend,
      ),
      fromIntegers(
        results.map((r) => r.info),
        lead,
        a._backend,
      ),
    ],
  };
}

const solvePrimitive = primitive<SolveParams>({
  name: "linalg_solve_ex",
  nonDifferentiable: [1, 2, 3],
  forward: ([a, b], { left, vector }) => {
    const [x, given] = [a as Tensor, b as Tensor];
    const right = vector ? alias(given, [...given.shape, 1], [...given._strides, 1], given._offset) : given;
    const { list, results, tensors } = factorsOf(x);
    const lead = broadcastLead(x, right);
    const sides = matricesOf(right);
    const fromB = batchIndex(leadOf(right), lead);
    const solutions = batchIndex(leadOf(x), lead).map((from, i) => {
      const out = copyOf(sides[fromB[i] as number] as Matrix);
      (left ? solveByLu : solveByLuRight)(list[from] as Matrix, (results[from] as LuResult).pivots, out, false);
      return out;
    });
    const shape = vector ? [...lead, right.shape.at(-2) as number] : [...lead, ...right.shape.slice(-2)];
    const layout = left ? "columns" : "rows";
    return [fromMatrices(solutions, shape, given.dtype, given._backend, layout), ...tensors];
  },
  joint: {
    uses: (needs) => (needs(0) ? [0, "out", "out1", "out2"] : [0, "out1", "out2"]),
    vjp: ([g], ctx) => {
      if (g == null) return [null, null];
      const { left, vector } = ctx.params;
      const gx = asColumns(g, vector);
      const gb = modes.grad
        ? solveOf(ctx.input(0).mH, gx, { left, vector: false })[0]
        : luSolve(ctx.output(1), ctx.output(2), gx, { left, adjoint: true });
      let ga: Tensor | null = null;
      if (ctx.needs(0)) {
        const x = asColumns(ctx.output(), vector);
        ga = (left ? gb.matmul(x.mH) : x.mH.matmul(gb)).neg();
      }
      return [ga, vector ? gb.squeeze(-1) : gb];
    },
  },
});

/** @internal X, the factors, exchanged rows and error codes. */
export function solveOf(a: Tensor, b: Tensor, params: SolveParams): [Tensor, Tensor, Tensor, Tensor] {
  return apply(solvePrimitive, [a, b], params) as [Tensor, Tensor, Tensor, Tensor];
}

/** @internal Whether B stands for vectors. */
export const isVectorSide = (a: Tensor, b: Tensor): boolean =>
  b.ndim === 1 || (a.ndim - 1 === b.ndim && sameShape(b.shape, a.shape.slice(0, -1)));

function checked(a: Tensor, b: Tensor, left: boolean): [Tensor, Tensor] {
  checkFloating(a, "linalg.solve");
  if (a.dtype !== b.dtype) {
    throw new TorchError(
      `linalg.solve: Expected A and B to have the same dtype, but found A of type ${a.dtype.scalarName} and B of type ${b.dtype.scalarName} instead`,
    );
  }
  checkSquare(a, "linalg.solve", "A");
  const vector = isVectorSide(a, b);
  if (vector && !left) {
    throw new TorchError(
      "linalg.solve: Vector broadcasting of the left hand side is not supported for left=False. In this case linalg.solve is equivalent to B / A.squeeze(-1)",
    );
  }
  checkSides(a, vector ? alias(b, [...b.shape, 1], [...b._strides, 1], b._offset) : b, left, "linalg.solve");
  checkLapack(a, "lu_cpu");
  const [x, , , info] = solveOf(a, b, { left, vector });
  return [x, info];
}

const check = (info: Tensor, a: Tensor, name: string, failure: "solve" | "inv"): void =>
  checkInfo(viewElements(info) as Int32Array, a.ndim === 2, name, failure);

/** X with A X = B (`left` false: X A = B), and for each matrix 0 or the place of a zero pivot. */
export const linalg_solve_ex: LinalgOp<
  (A: Tensor, B: Tensor, options?: { left?: boolean; check_errors?: boolean }) => Named<"result" | "info">
> = operator(
  "linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False)",
  (a: Tensor, b: Tensor, left: boolean, checks: boolean) => {
    const [result, info] = checked(a, b, left);
    if (checks) check(info, a, "torch.linalg.solve_ex", "solve");
    return named("linalg_solve_ex", { result, info });
  },
  ofNamespace,
);

/** X with A X = B, or with `left` false X A = B, for square A; B may be vectors. */
export const linalg_solve: LinalgOp<
  (A: Tensor, B: Tensor, options?: { left?: boolean; out?: Tensor | null }) => Tensor
> = operator(
  "linalg_solve(Tensor A, Tensor B, *, bool left=True)",
  (a: Tensor, b: Tensor, left: boolean) => {
    const [result, info] = checked(a, b, left);
    check(info, a, "torch.linalg.solve", "solve");
    return result;
  },
  ofNamespace,
);

const inversePrimitive = primitive<null>({
  name: "linalg_inv_ex",
  nonDifferentiable: [1],
  forward: ([a]) => {
    const x = a as Tensor;
    const list = matricesOf(x);
    const infos: number[] = [];
    const inverses = list.map((m) => {
      const { pivots, info } = luInPlace(m);
      infos.push(info);
      const out = identity(m.rows, m.im !== null);
      solveByLu(m, pivots, out, false);
      return out;
    });
    return [fromMatrices(inverses, x.shape, x.dtype, x._backend), fromIntegers(infos, leadOf(x), x._backend)];
  },
  grads: [
    {
      uses: ["out"],
      vjp: (g, ctx) => {
        const inverse = ctx.output().mH;
        return inverse.matmul(g.matmul(inverse)).neg();
      },
    },
  ],
});

function inverted(a: Tensor): [Tensor, Tensor] {
  checkSquare(a, "linalg.inv", "A");
  checkFloating(a, "linalg.inv", false);
  return apply(inversePrimitive, [a], null) as [Tensor, Tensor];
}

/** The inverse, and for each matrix 0 or the place of a zero pivot. */
export const linalg_inv_ex: LinalgOp<(A: Tensor, options?: { check_errors?: boolean }) => Named<"inverse" | "info">> =
  operator(
    "linalg_inv_ex(Tensor A, *, bool check_errors=False)",
    (a: Tensor, checks: boolean) => {
      const [inverse, info] = inverted(a);
      if (checks) check(info, a, "linalg.inv_ex", "inv");
      return named("linalg_inv_ex", { inverse, info });
    },
    ofNamespace,
  );

function inv(a: Tensor): Tensor {
  const [inverse, info] = inverted(a);
  check(info, a, "linalg.inv", "inv");
  return inverse;
}

type Inverse = LinalgOp<(A: Tensor, options?: { out?: Tensor | null }) => Tensor>;

/** The inverse of square matrices. */
export const linalg_inv: Inverse = operator("linalg_inv(Tensor A)", inv, ofNamespace);
/** The inverse of square matrices. */
export const inverse: Inverse = operator("inverse(Tensor input)", inv);
