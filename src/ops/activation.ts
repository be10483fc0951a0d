/**
 * Activation functions. Most live in `torch.nn.functional` alone; their in-place forms are asked for by `inplace`.
 */
import { bool, type DType } from "../base/dtype.ts";
import { TorchError, ValueError } from "../base/errors.ts";
import { pointwise, type UnaryOperator } from "../dispatch/family/pointwise.ts";
import { describe, type InplaceOpInfo, type Operator } from "../dispatch/op.ts";
import { onlyFloat } from "../dispatch/refuse.ts";
import { type ScalarLike, Signature } from "../dispatch/signature.ts";
import { E, type Expr, isFloat } from "../ir/expr.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Options of activation functions. */
export interface InplaceOption {
  /** Changes the input instead of making a new tensor. Default: false. */
  inplace?: boolean;
}

/** An activation function of one tensor. */
export type Activation = ((input: Tensor, inplace?: boolean | InplaceOption) => Tensor) & {
  readonly op: InplaceOpInfo;
};

/** An activation function of one tensor and a number. */
export type Activation1<Option extends string> = ((
  input: Tensor,
  number?: ScalarLike | (InplaceOption & { [K in Option]?: ScalarLike }),
  inplace?: boolean | InplaceOption,
) => Tensor) & {
  readonly op: InplaceOpInfo;
};

/** An activation function of one tensor and two numbers. */
export type Activation2<Option extends string> = ((
  input: Tensor,
  first?: ScalarLike | (InplaceOption & { [K in Option]?: ScalarLike }),
  second?: ScalarLike | (InplaceOption & { [K in Option]?: ScalarLike }),
  inplace?: boolean | InplaceOption,
) => Tensor) & {
  readonly op: InplaceOpInfo;
};

/**
 * @internal The functional form of an operator: `choose` turns the bound arguments (without the last, which is `inplace`) into those
 * of the operator.
 */
export function functional<F>(
  text: string,
  form: unknown,
  choose?: (...args: never[]) => readonly unknown[],
): F & { readonly op: InplaceOpInfo } {
  const op = form as Operator;
  const inplaceForm = op.op.inplace as Operator;
  const signature = new Signature(text);
  const { defaults } = signature;
  const convert = choose as ((...args: unknown[]) => readonly unknown[]) | undefined;
  const fixed = defaults === null || convert !== undefined ? null : defaults.slice(0, -1);
  const call = (...args: unknown[]): unknown => {
    if (fixed !== null && args.length === 1) return op(args[0], ...fixed);
    const bound = signature.bind(args, {});
    const inplace = bound.pop();
    const rest = convert === undefined ? bound : convert(...bound);
    return inplace === true ? inplaceForm(...rest) : op(...rest);
  };
  const inplaceSignature = new Signature(text.replace("(", "_("));
  const inplaceCall = (...args: unknown[]): unknown => {
    const bound = inplaceSignature.bind(args, {});
    bound.pop();
    return inplaceForm(...(convert === undefined ? bound : convert(...bound)));
  };
  const inplace = describe(inplaceCall, inplaceSignature) as Operator;
  return describe(call as F, signature, { method: false, inplace });
}

// --- rectifiers ------------------------------------------------------------------------------------------------------

/** `max(input, 0)`; the derivative at 0 is 0. */
export const relu: UnaryOperator = pointwise("relu", (x) => (isFloat(x.type) ? E.pmax(x, 0) : E.max(x, 0)), {
  grad: (g, y) => [E.select(E.le(y, 0), 0, g)],
  check: (dtype) => {
    if (dtype === bool) throw new TorchError("Boolean inputs not supported for relu");
  },
});

const leaky = pointwise(
  "leaky_relu(Tensor input, Scalar negative_slope=0.01)",
  (x, slope) => E.select(E.gt(x, 0), x, E.mul(x, slope as Expr)),
  {
    grad: (g, _, x, slope) => [E.select(E.gt(x, 0), g, E.mul(g, slope as Expr)), null],
    check: onlyFloat("leaky_relu_cpu"),
  },
);

/** The input where positive, else `negative_slope` times the input. */
export const leaky_relu: Activation1<"negative_slope"> = functional(
  "leaky_relu(Tensor input, Scalar negative_slope=0.01, bool inplace=False)",
  leaky,
);

const limits = pointwise(
  "hardtanh(Tensor input, Scalar min_val=-1, Scalar max_val=1)",
  (x, low, high) => E.min(E.max(x, low as Expr), high as Expr),
  {
    grad: (g, _, x, low, high) => [E.select(E.or(E.le(x, low as Expr), E.ge(x, high as Expr)), 0, g), null, null],
    check: (dtype) => {
      if (dtype === bool) throw new TorchError("Bool inputs not supported for hardtanh");
    },
    checkArguments: ([x, low, high]) => {
      const { dtype } = x as Tensor;
      if (dtype.category === 1 && !dtype.is_signed && (Number(low) < 0 || Number(high) < 0)) {
        throw new TorchError("cannot do hardtanh on an unsigned type with negative limits");
      }
    },
  },
);

/** The input, but not below `min_val` and not above `max_val`; flat at both. */
export const hardtanh: Activation2<"min_val" | "max_val"> = functional(
  "hardtanh(Tensor input, Scalar min_val=-1.0, Scalar max_val=1.0, bool inplace=False)",
  limits,
  (x: Tensor, low: ScalarLike, high: ScalarLike) => {
    if (Number(low) > Number(high)) throw new ValueError("min_val cannot be greater than max_val");
    return [x, low, high];
  },
);

/** `min(max(input, 0), 6)`. */
export const relu6: Activation = functional("relu6(Tensor input, bool inplace=False)", limits, (x: Tensor) => [
  x,
  0,
  6,
]);

const thresholded = pointwise(
  "threshold(Tensor input, Scalar threshold, Scalar value)",
  (x, limit, value) => E.select(E.le(x, limit as Expr), value as Expr, x),
  { grad: (g, _, x, limit) => [E.select(E.le(x, limit as Expr), 0, g), null, null] },
);

/** The input where above `threshold`, else `value`. */
export const threshold: ((
  input: Tensor,
  threshold: ScalarLike | ({ threshold: ScalarLike; value: ScalarLike } & InplaceOption),
  value?: ScalarLike | ({ value: ScalarLike } & InplaceOption),
  inplace?: boolean | InplaceOption,
) => Tensor) & { readonly op: InplaceOpInfo } = functional(
  "threshold(Tensor input, Scalar threshold, Scalar value, bool inplace=False)",
  thresholded,
);

// --- exponential units -----------------------------------------------------------------------------------------------

/** `scale * (x > 0 ? x : alpha * (exp(inputScale * x) - 1))`; `slope` is the input scale that the gradient uses. */
function exponential(name: string, gradName: string, slope: (alpha: Expr, inner: Expr) => Expr): unknown {
  return pointwise(
    `${name}(Tensor input, Scalar alpha, Scalar scale, Scalar input_scale)`,
    (x, alpha, scale, inner) => {
      const low = E.mul(E.mul(E.expm1(E.mul(x, inner as Expr)), alpha as Expr), scale as Expr);
      return E.select(E.gt(x, 0), E.mul(x, scale as Expr), low);
    },
    {
      grad: (g, _, x, alpha, scale, given) => {
        const inner = slope(alpha as Expr, given as Expr);
        const factor = E.mul(E.mul(inner, alpha as Expr), scale as Expr);
        // The exponential must stay finite on the side that is not taken, and be constant from 0 on.
        const growth = E.exp(E.mul(E.select(E.lt(x, 0), x, 0), inner));
        return [E.select(E.le(x, 0), E.mul(E.mul(g, factor), growth), E.mul(g, scale as Expr)), null, null, null];
      },
      gradName,
      check: onlyFloat("elu_cpu"),
    },
  );
}

const eluForm = exponential("elu", "EluBackward0", (_, inner) => inner);
// PyTorch's gradient takes 1 / alpha of alpha in single precision.
const celuForm = exponential("celu", "CeluBackward0", (alpha) => E.div(1, E.cast(alpha.type, E.cast("f32", alpha))));

/** `x > 0 ? x : alpha * (exp(x) - 1)`. */
export const elu: Activation1<"alpha"> = functional(
  "elu(Tensor input, Scalar alpha=1.0, bool inplace=False)",
  eluForm,
  (x: Tensor, alpha: ScalarLike) => [x, alpha, 1, 1],
);

/** `scale * elu(x, alpha)` with the numbers that keep mean and variance. */
export const selu: Activation = functional("selu(Tensor input, bool inplace=False)", eluForm, (x: Tensor) => [
  x,
  1.6732632423543772,
  1.0507009873554805,
  1,
]);

/** `x > 0 ? x : alpha * (exp(x / alpha) - 1)`, whose slope is continuous. */
export const celu: Activation1<"alpha"> = functional(
  "celu(Tensor input, Scalar alpha=1.0, bool inplace=False)",
  celuForm,
  (x: Tensor, alpha: ScalarLike) => {
    if (Number(alpha) === 0) throw new TorchError("ZeroDivisionError: alpha cannot be 0 for CELU");
    return [x, alpha, 1, 1 / Number(alpha)];
  },
);

// --- smooth units ----------------------------------------------------------------------------------------------------

/** `x * sigmoid(x)`. */
const swish = pointwise("silu", (x) => E.div(x, E.add(E.exp(E.neg(x)), 1)), {
  grad: (g, _, x) => {
    const s = E.sigmoid(x);
    return [E.mul(E.mul(g, s), E.add(E.mul(x, E.sub(1, s)), 1))];
  },
  check: onlyFloat("silu_cpu"),
});

/** `input * sigmoid(input)`. */
export const silu: Activation = functional("silu(Tensor input, bool inplace=False)", swish);

/** `log(1 + exp(x))` without overflow. */
const softened = (x: Expr): Expr => E.add(E.pmax(x, 0), E.log1p(E.exp(E.neg(E.abs(x)))));

const mishForm = pointwise("mish", (x) => E.mul(x, E.tanh(E.log1p(E.exp(x)))), {
  grad: (g, _, x) => {
    const t = E.tanh(E.log1p(E.exp(x)));
    return [E.mul(g, E.add(t, E.mul(E.mul(x, E.sigmoid(x)), E.sub(1, E.mul(t, t)))))];
  },
  check: onlyFloat("mish_cpu"),
});

/** `input * tanh(softplus(input))`. */
export const mish: Activation = functional("mish(Tensor input, bool inplace=False)", mishForm);

/** `log(1 + exp(beta * input)) / beta`; the input itself where `beta * input` is above `threshold`. */
export const softplus: ((
  input: Tensor,
  beta?: ScalarLike | { beta?: ScalarLike; threshold?: ScalarLike },
  threshold?: ScalarLike | { threshold?: ScalarLike },
) => Tensor) & { readonly op: InplaceOpInfo } = pointwise(
  "softplus(Tensor input, Scalar beta=1.0, Scalar threshold=20.0)",
  (x, beta, limit) => {
    const scaled = E.mul(x, beta as Expr);
    return E.select(E.gt(scaled, limit as Expr), x, E.div(softened(scaled), beta as Expr));
  },
  {
    grad: (g, _, x, beta, limit) => {
      const scaled = E.mul(x, beta as Expr);
      return [E.select(E.gt(scaled, limit as Expr), g, E.mul(g, E.sigmoid(scaled))), null, null];
    },
    check: onlyFloat("softplus_cpu"),
  },
);

const gaussian = pointwise("gelu", (x) => E.mul(E.mul(x, 0.5), E.add(E.erf(E.mul(x, Math.SQRT1_2)), 1)), {
  grad: (g, _, x) => {
    const cdf = E.mul(E.add(E.erf(E.mul(x, Math.SQRT1_2)), 1), 0.5);
    const pdf = E.mul(E.exp(E.mul(E.mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return [E.mul(g, E.add(cdf, E.mul(x, pdf)))];
  },
  check: onlyFloat("GeluKernelImpl"),
});

const tanhApproximation = pointwise(
  "gelu_tanh(Tensor input)",
  (x) => {
    const cube = E.mul(E.mul(x, x), x);
    const inner = E.mul(E.add(x, E.mul(cube, 0.044715)), Math.sqrt(2 / Math.PI));
    return E.mul(E.mul(x, 0.5), E.add(E.tanh(inner), 1));
  },
  { gradName: "GeluBackward0", check: onlyFloat("GeluKernelImpl") },
);

/** Options of {@link gelu}. */
export interface GeluOptions {
  /** `"none"`: by the error function; `"tanh"`: the approximation by tanh. */
  approximate?: "none" | "tanh";
}

/** `input` times the probability that a standard normal number is below it. */
export const gelu: ((input: Tensor, options?: GeluOptions) => Tensor) & { readonly op: InplaceOpInfo } = chooseGelu();

function chooseGelu(): ((input: Tensor, options?: GeluOptions) => Tensor) & { readonly op: InplaceOpInfo } {
  const signature = new Signature("gelu(Tensor input, *, str approximate='none')");
  const choose = (args: readonly unknown[]): readonly [Operator, unknown] => {
    const [x, approximate] = signature.bind(args, {});
    if (approximate === "none") return [gaussian as unknown as Operator, x];
    if (approximate === "tanh") return [tanhApproximation as unknown as Operator, x];
    throw new TorchError("approximate argument must be either none or tanh.");
  };
  return describe(
    (x: Tensor, options?: GeluOptions): Tensor => {
      const [form, input] = options === undefined ? [gaussian, x] : choose([x, options]);
      return (form as (x: unknown) => Tensor)(input);
    },
    signature,
    {
      inplace: describe((...args: unknown[]): unknown => {
        const [form, input] = choose(args);
        return (form.op.inplace as Operator)(input);
      }, new Signature("gelu_(Tensor input, *, str approximate='none')")) as Operator,
    },
  );
}

/** `log(sigmoid(input))`. */
export const logsigmoid: UnaryOperator = pointwise(
  "logsigmoid(Tensor input)",
  (x) => E.sub(E.min(x, 0), E.log1p(E.exp(E.neg(E.abs(x))))),
  {
    grad: (g, _, x) => [E.mul(g, E.sigmoid(E.neg(x)))],
    gradName: "LogSigmoidBackward0",
    layout: "contiguous",
    check: onlyFloat("log_sigmoid_cpu"),
  },
);

// --- piecewise linear approximations ---------------------------------------------------------------------------------

const gate = (x: Expr): Expr => E.min(E.max(E.add(x, 3), 0), 6);

const hardswishForm = pointwise("hardswish", (x) => E.div(E.mul(x, gate(x)), 6), {
  grad: (g, _, x) => {
    const middle = E.mul(g, E.add(E.div(x, 3), 0.5));
    return [E.select(E.le(x, -3), 0, E.select(E.lt(x, 3), middle, g))];
  },
  check: onlyFloat("hardswish_cpu"),
});

/** `input * relu6(input + 3) / 6`. */
export const hardswish: Activation = functional("hardswish(Tensor input, bool inplace=False)", hardswishForm);

const hardsigmoidForm = pointwise("hardsigmoid", (x) => E.div(gate(x), 6), {
  grad: (g, _, x) => [E.select(E.and(E.gt(x, -3), E.lt(x, 3)), E.mul(g, Math.fround(1 / 6)), 0)],
  check: onlyFloat("hardsigmoid_cpu"),
});

/** `relu6(input + 3) / 6`. */
export const hardsigmoid: Activation = functional("hardsigmoid(Tensor input, bool inplace=False)", hardsigmoidForm);

const within = (x: Expr, lambd: Expr): Expr => E.and(E.ge(x, E.neg(lambd)), E.le(x, lambd));

/** An activation function with the half width of its flat part. */
export type Shrink = ((input: Tensor, lambd?: ScalarLike | { lambd?: ScalarLike }) => Tensor) & {
  readonly op: InplaceOpInfo;
};

/** The input, but 0 where it is within `lambd` of 0. */
export const hardshrink: Shrink = pointwise(
  "hardshrink(Tensor input, Scalar lambd=0.5)",
  (x, lambd) => E.select(within(x, lambd as Expr), 0, x),
  {
    grad: (g, _, x, lambd) => [E.select(within(x, lambd as Expr), 0, g), null],
    inplace: false,
    check: onlyFloat("hardshrink_cpu"),
  },
);

/** The input moved by `lambd` towards 0, and 0 where it is nearer. */
export const softshrink: Shrink = pointwise(
  "softshrink(Tensor input, Scalar lambd=0.5)",
  (x, lambd) => {
    const l = lambd as Expr;
    return E.select(E.gt(x, l), E.sub(x, l), E.select(E.lt(x, E.neg(l)), E.add(x, l), E.mul(x, 0)));
  },
  {
    grad: (g, _, x, lambd) => [E.select(within(x, lambd as Expr), 0, g), null],
    inplace: false,
    check: onlyFloat("softshrink_cpu"),
    checkArguments: ([x, lambd]) => {
      if (Number(lambd) >= 0) return;
      const { dtype } = x as Tensor;
      throw new TorchError(
        `lambda must be in range [0, ${largestText(dtype)}] for input dtype ${dtype.scalarName}, but found ${Number(lambd)}`,
      );
    },
  },
);

function largestText(dtype: DType): string {
  const texts: Readonly<Record<string, string>> = {
    float16: "65504",
    bfloat16: "3.38953e+38",
    float64: "1.79769e+308",
  };
  return texts[dtype.name] ?? "3.40282e+38";
}
