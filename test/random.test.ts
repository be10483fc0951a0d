import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import {
  fillBernoulli,
  fillBernoulliEach,
  fillCauchy,
  fillExponential,
  fillGeometric,
  fillLogNormal,
  fillNormal,
  fillPermutation,
  fillRandint,
  fillRandom,
  fillUniform,
  type FloatArray,
  type NumberArray,
} from "../src/base/distributions.ts";
import { type DTypeName, dtypes } from "../src/base/dtype.ts";
import { Generator } from "../src/base/mt19937.ts";
import { fillGamma, fillMultinomial, fillPoisson } from "../src/base/sampling.ts";

interface Result {
  dtype: DTypeName;
  shape: number[];
  data: (number | string)[];
}

interface Case {
  id: string;
  group: string;
  seed?: string;
  call: string;
  outs?: Result[];
  next_rand_f64?: number;
  raises?: { type: string; message: string };
  result?: unknown;
}

const fixture = new URL("fixtures/rng.json.gz", import.meta.url);
const cases = JSON.parse(gunzipSync(readFileSync(fixture)).toString()) as Case[];

function empty(n: number, dtype: string): NumberArray {
  switch (dtype) {
    case "float64":
      return new Float64Array(n);
    case "int64":
      return new BigInt64Array(n);
    case "int32":
      return new Int32Array(n);
    case "int8":
      return new Int8Array(n);
    case "uint8":
    case "bool":
      return new Uint8Array(n);
    default:
      return new Float32Array(n);
  }
}

function floats(n: number, dtype: string): FloatArray {
  return dtype === "float64" ? new Float64Array(n) : new Float32Array(n);
}

/** To float16; the numbers here are neither tiny nor huge. */
function roundHalf(x: number): number {
  if (x === 0) return x;
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(x))) - 10);
  const scaled = x / unit;
  const floor = Math.floor(scaled);
  const up = scaled - floor > 0.5 || (scaled - floor === 0.5 && floor % 2 !== 0);
  return (floor + (up ? 1 : 0)) * unit;
}

function product(shape: string): number {
  return shape.split(",").reduce((n, size) => n * Number(size), 1);
}

function numbers(list: string): number[] {
  return list
    .replace(/[[\]\s]/g, "")
    .split(",")
    .filter(Boolean)
    .map(Number);
}

function fill<T>(out: T, draw: (out: T) => void): T {
  draw(out);
  return out;
}

const scaledBy = (values: FloatArray, factor: number): number[] => Array.from(values, (v) => v * factor);

/** Bernoulli ones over the whole of a channel's elements, scaled, as dropout does. */
function dropout(gen: Generator, n: number, repeat: number, p: number, dtype: string): number[] {
  const mask = fill(floats(n, dtype), (out) => fillBernoulli(gen, out, 1 - p));
  const keep = dtype === "float32" ? Math.fround(1 - p) : 1 - p;
  return scaledBy(mask, 1 / keep).flatMap((v) => new Array<number>(repeat).fill(v));
}

function alphaDropout(gen: Generator, n: number, p: number): number[] {
  const alpha = 1.7580993408473766;
  const a = 1 / Math.sqrt((alpha * alpha * p + 1) * (1 - p));
  const mask = fill(new Float64Array(n), (out) => fillBernoulli(gen, out, 1 - p));
  return Array.from(mask, (m) => (m === 0 ? -alpha * a : a) + alpha * a * p);
}

type Replay = (gen: Generator, match: string[]) => ArrayLike<number | bigint>[];

/** The calls of the fixture, as text, and how they draw. */
const replays: readonly (readonly [RegExp, Replay])[] = [
  [
    /^torch\.rand\(([\d, ]+)(?:, dtype=(\w+))?\)$/,
    (gen, [, shape, dtype = "float32"]) => [
      fill(floats(product(shape as string), dtype), (out) =>
        fillUniform(gen, out, 0, 1, dtype === "float16" ? roundHalf : null),
      ),
    ],
  ],
  [
    /^torch\.(rand|randn)_like\(torch\.zeros\(([\d, ]+), dtype=(\w+)\)\)$/,
    (gen, [, which, shape, dtype]) => [
      fill(floats(product(shape as string), dtype as string), (out) =>
        which === "rand" ? fillUniform(gen, out) : fillNormal(gen, out),
      ),
    ],
  ],
  [
    /^torch\.randn\((\d+(?:, \d+)*), dtype=(\w+)\)$/,
    (gen, [, shape, dtype]) => [fill(floats(product(shape as string), dtype as string), (out) => fillNormal(gen, out))],
  ],
  [
    // Several calls in a row.
    /^(?:two calls: )?(torch\.randn?\(\d+\)(?:, torch\.randn?\(\d+\))+) \((\w+)\)$/,
    (gen, [, calls, dtype]) =>
      [...(calls as string).matchAll(/(randn?)\((\d+)\)/g)].map(([, which, n]) =>
        fill(floats(Number(n), dtype as string), (out) =>
          which === "rand" ? fillUniform(gen, out) : fillNormal(gen, out),
        ),
      ),
  ],
  [
    /^torch\.randn\(1\) x4 \((\w+)\)$/,
    (gen, [, dtype]) =>
      Array.from({ length: 4 }, () => fill(floats(1, dtype as string), (out) => fillNormal(gen, out))),
  ],
  [
    /^non-contiguous out: torch\.empty\(4, 10\)\[:, ::2\]\.normal_\(\) \((\w+)\)$/,
    (gen, [, dtype]) => [fill(floats(20, dtype as string), (out) => fillNormal(gen, out, 0, 1, false))],
  ],
  [
    /^torch\.empty\((\d+), dtype=(\w+)\)\.(\w+)_\(([-\d., ]*)\)$/,
    (gen, [, n, dtype, name, args]) => {
      const [a, b] = numbers(args as string);
      const out = empty(Number(n), dtype as string);
      const real = out as FloatArray;
      if (name === "normal") fillNormal(gen, real, a, b);
      else if (name === "uniform") fillUniform(gen, real, a, b);
      else if (name === "exponential") fillExponential(gen, real, a);
      else if (name === "log_normal") fillLogNormal(gen, real, a, b);
      else if (name === "cauchy") fillCauchy(gen, real, a, b);
      else if (name === "geometric") fillGeometric(gen, out, a as number);
      else if (name === "bernoulli") fillBernoulli(gen, out, a as number);
      else if (name === "random" && a === undefined) fillRandom(gen, out, dtypes[dtype as DTypeName]);
      else if (name === "random") fillRandint(gen, out, 0, a as number);
      else throw new Error(`no replay of ${name}_`);
      return [out];
    },
  ],
  [
    /^torch\.bernoulli\(torch\.linspace\(0, 1, 9, dtype=(\w+)\)\)$/,
    (gen, [, dtype]) => {
      const p = floats(9, dtype as string).map((_, i) => i / 8);
      return [fill(floats(9, dtype as string), (out) => fillBernoulliEach(gen, out, p))];
    },
  ],
  [
    /^torch\.normal\(1\.0, 2\.0, \(2, 9\), dtype=(\w+)\)$/,
    (gen, [, dtype]) => [fill(floats(18, dtype as string), (out) => fillNormal(gen, out, 1, 2))],
  ],
  [
    /^torch\.normal\(torch\.arange\(6, .*torch\.linspace\(1, 2, 6, dtype=(float64)\)\)$/,
    (gen, [, dtype]) => {
      const out = fill(floats(6, dtype as string), (z) => fillNormal(gen, z));
      return [out.map((z, i) => z * (1 + i / 5) + i)];
    },
  ],
  [
    /^torch\.multinomial\(torch\.tensor\((\[.*\]), dtype=(\w+)\), (\d)(, replacement=True)?\)$/,
    (gen, [, weights, dtype, samples, replacement]) => {
      const values = numbers(weights as string);
      const rows = (weights as string).startsWith("[[") ? 2 : 1;
      const p = floats(values.length, dtype as string).map((_, i) => values[i] as number);
      const out = new BigInt64Array(rows * Number(samples));
      fillMultinomial(gen, out, p, values.length / rows, Number(samples), replacement !== undefined);
      return [out];
    },
  ],
  [
    /^F\.rrelu\(-torch\.ones\(6, dtype=float64\), training=True\)$/,
    (gen) => [
      scaledBy(
        fill(new Float64Array(6), (out) => fillUniform(gen, out, 1 / 8, 1 / 3)),
        -1,
      ),
    ],
  ],
  [
    /^torch\.randint\((-?\d+), (\d+), \((\d+),\)(?:, dtype=(\w+))?\)$/,
    (gen, [, low, high, n, dtype = "int64"]) => [
      fill(empty(Number(n), dtype), (out) => fillRandint(gen, out, Number(low), Number(high))),
    ],
  ],
  [
    /^torch\.randint_like\(torch\.zeros\(5\), 3, 9\)$/,
    (gen) => [fill(new Float32Array(5), (out) => fillRandint(gen, out, 3, 9))],
  ],
  [
    /^torch\.randperm\((\d+)(?:, dtype=(\w+))?\)$/,
    (gen, [, n, dtype = "int64"]) => [fill(empty(Number(n), dtype), (out) => fillPermutation(gen, out))],
  ],
  [
    /^torch\.poisson\(torch\.tensor\(\[0\.5, 3\.0, 20\.0\]\)\)$/,
    (gen) => [fill(new Float32Array(3), (out) => fillPoisson(gen, out, Float32Array.of(0.5, 3, 20)))],
  ],
  [
    /^F\.dropout\(torch\.ones\(20, dtype=(\w+)\), p=([\d.]+)\)$/,
    (gen, [, dtype, p]) => [dropout(gen, 20, 1, Number(p), dtype as string)],
  ],
  [
    /^F\.dropout2d\(torch\.ones\(2, 3, 2, 2, dtype=(\w+)\), p=([\d.]+)\)$/,
    (gen, [, dtype, p]) => [dropout(gen, 6, 4, Number(p), dtype as string)],
  ],
  [
    /^F\.alpha_dropout\(torch\.ones\(8, dtype=\w+\), p=([\d.]+), training=True\)$/,
    (gen, [, p]) => [alphaDropout(gen, 8, Number(p))],
  ],
  // Initialisation, as far as it is one draw per tensor.
  [
    /^t = torch\.empty\(([\d, ]+)(?:, dtype=(\w+))?\); I\.(\w+)_\(t(.*)\)$/,
    (gen, [, shape, dtype = "float32", name, args]) =>
      initialised(gen, numbers(shape as string), dtype, name as string, args as string),
  ],
  [/^nn\.(\w+)\((.*)\)$/, (gen, [, name, args]) => parametersOf(gen, name as string, args as string)],
];

function initialised(gen: Generator, shape: number[], dtype: string, name: string, args: string): FloatArray[] {
  const out = floats(product(shape.join()), dtype);
  const fanIn = product(shape.slice(1).join());
  const fanOut = out.length / (shape[1] as number);
  const [a, b] = numbers(args.replace(/\w+=[^,]*/g, "").replace(/^[, ]+/, ""));
  const fan = args.includes("fan_out") ? fanOut : fanIn;
  const slope = args.includes("5 ** 0.5") ? Math.sqrt(5) : 0;
  const kaiming = Math.sqrt(2 / (1 + slope * slope)) / Math.sqrt(fan);
  const xavier = (args.includes("gain=2.0") ? 2 : 1) * Math.sqrt(2 / (fanIn + fanOut));
  if (name === "uniform") fillUniform(gen, out, a, b);
  else if (name === "normal") fillNormal(gen, out, a, b);
  else if (name === "kaiming_uniform") fillUniform(gen, out, -Math.sqrt(3) * kaiming, Math.sqrt(3) * kaiming);
  else if (name === "kaiming_normal") fillNormal(gen, out, 0, kaiming);
  else if (name === "xavier_uniform") fillUniform(gen, out, -Math.sqrt(3) * xavier, Math.sqrt(3) * xavier);
  else if (name === "xavier_normal") fillNormal(gen, out, 0, xavier);
  else if (name === "sparse") {
    const [rows, columns] = shape as [number, number];
    fillNormal(gen, out, 0, 0.01);
    for (let column = 0; column < columns; column++) {
      const order = fill(new Int32Array(rows), (o) => fillPermutation(gen, o));
      for (const row of order.subarray(0, Math.ceil(rows / 2))) out[row * columns + column] = 0;
    }
  } else if (name === "trunc_normal") {
    // All elements are drawn again as long as one is out of bounds, and taken where it is.
    const [std, low, high] = (args === "" ? [1, -2, 2] : [0.5, -0.5, 1]) as [number, number, number];
    const outside = (x: number): boolean => x < low || x > high;
    fillNormal(gen, out, 0, std);
    while (out.some(outside)) {
      const again = fill(floats(out.length, dtype), (o) => fillNormal(gen, o, 0, std));
      again.forEach((x, i) => {
        if (outside(out[i] as number)) out[i] = x;
      });
    }
  } else throw new Error(`no replay of ${name}_`);
  return [out];
}

function parametersOf(gen: Generator, name: string, args: string): FloatArray[] {
  const uniform = (bound: number, ...sizes: number[]): FloatArray[] =>
    sizes.map((n) => fill(new Float32Array(n), (out) => fillUniform(gen, out, -bound, bound)));
  const sizes = numbers(args.replace(/,? ?\w+=[^,]*/g, ""));
  const [first, second, third] = sizes as [number, number, number];
  switch (name) {
    case "Linear": {
      const bound = 1 / Math.sqrt(first);
      return uniform(bound, ...(args.includes("bias=False") ? [first * second] : [first * second, second]));
    }
    case "Sequential":
      return [...args.matchAll(/Linear\((.*?)\)/g)].flatMap(([, inner]) =>
        parametersOf(gen, "Linear", inner as string),
      );
    case "Bilinear":
      return uniform(1 / Math.sqrt(first), first * second * third, third);
    case "Conv1d":
    case "Conv2d": {
      const groups = args.includes("groups=2") ? 2 : 1;
      const fan = (first / groups) * third ** (name === "Conv1d" ? 1 : 2);
      return uniform(1 / Math.sqrt(fan), fan * second, second);
    }
    case "Embedding": {
      const out = fill(new Float32Array(first * second), (o) => fillNormal(gen, o));
      if (args.includes("padding_idx=1")) out.fill(0, second, 2 * second);
      return [out];
    }
    case "RNN":
    case "RNNCell":
    case "LSTM":
    case "GRUCell": {
      const gates = name === "LSTM" ? 4 : name === "GRUCell" ? 3 : 1;
      const rows = gates * second;
      const layer = (input: number): number[] => [rows * input, rows * second, rows, rows];
      const more = args.includes("num_layers=2") ? layer(second) : args.includes("bidirectional") ? layer(first) : [];
      return uniform(1 / Math.sqrt(second), ...layer(first), ...more);
    }
    default:
      throw new Error(`no replay of nn.${name}`);
  }
}

/** What takes more than draws and is checked where it is implemented. */
const elsewhere =
  /calculate_gain|I\.(orthogonal|ones|zeros|eye)_|^nn\.(LayerNorm|BatchNorm2d|GroupNorm|PReLU|MultiheadAttention|Transformer\w*)\(/;

function decode(r: Result): (number | bigint)[] {
  return r.data.map((v) => {
    if (r.dtype === "int64") return BigInt(v);
    const x = Number(v);
    return r.dtype === "float32" ? Math.fround(x) : r.dtype === "float16" ? roundHalf(x) : x;
  });
}

const drawn = cases.filter((c) => c.outs !== undefined && !elsewhere.test(c.call));

describe("the streams of PyTorch", () => {
  it.each(drawn.map((c) => [c.id, c] as const))("%s", (_, c) => {
    const gen = new Generator(BigInt(c.seed as string));
    const entry = replays.find(([pattern]) => pattern.test(c.call));
    if (entry === undefined) throw new Error(`no replay of ${c.call}`);
    const outs = entry[1](gen, entry[0].exec(c.call) as string[]);
    expect(outs.length).toBe(c.outs?.length);
    outs.forEach((out, k) => {
      const result = c.outs?.[k] as Result;
      const expected = decode(result);
      expect(out.length).toBe(expected.length);
      // Single precision agrees to the bit, double precision up to the rounding of log, sin and cos.
      const tolerance = result.dtype === "float64" ? 1e-13 : c.call.startsWith("F.alpha_dropout") ? 1e-6 : 0;
      for (let i = 0; i < expected.length; i++) {
        const want = Number(expected[i]);
        const got = result.dtype === "float32" ? Math.fround(Number(out[i])) : Number(out[i]);
        if (tolerance > 0) expect(Math.abs(got - want)).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(want)));
        else if (typeof expected[i] === typeof out[i])
          expect(result.dtype === "int64" ? out[i] : got).toBe(expected[i]);
        else expect(got).toBe(want);
      }
    });
    // How much of the stream was consumed.
    expect(gen.uniformDouble()).toBe(c.next_rand_f64);
  });
});

function moments(values: ArrayLike<number>): [mean: number, variance: number] {
  const all = Array.from(values);
  const mean = all.reduce((s, x) => s + x, 0) / all.length;
  return [mean, all.reduce((s, x) => s + (x - mean) ** 2, 0) / all.length];
}

/** With replacement. */
function drawTwo(...weights: number[]): void {
  fillMultinomial(new Generator(0), new Float32Array(2), Float64Array.from(weights), 2, 2, true);
}

describe("errors", () => {
  const gen = new Generator(0);
  const two = new Float32Array(2);
  const attempts: Record<string, () => unknown> = {
    "torch.randint(5, 3, (2,))": () => fillRandint(gen, new BigInt64Array(2), 5, 3),
    "torch.empty(2).uniform_(3, 1)": () => fillUniform(gen, two, 3, 1),
    "torch.empty(2).normal_(0, -1)": () => fillNormal(gen, two, 0, -1),
    "torch.empty(2).exponential_(0)": () => fillExponential(gen, two, 0),
    "torch.empty(2).exponential_(-1)": () => fillExponential(gen, two, -1),
    "torch.bernoulli(torch.tensor([1.5]))": () => fillBernoulliEach(gen, two, Float32Array.of(1.5)),
    "torch.empty(2).geometric_(0)": () => fillGeometric(gen, two, 0),
    "torch.multinomial(torch.tensor([1., -1.]), 1)": () =>
      fillMultinomial(gen, two, Float32Array.of(1, -1), 2, 1, false),
    "torch.multinomial(torch.tensor([0., 0.]), 1)": () => fillMultinomial(gen, two, new Float32Array(2), 2, 1, false),
    "torch.multinomial(torch.tensor([1., 2.]), 3)": () => fillMultinomial(gen, two, Float32Array.of(1, 2), 2, 3, false),
    "torch.manual_seed(2**64)": () => gen.manual_seed(2n ** 64n),
    "torch.manual_seed(-2**63 - 1)": () => gen.manual_seed(-(2n ** 63n) - 1n),
  };

  it.each(cases.filter((c) => c.call in attempts).map((c) => [c.call, c] as const))("%s", (call, c) => {
    let thrown: Error | null = null;
    try {
      attempts[call]?.();
    } catch (e) {
      thrown = e as Error;
    }
    expect(thrown?.message).toBe(c.raises?.message);
    expect(thrown?.name).toBe(c.raises?.type);
  });

  it("has a case of each", () => {
    expect(cases.filter((c) => c.call in attempts).length).toBe(Object.keys(attempts).length);
  });

  it("refuses weights that are no distribution when drawing with replacement too", () => {
    expect(() => drawTwo(1, -1)).toThrow("encountering probability entry < 0");
    expect(() => drawTwo(1, NaN)).toThrow("encountering probability entry < 0");
    expect(() => drawTwo(1, Infinity)).toThrow("encountering probability entry = infinity or NaN");
    expect(() => drawTwo(0, 0)).toThrow("invalid multinomial distribution (sum of probabilities <= 0)");
  });

  it("refuses bytes that are no state", () => {
    expect(() => gen.set_state(new Uint8Array(12))).toThrow("found the input RNG state size to be 12");
    expect(() => gen.set_state(new Uint8Array(5056))).toThrow("Invalid mt19937 state");
  });
});

describe("distributions beyond the recorded ones", () => {
  const n = 100_000;

  it.each([0.3, 1, 2.5, 40])("gamma of shape %d has its mean and variance", (shape) => {
    const out = new Float64Array(n);
    fillGamma(new Generator(5), out, new Float64Array(n).fill(shape));
    const [mean, variance] = moments(out);
    expect(Math.abs(mean - shape)).toBeLessThan(5 * Math.sqrt(shape / n));
    expect(Math.abs(variance / shape - 1)).toBeLessThan(0.05);
  });

  it.each([0, 0.2, 3, 9.9, 10, 57, 1e4])("Poisson counts of rate %d have its mean and variance", (rate) => {
    const out = new Float64Array(n);
    fillPoisson(new Generator(6), out, new Float64Array(n).fill(rate));
    const [mean, variance] = moments(out);
    expect(Math.abs(mean - rate)).toBeLessThanOrEqual(5 * Math.sqrt(rate / n));
    expect(Math.abs(variance - rate)).toBeLessThanOrEqual(0.05 * rate);
  });

  it("normal numbers have their moments in both precisions, and agree", () => {
    const single = fill(new Float32Array(n), (out) => fillNormal(new Generator(8), out, 3, 2));
    const [mean, variance] = moments(single);
    expect(Math.abs(mean - 3)).toBeLessThan(0.03);
    expect(Math.abs(variance - 4)).toBeLessThan(0.08);
    const double = fill(new Float64Array(n), (out) => fillNormal(new Generator(8), out, 3, 2));
    expect(Math.abs(moments(double)[0] - 3)).toBeLessThan(0.03);
  });

  it("integers of a huge range, negative and from 64 bits", () => {
    const low = -(2n ** 63n);
    const high = 2n ** 63n - 1n;
    const wide = fill(new BigInt64Array(200), (out) => fillRandint(new Generator(9), out, low, high));
    const gen = new Generator(9);
    expect([...wide]).toEqual(Array.from(wide, () => BigInt.asIntN(64, (gen.random64() % (high - low)) + low)));
    const middling = fill(new BigInt64Array(200), (out) => fillRandint(new Generator(9), out, -5, 2 ** 36 - 6));
    gen.manual_seed(9);
    expect([...middling]).toEqual(Array.from(middling, () => (gen.random64() % (2n ** 36n - 1n)) - 5n));
    const negative = fill(new BigInt64Array(200), (out) => fillRandint(new Generator(9), out, -9, -3));
    gen.manual_seed(9);
    expect([...negative]).toEqual(Array.from(negative, () => BigInt((gen.random32() % 6) - 9)));
  });

  it("never reaches the upper bound in 16 bits", () => {
    const draw = (round: typeof roundHalf | null) =>
      fill(new Float32Array(200_000), (out) => fillUniform(new Generator(4), out, 0, 1, round));
    const plain = draw(null);
    const half = draw(roundHalf);
    const up = [...plain.keys()].filter((i) => roundHalf(plain[i] as number) === 1);
    expect(up.length).toBeGreaterThan(0);
    expect(up.every((i) => half[i] === 0)).toBe(true);
    expect(half.every((x) => x < 1)).toBe(true);
  });

  it("draws into shared memory", () => {
    const shared = new Float32Array(new SharedArrayBuffer(4 * 40));
    fillNormal(new Generator(2), shared);
    expect([...shared]).toEqual([...fill(new Float32Array(40), (out) => fillNormal(new Generator(2), out))]);
  });
});
