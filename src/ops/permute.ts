/**
 * Views with the dimensions in another order.
 */
import { TorchError } from "../base/errors.ts";
import { formatShape, wrapDim, wrapDims } from "../base/shape.ts";
import { viewOf, type Geometry } from "../dispatch/family/view.ts";
import { operator } from "../dispatch/op.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { aliasOf, type Op, sizeOf } from "./view.ts";

function permuted(x: Tensor, dims: readonly number[]): Geometry {
  return {
    shape: dims.map((d) => x.shape[d] as number),
    strides: dims.map((d) => x._strides[d] as number),
    offset: x._offset,
  };
}

const permutePrimitive: (x: Tensor, params: readonly number[]) => Tensor = viewOf<readonly number[]>({
  name: "permute",
  geometry: permuted,
  vjp: (g, ctx) => {
    const inverse: number[] = [];
    ctx.params.forEach((d, i) => (inverse[d] = i));
    return permutePrimitive(g, inverse);
  },
});

/** The dimensions in another order. */
export const permute: Op<(input: Tensor, ...dims: (number | readonly number[])[]) => Tensor> = operator(
  "permute(Tensor input, int[]... dims)",
  (x: Tensor, list: number[]) => {
    const dims = sizeOf(list);
    if (dims.length !== x.ndim) {
      throw new TorchError(
        `permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of dimensions i.e. input.dim() = ${x.ndim} is not equal to len(dims) = ${dims.length}`,
      );
    }
    const seen = new Set<number>();
    const wrapped = dims.map((d) => {
      const w = wrapDim(d, x.ndim);
      if (seen.has(w)) throw new TorchError("permute(): duplicate dims are not allowed.");
      seen.add(w);
      return w;
    });
    return permutePrimitive(x, wrapped);
  },
);

function swapped(x: Tensor, a: number, b: number): Geometry {
  const shape = x.shape.slice();
  const strides = x._strides.slice();
  if (a !== b) {
    [shape[a], shape[b]] = [shape[b] as number, shape[a] as number];
    [strides[a], strides[b]] = [strides[b] as number, strides[a] as number];
  }
  return { shape, strides, offset: x._offset };
}

const transposePrimitive: (x: Tensor, params: readonly [number, number]) => Tensor = viewOf<readonly [number, number]>({
  name: "transpose",
  geometry: (x, [a, b]) => swapped(x, a, b),
  vjp: (g, ctx) => transposePrimitive(g, ctx.params),
});

/** With two dimensions swapped. */
export const transpose: Op<(input: Tensor, dim0: number, dim1: number) => Tensor> = operator(
  "transpose(Tensor input, int dim0, int dim1)",
  (x: Tensor, a: number, b: number) => transposePrimitive(x, [wrapDim(a, x.ndim), wrapDim(b, x.ndim)]),
);

const tPrimitive: (x: Tensor, params: null) => Tensor = viewOf<null>({
  name: "t",
  geometry: (x) => swapped(x, 0, x.ndim === 2 ? 1 : 0),
  vjp: (g) => tPrimitive(g, null),
});

/** The transpose of a matrix; tensors of fewer dimensions are returned as they are. */
export const t: Op<(input: Tensor) => Tensor> = operator("t(Tensor input)", (x: Tensor) => {
  if (x.ndim > 2) throw new TorchError(`t() expects a tensor with <= 2 dimensions, but self is ${x.ndim}D`);
  return tPrimitive(x, null);
});

/** Moves dimensions to other positions; the rest keep their order. */
export const movedim: Op<
  (input: Tensor, source: number | readonly number[], destination: number | readonly number[]) => Tensor
> = operator(
  "movedim(Tensor input, int[] source, int[] destination)",
  (x: Tensor, source: number[], destination: number[]) => {
    if (source.length !== destination.length) {
      throw new TorchError(
        `movedim: Invalid source or destination dims: source (${formatShape(source)} dims) should contain the same number of dims as destination (${formatShape(destination)} dims)`,
      );
    }
    if (x.ndim === 0) return aliasOf(x);
    const from = wrapDims(source, x.ndim, false);
    const to = wrapDims(destination, x.ndim, false);
    if (x.ndim === 0) return aliasOf(x);
    const order = new Array<number>(x.ndim).fill(-1);
    to.forEach((d, i) => (order[d] = from[i] as number));
    const rest = x.shape.map((_, d) => d).filter((d) => !from.includes(d));
    return permutePrimitive(
      x,
      order.map((d) => (d < 0 ? (rest.shift() as number) : d)),
    );
  },
);
