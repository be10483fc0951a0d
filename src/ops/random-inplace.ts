/**
 * Random numbers into existing tensors.
 */
import {
  fillBernoulli,
  fillBernoulliEach,
  fillCauchy,
  fillExponential,
  fillGeometric,
  fillLogNormal,
  fillNormal,
  fillRandint,
  fillRandom,
  fillRandom64,
  fillUniform,
  type FloatArray,
  type NumberArray,
} from "../base/distributions.ts";
import { bool, type DType, float64 } from "../base/dtype.ts";
import { ArgumentTypeError, NotImplementedError, TorchError } from "../base/errors.ts";
import type { Generator as Stream } from "../base/mt19937.ts";
import { sameShape } from "../base/shape.ts";
import { cloneRaw, contiguousRaw, copyRaw } from "../dispatch/elementwise.ts";
import { drawInto, roundingOf } from "../dispatch/family/random.ts";
import { operator } from "../dispatch/op.ts";
import { applyInplace, primitive, type Primitive } from "../dispatch/primitive.ts";
import { isOptions } from "../dispatch/signature.ts";
import { viewElements } from "../tensor/data.ts";
import { allocate, Tensor } from "../tensor/tensor.ts";
import { type Generator, streamOf } from "./generator.ts";
import type { Op } from "./view.ts";

/** Where the numbers come from. */
export interface GeneratorOption {
  generator?: Generator | null;
}

const gradNames: Readonly<Record<string, string>> = { log_normal_: "LogNormalBackward0" };

const primitives = new Map<string, Primitive<null>>();

/** The operation as autograd records it: what was there before no longer counts. */
function primitiveOf(name: string): Primitive<null> {
  let prim = primitives.get(name);
  if (prim === undefined) {
    prim = primitive<null>({
      name,
      ...(gradNames[name] === undefined ? {} : { gradName: gradNames[name] }),
      forward: ([x]) => x as Tensor,
      grads: [{ vjp: (g) => g.new_zeros(g.shape) }],
    });
    primitives.set(name, prim);
  }
  return prim;
}

/** Draws into a tensor in place. */
function draw(name: string, x: Tensor, fill: (out: NumberArray, contiguous: boolean) => void): Tensor {
  return applyInplace(primitiveOf(name), [x], null, (t) => drawInto(t, fill), cloneRaw);
}

function needFloat(kernel: string, x: Tensor): void {
  if (!x.dtype.is_floating_point) {
    throw new NotImplementedError(`"${kernel}" not implemented for '${x.dtype.scalarName}'`);
  }
}

type TwoNumbers<A extends string, B extends string> = Op<
  (
    input: Tensor,
    first?: number | ({ [K in A | B]?: number } & GeneratorOption),
    second?: number | GeneratorOption,
    options?: GeneratorOption,
  ) => Tensor
>;

type FloatFill = (stream: Stream, out: FloatArray, a: number, b: number, dtype: DType, contiguous: boolean) => void;

function ofTwo<A extends string, B extends string>(
  name: string,
  [a, b]: readonly [A, B],
  [c, d]: readonly [number, number],
  kernel: string,
  fill: FloatFill,
): TwoNumbers<A, B> {
  return operator(
    `${name}(Tensor input, float ${a}=${c}, float ${b}=${d}, *, any generator=None)`,
    (x: Tensor, p: number, q: number, generator: unknown) => {
      needFloat(kernel, x);
      const stream = streamOf(generator);
      return draw(name, x, (out, contiguous) => fill(stream, out as FloatArray, p, q, x.dtype, contiguous));
    },
    { namespace: false },
  );
}

/** Even numbers of [from, to). */
export const uniform_: TwoNumbers<"from", "to"> = ofTwo(
  "uniform_",
  ["from", "to"],
  [0, 1],
  "check_uniform_bounds",
  (stream, out, from, to, dtype) => fillUniform(stream, out, from, to, roundingOf(dtype)),
);

/** Normal numbers. */
export const normal_: TwoNumbers<"mean", "std"> = ofTwo(
  "normal_",
  ["mean", "std"],
  [0, 1],
  "normal_kernel_cpu",
  (stream, out, mean, std, _dtype, contiguous) => fillNormal(stream, out, mean, std, contiguous),
);

/** Numbers whose logarithm is normal. */
export const log_normal_: TwoNumbers<"mean", "std"> = ofTwo(
  "log_normal_",
  ["mean", "std"],
  [1, 2],
  "log_normal_cpu",
  (stream, out, mean, std) => fillLogNormal(stream, out, mean, std),
);

/** Numbers of the Cauchy distribution. */
export const cauchy_: TwoNumbers<"median", "sigma"> = ofTwo(
  "cauchy_",
  ["median", "sigma"],
  [0, 1],
  "cauchy_cpu",
  (stream, out, median, sigma) => fillCauchy(stream, out, median, sigma),
);

/** Numbers of the exponential distribution. */
export const exponential_: Op<
  (input: Tensor, lambd?: number | ({ lambd?: number } & GeneratorOption), options?: GeneratorOption) => Tensor
> = operator(
  "exponential_(Tensor input, float lambd=1, *, any generator=None)",
  (x: Tensor, lambd: number, generator: unknown) => {
    if (!x.dtype.is_floating_point) {
      throw new TorchError(
        `Exponential distribution is a continuous probability distribution. dtype must be a floating point but you specified ${x.dtype.scalarName}`,
      );
    }
    const stream = streamOf(generator);
    return draw("exponential_", x, (out) => fillExponential(stream, out as FloatArray, lambd));
  },
  { namespace: false },
);

/** How many trials of probability `p` it takes to succeed. */
export const geometric_: Op<(input: Tensor, p: number, options?: GeneratorOption) => Tensor> = operator(
  "geometric_(Tensor input, float p, *, any generator=None)",
  (x: Tensor, p: number, generator: unknown) => {
    const stream = streamOf(generator);
    return draw("geometric_", x, (out) => fillGeometric(stream, out, p));
  },
  { namespace: false },
);

/** Ones with probability `p`, a number or one per element, zeros otherwise. */
export const bernoulli_: Op<
  (
    input: Tensor,
    p?: number | Tensor | ({ p?: number | Tensor } & GeneratorOption),
    options?: GeneratorOption,
  ) => Tensor
> = operator(
  "bernoulli_(Tensor input, Tensor|float p=0.5, *, any generator=None)",
  (x: Tensor, p: number | Tensor, generator: unknown) => {
    const stream = streamOf(generator);
    if (!(p instanceof Tensor)) return draw("bernoulli_", x, (out) => fillBernoulli(stream, out, p));
    needFloat("bernoulli_tensor_cpu_p_", p);
    const each = allocate(x.shape, p.dtype === float64 ? float64 : p.dtype, x._backend);
    if (!sameShape(p.shape, x.shape) && p._numel !== 1) {
      throw new TorchError(
        `bernoulli_: the probabilities have shape [${p.shape.join(", ")}], the tensor [${x.shape.join(", ")}]`,
      );
    }
    copyRaw(each, p);
    const probabilities = (
      viewElements(contiguousRaw(each.dtype.itemsize < 4 ? each.float() : each)) as FloatArray
    ).slice();
    return draw("bernoulli_", x, (out) => fillBernoulliEach(stream, out, probabilities));
  },
  { namespace: false },
);

/** Where each dtype ends: integers up to which all are exact, from which on they are too large. */
function upperBound(dtype: DType): bigint {
  switch (dtype.name) {
    case "bool":
      return 2n;
    case "uint8":
      return 1n << 8n;
    case "int8":
      return 1n << 7n;
    case "int16":
      return 1n << 15n;
    case "int32":
      return 1n << 31n;
    case "float16":
      return 65504n + 1n;
    default:
      return 1n << 63n;
  }
}

/**
 * Integers: `random_()` of all that the dtype holds, `random_(to)` of [0, to), `random_(from, to)` of [from, to).
 */
export const random_: Op<
  (
    input: Tensor,
    from?: number | bigint | ({ from?: number; to?: number | null } & GeneratorOption),
    to?: number | bigint | null | GeneratorOption,
    options?: GeneratorOption,
  ) => Tensor
> = operator(
  "random_(Tensor input, any from=None, any to=None, *, any generator=None)",
  (x: Tensor, from: unknown, to: unknown, generator: unknown) => {
    for (const bound of [from, to]) {
      if (bound !== null && (isOptions(bound) || !["number", "bigint"].includes(typeof bound))) {
        throw new ArgumentTypeError("random_(): expected bounds that are ints");
      }
    }
    if (x.dtype.is_complex) {
      throw new NotImplementedError(`"random_kernel_cpu" not implemented for '${x.dtype.scalarName}'`);
    }
    const stream = streamOf(generator);
    if (from === null) return draw("random_", x, (out) => fillRandom(stream, out, x.dtype));
    const low = to === null ? 0n : BigInt(from as number);
    const high = BigInt((to ?? from) as number);
    if (low >= high) {
      throw new TorchError(`random_ expects 'from' to be less than 'to', but got from=${low} >= to=${high}`);
    }
    if (x.dtype.category < 2 && (high > upperBound(x.dtype) || (x.dtype === bool && low < 0n))) {
      throw new TorchError(`to - 1 is out of bounds for ${x.dtype.scalarName.toLowerCase()}`);
    }
    if (x.dtype.name === "int64" && low === -(1n << 63n) && high === 1n << 63n) {
      return draw("random_", x, (out) => fillRandom64(stream, out as BigInt64Array));
    }
    return draw("random_", x, (out) => fillRandint(stream, out, low, high));
  },
  { namespace: false },
);
