/**
 * Determinants.
 */
import { modes } from "../../autograd/modes.ts";
import { named } from "../../dispatch/named.ts";
import { operator } from "../../dispatch/op.ts";
import { apply, primitive } from "../../dispatch/primitive.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { where } from "../clamp.ts";
import { fromVectors, leadOf, realOf } from "./batch.ts";
import type { LuResult } from "./dense/lu.ts";
import { at, type Matrix, modulus, negated, one, type Parts, scaled, times } from "./dense/matrix.ts";
import { checkFloating, checkLapack, checkSquare } from "./errors.ts";
import { luSolve } from "./lu.ts";
import { type LinalgOp, type Named, ofNamespace } from "./results.ts";
import { factorsOf, solveOf } from "./solve.ts";
import { svdOf } from "./svd.ts";

/** Whether the exchanges of rows are odd in number. */
function isOdd(pivots: Int32Array): boolean {
  let odd = false;
  pivots.forEach((p, k) => {
    if (p !== k) odd = !odd;
  });
  return odd;
}

function determinant(lu: Matrix, { pivots }: LuResult): Parts {
  let value = one;
  for (let i = 0; i < lu.rows; i++) value = times(value, at(lu, i, i));
  return isOdd(pivots) ? negated(value) : value;
}

const single = (values: Parts[], of: (z: Parts) => number): Float64Array[] => values.map((z) => Float64Array.of(of(z)));

/** The adjugate of A, conjugated and transposed, times a number: the gradient of the determinant also of singular matrices. */
function adjugateGradient(a: Tensor, g: Tensor): Tensor {
  const { U, S, Vh } = svdOf(a, false);
  const alpha = detOf(U).mul(detOf(Vh)).conj().mul(g);
  const n = S.shape.at(-1) as number;
  // The products of all singular values but one.
  const others = Array.from({ length: n }, (_, i) =>
    S.new_ones(S.shape.slice(0, -1)).mul(
      Array.from({ length: n }, (__, j) => j)
        .filter((j) => j !== i)
        .reduce((p: Tensor, j) => p.mul(S.select(-1, j)), S.new_ones(S.shape.slice(0, -1))),
    ),
  );
  const gamma = others.map((o) => alpha.mul(o).unsqueeze(-1));
  const columns = gamma.map((c, i) => U.select(-1, i).mul(c).unsqueeze(-1));
  return columns.map((c, i) => c.matmul(Vh.select(-2, i).unsqueeze(-2))).reduce((sum, x) => sum.add(x));
}

const detPrimitive = primitive<null>({
  name: "linalg_det",
  nonDifferentiable: [1, 2],
  forward: ([a]) => {
    const x = a as Tensor;
    const { list, results, tensors } = factorsOf(x);
    const values = list.map((m, i) => determinant(m, results[i] as LuResult));
    const det = fromVectors(
      single(values, (z) => z.re),
      leadOf(x),
      x.dtype,
      x._backend,
      single(values, (z) => z.im),
    );
    return [det, tensors[0], tensors[1]];
  },
  grads: [
    {
      uses: [0, "out", "out1", "out2"],
      vjp: (g, ctx) => {
        const a = ctx.input(0);
        const det = ctx.output();
        const n = a.shape.at(-1) as number;
        if (a._numel === 0) return a.new_zeros(a.shape);
        const diagonal = g
          .mul(det.conj())
          .unsqueeze(-1)
          .expand([...leadOf(a), n])
          .diag_embed();
        const singular = det.detach().eq(0);
        const many = singular.sum().item();
        if (many === det._numel && many > 0) return adjugateGradient(a, g);
        const solve = (x: Tensor, right: Tensor): Tensor =>
          modes.grad || many > 0
            ? solveOf(x.mH, right, { left: true, vector: false })[0]
            : luSolve(ctx.output(1), ctx.output(2), right, { left: true, adjoint: true });
        if (many === 0) return solve(a, diagonal);
        // Each formula sees harmless matrices in place of those that the other is for.
        const mask = singular.unsqueeze(-1).unsqueeze(-1);
        const harmless = a.new_tensor(Array.from({ length: n }, (_, k) => k + 1)).diag_embed();
        const regular = solve(where(mask, harmless, a), diagonal);
        return where(mask, adjugateGradient(where(mask, a, harmless), g), regular);
      },
    },
  ],
});

function detOf(a: Tensor): Tensor {
  checkSquare(a, "linalg.det", "A");
  checkFloating(a, "linalg.det");
  checkLapack(a, "lu_cpu");
  return (apply(detPrimitive, [a], null) as Tensor[])[0] as Tensor;
}

type Unary = LinalgOp<(A: Tensor, options?: { out?: Tensor | null }) => Tensor>;

/** The determinant of square matrices. */
export const linalg_det: Unary = operator("linalg_det(Tensor A)", detOf, ofNamespace);
/** The determinant of square matrices. */
export const det: Unary = operator("det(Tensor input)", detOf);

const slogdetPrimitive = primitive<null>({
  name: "linalg_slogdet",
  nonDifferentiable: [2, 3],
  forward: ([a]) => {
    const x = a as Tensor;
    const { list, results, tensors } = factorsOf(x);
    const signs: Parts[] = [];
    const logs = list.map((m, i) => {
      let sign: Parts = isOdd((results[i] as LuResult).pivots) ? { re: -1, im: 0 } : one;
      let log = 0;
      for (let k = 0; k < m.rows; k++) {
        const pivot = at(m, k, k);
        const size = modulus(pivot);
        log += Math.log(size);
        sign = size === 0 ? { re: 0, im: 0 } : times(sign, scaled(pivot, 1 / size));
      }
      signs.push(sign);
      return Float64Array.of(log);
    });
    const lead = leadOf(x);
    return [
      fromVectors(
        single(signs, (z) => z.re),
        lead,
        x.dtype,
        x._backend,
        single(signs, (z) => z.im),
      ),
      fromVectors(logs, lead, realOf(x), x._backend),
      tensors[0],
      tensors[1],
    ];
  },
  joint: {
    uses: () => [0, "out", "out2", "out3"],
    vjp: ([gsign, glog], ctx) => {
      const a = ctx.input(0);
      const sign = ctx.output();
      // d log det A = tr(A^-1 dA): its real part is that of log|det|, its imaginary part turns the sign.
      let g: Tensor | null = glog ?? null;
      if (a.dtype.is_complex && gsign != null) {
        // -i Im(conj(g) s)
        const imaginary = gsign.mul(sign.conj()).sub(gsign.conj().mul(sign)).mul(0.5);
        g = g === null ? imaginary : g.add(imaginary);
      } else if (gsign != null && g === null) return [a.mul(0)];
      if (g === null) return [null];
      const n = a.shape.at(-1) as number;
      const diagonal = g
        .to(a.dtype)
        .unsqueeze(-1)
        .expand([...leadOf(a), n])
        .diag_embed();
      return [
        modes.grad
          ? solveOf(a.mH, diagonal, { left: true, vector: false })[0]
          : luSolve(ctx.output(2), ctx.output(3), diagonal, { left: true, adjoint: true }),
      ];
    },
  },
});

function signAndLog(a: Tensor): [Tensor, Tensor] {
  checkSquare(a, "linalg.slogdet", "A");
  checkFloating(a, "linalg.slogdet", false);
  return (apply(slogdetPrimitive, [a], null) as Tensor[]).slice(0, 2) as [Tensor, Tensor];
}

type SignLog = LinalgOp<(A: Tensor) => Named<"sign" | "logabsdet">>;

/** The sign of the determinant and the logarithm of its size, which neither overflows nor vanishes. */
export const linalg_slogdet: SignLog = operator(
  "linalg_slogdet(Tensor A)",
  (a: Tensor) => {
    const [sign, logabsdet] = signAndLog(a);
    return named("linalg_slogdet", { sign, logabsdet });
  },
  ofNamespace,
);
/** The sign of the determinant and the logarithm of its size. */
export const slogdet: SignLog = operator("slogdet(Tensor input)", (a: Tensor) => {
  const [sign, logabsdet] = signAndLog(a);
  return named("slogdet", { sign, logabsdet });
});

/** The logarithm of the determinant; NaN where that is negative. */
export const logdet: Unary = operator("logdet(Tensor input)", (a: Tensor) => {
  checkSquare(a, "logdet", "A");
  checkFloating(a, "logdet", false);
  const [sign, log] = signAndLog(a);
  if (a.dtype.is_complex) return sign.log().add(log);
  return where(sign.eq(-1), NaN, log);
});
