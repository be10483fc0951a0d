/**
 * The primitive of padding and interpolation: linear maps by tables, one for each of the last dimensions.
 */
import { numel } from "../base/shape.ts";
import { keep, resampleRaw, resampleTransposedRaw, type Sampling, type Taps } from "../dispatch/family/resampling.ts";
import { apply1, type Primitive, primitive, untracked } from "../dispatch/primitive.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { view_as_complex, view_as_real } from "./complex.ts";
import { channelsLast, inFormatOf } from "./pool-windows.ts";

interface ResampleParams {
  /** The tables of the last dimensions. */
  readonly taps: readonly Taps[];
  /** Whether the result lies with its channels last. */
  readonly last: boolean;
}

function samplingOf(shape: readonly number[], taps: readonly Taps[]): Sampling {
  const missing = Array.from({ length: 3 - taps.length }, () => keep(1));
  return {
    planes: numel(shape.slice(0, shape.length - taps.length)),
    dims: [...missing, ...taps] as unknown as [Taps, Taps, Taps],
  };
}

/** The table of a dimension whose elements are pairs of numbers. */
function paired(t: Taps): Taps {
  const index: number[] = [];
  const weight: number[] = [];
  for (let o = 0; o < t.out; o++) {
    for (const part of [0, 1]) {
      for (let k = 0; k < t.taps; k++) {
        index.push((t.index[o * t.taps + k] as number) * 2 + part);
        if (t.weight !== null) weight.push(t.weight[o * t.taps + k] as number);
      }
    }
  }
  return { size: t.size * 2, out: t.out * 2, taps: t.taps, index, weight: t.weight === null ? null : weight };
}

type Raw = (x: Tensor, s: Sampling, shape: readonly number[]) => Tensor;

/** Runs on complex tensors as on tensors of pairs. */
function onPairs(raw: Raw, x: Tensor, taps: readonly Taps[], shape: readonly number[]): Tensor {
  if (!x.dtype.is_complex) return raw(x, samplingOf(shape, taps), shape);
  const pairs = view_as_real(untracked(x)).flatten(-2);
  const doubled = [...taps.slice(0, -1), paired(taps.at(-1) as Taps)];
  const wide = [...shape.slice(0, -1), (shape.at(-1) as number) * 2];
  const out = raw(pairs, samplingOf(wide, doubled), wide);
  return view_as_complex(out.view([...shape, 2]));
}

const sized = (shape: readonly number[], taps: readonly Taps[], of: "size" | "out"): number[] => [
  ...shape.slice(0, shape.length - taps.length),
  ...taps.map((t) => t[of]),
];

/** Defines a resampling whose node has the given name: a function from a tensor and tables to the result. */
export function resampling(name: string, gradName: string): (x: Tensor, taps: readonly Taps[]) => Tensor {
  const backName = /Backward\d$/.test(gradName) ? gradName.replace(/Backward0$/, "BackwardBackward0") : gradName;
  const forward = (node: string): Primitive<ResampleParams> =>
    primitive<ResampleParams>({
      name,
      gradName: node,
      forward: ([x], { taps, last }) => {
        const input = x as Tensor;
        return inFormatOf(onPairs(resampleRaw, input, taps, sized(input.shape, taps, "out")), last);
      },
      grads: [{ vjp: (g, ctx) => apply1(transposed, [g], ctx.params) }],
    });
  const again = forward(backName);
  const transposed: Primitive<ResampleParams> = primitive<ResampleParams>({
    name: `${name}_backward`,
    gradName: backName,
    forward: ([g], { taps }) => {
      const input = g as Tensor;
      return onPairs(resampleTransposedRaw, input, taps, sized(input.shape, taps, "size"));
    },
    grads: [{ vjp: (g, ctx) => apply1(again, [g], { ...ctx.params, last: false }) }],
  });
  const prim = forward(gradName);
  return (x, taps) => apply1(prim, [x], { taps, last: taps.length === 2 && channelsLast(x) });
}
