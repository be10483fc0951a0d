/**
 * Random numbers of the common distributions, drawn into typed arrays in the order in which PyTorch's CPU kernels draw them
 * (without MKL), so that a seed gives the same tensors. A value of a 16-bit type is that of float32, rounded by the caller.
 */
import { formatGeneral } from "./decimal.ts";
import { bool, type DType } from "./dtype.ts";
import { check, TorchError } from "./errors.ts";
import type { Generator } from "./mt19937.ts";
import { fillNormalBlocks } from "./normal.ts";

export type FloatArray = Float32Array | Float64Array;
/** Where numbers of any dtype go; of bool as bytes. */
export type NumberArray = FloatArray | Uint8Array | Int8Array | Int16Array | Int32Array | BigInt64Array;

/** Numbers are made in pieces of this size before they are converted to their type. */
const pieceLength = 1024;
/** Randomness of a range this wide or wider comes from 64 bits, as 32 would favour some values. */
const wideRange = 2 ** 28;

/** The low and the high halves of int64 elements. */
function halvesOf(out: BigInt64Array): Int32Array {
  return new Int32Array(out.buffer, out.byteOffset, 2 * out.length);
}

/** Writes safe integers (or, to float arrays, any numbers) from `start` on. */
function store(out: NumberArray, start: number, values: Float64Array, count: number): void {
  if (!(out instanceof BigInt64Array)) {
    out.set(count === values.length ? values : values.subarray(0, count), start);
    return;
  }
  const halves = halvesOf(out);
  for (let i = 0; i < count; i++) {
    const v = values[i] as number;
    halves[2 * (start + i)] = v;
    halves[2 * (start + i) + 1] = Math.floor(v / 2 ** 32);
  }
}

/** Writes one number, an integer unless the array is of floats. */
export function setElement(out: NumberArray, i: number, value: number): void {
  if (out instanceof BigInt64Array) out[i] = BigInt(value);
  else out[i] = value;
}

/** Fills `out` piece by piece; `make` writes the numbers of one. */
function fillPieces(out: NumberArray, make: (piece: Float64Array, count: number, start: number) => void): void {
  const piece = new Float64Array(Math.min(out.length, pieceLength));
  for (let start = 0; start < out.length; start += pieceLength) {
    const count = Math.min(out.length - start, pieceLength);
    make(piece, count, start);
    store(out, start, piece, count);
  }
}

/** Numbers of [0, 1) with 24 random bits, one word each. */
function drawFloats(gen: Generator, out: FloatArray, count: number): void {
  for (let i = 0; i < count;) {
    if (gen.next === gen.end) gen.refill();
    const words = gen.words;
    const shift = gen.next - i;
    const stop = Math.min(count, i + gen.end - gen.next);
    gen.next += stop - i;
    for (; i < stop; i++) out[i] = ((words[i + shift] as number) & 0xffffff) * 2 ** -24;
  }
}

/** Numbers of [0, 1) with 53 random bits, two words each. */
function drawDoubles(gen: Generator, out: Float64Array, count: number): void {
  for (let i = 0; i < count;) {
    const stop = Math.min(count, i + ((gen.end - gen.next) >> 1));
    if (stop === i) {
      // None or a single word is left of the block.
      out[i++] = gen.uniformDouble();
      continue;
    }
    const words = gen.words;
    let next = gen.next;
    gen.next += 2 * (stop - i);
    for (; i < stop; i++, next += 2) {
      const high = (words[next] as number) & 0x1fffff;
      out[i] = (high * 2 ** 32 + ((words[next + 1] as number) >>> 0)) * 2 ** -53;
    }
  }
}

/**
 * Uniform numbers of [from, to) (`uniform_`). `round` narrows to a 16-bit type; what it rounds up to `to` becomes `from`.
 */
export function fillUniform(
  gen: Generator,
  out: FloatArray,
  from = 0,
  to = 1,
  round: ((x: number) => number) | null = null,
): void {
  check(
    from <= to,
    () =>
      `uniform_ expects to return a [from, to) range, but found from=${formatGeneral(from)} > to=${formatGeneral(to)}`,
  );
  if (out instanceof Float64Array) {
    drawDoubles(gen, out, out.length);
    if (from === 0 && to === 1) return;
    for (let i = 0; i < out.length; i++) out[i] = (out[i] as number) * (to - from) + from;
    return;
  }
  drawFloats(gen, out, out.length);
  const base = Math.fround(from);
  const range = Math.fround(Math.fround(to) - base);
  // The product of two float32 is exact in a double, so that this is a fused multiply-add, as in PyTorch's build.
  if (base !== 0 || range !== 1) {
    for (let i = 0; i < out.length; i++) out[i] = (out[i] as number) * range + base;
  }
  if (round !== null) {
    const low = round(from);
    const high = round(to);
    for (let i = 0; i < out.length; i++) {
      const x = round(out[i] as number);
      out[i] = x === high ? low : x;
    }
  }
}

/** A number of the standard normal distribution: one of a Box-Muller pair, whose second half waits for the next call. */
export function drawNormal(gen: Generator): number {
  const waiting = gen.nextNormal;
  if (waiting !== null) {
    gen.nextNormal = null;
    return waiting;
  }
  const u1 = gen.uniformDouble();
  const radius = Math.sqrt(-2 * Math.log1p(-gen.uniformDouble()));
  const theta = 2 * Math.PI * u1;
  gen.nextNormal = radius * Math.sin(theta);
  return radius * Math.cos(theta);
}

/**
 * Normal numbers (`normal_`). From 16 elements on PyTorch draws them in blocks, unless the destination is strided: then the
 * caller passes a temporary array and `contiguous` false.
 */
export function fillNormal(gen: Generator, out: FloatArray, mean = 0, std = 1, contiguous = true): void {
  check(std >= 0, () => `normal expects std >= 0.0, but found std ${formatGeneral(std)}`);
  if (out.length < 16 || !contiguous) {
    for (let i = 0; i < out.length; i++) out[i] = drawNormal(gen) * std + mean;
    return;
  }
  const draw = (target: FloatArray): void => {
    if (target instanceof Float64Array) drawDoubles(gen, target, target.length);
    else drawFloats(gen, target, target.length);
  };
  draw(out);
  const rest = out.length % 16;
  fillNormalBlocks(out, 0, out.length - rest, mean, std);
  if (rest === 0) return;
  // The last 16 are drawn afresh, those that the last whole block has in common with them too.
  const tail = out.subarray(out.length - 16);
  draw(tail);
  fillNormalBlocks(tail, 0, 16, mean, std);
}

/** `exp` of normal numbers (`log_normal_`). */
export function fillLogNormal(gen: Generator, out: FloatArray, mean = 1, std = 2): void {
  check(std > 0, () => `log_normal_ expects std > 0.0, but found std=${formatGeneral(std)}`);
  for (let i = 0; i < out.length; i++) out[i] = Math.exp(drawNormal(gen) * std + mean);
}

/** Numbers of the exponential distribution (`exponential_`). */
export function fillExponential(gen: Generator, out: FloatArray, lambda = 1): void {
  check(lambda > 0, () => `exponential_ expects lambda > 0.0, but found lambda=${formatGeneral(lambda)}`);
  const scale = -1 / lambda;
  fillPieces(out, (piece, count) => {
    drawDoubles(gen, piece, count);
    for (let i = 0; i < count; i++) piece[i] = scale * Math.log1p(-(piece[i] as number));
  });
}

/** Numbers of the Cauchy distribution (`cauchy_`). */
export function fillCauchy(gen: Generator, out: FloatArray, median = 0, sigma = 1): void {
  check(sigma > 0, () => `cauchy_ expects sigma > 0.0, but found sigma=${formatGeneral(sigma)}`);
  fillPieces(out, (piece, count) => {
    drawDoubles(gen, piece, count);
    for (let i = 0; i < count; i++) piece[i] = median + sigma * Math.tan(Math.PI * ((piece[i] as number) - 0.5));
  });
}

/** How many trials until the first success, of probability `p` each (`geometric_`). */
export function fillGeometric(gen: Generator, out: NumberArray, p: number): void {
  check(p > 0 && p < 1, () => `geometric_ expects p to be in (0, 1), but got p=${formatGeneral(p)}`);
  fillPieces(out, (piece, count) => {
    drawDoubles(gen, piece, count);
    for (let i = 0; i < count; i++) piece[i] = Math.ceil(Math.log(piece[i] as number) / Math.log1p(-p));
  });
}

/** 1 if u < p, otherwise 0, of numbers of [0, 1]; without a branch, which chance would mispredict. */
function below(u: number, p: number): number {
  return 0 - Math.floor(u - p);
}

/** Ones with probability `p`, zeros otherwise (`bernoulli_` with a number; dropout masks). */
export function fillBernoulli(gen: Generator, out: NumberArray, p: number): void {
  check(p >= 0 && p <= 1, () => `bernoulli_ expects p to be in [0, 1], but got p=${formatGeneral(p)}`);
  if (out instanceof Float32Array) {
    drawBelow(gen, out, p * 2 ** 53);
    return;
  }
  fillPieces(out, (piece, count) => {
    drawDoubles(gen, piece, count);
    for (let i = 0; i < count; i++) piece[i] = below(piece[i] as number, p);
  });
}

/** 1 where the 53 random bits of {@link drawDoubles}, as an integer, are below `limit`, else 0: for the masks of dropout. */
function drawBelow(gen: Generator, out: Float32Array, limit: number): void {
  for (let i = 0; i < out.length;) {
    const stop = Math.min(out.length, i + ((gen.end - gen.next) >> 1));
    if (stop === i) {
      out[i++] = Number(gen.uniformDouble() * 2 ** 53 < limit);
      continue;
    }
    const words = gen.words;
    let next = gen.next;
    gen.next += 2 * (stop - i);
    for (; i < stop; i++, next += 2) {
      const high = (words[next] as number) & 0x1fffff;
      out[i] = Number(high * 2 ** 32 + ((words[next + 1] as number) >>> 0) < limit);
    }
  }
}

/** Ones with a probability per element, zeros otherwise (`bernoulli` of a tensor). */
export function fillBernoulliEach(gen: Generator, out: NumberArray, p: FloatArray): void {
  const double = p instanceof Float64Array;
  for (let i = 0; i < p.length; i++) {
    const at = p[i] as number;
    check(
      at >= 0 && at <= 1,
      () =>
        "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error message be improved?  If so, please report an enhancement request to PyTorch.)",
    );
  }
  fillPieces(out, (piece, count, start) => {
    if (double) drawDoubles(gen, piece, count);
    else drawFloats(gen, piece, count);
    for (let i = 0; i < count; i++) piece[i] = below(piece[i] as number, p[start + i] as number);
  });
}

/** (high * 2^32 + low) mod range, for a range up to 2^37: 16 bits at a time no product exceeds 2^53. */
function remainder64(high: number, low: number, range: number): number {
  const middle = ((high % range) * 65536 + (low >>> 16)) % range;
  return (middle * 65536 + (low & 0xffff)) % range;
}

/** Integers of [low, high) (`randint`, `random_` with bounds). */
export function fillRandint(gen: Generator, out: NumberArray, low: number | bigint, high: number | bigint): void {
  check(low < high, () => `random_ expects 'from' to be less than 'to', but got from=${low} >= to=${high}`);
  const base = Number(low);
  const range = Number(BigInt(high) - BigInt(low));
  if (range > 2 ** 37 || !Number.isSafeInteger(base)) {
    fillBigRandint(gen, out, BigInt(low), BigInt(high) - BigInt(low));
  } else if (range >= wideRange) {
    fillPieces(out, (piece, count) => {
      for (let i = 0; i < count; i++) piece[i] = base + remainder64(gen.random32(), gen.random32(), range);
    });
  } else {
    fillPieces(out, (piece, count) => {
      for (let i = 0; i < count; i++) piece[i] = base + (gen.random32() % range);
    });
  }
}

function fillBigRandint(gen: Generator, out: NumberArray, base: bigint, range: bigint): void {
  for (let i = 0; i < out.length; i++) {
    const word = range >= BigInt(wideRange) ? gen.random64() : BigInt(gen.random32());
    const x = BigInt.asIntN(64, (word % range) + base);
    if (out instanceof BigInt64Array) out[i] = x;
    else out[i] = Number(x);
  }
}

/** Integers of the whole range of int64 (`random_` from the smallest one on, without an end). */
export function fillRandom64(gen: Generator, out: BigInt64Array | FloatArray): void {
  fillBigRandint(gen, out, 0n, 2n ** 64n);
}

/** How many consecutive integers from 0 on `random_()` draws from: all that the dtype holds exactly. */
const randomRanges: Readonly<Partial<Record<DType["name"], number>>> = {
  uint8: 2 ** 8,
  int8: 2 ** 7,
  int16: 2 ** 15,
  int32: 2 ** 31,
  float16: 2 ** 11 + 1,
  bfloat16: 2 ** 8 + 1,
  float32: 2 ** 24 + 1,
};

/** Non-negative integers up to the largest that the dtype holds, all smaller ones included (`random_()`). */
export function fillRandom(gen: Generator, out: NumberArray, dtype: DType): void {
  if (out instanceof BigInt64Array) fillBigRandint(gen, out, 0n, 2n ** 63n);
  else if (out instanceof Float64Array && dtype.name === "float64") fillBigRandint(gen, out, 0n, 2n ** 53n + 1n);
  else {
    const range = dtype === bool ? 2 : randomRanges[dtype.name];
    if (range === undefined) throw new TorchError(`"random_kernel_cpu" not implemented for '${dtype.scalarName}'`);
    // Of int32 too a single word is drawn, unlike with bounds.
    fillPieces(out, (piece, count) => {
      for (let i = 0; i < count; i++) piece[i] = gen.random32() % range;
    });
  }
}

/** The integers from 0 on in random order (`randperm`); at most 2^31 of them. */
export function fillPermutation(gen: Generator, out: NumberArray): void {
  const n = out.length;
  const order = out instanceof Int32Array ? out : new Int32Array(n);
  for (let i = 0; i < n; i++) order[i] = i;
  // 32 bits would favour some permutations of a length near to 2^32.
  const wide = n >= (2 ** 32 - 1) / 20;
  for (let i = 0; i < n - 1; i++) {
    const left = n - i;
    const j = i + (wide ? remainder64(gen.random32(), gen.random32(), left) : gen.random32() % left);
    const swapped = order[i] as number;
    order[i] = order[j] as number;
    order[j] = swapped;
  }
  if (out instanceof BigInt64Array) {
    const halves = halvesOf(out);
    for (let i = 0; i < n; i++) {
      halves[2 * i] = order[i] as number;
      halves[2 * i + 1] = 0;
    }
  } else if (out !== order) out.set(order);
}
