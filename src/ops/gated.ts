/**
 * Activation functions of more than one element or tensor, and those composed of other operators.
 */
import { no_grad } from "../autograd/modes.ts";
import { fillUniform } from "../base/distributions.ts";
import { float64 } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { wrapDim } from "../base/shape.ts";
import { castRaw } from "../dispatch/elementwise.ts";
import { pointwise } from "../dispatch/family/pointwise.ts";
import { type InplaceOpInfo, operator } from "../dispatch/op.ts";
import { apply1, primitive, untracked } from "../dispatch/primitive.ts";
import { onlyFloat } from "../dispatch/refuse.ts";
import { E, type Expr } from "../ir/expr.ts";
import { flatElements, viewElements } from "../tensor/data.ts";
import { allocate, type Tensor } from "../tensor/tensor.ts";
import { functional, type InplaceOption } from "./activation.ts";
import { abs, add, div, mul, rsub, sub } from "./arithmetic.ts";
import { sigmoid, tanh } from "./functions.ts";
import { streamOf } from "./generator.ts";
import { cat } from "./join.ts";
import { narrow } from "./slice.ts";
import { type Op, reshape } from "./view.ts";

/** `input / (1 + |input|)`. */
export const softsign: Op<(input: Tensor) => Tensor> = operator("softsign(Tensor input)", (x: Tensor) =>
  div(x, add(abs(x), 1)),
);

/** `input - tanh(input)`. */
export const tanhshrink: Op<(input: Tensor) => Tensor> = operator("tanhshrink(Tensor input)", (x: Tensor) =>
  sub(x, tanh(x)),
);

// --- prelu -----------------------------------------------------------------------------------------------------------

const preluKernel = pointwise<(input: Tensor, weight: Tensor) => Tensor>(
  "_prelu_kernel(Tensor input, Tensor weight)",
  (x, w) => E.select(E.gt(x, 0), x, E.mul(w, x)),
  {
    grad: (g, _, x, w) => [E.select(E.gt(x, 0), g, E.mul(w, g)), E.select(E.gt(x, 0), 0, E.mul(g, x))],
    check: onlyFloat("prelu_cpu"),
    inplace: false,
  },
);

/** The input where positive, else a learned multiple of it: one weight for all elements, or one for each channel (dim 1). */
export const prelu: Op<(input: Tensor, weight: Tensor) => Tensor> = operator(
  "prelu(Tensor input, Tensor weight)",
  (x: Tensor, weight: Tensor): Tensor => {
    if (x.dtype !== weight.dtype) {
      const name = (t: Tensor): string => t.dtype.scalarName.toLowerCase();
      throw new TorchError(`prelu: Type promoting not supported. Got ${name(x)} and ${name(weight)}`);
    }
    if (weight._numel !== 1) {
      if (x.ndim === 0) throw new TorchError("Not allow zero-dim input tensor.");
      const channels = x.ndim > 1 ? (x.shape[1] as number) : 1;
      if (channels !== weight._numel) {
        throw new TorchError(
          `Mismatch of parameter numbers and input channel size. Found parameter numbers = ${weight._numel} and channel size = ${channels}.`,
        );
      }
    }
    if (weight.ndim > 1) {
      throw new TorchError(`prelu: Expected \`weight\` to be a scalar or 1D tensor, but got: ndim = ${weight.ndim}`);
    }
    if (x.ndim === weight.ndim) return preluKernel(x, weight);
    const shape = x.shape.map((_, d) => (d === 1 && x.ndim > 1 ? weight._numel : 1));
    return preluKernel(x, reshape(weight, shape));
  },
);

// --- glu -------------------------------------------------------------------------------------------------------------

const gluPrimitive = primitive<number>({
  name: "glu",
  forward: ([x], dim) => no_grad(() => gate(untracked(x as Tensor), dim)),
  grads: [
    {
      uses: [0],
      vjp: (g, ctx) => {
        const [a, b] = halves(ctx.input(0), ctx.params);
        const s = sigmoid(b);
        const gs = mul(g, s);
        return cat([gs, mul(mul(gs, rsub(s, 1)), a)], ctx.params);
      },
    },
  ],
});

function halves(x: Tensor, dim: number): [Tensor, Tensor] {
  const half = (x.shape[dim] as number) / 2;
  return [narrow(x, dim, 0, half), narrow(x, dim, half, half)];
}

function gate(x: Tensor, dim: number): Tensor {
  const [a, b] = halves(x, dim);
  return mul(a, sigmoid(b));
}

/** The first half of the input along `dim`, times the sigmoid of the second half. */
export const glu: Op<(input: Tensor, dim?: number | { dim?: number }) => Tensor> = operator(
  "glu(Tensor input, int dim=-1)",
  (x: Tensor, dim: number): Tensor => {
    if (x.ndim === 0) throw new TorchError("glu does not support scalars because halving size must be even");
    const d = wrapDim(dim, x.ndim);
    const size = x.shape[d] as number;
    if (size % 2 !== 0) {
      throw new TorchError(`Halving dimension must be even, but dimension ${d} is size ${size}`);
    }
    onlyFloat("glu_cpu")(x.dtype);
    return apply1(gluPrimitive, [x], d);
  },
);

// --- rrelu -----------------------------------------------------------------------------------------------------------

const negative = (g: Expr, x: Expr, slope: Expr): Expr => E.select(E.le(x, 0), E.mul(g, slope), g);

const withSlopes = pointwise(
  "rrelu_with_noise(Tensor input, Tensor|Scalar noise)",
  (x, noise) => negative(x, x, noise),
  {
    gradName: "RreluWithNoiseBackward0",
    grad: (g, _, x, noise) => [negative(g, x, noise), null],
    check: onlyFloat("rrelu_with_noise_out_cpu"),
  },
);

/** A slope drawn for each element that is not positive, in row-major order. */
function drawSlopes(x: Tensor, lower: number, upper: number): Tensor {
  const stream = streamOf(null);
  const one = new Float64Array(1);
  const slopes = flatElements(x).map((value) => {
    if (Number(value) > 0) return 1;
    fillUniform(stream, one, lower, upper);
    return one[0] as number;
  });
  const out = allocate(x.shape, float64, x._backend);
  (viewElements(out) as Float64Array).set(slopes);
  return castRaw(out, x.dtype);
}

/** Options of {@link rrelu}. */
export interface RreluOptions extends InplaceOption {
  /** The smallest slope. Default: 1/8. */
  lower?: number;
  /** The largest slope. Default: 1/3. */
  upper?: number;
  /** Whether slopes are drawn; otherwise all are the mean of the two. Default: false. */
  training?: boolean;
}

/** The input where positive, else a random multiple of it; in evaluation the mean one. */
export const rrelu: ((
  input: Tensor,
  lower?: number | RreluOptions,
  upper?: number | RreluOptions,
  training?: boolean | RreluOptions,
  inplace?: boolean | RreluOptions,
) => Tensor) & { readonly op: InplaceOpInfo } = functional(
  `rrelu(Tensor input, float lower=0.125, float upper=${1 / 3}, bool training=False, bool inplace=False)`,
  withSlopes,
  (x: Tensor, lower: number, upper: number, training: boolean) => {
    if (!(lower <= upper)) throw new TorchError("Lower bound should be less than or equal to the upper bound");
    return [x, training ? drawSlopes(x, lower, upper) : (lower + upper) / 2];
  },
);
