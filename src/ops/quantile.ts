/**
 * Quantiles: values below which given parts of the elements lie.
 */
import { float32, float64, int64 } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { wrapDim } from "../base/shape.ts";
import { viewOf } from "../dispatch/family/view.ts";
import { operator } from "../dispatch/op.ts";
import type { OutOption } from "../dispatch/out.ts";
import { Tensor } from "../tensor/tensor.ts";
import { where } from "./clamp.ts";
import { gather } from "./gather.ts";
import { sort } from "./sort.ts";
import { movedim } from "./permute.ts";
import { type Op, unsqueeze } from "./view.ts";

/** Without the last dimension; PyTorch squeezes the result in place, which names the node. */
const dropLast = viewOf<null>({
  name: "squeeze_",
  gradName: "SqueezeBackward4",
  geometry: (x) => ({ shape: x.shape.slice(0, -1), strides: x._strides.slice(0, -1), offset: x._offset }),
  vjp: (g) => unsqueeze(g, -1),
});

type Interpolation = "linear" | "lower" | "higher" | "midpoint" | "nearest";
const interpolations: readonly string[] = ["linear", "lower", "higher", "midpoint", "nearest"];

function checkInputs(name: string, x: Tensor, q: Tensor, interpolation: string): void {
  if (x._numel === 0) throw new TorchError(`${name}() input tensor must be non-empty`);
  if (x.dtype !== float32 && x.dtype !== float64) {
    throw new TorchError(`${name}() input tensor must be either float or double dtype`);
  }
  if (q.ndim > 1) throw new TorchError(`${name}() q must be a scalar or 1D tensor`);
  if (q.dtype !== x.dtype) throw new TorchError(`${name}() q tensor must be same dtype as the input tensor`);
  if (!interpolations.includes(interpolation)) {
    throw new TorchError(
      `${name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got ${interpolation}`,
    );
  }
  for (const v of q.detach().reshape(-1).tolist() as number[]) {
    if (!(v >= 0 && v <= 1)) throw new TorchError(`${name}() q values must be in the range [0, 1]`);
  }
}

/** The rank of each quantile among the sorted elements of the last dimension. */
function ranksOf(sorted: Tensor, q: Tensor, skipNan: boolean): Tensor {
  const nan = sorted.isnan();
  if (skipNan) {
    const ranks = q.mul(nan.logical_not().sum(-1, true).sub(1));
    return ranks.masked_fill(ranks.lt(0), 0);
  }
  const last = (sorted.shape.at(-1) as number) - 1;
  // With a NaN the rank is the last, where NaN was sorted to.
  return where(nan.any(-1, true), sorted.new_full([], last), q.mul(last));
}

function computeQuantile(
  name: string,
  x: Tensor,
  q: Tensor,
  dim: number | null,
  keepdim: boolean,
  interpolation: Interpolation,
): Tensor {
  checkInputs(name, x, q, interpolation);
  const d = wrapDim(dim ?? 0, x.ndim);
  const kept =
    dim === null
      ? new Array<number>(keepdim ? x.ndim : 0).fill(1)
      : x.shape.map((n, k) => (k === d ? 1 : n)).filter((_, k) => keepdim || k !== d);
  const rows = dim === null || x.ndim === 0 ? x.reshape(-1) : movedim(x, d, -1);
  const inOrder = sort(rows, -1, false).values;
  const sorted = inOrder.reshape([...kept, inOrder.shape.at(-1) as number]);
  const column = q.reshape(-1);
  const ranks = ranksOf(sorted.detach(), column, name === "nanquantile");
  const shape = [...kept, column._numel];
  const at = (r: Tensor): Tensor => gather(sorted, -1, r.expand(shape).to(int64));
  const adjusted =
    interpolation === "lower"
      ? ranks.floor()
      : interpolation === "higher"
        ? ranks.ceil()
        : interpolation === "nearest"
          ? ranks.round()
          : ranks;
  const below = adjusted.detach().floor();
  let values = at(below);
  if (interpolation === "linear" || interpolation === "midpoint") {
    const part = interpolation === "midpoint" ? ranks.detach().mul(0).add(0.5) : adjusted.sub(below);
    values = values.lerp(at(adjusted.detach().ceil()), part.expand(shape));
  }
  if (q.ndim === 0) return dropLast(values, null);
  return dropLast(values.unsqueeze(0).transpose(0, -1), null);
}

interface QuantileOptions extends OutOption {
  dim?: number | null;
  keepdim?: boolean;
  /** What is taken where a quantile lies between two elements. */
  interpolation?: Interpolation;
}

/** What {@link quantile} takes. */
export type Quantile = (
  input: Tensor,
  q: number | Tensor,
  dim?: number | null | QuantileOptions,
  keepdim?: boolean | QuantileOptions,
  options?: QuantileOptions,
) => Tensor;

function defineQuantile(name: "quantile" | "nanquantile"): Op<Quantile> {
  return operator(
    `${name}(Tensor input, Tensor|float q, int? dim=None, bool keepdim=False, *, str interpolation='linear')`,
    (x: Tensor, q: Tensor | number, dim: number | null, keepdim: boolean, interpolation: Interpolation) => {
      if (!(q instanceof Tensor) && !(q >= 0 && q <= 1)) {
        throw new TorchError(`${name}() q must be in the range [0, 1] but got ${q}`);
      }
      const part = q instanceof Tensor ? q : x.detach().new_full([], q);
      return computeQuantile(name, x, part, dim, keepdim, interpolation);
    },
  );
}

/** The values below which the part `q` of the elements lies, of all or along a dimension; several `q` stand in a new first one. */
export const quantile: Op<Quantile> = defineQuantile("quantile");
/** {@link quantile} without regard to NaN. */
export const nanquantile: Op<Quantile> = defineQuantile("nanquantile");
