/**
 * Singular values and vectors.
 */
import { modes } from "../../autograd/modes.ts";
import { requiresGrad } from "../../autograd/views.ts";
import { TorchError } from "../../base/errors.ts";
import { named } from "../../dispatch/named.ts";
import { operator } from "../../dispatch/op.ts";
import { apply, primitive } from "../../dispatch/primitive.ts";
import { allocate, type Tensor } from "../../tensor/tensor.ts";
import { fromMatrices, fromVectors, leadOf, matricesOf, realOf } from "./batch.ts";
import { type SingularValues, singular } from "./dense/singular.ts";
import { checkFloating, checkInfo, checkLapack, checkMatrix } from "./errors.ts";
import { type LinalgOp, type Named, ofNamespace } from "./results.ts";

interface SvdParams {
  readonly full: boolean;
  readonly vectors: boolean;
}

/** The squares of the singular values subtracted from each other; ones on the diagonal, which is never used. */
function gaps(s: Tensor): Tensor {
  const squares = s.mul(s);
  const n = s.shape.at(-1) as number;
  const ones = s.new_ones([n]).diag_embed();
  return squares.unsqueeze(-2).sub(squares.unsqueeze(-1)).add(ones);
}

const skew = (x: Tensor): Tensor => x.sub(x.mH);

/** The gradient of A from those of U, S and V^H, all with k = min(m, n) columns or rows. */
function svdBackward(
  gu: Tensor | null,
  gs: Tensor | null,
  gvh: Tensor | null,
  u: Tensor,
  s: Tensor,
  vh: Tensor,
): Tensor | null {
  if (gu === null && gvh === null) {
    if (gs === null) return null;
    return u.mul(gs.to(u.dtype).unsqueeze(-2)).matmul(vh);
  }
  const m = u.shape.at(-2) as number;
  const n = vh.shape.at(-1) as number;
  const k = s.shape.at(-1) as number;
  const complex = u.dtype.is_complex;
  if (complex && (gu === null || gvh === null)) checkPhase(gu, gvh, u, vh);
  const e = gaps(s).to(u.dtype);
  const sc = s.to(u.dtype);
  const uhgu = gu === null ? null : skew(u.mH.matmul(gu));
  const vhgv = gvh === null ? null : skew(vh.matmul(gvh.mH));
  let inner: Tensor | null = null;
  const addInner = (x: Tensor): void => {
    inner = inner === null ? x : inner.add(x);
  };
  if (uhgu !== null) addInner(uhgu.div(e).mul(sc.unsqueeze(-2)));
  if (vhgv !== null) addInner(sc.unsqueeze(-1).mul(vhgv.div(e)));
  // On the diagonal: skew is zero there for real matrices, and stands for a phase shared by both vectors for complex ones.
  let middle = inner as unknown as Tensor;
  middle = middle.sub(middle.diagonal(0, -2, -1).diag_embed());
  if (gs !== null) middle = middle.add(gs.to(u.dtype).diag_embed());
  if (complex && uhgu !== null && gvh !== null) {
    middle = middle.add(uhgu.diagonal(0, -2, -1).div(sc.mul(2)).diag_embed());
  }
  let left = u.matmul(middle);
  if (m > k && gu !== null) {
    const scaledGu = gu.div(sc.unsqueeze(-2));
    left = left.add(scaledGu).sub(u.matmul(u.mH.matmul(scaledGu)));
  }
  let out = left.matmul(vh);
  if (n > k && gvh !== null) {
    const scaledGv = gvh.div(sc.unsqueeze(-1));
    out = out.add(u.matmul(scaledGv.sub(scaledGv.matmul(vh.mH).matmul(vh))));
  }
  return out;
}

/** Singular vectors are determined up to a phase shared by u and v; a loss that depends on it has no gradient. */
function checkPhase(gu: Tensor | null, gvh: Tensor | null, u: Tensor, vh: Tensor): void {
  const turned = gu === null ? vh.matmul((gvh as Tensor).mH) : u.mH.matmul(gu);
  const phase = turned.detach().diagonal(0, -2, -1).imag;
  const limit = realOf(u).itemsize === 8 ? 1e-10 : 1e-5;
  if (
    phase._numel > 0 &&
    !(Number(phase.abs().amax().item()) <= limit * Math.max(1, Number(turned.detach().abs().amax().item())))
  ) {
    throw new TorchError(
      "svd_backward: The singular vectors in the complex case are specified up to multiplication by e^{i phi}. The specified loss function depends on this quantity, so it is ill-defined.",
    );
  }
}

const svdPrimitive = primitive<SvdParams>({
  name: "_linalg_svd",
  gradName: "LinalgSvdBackward0",
  forward: ([a], { full, vectors }) => {
    const x = a as Tensor;
    const [m, n] = x.shape.slice(-2) as [number, number];
    const k = Math.min(m, n);
    const lead = leadOf(x);
    const results = matricesOf(x).map((matrix) => singular(matrix, vectors, full));
    checkInfo(
      results.map((r) => r.info),
      x.ndim === 2,
      "linalg.svd",
      "svd",
    );
    const s = fromVectors(
      results.map((r) => r.values),
      [...lead, k],
      realOf(x),
      x._backend,
    );
    if (!vectors) return [allocate([0], x.dtype, x._backend), s, allocate([0], x.dtype, x._backend)];
    const parts = results.map((r) => r.vectors as NonNullable<SingularValues["vectors"]>);
    const columns = full ? m : k;
    const rows = full ? n : k;
    return [
      fromMatrices(
        parts.map((p) => p.u),
        [...lead, m, columns],
        x.dtype,
        x._backend,
      ),
      s,
      fromMatrices(
        parts.map((p) => p.vh),
        [...lead, rows, n],
        x.dtype,
        x._backend,
      ),
    ];
  },
  joint: {
    uses: () => ["out", "out1", "out2"],
    vjp: ([gu, gs, gvh], ctx) => {
      const s = ctx.output(1);
      const k = s.shape.at(-1) as number;
      const first = (x: Tensor | null | undefined, dim: number): Tensor | null =>
        x == null ? null : x.shape.at(dim) === k ? x : x.narrow(dim, 0, k);
      return [
        svdBackward(
          first(gu, -1),
          gs ?? null,
          first(gvh, -2),
          first(ctx.output(0), -1) as Tensor,
          s,
          first(ctx.output(2), -2) as Tensor,
        ),
      ];
    },
  },
});

function checkSvd(a: Tensor, driver: string | null): void {
  checkMatrix(a, "linalg.svd");
  checkFloating(a, "linalg.svd");
  checkLapack(a, "linalg_svd_cpu");
  if (driver !== null) {
    throw new TorchError(
      "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend.",
    );
  }
}

/** @internal U, S and V^H. */
export function svdOf(a: Tensor, full: boolean): { U: Tensor; S: Tensor; Vh: Tensor } {
  checkSvd(a, null);
  const [U, S, Vh] = apply(svdPrimitive, [a], { full, vectors: true }) as [Tensor, Tensor, Tensor];
  return { U, S, Vh };
}

/** @internal The singular values; vectors are computed where a gradient will want them. */
export function singularValues(a: Tensor, driver: string | null = null): Tensor {
  checkSvd(a, driver);
  const vectors = modes.dual !== null || (modes.grad && requiresGrad(a));
  return (apply(svdPrimitive, [a], { full: false, vectors }) as Tensor[])[1] as Tensor;
}

/** U, S and V^H with A = U diag(S) V^H and S descending; with `full_matrices` both bases are complete. */
export const linalg_svd: LinalgOp<
  (A: Tensor, full_matrices?: boolean, options?: { driver?: string | null }) => Named<"U" | "S" | "Vh">
> = operator(
  "linalg_svd(Tensor A, bool full_matrices=True, *, str? driver=None)",
  (a: Tensor, full: boolean, driver: string | null) => {
    checkSvd(a, driver);
    return named("linalg_svd", { ...svdOf(a, full) });
  },
  ofNamespace,
);

/** The singular values, in descending order. */
export const linalg_svdvals: LinalgOp<
  (A: Tensor, options?: { driver?: string | null; out?: Tensor | null }) => Tensor
> = operator("linalg_svdvals(Tensor A, *, str? driver=None)", singularValues, ofNamespace);

/** U, S and V (not its adjoint), under PyTorch's older name; `some` false: complete bases. */
export const svd: LinalgOp<(input: Tensor, some?: boolean, compute_uv?: boolean) => Named<"U" | "S" | "V">> = operator(
  "svd(Tensor input, bool some=True, bool compute_uv=True)",
  (a: Tensor, some: boolean, computeUv: boolean) => {
    if (a.ndim < 2)
      throw new TorchError(
        "linalg.svd: input should have at least 2 dimensions, but has " + a.ndim + " dimensions instead",
      );
    if (!computeUv) {
      const [m, n] = a.shape.slice(-2) as [number, number];
      const S = singularValues(a);
      const none = (size: number): Tensor => a.new_zeros([...leadOf(a), size, size]);
      return named("svd", { U: none(m), S, V: none(n) });
    }
    const { U, S, Vh } = svdOf(a, !some);
    return named("svd", { U, S, V: Vh.mH });
  },
);
