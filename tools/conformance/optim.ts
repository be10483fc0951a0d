/** Replays the golden trajectories of optimizers and schedulers, their errors, and gradient clipping. */

import { Decoder } from "./arguments.ts";
import { type Tolerance, differenceOf, recorded } from "./compare.ts";
import type { Datum, RaisedRecord, TensorRecord } from "./format.ts";
import { type Namespace, isObject, isRecord } from "./python/bridge.ts";
import type { Interpreter } from "./python/evaluate.ts";
import { PyDict, PyTuple, isNumber, repr } from "./python/values.ts";
import { attempt, checkRaises, shorten } from "./raised.ts";
import { type Outcome, type Tally, fail, pass } from "./tally.ts";
import { TensorIO, datum, method } from "./tensors.ts";

export interface OptimizerCase {
  readonly id: string;
  readonly optimizer: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly problem: string;
  readonly loss: string;
  readonly dtype: string;
  readonly init: readonly TensorRecord[];
  readonly groups?: readonly (Readonly<Record<string, unknown>> & { readonly params: readonly number[] })[];
  readonly repr: string;
  readonly defaults: Readonly<Record<string, unknown>>;
  readonly steps: readonly OptimizerStep[];
  readonly state_dict: StateDict;
}

interface OptimizerStep {
  readonly loss: Datum;
  readonly grads?: readonly (readonly Datum[] | null)[];
  readonly closure_calls?: number;
  readonly params: readonly (readonly Datum[])[];
}

interface StateDict {
  readonly state: Readonly<Record<string, unknown>>;
  readonly param_groups: readonly unknown[];
}

export interface OptimizerFile {
  readonly problem: { readonly X: TensorRecord; readonly Y: TensorRecord };
  readonly cases: readonly OptimizerCase[];
}

export interface SchedulerCase {
  readonly id: string;
  readonly scheduler: string;
  readonly source: string;
  readonly setup: string;
  readonly lr?: readonly (readonly number[])[];
  readonly momentum?: readonly (readonly (number | null)[])[];
  readonly metrics?: readonly number[];
  readonly last_epoch?: number;
  readonly state_dict?: Readonly<Record<string, unknown>>;
  readonly raises?: RaisedRecord & { readonly at_step?: number };
}

export interface OptimizerErrorCase {
  readonly id: string;
  readonly source: string;
  readonly setup: string;
  readonly raises?: RaisedRecord;
  readonly repr?: string | null;
  readonly value?: unknown;
}

export interface ClipCase {
  readonly id: string;
  readonly max_norm?: number;
  readonly norm_type?: number | string;
  readonly clip_value?: number;
  readonly grads?: readonly (readonly Datum[] | null)[];
  readonly clipped?: readonly (readonly Datum[] | null)[];
  readonly inputs?: readonly TensorRecord[];
  readonly total_norm?: Datum;
  readonly vector?: readonly Datum[];
  readonly history?: readonly AverageRecord[];
}

interface AverageRecord {
  readonly model: readonly (readonly number[])[];
  readonly avg: readonly (readonly number[])[];
  readonly n_averaged: number;
}

/** The trajectory of ten steps amplifies rounding; Muon rounds to bfloat16 inside. */
function trajectoryTolerance({ optimizer, dtype, config }: OptimizerCase): Tolerance {
  if (optimizer === "Muon") {
    const lr = config["lr"];
    const step = isRecord(lr) ? Number(lr["$f"]) : Number(lr ?? 1e-3);
    return { rtol: 1e-4, atol: 2e-2 * step * 10 };
  }
  if (optimizer === "LBFGS") return { rtol: 1e-6, atol: 1e-6 };
  return dtype === "float32" ? { rtol: 1e-4, atol: 1e-6 } : { rtol: 1e-9, atol: 1e-11 };
}

export class OptimReplay {
  readonly #python: Interpreter;
  readonly #torch: Namespace;
  readonly #io: TensorIO;
  readonly #decoder: Decoder;
  readonly #tally: Tally;

  constructor(python: Interpreter, tally: Tally) {
    this.#python = python;
    this.#torch = python.bridge.torch;
    this.#io = new TensorIO(this.#torch);
    this.#decoder = new Decoder(python);
    this.#tally = tally;
  }

  optimizer({ problem }: OptimizerFile, record: OptimizerCase): void {
    const add = (aspect: string, outcome: Outcome): void =>
      this.#tally.add("all", record.optimizer, record.id, aspect, outcome);
    add(
      "repr",
      attempt(() => this.#printed(String(this.#construct(record, this.#parameters(record))), record.repr)),
    );
    add(
      "defaults",
      attempt(() => {
        const optimizer = this.#construct(record, this.#parameters(record));
        return this.#same(Reflect.get(optimizer, "defaults"), record.defaults, "defaults", { rtol: 0, atol: 0 });
      }),
    );
    let finished: object | null = null;
    add(
      "trajectory",
      attempt(() => {
        const parameters = this.#parameters(record);
        const optimizer = this.#construct(record, parameters);
        const outcome = this.#steps(record, problem, optimizer, parameters);
        finished = optimizer;
        return outcome;
      }),
    );
    add(
      "state_dict",
      attempt(() => {
        if (finished === null) return this.#noTrajectory(record);
        return this.#same(method(finished, "state_dict"), record.state_dict, "state_dict", trajectoryTolerance(record));
      }),
    );
  }

  #noTrajectory(record: OptimizerCase): Outcome {
    this.#construct(record, this.#parameters(record));
    return fail("the trajectory was not finished");
  }

  #parameters(record: OptimizerCase): object[] {
    return record.init.map(
      (tensor) => method(this.#io.make({ ...tensor, dtype: record.dtype }), "requires_grad_") as object,
    );
  }

  #construct(record: OptimizerCase, parameters: readonly object[]): object {
    const groups = record.groups?.map(
      ({ params, ...rest }) =>
        new PyDict([["params", params.map((i) => parameters[i])], ...this.#decoder.keywords(rest, [])]),
    );
    return this.#python.bridge.call(this.#python.bridge.resolve(`torch.optim.${record.optimizer}`), {
      positional: [groups ?? [...parameters]],
      keywords: this.#decoder.keywords(record.config, []),
    }) as object;
  }

  #steps(
    record: OptimizerCase,
    problem: OptimizerFile["problem"],
    optimizer: object,
    parameters: readonly object[],
  ): Outcome {
    const [text = "", comment = ""] = record.loss.split("#");
    const names = /\[([^\]]*)\]/.exec(comment)?.[1]?.split(/,\s*/) ?? [];
    const scope = this.#python.scope({
      tanh: this.#torch["tanh"],
      X: this.#io.make({ ...problem.X, dtype: record.dtype }),
      Y: this.#io.make({ ...problem.Y, dtype: record.dtype }),
      ...Object.fromEntries(names.map((name, i) => [name, parameters[i]])),
    });
    const tolerance = trajectoryTolerance(record);
    let calls = 0;
    const closure = (): unknown => {
      calls++;
      method(optimizer, "zero_grad");
      const loss = this.#python.evaluate(text.trim(), scope);
      method(loss, "backward");
      return loss;
    };
    for (const [i, step] of record.steps.entries()) {
      calls = 0;
      const byClosure = step.closure_calls !== undefined;
      const loss = byClosure ? method(optimizer, "step", closure) : closure();
      const reason =
        this.#flat(`step ${i} loss`, [Number(method(loss, "item"))], [step.loss], record.dtype, tolerance) ??
        (byClosure
          ? null
          : this.#lists(
              `step ${i} grad`,
              parameters.map((p) => Reflect.get(p, "grad")),
              step.grads ?? [],
              record.dtype,
              tolerance,
            ));
      if (reason !== null) return fail(reason);
      if (!byClosure) method(optimizer, "step");
      else if (calls !== step.closure_calls) {
        return fail(`step ${i}: ${calls} calls of the closure, expected ${String(step.closure_calls)}`);
      }
      const moved = this.#lists(`step ${i} parameter`, parameters, step.params, record.dtype, tolerance);
      if (moved !== null) return fail(moved);
    }
    return pass;
  }

  /** Compares tensors with flat lists; null stands for no gradient. */
  #lists(
    label: string,
    got: readonly unknown[],
    expected: readonly (readonly Datum[] | null)[],
    dtype: string,
    tolerance: Tolerance,
  ): string | null {
    for (const [i, list] of expected.entries()) {
      const tensor = got[i];
      if (list === null) {
        if (isObject(tensor)) return `${label} ${i} is a tensor, expected None`;
        continue;
      }
      if (!isObject(tensor)) return `${label} ${i} is None`;
      const { data } = this.#io.read(tensor);
      const reason = this.#flat(`${label} ${i} `, data, list, dtype, tolerance);
      if (reason !== null) return reason;
    }
    return null;
  }

  #flat(
    label: string,
    got: readonly (number | bigint)[],
    expected: readonly Datum[],
    dtype: string,
    tolerance: Tolerance,
  ): string | null {
    if (got.length !== expected.length) return `${label} has ${got.length} elements, expected ${expected.length}`;
    const record = recorded({ dtype, shape: [expected.length], data: expected });
    const reason = differenceOf(got, record, [expected.length], false, tolerance);
    return reason === null ? null : `${label}${reason}`;
  }

  #printed(got: string, expected: string): Outcome {
    return got === expected ? pass : fail(`prints ${shorten(got)} | expected ${shorten(expected)}`);
  }

  /** Compares a nested state with its record: numbers with the tolerance, all else exactly. */
  #same(got: unknown, expected: unknown, path: string, tolerance: Tolerance): Outcome {
    const reason = this.#differs(got, expected, path, tolerance);
    return reason === null ? pass : fail(reason);
  }

  #differs(raw: unknown, expected: unknown, path: string, tolerance: Tolerance): string | null {
    const got = raw === undefined ? null : raw;
    if (isRecord(expected) && typeof expected["dtype"] === "string" && Array.isArray(expected["shape"])) {
      const record = expected as unknown as TensorRecord;
      if (!this.#python.bridge.isTensor(got)) return `${path} is ${describeValue(got)}, expected a tensor`;
      const { data, dtype } = this.#io.read(got);
      if (dtype !== record.dtype) return `${path} has dtype ${dtype}, expected ${record.dtype}`;
      return this.#flat(path, data, record.data ?? [], record.dtype, tolerance);
    }
    if (Array.isArray(expected)) {
      if (!Array.isArray(got)) return `${path} is ${describeValue(got)}, expected a list`;
      if (got.length !== expected.length) return `${path} has ${got.length} items, expected ${expected.length}`;
      for (const [i, item] of expected.entries()) {
        const reason = this.#differs(got[i], item, `${path}[${i}]`, tolerance);
        if (reason !== null) return reason;
      }
      return null;
    }
    if (isRecord(expected)) {
      const tag = Object.keys(expected)[0] ?? "";
      if (tag === "$f") return this.#differs(got, Number(datum(expected["$f"] as Datum)), path, tolerance);
      if (tag === "$tuple") return this.#differs(got, expected["$tuple"], path, tolerance);
      const entries = got instanceof Map ? Object.fromEntries(got) : got;
      if (!isObject(entries)) return `${path} is ${describeValue(got)}, expected a dict`;
      const keys = Object.keys(entries).toSorted().join(" ");
      const wanted = Object.keys(expected).toSorted().join(" ");
      if (keys !== wanted) return `${path} has keys ${keys}, expected ${wanted}`;
      for (const [key, item] of Object.entries(expected)) {
        const reason = this.#differs(Reflect.get(entries, key), item, `${path}.${key}`, tolerance);
        if (reason !== null) return reason;
      }
      return null;
    }
    const number = asNumber(got);
    const value =
      typeof expected === "string" && ["inf", "-inf", "nan"].includes(expected) ? Number(datum(expected)) : expected;
    if (typeof value === "number" && number !== null) {
      return this.#flat(path, [number], [value], "float64", tolerance);
    }
    return got === expected ? null : `${path} is ${describeValue(got)}, expected ${JSON.stringify(expected)}`;
  }

  // Schedulers

  scheduler(record: SchedulerCase): void {
    const add = (aspect: string, outcome: Outcome): void =>
      this.#tally.add("all", record.scheduler, record.id, aspect, outcome);
    const { raises } = record;
    if (raises) {
      add(
        "error",
        attempt(() => checkRaises(raises, () => this.#failing(record))),
      );
      return;
    }
    const tolerance = { rtol: 1e-12, atol: 1e-15 };
    let last: object | null = null;
    add(
      "schedule",
      attempt(() => {
        const { opt, sch } = this.#schedule(record);
        for (const [i, rates] of (record.lr ?? []).entries()) {
          if (i > 0) this.#advance(opt, sch, record.metrics?.[i - 1]);
          const groups = Reflect.get(opt, "param_groups") as readonly object[];
          const lr = groups.map((group) => asNumber(Reflect.get(group, "lr")) ?? Number.NaN);
          const reason = this.#flat(`lr after ${i} steps `, lr, rates, "float64", tolerance);
          if (reason !== null) return fail(reason);
          const momentum = record.momentum?.[i];
          const got = groups.map((group) => Reflect.get(group, "momentum") as unknown);
          const off = momentum ? this.#differs(got, momentum, `momentum after ${i} steps`, tolerance) : null;
          if (off !== null) return fail(off);
        }
        last = sch;
        return this.#same(Reflect.get(sch, "last_epoch"), record.last_epoch ?? null, "last_epoch", tolerance);
      }),
    );
    add(
      "scheduler_state",
      attempt(() => {
        if (last === null) {
          this.#schedule(record);
          return fail("the schedule was not finished");
        }
        const state = method(last, "state_dict");
        return this.#same(state, record.state_dict ?? {}, "state_dict", tolerance);
      }),
    );
  }

  /** The optimizer and scheduler of a case; `setup` writes groups as `{params: [p0]}`, without quotes. */
  #schedule(record: SchedulerCase): { opt: object; sch: object } {
    const one = (): object => method(this.#io.fromFlat([1, 2], [2], "float32"), "requires_grad_") as object;
    const scope = this.#python.scope({
      p0: one(),
      p1: one(),
      SGD: this.#python.bridge.resolve("torch.optim.SGD"),
      S: this.#python.bridge.resolve("torch.optim.lr_scheduler"),
    });
    this.#python.run(record.setup.replaceAll(/\b(params|lr): /g, "'$1': "), scope);
    const sch = this.#python.run(record.source, scope);
    return { opt: scope.find("opt") as object, sch: sch as object };
  }

  #advance(opt: object, sch: object, metric: number | undefined): void {
    method(opt, "step");
    if (metric === undefined) method(sch, "step");
    else method(sch, "step", metric);
  }

  #failing(record: SchedulerCase): void {
    const { opt, sch } = this.#schedule(record);
    for (let i = 0; i < (record.raises?.at_step ?? 0); i++) this.#advance(opt, sch, record.metrics?.[i]);
  }

  error(record: OptimizerErrorCase): void {
    const run = (): unknown => {
      const scope = this.#python.scope();
      this.#python.run(record.setup, scope);
      return this.#python.run(record.source, scope);
    };
    const outcome = attempt(() => {
      if (record.raises) return checkRaises(record.raises, run);
      const value = run();
      if (typeof record.repr === "string") return this.#printed(repr(value), record.repr);
      return this.#same(this.#python.bridge.toJs(value), record.value, "value", { rtol: 0, atol: 0 });
    });
    this.#tally.add("all", "errors", record.id, "error", outcome);
  }

  // Clipping and averaging

  clip(record: ClipCase): void {
    this.#tally.add(
      "all",
      "clip",
      record.id,
      "clip",
      attempt(() => this.#clip(record)),
    );
  }

  #clip(record: ClipCase): Outcome {
    const name = record.id.split("/")[0] ?? "";
    const tolerance = { rtol: 1e-10, atol: 1e-12 };
    if (record.history) return this.#average(record.id, record.history, tolerance);
    const path = `torch.nn.utils.${name}`;
    const call = (positional: readonly unknown[], keywords: Readonly<Record<string, unknown>> = {}): unknown =>
      this.#python.apply(this.#python.bridge.resolve(path), {
        positional,
        keywords: new Map(Object.entries(keywords)),
      });
    const norm = typeof record.norm_type === "string" ? Number(datum(record.norm_type)) : record.norm_type;
    const normType = norm !== undefined && Number.isInteger(norm) ? BigInt(norm) : norm;
    const check = (total: unknown): string | null => {
      if (record.total_norm === undefined) return null;
      return this.#flat("total norm ", [Number(method(total, "item"))], [record.total_norm], "float64", tolerance);
    };
    if (record.grads) {
      const parameters = record.grads.map((grad) => this.#withGrad(grad));
      const total =
        record.clip_value === undefined
          ? call([parameters, record.max_norm], { norm_type: normType })
          : call([parameters, record.clip_value]);
      const grads = parameters.map((p) => Reflect.get(p, "grad") as unknown);
      const reason = check(total) ?? this.#lists("grad", grads, record.clipped ?? [], "float64", tolerance);
      return reason === null ? pass : fail(reason);
    }
    const inputs = (record.inputs ?? []).map((tensor) => this.#io.make(tensor));
    const result = call([inputs], normType === undefined ? {} : { norm_type: normType });
    const reason = record.vector
      ? this.#flat("vector ", this.#io.read(result).data, record.vector, "float64", tolerance)
      : check(result);
    return reason === null ? pass : fail(reason);
  }

  #withGrad(grad: readonly Datum[] | null): object {
    const size = grad?.length ?? 1;
    const flat = Array.from({ length: size }, () => 0);
    const parameter = method(this.#io.fromFlat(flat, [size], "float64"), "requires_grad_") as object;
    if (grad) Reflect.set(parameter, "grad", this.#io.fromFlat(grad, [size], "float64"));
    return parameter;
  }

  /** Averages over the recorded history of a linear layer's weight and bias. */
  #average(id: string, history: readonly AverageRecord[], tolerance: Tolerance): Outcome {
    const ema = /ema([\d.]+)/.exec(id)?.[1];
    const swa = "torch.optim.swa_utils";
    const scope = this.#python.scope({ A: this.#python.bridge.resolve(`${swa}.AveragedModel`) });
    if (ema !== undefined) scope.variables.set("ema", this.#python.bridge.resolve(`${swa}.get_ema_multi_avg_fn`));
    const [first] = history;
    const width = first?.model[0]?.length ?? 1;
    const height = first?.model[1]?.length ?? 1;
    const make = ema === undefined ? "A(m)" : `A(m, multi_avg_fn=ema(${ema}))`;
    this.#python.run(`m = nn.Linear(${width / height}, ${height}).to(torch.float64)\na = ${make}`, scope);
    const tensors = (name: string): object[] => [...(method(scope.find(name), "parameters") as Iterable<object>)];
    for (const [i, { model, avg, n_averaged: count }] of history.entries()) {
      method(this.#torch, "no_grad", () => {
        for (const [k, parameter] of tensors("m").entries()) {
          const { shape } = this.#io.read(parameter);
          method(parameter, "copy_", this.#io.fromFlat(model[k] ?? [], shape, "float64"));
        }
      });
      this.#python.run("a.update_parameters(m)", scope);
      const averaged: unknown = this.#python.evaluate("a.n_averaged.item()", scope);
      if (Number(averaged) !== count) return fail(`n_averaged is ${repr(averaged)}, expected ${count}`);
      const reason = this.#lists(`average ${i} of parameter`, tensors("a"), avg, "float64", tolerance);
      if (reason !== null) return fail(reason);
    }
    return pass;
  }
}

/** A number, also out of the library's float wrapper; null if it is none. */
function asNumber(value: unknown): number | null {
  if (typeof value === "number") return value;
  if (typeof value === "bigint") return Number(value);
  if (isObject(value) && !Array.isArray(value) && typeof Reflect.get(value, "value") === "number")
    return Number(Reflect.get(value, "value"));
  return null;
}

function describeValue(value: unknown): string {
  if (value instanceof PyTuple || isNumber(value) || value === null || typeof value === "string") return repr(value);
  return isObject(value) ? (Array.isArray(value) ? "a list" : value.constructor.name) : typeof value;
}
