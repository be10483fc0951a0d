/**
 * Splitting a tensor into several views.
 */
import { IndexError, TorchError } from "../base/errors.ts";
import { formatShape, wrapDim } from "../base/shape.ts";
import { operator } from "../dispatch/op.ts";
import { apply, type Primitive, primitive } from "../dispatch/primitive.ts";
import { alias, type Tensor } from "../tensor/tensor.ts";
import { cat } from "./join.ts";
import { type Op, unsqueeze } from "./view.ts";

/** Zeros stand for the gradients of parts that were not used. */
function withZeros(grads: readonly (Tensor | null)[], shapes: readonly (readonly number[])[]): Tensor[] {
  const some = grads.find((g) => g !== null) as Tensor;
  return grads.map((g, i) => g ?? some.new_zeros(shapes[i] as readonly number[]));
}

const multiView = (
  name: string,
  gradName: string,
): ((x: Tensor, params: { dim: number; sizes: readonly number[] }) => Tensor[]) => {
  const prim = primitive<{ dim: number; sizes: readonly number[] }>({
    name,
    gradName,
    view: "multi_output",
    forward: ([input], { dim, sizes }) => {
      const x = input as Tensor;
      let start = 0;
      return sizes.map((n) => {
        const part = alias(
          x,
          x.shape.map((m, d) => (d === dim ? n : m)),
          x._strides,
          x._offset + start * (x._strides[dim] as number),
        );
        start += n;
        return part;
      });
    },
    joint: {
      uses: () => [],
      vjp: (grads, ctx) => {
        const { dim, sizes } = ctx.params;
        const shapes = sizes.map((n) => ctx.shape(0).map((m, d) => (d === dim ? n : m)));
        return [cat(withZeros(grads, shapes), dim)];
      },
    },
  });
  return (x, params) => applyMany(prim, x, params);
};

function applyMany<P>(prim: Primitive<P>, x: Tensor, params: P): Tensor[] {
  return apply(prim, [x], params) as Tensor[];
}

const splitPrimitive = multiView("split", "SplitBackward0");
const splitSizesPrimitive = multiView("split_with_sizes", "SplitWithSizesBackward0");

function splitInto(x: Tensor, size: number, dim: number): Tensor[] {
  if (x.ndim === 0) throw new TorchError("split expects at least a 1-dimensional tensor");
  const d = wrapDim(dim, x.ndim);
  if (size < 0) throw new TorchError(`split expects split_size be non-negative, but got split_size=${size}`);
  const n = x.shape[d] as number;
  if (size === 0 && n !== 0) {
    throw new TorchError(`split_size can only be 0 if dimension size is 0, but got dimension size of ${n}`);
  }
  const count = size === 0 ? 1 : Math.max(Math.ceil(n / size), 1);
  const sizes = Array.from({ length: count }, (_, i) => (i < count - 1 ? size : n - size * (count - 1)));
  return splitPrimitive(x, { dim: d, sizes });
}

function splitWithSizes(x: Tensor, sizes: readonly number[], dim: number): Tensor[] {
  if (x.ndim === 0) throw new TorchError("split_with_sizes expects at least a 1-dimensional tensor");
  const d = wrapDim(dim, x.ndim);
  const n = x.shape[d] as number;
  const total = sizes.reduce((a, b) => a + b, 0);
  for (const s of sizes) {
    if (s < 0) {
      throw new TorchError(
        `split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes=${formatShape(sizes)}`,
      );
    }
  }
  if (total !== n) {
    throw new TorchError(
      `split_with_sizes expects split_sizes to sum exactly to ${n} (input tensor's size at dimension ${d}), but got split_sizes=${formatShape(sizes)}`,
    );
  }
  return splitSizesPrimitive(x, { dim: d, sizes });
}

/** Parts of the given size, or sizes, along a dimension, as views; the last may be smaller. */
export const split: Op<(input: Tensor, split_size_or_sections: number | readonly number[], dim?: number) => Tensor[]> =
  operator(
    "split(Tensor input, int|int[] split_size_or_sections, int dim=0)",
    (x: Tensor, size: number | number[], dim: number) =>
      typeof size === "number" ? splitInto(x, size, dim) : splitWithSizes(x, size, dim),
  );

/** Parts of the given sizes along a dimension, as views. */
export const split_with_sizes: Op<(input: Tensor, split_sizes: readonly number[], dim?: number) => Tensor[]> = operator(
  "split_with_sizes(Tensor input, int[] split_sizes, int dim=0)",
  splitWithSizes,
);

/** At most `chunks` parts of equal size along a dimension, as views. */
export const chunk: Op<(input: Tensor, chunks: number, dim?: number) => Tensor[]> = operator(
  "chunk(Tensor input, int chunks, int dim=0)",
  (x: Tensor, chunks: number, dim: number) => {
    if (x.ndim === 0) throw new TorchError("chunk expects at least a 1-dimensional tensor");
    if (chunks <= 0) throw new TorchError(`chunk expects \`chunks\` to be greater than 0, got: ${chunks}`);
    const d = wrapDim(dim, x.ndim);
    const n = x.shape[d] as number;
    const size = Math.floor((n + chunks - 1) / chunks);
    if (size === 0) return splitWithSizes(x, new Array<number>(chunks).fill(0), d);
    return splitInto(x, size, d);
  },
);

const unbindPrimitive = primitive<number>({
  name: "unbind",
  view: "multi_output",
  forward: ([input], dim) => {
    const x = input as Tensor;
    const shape = x.shape.filter((_, d) => d !== dim);
    const strides = x._strides.filter((_, d) => d !== dim);
    return Array.from({ length: x.shape[dim] as number }, (_, i) =>
      alias(x, shape, strides, x._offset + i * (x._strides[dim] as number)),
    );
  },
  joint: {
    uses: () => [],
    vjp: (grads, ctx) => {
      const shape = ctx.shape(0).filter((_, d) => d !== ctx.params);
      const parts = withZeros(
        grads,
        grads.map(() => shape),
      );
      return [
        cat(
          parts.map((p) => unsqueeze(p, ctx.params)),
          ctx.params,
        ),
      ];
    },
  },
});

/** The slices along a dimension, as views. */
export const unbind: Op<(input: Tensor, dim?: number) => Tensor[]> = operator(
  "unbind(Tensor input, int dim=0)",
  (x: Tensor, dim: number) => {
    if (x.ndim === 0) throw new IndexError("Dimension specified as 0 but tensor has no dimensions");
    return applyMany(unbindPrimitive, x, wrapDim(dim, x.ndim));
  },
);
