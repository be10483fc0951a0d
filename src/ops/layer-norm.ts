/**
 * Normalisation over the last dimensions: layer norm and RMS norm.
 */
import { type DType, float32 } from "../base/dtype.ts";
import { NotImplementedError, TorchError } from "../base/errors.ts";
import { formatShape, numel, sameShape } from "../base/shape.ts";
import { modes } from "../autograd/modes.ts";
import type { MaybeTensor } from "../autograd/node.ts";
import { castRaw, contiguousRaw } from "../dispatch/elementwise.ts";
import { ColumnsKernel } from "../dispatch/family/columns.ts";
import { RowsKernel } from "../dispatch/family/rows.ts";
import { operator } from "../dispatch/op.ts";
import { apply, type GradContext, type Primitive, primitive } from "../dispatch/primitive.ts";
import { E, type Expr } from "../ir/expr.ts";
import { alias, allocate, type Tensor } from "../tensor/tensor.ts";
import type { Op } from "./view.ts";

/** By whether there is a weight (1) and a bias (2). */
type Affine = 0 | 1 | 2 | 3;

const affineOf = (weight: Tensor | null, bias: Tensor | null): Affine =>
  ((weight === null ? 0 : 1) | (bias === null ? 0 : 2)) as Affine;

const each = <T>(make: (affine: Affine) => T): readonly T[] => ([0, 1, 2, 3] as const).map(make);

const operandsOf = (affine: Affine): ("element" | "row" | "column")[] => [
  ...(affine & 1 ? (["column"] as const) : []),
  ...(affine & 2 ? (["column"] as const) : []),
];

interface NormParams {
  /** The dims that are normalised over. */
  readonly dims: readonly number[];
  readonly n: number;
  readonly eps: number;
  readonly affine: Affine;
}

/** The inputs: the tensor, then weight and bias where there are any. */
const inputsOf = (x: Tensor, weight: Tensor | null, bias: Tensor | null): Tensor[] =>
  [x, weight, bias].filter((t) => t !== null);

const checkFloat = (name: string, x: Tensor): void => {
  if (x.dtype.category !== 2) throw new NotImplementedError(`"${name}" not implemented for '${x.dtype.scalarName}'`);
};

/** Sums over rows as tensors of the given shape. */
function columnSums(
  kernel: ColumnsKernel,
  count: number,
  ins: readonly Tensor[],
  rows: number,
  n: number,
  shape: readonly number[],
  dtype: DType,
): Tensor[] {
  const compute = dtype.itemsize < 4 ? float32 : dtype;
  const backend = (ins[0] as Tensor)._backend;
  const sums = Array.from({ length: count }, () => allocate([2, n], compute, backend));
  kernel.run(sums, ins, rows, n, compute);
  return sums.map((t) => castRaw(alias(t, shape, allocate(shape, compute, backend)._strides, t._offset), dtype));
}

// --- layer norm ------------------------------------------------------------------------------------------------------

const layerRows = each(
  (affine) =>
    new RowsKernel({
      name: `layer_norm${affine}`,
      ins: ["element", ...operandsOf(affine)],
      outs: ["element", "row", "row"],
      params: 1,
      build: (r) => {
        const mean = r.let(
          E.div(
            r.sum((j) => r.at(0, j)),
            r.n,
          ),
        );
        const squares = r.sum((j) => E.square(E.sub(r.at(0, j), mean)));
        const rstd = r.let(E.div(E.const(r.type, 1), E.sqrt(E.add(E.div(squares, r.n), r.params[0] as Expr))));
        const out = (j: Expr): Expr => {
          let y = E.mul(E.sub(r.at(0, j), mean), rstd);
          if (affine & 1) y = E.mul(y, r.at(1, j));
          return affine & 2 ? E.add(y, r.at(affine & 1 ? 2 : 1, j)) : y;
        };
        return [out, mean, rstd];
      },
    }),
);

/** The gradient of the input, from g, x, mean, rstd and the weight. */
const layerBackwardRows = [false, true].map(
  (weighted) =>
    new RowsKernel({
      name: `layer_norm_backward${Number(weighted)}`,
      ins: ["element", "element", "row", "row", ...operandsOf(weighted ? 1 : 0)],
      outs: ["element"],
      build: (r) => {
        const gw = (j: Expr): Expr => (weighted ? E.mul(r.at(0, j), r.at(4, j)) : r.at(0, j));
        const mean = r.let(r.at(2));
        const rstd = r.let(r.at(3));
        const total = r.sum(gw);
        const along = r.sum((j) => E.mul(gw(j), E.sub(r.at(1, j), mean)));
        // dx = rstd * (gw - total / n - (x - mean) * rstd² * along / n)
        const slope = r.let(E.div(E.mul(E.mul(rstd, rstd), along), r.n));
        const shift = r.let(E.div(total, r.n));
        return [(j) => E.mul(rstd, E.sub(E.sub(gw(j), shift), E.mul(E.sub(r.at(1, j), mean), slope)))];
      },
    }),
);

/** The gradients of weight and bias. */
const layerColumns = new ColumnsKernel({
  name: "layer_norm_columns",
  ins: ["element", "element", "row", "row"],
  outs: 2,
  build: ([g, x, mean, rstd]) => [E.mul(g as Expr, E.mul(E.sub(x as Expr, mean as Expr), rstd as Expr)), g as Expr],
});

function layerFused(g: Tensor, ctx: GradContext<NormParams>): MaybeTensor[] {
  const { affine, n } = ctx.params;
  const x = contiguousRaw(ctx.input(0));
  const rows = n === 0 ? 0 : x._numel / n;
  const ins = [contiguousRaw(g), x, ctx.output(1), ctx.output(2)];
  const out: MaybeTensor[] = Array.from({ length: 1 + (affine & 1) + (affine >> 1) }, () => null);
  if (ctx.needs(0)) {
    const dx = allocate(x.shape, x.dtype, x._backend);
    const weight = affine & 1 ? [contiguousRaw(ctx.input(1))] : [];
    if (rows > 0) (layerBackwardRows[affine & 1] as RowsKernel).run([dx], [...ins, ...weight], rows, n, x.dtype);
    out[0] = dx;
  }
  if (affine !== 0 && out.slice(1).some((_, k) => ctx.needs(k + 1))) {
    const sums = columnSums(layerColumns, 2, ins, rows, n, ctx.shape(1), x.dtype);
    if (affine & 1) out[1] = sums[0] as Tensor;
    if (affine & 2) out[out.length - 1] = sums[1] as Tensor;
  }
  return out;
}

/** The same by differentiable operations. */
function layerFormula(g: Tensor, ctx: GradContext<NormParams>): MaybeTensor[] {
  const { affine, dims, eps } = ctx.params;
  const x = ctx.input(0);
  const outer = x.shape.map((_, d) => d).filter((d) => !dims.includes(d));
  const centred = x.sub(x.mean(dims, true));
  const rstd = centred.square().mean(dims, true).add(eps).rsqrt();
  const hat = centred.mul(rstd);
  const gw = affine & 1 ? g.mul(ctx.input(1)) : g;
  const out: MaybeTensor[] = [];
  const shift = gw.mean(dims, true).add(hat.mul(gw.mul(hat).mean(dims, true)));
  out.push(ctx.needs(0) ? rstd.mul(gw.sub(shift)) : null);
  const sum = (t: Tensor): Tensor => (outer.length === 0 ? t : t.sum(outer));
  if (affine & 1) out.push(sum(g.mul(hat)));
  if (affine & 2) out.push(sum(g));
  return out;
}

const layerPrimitives: readonly Primitive<NormParams>[] = each((kind) =>
  primitive<NormParams>({
    name: "native_layer_norm",
    nonDifferentiable: [1, 2],
    forward: ([input, ...others], { affine, dims, eps, n }) => {
      const x = contiguousRaw(input as Tensor);
      const out = allocate(x.shape, x.dtype, x._backend);
      const stat = x.shape.map((size, d) => (dims.includes(d) ? 1 : size));
      const mean = allocate(stat, x.dtype, x._backend);
      const rstd = allocate(stat, x.dtype, x._backend);
      if (mean._numel > 0) {
        const ins = [x, ...others.map(contiguousRaw)];
        (layerRows[affine] as RowsKernel).run([out, mean, rstd], ins, mean._numel, n, x.dtype, [eps]);
      }
      return [out, mean, rstd];
    },
    joint: {
      uses: (needs) => [0, "out1", "out2", ...(kind & 1 && needs(0) ? ([1] as const) : [])],
      vjp: ([g], ctx) => {
        if (g == null) return [null, null, null];
        return modes.grad ? layerFormula(g, ctx) : layerFused(g, ctx);
      },
    },
  }),
);

function normalizedDims(x: Tensor, shape: readonly number[], weight: Tensor | null, bias: Tensor | null): number[] {
  if (shape.length === 0) {
    throw new TorchError(
      "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got normalized_shape = []",
    );
  }
  for (const [name, t] of [
    ["weight", weight],
    ["bias", bias],
  ] as const) {
    if (t !== null && !sameShape(t.shape, shape)) {
      throw new TorchError(
        `Expected ${name} to be of same shape as normalized_shape, but got ${name} of shape ${formatShape(t.shape)} and normalized_shape = ${formatShape(shape)}`,
      );
    }
  }
  const lead = x.ndim - shape.length;
  if (lead < 0 || shape.some((n, d) => n !== x.shape[lead + d])) {
    throw new TorchError(
      `Given normalized_shape=${formatShape(shape)}, expected input with shape [*, ${shape.join(", ")}], but got input of size${formatShape(x.shape)}`,
    );
  }
  return shape.map((_, d) => lead + d);
}

function layerNorm(
  x: Tensor,
  shape: readonly number[],
  weight: Tensor | null,
  bias: Tensor | null,
  eps: number,
): Tensor[] {
  checkFloat("LayerNormKernelImpl", x);
  const dims = normalizedDims(x, shape, weight, bias);
  const params = { dims, n: numel(shape), eps, affine: affineOf(weight, bias) };
  return apply(layerPrimitives[params.affine] as Primitive<NormParams>, inputsOf(x, weight, bias), params) as Tensor[];
}

/** Layer norm, and the means and reciprocal standard deviations that it used. */
export const native_layer_norm: Op<
  (
    input: Tensor,
    normalized_shape: readonly number[],
    weight: Tensor | null,
    bias: Tensor | null,
    eps: number,
  ) => Tensor[]
> = operator(
  "native_layer_norm(Tensor input, int[] normalized_shape, Tensor? weight, Tensor? bias, float eps)",
  (x: Tensor, shape: number[], weight: Tensor | null, bias: Tensor | null, eps: number) =>
    layerNorm(x, shape, weight, bias, eps),
  { method: false },
);

/** Options of {@link layer_norm}. */
export interface LayerNormOptions {
  weight?: Tensor | null;
  bias?: Tensor | null;
  /** Added to the variance. Default: 1e-5. */
  eps?: number;
}

/**
 * Normalises over the last dimensions to mean 0 and variance 1, then scales by `weight` and shifts by `bias`.
 *
 * @param normalized_shape the sizes of those dimensions
 */
export const layer_norm: Op<
  (
    input: Tensor,
    normalized_shape: number | readonly number[],
    weight?: Tensor | null | LayerNormOptions,
    bias?: Tensor | null | LayerNormOptions,
    eps?: number,
  ) => Tensor
> = operator(
  "layer_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enable=True)",
  (x: Tensor, shape: number[], weight: Tensor | null, bias: Tensor | null, eps: number) =>
    layerNorm(x, shape, weight, bias, eps)[0],
  { method: false },
);

// --- RMS norm --------------------------------------------------------------------------------------------------------

const rmsRows = [false, true].map(
  (weighted) =>
    new RowsKernel({
      name: `rms_norm${Number(weighted)}`,
      ins: ["element", ...operandsOf(weighted ? 1 : 0)],
      outs: ["element", "row"],
      params: 1,
      build: (r) => {
        const squares = r.sum((j) => E.square(r.at(0, j)));
        const scale = r.let(E.div(E.const(r.type, 1), E.sqrt(E.add(E.div(squares, r.n), r.params[0] as Expr))));
        const hat = (j: Expr): Expr => E.mul(r.at(0, j), scale);
        return [(j) => (weighted ? E.mul(hat(j), r.at(1, j)) : hat(j)), scale];
      },
    }),
);

const rmsBackwardRows = [false, true].map(
  (weighted) =>
    new RowsKernel({
      name: `rms_norm_backward${Number(weighted)}`,
      ins: ["element", "element", "row", ...operandsOf(weighted ? 1 : 0)],
      outs: ["element"],
      build: (r) => {
        const gw = (j: Expr): Expr => (weighted ? E.mul(r.at(0, j), r.at(3, j)) : r.at(0, j));
        const scale = r.let(r.at(2));
        const along = r.sum((j) => E.mul(gw(j), r.at(1, j)));
        const slope = r.let(E.div(E.mul(E.mul(scale, scale), along), r.n));
        return [(j) => E.mul(scale, E.sub(gw(j), E.mul(r.at(1, j), slope)))];
      },
    }),
);

const rmsColumns = new ColumnsKernel({
  name: "rms_norm_columns",
  ins: ["element", "element", "row"],
  outs: 1,
  build: ([g, x, scale]) => [E.mul(g as Expr, E.mul(x as Expr, scale as Expr))],
});

function rmsFused(g: Tensor, ctx: GradContext<NormParams>): MaybeTensor[] {
  const { affine, n } = ctx.params;
  const x = contiguousRaw(ctx.input(0));
  const rows = n === 0 ? 0 : x._numel / n;
  const ins = [contiguousRaw(g), x, ctx.output(1)];
  let dx: Tensor | null = null;
  if (ctx.needs(0)) {
    dx = allocate(x.shape, x.dtype, x._backend);
    const weight = affine & 1 ? [contiguousRaw(ctx.input(1))] : [];
    if (rows > 0) (rmsBackwardRows[affine & 1] as RowsKernel).run([dx], [...ins, ...weight], rows, n, x.dtype);
  }
  if (affine === 0) return [dx];
  const dw = ctx.needs(1) ? (columnSums(rmsColumns, 1, ins, rows, n, ctx.shape(1), x.dtype)[0] as Tensor) : null;
  return [dx, dw];
}

function rmsFormula(g: Tensor, ctx: GradContext<NormParams>): MaybeTensor[] {
  const { affine, dims, eps } = ctx.params;
  const x = ctx.input(0);
  const outer = x.shape.map((_, d) => d).filter((d) => !dims.includes(d));
  const scale = x.square().mean(dims, true).add(eps).rsqrt();
  const hat = x.mul(scale);
  const gw = affine & 1 ? g.mul(ctx.input(1)) : g;
  const dx = ctx.needs(0) ? scale.mul(gw.sub(hat.mul(gw.mul(hat).mean(dims, true)))) : null;
  if (affine === 0) return [dx];
  return [dx, outer.length === 0 ? g.mul(hat) : g.mul(hat).sum(outer)];
}

const rmsPrimitives: readonly Primitive<NormParams>[] = each((kind) =>
  primitive<NormParams>({
    name: "rms_norm",
    // PyTorch composes it; what one sees is the product that comes last.
    gradName: "MulBackward0",
    nonDifferentiable: [1],
    forward: ([input, ...others], { affine, dims, eps, n }) => {
      const x = contiguousRaw(input as Tensor);
      const out = allocate(x.shape, x.dtype, x._backend);
      const scale = allocate(
        x.shape.map((size, d) => (dims.includes(d) ? 1 : size)),
        x.dtype,
        x._backend,
      );
      if (scale._numel > 0) {
        const ins = [x, ...others.map(contiguousRaw)];
        (rmsRows[affine & 1] as RowsKernel).run([out, scale], ins, scale._numel, n, x.dtype, [eps]);
      }
      return [out, scale];
    },
    joint: {
      uses: (needs) => [0, "out1", ...(kind & 1 && needs(0) ? ([1] as const) : [])],
      vjp: ([g], ctx) => {
        if (g == null) return [null, null];
        return modes.grad ? rmsFormula(g, ctx) : rmsFused(g, ctx);
      },
    },
  }),
);

/** The distance from 1 to the next larger number. */
const epsilonOf = (dtype: DType): number =>
  ({ float64: 2 ** -52, complex128: 2 ** -52, bfloat16: 2 ** -7, float16: 2 ** -10 })[dtype.name as string] ?? 2 ** -23;

/** Options of {@link rms_norm}. */
export interface RmsNormOptions {
  weight?: Tensor | null;
  /** Added to the mean square. Default: the distance from 1 to the next larger number of the dtype. */
  eps?: number | null;
}

/** Divides by the root mean square over the last dimensions, then scales by `weight`. */
export const rms_norm: Op<
  (
    input: Tensor,
    normalized_shape: number | readonly number[],
    weight?: Tensor | null | RmsNormOptions,
    eps?: number | null,
  ) => Tensor
> = operator(
  "rms_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, float? eps=None)",
  (x: Tensor, shape: number[], weight: Tensor | null, eps: number | null) => {
    const dims = normalizedDims(x, shape, weight, null);
    if (x.dtype.is_complex) {
      const hat = x.mul(
        x
          .pow(2)
          .mean(dims, true)
          .add(eps ?? epsilonOf(x.dtype))
          .rsqrt(),
      );
      return weight === null ? hat : hat.mul(weight);
    }
    checkFloat("rms_norm", x);
    const params = { dims, n: numel(shape), eps: eps ?? epsilonOf(x.dtype), affine: affineOf(weight, null) };
    return (
      apply(rmsPrimitives[params.affine] as Primitive<NormParams>, inputsOf(x, weight, null), params) as Tensor[]
    )[0];
  },
  { method: false },
);
