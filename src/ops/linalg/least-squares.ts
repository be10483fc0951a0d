/**
 * Least squares: X that makes |A X - B| smallest.
 */
import { int64 } from "../../base/dtype.ts";
import { TorchError } from "../../base/errors.ts";
import { sameShape } from "../../base/shape.ts";
import { named } from "../../dispatch/named.ts";
import { copyRaw, fillRaw } from "../../dispatch/elementwise.ts";
import { operator } from "../../dispatch/op.ts";
import { apply, primitive } from "../../dispatch/primitive.ts";
import { viewElements } from "../../tensor/data.ts";
import { alias, allocate, allocateStrided, type Tensor } from "../../tensor/tensor.ts";
import {
  batchIndex,
  broadcastLead,
  columnMajor,
  fromMatrices,
  fromVectors,
  leadOf,
  matricesOf,
  realOf,
} from "./batch.ts";
import { applyProduct, qrInPlace, upperTriangle } from "./dense/householder.ts";
import { addRow, adjoint, copyOf, type Matrix, multiply, one, part, zeros } from "./dense/matrix.ts";
import { type SingularValues, singular } from "./dense/singular.ts";
import { solveLeft } from "./dense/triangular.ts";
import { checkInfo } from "./errors.ts";
import { linalg_pinv, pinvBackward } from "./pseudo-inverse.ts";
import { type LinalgOp, type Named, ofNamespace } from "./results.ts";

type Driver = "gels" | "gelsy" | "gelsd" | "gelss";

interface Params {
  readonly driver: Driver;
  readonly rcond: number;
  readonly vector: boolean;
}

/** By QR, for matrices of full rank: of A, or of A^H for the shortest of many solutions. */
function byQr(a: Matrix, b: Matrix): Matrix {
  const { rows: m, cols: n } = a;
  if (m >= n) {
    const work = copyOf(a);
    const taus = qrInPlace(work);
    const right = copyOf(b);
    applyProduct(work, taus, right, true);
    const x = part(right, 0, 0, n, b.cols);
    solveLeft(upperTriangle(work, n), x, { upper: true });
    return x;
  }
  const work = adjoint(a);
  const taus = qrInPlace(work);
  const y = copyOf(b);
  solveLeft(adjoint(upperTriangle(work, m)), y, { upper: false });
  const x = zeros(n, b.cols, a.im !== null);
  for (let i = 0; i < m; i++) addRow(x, i, y, i, one);
  applyProduct(work, taus, x, false);
  return x;
}

/** By singular values: those below rcond times the largest count as zero. */
function bySingularValues(a: Matrix, b: Matrix, rcond: number): { x: Matrix; rank: number; values: Float64Array } {
  const { values, vectors, info } = singular(a, true, false);
  checkInfo([info], true, "torch.linalg.lstsq", "svd");
  const { u, vh } = vectors as NonNullable<SingularValues["vectors"]>;
  const limit = rcond * (values[0] ?? 0);
  const projected = multiply(adjoint(u), b);
  const scaled = zeros(projected.rows, projected.cols, projected.im !== null);
  let rank = 0;
  values.forEach((s, i) => {
    if (!(s > limit)) return;
    rank++;
    addRow(scaled, i, projected, i, { re: 1 / s, im: 0 });
  });
  return { x: multiply(adjoint(vh), scaled), rank, values };
}

const asColumns = (b: Tensor, vector: boolean): Tensor => (vector ? b.unsqueeze(-1) : b);

const lstsqPrimitive = primitive<Params>({
  name: "linalg_lstsq",
  nonDifferentiable: [2, 3],
  forward: ([p, q], { driver, rcond, vector }) => {
    const a = p as Tensor;
    const given = q as Tensor;
    const b = vector ? alias(given, [...given.shape, 1], [...given._strides, 1], given._offset) : given;
    const [m, n] = a.shape.slice(-2) as [number, number];
    const k = b.shape.at(-1) as number;
    const lead = broadcastLead(a, b);
    const [matrices, sides] = [matricesOf(a), matricesOf(b)];
    const fromB = batchIndex(leadOf(b), lead);
    const ranks: number[] = [];
    const values: Float64Array[] = [];
    const residuals: Float64Array[] = [];
    const solutions = batchIndex(leadOf(a), lead).map((from, i) => {
      const matrix = matrices[from] as Matrix;
      const side = sides[fromB[i] as number] as Matrix;
      let x: Matrix;
      if (driver === "gels") x = byQr(matrix, side);
      else {
        const found = bySingularValues(matrix, side, rcond);
        x = found.x;
        ranks.push(found.rank);
        values.push(found.values);
      }
      const rest = multiply(matrix, x);
      const sums = new Float64Array(k);
      for (let r = 0; r < m; r++) {
        addRow(rest, r, side, r, { re: -1, im: 0 });
        for (let c = 0; c < k; c++) {
          const at = r * k + c;
          sums[c] =
            (sums[c] as number) + (rest.re[at] as number) ** 2 + (rest.im === null ? 0 : (rest.im[at] as number) ** 2);
        }
      }
      residuals.push(sums);
      return x;
    });
    const real = realOf(a);
    const none = (dtype = real): Tensor => allocate([0], dtype, a._backend);
    // LAPACK leaves the solution in the first rows of B.
    const high = Math.max(m, n);
    const room = allocateStrided([...lead, high, k], columnMajor([...lead, high, k]), a.dtype, a._backend);
    fillRaw(room, 0);
    const columns = alias(room, [...lead, n, k], room._strides, 0);
    copyRaw(columns, fromMatrices(solutions, [...lead, n, k], a.dtype, a._backend));
    const solution = vector ? alias(room, [...lead, n], room._strides.slice(0, -1), 0) : columns;
    const counted = driver !== "gels";
    const rank = counted ? allocate(leadOf(a), int64, a._backend) : none(int64);
    if (counted) (viewElements(rank) as BigInt64Array).set(ranks.slice(0, rank._numel).map(BigInt));
    const full = !counted || ranks.every((r) => r === n);
    const withResiduals = m > n && driver !== "gelsy" && full;
    return [
      solution,
      withResiduals ? fromVectors(residuals, vector ? lead : [...lead, k], real, a._backend) : none(),
      rank,
      driver === "gelsd" || driver === "gelss"
        ? fromVectors(values, [...lead, Math.min(m, n)], real, a._backend)
        : none(),
    ];
  },
  joint: {
    uses: () => [0, 1, "out"],
    vjp: ([g, gr], ctx) => {
      const { vector } = ctx.params;
      const a = ctx.input(0);
      const b = asColumns(ctx.input(1), vector);
      let ga: Tensor | null = null;
      let gb: Tensor | null = null;
      if (g != null) {
        const gx = asColumns(g, vector);
        const p = linalg_pinv(a);
        ga = pinvBackward(gx.matmul(b.mH), p, a);
        gb = p.mH.matmul(gx);
      }
      if (gr != null && gr._numel > 0) {
        const x = asColumns(ctx.output(), vector);
        const rest = a.matmul(x).sub(b);
        const weighted = rest.mul((vector ? gr.unsqueeze(-1) : gr).to(a.dtype).unsqueeze(-2)).mul(2);
        const term = weighted.matmul(x.mH);
        ga = ga === null ? term : ga.add(term);
        gb = gb === null ? weighted.neg() : gb.sub(weighted);
      }
      return [ga, gb === null ? null : vector ? gb.squeeze(-1) : gb];
    },
  },
});

/** The X with the smallest |A X - B|, residuals, ranks and singular values; which are filled in depends on the driver. */
export const linalg_lstsq: LinalgOp<
  (
    A: Tensor,
    B: Tensor,
    rcond?: number | null,
    options?: { driver?: Driver | null },
  ) => Named<"solution" | "residuals" | "rank" | "singular_values">
> = operator(
  "linalg_lstsq(Tensor input, Tensor b, float? rcond=None, *, str? driver=None)",
  (a: Tensor, b: Tensor, rcond: number | null, driver: string | null) => {
    const name = "torch.linalg.lstsq";
    if (a.ndim < 2) throw new TorchError(`${name}: input must have at least 2 dimensions.`);
    if (b.ndim < 1) throw new TorchError(`${name}: other must have at least 1 dimension.`);
    if (a.dtype !== b.dtype) {
      throw new TorchError(
        `${name}: Expected input and other to have the same dtype, but got input's dtype ${a.dtype.scalarName} and other's dtype ${b.dtype.scalarName}`,
      );
    }
    if (a.dtype.category < 2 || a.dtype.itemsize < 4) {
      throw new TorchError("This function doesn't handle types other than float and double");
    }
    const difference = a.ndim - b.ndim;
    if (difference < 0 || difference > 1) {
      throw new TorchError(
        `${name}: input.dim() must be greater or equal to other.dim() and (input.dim() - other.dim()) <= 1`,
      );
    }
    const vector = b.ndim === 1 || (difference === 1 && sameShape(a.shape.slice(0, -1), b.shape));
    const rows = vector ? b.shape.at(-1) : b.shape.at(-2);
    if (a.shape.at(-2) !== rows) {
      throw new TorchError(`${name}: input.size(-2) should match other.size(${vector ? -1 : -2})`);
    }
    const chosen = driver ?? "gelsy";
    if (!["gels", "gelsy", "gelsd", "gelss"].includes(chosen)) {
      throw new TorchError(`${name}: parameter \`driver\` should be one of (gels, gelsy, gelsd, gelss)`);
    }
    const eps = realOf(a).itemsize === 8 ? Number.EPSILON : 2 ** -23;
    const limit = rcond ?? eps * Math.max(a.shape.at(-2) as number, a.shape.at(-1) as number);
    const [solution, residuals, rank, values] = apply(lstsqPrimitive, [a, b], {
      driver: chosen as Driver,
      rcond: limit,
      vector,
    }) as [Tensor, Tensor, Tensor, Tensor];
    return named("linalg_lstsq", { solution, residuals, rank, singular_values: values });
  },
  ofNamespace,
);
