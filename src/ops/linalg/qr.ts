/**
 * QR factorisation, and products of Householder reflections.
 */
import { grad } from "../../autograd/backward.ts";
import { enable_grad, modes } from "../../autograd/modes.ts";
import { requiresGrad } from "../../autograd/views.ts";
import { NotImplementedError, TorchError } from "../../base/errors.ts";
import { named } from "../../dispatch/named.ts";
import { operator } from "../../dispatch/op.ts";
import { apply, apply1, type GradContext, primitive } from "../../dispatch/primitive.ts";
import { allocate, type Tensor } from "../../tensor/tensor.ts";
import { cat } from "../join.ts";
import { columnsOf, fromMatrices, leadOf, matricesOf } from "./batch.ts";
import { applyProduct, productOf, qrInPlace, upperTriangle } from "./dense/householder.ts";
import { adjoint, at, type Matrix, type Parts } from "./dense/matrix.ts";
import { checkFloating, checkLapack, checkMatrix } from "./errors.ts";
import { type LinalgOp, type Named, ofNamespace } from "./results.ts";
import { solveTriangular } from "./triangular.ts";

type Mode = "reduced" | "complete" | "r";

/** The gradient of A from those of Q and R. */
function qrBackward(gq: Tensor | null, gr: Tensor | null, q: Tensor, r: Tensor, mode: Mode): Tensor | null {
  if (gq === null && gr === null) return null;
  const m = q.shape.at(-2) as number;
  const n = r.shape.at(-1) as number;
  if (mode === "r") {
    throw new TorchError(
      "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use linalg.qr(A, mode='reduced') if you are going to require its derivatives with respect to R.",
    );
  }
  if (mode === "complete" && m > n) {
    throw new TorchError("The QR decomposition is not differentiable when mode='complete' and nrows > ncols.");
  }
  const qhg = gq === null ? null : q.mH.matmul(gq);
  const grr = gr === null ? null : gr.matmul(r.mH);
  if (m >= n) {
    const inner = grr === null ? (qhg as Tensor).neg() : qhg === null ? grr : grr.sub(qhg);
    const upper = inner.triu();
    // X + X^H with the real diagonal counted once.
    const diagonal = inner.diagonal(0, -2, -1).real;
    const symmetric = upper.add(upper.mH).sub(diagonal.diag_embed());
    const product = q.matmul(symmetric);
    const sum = gq === null ? product : product.add(gq);
    return solveTriangular(r.mH, sum, { upper: false, left: false });
  }
  const inner = qhg === null ? (grr as Tensor).neg() : grr === null ? qhg : qhg.sub(grr);
  const skew = inner.sub(inner.mH);
  const half = skew.diagonal(0, -2, -1).mul(0.5);
  const lower = skew.tril().sub(half.diag_embed());
  const square = solveTriangular(r.narrow(-1, 0, m).mH, lower, { upper: false, left: false });
  const wide = cat([square, square.new_zeros([...square.shape.slice(0, -1), n - m])], -1);
  return q.matmul(gr === null ? wide : gr.add(wide));
}

const qrPrimitive = primitive<Mode>({
  name: "linalg_qr",
  forward: ([a], mode) => {
    const x = a as Tensor;
    const [m, n] = x.shape.slice(-2) as [number, number];
    const inner = mode === "complete" ? m : Math.min(m, n);
    const lead = leadOf(x);
    const results = matricesOf(x).map((matrix) => {
      const taus = qrInPlace(matrix);
      return { q: mode === "r" ? null : productOf(matrix, taus, inner), r: upperTriangle(matrix, inner) };
    });
    const r = fromMatrices(
      results.map((f) => f.r),
      [...lead, inner, n],
      x.dtype,
      x._backend,
    );
    if (mode === "r") return [allocate([0], x.dtype, x._backend), r];
    const q = fromMatrices(
      results.map((f) => f.q as Matrix),
      [...lead, m, inner],
      x.dtype,
      x._backend,
    );
    return [q, r];
  },
  joint: {
    uses: () => ["out", "out1"],
    vjp: ([gq, gr], ctx) => [qrBackward(gq ?? null, gr ?? null, ctx.output(0), ctx.output(1), ctx.params)],
  },
});

function decompose(a: Tensor, mode: string): [Tensor, Tensor] {
  checkMatrix(a, "linalg.qr");
  checkFloating(a, "linalg.qr");
  checkLapack(a, "geqrf_cpu");
  if (mode !== "reduced" && mode !== "complete" && mode !== "r") {
    throw new TorchError(
      `qr received unrecognized mode '${mode}' but expected one of 'reduced' (default), 'r', or 'complete'`,
    );
  }
  return apply(qrPrimitive, [a], mode) as [Tensor, Tensor];
}

/** Q with orthonormal columns and upper triangular R, with A = Q R; `mode` is reduced, complete or r (R alone). */
export const linalg_qr: LinalgOp<(A: Tensor, mode?: Mode) => Named<"Q" | "R">> = operator(
  'linalg_qr(Tensor A, str mode="reduced")',
  (a: Tensor, mode: string) => {
    const [Q, R] = decompose(a, mode);
    return named("linalg_qr", { Q, R });
  },
  ofNamespace,
);

/** As `linalg.qr`, under PyTorch's older name; `some` false is the mode "complete". */
export const qr: LinalgOp<(input: Tensor, some?: boolean) => Named<"Q" | "R">> = operator(
  "qr(Tensor input, bool some=True)",
  (a: Tensor, some: boolean) => {
    const [Q, R] = decompose(a, some ? "reduced" : "complete");
    return named("qr", { Q, R });
  },
);

const partsOf = (column: Matrix): Parts[] => Array.from({ length: column.rows }, (_, i) => at(column, i, 0));

const geqrfPrimitive = primitive<null>({
  name: "geqrf",
  forward: ([a]) => {
    const x = a as Tensor;
    const list = matricesOf(x);
    const k = Math.min(x.shape.at(-2) as number, x.shape.at(-1) as number);
    const taus = list.map((matrix): Matrix => {
      const values = qrInPlace(matrix);
      return {
        rows: 1,
        cols: k,
        re: Float64Array.from(values, (z) => z.re),
        im: matrix.im === null ? null : Float64Array.from(values, (z) => z.im),
      };
    });
    return [
      fromMatrices(list, x.shape, x.dtype, x._backend),
      fromMatrices(taus, [...leadOf(x), k], x.dtype, x._backend, "rows"),
    ];
  },
  grads: [
    {
      vjp: () => {
        throw new NotImplementedError("the derivative for 'geqrf' is not implemented.");
      },
    },
  ],
});

/** R, and below its diagonal the reflections whose product is Q, with their factors: the form that LAPACK works with. */
export const geqrf: LinalgOp<(input: Tensor) => Named<"a" | "tau">> = operator("geqrf(Tensor input)", (x: Tensor) => {
  checkMatrixOf(x, "torch.geqrf");
  checkLapack(x, "geqrf_cpu");
  const [a, tau] = apply(geqrfPrimitive, [x], null) as [Tensor, Tensor];
  return named("geqrf", { a, tau });
});

function checkMatrixOf(x: Tensor, name: string): void {
  if (x.ndim < 2) throw new TorchError(`${name}: input must have at least 2 dimensions.`);
}

// --- products of reflections -----------------------------------------------------------------------------------------

/** Applies the product of reflections to C with recorded operators: left Q C or Q^H C, right C Q or C Q^H. */
function reflected(a: Tensor, tau: Tensor, c: Tensor, left: boolean, transpose: boolean): Tensor {
  const m = a.shape.at(-2) as number;
  const k = tau.shape.at(-1) as number;
  let out = c;
  for (let step = 0; step < k; step++) {
    // Q C = H1 (H2 …): the last reflection first; conjugated, and from the right, the first.
    const i = left === transpose ? step : k - 1 - step;
    const v = cat(
      [a.new_zeros([...leadOf(a), i]), a.new_ones([...leadOf(a), 1]), a.select(-1, i).narrow(-1, i + 1, m - i - 1)],
      -1,
    ).unsqueeze(-1);
    const t = tau.select(-1, i).unsqueeze(-1).unsqueeze(-1);
    const factor = v.mul(transpose ? t.conj() : t);
    out = left ? out.sub(factor.matmul(v.mH.matmul(out))) : out.sub(out.matmul(factor).matmul(v.mH));
  }
  return out;
}

/** The gradients of a function of the inputs of a node, by recording it again. */
function again<P>(f: (inputs: Tensor[]) => Tensor, count: number, g: Tensor, ctx: GradContext<P>): (Tensor | null)[] {
  const create = modes.grad;
  return enable_grad(() => {
    // Views of the saved inputs: if one depends on another, that path must not count.
    const inputs = Array.from({ length: count }, (_, i) => {
      const saved = ctx.input(i);
      if (create && requiresGrad(saved)) return saved.view_as(saved);
      return saved.detach().requires_grad_(ctx.needs(i));
    });
    const wanted = inputs.filter((_, i) => ctx.needs(i));
    const out = f(inputs);
    if (out._numel === 0 || !requiresGrad(out)) return inputs.map(() => null);
    const found = grad([out], wanted, { grad_outputs: [g], allow_unused: true, create_graph: create });
    let next = 0;
    return inputs.map((_, i) => (ctx.needs(i) ? (found[next++] ?? null) : null));
  });
}

const productPrimitive = primitive<null>({
  name: "linalg_householder_product",
  forward: ([a, t]) => {
    const x = a as Tensor;
    const taus = columnsOf(t as Tensor);
    const results = matricesOf(x).map((matrix, i) => productOf(matrix, partsOf(taus[i] as Matrix), matrix.cols));
    return fromMatrices(results, x.shape, x.dtype, x._backend);
  },
  joint: {
    uses: () => [0, 1],
    vjp: ([g], ctx) => {
      if (g == null) return [null, null];
      return again(
        (inputs) => {
          const [a, tau] = inputs as [Tensor, Tensor];
          const [m, n] = a.shape.slice(-2) as [number, number];
          const columns = a.new_zeros([...leadOf(a), m, n]);
          columns.diagonal(0, -2, -1).fill_(1);
          return reflected(a, tau, columns, true, false);
        },
        2,
        g,
        ctx,
      );
    },
  },
});

/** The first columns of the product of the reflections I - tau v v^H, whose vectors stand below the diagonal of `input`. */
export const linalg_householder_product: LinalgOp<
  (input: Tensor, tau: Tensor, options?: { out?: Tensor | null }) => Tensor
> = operator(
  "linalg_householder_product(Tensor input, Tensor tau)",
  (a: Tensor, tau: Tensor) => {
    const name = "torch.linalg.householder_product";
    checkMatrixOf(a, name);
    const [m, n] = a.shape.slice(-2) as [number, number];
    if (m < n) throw new TorchError(`${name}: input.shape[-2] must be greater than or equal to input.shape[-1]`);
    if (n < (tau.shape.at(-1) as number)) {
      throw new TorchError(`${name}: input.shape[-1] must be greater than or equal to tau.shape[-1]`);
    }
    if (a.ndim - tau.ndim !== 1) {
      throw new TorchError(
        `${name}: Expected tau to have one dimension less than input, but got tau.ndim equal to ${tau.ndim} and input.ndim is equal to ${a.ndim}`,
      );
    }
    if (a.dtype !== tau.dtype) {
      throw new TorchError(
        `${name}: tau dtype ${tau.dtype.scalarName} does not match input dtype ${a.dtype.scalarName}`,
      );
    }
    checkLapack(a, "orgqr_cpu");
    return apply1(productPrimitive, [a, tau], null);
  },
  ofNamespace,
);

/** The same, under LAPACK's name. */
export const orgqr: LinalgOp<(input: Tensor, tau: Tensor) => Tensor> = operator(
  "orgqr(Tensor input, Tensor tau)",
  (a: Tensor, tau: Tensor) => linalg_householder_product(a, tau),
);

interface OrmqrParams {
  readonly left: boolean;
  readonly transpose: boolean;
}

const ormqrPrimitive = primitive<OrmqrParams>({
  name: "ormqr",
  forward: ([a, t, c], { left, transpose }) => {
    const other = c as Tensor;
    const taus = columnsOf(t as Tensor);
    const targets = matricesOf(other);
    const results = matricesOf(a as Tensor).map((matrix, i) => {
      const values = partsOf(taus[i] as Matrix);
      const target = targets[i] as Matrix;
      if (left) {
        applyProduct(matrix, values, target, transpose);
        return target;
      }
      // C Q = (Q^H C^H)^H.
      const turned = adjoint(target);
      applyProduct(matrix, values, turned, !transpose);
      return adjoint(turned);
    });
    return fromMatrices(results, other.shape, other.dtype, other._backend);
  },
  joint: {
    uses: (needs) => (needs(0) || needs(1) ? [0, 1, 2] : [0, 1]),
    vjp: ([g], ctx) => {
      if (g == null) return [null, null, null];
      const { left, transpose } = ctx.params;
      if (g._numel === 0 || (!ctx.needs(0) && !ctx.needs(1)))
        return [null, null, ormqr(ctx.input(0), ctx.input(1), g, left, !transpose)];
      return again((inputs) => reflected(...(inputs as [Tensor, Tensor, Tensor]), left, transpose), 3, g, ctx);
    },
  },
});

/** Q C, Q^H C, C Q or C Q^H, where Q is the product of all reflections, without forming it. */
export const ormqr: LinalgOp<
  (
    input: Tensor,
    tau: Tensor,
    other: Tensor,
    left?: boolean,
    transpose?: boolean,
    options?: { out?: Tensor | null },
  ) => Tensor
> = operator(
  "ormqr(Tensor input, Tensor input2, Tensor input3, bool left=True, bool transpose=False)",
  (a: Tensor, tau: Tensor, other: Tensor, left: boolean, transpose: boolean) => {
    const name = "torch.ormqr";
    checkMatrixOf(a, name);
    if (other.ndim < 2) throw new TorchError(`${name}: other must have at least 2 dimensions.`);
    const side = left ? -2 : -1;
    const rows = other.shape.at(side) as number;
    const k = tau.shape.at(-1) as number;
    if (rows < k) throw new TorchError(`${name}: other.shape[${side}] must be greater than or equal to tau.shape[-1]`);
    if (rows !== a.shape.at(-2)) {
      throw new TorchError(`${name}: other.shape[${side}] must be equal to input.shape[-2]`);
    }
    if (k !== Math.min(rows, a.shape.at(-1) as number)) {
      throw new TorchError(`${name}: tau.shape[-1] must be equal to min(other.shape[${side}], input.shape[-1])`);
    }
    if (a.ndim - tau.ndim !== 1) {
      throw new TorchError(
        `${name}: Expected tau to have one dimension less than input, but got tau.ndim equal to ${tau.ndim} and input.ndim is equal to ${a.ndim}`,
      );
    }
    if (a.ndim !== other.ndim) {
      throw new TorchError(
        `${name}: Expected other to have the same number of dimensions as input, but got other.ndim equal to ${other.ndim} and input.ndim is equal to ${a.ndim}`,
      );
    }
    for (const [what, t] of [
      ["tau", tau],
      ["other", other],
    ] as const) {
      if (a.dtype !== t.dtype) {
        throw new TorchError(
          `${name}: Expected input and ${what} to have the same dtype, but input has dtype ${a.dtype.scalarName} and ${what} has dtype ${t.dtype.scalarName}`,
        );
      }
    }
    checkLapack(a, "ormqr_cpu");
    return apply1(ormqrPrimitive, [a, tau, other], { left, transpose });
  },
);
