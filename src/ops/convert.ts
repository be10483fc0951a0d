/**
 * Conversion between dtypes, copying, and values in and out.
 */
import {
  bfloat16,
  bool,
  complex128,
  complex32,
  complex64,
  type DType,
  float16,
  float32,
  float64,
  int16,
  int32,
  int64,
  int8,
  uint8,
} from "../base/dtype.ts";
import { ArgumentTypeError, TorchError } from "../base/errors.ts";
import { broadcast, contiguousStrides, formatShape, sameShape } from "../base/shape.ts";
import { castRaw, cloneRaw, copyRaw, fillRaw } from "../dispatch/elementwise.ts";
import { describe, operator } from "../dispatch/op.ts";
import { apply1, applyInplace, primitive } from "../dispatch/primitive.ts";
import { PyFloat, type ScalarLike, Signature } from "../dispatch/signature.ts";
import { type Element, elementAt, flatElements } from "../tensor/data.ts";
import { allocateStrided, Tensor } from "../tensor/tensor.ts";
import { clone, formatStrides, type MemoryFormat, type Op } from "./view.ts";

interface ToParams {
  readonly dtype: DType;
  readonly format: MemoryFormat | null;
}

const toPrimitive = primitive<ToParams>({
  name: "_to_copy",
  gradName: "ToCopyBackward0",
  forward: ([input], { dtype, format }) => {
    const x = input as Tensor;
    const shape = x.shape;
    const strides =
      format === null || format === "torch.preserve_format"
        ? null
        : format === "torch.contiguous_format"
          ? contiguousStrides(shape)
          : formatStrides(shape, format);
    if (strides === null) return x.dtype === dtype ? cloneRaw(x) : castRaw(x, dtype);
    const out = allocateStrided(shape, strides, dtype, x._backend);
    copyRaw(out, x);
    return out;
  },
  // The engine brings every gradient to the dtype of its input.
  grads: [{ vjp: (g) => g }],
});

/** Options of {@link to}. */
export interface ToOptions {
  dtype?: DType | null;
  /** Only the device of the tensor itself. */
  device?: string | null;
  non_blocking?: boolean;
  /** A copy even where nothing changes. */
  copy?: boolean;
  memory_format?: MemoryFormat | null;
}

function convertTo(x: Tensor, dtype: DType, copy = false, format: MemoryFormat | null = null): Tensor {
  const laidOut = format === null || format === "torch.preserve_format" || x.is_contiguous({ memory_format: format });
  if (x.dtype === dtype && !copy && laidOut) return x;
  return apply1(toPrimitive, [x], { dtype, format });
}

/**
 * The tensor in another dtype: `x.to(torch.float64)`, `x.to(other)`, `x.to({ dtype, copy })`. The tensor itself where nothing
 * changes.
 */
export const to: Op<
  (input: Tensor, target?: DType | Tensor | string | ToOptions | null, options?: ToOptions | DType) => Tensor
> = describe(
  (x: Tensor, ...rest: unknown[]): Tensor => {
    let dtype: DType | null = null;
    let copy = false;
    let format: MemoryFormat | null = null;
    let position = 0;
    for (const arg of rest) {
      if (arg === undefined || arg === null) continue;
      if (arg instanceof Tensor) dtype = arg.dtype;
      else if (typeof arg === "string") checkDevice(x, arg);
      else if (typeof arg === "boolean") {
        if (++position === 2) copy = arg;
      } else if (typeof arg === "object" && "itemsize" in arg) dtype = arg as DType;
      else if (typeof arg === "object") {
        const o = arg as ToOptions;
        if (o.dtype != null) dtype = o.dtype;
        if (o.device != null) checkDevice(x, o.device);
        copy = o.copy ?? copy;
        format = o.memory_format ?? null;
      } else throw new ArgumentTypeError(`to() received an invalid argument: ${String(arg)}`);
    }
    return convertTo(x, dtype ?? x.dtype, copy, format);
  },
  new Signature("to(Tensor input, any target=None, any options=None)"),
  { namespace: false },
);

function checkDevice(x: Tensor, device: string): void {
  if (device !== x._backend.type) {
    throw new TorchError(`to(): no device '${device}' is available here; the tensor is on '${x._backend.type}'`);
  }
}

type Convert = Op<(input: Tensor, options?: { memory_format?: MemoryFormat | null }) => Tensor>;

const converter = (name: string, dtype: DType): Convert =>
  operator(
    `${name}(Tensor input, *, str? memory_format=None)`,
    (x: Tensor, format: MemoryFormat | null) => to(x, dtype, { memory_format: format }),
    { namespace: false },
  );

/** To float32. */
export const float: Convert = converter("float", float32);
/** To float64. */
export const double: Convert = converter("double", float64);
/** To float16. */
export const half: Convert = converter("half", float16);
/** To bfloat16. */
export const toBFloat16: Convert = converter("bfloat16", bfloat16);
/** To int64. */
export const long: Convert = converter("long", int64);
/** To int32. */
export const int: Convert = converter("int", int32);
/** To int16. */
export const short: Convert = converter("short", int16);
/** To int8. */
export const char: Convert = converter("char", int8);
/** To uint8. */
export const byte: Convert = converter("byte", uint8);
/** To bool. */
export const toBool: Convert = converter("bool", bool);

/** To complex64. */
export const cfloat: Convert = converter("cfloat", complex64);
/** To complex128. */
export const cdouble: Convert = converter("cdouble", complex128);
/** To complex32. */
export const chalf: Convert = converter("chalf", complex32);

/** To the dtype of another tensor. */
export const type_as: Op<(input: Tensor, other: Tensor) => Tensor> = operator(
  "type_as(Tensor input, Tensor other)",
  (x: Tensor, other: Tensor) => convertTo(x, other.dtype),
  { namespace: false },
);

const copyPrimitive = primitive<null>({
  name: "copy_",
  gradName: "CopyBackwards",
  forward: ([x]) => x as Tensor,
  grads: [{ vjp: (g) => g.new_zeros(g.shape) }, { vjp: (g) => g }],
});

/** Copies the elements of `src` into the tensor, with broadcasting and conversion. */
export const copy_: Op<(input: Tensor, src: Tensor, non_blocking?: boolean) => Tensor> = operator(
  "copy_(Tensor input, Tensor src, bool non_blocking=False)",
  (x: Tensor, src: Tensor) => {
    if (!sameShape(broadcast(x.shape, src.shape), x.shape)) {
      throw new TorchError(
        `output with shape ${formatShape(x.shape)} doesn't match the broadcast shape ${formatShape(broadcast(x.shape, src.shape))}`,
      );
    }
    if (x === src) return x;
    const source = src._storage === x._storage ? cloneRaw(src) : src;
    return applyInplace(copyPrimitive, [x, src], null, (t) => copyRaw(t, source), cloneRaw);
  },
  { namespace: false },
);

const fillPrimitive = primitive<null>({
  name: "fill_",
  gradName: "FillBackward0",
  forward: ([x]) => x as Tensor,
  grads: [{ vjp: (g) => g.new_zeros(g.shape) }],
});

const fillTensorPrimitive = primitive<null>({
  name: "fill_",
  gradName: "FillBackward1",
  forward: ([x]) => x as Tensor,
  grads: [{ vjp: (g) => g.new_zeros(g.shape) }, { vjp: (g) => g.sum() }],
});

const zeroPrimitive = primitive<null>({
  name: "zero_",
  gradName: "ZeroBackward0",
  forward: ([x]) => x as Tensor,
  grads: [{ vjp: (g) => g.new_zeros(g.shape) }],
});

/** Sets every element to `value`, a number or a 0-d tensor. */
export const fill_: Op<(input: Tensor, value: ScalarLike | Tensor) => Tensor> = operator(
  "fill_(Tensor input, Tensor|Scalar value)",
  (x: Tensor, value: ScalarLike | Tensor) => {
    if (value instanceof Tensor) {
      if (value.ndim > 0) {
        throw new TorchError(
          `fill_ only supports 0-dimension value tensor but got tensor with ${value.ndim} dimensions.`,
        );
      }
      return applyInplace(fillTensorPrimitive, [x, value], null, (t) => copyRaw(t, value), cloneRaw, true);
    }
    const number = value instanceof PyFloat ? value.value : value;
    return applyInplace(fillPrimitive, [x], null, (t) => fillRaw(t, number), cloneRaw, true);
  },
  { namespace: true },
);

/** A copy with every element set to `value`. */
export const fill: Op<(input: Tensor, value: ScalarLike | Tensor) => Tensor> = operator(
  "fill(Tensor input, Tensor|Scalar value)",
  (x: Tensor, value: ScalarLike | Tensor) => fill_(clone(x), value),
  { method: false },
);

/** Sets every element to zero. */
export const zero_: Op<(input: Tensor) => Tensor> = operator("zero_(Tensor input)", (x: Tensor) =>
  applyInplace(zeroPrimitive, [x], null, (t) => fillRaw(t, 0), cloneRaw, true),
);

/** The one element of a tensor as a JavaScript value; an int64 beyond 2^53 is a bigint. */
export const item: Op<(input: Tensor) => number> = operator(
  "item(Tensor input)",
  (x: Tensor) => {
    if (x._numel !== 1) throw new TorchError(`a Tensor with ${x._numel} elements cannot be converted to Scalar`);
    return elementAt(
      x,
      x.shape.map(() => 0),
    );
  },
  { namespace: false },
);

/** Elements in nested arrays. */
export type Nested = Element | Nested[];

/** The elements as nested arrays; a 0-d tensor gives its element. */
export const tolist: Op<(input: Tensor) => Nested> = operator(
  "tolist(Tensor input)",
  (x: Tensor) => {
    let level: Nested[] = flatElements(x);
    if (x.ndim === 0) return level[0];
    for (let d = x.ndim - 1; d > 0; d--) {
      const n = x.shape[d] as number;
      const count = x.shape.slice(0, d).reduce((a, b) => a * b, 1);
      const next: Nested[] = [];
      for (let i = 0; i < count; i++) next.push(level.slice(i * n, (i + 1) * n));
      level = next;
    }
    return level;
  },
  { namespace: false },
);
