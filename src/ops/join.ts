/**
 * Joining tensors.
 */
import { TorchError, ValueError } from "../base/errors.ts";
import { resultTypeOf } from "../base/promote.ts";
import { formatShape, wrapDim } from "../base/shape.ts";
import { copyRaw } from "../dispatch/elementwise.ts";
import { operator } from "../dispatch/op.ts";
import { apply1, primitive } from "../dispatch/primitive.ts";
import { alias, allocate, type Tensor } from "../tensor/tensor.ts";
import { narrow, select } from "./slice.ts";
import { type Op, unsqueeze } from "./view.ts";

/** A 1-d tensor without elements joins with anything, as it always did in PyTorch. */
const skips = (x: Tensor): boolean => x.ndim === 1 && x.shape[0] === 0;

const catPrimitive = primitive<number>({
  name: "cat",
  forward: (inputs, dim) => {
    const parts = inputs.filter((x) => !skips(x));
    const dtype = resultTypeOf(inputs);
    const first = parts[0] ?? (inputs[0] as Tensor);
    const size = parts.reduce((n, x) => n + (x.shape[dim] as number), 0);
    const shape = first.shape.map((n, d) => (d === dim ? size : n));
    const out = allocate(parts.length === 0 ? [0] : shape, dtype, first._backend);
    let at = 0;
    for (const x of parts) {
      copyRaw(alias(out, x.shape, out._strides, at * (out._strides[dim] as number)), x);
      at += x.shape[dim] as number;
    }
    return out;
  },
  joint: {
    uses: () => [],
    vjp: ([g], ctx) => {
      let at = 0;
      return (g === null || g === undefined ? [] : Array.from({ length: catCount(ctx) }, (_, i) => i)).map((i) => {
        const shape = ctx.shape(i);
        if (shape.length === 1 && shape[0] === 0 && (g as Tensor).ndim !== 1) return (g as Tensor).new_zeros([0]);
        const n = shape[ctx.params] as number;
        at += n;
        return ctx.needs(i) ? narrow(g as Tensor, ctx.params, at - n, n) : null;
      });
    },
  },
});

function catCount(ctx: { shape(i: number): readonly number[] | undefined }): number {
  let n = 0;
  while (ctx.shape(n) !== undefined) n++;
  return n;
}

/** The tensors one after another along a dimension; the other sizes must be equal. */
export const cat: Op<(tensors: readonly Tensor[], dim?: number, options?: { out?: Tensor | null }) => Tensor> =
  operator(
    "cat(Tensor[] tensors, int dim=0)",
    (tensors: Tensor[], dim: number) => {
      if (tensors.length === 0) throw new ValueError("torch.cat(): expected a non-empty list of Tensors");
      tensors.forEach((x, i) => {
        if (x.ndim === 0) throw new TorchError(`zero-dimensional tensor (at position ${i}) cannot be concatenated`);
      });
      const first = tensors.find((x) => !skips(x)) ?? (tensors[0] as Tensor);
      const d = wrapDim(dim, first.ndim);
      tensors.forEach((x, i) => {
        if (skips(x)) return;
        if (x.ndim !== first.ndim) {
          throw new TorchError(`Tensors must have same number of dimensions: got ${first.ndim} and ${x.ndim}`);
        }
        first.shape.forEach((n, k) => {
          if (k !== d && x.shape[k] !== n) {
            throw new TorchError(
              `Sizes of tensors must match except in dimension ${d}. Expected size ${n} but got size ${x.shape[k]} for tensor number ${i} in the list.`,
            );
          }
        });
      });
      return apply1(catPrimitive, tensors, d);
    },
    { method: false },
  );

const stackPrimitive = primitive<number>({
  name: "stack",
  forward: (inputs, dim) => {
    const parts = inputs.map((x) => unsqueeze(alias(x, x.shape, x._strides, x._offset), dim));
    return catPrimitive.forward(parts, dim);
  },
  joint: {
    uses: () => [],
    vjp: ([g], ctx) =>
      Array.from({ length: catCount(ctx) }, (_, i) => (g && ctx.needs(i) ? select(g, ctx.params, i) : null)),
  },
});

/** Tensors of equal shape along a new dimension. */
export const stack: Op<(tensors: readonly Tensor[], dim?: number, options?: { out?: Tensor | null }) => Tensor> =
  operator(
    "stack(Tensor[] tensors, int dim=0)",
    (tensors: Tensor[], dim: number) => {
      const first = tensors[0];
      if (first === undefined) throw new TorchError("stack expects a non-empty TensorList");
      tensors.forEach((x, i) => {
        if (x.ndim !== first.ndim || x.shape.some((n, k) => n !== first.shape[k])) {
          throw new TorchError(
            `stack expects each tensor to be equal size, but got ${formatShape(first.shape)} at entry 0 and ${formatShape(x.shape)} at entry ${i}`,
          );
        }
      });
      return apply1(stackPrimitive, tensors, wrapDim(dim, first.ndim + 1));
    },
    { method: false },
  );
