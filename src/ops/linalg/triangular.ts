/**
 * Equations with triangular matrices.
 */
import { TorchError } from "../../base/errors.ts";
import { named } from "../../dispatch/named.ts";
import { operator } from "../../dispatch/op.ts";
import { apply, apply1, primitive } from "../../dispatch/primitive.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { batchIndex, broadcastLead, fromMatrices, leadOf, matricesOf } from "./batch.ts";
import { copyOf, type Matrix } from "./dense/matrix.ts";
import { solveLeft, solveRight } from "./dense/triangular.ts";
import { checkFloating, checkLapack, checkSides } from "./errors.ts";
import { type LinalgOp, type Named, ofNamespace } from "./results.ts";

interface TriangularParams {
  readonly upper: boolean;
  readonly left: boolean;
  readonly unit: boolean;
}

function solveRaw(a: Tensor, b: Tensor, { upper, left, unit }: TriangularParams): Tensor {
  const lead = broadcastLead(a, b);
  const [factors, right] = [matricesOf(a), matricesOf(b)];
  const fromB = batchIndex(leadOf(b), lead);
  const results = batchIndex(leadOf(a), lead).map((from, i) => {
    const x = copyOf(right[fromB[i] as number] as Matrix);
    (left ? solveLeft : solveRight)(factors[from] as Matrix, x, { upper, unit });
    return x;
  });
  const shape = [...lead, ...b.shape.slice(-2)];
  return fromMatrices(results, shape, b.dtype, b._backend, left ? "columns" : "rows");
}

/** The part of a gradient that the factor's free elements get. */
function triangleOf(g: Tensor, { upper, unit }: TriangularParams): Tensor {
  return upper ? g.triu(unit ? 1 : 0) : g.tril(unit ? -1 : 0);
}

const solvePrimitive = primitive<TriangularParams>({
  name: "linalg_solve_triangular",
  forward: ([a, b], params) => solveRaw(a as Tensor, b as Tensor, params),
  joint: {
    uses: (needs) => (needs(0) ? [0, "out"] : [0]),
    vjp: ([g], ctx) => {
      if (g == null) return [null, null];
      const { params } = ctx;
      const { upper, left, unit } = params;
      const gb = solveTriangular(ctx.input(0).mH, g, { upper: !upper, left, unit });
      if (!ctx.needs(0)) return [null, gb];
      const x = ctx.output();
      const ga = left ? gb.matmul(x.mH) : x.mH.matmul(gb);
      return [triangleOf(ga.neg(), params), gb];
    },
  },
});

/** @internal `linalg.solve_triangular` without checks. */
export function solveTriangular(
  a: Tensor,
  b: Tensor,
  { upper, left, unit = false }: { upper: boolean; left: boolean; unit?: boolean },
): Tensor {
  return apply1(solvePrimitive, [a, b], { upper, left, unit });
}

/** Solves A X = B, or with `left` false X A = B, where A is triangular; with `unitriangular` its diagonal counts as ones. */
export const linalg_solve_triangular: LinalgOp<
  (
    A: Tensor,
    B: Tensor,
    options: { upper: boolean; left?: boolean; unitriangular?: boolean; out?: Tensor | null },
  ) => Tensor
> = operator(
  "linalg_solve_triangular(Tensor input, Tensor B, *, bool upper, bool left=True, bool unitriangular=False)",
  (a: Tensor, b: Tensor, upper: boolean, left: boolean, unit: boolean) => {
    checkFloating(a, "linalg.solve_triangular");
    checkSides(a, b, left, "linalg.solve_triangular");
    checkLapack(a, "triangular_solve_cpu");
    return solveTriangular(a, b, { upper, left, unit });
  },
  ofNamespace,
);

interface OldParams {
  readonly upper: boolean;
  readonly transpose: boolean;
  readonly unit: boolean;
}

const oldPrimitive = primitive<OldParams>({
  name: "triangular_solve",
  forward: ([b, a], { upper, transpose, unit }) => {
    const [x, m] = [b as Tensor, a as Tensor];
    const lead = broadcastLead(x, m);
    const factor = transpose ? m.detach().mT : m;
    const solution = solveRaw(factor, x, { upper: upper !== transpose, left: true, unit });
    const copies = matricesOf(m);
    const coefficient = fromMatrices(
      batchIndex(leadOf(m), lead).map((i) => copies[i] as Matrix),
      [...lead, ...m.shape.slice(-2)],
      m.dtype,
      m._backend,
    );
    return [solution, coefficient];
  },
  joint: {
    uses: (needs) => (needs(1) ? [1, "out"] : [1]),
    vjp: ([g, gm], ctx) => {
      const { upper, transpose, unit } = ctx.params;
      if (g == null) return [null, gm ?? null];
      const gb = triangular_solve(g, ctx.input(1).conj(), upper, !transpose, unit)[0] as Tensor;
      if (!ctx.needs(1)) return [gb, null];
      const x = ctx.output();
      const ga = (transpose ? x.conj().matmul(gb.mT) : gb.matmul(x.mH)).neg();
      const part = triangleOf(ga, { upper, left: true, unit });
      return [gb, gm == null ? part : part.add(gm)];
    },
  },
});

/** Solves A X = b with triangular A, under PyTorch's older name; gives also a copy of A. */
export const triangular_solve: LinalgOp<
  (
    b: Tensor,
    A: Tensor,
    upper?: boolean,
    transpose?: boolean,
    unitriangular?: boolean,
  ) => Named<"solution" | "cloned_coefficient">
> = operator(
  "triangular_solve(Tensor input, Tensor A, bool upper=True, bool transpose=False, bool unitriangular=False)",
  (b: Tensor, a: Tensor, upper: boolean, transpose: boolean, unit: boolean) => {
    if (b.ndim < 2) {
      throw new TorchError(
        `torch.triangular_solve: Expected b to have at least 2 dimensions, but it has ${b.ndim} dimensions instead`,
      );
    }
    if (a.ndim < 2) {
      throw new TorchError(
        `torch.triangular_solve: Expected A to have at least 2 dimensions, but it has ${a.ndim} dimensions instead`,
      );
    }
    const [rows, cols] = a.shape.slice(-2);
    if (rows !== cols) {
      throw new TorchError(`A must be batches of square matrices, but they are ${rows} by ${cols} matrices`);
    }
    if (b.shape.at(-2) !== rows) {
      throw new TorchError(
        `Incompatible matrix sizes for triangular_solve: each A matrix is ${rows} by ${rows} but each b matrix is ${b.shape.at(-2)} by ${b.shape.at(-1)}`,
      );
    }
    checkLapack(b, "triangular_solve_cpu");
    const [solution, cloned] = apply(oldPrimitive, [b, a], { upper, transpose, unit }) as [Tensor, Tensor];
    return named("triangular_solve", { solution, cloned_coefficient: cloned });
  },
);
