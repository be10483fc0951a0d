/**
 * Ranks and pseudoinverses: what depends on which singular values count as zero.
 */
import { no_grad } from "../../autograd/modes.ts";
import { ArgumentTypeError, TorchError } from "../../base/errors.ts";
import { formatShape } from "../../base/shape.ts";
import { operator } from "../../dispatch/op.ts";
import { apply1, primitive, untracked } from "../../dispatch/primitive.ts";
import { PyFloat, type ScalarLike } from "../../dispatch/signature.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { leadOf, realOf } from "./batch.ts";
import { eighOf, hermitianValues } from "./eigen.ts";
import { checkMatrix } from "./errors.ts";
import { type LinalgOp, ofNamespace } from "./results.ts";
import { singularValues, svdOf } from "./svd.ts";

/** A tolerance: a number, or one for each matrix of a batch. */
export type Tolerance = ScalarLike | Tensor | null;

const numberOf = (x: ScalarLike): number => (x instanceof PyFloat ? x.value : Number(x));

/** The smallest singular value that does not count as zero, for each matrix; `largest` is the largest one, with a dim of 1. */
function limitOf(x: Tensor, largest: Tensor, atol: Tolerance, rtol: Tolerance): Tensor {
  const real = realOf(x);
  const eps = real.itemsize === 8 ? Number.EPSILON : 2 ** -23;
  const byDefault = eps * Math.max(x.shape.at(-2) as number, x.shape.at(-1) as number);
  const per = (t: Tensor): Tensor => (t.ndim === 0 ? t : t.unsqueeze(-1)).to(real);
  let relative: Tensor;
  if (rtol !== null) relative = rtol instanceof Tensor ? largest.mul(per(rtol)) : largest.mul(numberOf(rtol));
  else if (atol === null) relative = largest.mul(byDefault);
  else if (atol instanceof Tensor) {
    // The default relative tolerance where no absolute one is given.
    const given = per(atol);
    relative = largest.mul(given.gt(0).logical_not().to(real).mul(byDefault));
  } else relative = largest.mul(numberOf(atol) > 0 ? 0 : byDefault);
  if (atol === null) return relative;
  const absolute = atol instanceof Tensor ? per(atol) : largest.new_tensor(numberOf(atol));
  return relative.maximum(absolute);
}

/** The inverses of values beyond the tolerance; zeros for the others. */
function invertBeyond(values: Tensor, limit: Tensor): Tensor {
  const counts = values.abs().gt(limit);
  const safe = values.masked_fill(counts.logical_not(), 1);
  return safe.reciprocal().masked_fill(counts.logical_not(), 0);
}

interface PinvParams {
  readonly atol: Tolerance;
  readonly rtol: Tolerance;
  readonly hermitian: boolean;
}

function computePinv(x: Tensor, { atol, rtol, hermitian }: PinvParams): Tensor {
  if (x._numel === 0) {
    const [m, n] = x.shape.slice(-2) as [number, number];
    return x.new_zeros([...leadOf(x), n, m]);
  }
  if (hermitian) {
    const [l, u] = eighOf(x, "L");
    const inverse = invertBeyond(l, limitOf(x, l.abs().amax(-1, true), atol, rtol));
    return u.mul(inverse.to(u.dtype).unsqueeze(-2)).matmul(u.mH);
  }
  const { U, S, Vh } = svdOf(x, false);
  const inverse = invertBeyond(S, limitOf(x, S.narrow(-1, 0, 1), atol, rtol));
  return Vh.mH.mul(inverse.to(U.dtype).unsqueeze(-2)).matmul(U.mH);
}

/** @internal The gradient of A from that of its pseudoinverse. */
export function pinvBackward(g: Tensor, p: Tensor, a: Tensor): Tensor {
  const [m, n] = a.shape.slice(-2) as [number, number];
  const ph = p.mH;
  const gh = g.mH;
  if (m <= n) {
    const k = gh.matmul(p);
    const kph = k.matmul(ph);
    return p
      .matmul(k)
      .mH.neg()
      .add(kph)
      .sub(a.matmul(p).matmul(kph))
      .add(ph.matmul(p).matmul(gh.sub(k.matmul(a))));
  }
  const k = p.matmul(gh);
  const phk = ph.matmul(k);
  return k
    .matmul(p)
    .mH.neg()
    .add(gh.sub(a.matmul(k)).matmul(p).matmul(ph))
    .add(phk)
    .sub(phk.matmul(p).matmul(a));
}

const pinvPrimitive = primitive<PinvParams>({
  name: "linalg_pinv",
  forward: ([a], params) => no_grad(() => computePinv(untracked(a as Tensor), params)),
  grads: [{ uses: [0, "out"], vjp: (g, ctx) => pinvBackward(g, ctx.output(), ctx.input(0)) }],
});

function pinv(a: Tensor, params: PinvParams): Tensor {
  if (a.ndim < 2 || a.dtype.category < 2 || a.dtype.itemsize < (a.dtype.is_complex ? 8 : 4)) {
    throw new TorchError(
      `linalg.pinv(${a.dtype.scalarName}{${formatShape(a.shape)}}): expected a tensor with 2 or more dimensions of float, double, cfloat or cdouble types`,
    );
  }
  return apply1(pinvPrimitive, [a], params);
}

/** Options of operators that take singular values below a tolerance as zero. */
export interface ToleranceOptions {
  atol?: Tolerance;
  rtol?: Tolerance;
  hermitian?: boolean;
  out?: Tensor | null;
}

/** The pseudoinverse (Moore-Penrose). Singular values up to max(atol, rtol * largest) count as zero. */
export const linalg_pinv: LinalgOp<
  (A: Tensor, rcond?: Tolerance | ToleranceOptions, options?: ToleranceOptions) => Tensor
> = operator(
  "linalg_pinv(Tensor input, Tensor|Scalar? rcond=None, bool hermitian=False, *, Tensor|Scalar? atol=None, Tensor|Scalar? rtol=None)",
  (a: Tensor, rcond: Tolerance, hermitian: boolean, atol: Tolerance, rtol: Tolerance) => {
    if (rcond !== null && (atol !== null || rtol !== null)) {
      throw new ArgumentTypeError("linalg.pinv: rcond and atol or rtol are given");
    }
    return pinv(a, rcond === null ? { atol, rtol, hermitian } : { atol: 0, rtol: rcond, hermitian });
  },
  ofNamespace,
);

/** The pseudoinverse, under PyTorch's older name. */
export const pinverse: LinalgOp<(input: Tensor, rcond?: number) => Tensor> = operator(
  "pinverse(Tensor input, float rcond=1e-15)",
  (a: Tensor, rcond: number) => pinv(a, { atol: 0, rtol: rcond, hermitian: false }),
);

/** The number of singular values beyond max(atol, rtol * largest). */
export const linalg_matrix_rank: LinalgOp<
  (A: Tensor, tol?: Tolerance | ToleranceOptions, hermitian?: boolean, options?: ToleranceOptions) => Tensor
> = operator(
  "linalg_matrix_rank(Tensor input, Tensor|Scalar? tol=None, bool hermitian=False, *, Tensor|Scalar? atol=None, Tensor|Scalar? rtol=None)",
  (a: Tensor, tol: Tolerance, hermitian: boolean, atol: Tolerance, rtol: Tolerance) => {
    checkMatrix(a, "torch.linalg.matrix_rank", "input");
    return no_grad(() => {
      const x = untracked(a);
      if (x._numel === 0) return x.new_zeros(leadOf(x)).long();
      const values = hermitian ? hermitianValues(x).abs() : singularValues(x);
      const [absolute, relative] = tol === null ? [atol, rtol] : [tol, 0];
      return values.gt(limitOf(x, values.amax(-1, true), absolute, relative)).sum(-1);
    });
  },
  ofNamespace,
);
