/**
 * Facts about tensors and dtypes.
 */
import type { DType } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { resultType } from "../base/promote.ts";
import { sameShape } from "../base/shape.ts";
import { operator } from "../dispatch/op.ts";
import { PyFloat, type ScalarLike } from "../dispatch/signature.ts";
import { Tensor } from "../tensor/tensor.ts";
import { outer } from "./matmul.ts";
import type { Op } from "./view.ts";

/** Whether a value is a tensor. */
export function is_tensor(value: unknown): value is Tensor {
  return value instanceof Tensor;
}

type Fact<R> = Op<(input: Tensor) => R>;

/** Whether the dtype is a real floating point type. */
export const is_floating_point: Fact<boolean> = operator(
  "is_floating_point(Tensor input)",
  (x: Tensor) => x.dtype.is_floating_point,
  { method: false },
);
/** Whether the dtype is complex. */
export const is_complex: Fact<boolean> = operator("is_complex(Tensor input)", (x: Tensor) => x.dtype.is_complex, {
  method: false,
});
/** Whether the dtype holds negative numbers. */
export const is_signed: Fact<boolean> = operator("is_signed(Tensor input)", (x: Tensor) => x.dtype.is_signed, {
  method: false,
});
/** The number of elements. */
export const numel: Fact<number> = operator("numel(Tensor input)", (x: Tensor) => x._numel, { method: false });
/** Whether the values are a conjugate view: never, as conjugates are computed at once. */
export const is_conj: Fact<boolean> = operator("is_conj(Tensor input)", () => false);
/** Whether the values are a negative view: never. */
export const is_neg: Fact<boolean> = operator("is_neg(Tensor input)", () => false);

/** Whether the one element of a tensor is not zero. */
export const is_nonzero: Fact<boolean> = operator("is_nonzero(Tensor input)", (x: Tensor) => {
  if (x._numel === 0) throw new TorchError("Boolean value of Tensor with no values is ambiguous");
  if (x._numel > 1) throw new TorchError("Boolean value of Tensor with more than one value is ambiguous");
  return x.ne(0).item() as unknown as boolean;
});

/** Whether two tensors have the same shape. */
export const is_same_size: Op<(input: Tensor, other: Tensor) => boolean> = operator(
  "is_same_size(Tensor input, Tensor other)",
  (x: Tensor, other: Tensor) => sameShape(x.shape, other.shape),
);

/** The dtype of an arithmetic operation over two operands. */
export function result_type(a: Tensor | ScalarLike, b: Tensor | ScalarLike): DType {
  // Promotion looks at numbers only to tell ints from floats; any fraction stands for an explicit float.
  const plain = (x: Tensor | ScalarLike): Exclude<typeof x, PyFloat> => (x instanceof PyFloat ? 0.5 : x);
  return resultType(plain(a), plain(b));
}

/** {@link outer} under its old name. */
export const ger: Op<(input: Tensor, vec2: Tensor) => Tensor> = operator(
  "ger(Tensor input, Tensor vec2)",
  (a: Tensor, b: Tensor) => outer(a, b),
);

/** Sets the main diagonal; of a tall matrix with `wrap` again after each square. */
export const fill_diagonal_: Op<(input: Tensor, fill_value: ScalarLike, wrap?: boolean) => Tensor> = operator(
  "fill_diagonal_(Tensor input, Scalar fill_value, bool wrap=False)",
  (x: Tensor, value: ScalarLike, wrap: boolean) => {
    if (x.ndim < 2) throw new TorchError("dimensions must larger than 1");
    if (x.ndim > 2 && x.shape.some((n) => n !== x.shape[0]))
      throw new TorchError("all dimensions of input must be of equal length");
    const n = Math.min(...x.shape);
    const step = x._strides.reduce((a, b) => a + b, 0);
    const at = (offset: number, size: number): Tensor => x.as_strided([size], [step], x._offset + offset);
    at(0, n).fill_(value);
    const [rows, cols] = [x.shape[0] as number, x.shape[1] as number];
    if (wrap && x.ndim === 2) {
      for (let start = cols + 1; start < rows; start += cols + 1) {
        at(start * (x._strides[0] as number), Math.min(cols, rows - start)).fill_(value);
      }
    }
    return x;
  },
  { namespace: false },
);

/** The tensor itself: it is in the memory of the processor already. */
export const cpu: Op<(input: Tensor) => Tensor> = operator("cpu(Tensor input)", (x: Tensor) => x, { namespace: false });

/** The number of dimensions. */
export const ndimension: Fact<number> = operator("ndimension(Tensor input)", (x: Tensor) => x.ndim, {
  namespace: false,
});
