/** Replays the golden cases of operators. */

import { Decoder } from "./arguments.ts";
import { type Call, methodCall, resolveCall } from "./call.ts";
import { difference, strideDifference, tolerance } from "./compare.ts";
import { Derivatives } from "./derivatives.ts";
import type { OpErrorRecord, OpFile, SampleRecord, TensorRecord, ToleranceFile } from "./format.ts";
import { factorDifference, freeFactors } from "./freedom.ts";
import type { Interpreter } from "./python/evaluate.ts";
import type { Args } from "./python/values.ts";
import { attempt, checkRaises, explain } from "./raised.ts";
import { collect } from "./structure.ts";
import { type Outcome, type Tally, fail, pass } from "./tally.ts";
import { type Reading, TensorIO } from "./tensors.ts";

function whose(input: number): string {
  return input < 0 ? "memory of its own" : `the memory of input ${input}`;
}

/** Which samples to run. */
export type SampleFilter = (sample: { readonly dtype?: string }) => boolean;

export class OpReplay {
  readonly #python: Interpreter;
  readonly #io: TensorIO;
  readonly #decoder: Decoder;
  readonly #derivatives: Derivatives;
  readonly #table: ToleranceFile | null;
  readonly #tally: Tally;

  constructor(python: Interpreter, table: ToleranceFile | null, tally: Tally) {
    this.#python = python;
    this.#io = new TensorIO(python.bridge.torch);
    this.#decoder = new Decoder(python);
    this.#derivatives = new Derivatives(python, this.#io, this.#decoder, table);
    this.#table = table;
    this.#tally = tally;
  }

  /** All samples and error inputs of one operator. */
  file(op: OpFile, filter: SampleFilter): number {
    const call = this.#resolve(op.call);
    const samples = op.samples.filter(filter);
    for (const sample of samples) this.#sample(op, sample, call);
    const errors = filter({}) ? op.errors : [];
    for (const error of errors) this.#add(op, error.id, "error", this.#error(op, error, call));
    return samples.length + errors.length;
  }

  /** A name that does not resolve is missing at every call. */
  #resolve(source: string): Call {
    try {
      return resolveCall(this.#python, source);
    } catch (error) {
      return () => {
        throw error;
      };
    }
  }

  #add(op: OpFile, id: string, aspect: string, outcome: Outcome): void {
    this.#tally.add(`tier${op.tier}`, op.full_name, id, aspect, outcome);
  }

  #args(
    call: { args: readonly unknown[]; kwargs: Readonly<Record<string, unknown>> },
    tensors: readonly unknown[],
  ): Args {
    return {
      positional: this.#decoder.list(call.args, tensors),
      keywords: this.#decoder.keywords(call.kwargs, tensors),
    };
  }

  #sample(op: OpFile, sample: SampleRecord, call: Call): void {
    const add = (aspect: string, check: () => Outcome): void => this.#add(op, sample.id, aspect, attempt(check));
    if (sample.raises) {
      const { raises } = sample;
      add("error", () => checkRaises(raises, () => this.#call(call, sample)));
      return;
    }
    let readings: readonly Reading[] = [];
    let outs: readonly unknown[] = [];
    let tensors: readonly object[] = [];
    let reached = false;
    const value = attempt(() => {
      tensors = sample.tensors.map((record) => this.#io.make(record));
      const results: unknown[] = [];
      const got = call(this.#args(sample, tensors));
      const plain = tolerance(sample.dtype, "value", op.full_name, sample, this.#table);
      const structure = collect(this.#python, sample.out, got, results, plain);
      if (structure !== null) return fail(structure);
      outs = results;
      readings = results.map((out) => this.#io.read(out));
      reached = true;
      return this.#values(op, sample, readings, tensors);
    });
    add("value", () => value);
    // What never gave a result has no layout either, for the same reason.
    if (sample.outs?.length) add("layout", () => (reached ? this.#layout(sample, readings, outs, tensors) : value));
    if (sample.method !== undefined) add("method", () => this.#method(op, sample));
    if (sample.inplace !== undefined) add("inplace", () => this.#inPlace(op, sample));
    this.#derivativeRuns(op, sample, call);
  }

  #call(call: Call, sample: SampleRecord): unknown {
    return call(
      this.#args(
        sample,
        sample.tensors.map((record) => this.#io.make(record)),
      ),
    );
  }

  #values(op: OpFile, sample: SampleRecord, got: readonly Reading[], tensors: readonly object[]): Outcome {
    const records = sample.outs ?? [];
    const limits = records.map((record) => tolerance(record.dtype, "value", op.full_name, sample, this.#table));
    const note = sample.cond === "discontinuous" ? " (discontinuous here: exact input bits decide)" : "";
    for (const [k, record] of records.entries()) {
      const limit = limits[k];
      const reading = got[k];
      if (!limit || !reading) return fail(`outs[${k}] is absent`);
      const reason = difference(reading, record, limit);
      if (reason === null) continue;
      const input = tensors[0];
      if (!freeFactors.has(op.full_name) || !input) return fail(`outs[${k}] ${reason}${note}`);
      const factors = factorDifference(op.full_name, sample, this.#io.read(input), got, limits);
      if (factors !== null) return fail(factors);
      break;
    }
    for (const [i, record] of Object.entries(sample.mutates ?? {})) {
      const limit = tolerance(record.dtype, "value", op.full_name, sample, this.#table);
      const reason = difference(this.#io.read(tensors[Number(i)]), record, limit);
      if (reason !== null) return fail(`input ${i} after the call: ${reason}`);
    }
    return pass;
  }

  /** Strides, and whose memory the results share. */
  #layout(
    sample: SampleRecord,
    got: readonly Reading[],
    outs: readonly unknown[],
    tensors: readonly object[],
  ): Outcome {
    for (const [k, record] of (sample.outs ?? []).entries()) {
      const reading = got[k];
      const reason = reading ? strideDifference(reading, record) : "is absent";
      if (reason !== null) return fail(`outs[${k}] ${reason}`);
      if (record.shape.includes(0)) continue;
      const memory = this.#io.memory(outs[k]);
      if (memory === undefined) continue;
      const shared = tensors.findIndex((t) => this.#io.memory(t) === memory);
      const expected = sample.alias?.[k] ?? -1;
      if (shared !== expected) {
        return fail(`outs[${k}] has ${whose(shared)}, expected ${whose(expected)}`);
      }
    }
    return pass;
  }

  #method(op: OpFile, sample: SampleRecord): Outcome {
    const tensors = sample.tensors.map((record) => this.#io.make(record));
    const call = methodCall(this.#python, op.name);
    const run = (): unknown => call(this.#args(sample, tensors));
    if (sample.method !== true) return checkRaises(sample.method ?? null, run);
    const results: unknown[] = [];
    const plain = tolerance(sample.dtype, "value", op.full_name, sample, this.#table);
    const structure = collect(this.#python, sample.out, run(), results, plain);
    if (structure !== null) return fail(structure);
    return this.#values(
      op,
      sample,
      results.map((out) => this.#io.read(out)),
      tensors,
    );
  }

  #inPlace(op: OpFile, sample: SampleRecord): Outcome {
    const { inplace } = sample;
    const tensors = sample.tensors.map((record) => this.#io.make(record));
    const args = this.#args(sample, tensors);
    const [self] = args.positional;
    const call = this.#inPlaceCall(op);
    if (inplace === undefined) return pass;
    if (typeof inplace === "object" && "message" in inplace) return checkRaises(inplace, () => call(args));
    const result = call(args);
    const returnsSelf = inplace === true || inplace.returns_self;
    if ((result === self) !== returnsSelf)
      return fail(`returns ${returnsSelf ? "another tensor" : "the tensor itself"}`);
    const record = inplace === true ? sample.outs?.[0] : (inplace.out as TensorRecord);
    if (!record) return fail("no result recorded");
    const limit = tolerance(record.dtype, "value", op.full_name, sample, this.#table);
    const reason = difference(this.#io.read(self), record, limit);
    return reason === null ? pass : fail(reason);
  }

  /** The in-place form: a method, or for functions that no tensor has as a method their argument `inplace`. */
  #inPlaceCall(op: OpFile): Call {
    if (!op.name.startsWith("nn.functional.")) return methodCall(this.#python, `${op.name}_`);
    const call = this.#resolve(`torch.${op.name}`);
    return ({ positional, keywords }) => call({ positional, keywords: new Map([...keywords, ["inplace", true]]) });
  }

  #derivativeRuns(op: OpFile, sample: SampleRecord, call: Call): void {
    const add = (aspect: string, check: () => Outcome): void => this.#add(op, sample.id, aspect, attempt(check));
    const d = this.#derivatives;
    const { grad } = sample;
    if (sample.raises_with_grad) {
      const { raises_with_grad: raises } = sample;
      add("error", () => checkRaises(raises, () => d.forward(call, sample, d.leaves(sample))));
      return;
    }
    if (!sample.grad_fn_full && !grad) return;
    let run: { tensors: readonly object[]; results: readonly unknown[]; outs: readonly unknown[] } | null = null;
    let problem: Outcome = pass;
    const forward = attempt(() => {
      const tensors = d.leaves(sample);
      const value = d.forward(call, sample, tensors);
      const results: unknown[] = [];
      const structure = collect(this.#python, sample.out, value, results, { rtol: 1, atol: 1 });
      if (structure !== null) return fail(structure);
      run = { tensors, results, outs: d.differentiated(sample, value, results) };
      return pass;
    });
    if (forward !== pass) problem = forward;
    const withRun = (check: (r: NonNullable<typeof run>) => Outcome) => (): Outcome => (run ? check(run) : problem);
    if (sample.grad_fn_full)
      add(
        "grad_fn",
        withRun(({ results }) => d.gradFn(sample, results)),
      );
    if (sample.grad_error)
      add(
        "error",
        withRun(({ tensors, outs }) => this.#gradError(sample, tensors, outs)),
      );
    if (!grad) return;
    if (grad.vjp)
      add(
        "vjp",
        withRun(({ tensors, outs }) => d.vjp(op.full_name, sample, grad, tensors, outs)),
      );
    if (grad.gg !== undefined) {
      add(
        "gradgrad",
        withRun(({ tensors, outs }) => d.doubleBackward(op.full_name, sample, grad, tensors, outs)),
      );
    }
    if (grad.jvp) add("jvp", () => d.forwardMode(op.full_name, sample, grad, call));
  }

  /** A backward that PyTorch itself refuses. */
  #gradError(sample: SampleRecord, tensors: readonly object[], outs: readonly unknown[]): Outcome {
    const inputs = tensors.filter((_, i) => sample.tensors[i]?.grad);
    const roots = outs.filter((out) => Reflect.get(Object(out) as object, "requires_grad") === true);
    const seeds = roots.map((out) => {
      const { dtype, shape } = this.#io.read(out);
      return this.#io.fromFlat(
        Array.from({ length: shape.reduce((n, size) => n * size, 1) }, () => 1),
        shape,
        dtype,
      );
    });
    return checkRaises(sample.grad_error ?? null, () => this.#derivatives.grad(roots, inputs, seeds, {}));
  }

  #error(op: OpFile, record: OpErrorRecord, call: Call): Outcome {
    return attempt(() => {
      const args = this.#args(
        record,
        record.tensors.map((tensor) => this.#io.make(tensor)),
      );
      const run = (): unknown => call(args);
      // A reflected operator answers a wrong operand with Python's NotImplemented, which is no exception.
      if (record.raised !== null || !/\.__r\w+__$/.test(op.call)) return checkRaises(record.raised, run);
      try {
        run();
      } catch (error) {
        return (error as Error).name === "TypeError" ? pass : attempt(() => fail(explain(error)));
      }
      return pass;
    });
  }
}
