/**
 * Random numbers that take a search or a rejection each: draws from given weights, counts and waiting times.
 */
import { check } from "./errors.ts";
import { drawNormal, fillExponential, type FloatArray, type NumberArray, setElement } from "./distributions.ts";
import type { Generator } from "./mt19937.ts";

/**
 * Draws `samples` categories per row of `weights` (`multinomial`). Without replacement, and for a single sample, each category
 * gets an exponential waiting time divided into its weight, and the largest win; otherwise the running sum is searched.
 */
export function fillMultinomial(
  gen: Generator,
  out: NumberArray,
  weights: FloatArray,
  categories: number,
  samples: number,
  replacement: boolean,
): void {
  check(samples > 0, () => "cannot sample n_sample <= 0 samples");
  check(
    replacement || samples <= categories,
    () => "cannot sample n_sample > prob_dist.size(-1) samples without replacement",
  );
  const rows = weights.length / categories;
  if (replacement && samples > 1) {
    for (let row = 0; row < rows; row++) {
      const cumulative = accumulate(weights.subarray(row * categories, (row + 1) * categories));
      for (let i = 0; i < samples; i++) setElement(out, row * samples + i, search(cumulative, gen.uniformDouble()));
    }
    return;
  }
  checkWeights(weights, categories);
  const scores = weights.slice();
  fillExponential(gen, scores);
  for (let i = 0; i < scores.length; i++) scores[i] = (weights[i] as number) / (scores[i] as number);
  for (let row = 0; row < rows; row++) {
    const best = largest(scores.subarray(row * categories, (row + 1) * categories), samples);
    for (let i = 0; i < samples; i++) setElement(out, row * samples + i, best[i] as number);
  }
}

function checkWeights(weights: FloatArray, categories: number): void {
  check(
    weights.every((w) => w >= 0 && w < Infinity),
    () => "probability tensor contains either `inf`, `nan` or element < 0",
  );
  let sum = 0;
  for (let i = 0; i < weights.length; i++) {
    sum += weights[i] as number;
    if ((i + 1) % categories !== 0) continue;
    check(sum > 0, () => "invalid multinomial distribution (sum of probabilities <= 0)");
    sum = 0;
  }
}

/** The running sums, in the type of the weights, scaled to end at 1. */
function accumulate(weights: FloatArray): FloatArray {
  const sums = weights.slice();
  for (let i = 0; i < sums.length; i++) {
    const w = sums[i] as number;
    check(w >= 0, () => "invalid multinomial distribution (encountering probability entry < 0)");
    check(w < Infinity, () => "invalid multinomial distribution (encountering probability entry = infinity or NaN)");
    if (i > 0) sums[i] = w + (sums[i - 1] as number);
  }
  const total = sums.at(-1) as number;
  check(total > 0, () => "invalid multinomial distribution (sum of probabilities <= 0)");
  for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] as number) / total;
  sums[sums.length - 1] = 1;
  return sums;
}

/** The first index whose running sum reaches `u`. */
function search(sums: FloatArray, u: number): number {
  let left = 0;
  let right = sums.length;
  while (left < right) {
    const middle = (left + right) >> 1;
    if ((sums[middle] as number) < u) left = middle + 1;
    else right = middle;
  }
  return left;
}

/** The indices of the `count` largest, in falling order. */
function largest(scores: FloatArray, count: number): ArrayLike<number> {
  if (count === 1) {
    let best = 0;
    for (let i = 1; i < scores.length; i++) if ((scores[i] as number) > (scores[best] as number)) best = i;
    return [best];
  }
  const order = Int32Array.from(scores, (_, i) => i);
  return order.toSorted((a, b) => (scores[b] as number) - (scores[a] as number));
}

/** log(k!), by Stirling's series from where it is exact to the last bits. */
function logFactorial(k: number): number {
  let shift = 1;
  let x = k + 1;
  for (; x < 10; x++) shift *= x;
  const inverse = 1 / x;
  const square = inverse * inverse;
  const series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188))));
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series - Math.log(shift);
}

/** How many events of a mean `rate` happen: by products of uniform numbers, or Hörmann's transformed rejection (1993). */
function drawPoisson(gen: Generator, rate: number): number {
  check(rate >= 0, () => "invalid Poisson rate, expected rate to be non-negative");
  if (rate === 0) return 0;
  if (rate < 10) {
    const limit = Math.exp(-rate);
    let count = 0;
    for (let product = gen.uniformDouble(); product > limit; product *= gen.uniformDouble()) count++;
    return count;
  }
  const b = 0.931 + 2.53 * Math.sqrt(rate);
  const a = -0.059 + 0.02483 * b;
  const inverseAlpha = 1.1239 + 1.1328 / (b - 3.4);
  const immediate = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const u = gen.uniformDouble() - 0.5;
    const v = gen.uniformDouble();
    const edge = 0.5 - Math.abs(u);
    const k = Math.floor(((2 * a) / edge + b) * u + rate + 0.43);
    if (edge >= 0.07 && v <= immediate) return k;
    if (k < 0 || (edge < 0.013 && v > edge)) continue;
    const bound = -rate + k * Math.log(rate) - logFactorial(k);
    if (Math.log(v) + Math.log(inverseAlpha) - Math.log(a / (edge * edge) + b) <= bound) return k;
  }
}

/** Counts of events, with a mean per element (`poisson`). */
export function fillPoisson(gen: Generator, out: NumberArray, rates: FloatArray): void {
  for (let i = 0; i < out.length; i++) setElement(out, i, drawPoisson(gen, rates[i] as number));
}

/** Marsaglia and Tsang's rejection (2000); below 1 the shape is raised by one and the result scaled. */
function drawGamma(gen: Generator, shape: number): number {
  let scale = 1;
  let alpha = shape;
  if (alpha < 1) {
    if (alpha === 0) return 0;
    scale = (1 - gen.uniformDouble()) ** (1 / alpha);
    alpha += 1;
  }
  const d = alpha - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    let x: number;
    let y: number;
    do {
      x = drawNormal(gen);
      y = 1 + c * x;
    } while (y <= 0);
    const v = y * y * y;
    const u = 1 - gen.uniformDouble();
    const xx = x * x;
    if (u < 1 - 0.0331 * xx * xx || Math.log(u) < 0.5 * xx + d * (1 - v + Math.log(v))) return scale * d * v;
  }
}

/** Numbers of the gamma distribution of scale 1, with a shape per element. */
export function fillGamma(gen: Generator, out: FloatArray, shapes: FloatArray): void {
  const smallest = out instanceof Float64Array ? 2 ** -1022 : 2 ** -126;
  for (let i = 0; i < out.length; i++) out[i] = Math.max(smallest, drawGamma(gen, shapes[i] as number));
}
