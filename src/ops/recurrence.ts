/**
 * Linear recurrences along a dimension: what the gradients of running products are made of.
 */
import { Scan } from "../dispatch/family/scan.ts";
import { apply1, type Primitive, primitive } from "../dispatch/primitive.ts";
import { E, type Expr } from "../ir/expr.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { cat } from "./join.ts";

interface Params {
  readonly dim: number;
  readonly reverse: boolean;
}

const forwards = new Scan({
  name: "recurrence",
  start: (type) => [E.const(type, 0)],
  step: ([y], [a, g], i) => [E.select(E.eq(i, 0), g as Expr, E.add(g as Expr, E.mul(a as Expr, y as Expr)))],
});

const backwards = new Scan({
  name: "recurrence_reversed",
  start: (type) => [E.const(type, 0), E.const(type, 0)],
  step: ([y, factor], [a, g], i) => [
    E.select(E.eq(i, 0), g as Expr, E.add(g as Expr, E.mul(factor as Expr, y as Expr))),
    a as Expr,
  ],
  reverse: true,
});

const recurrencePrimitive: Primitive<Params> = primitive<Params>({
  name: "recurrence",
  forward: ([a, g], { dim, reverse }) =>
    (reverse ? backwards : forwards).run([a as Tensor, g as Tensor], dim, [(g as Tensor).dtype], true)[0] as Tensor,
  grads: [
    {
      uses: [0, "out"],
      vjp: (gy, ctx) => {
        const { dim, reverse } = ctx.params;
        const z = recurrence(ctx.input(0), gy, dim, !reverse);
        const y = ctx.output();
        return reverse ? shifted(z, dim, 0).mul(y) : z.mul(shifted(y, dim, 0));
      },
    },
    { uses: [0], vjp: (gy, ctx) => recurrence(ctx.input(0), gy, ctx.params.dim, !ctx.params.reverse) },
  ],
});

/**
 * `y[k] = g[k] + a[k] * y[k - 1]` along a dimension; in reverse `y[k] = g[k] + a[k + 1] * y[k + 1]`, which is its transpose in
 * `g`.
 */
export function recurrence(a: Tensor, g: Tensor, dim: number, reverse: boolean): Tensor {
  return apply1(recurrencePrimitive, [a, g], { dim, reverse });
}

/** Each element one place further along a dimension; the first is `start`. */
export function shifted(x: Tensor, dim: number, start: number): Tensor {
  const first = x.new_full(
    x.shape.map((n, d) => (d === dim ? 1 : n)),
    start,
  );
  return cat([first, x.narrow(dim, 0, (x.shape[dim] as number) - 1)], dim);
}
