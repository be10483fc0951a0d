/**
 * Random numbers into tensors. They are drawn on the host in the order in which PyTorch draws them: row by row for a contiguous
 * tensor, otherwise in the order in which the elements lie in memory.
 */
import { bfloat16, type DType, float16 } from "../../base/dtype.ts";
import type { NumberArray } from "../../base/distributions.ts";
import { bfloat16Bits, bfloat16Value, float16Bits, float16Value } from "../../ir/half.ts";
import { forEachPosition, hostOf, viewElements, writeElement } from "../../tensor/data.ts";
import { alias, type Tensor } from "../../tensor/tensor.ts";

/** How a number becomes one of a 16-bit dtype; null for others. */
export function roundingOf(dtype: DType): ((x: number) => number) | null {
  if (dtype === float16) return (x) => float16Value(float16Bits(x));
  if (dtype === bfloat16) return (x) => bfloat16Value(bfloat16Bits(x));
  return null;
}

const direct: ReadonlySet<string> = new Set(["float32", "float64", "int64", "int32", "int16", "int8", "uint8", "bool"]);

/** The same elements with dimensions ordered as they lie in memory. */
function inMemoryOrder(t: Tensor): Tensor {
  const order = t.shape.map((_, d) => d);
  order.sort((a, b) => (t._strides[b] as number) - (t._strides[a] as number));
  return alias(
    t,
    order.map((d) => t.shape[d] as number),
    order.map((d) => t._strides[d] as number),
    t._offset,
  );
}

/**
 * Writes what `fill` draws into the elements of `t`. `fill` checks its arguments before it draws, so that an error leaves the
 * tensor as it was; it learns whether the tensor is contiguous, since some streams depend on it.
 */
export function drawInto(t: Tensor, fill: (out: NumberArray, contiguous: boolean) => void): void {
  const host = hostOf(t._backend, "random numbers");
  const { dtype } = t;
  const contiguous = t._isContiguous;
  if (contiguous && direct.has(dtype.name)) {
    fill(viewElements(t) as NumberArray, true);
    return;
  }
  const n = t._numel;
  const values: NumberArray =
    dtype.name === "int64"
      ? new BigInt64Array(n)
      : dtype.name === "float64" || dtype.category < 2
        ? new Float64Array(n)
        : new Float32Array(n);
  fill(values, contiguous);
  forEachPosition(inMemoryOrder(t), (at, i) => writeElement(host, dtype, at, values[i] as number | bigint));
}
