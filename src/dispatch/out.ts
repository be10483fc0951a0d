/**
 * What `out=` may not be, where an operation reads its inputs in another order than it writes.
 */
import type { DType } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { checkWritable } from "./primitive.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** The keyword argument of functions that can write into a tensor. */
export interface OutOption {
  /** A tensor to write the result into; nothing then requires grad. */
  out?: Tensor | null;
}

/** Throws unless `out` has the dtype, and memory of its own, apart from that of the inputs. */
export function refuseSharedOut(out: Tensor, inputs: readonly unknown[], dtype: DType): void {
  if (out.dtype !== dtype) {
    throw new TorchError(`Expected out tensor to have dtype ${cName(dtype)}, but got ${cName(out.dtype)} instead`);
  }
  checkWritable(out);
  for (const x of inputs as readonly Tensor[]) {
    if (x._storage === out._storage && x._numel > 0 && out._numel > 0) {
      throw new TorchError(
        "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory location. Please clone() the tensor before performing the operation.",
      );
    }
  }
}

/** What messages of this kind call a dtype: names of C types where there are some. */
function cName(dtype: DType): string {
  const names: Readonly<Record<string, string>> = {
    float32: "float",
    float64: "double",
    int64: "long int",
    int32: "int",
    int16: "short int",
    int8: "signed char",
    uint8: "unsigned char",
  };
  return names[dtype.name] ?? dtype.name;
}
