/**
 * Tensors of random numbers. A seed gives the numbers that it gives in PyTorch.
 */
import { backendOf } from "../backend/backend.ts";
import { type DType, float32, float64, get_default_dtype, int64 } from "../base/dtype.ts";
import { ArgumentTypeError, NotImplementedError, TorchError } from "../base/errors.ts";
import {
  fillBernoulli,
  fillBernoulliEach,
  fillNormal,
  fillPermutation,
  fillRandint,
  fillUniform,
  type FloatArray,
} from "../base/distributions.ts";
import { fillMultinomial, fillPoisson } from "../base/sampling.ts";
import { broadcast } from "../base/shape.ts";
import { allocateLike, castRaw, contiguousRaw } from "../dispatch/elementwise.ts";
import { drawInto, roundingOf } from "../dispatch/family/random.ts";
import { operator } from "../dispatch/op.ts";
import { apply1, primitive } from "../dispatch/primitive.ts";
import { isOptions, PyFloat, pythonTypeOf, type ScalarLike } from "../dispatch/signature.ts";
import { viewElements } from "../tensor/data.ts";
import { allocate, Tensor } from "../tensor/tensor.ts";
import type { TensorOptions } from "./create.ts";
import { type Generator, streamOf } from "./generator.ts";
import { sizesOf, withGrad } from "./sizes.ts";
import type { Op } from "./view.ts";

/** Options of the factories of random numbers. */
export interface RandomOptions extends TensorOptions {
  /** Where the numbers come from. Default: `torch.default_generator`. */
  generator?: Generator | null;
}

/** A factory that takes sizes, as an array or one by one, and options. */
export interface RandomFactory {
  (size: readonly number[], options?: RandomOptions): Tensor;
  (...args: (number | RandomOptions)[]): Tensor;
}

const finish = (t: Tensor, options: TensorOptions): Tensor => (options.requires_grad === true ? withGrad(t) : t);

type Fill = (t: Tensor, generator: unknown) => void;

const uniform: Fill = (t, generator) => {
  if (!t.dtype.is_floating_point) {
    throw new NotImplementedError(`"check_uniform_bounds" not implemented for '${t.dtype.scalarName}'`);
  }
  drawInto(t, (out) => fillUniform(streamOf(generator), out as FloatArray, 0, 1, roundingOf(t.dtype)));
};

const normalFill: Fill = (t, generator) => {
  if (!t.dtype.is_floating_point) {
    throw new NotImplementedError(`"normal_kernel_cpu" not implemented for '${t.dtype.scalarName}'`);
  }
  drawInto(t, (out, contiguous) => fillNormal(streamOf(generator), out as FloatArray, 0, 1, contiguous));
};

function sizedRandom(fill: Fill): RandomFactory {
  return (...args: unknown[]): Tensor => {
    const { size, options } = sizesOf<RandomOptions>(args);
    const out = allocate(size, options.dtype ?? get_default_dtype(), backendOf(options.device ?? "cpu"));
    fill(out, options.generator);
    return finish(out, options);
  };
}

/** Numbers drawn evenly from [0, 1). */
export const rand: RandomFactory = sizedRandom(uniform);
/** Numbers of the standard normal distribution. */
export const randn: RandomFactory = sizedRandom(normalFill);

type RandomLike = Op<(input: Tensor, options?: RandomOptions) => Tensor>;

const likeText =
  "*, dtype? dtype=None, any layout=None, str? device=None, bool pin_memory=False, bool requires_grad=False, any memory_format=None, any generator=None";

function randomLike(name: string, fill: Fill): RandomLike {
  return operator(
    `${name}(Tensor input, ${likeText})`,
    (
      x: Tensor,
      dtype: DType | null,
      _l: unknown,
      _d: unknown,
      _p: unknown,
      requires_grad: boolean,
      _m: unknown,
      generator: unknown,
    ) => {
      const out = allocateLike(x.shape, dtype ?? x.dtype, [x]);
      fill(out, generator);
      return finish(out, { requires_grad });
    },
    { method: false },
  );
}

/** As {@link rand}, with the shape, dtype and layout of a tensor. */
export const rand_like: RandomLike = randomLike("rand_like", uniform);
/** As {@link randn}, with the shape, dtype and layout of a tensor. */
export const randn_like: RandomLike = randomLike("randn_like", normalFill);

/** An integer argument, also as a bigint or a 0-d tensor. */
function integer(name: string, value: unknown, argument: string): number | bigint {
  const v = value instanceof PyFloat ? value.value : value instanceof Tensor ? value.item() : value;
  if (typeof v === "bigint" || (typeof v === "number" && Number.isInteger(v))) return v;
  throw new ArgumentTypeError(`${name}(): argument '${argument}' must be int, not ${pythonTypeOf(value)}`);
}

const fillIntegers = (t: Tensor, low: number | bigint, high: number | bigint, generator: unknown): void =>
  drawInto(t, (out) => fillRandint(streamOf(generator), out, low, high));

/** Options of {@link randint}, which may also hold its arguments. */
export interface RandintOptions extends RandomOptions {
  low?: number;
  high?: number;
  size?: readonly number[];
}

/** Integers drawn evenly from [low, high): `randint(high, size)` from 0 on, `randint(low, high, size)`. They are int64. */
export function randint(high: number | bigint, size: readonly number[], options?: RandintOptions): Tensor;
export function randint(
  low: number | bigint,
  high: number | bigint,
  size: readonly number[],
  options?: RandintOptions,
): Tensor;
export function randint(...args: unknown[]): Tensor;
export function randint(...args: unknown[]): Tensor {
  const list = [...args];
  while (list.length > 0 && list.at(-1) === undefined) list.pop();
  const options = isOptions(list.at(-1)) ? (list.pop() as RandintOptions) : {};
  const size = options.size ?? (Array.isArray(list.at(-1)) ? (list.pop() as number[]) : undefined);
  if (size === undefined) throw new ArgumentTypeError("randint() missing 1 required positional argument: 'size'");
  const [a, b] = list;
  const high = b ?? options.high ?? a;
  const low = options.low ?? (b !== undefined || (options.high !== undefined && a !== undefined) ? a : 0);
  const from = integer("randint", low, "low");
  const to = integer("randint", high, "high");
  const { size: checked } = sizesOf([size]);
  const out = allocate(checked, options.dtype ?? int64, backendOf(options.device ?? "cpu"));
  fillIntegers(out, from, to, options.generator);
  return finish(out, options);
}

/** Options of {@link randint_like}, which may also hold its arguments. */
export interface RandintLikeOptions extends RandomOptions {
  low?: number;
  high?: number;
}

/** As {@link randint}, with the shape, dtype and layout of a tensor. */
export function randint_like(
  input: Tensor,
  low: number | RandintLikeOptions,
  high?: number | RandintLikeOptions | null,
  options?: RandintLikeOptions,
): Tensor {
  const list: unknown[] = [low, high, options].filter((x) => x !== undefined && x !== null);
  const keywords = isOptions(list.at(-1)) ? (list.pop() as RandintLikeOptions) : {};
  const [a, b] = list;
  const to = b ?? keywords.high ?? a;
  const from = keywords.low ?? (b !== undefined || (keywords.high !== undefined && a !== undefined) ? a : 0);
  const out = allocateLike(input.shape, keywords.dtype ?? input.dtype, [input]);
  fillIntegers(out, integer("randint_like", from, "low"), integer("randint_like", to, "high"), keywords.generator);
  return finish(out, keywords);
}

/** The integers from 0 to `n - 1` in random order. */
export function randperm(n: number, options: RandomOptions = {}): Tensor {
  const { size } = sizesOf([[n]]);
  const out = allocate(size, options.dtype ?? int64, backendOf(options.device ?? "cpu"));
  drawInto(out, (array) => fillPermutation(streamOf(options.generator), array));
  return finish(out, options);
}

// --- from distributions whose parameters are tensors -----------------------------------------------------------------

/** The elements as numbers of 32 or 64 bits. */
function floatsOf(t: Tensor): FloatArray {
  return viewElements(contiguousRaw(castRaw(t, t.dtype === float64 ? float64 : float32))) as FloatArray;
}

const bernoulliPrimitive = primitive<{ p: number | null; generator: unknown }>({
  name: "bernoulli",
  forward: ([x], { p, generator }) => {
    const input = x as Tensor;
    const out = allocateLike(input.shape, input.dtype, [input]);
    const each = p === null ? floatsOf(input).slice() : null;
    drawInto(out, (array) =>
      each === null
        ? fillBernoulli(streamOf(generator), array, p as number)
        : fillBernoulliEach(streamOf(generator), array, each),
    );
    return out;
  },
  grads: [{ vjp: (g) => g.new_zeros(g.shape) }],
});

/** Ones with the probability that each element of `input` says, zeros otherwise; or with the probability `p`. */
export const bernoulli: Op<(input: Tensor, p?: number | null, options?: { generator?: Generator | null }) => Tensor> =
  operator(
    "bernoulli(Tensor input, float? p=None, *, any generator=None)",
    (x: Tensor, p: number | null, generator: unknown) => {
      if (p === null && !x.dtype.is_floating_point) {
        throw new NotImplementedError(`"bernoulli_tensor_cpu_p_" not implemented for '${x.dtype.scalarName}'`);
      }
      return apply1(bernoulliPrimitive, [x], { p, generator });
    },
  );

/** Normal numbers: `normal(mean, std)` with a mean or a standard deviation per element, `normal(mean, std, size)`. */
export function normal(
  mean: Tensor | ScalarLike,
  std: Tensor | ScalarLike | RandomOptions = 1,
  size?: readonly number[] | RandomOptions,
  options?: RandomOptions,
): Tensor {
  const keywords = (isOptions(std) ? std : isOptions(size) ? size : (options ?? {})) as RandomOptions & {
    std?: Tensor | ScalarLike;
    size?: readonly number[];
  };
  const spread = isOptions(std) ? (keywords.std ?? 1) : (std as Tensor | ScalarLike);
  const sizes = Array.isArray(size) ? (size as readonly number[]) : keywords.size;
  if (spread instanceof Tensor) {
    if (spread.dtype.is_complex) {
      throw new TorchError("normal expects standard deviation to be non-complex");
    }
    if (floatsOf(spread).some((s) => s < 0)) throw new TorchError("normal expects all elements of std >= 0.0");
  } else if (Number(spread) < 0) {
    throw new TorchError(`normal expects std >= 0.0, but found std ${Number(spread)}`);
  }
  if (!(mean instanceof Tensor) && !(spread instanceof Tensor)) {
    if (sizes === undefined) throw new ArgumentTypeError("normal() missing 1 required positional argument: 'size'");
    const { size: checked } = sizesOf([sizes]);
    const out = allocate(checked, keywords.dtype ?? get_default_dtype(), backendOf(keywords.device ?? "cpu"));
    if (!out.dtype.is_floating_point) normalFill(out, keywords.generator);
    drawInto(out, (array, contiguous) =>
      fillNormal(streamOf(keywords.generator), array as FloatArray, Number(mean), Number(spread), contiguous),
    );
    return finish(out, keywords);
  }
  const model = (mean instanceof Tensor ? mean : spread) as Tensor;
  const shape = mean instanceof Tensor && spread instanceof Tensor ? broadcast(mean.shape, spread.shape) : model.shape;
  const out = allocate(shape, model.dtype, model._backend);
  normalFill(out, keywords.generator);
  const scaled = spread instanceof Tensor ? out.mul(spread.detach()) : out.mul(spread);
  return mean instanceof Tensor ? scaled.add(mean.detach()) : scaled.add(mean);
}

/** Draws `num_samples` numbers of categories from each row of weights `input`. */
export const multinomial: Op<
  (
    input: Tensor,
    num_samples: number,
    replacement?: boolean | { replacement?: boolean; generator?: Generator | null },
    options?: { generator?: Generator | null },
  ) => Tensor
> = operator(
  "multinomial(Tensor input, int num_samples, bool replacement=False, *, any generator=None)",
  (x: Tensor, count: number, replacement: boolean, generator: unknown) => {
    if (x.ndim === 0 || x.ndim > 2) throw new TorchError("prob_dist must be 1 or 2 dim");
    if (!x.dtype.is_floating_point) {
      throw new TorchError(`multinomial only supports floating-point dtypes for input, got: ${x.dtype.scalarName}`);
    }
    const categories = x.shape.at(-1) as number;
    const weights = floatsOf(x).slice();
    const rows = x.ndim === 1 ? [] : [x.shape[0] as number];
    if (count <= 0) throw new TorchError("cannot sample n_sample <= 0 samples");
    const out = allocate([...rows, count], int64, x._backend);
    drawInto(out, (array) => fillMultinomial(streamOf(generator), array, weights, categories, count, replacement));
    return out;
  },
);

const poissonPrimitive = primitive<unknown>({
  name: "poisson",
  forward: ([x], generator) => {
    const input = x as Tensor;
    const out = allocateLike(input.shape, input.dtype, [input]);
    const rates = floatsOf(input).slice();
    drawInto(out, (array) => fillPoisson(streamOf(generator), array, rates));
    return out;
  },
  grads: [{ vjp: (g) => g.new_zeros(g.shape) }],
});

/** Counts of events, whose mean each element of `input` says. */
export const poisson: Op<(input: Tensor, options?: { generator?: Generator | null }) => Tensor> = operator(
  "poisson(Tensor input, any generator=None)",
  (x: Tensor, generator: unknown) => {
    if (!x.dtype.is_floating_point) {
      throw new NotImplementedError(`"poisson_cpu" not implemented for '${x.dtype.scalarName}'`);
    }
    return apply1(poissonPrimitive, [x], generator);
  },
  { method: false },
);
