/**
 * Elements that a mask selects.
 */
import { bool, type DType } from "../base/dtype.ts";
import { can_cast, type Scalar, scalarType } from "../base/promote.ts";
import { TorchError } from "../base/errors.ts";
import { broadcast, formatShape, numel, sameShape, type Shape } from "../base/shape.ts";
import {
  allocateLike,
  asArgument,
  castExpr,
  complexArgument,
  contiguousRaw,
  copyRaw,
  Elementwise,
} from "../dispatch/elementwise.ts";
import { putRaw, takeRaw } from "../dispatch/family/indexing.ts";
import { positionsOf } from "../dispatch/family/masks.ts";
import { type InplaceOp, Modify, modifying } from "../dispatch/modify.ts";
import { type OutOption, refuseSharedOut } from "../dispatch/out.ts";
import { operator } from "../dispatch/op.ts";
import { apply1, applyInplace, type Primitive, primitive, type PrimitiveDefinition } from "../dispatch/primitive.ts";
import { PyFloat, type ScalarLike } from "../dispatch/signature.ts";
import { E, type Expr } from "../ir/expr.ts";
import { computeType } from "../ir/kernel.ts";
import { allocate, Tensor } from "../tensor/tensor.ts";
import type { Op } from "./view.ts";

// --- filling ---------------------------------------------------------------------------------------------------------

const fills = new Map<string, Elementwise>();

/** `out = mask ? value : x`, where value is a number or a tensor of no dimensions. */
function fillWhere(out: Tensor, x: Tensor, mask: Tensor, value: Scalar | Tensor): void {
  const { dtype } = x;
  const type = computeType(dtype);
  // A complex element has two parts.
  const parts = dtype.is_complex ? 2 : 1;
  const from = value instanceof Tensor ? value.dtype : null;
  const key = `masked_fill:${dtype.name}:${mask.dtype.name}:${from?.name ?? "number"}`;
  let kernel = fills.get(key);
  if (kernel === undefined) {
    kernel = new Elementwise({
      name: "masked_fill",
      key,
      outs: [dtype],
      ins: from === null ? [dtype, mask.dtype] : [dtype, mask.dtype, from],
      scalars: from === null ? new Array<typeof type>(parts).fill(type) : [],
      build: (ins, numbers) => {
        const own = ins.slice(0, parts);
        const where = E.cast("bool", ins[parts] as Expr);
        const given = from === null ? numbers : ins.slice(parts + 1).map((v) => castExpr(v, dtype));
        return own.map((a, k) => E.select(where, given[k] ?? E.const(type, 0), a));
      },
    });
    fills.set(key, kernel);
  }
  if (value instanceof Tensor) kernel.run([out], [x, mask, value], []);
  else kernel.run([out], [x, mask], parts === 2 ? complexArgument(value) : [asArgument(value, type)]);
}

type Fill = Scalar | null;

/** The number is in the parameters, or the tensor among the inputs. */
const fillDefinition = (gradName: string): PrimitiveDefinition<Fill> => ({
  name: "masked_fill",
  gradName,
  forward: ([x, mask, value], number) => {
    const shape = broadcast((x as Tensor).shape, (mask as Tensor).shape);
    const out = allocateLike(shape, (x as Tensor).dtype, [x as Tensor, mask as Tensor]);
    fillWhere(out, x as Tensor, mask as Tensor, value ?? (number as Scalar));
    return out;
  },
  grads: [
    { uses: [1], vjp: (g, ctx) => masked_fill(g, ctx.input(1), 0) },
    null,
    { uses: [1], vjp: (g, ctx) => masked_fill(g, ctx.input(1).logical_not(), 0).sum() },
  ],
});

const fillNumber = primitive<Fill>(fillDefinition("MaskedFillBackward0"));
const fillTensor = primitive<Fill>(fillDefinition("MaskedFillBackward1"));

function fillInplace(prim: Primitive<Fill>, inputs: readonly Tensor[], number: Fill): Tensor {
  const [x, mask, value] = inputs as [Tensor, Tensor, Tensor | undefined];
  const shape = broadcast(x.shape, mask.shape);
  if (!sameShape(shape, x.shape)) {
    throw new TorchError(
      `output with shape ${formatShape(x.shape)} doesn't match the broadcast shape ${formatShape(shape)}`,
    );
  }
  return applyInplace(
    prim,
    inputs,
    number,
    (t) => fillWhere(t, t, mask, value ?? (number as Scalar)),
    (t) => t.clone(),
  );
}

const cNames: Readonly<Record<string, string>> = {
  int64: "int64_t",
  int32: "int",
  int16: "int16_t",
  int8: "int8_t",
  uint8: "uint8_t",
  bool: "bool",
};

function checkFits(value: DType, target: DType): void {
  if (value.category > target.category && value.is_complex) {
    throw new TorchError(`value cannot be converted to type ${cNames[target.name] ?? target.name} without overflow`);
  }
}

type MaskedFill = (input: Tensor, mask: Tensor, value: ScalarLike | Tensor) => Tensor;

/** A copy of `input` with `value` where `mask` is true; the mask broadcasts. */
export const masked_fill: InplaceOp<MaskedFill> = modifying(
  "masked_fill(Tensor input, Tensor mask, Tensor|Scalar value)",
  (inplace, x: Tensor, mask: Tensor, value: Tensor | ScalarLike) => {
    if (mask.dtype !== bool) {
      throw new TorchError(
        `masked_fill_ only supports boolean masks, but got mask with dtype ${mask.dtype.scalarName}`,
      );
    }
    if (value instanceof Tensor) {
      if (value.ndim > 0) {
        throw new TorchError(
          `masked_fill_ only supports a 0-dimensional value tensor, but got tensor with ${value.ndim} dimension(s).`,
        );
      }
      checkFits(value.dtype, x.dtype);
      const inputs = [x, mask, value];
      return inplace ? fillInplace(fillTensor, inputs, null) : apply1(fillTensor, inputs, null);
    }
    const number = value instanceof PyFloat ? value.value : value;
    if (
      !can_cast(value instanceof PyFloat ? scalarType(0.5) : scalarType(number), x.dtype) &&
      !Number.isInteger(Number(number))
    ) {
      throw new TorchError(
        `value cannot be converted to type ${cNames[x.dtype.name] ?? x.dtype.name} without overflow`,
      );
    }
    return inplace ? fillInplace(fillNumber, [x, mask], number) : apply1(fillNumber, [x, mask], number);
  },
);

// --- selecting -------------------------------------------------------------------------------------------------------

/** Contiguous, in a shape that the tensor broadcasts to. */
function spread(t: Tensor, shape: Shape): Tensor {
  if (sameShape(t.shape, shape)) return contiguousRaw(t);
  const out = allocate(shape, t.dtype, t._backend);
  copyRaw(out, t);
  return out;
}

const maskedSelect = primitive({
  name: "masked_select",
  forward: ([x, mask]) => {
    const shape = broadcast((x as Tensor).shape, (mask as Tensor).shape);
    return takeRaw(spread(x as Tensor, shape), positionsOf(spread(mask as Tensor, shape)));
  },
  grads: [
    {
      uses: [1],
      vjp: (g, ctx) => {
        const shape = broadcast(ctx.shape(0), ctx.shape(1));
        return g.new_zeros(shape).masked_scatter(ctx.input(1), g);
      },
    },
  ],
});

/** The elements of `input` where `mask` is true, in row-major order; both broadcast. */
export const masked_select: Op<(input: Tensor, mask: Tensor, options?: OutOption) => Tensor> = operator(
  "masked_select(Tensor input, Tensor mask)",
  (x: Tensor, mask: Tensor) => {
    if (mask.dtype !== bool) {
      throw new TorchError(`masked_select: expected BoolTensor for mask`);
    }
    return apply1(maskedSelect, [x, mask], undefined);
  },
  { checkOut: (out, [x, mask]) => refuseSharedOut(out, [x, mask], (x as Tensor).dtype) },
);

const maskedScatter = new Modify<undefined>({
  name: "masked_scatter",
  layout: "contiguous",
  write: (target, [, mask, source]) => {
    const positions = positionsOf(spread(mask as Tensor, target.shape));
    const count = positions._numel;
    const from = contiguousRaw(source as Tensor);
    if (from._numel < count) {
      throw new TorchError("Number of elements of source < number of ones in mask");
    }
    const part = count === 0 ? from : from.detach().reshape(-1).narrow(0, 0, count);
    if (target._isContiguous) {
      putRaw(target, positions, part, "set");
      return;
    }
    const dense = contiguousRaw(target);
    putRaw(dense, positions, part, "set");
    copyRaw(target, dense);
  },
  grads: [
    { uses: [1], vjp: (g, ctx) => masked_fill(g, ctx.input(1), 0) },
    null,
    {
      uses: [1],
      vjp: (g, ctx) => {
        const shape = ctx.shape(2);
        const selected = masked_select(g, ctx.input(1));
        const missing = numel(shape) - selected._numel;
        const all = missing > 0 ? padEnd(selected, missing) : selected;
        return all.reshape(shape);
      },
    },
  ],
});

function padEnd(x: Tensor, count: number): Tensor {
  const total = x._numel + count;
  return x.new_zeros([total]).index_add(0, x.new_arange(x._numel), x);
}

type MaskedScatter = (input: Tensor, mask: Tensor, source: Tensor) => Tensor;

/** A copy of `input` in which the elements where `mask` is true are replaced by those of `source`, in order. */
export const masked_scatter: InplaceOp<MaskedScatter> = modifying(
  "masked_scatter(Tensor input, Tensor mask, Tensor source)",
  (inplace, x: Tensor, mask: Tensor, source: Tensor) => {
    if (x.dtype !== source.dtype) {
      throw new TorchError(
        `masked_scatter_: expected self and source to have same dtypes but got ${x.dtype.scalarName} and ${source.dtype.scalarName}`,
      );
    }
    if (mask.dtype !== bool) {
      throw new TorchError(
        `masked_scatter_ only supports boolean masks, but got mask with dtype ${mask.dtype.scalarName}`,
      );
    }
    if (inplace) {
      if (mask.ndim > x.ndim) {
        throw new TorchError(
          `expand(CPUBoolType{${formatShape(mask.shape)}}, size=${formatShape(x.shape)}): the number of sizes provided (${x.ndim}) must be greater or equal to the number of dimensions in the tensor (${mask.ndim})`,
        );
      }
      const full = mask.expand(x.shape);
      return maskedScatter.inplace([x, full, source], undefined);
    }
    const shape = broadcast(x.shape, mask.shape);
    return maskedScatter.copy([x.expand(shape), mask.expand(shape), source], undefined);
  },
);
