/**
 * The largest and smallest elements, and where they are.
 */
import type { Backend, Program } from "../backend/backend.ts";
import { type DType, int64 } from "../base/dtype.ts";
import { ArgumentTypeError, IndexError, NotImplementedError, TorchError } from "../base/errors.ts";
import { contiguousStrides, wrapDim } from "../base/shape.ts";
import { contiguousRaw } from "../dispatch/elementwise.ts";
import { dimLast } from "../dispatch/family/order.ts";
import { named, type NamedPair, type ValuesIndices } from "../dispatch/named.ts";
import type { OutOption } from "../dispatch/out.ts";
import { describe, type OpInfo, operator } from "../dispatch/op.ts";
import { apply, type Primitive, primitive } from "../dispatch/primitive.ts";
import { isOptions, pythonTypeOf } from "../dispatch/signature.ts";
import { E, type Expr } from "../ir/expr.ts";
import { computeType, type Kernel, type Stmt } from "../ir/kernel.ts";
import { alias, allocate, Tensor } from "../tensor/tensor.ts";
import { maximum, minimum } from "./compare.ts";
import { amax, amin, maxAll, minAll, restore } from "./reduce.ts";
import type { Op } from "./view.ts";

const programs = new WeakMap<Backend, Map<string, Program>>();

/** For each row of `n` neighbours: the first extreme element, or the first NaN, and its position. */
function rowsKernel(name: "max" | "min", dtype: DType, key: string): Kernel {
  const natural = computeType(dtype);
  const type = natural === "bool" ? "i32" : natural;
  const [rows, n] = [E.scalar("i32", 0), E.scalar("i32", 1)];
  const load = (j: Expr): Expr => E.cast(type, E.load(natural, 2, E.add(E.mul(E.index(0), n), j)));
  const best = E.var(type, 0);
  const x = E.var(type, 2);
  const better = name === "max" ? E.gt(x, best) : E.lt(x, best);
  const float = type === "f32" || type === "f64";
  const take = float ? E.or(better, E.and(E.isnan(x), E.not(E.isnan(best)))) : better;
  const body: Stmt[] = [
    { kind: "var", id: 0, value: load(E.const("i32", 0)) },
    { kind: "var", id: 1, value: E.const("i32", 0) },
    {
      kind: "loop",
      loop: 1,
      mode: "serial",
      extent: n,
      body: [
        { kind: "let", id: 2, value: load(E.index(1)) },
        {
          kind: "if",
          cond: take,
          then: [
            { kind: "assign", id: 0, value: x },
            { kind: "assign", id: 1, value: E.index(1) },
          ],
        },
      ],
    },
    { kind: "store", buffer: 0, index: E.index(0), value: E.cast(natural, best) },
    { kind: "store", buffer: 1, index: E.index(0), value: E.cast("i64", E.var("i32", 1)) },
  ];
  return {
    name: `${name}_rows`,
    key,
    buffers: [
      { name: "values", dtype, access: "write" },
      { name: "indices", dtype: int64, access: "write" },
      { name: "in", dtype, access: "read" },
    ],
    scalars: [
      { name: "rows", type: "i32" },
      { name: "n", type: "i32" },
    ],
    body: [{ kind: "loop", loop: 0, mode: "parallel", extent: rows, body }],
  };
}

/** Values and positions along `dim`; both without that dimension. */
function extremeRaw(name: "max" | "min", x: Tensor, dim: number): [Tensor, Tensor] {
  const rows = contiguousRaw(dimLast(x, dim));
  const shape = x.shape.length === 0 ? [] : rows.shape.slice(0, -1);
  const values = allocate(shape, x.dtype, x._backend);
  const indices = allocate(shape, int64, x._backend);
  if (values._numel === 0) return [values, indices];
  const key = `${name}_rows:${x.dtype.name}`;
  let table = programs.get(x._backend);
  if (table === undefined) {
    table = new Map();
    programs.set(x._backend, table);
  }
  let program = table.get(key);
  if (program === undefined) {
    program = x._backend.compile(rowsKernel(name, x.dtype, key));
    table.set(key, program);
  }
  program.run(values._ptr, indices._ptr, rows._ptr, values._numel, rows.shape.at(-1) as number);
  return [values, indices];
}

interface Params {
  readonly dim: number;
  readonly keepdim: boolean;
}

function kept(t: Tensor, x: Tensor, { dim, keepdim }: Params): Tensor {
  if (!keepdim || x.shape.length === 0) return t;
  const shape = x.shape.map((n, d) => (d === dim ? 1 : n));
  return alias(t, shape, contiguousStrides(shape), t._offset);
}

const alongDim = (name: "max" | "min"): Primitive<Params> =>
  primitive<Params>({
    name,
    forward: ([x], params) => extremeRaw(name, x as Tensor, params.dim).map((t) => kept(t, x as Tensor, params)),
    nonDifferentiable: [1],
    grads: [
      {
        uses: ["out1"],
        vjp: (g, ctx) => {
          const { dim, keepdim } = ctx.params;
          const shape = ctx.shape(0);
          const back = (t: Tensor): Tensor => (keepdim || shape.length === 0 ? t : t.unsqueeze(dim));
          return g.new_zeros(shape).scatter(dim, back(ctx.output(1)), back(g));
        },
      },
    ],
  });

function checkDim(name: string, x: Tensor, dim: number): number {
  const d = wrapDim(dim, x.ndim);
  if (x.ndim > 0 && x.shape[d] === 0) {
    throw new IndexError(`${name}: Expected reduction dim ${d} to have non-zero size.`);
  }
  return d;
}

/** The largest of all elements; with `dim` values and indices; with another tensor the larger of both, by element. */
export interface ExtremeOperator {
  (input: Tensor, options?: OutOption): Tensor;
  (input: Tensor, other: Tensor, options?: OutOption): Tensor;
  (
    input: Tensor,
    dim: number,
    keepdim?: boolean | { keepdim?: boolean; out?: readonly Tensor[] },
    options?: { out?: readonly Tensor[] },
  ): ValuesIndices;
  (input: Tensor, options: { dim: number; keepdim?: boolean; out?: readonly Tensor[] }): ValuesIndices;
  readonly op: OpInfo;
}

function defineExtreme(name: "max" | "min"): ExtremeOperator {
  const prim = alongDim(name);
  const all = name === "max" ? maxAll : minAll;
  const binary = (name === "max" ? maximum : minimum) as unknown as (a: Tensor, b: Tensor) => Tensor;
  const inner = operator<(...args: unknown[]) => unknown>(
    `${name}(Tensor input, Tensor|int? dim=None, bool keepdim=False)`,
    (x: Tensor, dim: Tensor | number | null, keepdim: boolean) => {
      if (dim instanceof Tensor) return binary(x, dim);
      if (x.dtype.is_complex) {
        throw new NotImplementedError(`"${name}" not implemented for '${x.dtype.scalarName}'`);
      }
      if (dim === null) {
        if (x._numel === 0) {
          throw new TorchError(
            `${name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument.`,
          );
        }
        return all(x);
      }
      const d = checkDim(`${name}()`, x, dim);
      const [values, indices] = apply(prim, [x], { dim: d, keepdim }) as [Tensor, Tensor];
      return named(name, { values, indices });
    },
  );
  const fn = (...args: unknown[]): unknown => {
    const last = args.findLastIndex((a) => a !== undefined);
    const options = args[last];
    if (isOptions(options) && "other" in options) {
      const { other, ...rest } = options;
      if (!(other instanceof Tensor)) {
        throw new ArgumentTypeError(`${name}(): argument 'other' must be Tensor, not ${pythonTypeOf(other)}`);
      }
      return inner(...args.slice(0, last), { ...rest, dim: other });
    }
    return inner(...args);
  };
  return describe(fn as unknown as ExtremeOperator, inner.op.signature);
}

/**
 * The largest of all elements, `torch.max(x)`; the largest along a dimension and where they are, `torch.max(x, dim)`: the first
 * of equal ones; or the larger of two tensors by element, `torch.max(x, y)`. NaN counts as larger than all.
 */
export const max: ExtremeOperator = defineExtreme("max");
/** As {@link max}, the smallest. NaN counts as smaller than all. */
export const min: ExtremeOperator = defineExtreme("min");

type ArgExtreme = Op<
  (
    input: Tensor,
    dim?: number | null | { dim?: number | null; keepdim?: boolean; out?: Tensor },
    keepdim?: boolean | OutOption,
    options?: OutOption,
  ) => Tensor
>;

function defineArg(name: "argmax" | "argmin"): ArgExtreme {
  const which = name === "argmax" ? "max" : "min";
  return operator(
    `${name}(Tensor input, int? dim=None, bool keepdim=False)`,
    (x: Tensor, dim: number | null, keepdim: boolean) => {
      if (x.dtype.category === 0 || x.dtype.is_complex) {
        throw new NotImplementedError(`"${name}_cpu" not implemented for '${x.dtype.scalarName}'`);
      }
      if (dim !== null) {
        const d = checkDim(`${name}()`, x, dim);
        return kept(extremeRaw(which, x, d)[1], x, { dim: d, keepdim });
      }
      if (x._numel === 0) {
        throw new IndexError(
          `${name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument.`,
        );
      }
      const dense = contiguousRaw(x);
      const [, index] = extremeRaw(which, alias(dense, [x._numel], [1], dense._offset), 0);
      if (!keepdim) return index;
      return alias(
        index,
        x.shape.map(() => 1),
        x.shape.map(() => 1),
        index._offset,
      );
    },
  );
}

/** Where the largest element is: in row-major order, or along a dimension; the first of equal ones. */
export const argmax: ArgExtreme = defineArg("argmax");
/** Where the smallest element is: in row-major order, or along a dimension; the first of equal ones. */
export const argmin: ArgExtreme = defineArg("argmin");

// --- both at once ----------------------------------------------------------------------------------------------------

interface BothParams {
  readonly dims: readonly number[];
  readonly keepdim: boolean;
}

const bothPrimitive = primitive<BothParams>({
  name: "aminmax",
  forward: ([input], { dims, keepdim }) => {
    const x = (input as Tensor).detach();
    return [amin(x, [...dims], keepdim), amax(x, [...dims], keepdim)];
  },
  joint: {
    uses: () => [0, "out", "out1"],
    vjp: (grads, ctx) => {
      const x = ctx.input(0);
      const { dims, keepdim } = ctx.params;
      const back = (t: Tensor): Tensor => restore(t, x.shape, dims, keepdim);
      let total: Tensor | null = null;
      for (const [k, g] of grads.entries()) {
        if (g == null) continue;
        const mask = x.detach().eq(back(ctx.output(k).detach()));
        const count = mask.sum(dims.length === 0 ? null : [...dims], true);
        const part = back(g).mul(mask).div(count);
        total = total === null ? part : (total as Tensor).add(part);
      }
      return [total];
    },
  },
});

/** The smallest and the largest elements, of all or along a dimension; equal ones share the gradient. */
export const aminmax: Op<
  (
    input: Tensor,
    options?: { dim?: number | null; keepdim?: boolean; out?: readonly Tensor[] },
  ) => NamedPair<"min", "max">
> = operator(
  "aminmax(Tensor input, *, int? dim=None, bool keepdim=False)",
  (x: Tensor, dim: number | null, keepdim: boolean) => {
    if (x.ndim > 64) throw new TorchError("only tensors with up to 64 dims are supported");
    let dims: number[];
    if (dim === null) {
      if (x._numel === 0) {
        throw new TorchError(
          "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity.",
        );
      }
      dims = x.shape.map((_, d) => d);
    } else {
      const d = wrapDim(dim, x.ndim);
      if (x.ndim > 0 && x.shape[d] === 0) {
        throw new IndexError(`aminmax: Expected reduction dim ${d} to have non-zero size.`);
      }
      dims = x.ndim === 0 ? [] : [d];
    }
    const [least, most] = apply(bothPrimitive, [x], { dims, keepdim }) as [Tensor, Tensor];
    return named("aminmax", { min: least, max: most });
  },
);
