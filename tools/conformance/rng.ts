/** Replays the golden random numbers: what a call gives after a seed, and how much of the stream it consumed. */

import { type Tolerance, difference, exact } from "./compare.ts";
import type { RaisedRecord, TensorRecord } from "./format.ts";
import { generatorPrograms } from "./generator-programs.ts";
import type { Namespace } from "./python/bridge.ts";
import type { Interpreter } from "./python/evaluate.ts";
import { isNumber, repr } from "./python/values.ts";
import { attempt, checkRaises } from "./raised.ts";
import { tensorsOf } from "./structure.ts";
import { type Outcome, type Tally, fail, missing, pass } from "./tally.ts";
import { TensorIO, datum, method } from "./tensors.ts";

export interface RngCase {
  readonly id: string;
  readonly group: string;
  readonly seed?: string;
  readonly call?: string;
  readonly outs?: readonly TensorRecord[] | { readonly $f: number | string };
  readonly next_rand_f64?: number;
  readonly param_names?: readonly string[];
  readonly raises?: RaisedRecord | null;
  readonly prose?: string;
  readonly result?: unknown;
}

/** Draws that are exact functions of the random bits. */
const exactGroups: ReadonlySet<string> = new Set(["rand", "rand_like", "bernoulli"]);

/** A call as the file words it: an expression or statements, how often to run it, and under which default dtype. */
interface Program {
  readonly source: string;
  readonly times: number;
  readonly dtype: string | null;
}

function parseCall(text: string): Program {
  const worded = text.replace(/^(?:two calls|non-contiguous out): /, "");
  const [, body = worded, dtype = null] = /^(.*?) \((float\d+|bfloat16)\)$/.exec(worded) ?? [];
  const [, once = body, times = "1"] = /^(.*) x(\d+)$/.exec(body) ?? [];
  return { source: once, times: Number(times), dtype };
}

export class RngReplay {
  readonly #python: Interpreter;
  readonly #torch: Namespace;
  readonly #io: TensorIO;
  readonly #tally: Tally;

  constructor(python: Interpreter, tally: Tally) {
    this.#python = python;
    this.#torch = python.bridge.torch;
    this.#io = new TensorIO(this.#torch);
    this.#tally = tally;
  }

  case(record: RngCase): void {
    const add = (aspect: string, outcome: Outcome): void =>
      this.#tally.add("all", record.group, record.id, aspect, outcome);
    if (record.group === "generator") {
      add(
        "generator",
        attempt(() => this.#generator(record)),
      );
      return;
    }
    const { raises } = record;
    if (raises) {
      add(
        "error",
        attempt(() => checkRaises(raises, () => this.#values(record))),
      );
      return;
    }
    let values: readonly unknown[] | null = null;
    add(
      "value",
      attempt(() => {
        values = this.#values(record);
        return this.#compare(record, values);
      }),
    );
    const { next_rand_f64: next } = record;
    if (next === undefined) return;
    add(
      "stream",
      attempt(() => {
        values = this.#values(record);
        const drawn = method(method(this.#torch, "rand", 1, { dtype: this.#io.dtype("float64") }), "item");
        return drawn === next ? pass : fail(`the next draw is ${String(drawn)}, expected ${next}`);
      }),
    );
  }

  /** Seeds, runs the call, and gives its results. */
  #values(record: RngCase): readonly unknown[] {
    const { source, times, dtype } = parseCall(record.call ?? "");
    if (record.seed !== undefined) {
      const seed = Number(record.seed);
      method(this.#torch, "manual_seed", Number.isSafeInteger(seed) ? seed : BigInt(record.seed));
    }
    try {
      if (dtype !== null) method(this.#torch, "set_default_dtype", this.#io.dtype(dtype));
      const results: unknown[] = [];
      for (let i = 0; i < times; i++) {
        const value = this.#python.run(source);
        if (record.param_names) results.push(...this.#parameters(value, record.param_names));
        else results.push(...tensorsOf(value));
      }
      return results;
    } finally {
      if (dtype !== null) method(this.#torch, "set_default_dtype", this.#io.dtype("float32"));
    }
  }

  #parameters(module: unknown, names: readonly string[]): unknown[] {
    const pairs = [...(method(module, "named_parameters") as Iterable<readonly [string, unknown]>)];
    const got = pairs.map(([name]) => name).join(" ");
    if (got !== names.join(" ")) throw new TypeError(`parameters ${got}, expected ${names.join(" ")}`);
    return pairs.map(([, parameter]) => parameter);
  }

  #compare(record: RngCase, values: readonly unknown[]): Outcome {
    const { outs = [] } = record;
    if ("$f" in outs) {
      const [value] = values;
      const expected = Number(datum(outs.$f));
      const close = isNumber(value) && Math.abs(Number(value) - expected) <= 1e-15 * Math.abs(expected);
      return close ? pass : fail(`got ${repr(value)}, expected ${expected}`);
    }
    if (values.length !== outs.length) return fail(`${values.length} results, expected ${outs.length}`);
    for (const [k, expected] of outs.entries()) {
      const reason = difference(this.#io.read(values[k]), expected, this.#tolerance(record.group, expected.dtype));
      if (reason !== null) return fail(`outs[${k}] ${reason}`);
    }
    return pass;
  }

  #tolerance(group: string, dtype: string): Tolerance {
    if (exactGroups.has(group)) return exact;
    if (dtype === "float64") return { rtol: 1e-13, atol: 1e-13 };
    if (dtype === "float32") return { rtol: 1e-6, atol: 1e-6 };
    return exact;
  }

  #generator(record: RngCase): Outcome {
    const id = record.id.replace(/-seed-\d+$/, "");
    const seed = Number(/-seed-(\d+)$/.exec(record.id)?.[1] ?? 0);
    const program = generatorPrograms[record.id] ?? generatorPrograms[id];
    if (!program) return missing(`program ${record.id}`);
    const got = JSON.stringify(program(this.#python, this.#io, seed));
    const expected = JSON.stringify(record.result);
    return got === expected ? pass : fail(`got ${got}, expected ${expected}`);
  }
}
