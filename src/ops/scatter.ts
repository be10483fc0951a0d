/**
 * Writing elements to places that an index tensor names, along one dimension.
 */
import { TorchError } from "../base/errors.ts";
import type { Scalar } from "../base/promote.ts";
import { wrapDim } from "../base/shape.ts";
import { type IndexMode, placesOf, scatterRaw } from "../dispatch/family/indexing.ts";
import { type InplaceOp, Modify, modifying } from "../dispatch/modify.ts";
import type { OutOption } from "../dispatch/out.ts";
import { PyFloat, type ScalarLike } from "../dispatch/signature.ts";
import { Tensor } from "../tensor/tensor.ts";
import { gather } from "./gather.ts";
import { checkIndexShape, dimSize, exactPlaces } from "./index-checks.ts";
import {
  divideBy,
  extreme,
  filled,
  identityOf,
  numberLike,
  productGradients,
  type ReduceName,
} from "./scatter-reduction.ts";

function write(target: Tensor, dim: number, index: Tensor, src: Tensor, mode: IndexMode): void {
  const size = dimSize(target, dim);
  scatterRaw(target, dim, placesOf(index, size, exactPlaces(dim, size)), src, mode);
}

interface Params {
  readonly dim: number;
  readonly mode: IndexMode;
}

const scatterSrc = new Modify<Params>({
  name: "scatter",
  layout: "contiguous",
  write: (target, [, index, src], { dim, mode }) => write(target, dim, index as Tensor, src as Tensor, mode),
  grads: [
    { uses: [1], vjp: (g, ctx) => g.scatter(ctx.params.dim, ctx.input(1), 0) },
    null,
    { uses: [1], vjp: (g, ctx) => gather(g, ctx.params.dim, ctx.input(1)) },
  ],
});

const scatterReduced = new Modify<Params>({
  name: "scatter",
  layout: "contiguous",
  write: (target, [, index, src], { dim, mode }) => write(target, dim, index as Tensor, src as Tensor, mode),
  grads: {
    vjp: () => {
      throw new TorchError("the derivative for 'scatter' with reduce is not implemented.");
    },
  },
});

const scatterValue = new Modify<Params & { readonly value: Scalar }>({
  name: "scatter",
  gradName: "ScatterBackward1",
  layout: "contiguous",
  write: (target, [, index], { dim, mode, value }) =>
    write(target, dim, index as Tensor, numberLike(target, value), mode),
  grads: [{ uses: [1], vjp: (g, ctx) => g.scatter(ctx.params.dim, ctx.input(1), 0) }],
});

function modeOf(reduce: string | null): IndexMode {
  switch (reduce) {
    case null:
      return "set";
    case "add":
      return "add";
    case "multiply":
      return "mul";
  }
  throw new TorchError("reduce argument must be either add or multiply.");
}

/** `value` is another name for a `src` that is a number. */
function withValue(args: readonly unknown[]): unknown[] {
  return args.map((a) => {
    if (typeof a !== "object" || a === null || !("value" in a) || a instanceof PyFloat || a instanceof Tensor) return a;
    const { value, ...rest } = a as Record<string, unknown>;
    return { ...rest, src: value };
  });
}

type ScatterOptions = OutOption & { reduce?: "add" | "multiply" | null };

/**
 * A copy of `input` with elements of `src` (or one number) written to the places that `index` names along `dim`: for `dim` 0,
 * `out[index[i][j]][j] = src[i][j]`. With `reduce`, combined with what is there.
 */
export const scatter: InplaceOp<
  (
    input: Tensor,
    dim: number,
    index: Tensor,
    src: Tensor | ScalarLike | { value: ScalarLike },
    options?: ScatterOptions,
  ) => Tensor
> = modifying(
  "scatter(Tensor input, int dim, Tensor index, Tensor|Scalar src, *, str? reduce=None)",
  (inplace, x: Tensor, dim: number, index: Tensor, src: Tensor | ScalarLike, reduce: string | null) => {
    const d = wrapDim(dim, x.ndim);
    const mode = modeOf(reduce);
    if (src instanceof Tensor) {
      if (src.dtype !== x.dtype) throw new TorchError("scatter(): Expected self.dtype to be equal to src.dtype");
      checkIndexShape("scatter", x, d, index, src);
      return (reduce === null ? scatterSrc : scatterReduced).run([x, index, src], { dim: d, mode }, inplace);
    }
    checkIndexShape("scatter", x, d, index, null);
    const value = src instanceof PyFloat ? src.value : src;
    return scatterValue.run([x, index], { dim: d, mode, value }, inplace);
  },
  { prepare: withValue },
);

const scatterAddModify = new Modify<number>({
  name: "scatter_add",
  layout: "contiguous",
  write: (target, [, index, src], dim) => write(target, dim, index as Tensor, src as Tensor, "add"),
  grads: [{ vjp: (g) => g }, null, { uses: [1], vjp: (g, ctx) => gather(g, ctx.params, ctx.input(1)) }],
});

/** A copy of `input` with elements of `src` added at the places that `index` names along `dim`. */
export const scatter_add: InplaceOp<
  (input: Tensor, dim: number, index: Tensor, src: Tensor, options?: OutOption) => Tensor
> = modifying(
  "scatter_add(Tensor input, int dim, Tensor index, Tensor src)",
  (inplace, x: Tensor, dim: number, index: Tensor, src: Tensor) => {
    const d = wrapDim(dim, x.ndim);
    if (src.dtype !== x.dtype) throw new TorchError("scatter(): Expected self.dtype to be equal to src.dtype");
    checkIndexShape("scatter", x, d, index, src);
    return scatterAddModify.run([x, index, src], d, inplace);
  },
);

// --- reductions ------------------------------------------------------------------------------------------------------

interface ReduceParams {
  readonly dim: number;
  readonly reduce: ReduceName;
  readonly include_self: boolean;
}

const modes: Readonly<Record<ReduceName, IndexMode>> = {
  sum: "add",
  mean: "add",
  prod: "mul",
  amin: "min",
  amax: "max",
};

const scatterReduceModify = new Modify<ReduceParams>({
  name: "scatter_reduce",
  layout: "contiguous",
  write: (target, [, index, src], { dim, reduce, include_self }) => {
    const size = dimSize(target, dim);
    const places = placesOf(index as Tensor, size, exactPlaces(dim, size));
    if (!include_self) scatterRaw(target, dim, places, numberLike(target, identityOf(reduce, target.dtype)), "set");
    scatterRaw(target, dim, places, src as Tensor, modes[reduce]);
    if (reduce !== "mean") return;
    const count = filled(target, include_self ? 1 : 0);
    scatterRaw(count, dim, places, numberLike(target, 1), "add");
    divideBy(target, count);
  },
  joint: {
    uses: () => [0, 1, 2, "out"],
    vjp: ([g], ctx) => {
      if (g == null) return [null, null, null];
      const { dim, reduce, include_self } = ctx.params;
      const [x, index, src, result] = [ctx.input(0), ctx.input(1), ctx.input(2), ctx.output()];
      const [gx, gs] = scatterReduceGradients(g, x, dim, index, src, reduce, include_self, result);
      return [include_self ? gx : gx.scatter(dim, index, 0), null, gs];
    },
  },
});

function scatterReduceGradients(
  g: Tensor,
  x: Tensor,
  dim: number,
  index: Tensor,
  src: Tensor,
  reduce: ReduceName,
  includeSelf: boolean,
  result: Tensor,
): [Tensor, Tensor] {
  const at = (t: Tensor): Tensor => gather(t, dim, index);
  const again = (a: Tensor, b: Tensor): Tensor =>
    a.scatter_reduce(dim, index, b, reduce, { include_self: includeSelf });
  switch (reduce) {
    case "sum":
      return [g, at(g)];
    case "prod": {
      const own = filled(x, 0).scatter_add(dim, index, src.detach().eq(0).to(x.dtype));
      return productGradients(g, x, src, result, again, at, own);
    }
    case "mean": {
      const ones = filled(src, 1);
      const n = filled(x, includeSelf ? 1 : 0).scatter_add(dim, index, ones);
      const counts = n.masked_fill(n.eq(0), 1);
      return [g.div(counts), at(g).div(at(counts))];
    }
    default:
      return extreme(g, x, src, result, at, (mine, theirs) => mine.scatter_add(dim, index, theirs));
  }
}

type ScatterReduce = (
  input: Tensor,
  dim: number,
  index: Tensor,
  src: Tensor,
  reduce: ReduceName,
  options?: OutOption & { include_self?: boolean },
) => Tensor;

/**
 * A copy of `input` in which elements of `src` are reduced (`"sum"`, `"prod"`, `"mean"`, `"amax"`, `"amin"`) at the places that
 * `index` names along `dim`, together with what is there unless `include_self` is false.
 */
export const scatter_reduce: InplaceOp<ScatterReduce> = modifying(
  "scatter_reduce(Tensor input, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True)",
  (inplace, x: Tensor, dim: number, index: Tensor, src: Tensor, reduce: string, include_self: boolean) => {
    const d = wrapDim(dim, x.ndim);
    if (!(reduce in modes)) {
      throw new TorchError(`reduce argument must be either sum, prod, mean, amax or amin, got ${reduce}`);
    }
    if (src.dtype !== x.dtype) throw new TorchError("scatter(): Expected self.dtype to be equal to src.dtype");
    checkIndexShape("scatter", x, d, index, src);
    return scatterReduceModify.run([x, index, src], { dim: d, reduce: reduce as ReduceName, include_self }, inplace);
  },
);
