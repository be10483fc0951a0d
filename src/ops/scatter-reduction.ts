/**
 * What the reductions of `scatter_reduce` and `index_reduce` have in common.
 */
import type { DType } from "../base/dtype.ts";
import type { Scalar } from "../base/promote.ts";
import { copyRaw, fillRaw } from "../dispatch/elementwise.ts";
import { allocate, type Tensor } from "../tensor/tensor.ts";
import { where } from "./clamp.ts";

/** The reductions by PyTorch's names. */
export type ReduceName = "sum" | "prod" | "mean" | "amax" | "amin";

const bounds: Readonly<Record<string, readonly [number | bigint, number | bigint]>> = {
  bool: [0, 1],
  uint8: [0, 255],
  int8: [-128, 127],
  int16: [-32768, 32767],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
};

/** What a reduction starts from. */
export function identityOf(reduce: ReduceName, dtype: DType): number | bigint {
  const [low, high] = bounds[dtype.name] ?? [-Infinity, Infinity];
  switch (reduce) {
    case "sum":
    case "mean":
      return 0;
    case "prod":
      return 1;
    case "amax":
      return low;
    case "amin":
      return high;
  }
}

/** A number everywhere, in the shape and dtype of a tensor. */
export function filled(like: Tensor, value: number): Tensor {
  const out = allocate(like.shape, like.dtype, like._backend);
  fillRaw(out, value);
  return out;
}

/**
 * The gradients of a largest or smallest element of `x` and elements of `src`: equal ones share evenly. `at` reads a tensor where
 * `src` was written, `add` adds up there.
 */
export function extreme(
  g: Tensor,
  x: Tensor,
  src: Tensor,
  result: Tensor,
  at: (t: Tensor) => Tensor,
  add: (mine: Tensor, theirs: Tensor) => Tensor,
): [Tensor, Tensor] {
  const mine = x.eq(result).to(x.dtype);
  const theirs = src.eq(at(result)).to(x.dtype);
  const share = g.div(add(mine, theirs));
  return [mine.mul(share), theirs.mul(at(share))];
}

/** A number as a tensor of no dimensions with the dtype of another tensor. */
export function numberLike(t: Tensor, value: Scalar): Tensor {
  const out = allocate([], t.dtype, t._backend);
  fillRaw(out, value);
  return out;
}

/** Means of counted sums; where nothing was counted nothing changes. Integers are rounded down. */
export function divideBy(target: Tensor, count: Tensor): void {
  const counts = count.masked_fill(count.eq(0), 1);
  const sum = target.detach();
  copyRaw(target, target.dtype.category < 2 ? sum.div(counts, { rounding_mode: "floor" }) : sum.div(counts));
}

/** The gradients of a product of `x` and of elements of `src`, with care for factors that are zero. */
export function productGradients(
  g: Tensor,
  x: Tensor,
  src: Tensor,
  result: Tensor,
  again: (a: Tensor, b: Tensor) => Tensor,
  at: (t: Tensor) => Tensor,
  zeros: Tensor,
): [Tensor, Tensor] {
  const ownFactor = x.masked_fill(x.eq(0), 1);
  const gx = g.mul(again(ownFactor, src)).div(ownFactor);
  const zero = src.eq(0);
  const single = zero.logical_and(at(zeros).eq(1));
  const others = again(x, src.masked_fill(single, 1));
  const usual = at(g.mul(result)).div(src.masked_fill(zero, 1));
  return [gx, where(single, at(g.mul(others)), usual)];
}
