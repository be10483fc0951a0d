/**
 * The cross product and the Kronecker product.
 */
import { no_grad } from "../autograd/modes.ts";
import { resultTypeOf } from "../base/promote.ts";
import { TorchError } from "../base/errors.ts";
import { broadcastAll, wrapDim } from "../base/shape.ts";
import { copyRaw } from "../dispatch/elementwise.ts";
import { operator } from "../dispatch/op.ts";
import { apply1, type Primitive, primitive, untracked } from "../dispatch/primitive.ts";
import { alias, allocate, type Tensor } from "../tensor/tensor.ts";
import { roll } from "./flip.ts";
import { reshape, type Op } from "./view.ts";

const crossPrimitive: Primitive<number> = primitive<number>({
  name: "linalg_cross",
  forward: ([x, y], dim) =>
    no_grad(() => {
      const shape = broadcastAll([(x as Tensor).shape, (y as Tensor).shape]);
      const [a, b] = [x, y].map((t) => untracked(t as Tensor).expand(shape)) as [Tensor, Tensor];
      const value = roll(a, [-1], [dim])
        .mul(roll(b, [-2], [dim]))
        .sub(roll(a, [-2], [dim]).mul(roll(b, [-1], [dim])));
      const out = allocate(shape, value.dtype, value._backend);
      copyRaw(out, value);
      return out;
    }),
  grads: [
    { uses: [1], vjp: (g, ctx) => apply1(crossPrimitive, [ctx.input(1).conj(), g], ctx.params) },
    { uses: [0], vjp: (g, ctx) => apply1(crossPrimitive, [g, ctx.input(0).conj()], ctx.params) },
  ],
});

function crossOf(a: Tensor, b: Tensor, dim: number): Tensor {
  if (a.ndim !== b.ndim) throw new TorchError("linalg.cross: inputs must have the same number of dimensions.");
  const d = wrapDim(dim, a.ndim);
  if (a.shape[d] !== 3 || b.shape[d] !== 3) {
    throw new TorchError(
      `linalg.cross: inputs dimension ${dim} must have length 3. Got ${a.shape[d]} and ${b.shape[d]}`,
    );
  }
  const dtype = resultTypeOf([a, b]);
  return apply1(crossPrimitive, [a.to(dtype), b.to(dtype)], d - a.ndim);
}

/** The cross products of vectors of 3 along a dim. */
export const linalg_cross: Op<
  (input: Tensor, other: Tensor, options?: { dim?: number; out?: Tensor | null }) => Tensor
> = operator(
  "linalg_cross(Tensor input, Tensor other, *, int dim=-1)",
  (a: Tensor, b: Tensor, dim: number) => crossOf(a, b, dim),
  { method: false, namespace: false },
);

/** The cross products of vectors of 3 along a dim; without `dim` the first of size 3. */
export const cross: Op<
  (input: Tensor, other: Tensor, dim?: number | null, options?: { out?: Tensor | null }) => Tensor
> = operator("cross(Tensor input, Tensor other, int? dim=None)", (a: Tensor, b: Tensor, dim: number | null) => {
  if (dim !== null) return crossOf(a, b, dim);
  const found = a.shape.indexOf(3);
  if (found < 0) throw new TorchError("no dimension of size 3 in input");
  return crossOf(a, b, found);
});

const joined = primitive<readonly number[]>({
  name: "_unsafe_view",
  gradName: "UnsafeViewBackward0",
  forward: ([x], shape) => {
    const t = x as Tensor;
    const flat = t._isContiguous ? t : untracked(t).contiguous();
    const out = allocate(shape, flat.dtype, flat._backend);
    copyRaw(alias(out, flat.shape, flat._strides, 0), flat);
    return out;
  },
  grads: [{ vjp: (g, ctx) => reshape(g, ctx.shape(0)) }],
});

/** The Kronecker product: for each element of the first tensor the second, times that element. */
export const kron: Op<(input: Tensor, other: Tensor, options?: { out?: Tensor | null }) => Tensor> = operator(
  "kron(Tensor input, Tensor other)",
  (a: Tensor, b: Tensor) => {
    const n = Math.max(a.ndim, b.ndim);
    const sizes = (x: Tensor, i: number): number => x.shape[i - (n - x.ndim)] ?? 1;
    const result: number[] = [];
    const [wideA, wideB]: [number[], number[]] = [[], []];
    for (let i = 0; i < n; i++) {
      wideA.push(sizes(a, i), 1);
      wideB.push(1, sizes(b, i));
      result.push(sizes(a, i) * sizes(b, i));
    }
    return apply1(joined, [reshape(a, wideA).mul(reshape(b, wideB))], result);
  },
);
