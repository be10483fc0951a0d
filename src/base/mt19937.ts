/**
 * The CPU's random number generator: the Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998), with the seeding, the state
 * bytes and the cached normal samples of PyTorch's, so that its streams and states are interchangeable.
 */
import { TorchError, ValueError } from "./errors.ts";

const stateWords = 624;
const shiftWords = 397;
const matrix = 0x9908b0df | 0;

/** The bytes of {@link Generator.get_state}. */
const stateBytes = 5056;
/** Where its fields lie: seed (u64), left and seeded (i32), next (u64), the words (u64 each), then the cached normals. */
const at = {
  seed: 0,
  left: 8,
  seeded: 12,
  next: 16,
  words: 24,
  normal: 5024,
  normalValid: 5040,
  float: 5048,
  floatValid: 5052,
};

/** What an unseeded generator starts from. */
const defaultSeed = 67280421310721n;

function checkSeed(seed: number | bigint): bigint {
  const wide = BigInt(seed);
  if (wide < -(2n ** 63n) || wide >= 2n ** 64n) throw new ValueError("Overflow when unpacking long long");
  return BigInt.asUintN(64, wide);
}

/** A stream of random numbers (`torch.Generator` on the CPU). */
export class Generator {
  readonly device = "cpu";
  readonly #state: Int32Array = new Int32Array(stateWords);
  #seed = 0n;
  /** @internal The current block of random words; those from `next` up to `end` have not been drawn yet. */
  readonly words: Int32Array = new Int32Array(stateWords);
  /** @internal */ next = 0;
  /** @internal */ end = 0;
  /** @internal The second sample of a Box-Muller pair, for the next call that wants one. */
  nextNormal: number | null = null;
  #nextFloatNormal: number | null = null;

  constructor(seed: number | bigint = defaultSeed) {
    this.manual_seed(seed);
  }

  /** Starts the stream of a seed: 64 bits, of which the generator uses the low 32; a negative one counts from 2^64. */
  manual_seed(seed: number | bigint): this {
    this.#seed = checkSeed(seed);
    const s = this.#state;
    s[0] = Number(BigInt.asIntN(32, this.#seed));
    for (let i = 1; i < stateWords; i++) {
      const previous = s[i - 1] as number;
      s[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i;
    }
    this.next = 0;
    this.end = 0;
    this.nextNormal = null;
    this.#nextFloatNormal = null;
    return this;
  }

  /** Starts the stream of a seed that nobody can foresee, and returns it. */
  seed(): bigint {
    const words = new Uint32Array(2);
    globalThis.crypto?.getRandomValues(words);
    if (words[0] === 0 && words[1] === 0) {
      words[0] = Math.random() * 2 ** 32;
      words[1] = Math.random() * 2 ** 32;
    }
    this.manual_seed((BigInt(words[0] as number) << 32n) | BigInt(words[1] as number));
    return this.#seed;
  }

  /** The seed the stream was started from. */
  initial_seed(): bigint {
    return this.#seed;
  }

  /** @internal Makes the next block of words; `next` and `end` then span all of it. */
  refill(): void {
    const s = this.#state;
    for (let i = 0; i < stateWords - shiftWords; i++) {
      const y = ((s[i] as number) & 0x80000000) | ((s[i + 1] as number) & 0x7fffffff);
      s[i] = (s[i + shiftWords] as number) ^ (y >>> 1) ^ (-(y & 1) & matrix);
    }
    for (let i = stateWords - shiftWords; i < stateWords - 1; i++) {
      const y = ((s[i] as number) & 0x80000000) | ((s[i + 1] as number) & 0x7fffffff);
      s[i] = (s[i + shiftWords - stateWords] as number) ^ (y >>> 1) ^ (-(y & 1) & matrix);
    }
    const y = ((s[stateWords - 1] as number) & 0x80000000) | ((s[0] as number) & 0x7fffffff);
    s[stateWords - 1] = (s[shiftWords - 1] as number) ^ (y >>> 1) ^ (-(y & 1) & matrix);
    this.#temper();
    this.next = 0;
    this.end = stateWords;
  }

  #temper(): void {
    const s = this.#state;
    const words = this.words;
    for (let i = 0; i < stateWords; i++) {
      let y = s[i] as number;
      y ^= y >>> 11;
      y ^= (y << 7) & 0x9d2c5680;
      y ^= (y << 15) & 0xefc60000;
      words[i] = y ^ (y >>> 18);
    }
  }

  /** A random word: 0 to 2^32 - 1. */
  random32(): number {
    if (this.next === this.end) this.refill();
    return (this.words[this.next++] as number) >>> 0;
  }

  /** Two random words as one number, the first one high. */
  random64(): bigint {
    const high = BigInt(this.random32());
    return (high << 32n) | BigInt(this.random32());
  }

  /** A number of [0, 1) with 24 random bits: what a float32 holds. */
  uniformFloat(): number {
    return (this.random32() & 0xffffff) * 2 ** -24;
  }

  /** A number of [0, 1) with 53 random bits. */
  uniformDouble(): number {
    const high = this.random32() & 0x1fffff;
    return (high * 2 ** 32 + this.random32()) * 2 ** -53;
  }

  /** The state as PyTorch's `get_rng_state` lays it out. */
  get_state(): Uint8Array {
    const bytes = new Uint8Array(stateBytes);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(at.seed, this.#seed, true);
    view.setInt32(at.left, this.end - this.next + 1, true);
    view.setInt32(at.seeded, 1, true);
    view.setUint32(at.next, this.next, true);
    for (let i = 0; i < stateWords; i++) view.setInt32(at.words + 8 * i, this.#state[i] as number, true);
    if (this.nextNormal !== null) {
      view.setFloat64(at.normal, this.nextNormal, true);
      view.setInt32(at.normalValid, 1, true);
    }
    if (this.#nextFloatNormal !== null) {
      view.setFloat32(at.float, this.#nextFloatNormal, true);
      view.setUint8(at.floatValid, 1);
    }
    return bytes;
  }

  /** Continues where the generator was that {@link get_state} was called on. */
  set_state(state: Uint8Array): this {
    if (state.length !== stateBytes && state.length !== at.float) {
      throw new TorchError(
        `Expected either a CPUGeneratorImplStateLegacy of size ${at.float} or a CPUGeneratorImplState of size ${stateBytes} but found the input RNG state size to be ${state.length}`,
      );
    }
    const view = new DataView(state.buffer, state.byteOffset, state.length);
    const left = view.getInt32(at.left, true);
    const next = view.getUint32(at.next, true);
    if (view.getInt32(at.seeded, true) !== 1 || left < 1 || left > stateWords || next + left - 1 > stateWords) {
      throw new TorchError("Invalid mt19937 state");
    }
    this.#seed = view.getBigUint64(at.seed, true);
    for (let i = 0; i < stateWords; i++) this.#state[i] = view.getInt32(at.words + 8 * i, true);
    this.#temper();
    this.next = next;
    this.end = next + left - 1;
    this.nextNormal = view.getInt32(at.normalValid, true) === 0 ? null : view.getFloat64(at.normal, true);
    const hasFloat = state.length === stateBytes && view.getUint8(at.floatValid) !== 0;
    this.#nextFloatNormal = hasFloat ? view.getFloat32(at.float, true) : null;
    return this;
  }

  /** A generator in the same state, independent of this one from now on (PyTorch's `clone_state`). */
  clone_state(): Generator {
    return new Generator().set_state(this.get_state());
  }
}
