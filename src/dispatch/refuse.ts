/**
 * Operands that an operator does not take.
 */
import { bool, type DType, uint8 } from "../base/dtype.ts";
import { NotImplementedError, TorchError } from "../base/errors.ts";

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

const ranges: Readonly<Record<string, readonly [min: number, max: number, cName: string]>> = {
  uint8: [0, 255, "uint8_t"],
  int8: [-128, 127, "int8_t"],
  int16: [-(2 ** 15), 2 ** 15 - 1, "int16_t"],
  int32: [-(2 ** 31), 2 ** 31 - 1, "int"],
};

/** A number beyond the range of an integer dtype is an error; a negative one for an unsigned dtype wraps, as in PyTorch. */
export function checkNumbersFit(operands: readonly (object | number | bigint | boolean)[], compute: DType): void {
  const range = ranges[compute.name];
  if (range === undefined) return;
  const [min, max, name] = range;
  for (const number of operands) {
    if (typeof number !== "number" && typeof number !== "bigint") continue;
    const low = compute === uint8 ? -max : min;
    if (Number(number) > max || Number(number) < low) {
      throw new TorchError(`value cannot be converted to type ${name} without overflow`);
    }
  }
}
