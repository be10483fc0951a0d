/**
 * Softmax and its relatives.
 */
import type { DType } from "../base/dtype.ts";
import { NotImplementedError } from "../base/errors.ts";
import { numel, wrapDim } from "../base/shape.ts";
import { contiguousRaw } from "../dispatch/elementwise.ts";
import { RowsKernel } from "../dispatch/family/rows.ts";
import { operator } from "../dispatch/op.ts";
import { apply1, type InputGrad, type Primitive, primitive } from "../dispatch/primitive.ts";
import { modes } from "../autograd/modes.ts";
import { E, type Expr } from "../ir/expr.ts";
import { alias, allocate, type Tensor } from "../tensor/tensor.ts";
import type { Op } from "./view.ts";

/** The maximum to subtract: nothing where a row has none that is finite. */
const shiftOf = (top: Expr): Expr => E.select(E.eq(top, -Infinity), E.const(top.type, 0), top);

const softmaxRows = new RowsKernel({
  name: "softmax",
  ins: ["element"],
  outs: ["element"],
  build: (r) => {
    const top = r.let(r.max((j) => r.at(0, j)));
    const power = r.keep(0, (j) => E.exp(E.sub(r.at(0, j), top)));
    const scale = r.let(E.div(E.const(r.type, 1), r.sum(power)));
    return [(j) => E.mul(power(j), scale)];
  },
});

const softmaxBackwardRows = new RowsKernel({
  name: "softmax_backward",
  ins: ["element", "element"],
  outs: ["element"],
  build: (r) => {
    const total = r.sum((j) => E.mul(r.at(0, j), r.at(1, j)));
    return [(j) => E.mul(r.at(1, j), E.sub(r.at(0, j), total))];
  },
});

const logSoftmaxRows = new RowsKernel({
  name: "log_softmax",
  ins: ["element"],
  outs: ["element"],
  build: (r) => {
    const top = r.let(shiftOf(r.max((j) => r.at(0, j))));
    const total = r.sum((j) => E.exp(E.sub(r.at(0, j), top)));
    const log = r.let(E.log(total));
    return [(j) => E.sub(E.sub(r.at(0, j), top), log)];
  },
});

const logSoftmaxBackwardRows = new RowsKernel({
  name: "log_softmax_backward",
  ins: ["element", "element"],
  outs: ["element"],
  build: (r) => {
    const total = r.sum((j) => r.at(0, j));
    return [(j) => E.sub(r.at(0, j), E.mul(E.exp(r.at(1, j)), total))];
  },
});

/** Runs a row kernel of one output over dim `d`, whatever the layout. */
function alongDim(kernel: RowsKernel, ins: readonly Tensor[], d: number, dtype: DType): Tensor {
  const first = ins[0] as Tensor;
  const last = Math.max(first.ndim - 1, 0);
  const out = allocate(first.shape, dtype, first._backend);
  if (out._numel === 0) return out;
  const n = first.ndim === 0 ? 1 : (first.shape[d] as number);
  if (d === last || numel(first.shape.slice(d + 1)) === 1) {
    kernel.run([out], ins.map(contiguousRaw), first._numel / n, n, dtype);
    return out;
  }
  // Rows across: bring the dim to the end, compute, and bring it back.
  const order = first.shape.map((_, i) => i).filter((i) => i !== d);
  order.push(d);
  const moved = (t: Tensor): Tensor =>
    alias(
      t,
      order.map((i) => t.shape[i] as number),
      order.map((i) => t._strides[i] as number),
      t._offset,
    );
  const rows = ins.map((t) => contiguousRaw(moved(t)));
  const result = allocate((rows[0] as Tensor).shape, dtype, first._backend);
  kernel.run([result], rows, first._numel / n, n, dtype);
  const back = new Array<number>(order.length);
  order.forEach((i, k) => (back[i] = result._strides[k] as number));
  return contiguousRaw(alias(result, first.shape, back, 0));
}

interface SoftmaxParams {
  readonly dim: number;
  readonly dtype: DType;
}

function define(
  name: string,
  rows: RowsKernel,
  backwardRows: RowsKernel,
  formula: (g: Tensor, y: Tensor, dim: number) => Tensor,
): Primitive<SoftmaxParams> {
  const grad: InputGrad<SoftmaxParams> = {
    uses: ["out"],
    vjp: (g, ctx) => {
      const y = ctx.output();
      return modes.grad
        ? formula(g, y, ctx.params.dim)
        : alongDim(backwardRows, [g, y], ctx.params.dim, ctx.params.dtype);
    },
  };
  return primitive<SoftmaxParams>({
    name,
    forward: ([x], { dim, dtype }) => alongDim(rows, [x as Tensor], dim, dtype),
    grads: [grad],
  });
}

const along = (t: Tensor, dim: number): Tensor => (t.ndim === 0 ? t : t.sum(dim, true));

const softmaxPrimitive = define("softmax", softmaxRows, softmaxBackwardRows, (g, y, dim) => {
  const gy = g.mul(y);
  return gy.sub(y.mul(along(gy, dim)));
});

const logSoftmaxPrimitive = define("log_softmax", logSoftmaxRows, logSoftmaxBackwardRows, (g, y, dim) =>
  g.sub(y.exp().mul(along(g, dim))),
);

/** Options of {@link softmax} and {@link log_softmax}. */
export interface SoftmaxOptions {
  dim?: number | null;
  /** The input is converted to this dtype first. */
  dtype?: DType | null;
  out?: Tensor | null;
}

type Softmax = Op<
  (input: Tensor, dim?: number | null | SoftmaxOptions, dtype?: DType | null | SoftmaxOptions) => Tensor
>;

/** PyTorch's choice where no dim is given, which it deprecates. */
const implicitDim = (ndim: number): number => (ndim === 0 || ndim === 1 || ndim === 3 ? 0 : 1);

function softmaxOperator(name: string, prim: Primitive<SoftmaxParams>): Softmax {
  return operator(
    `${name}(Tensor input, int? dim=None, dtype? dtype=None)`,
    (x: Tensor, dim: number | null, dtype: DType | null) => {
      const type = dtype ?? x.dtype;
      if (type.category !== 2) {
        throw new NotImplementedError(`"${name}_lastdim_kernel_impl" not implemented for '${type.scalarName}'`);
      }
      return apply1(prim, [x.to(type)], { dim: wrapDim(dim ?? implicitDim(x.ndim), x.ndim), dtype: type });
    },
  );
}

/** `exp(input)` over its sum along `dim`: positive numbers that add up to 1. */
export const softmax: Softmax = softmaxOperator("softmax", softmaxPrimitive);

/** The logarithm of {@link softmax}, accurate where that would underflow. */
export const log_softmax: Softmax = softmaxOperator("log_softmax", logSoftmaxPrimitive);

/** {@link softmax} of the negated input. */
export const softmin: Softmax = operator(
  "softmin(Tensor input, int? dim=None, dtype? dtype=None)",
  (x: Tensor, dim: number | null, dtype: DType | null) => softmax(x.neg(), { dim, dtype }),
  { method: false, namespace: false },
);
