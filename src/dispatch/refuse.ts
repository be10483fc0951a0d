/**
 * Operands that an operator does not take.
 */
import { bool, type DType } from "../base/dtype.ts";
import { NotImplementedError } from "../base/errors.ts";

function refuse(kernel: string, dtype: DType): never {
  throw new NotImplementedError(`"${kernel}" not implemented for '${dtype.scalarName}'`);
}

/** For operators of numbers: refuses bool, as PyTorch's kernel of that name does. */
export const notBool =
  (kernel: string) =>
  (dtype: DType): void => {
    if (dtype === bool) refuse(kernel, dtype);
  };

/** For operators of floating point numbers: refuses bool and integers. */
export const onlyFloat =
  (kernel: string) =>
  (dtype: DType): void => {
    if (dtype.category < 2) refuse(kernel, dtype);
  };

/** For operators of integers; `boolToo`: and of bool. */
export const onlyInteger =
  (kernel: string, boolToo = false) =>
  (dtype: DType): void => {
    if (dtype.category > 1 || (dtype === bool && !boolToo)) refuse(kernel, dtype);
  };
