import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { fillNormal, fillPermutation, fillRandom, fillUniform } from "../src/base/distributions.ts";
import { dtypes } from "../src/base/dtype.ts";
import { Generator } from "../src/base/mt19937.ts";

const fixture = new URL("fixtures/rng.json.gz", import.meta.url);
const cases = JSON.parse(gunzipSync(readFileSync(fixture)).toString()) as {
  group: string;
  id: string;
  result?: unknown;
}[];

function fill<T>(out: T, draw: (out: T) => void): T {
  draw(out);
  return out;
}

const rand = (gen: Generator, n: number): number[] => [...fill(new Float32Array(n), (out) => fillUniform(gen, out))];
const randn = (gen: Generator, n: number): number[] => [...fill(new Float32Array(n), (out) => fillNormal(gen, out))];
const randperm = (gen: Generator, n: number): number[] => [
  ...fill(new Int32Array(n), (out) => fillPermutation(gen, out)),
];

function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return ~crc >>> 0;
}

describe("Generator", () => {
  const known = new Map(cases.filter((c) => c.group === "generator").map((c) => [c.id, c.result]));

  const programs: Record<string, (gen: Generator) => unknown> = {
    rand1: (gen) => rand(gen, 1),
    randn1: (gen) => randn(gen, 1),
    randn16: (gen) => randn(gen, 16),
    randn17: (gen) => randn(gen, 17),
    "rand1-f64": (gen) => gen.uniformDouble(),
    randperm10: (gen) => randperm(gen, 10),
  };
  const states = [...known].filter(([id]) => id.startsWith("state-after-"));

  it.each(states)("%s", (id, result) => {
    const [, program, seed] = /^state-after-(?:(.*)-)?seed-(\d+)$/.exec(id) as RegExpExecArray;
    const gen = new Generator(Number(seed));
    if (program !== undefined) (programs[program] as (gen: Generator) => unknown)(gen);
    const bytes = gen.get_state();
    const view = new DataView(bytes.buffer);
    const words = Array.from({ length: 624 }, (_, i) => view.getBigUint64(24 + 8 * i, true)).map(Number);
    const { state_crc32, ...fields } = result as Record<string, unknown>;
    expect({
      bytes: bytes.length,
      the_initial_seed: String(view.getBigUint64(0, true)),
      left: view.getInt32(8, true),
      seeded: view.getInt32(12, true),
      next: Number(view.getBigUint64(16, true)),
      state_first8: words.slice(0, 8),
      state_last4: words.slice(-4),
      normal_x: view.getFloat64(5016, true),
      normal_y: view.getFloat64(5024, true),
      normal_rho: view.getFloat64(5032, true),
      normal_is_valid: view.getInt32(5040, true),
      next_float_normal_sample: view.getFloat32(5048, true),
      is_next_float_normal_sample_valid: view.getUint8(5052) !== 0,
    }).toEqual(fields);
    expect(crc32(new Uint8Array(Uint32Array.from(words).buffer))).toBe(state_crc32);
    // And back, in the middle of the stream.
    const copy = new Generator(1).set_state(bytes);
    expect(randn(copy, 700)).toEqual(randn(gen, 700));
    expect(copy.get_state()).toEqual(gen.get_state());
  });

  it("has PyTorch's seeds", () => {
    expect(String(new Generator().initial_seed())).toBe(known.get("default-seed"));
    const gen = new Generator();
    expect(gen.manual_seed(5)).toBe(gen);
    expect(String(gen.initial_seed())).toBe(known.get("initial_seed"));
    expect(String(gen.manual_seed(-1).initial_seed())).toBe(known.get("negative-seed"));
  });

  it("caches the second normal number, in its state too", () => {
    const gen = new Generator(3);
    const first = randn(gen, 1);
    const state = gen.get_state();
    const a = randn(gen, 3);
    expect(randn(gen.set_state(state), 3)).toEqual(a);
    expect([true, a]).toEqual(known.get("set-state-restores-cached-normal"));
    gen.manual_seed(3);
    expect(randn(gen, 1)).toEqual(first);
    gen.manual_seed(3);
    expect(randn(gen, 1)).toEqual(first);
  });

  it("copies its state, and itself", () => {
    const gen = new Generator(7);
    const state = gen.get_state();
    const bytes = state.slice();
    expect([rand(gen, 2), rand(new Generator(7), 2)]).toEqual(known.get("independent-generators"));
    expect(state).toEqual(bytes);
    const twin = gen.clone_state();
    expect(rand(twin, 5)).toEqual(rand(gen, 5));
    rand(twin, 1);
    expect(rand(twin, 5)).not.toEqual(rand(gen, 5));
  });

  it("goes on after an excursion, in pieces too where single draws make up the numbers", () => {
    const gen = new Generator(11);
    const a = rand(gen, 2);
    const before = gen.get_state();
    rand(gen.manual_seed(0), 5);
    const b = rand(gen.set_state(before), 2);
    expect([true, [...a, ...b]]).toEqual(known.get("fork_rng"));
    expect(rand(new Generator(11), 4)).toEqual([...a, ...b]);
    const pieces = gen.manual_seed(0);
    expect([...randn(pieces, 8), ...randn(pieces, 12)]).not.toEqual(randn(new Generator(0), 20));
    expect(known.get("randn-does-not-concatenate")).toBe(false);
  });

  it("draws words in order", () => {
    const { words_low24, ...rest } = known.get("rand-f64-is-53-bits") as Record<string, unknown[]>;
    const gen = new Generator(0);
    expect(Array.from({ length: 6 }, () => gen.random32() & 0xffffff)).toEqual(words_low24);
    gen.manual_seed(0);
    expect(Array.from({ length: 3 }, () => String(gen.uniformDouble() * 2 ** 53))).toEqual(rest["rand_times_2^53"]);
    gen.manual_seed(0);
    expect(gen.random64() & (2n ** 53n - 1n)).toBe(BigInt(rest["rand_times_2^53"]?.[0] as string));
  });

  it("gives the same stream in pieces of any size, blocks of 624 words aside", () => {
    const whole = fill(new Float64Array(2000), (out) => fillUniform(new Generator(11), out));
    const gen = new Generator(11);
    for (let at = 0, size = 1; at < 2000; at += size++) {
      const piece = whole.subarray(at, at + size);
      expect(fill(new Float64Array(piece.length), (out) => fillUniform(gen, out))).toEqual(piece);
    }
    // An odd number of words first, so that pairs straddle the blocks.
    const odd = new Generator(11);
    const even = new Generator(11);
    odd.random32();
    even.random32();
    const one = Array.from({ length: 2000 }, () => odd.uniformDouble());
    expect([...fill(new Float64Array(2000), (out) => fillUniform(even, out))]).toEqual(one);
  });

  it("shuffles epochs and splits as the data loader does", () => {
    const gen = new Generator(1);
    const epochs = [0, 1].map(() => {
      // One number for the workers' seeds, one for the sampler's.
      const [, seed] = [0, 1].map(() => fill(new BigInt64Array(1), (out) => fillRandom(gen, out, dtypes.int64))[0]);
      const order = randperm(new Generator(seed as bigint), 10);
      return [order.slice(0, 5), order.slice(5)];
    });
    expect(epochs).toEqual(known.get("dataloader-shuffle-global"));
    const order = randperm(new Generator(2), 10);
    expect([order.slice(0, 6), order.slice(6)]).toEqual(known.get("random_split"));
  });

  it("starts at another place with every seed()", () => {
    const gen = new Generator();
    const seeds = new Set(Array.from({ length: 20 }, () => gen.seed()));
    expect(seeds.size).toBe(20);
    expect(gen.initial_seed()).toBe([...seeds].at(-1));
  });
});
