/**
 * Norms of vectors and matrices.
 */
import { type DType, toReal } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { formatShape, numel, wrapDim, wrapDims } from "../base/shape.ts";
import type { MaybeTensor } from "../autograd/node.ts";
import { PointwiseRule } from "../dispatch/family/pointwise-rule.ts";
import { Reduction } from "../dispatch/family/reduction.ts";
import { modifying } from "../dispatch/modify.ts";
import { type InplaceOpInfo, type OpInfo, operator } from "../dispatch/op.ts";
import { apply1, applyInplace, type Primitive, primitive, untracked } from "../dispatch/primitive.ts";
import { PyFloat, type ScalarLike } from "../dispatch/signature.ts";
import { cloneRaw, copyRaw } from "../dispatch/elementwise.ts";
import { E, type Expr } from "../ir/expr.ts";
import { allocate, type Tensor } from "../tensor/tensor.ts";
import { where } from "./clamp.ts";
import { conj, real } from "./complex.ts";
import { singularValues } from "./linalg/svd.ts";
import { type Dims, restore } from "./reduce.ts";
import type { Op } from "./view.ts";

interface NormParams {
  readonly p: number;
  readonly dims: readonly number[];
  readonly keepdim: boolean;
}

const norms: Readonly<Record<string, Reduction>> = {
  0: new Reduction("norm_0", (r) => r.sum((x) => E.cast(x.type, E.ne(x, 0)))),
  1: new Reduction("norm_1", (r) => r.sum((x) => E.abs(x))),
  2: new Reduction("norm_2", (r) => E.sqrt(r.sum((x) => E.square(x)))),
  Infinity: new Reduction("norm_inf", (r) => r.max((x) => E.abs(x))),
  "-Infinity": new Reduction("norm_minus_inf", (r) => r.min((x) => E.abs(x))),
};
const normP = new Reduction(
  "norm_p",
  (r) => {
    const p = r.params[0] as Expr;
    return E.pow(
      r.sum((x) => E.pow(E.abs(x), p)),
      E.reciprocal(p),
    );
  },
  1,
);

/** @internal A norm without autograd. */
export function normRaw(x: Tensor, { p, dims, keepdim }: NormParams): Tensor {
  const known = norms[String(p)];
  const real = toReal(x.dtype);
  const values = x.dtype.is_complex ? untracked(x).abs() : x;
  return known === undefined
    ? normP.run(values, dims, keepdim, real, real, [p])
    : known.run(values, dims, keepdim, real, real);
}

/** The gradient of the Euclidean norm, 0 at the origin. */
const euclidean = new PointwiseRule(
  "norm_backward",
  "MulBackward0",
  "norm_2'",
  3,
  0,
  ([g, x, norm]) => {
    const n = norm as Expr;
    return E.mul(g as Expr, E.select(E.eq(n, 0), 0, E.div(x as Expr, n)));
  },
  {},
  null,
  null,
  [],
);

/** @internal The gradient of a norm from that of its (unreduced) result: PyTorch's choices at the corners. */
export function normGradient(g: Tensor, x: Tensor, norm: Tensor, p: number, dims: readonly number[]): Tensor {
  switch (p) {
    case 1:
      return x.sgn().mul(g);
    case 2: {
      if (x.dtype.is_complex) return g.mul(x.div(norm).masked_fill(norm.eq(0), 0));
      const tensors = [g, x, norm];
      return euclidean.call(tensors, [], tensors, false);
    }
    case Infinity:
    case -Infinity: {
      const size = x.detach().abs();
      const mask = size.eq(norm.detach()).logical_or(size.isnan());
      const count = dims.length === 0 ? mask : mask.sum(dims, true);
      return x.sgn().mul(g.div(count).mul(mask));
    }
  }
  const zero = x.detach().eq(0);
  if (p < 1) {
    const scaled = x.sgn().mul(
      x
        .abs()
        .pow(p - 1)
        .masked_fill(zero, 0),
    );
    return scaled.mul(g).mul(norm.pow(1 - p));
  }
  // Where the norm is 0 all elements are, and so is the rest of the product.
  const scale = g.div(norm.masked_fill(norm.detach().eq(0), 1).pow(p - 1));
  if (p < 2) {
    return x
      .sgn()
      .mul(x.abs().pow(p - 1))
      .mul(scale);
  }
  return x.mul(x.abs().pow(p - 2)).mul(scale);
}

const normRule = (name: string, gradName: string): Primitive<NormParams> =>
  primitive<NormParams>({
    name,
    gradName,
    forward: ([x], params) => normRaw(x as Tensor, params),
    grads: [
      {
        uses: [0, "out"],
        vjp: (g, ctx): MaybeTensor => {
          const { p, dims, keepdim } = ctx.params;
          if (p === 0) return null;
          const x = ctx.input(0);
          const back = (t: Tensor): Tensor => restore(t, x.shape, dims, keepdim);
          return normGradient(back(g), x, back(ctx.output()), p, dims);
        },
      },
    ],
  });

const normPrimitive = normRule("linalg_vector_norm", "LinalgVectorNormBackward0");
/** The operator that distances call. */
const plainNorm = normRule("norm", "NormBackward1");

/** @internal The norm over dims as distances compute it. */
export const normOver = (x: Tensor, p: number, dims: readonly number[], keepdim: boolean): Tensor =>
  apply1(plainNorm, [x], { p, dims, keepdim });

const numberOf = (value: ScalarLike): number => Number(value instanceof PyFloat ? value.value : value);

function checkOrder(x: Tensor, p: number, dim: readonly number[] | null, dims: readonly number[]): void {
  if (x._numel > 0 || (p >= 0 && p !== Infinity)) return;
  const what = String(p).replace("Infinity", "inf");
  if (dim === null || dim.length === 0) {
    throw new TorchError(
      `linalg.vector_norm cannot compute the ${what} norm on an empty tensor because the operation does not have an identity`,
    );
  }
  for (const d of dims) {
    if (x.shape[d] === 0) {
      throw new TorchError(
        `linalg.vector_norm cannot compute the ${what} norm on the dimension ${d} because this dimension is empty and the operation does not have an identity`,
      );
    }
  }
}

function vectorNorm(
  name: string,
  input: Tensor,
  p: number,
  dim: readonly number[] | null,
  keepdim: boolean,
  dtype: DType | null,
): Tensor {
  if (input.dtype.category < 2) {
    throw new TorchError(
      `linalg.vector_norm: Expected a floating point or complex tensor as input. Got ${input.dtype.scalarName}`,
    );
  }
  if (dtype !== null && dtype.category < 2) {
    throw new TorchError(`${name}: dtype should be floating point or complex, but got ${dtype.scalarName}`);
  }
  const x = dtype === null ? input : input.to(dtype);
  const dims = wrapDims(dim, x.ndim);
  checkOrder(x, p, dim, dims);
  return apply1(normPrimitive, [x], { p, dims, keepdim });
}

// --- torch.linalg ----------------------------------------------------------------------------------------------------

/** Options of norms. */
export interface NormOptions {
  dim?: Dims;
  /** Keep reduced dims with size 1. Default: false. */
  keepdim?: boolean;
  /** Elements are converted to this dtype first. */
  dtype?: DType | null;
  out?: Tensor | null;
}

/** The order of a norm: a number, `Infinity`, `-Infinity`; for matrices also `"fro"` and `"nuc"`. */
export type NormOrder = ScalarLike | "fro" | "nuc";

/** A norm of vectors, over all elements or the given dims: `sum(|x| ** ord) ** (1 / ord)`. */
export const linalg_vector_norm: Op<
  (
    x: Tensor,
    ord?: ScalarLike | (NormOptions & { ord?: ScalarLike }),
    dim?: Dims | NormOptions,
    keepdim?: boolean | NormOptions,
    options?: NormOptions,
  ) => Tensor
> = operator(
  "linalg_vector_norm(Tensor x, Scalar ord=2, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None)",
  (x: Tensor, ord: ScalarLike, dim: number[] | null, keepdim: boolean, dtype: DType | null) =>
    vectorNorm("linalg.vector_norm", x, numberOf(ord), dim, keepdim, dtype),
  { method: false },
);

/** Norms of matrices that are functions of their singular values. */
function bySingularValues(
  input: Tensor,
  p: "nuc" | 2 | -2,
  dims: readonly [number, number],
  keepdim: boolean,
  dtype: DType | null,
): Tensor {
  const x = dtype === null ? input : input.to(dtype);
  const order = [...x.shape.map((_, d) => d).filter((d) => !dims.includes(d)), ...dims];
  const values = singularValues(x.permute(order));
  const out = p === "nuc" ? values.sum(-1, keepdim) : p > 0 ? values.amax(-1, keepdim) : values.amin(-1, keepdim);
  if (!keepdim) return out;
  const back = new Array<number>(order.length);
  order.forEach((d, i) => (back[d] = i));
  return out.unsqueeze(-1).permute(back);
}

function matrixNorm(
  input: Tensor,
  ord: NormOrder,
  dim: readonly number[],
  keepdim: boolean,
  dtype: DType | null,
): Tensor {
  if (input.ndim < 2) {
    throw new TorchError("linalg.matrix_norm: The input tensor A must have at least 2 dimensions.");
  }
  if (dim.length !== 2) {
    throw new TorchError(`linalg.matrix_norm: dim must be a 2-tuple. Got ${dim.join(" ")}`);
  }
  let [first, second] = dim.map((d) => wrapDim(d, input.ndim)) as [number, number];
  if (first === second) {
    throw new TorchError(`linalg.matrix_norm: dims must be different. Got (${dim.join(", ")})`);
  }
  if (ord === "fro") return vectorNorm("linalg.matrix_norm", input, 2, [first, second], keepdim, dtype);
  const p = ord === "nuc" ? "nuc" : typeof ord === "string" ? ord : numberOf(ord);
  if (p === "nuc" || p === 2 || p === -2) return bySingularValues(input, p, [first, second], keepdim, dtype);
  const size = typeof p === "number" ? Math.abs(p) : Number.NaN;
  if (size !== 1 && size !== Infinity) {
    throw new TorchError(`linalg.matrix_norm: Order ${p} not supported.`);
  }
  if (size === Infinity) [first, second] = [second, first];
  const sums = vectorNorm("linalg.matrix_norm", input, 1, [first], keepdim, dtype);
  const rest = !keepdim && first < second ? second - 1 : second;
  return (p as number) > 0 ? sums.amax(rest, keepdim) : sums.amin(rest, keepdim);
}

/** A norm of the matrices in two dims, the last two by default; the Frobenius norm by default. */
export const linalg_matrix_norm: Op<
  (
    A: Tensor,
    ord?: NormOrder | (NormOptions & { ord?: NormOrder }),
    dim?: readonly number[] | NormOptions,
    keepdim?: boolean | NormOptions,
    options?: NormOptions,
  ) => Tensor
> = operator(
  "linalg_matrix_norm(Tensor A, Scalar|str ord='fro', int[]? dim=None, bool keepdim=False, *, dtype? dtype=None)",
  (x: Tensor, ord: NormOrder, dim: number[] | null, keepdim: boolean, dtype: DType | null) =>
    matrixNorm(x, ord, dim ?? [-2, -1], keepdim, dtype),
  { method: false },
);

/** A norm of vectors or matrices, as the order and the dims say. */
export const linalg_norm: Op<
  (
    A: Tensor,
    ord?: NormOrder | null | (NormOptions & { ord?: NormOrder | null }),
    dim?: Dims | NormOptions,
    keepdim?: boolean | NormOptions,
    options?: NormOptions,
  ) => Tensor
> = operator(
  "linalg_norm(Tensor A, Scalar|str? ord=None, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None)",
  (x: Tensor, ord: NormOrder | null, dim: number[] | null, keepdim: boolean, dtype: DType | null) => {
    if (dim !== null && dim.length !== 1 && dim.length !== 2) {
      throw new TorchError(`linalg.norm: If dim is specified, it must be of length 1 or 2. Got ${formatShape(dim)}`);
    }
    if (dim === null && ord !== null && x.ndim !== 1 && x.ndim !== 2) {
      throw new TorchError(
        `linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got ${x.ndim}D.`,
      );
    }
    if (ord !== null && (dim === null ? x.ndim === 2 : dim.length === 2)) {
      return matrixNorm(x, ord, dim ?? [0, 1], keepdim, dtype);
    }
    if (typeof ord === "string") {
      throw new TorchError(`linalg.norm: Order ${ord} is not supported for vectors.`);
    }
    return vectorNorm("linalg.norm", x, ord === null ? 2 : numberOf(ord), dim, keepdim, dtype);
  },
  { method: false },
);

// --- torch -----------------------------------------------------------------------------------------------------------

/** `x.norm()`, `x.norm(p)`, `x.norm(p, dim, keepdim)`. */
export interface NormOperator {
  (
    input: Tensor,
    p?: NormOrder | null | (NormOptions & { p?: NormOrder | null }),
    dim?: Dims | NormOptions,
    keepdim?: boolean | NormOptions,
    options?: NormOptions,
  ): Tensor;
  readonly op: OpInfo;
}

/** The norm of the elements, the Euclidean one by default, over all dims or the given ones. */
export const norm: NormOperator = operator(
  "norm(Tensor input, Scalar|str? p='fro', int[]? dim=None, bool keepdim=False, dtype? dtype=None)",
  (x: Tensor, p: NormOrder | null, dim: number[] | null, keepdim: boolean, dtype: DType | null) => {
    if (p === "fro" || p === null) {
      if (dim === null || dim.length <= 2) return vectorNorm("norm", x, 2, dim, keepdim, dtype);
      return matrixNorm(x, "fro", dim, keepdim, dtype);
    }
    if (p === "nuc") return matrixNorm(x, "nuc", dim ?? x.shape.map((_, d) => d), keepdim, dtype);
    if (typeof p === "string") {
      throw new TorchError(`only valid string values are 'fro' and 'nuc', found ${String(p)}`);
    }
    return vectorNorm("norm", x, numberOf(p), dim, keepdim, dtype);
  },
);

interface RenormParams {
  readonly p: number;
  readonly dim: number;
  readonly max: number;
}

/** All dims but one. */
const others = (x: Tensor, dim: number): number[] => x.shape.map((_, d) => d).filter((d) => d !== dim);

function renormRaw(x: Tensor, { p, dim, max }: RenormParams): Tensor {
  const values = untracked(x);
  const size = normRaw(values, { p, dims: others(x, dim), keepdim: true });
  const factor = size.add(1e-7).reciprocal().mul(max);
  return values.mul(factor.masked_fill(size.le(max), 1));
}

const renormPrimitive: Primitive<RenormParams> = primitive<RenormParams>({
  name: "renorm",
  forward: ([x], params) => {
    const out = allocate((x as Tensor).shape, (x as Tensor).dtype, (x as Tensor)._backend);
    copyRaw(out, renormRaw(x as Tensor, params));
    return out;
  },
  grads: [
    {
      uses: [0],
      vjp: (g, ctx) => {
        const { p, dim, max } = ctx.params;
        const x = ctx.input(0);
        const dims = others(x, dim);
        const size = apply1(normPrimitive, [x], { p, dims, keepdim: true });
        const along = x.dtype.is_complex ? real(g.mul(conj(x))).sum(dims, true) : g.mul(x).sum(dims, true);
        const inverse = size.add(1e-7).reciprocal();
        const byNorm = normGradient(along.expand(x.shape), x, size.expand(x.shape), p, dims);
        const inside = size.detach().le(max);
        const shrunk = inverse.mul(max).mul(g.sub(inverse.mul(byNorm)));
        return where(inside, g, shrunk) as Tensor;
      },
    },
  ],
});

/**
 * Scales each slice along `dim` down to the p-norm `maxnorm` where its norm is larger.
 */
export const renorm: ((input: Tensor, p: ScalarLike, dim: number, maxnorm: ScalarLike) => Tensor) & {
  readonly op: InplaceOpInfo;
} = modifying(
  "renorm(Tensor input, Scalar p, int dim, Scalar maxnorm)",
  (inplace, x: Tensor, p: ScalarLike, dim: number, maxnorm: ScalarLike) => {
    if (x.ndim < 2) throw new TorchError(`renorm: input needs at least 2 dimensions, got ${x.ndim} dimensions`);
    const order = numberOf(p);
    const max = numberOf(maxnorm);
    if (order <= 0) throw new TorchError("renorm: non-positive-norm not supported");
    if (max < 0) throw new TorchError(`renorm: expected maxnorm to be >= 0 but got ${max}`);
    const params = { p: order, dim: wrapDim(dim, x.ndim), max };
    if (!inplace || numel(x.shape) === 0) return inplace ? x : apply1(renormPrimitive, [x], params);
    return applyInplace(renormPrimitive, [x], params, (t) => copyRaw(t, renormRaw(t, params)), cloneRaw);
  },
);

/** Options of {@link normalize}. */
export interface NormalizeOptions {
  p?: number;
  dim?: Dims;
  /** The smallest divisor. Default: 1e-12. */
  eps?: number;
  out?: Tensor | null;
}

/** Divides slices along `dim` by their p-norm. */
export const normalize: Op<(input: Tensor, p?: number | NormalizeOptions, dim?: Dims, eps?: number) => Tensor> =
  operator(
    "normalize(Tensor input, float p=2.0, int[] dim=1, float eps=1e-12)",
    (x: Tensor, p: number, dim: number[] | number, eps: number) => {
      const dims = typeof dim === "number" ? [dim] : dim;
      const size = vectorNorm("norm", x, p, dims, true, null).clamp_min(eps).expand(x.shape);
      return x.div(size);
    },
    { method: false, namespace: false },
  );
