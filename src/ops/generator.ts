/**
 * Generators of random numbers, and the one that is used where none is given.
 */
import { uint8 } from "../base/dtype.ts";
import { ArgumentTypeError } from "../base/errors.ts";
import { Generator as Stream } from "../base/mt19937.ts";
import { contiguousRaw } from "../dispatch/elementwise.ts";
import { pythonTypeOf } from "../dispatch/signature.ts";
import { viewElements } from "../tensor/data.ts";
import { Tensor } from "../tensor/tensor.ts";
import { tensor } from "./create.ts";

/** A seed: an integer, as a bigint beyond 2^53. */
export type Seed = number | bigint;

const seedOf = (x: bigint): Seed => (x <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(x) : x);

/** A stream of random numbers, which depends on the seed alone (`torch.Generator`). */
export class Generator {
  /** @internal */ readonly _stream: Stream;

  constructor(options: string | { device?: string } = "cpu") {
    const device = typeof options === "string" ? options : (options.device ?? "cpu");
    if (device !== "cpu") {
      throw new ArgumentTypeError(`Generator: random numbers are made on 'cpu', not on '${device}'`);
    }
    this._stream = new Stream();
  }

  /** Where the numbers are made. */
  get device(): string {
    return "cpu";
  }

  /** Starts the stream of a seed. Returns the generator. */
  manual_seed(seed: Seed): this {
    this._stream.manual_seed(seed);
    return this;
  }

  /** Starts a stream that nobody can foresee, and returns its seed. */
  seed(): Seed {
    return seedOf(this._stream.seed());
  }

  /** The seed that the stream was started from. */
  initial_seed(): Seed {
    return seedOf(this._stream.initial_seed());
  }

  /** Where the stream is, as a tensor of bytes. */
  get_state(): Tensor {
    return tensor(this._stream.get_state());
  }

  /** Continues where {@link get_state} was called. Returns the generator. */
  set_state(new_state: Tensor): this {
    this._stream.set_state(stateBytes(new_state));
    return this;
  }

  /** A generator at the same place of the same stream. */
  clone_state(): Generator {
    const out = new Generator();
    out._stream.set_state(this._stream.get_state());
    return out;
  }
}

function stateBytes(state: Tensor): Uint8Array {
  if (!(state instanceof Tensor)) {
    throw new ArgumentTypeError(`expected a torch.ByteTensor, but got ${pythonTypeOf(state)}`);
  }
  if (state.dtype !== uint8) throw new ArgumentTypeError("RNG state must be a torch.ByteTensor");
  return (viewElements(contiguousRaw(state)) as Uint8Array).slice();
}

/** The generator of all random numbers for which no other is given. */
export const default_generator: Generator = new Generator();

/** @internal The stream of a `generator` argument. */
export function streamOf(generator: unknown): Stream {
  if (generator === null || generator === undefined) return default_generator._stream;
  if (generator instanceof Generator) return generator._stream;
  throw new ArgumentTypeError(`expected a 'torch.Generator', but got ${pythonTypeOf(generator)}`);
}

/** Starts all random numbers from a seed: the same seed gives the same numbers. Returns the default generator. */
export function manual_seed(seed: Seed): Generator {
  return default_generator.manual_seed(seed);
}

/** Starts random numbers that nobody can foresee, and returns the seed. */
export function seed(): Seed {
  return default_generator.seed();
}

/** The seed that the random numbers were started from. */
export function initial_seed(): Seed {
  return default_generator.initial_seed();
}

/** Where the stream of random numbers is, as a tensor of bytes. */
export function get_rng_state(): Tensor {
  return default_generator.get_state();
}

/** Continues where {@link get_rng_state} was called. */
export function set_rng_state(new_state: Tensor): void {
  default_generator.set_state(new_state);
}

/** A guard that brings the stream back to where it was: `using fork = torch.random.fork_rng();`. */
export interface RngFork extends Disposable {
  [Symbol.dispose](): void;
}

/**
 * Draws from the stream without a trace: afterwards it is where it was before. For the time of a function, whose result it
 * returns; without an argument it gives a guard for a `using` declaration.
 */
export function fork_rng(): RngFork;
export function fork_rng<T>(body: () => T): T;
export function fork_rng<T>(body?: () => T): T | RngFork {
  const stream = default_generator._stream;
  const state = stream.get_state();
  const restore = (): void => void stream.set_state(state);
  if (body === undefined) return { [Symbol.dispose]: restore };
  try {
    return body();
  } finally {
    restore();
  }
}
