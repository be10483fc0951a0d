/** Replays the golden cases of nn modules: results, gradients, buffers, and how they print. */

import { Decoder, buildModule } from "./arguments.ts";
import { type Tolerance, difference, float64Tolerance, tolerance } from "./compare.ts";
import { direction } from "./derivatives.ts";
import type { ModuleCase, ModuleErrorCase, ModuleRun, TensorRecord } from "./format.ts";
import { isObject, isRecord } from "./python/bridge.ts";
import type { Interpreter } from "./python/evaluate.ts";
import { type Args, Missing, PyDict, PyTuple } from "./python/values.ts";
import { attempt, checkRaises, explain, isMissing, shorten } from "./raised.ts";
import { collect } from "./structure.ts";
import { type Outcome, type Tally, fail, missing, pass } from "./tally.ts";
import { TensorIO, method } from "./tensors.ts";

/** Named tensors of a module (`named_parameters()`), whatever iterable of pairs the library gives. */
function named(module: unknown, list: string): Map<string, object> {
  const pairs = method(module, list);
  const entries: readonly unknown[] = isRecord(pairs) ? Object.entries(pairs) : [...(pairs as Iterable<unknown>)];
  return new Map(entries.map((pair) => [String(Reflect.get(Object(pair), 0)), Reflect.get(Object(pair), 1) as object]));
}

function keysOf(state: unknown): string[] {
  if (state instanceof Map) return [...state.keys()].map(String);
  return Object.keys(state as object);
}

export class ModuleReplay {
  readonly #python: Interpreter;
  readonly #io: TensorIO;
  readonly #decoder: Decoder;
  readonly #tally: Tally;

  constructor(python: Interpreter, tally: Tally) {
    this.#python = python;
    this.#io = new TensorIO(python.bridge.torch);
    this.#decoder = new Decoder(python);
    this.#tally = tally;
  }

  case(record: ModuleCase): void {
    const id = `${record.class}/${record.case}`;
    const add = (aspect: string, outcome: Outcome): void => this.#tally.add("all", record.class, id, aspect, outcome);
    const text = attempt(() => {
      const module = this.#build(record);
      const got = String(module);
      return got === record.repr ? pass : fail(`prints ${shorten(got)} | expected ${shorten(record.repr)}`);
    });
    add("repr", text);
    add(
      "state_dict",
      attempt(() => {
        const module = this.#prepare(record, null);
        const keys = keysOf(method(module, "state_dict"));
        const same = keys.join(" ") === record.state_dict_keys.join(" ");
        return same ? pass : fail(`keys ${keys.join(" ")}, expected ${record.state_dict_keys.join(" ")}`);
      }),
    );
    for (const run of record.runs) this.#run(record, run, add);
  }

  error(record: ModuleErrorCase): void {
    const outcome = attempt(() => checkRaises(record.raised, this.#errorRun(record)));
    this.#tally.add("all", record.class, record.id, "error", outcome);
  }

  #errorRun(record: ModuleErrorCase): () => unknown {
    const { source } = record;
    if (source !== undefined) return () => this.#python.run(source);
    const tensors = (record.tensors ?? []).map((tensor) => this.#io.make(tensor));
    const construct = (): unknown =>
      this.#python.bridge.call(this.#python.bridge.resolve(`torch.nn.${record.class}`), {
        positional: this.#decoder.list(record.ctor_args ?? [], tensors),
        keywords: this.#decoder.keywords(record.ctor_kwargs ?? {}, tensors),
      });
    if (record.raised_in === "constructor") return construct;
    const module = this.#toDouble(construct());
    return () => this.#call(module, record.args ?? [], record.kwargs ?? {}, tensors);
  }

  #build(record: ModuleCase): object {
    const tensors = record.ctor_tensors.map((tensor) => this.#io.make(tensor));
    if (!record.ctor) return this.#fromSource(record.class, record.ctor_source ?? "");
    if (!record.ctor_varargs) {
      return buildModule(this.#python, record.class, this.#decoder.keywords(record.ctor, tensors)) as object;
    }
    const { args, kwargs } = record.ctor;
    const positional = this.#decoder.value(args, tensors);
    const keywords = this.#decoder.value(kwargs, tensors);
    const call: Args = {
      positional: positional instanceof PyTuple ? positional.items : [],
      keywords: new Map(
        keywords instanceof PyDict ? keywords.keys().map((key) => [String(key), keywords.get(key)] as const) : [],
      ),
    };
    return this.#python.bridge.call(this.#python.bridge.resolve(`torch.nn.${record.class}`), call) as object;
  }

  #fromSource(name: string, source: string): object {
    const scope = this.#python.scope({ DT: this.#io.dtype("float64"), C: name, name });
    const made = this.#python.apply(this.#python.callable(source, scope), { positional: [], keywords: new Map() });
    if (!isObject(made)) throw new Missing(`the constructor ${source}`);
    return made;
  }

  #toDouble(module: unknown): object {
    return method(module, "to", this.#io.dtype("float64")) as object;
  }

  /** The module with its recorded parameters and buffers, in a mode; a lazy one sees its input first. */
  #prepare(record: ModuleCase, training: boolean | null): object {
    const module = this.#toDouble(this.#build(record));
    if (record.lazy) {
      const tensors = record.tensors.map((tensor) => this.#io.make(tensor));
      this.#call(module, record.args, record.kwargs, tensors);
      this.#toDouble(module);
    }
    const { torch } = this.#python.bridge;
    const stored = [...Object.entries(record.params), ...Object.entries(record.buffers)];
    const targets = new Map([...named(module, "named_parameters"), ...named(module, "named_buffers")]);
    method(torch, "no_grad", () => {
      for (const [name, tensor] of stored) {
        const target = targets.get(name);
        if (!target) throw new TypeError(`the module has no parameter or buffer ${name}`);
        method(target, "copy_", this.#io.make(tensor));
      }
    });
    if (training !== null) method(module, training ? "train" : "eval");
    return module;
  }

  #call(
    module: object,
    args: readonly unknown[],
    kwargs: Readonly<Record<string, unknown>>,
    tensors: readonly unknown[],
  ): unknown {
    return this.#python.apply(module, {
      positional: this.#decoder.list(args, tensors),
      keywords: this.#decoder.keywords(kwargs, tensors),
    });
  }

  #run(record: ModuleCase, run: ModuleRun, add: (aspect: string, outcome: Outcome) => void): void {
    const modes = run.training === "both" ? [true, false] : [run.training];
    const results = modes.map((training) => this.#mode(record, run, training));
    for (const aspect of results[0]?.keys() ?? []) {
      const outcomes = results.map((result) => result.get(aspect) ?? missing("not reached"));
      add(aspect, outcomes.find((outcome) => outcome !== pass) ?? pass);
    }
  }

  /** The outcome of one run, by aspect. */
  #mode(record: ModuleCase, run: ModuleRun, training: boolean): Map<string, Outcome> {
    const outcomes = new Map<string, Outcome>();
    if (run.raises) {
      const { raises } = run;
      const outcome = attempt(() => {
        const module = this.#prepare(record, training);
        const tensors = record.tensors.map((tensor) => this.#io.make(tensor));
        return checkRaises(raises, () => this.#call(module, record.args, record.kwargs, tensors));
      });
      return outcomes.set("error", outcome);
    }
    const aspects = ["value", "grad_fn", ...(run.buffers_after ? ["buffers"] : []), "input_grad", "param_grad"];
    let at = "value";
    try {
      const module = this.#prepare(record, training);
      const tensors = record.tensors.map((tensor) => {
        const made = this.#io.make(tensor);
        return tensor.grad ? (method(made, "requires_grad_") as object) : made;
      });
      const outs: unknown[] = [];
      const structure = collect(
        this.#python,
        run.out,
        this.#call(module, record.args, record.kwargs, tensors),
        outs,
        float64Tolerance,
      );
      if (structure !== null) throw new TypeError(structure);
      outcomes.set(
        "value",
        this.#tensors(outs, run.outs ?? [], (k) => `outs[${k}]`),
      );
      at = "grad_fn";
      outcomes.set("grad_fn", this.#gradFn(outs, run.grad_fn ?? []));
      if (run.buffers_after) {
        at = "buffers";
        outcomes.set("buffers", this.#named(named(module, "named_buffers"), run.buffers_after, false));
      }
      at = "input_grad";
      this.#backward(outs, run.diff_outs ?? []);
      const grads = tensors.map((tensor) => Reflect.get(tensor, "grad") as unknown);
      outcomes.set(
        "input_grad",
        this.#tensors(grads, run.input_grads ?? [], (k) => `input ${k}`),
      );
      at = "param_grad";
      outcomes.set("param_grad", this.#named(named(module, "named_parameters"), run.param_grads ?? {}, true));
    } catch (error) {
      const absent = isMissing(error);
      const outcome = absent ? missing((error as Error).message) : fail(explain(error));
      for (const aspect of aspects.slice(aspects.indexOf(at))) outcomes.set(aspect, outcome);
    }
    return outcomes;
  }

  #backward(outs: readonly unknown[], chosen: readonly number[]): void {
    if (chosen.length === 0) return;
    const roots = chosen.map((i) => outs[i]);
    const seeds = chosen.map((i) => direction(this.#io, Object(outs[i]) as object, 1, i));
    method(this.#python.bridge.torch["autograd"], "backward", roots, seeds);
  }

  #gradFn(outs: readonly unknown[], names: readonly (string | null)[]): Outcome {
    for (const [k, expected] of names.entries()) {
      const node: unknown = Reflect.get(Object(outs[k]) as object, "grad_fn");
      const name = isObject(node) ? String(method(node, "name")) : null;
      const short = name?.replace(/\d+$/, "") ?? null;
      if (name !== expected && short !== expected)
        return fail(`grad_fn of outs[${k}] is ${String(name)}, expected ${String(expected)}`);
    }
    return pass;
  }

  #limit(record: TensorRecord): Tolerance {
    return tolerance(record.dtype, "value", "", { dtype: record.dtype }, null);
  }

  #tensors(got: readonly unknown[], expected: readonly (TensorRecord | null)[], label: (k: number) => string): Outcome {
    for (const [k, record] of expected.entries()) {
      const reason = this.#difference(got[k], record);
      if (reason !== null) return fail(`${label(k)} ${reason}`);
    }
    return pass;
  }

  #difference(got: unknown, record: TensorRecord | null): string | null {
    if (record === null) return isObject(got) ? "is a tensor, expected None" : null;
    if (!isObject(got)) return "is None, expected a tensor";
    return difference(this.#io.read(got), record, this.#limit(record));
  }

  /** Compares tensors by name; `grads`: their gradients rather than themselves. */
  #named(got: Map<string, object>, expected: Readonly<Record<string, TensorRecord | null>>, grads: boolean): Outcome {
    for (const [name, record] of Object.entries(expected)) {
      const tensor = got.get(name);
      if (!tensor) return fail(`there is no ${name}`);
      const reason = this.#difference(grads ? Reflect.get(tensor, "grad") : tensor, record);
      if (reason !== null) return fail(`${name} ${reason}`);
    }
    return pass;
  }
}
