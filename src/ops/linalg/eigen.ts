/**
 * Eigenvalues and eigenvectors.
 */
import { modes } from "../../autograd/modes.ts";
import { requiresGrad } from "../../autograd/views.ts";
import { toComplex } from "../../base/dtype.ts";
import { TorchError } from "../../base/errors.ts";
import { named } from "../../dispatch/named.ts";
import { operator } from "../../dispatch/op.ts";
import { apply, primitive } from "../../dispatch/primitive.ts";
import { allocate, type Tensor } from "../../tensor/tensor.ts";
import { fromMatrices, fromVectors, matricesOf, realOf } from "./batch.ts";
import { eigen } from "./dense/eigen.ts";
import { hermitianEigen, hermitianFrom } from "./dense/hermitian-eigen.ts";
import { isFinite, type Matrix } from "./dense/matrix.ts";
import { checkInfo, checkLapack, checkSquare } from "./errors.ts";
import { type LinalgOp, type Named, ofNamespace } from "./results.ts";
import { solveOf } from "./solve.ts";

const wantsVectors = (a: Tensor): boolean => modes.dual !== null || (modes.grad && requiresGrad(a));

/** The differences l_j - l_i of eigenvalues, with ones on the diagonal. */
function gaps(l: Tensor): Tensor {
  const n = l.shape.at(-1) as number;
  return l
    .unsqueeze(-2)
    .sub(l.unsqueeze(-1))
    .add(l.new_ones([n]).diag_embed());
}

/** Eigenvectors are determined up to a phase; a loss that depends on it has no gradient. */
function checkPhase(diagonal: Tensor, name: string): void {
  if (!diagonal.dtype.is_complex || diagonal._numel === 0) return;
  const plain = diagonal.detach();
  const limit = realOf(plain).itemsize === 8 ? 1e-10 : 1e-2;
  const phase = Number(plain.imag.abs().amax().item());
  if (!(phase <= limit * Math.max(1, Number(plain.abs().amax().item())))) {
    throw new TorchError(
      `${name}: The eigenvectors in the complex case are specified up to multiplication by e^{i phi}. The specified loss function depends on this quantity, so it is ill-defined.`,
    );
  }
}

const withoutDiagonal = (x: Tensor): Tensor => x.sub(x.diagonal(0, -2, -1).diag_embed());

interface HermitianParams {
  readonly upper: boolean;
  readonly vectors: boolean;
}

const eighPrimitive = primitive<HermitianParams>({
  name: "_linalg_eigh",
  gradName: "LinalgEighBackward0",
  forward: ([a], { upper, vectors }) => {
    const x = a as Tensor;
    const results = matricesOf(x).map((m) => hermitianEigen(hermitianFrom(m, upper), vectors));
    checkInfo(
      results.map((r) => r.info),
      x.ndim === 2,
      "linalg.eigh",
      "eig",
    );
    return [
      fromVectors(
        results.map((r) => r.values),
        x.shape.slice(0, -1),
        realOf(x),
        x._backend,
      ),
      vectors
        ? fromMatrices(
            results.map((r) => r.vectors as Matrix),
            x.shape,
            x.dtype,
            x._backend,
          )
        : allocate([0], x.dtype, x._backend),
    ];
  },
  joint: {
    uses: () => ["out", "out1"],
    vjp: ([gl, gv], ctx) => {
      const l = ctx.output(0);
      const v = ctx.output(1);
      if (gv == null) {
        return [gl == null ? null : v.mul(gl.to(v.dtype).unsqueeze(-2)).matmul(v.mH)];
      }
      const vhgv = v.mH.matmul(gv);
      checkPhase(vhgv.diagonal(0, -2, -1), "linalg_eigh_backward");
      let inner = withoutDiagonal(vhgv).div(gaps(l).to(v.dtype));
      if (gl != null) inner = inner.add(gl.to(v.dtype).diag_embed());
      return [v.matmul(inner).matmul(v.mH)];
    },
  },
});

function checkHermitian(a: Tensor, uplo: string): boolean {
  checkSquare(a, "linalg.eigh");
  const which = uplo.toUpperCase();
  if (which !== "L" && which !== "U") throw new TorchError(`Expected UPLO argument to be 'L' or 'U', but got ${uplo}`);
  checkLapack(a, "linalg_eigh_cpu");
  return which === "U";
}

/** @internal Eigenvalues and vectors of Hermitian matrices. */
export function eighOf(a: Tensor, uplo: string): [Tensor, Tensor] {
  return apply(eighPrimitive, [a], { upper: checkHermitian(a, uplo), vectors: true }) as [Tensor, Tensor];
}

/** @internal Eigenvalues of Hermitian matrices. */
export function hermitianValues(a: Tensor, uplo = "L"): Tensor {
  const params = { upper: checkHermitian(a, uplo), vectors: wantsVectors(a) };
  return (apply(eighPrimitive, [a], params) as Tensor[])[0] as Tensor;
}

/** Eigenvalues, ascending, and orthonormal eigenvectors of Hermitian matrices, of which one triangle is read. */
export const linalg_eigh: LinalgOp<(A: Tensor, UPLO?: "L" | "U") => Named<"eigenvalues" | "eigenvectors">> = operator(
  'linalg_eigh(Tensor input, str UPLO="L")',
  (a: Tensor, uplo: string) => {
    const [eigenvalues, eigenvectors] = eighOf(a, uplo);
    return named("linalg_eigh", { eigenvalues, eigenvectors });
  },
  ofNamespace,
);

/** The eigenvalues of Hermitian matrices, ascending. */
export const linalg_eigvalsh: LinalgOp<(A: Tensor, UPLO?: "L" | "U", options?: { out?: Tensor | null }) => Tensor> =
  operator('linalg_eigvalsh(Tensor input, str UPLO="L")', hermitianValues, ofNamespace);

const eigPrimitive = primitive<boolean>({
  name: "linalg_eig",
  forward: ([a], vectors) => {
    const x = a as Tensor;
    const list = matricesOf(x);
    if (!list.every(isFinite)) throw new TorchError("torch.linalg.eig: input tensor should not contain infs or NaNs.");
    const results = list.map((m) => eigen(m, vectors));
    checkInfo(
      results.map((r) => r.info),
      x.ndim === 2,
      "linalg.eig",
      "eig",
    );
    const dtype = toComplex(x.dtype);
    return [
      fromVectors(
        results.map((r) => r.re),
        x.shape.slice(0, -1),
        dtype,
        x._backend,
        results.map((r) => r.im),
      ),
      vectors
        ? fromMatrices(
            results.map((r) => r.vectors as Matrix),
            x.shape,
            dtype,
            x._backend,
          )
        : allocate([0], dtype, x._backend),
    ];
  },
  joint: {
    uses: () => [0, "out", "out1"],
    vjp: ([gl, gv], ctx) => {
      const l = ctx.output(0);
      const v = ctx.output(1);
      const solve = (b: Tensor): Tensor => solveOf(v.mH, b, { left: true, vector: false })[0];
      let ga: Tensor;
      if (gv == null) {
        if (gl == null) return [null];
        ga = solve(gl.unsqueeze(-1).mul(v.mH));
      } else {
        const vhgv = v.mH.matmul(gv);
        const diagonal = vhgv.diagonal(0, -2, -1);
        checkPhase(diagonal, "linalg_eig_backward");
        // The part along the vectors themselves does not count: they have norm 1.
        const across = vhgv.sub(v.mH.matmul(v).mul(diagonal.real.to(v.dtype).unsqueeze(-2)));
        let inner = withoutDiagonal(across).div(gaps(l).conj());
        if (gl != null) inner = inner.add(gl.diag_embed());
        ga = solve(inner.matmul(v.mH));
      }
      return [ctx.input(0).dtype.is_complex ? ga : ga.real];
    },
  },
});

/** Eigenvalues and eigenvectors of square matrices; both complex. */
export const linalg_eig: LinalgOp<(A: Tensor) => Named<"eigenvalues" | "eigenvectors">> = operator(
  "linalg_eig(Tensor input)",
  (a: Tensor) => {
    checkSquare(a, "linalg.eig");
    checkLapack(a, "linalg_eig_out_cpu");
    const [eigenvalues, eigenvectors] = apply(eigPrimitive, [a], true) as [Tensor, Tensor];
    return named("linalg_eig", { eigenvalues, eigenvectors });
  },
  ofNamespace,
);

/** The eigenvalues of square matrices; complex. */
export const linalg_eigvals: LinalgOp<(A: Tensor, options?: { out?: Tensor | null }) => Tensor> = operator(
  "linalg_eigvals(Tensor input)",
  (a: Tensor) => {
    checkSquare(a, "linalg.eigvals");
    checkLapack(a, "linalg_eig_out_cpu");
    return (apply(eigPrimitive, [a], wantsVectors(a)) as Tensor[])[0] as Tensor;
  },
  ofNamespace,
);
