/**
 * What factories share: sizes among their arguments, an array or one by one, with options after them; and `requires_grad`.
 */
import { ArgumentTypeError, TorchError } from "../base/errors.ts";
import { isOptions, pythonTypeOf } from "../dispatch/signature.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** @internal The sizes and the options; throws where a size is none. */
export function sizesOf<O extends object>(args: readonly unknown[]): { size: number[]; options: O } {
  const list = [...args];
  while (list.length > 0 && list.at(-1) === undefined) list.pop();
  const options = (isOptions(list.at(-1)) ? list.pop() : {}) as O & { readonly size?: number[] };
  const size = options.size ?? (Array.isArray(list[0]) ? (list[0] as number[]) : (list as number[]));
  for (const n of size) {
    if (typeof n !== "number" || !Number.isInteger(n)) {
      throw new ArgumentTypeError(`expected sizes that are ints, but got ${pythonTypeOf(n)} ${String(n)}`);
    }
    if (n < 0) {
      throw new TorchError(`Trying to create tensor with negative dimension ${n}: [${size.join(", ")}]`);
    }
  }
  return { size: [...size], options };
}

/** @internal The new tensor, for which gradients are to be computed. */
export function withGrad(t: Tensor): Tensor {
  if (t.dtype.category < 2) {
    throw new TorchError("Only Tensors of floating point and complex dtype can require gradients");
  }
  return t.requires_grad_();
}
