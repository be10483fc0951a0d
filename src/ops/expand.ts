/**
 * Views that repeat dimensions of size 1.
 */
import { TorchError } from "../base/errors.ts";
import { broadcastStrides, formatShape } from "../base/shape.ts";
import { viewOf } from "../dispatch/family/view.ts";
import { operator } from "../dispatch/op.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Op, sizeOf } from "./view.ts";

const expandPrimitive = viewOf<readonly number[]>({
  name: "expand",
  geometry: (x, shape) => ({ shape, strides: broadcastStrides(x.shape, x._strides, shape), offset: x._offset }),
  vjp: (g, ctx) => g.sum_to_size(ctx.shape(0)),
});

/** @internal {@link expand} to a shape known to fit. */
export function expandTo(x: Tensor, shape: readonly number[]): Tensor {
  return expandPrimitive(x, shape);
}

/** Repeats dimensions of size 1 to the given sizes, without a copy; -1 keeps a size. */
export const expand: Op<(input: Tensor, ...size: (number | readonly number[])[]) => Tensor> = operator(
  "expand(Tensor input, int[]... size)",
  (x: Tensor, list: number[]) => {
    const size = sizeOf(list);
    const lead = size.length - x.ndim;
    if (lead < 0) {
      throw new TorchError(
        `expand(torch.${x.dtype.scalarName}Tensor{${formatShape(x.shape)}}, size=${formatShape(size)}): the number of sizes provided (${size.length}) must be greater or equal to the number of dimensions in the tensor (${x.ndim})`,
      );
    }
    const shape = size.map((n, i) => {
      const have = i < lead ? 1 : (x.shape[i - lead] as number);
      if (n === -1) {
        if (i < lead) {
          throw new TorchError(
            `The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension ${i}`,
          );
        }
        return have;
      }
      if (have !== 1 && have !== n) {
        throw new TorchError(
          `The expanded size of the tensor (${n}) must match the existing size (${have}) at non-singleton dimension ${i}.  Target sizes: ${formatShape(size)}.  Tensor sizes: ${formatShape(x.shape)}`,
        );
      }
      return n;
    });
    return expandPrimitive(x, shape);
  },
  { namespace: false },
);

/** {@link expand} to the shape of another tensor. */
export const expand_as: Op<(input: Tensor, other: Tensor) => Tensor> = operator(
  "expand_as(Tensor input, Tensor other)",
  (x: Tensor, other: Tensor) => expand(x, other.shape),
  { namespace: false },
);

/** {@link expand} as a function. */
export const broadcast_to: Op<(input: Tensor, size: readonly number[]) => Tensor> = operator(
  "broadcast_to(Tensor input, int[] size)",
  (x: Tensor, size: number[]) => expand(x, size),
);
