/** The runner for modules, optimizers and random numbers, against a small library of its own over the tensors. */

import * as torch from "flambeau";
import { describe, expect, it } from "vitest";
import { caseFiles } from "../tools/conformance/data.ts";
import type { ModuleCase, ModuleErrorCase } from "../tools/conformance/format.ts";
import { ModuleReplay } from "../tools/conformance/modules.ts";
import { OptimReplay, type OptimizerFile, type SchedulerCase } from "../tools/conformance/optim.ts";
import { PrintReplay } from "../tools/conformance/print.ts";
import { Interpreter } from "../tools/conformance/python/evaluate.ts";
import { RngReplay } from "../tools/conformance/rng.ts";
import { type Aspects, Tally } from "../tools/conformance/tally.ts";

const fixtures = new URL("fixtures/conformance/", import.meta.url).pathname;

function cases<T>(kind: string, name: string): T[] {
  const file = caseFiles<{ cases: T[] }>(fixtures + kind).find((entry) => entry.name === name);
  return file?.read().cases ?? [];
}

class Module {
  training = true;

  constructor() {
    const self = (...args: unknown[]): unknown => (self as unknown as Linear).forward(...(args as [torch.Tensor]));
    Object.setPrototypeOf(self, new.target.prototype);
    return self as unknown as this;
  }

  train(): this {
    this.training = true;
    return this;
  }

  eval(): this {
    this.training = false;
    return this;
  }
}

class Linear extends Module {
  weight: torch.Tensor;
  bias: torch.Tensor | null;
  readonly sizes: readonly [number, number];
  /** What a defect adds to the result. */
  static offset = 0;

  constructor(inputs: number, outputs: number, { bias = true }: { bias?: boolean } = {}) {
    super();
    if (inputs < 0) throw Object.assign(new Error("negative"), { name: "ValueError" });
    this.sizes = [inputs, outputs];
    this.weight = torch.zeros([outputs, inputs]).requires_grad_();
    this.bias = bias ? torch.zeros([outputs]).requires_grad_() : null;
  }

  forward(x: torch.Tensor): torch.Tensor {
    const product = x.matmul(this.weight.t());
    return (this.bias ? product.add(this.bias) : product).add(Linear.offset);
  }

  to(): this {
    this.weight = this.weight.detach().double().requires_grad_();
    this.bias = this.bias?.detach().double().requires_grad_() ?? null;
    return this;
  }

  named_parameters(): [string, torch.Tensor][] {
    return this.bias
      ? [
          ["weight", this.weight],
          ["bias", this.bias],
        ]
      : [["weight", this.weight]];
  }

  named_buffers(): [string, torch.Tensor][] {
    return [];
  }

  state_dict(): Record<string, torch.Tensor> {
    return Object.fromEntries(this.named_parameters());
  }

  override toString(): string {
    const [inputs, outputs] = this.sizes;
    return `Linear(in_features=${inputs}, out_features=${outputs}, bias=${this.bias ? "True" : "False"})`;
  }
}

class SGD {
  readonly param_groups: { params: torch.Tensor[]; lr: number; momentum: number }[];

  constructor(parameters: torch.Tensor[], { lr = 1e-3 }: { lr?: number | torch.PyFloat } = {}) {
    this.param_groups = [{ params: parameters, lr: Number(lr), momentum: 0 }];
  }

  zero_grad(): void {
    for (const { params } of this.param_groups) for (const p of params) p.grad = null;
  }

  step(): void {
    torch.no_grad(() => {
      for (const { params, lr } of this.param_groups) {
        for (const p of params) if (p.grad) p.sub_(p.grad.mul(lr));
      }
    });
  }
}

class StepLR {
  last_epoch = 0;
  readonly optimizer: SGD;
  readonly options: { step_size: number; gamma?: number };

  constructor(optimizer: SGD, options: { step_size: number; gamma?: number }) {
    this.optimizer = optimizer;
    this.options = options;
  }

  step(): void {
    this.last_epoch++;
    if (this.last_epoch % this.options.step_size !== 0) return;
    for (const group of this.optimizer.param_groups) group.lr *= Number(this.options.gamma ?? 0.1);
  }
}

const library = {
  ...torch,
  nn: { Module, Linear, functional: {} },
  optim: { SGD, lr_scheduler: { StepLR } },
};
const python = new Interpreter(library, { nn: library.nn });

/** "passed" or "failed" by aspect, for all cases together. */
function verdicts(run: (tally: Tally) => void): Record<string, string> {
  const tally = new Tally();
  run(tally);
  const aspects: Aspects = tally.groups["all"] ?? {};
  return Object.fromEntries(
    Object.entries(aspects).map(([aspect, { failed, missing }]) => [
      aspect,
      missing > 0 ? "missing" : failed > 0 ? "failed" : "passed",
    ]),
  );
}

const runModules = (records: readonly ModuleCase[]): Record<string, string> =>
  verdicts((tally) => {
    const runner = new ModuleReplay(python, tally);
    for (const record of records) runner.case(record);
  });

const runSchedulers = (records: readonly SchedulerCase[]): Record<string, string> =>
  verdicts((tally) => {
    for (const record of records) new OptimReplay(python, tally).scheduler(record);
  });

const drawing = { ...torch, manual_seed: () => {}, rand: () => torch.tensor([0.5], { dtype: torch.float64 }) };
const drawn = new Interpreter(drawing);

const printed = (source: string, expected: string, options = {}): Record<string, string> =>
  verdicts((tally) => new PrintReplay(drawn, tally).case({ id: "p", group: "g", source, expected, options }));

describe("modules", () => {
  const linear = cases<ModuleCase>("modules", "Linear").filter((record) => record.ctor);

  it("are built, loaded, run and differentiated", () => {
    expect(linear.length).toBeGreaterThan(0);
    const passed = {
      repr: "passed",
      state_dict: "passed",
      value: "passed",
      input_grad: "passed",
      param_grad: "passed",
    };
    expect(runModules(linear)).toMatchObject(passed);
  });

  it("fail when their results are off", () => {
    Linear.offset = 1e-6;
    expect(runModules(linear)).toMatchObject({ repr: "passed", value: "failed", input_grad: "passed" });
    Linear.offset = 0;
  });

  it("count as missing when there are none", () => {
    expect(runModules(cases<ModuleCase>("modules", "Conv2d"))).toMatchObject({ repr: "missing", value: "missing" });
  });

  it("raise", () => {
    const record = {
      id: "e",
      class: "Linear",
      ctor_args: [-1, 2],
      ctor_kwargs: {},
      raised_in: "constructor",
      raised: { type: "ValueError", message: "negative" },
    } satisfies ModuleErrorCase;
    const check = (changes: Partial<ModuleErrorCase>): Record<string, string> =>
      verdicts((tally) => new ModuleReplay(python, tally).error({ ...record, ...changes }));
    expect(check({})).toEqual({ error: "passed" });
    expect(check({ ctor_args: [1, 2] })).toEqual({ error: "failed" });
    expect(check({ source: "nn.Linear(-1, 3)" })).toEqual({ error: "passed" });
    expect(check({ source: "nn.Conv9d(-1, 3)" })).toEqual({ error: "missing" });
  });
});

describe("optimizers", () => {
  const file = caseFiles<OptimizerFile>(`${fixtures}optim`)
    .find((entry) => entry.name === "optimizers")
    ?.read();
  const sgd = file?.cases.find(
    ({ optimizer, config }) => optimizer === "SGD" && Object.keys(config).join(" ") === "lr",
  );

  it("follow the recorded trajectory", () => {
    if (!file || !sgd) throw new Error("no case of SGD with a learning rate alone");
    const run = (record: typeof sgd): Record<string, string> =>
      verdicts((tally) => new OptimReplay(python, tally).optimizer(file, record));
    expect(run(sgd)).toMatchObject({ trajectory: "passed", repr: "failed", state_dict: "missing" });
    expect(run({ ...sgd, config: { lr: { $f: 0.1000001 } } })).toMatchObject({ trajectory: "failed" });
  });

  it("follow the recorded schedule", () => {
    const schedulers = cases<SchedulerCase>("optim", "schedulers").filter(
      ({ scheduler, setup }) => scheduler === "StepLR" && !setup.includes("params"),
    );
    expect(schedulers.length).toBeGreaterThan(0);
    expect(runSchedulers(schedulers)).toEqual({ schedule: "passed", scheduler_state: "missing" });
    const slower = schedulers.map((record) => ({ ...record, source: "S.StepLR(opt, step_size=30)" }));
    expect(runSchedulers(slower)).toMatchObject({ schedule: "failed" });
  });
});

describe("random numbers and printing", () => {
  const outs = [{ dtype: "float64", shape: [1], data: [0.5] }];

  it("compare the draw and what follows it", () => {
    const run = (changes: object): Record<string, string> =>
      verdicts((tally) =>
        new RngReplay(drawn, tally).case({
          id: "r",
          group: "rand",
          seed: "0",
          call: "torch.rand(1)",
          outs,
          next_rand_f64: 0.5,
          ...changes,
        }),
      );
    expect(run({})).toEqual({ value: "passed", stream: "passed" });
    expect(run({ next_rand_f64: 0.25 })).toEqual({ value: "passed", stream: "failed" });
    expect(run({ call: "torch.rand(1) x2 (float64)", outs: [...outs, ...outs] })).toMatchObject({ value: "passed" });
    expect(run({ call: "two calls: torch.rand(1), torch.rand(1) (float32)", outs })).toMatchObject({ value: "failed" });
    expect(run({ call: "t = torch.rand(1); t * 1", outs })).toMatchObject({ value: "passed" });
  });

  it("compare texts exactly, under the given options", () => {
    expect(printed("torch.tensor([1.5, 2])", "tensor([1.5000, 2.0000])")).toEqual({ repr: "passed" });
    expect(printed("torch.tensor([1.5, 2])", "tensor([1.5000, 2.000])")).toEqual({ repr: "failed" });
    expect(
      printed("torch.tensor([1.5])", "tensor([1.5], dtype=torch.float32)", { precision: 1, default_dtype: "float64" }),
    ).toEqual({ repr: "failed" });
    expect(printed("torch.tensor([1.5])", "tensor([1.5])", { precision: 1, default_dtype: "float64" })).toEqual({
      repr: "passed",
    });
    expect(printed("torch.tensor([1.5])", "tensor([1.5000])")).toEqual({ repr: "passed" });
    expect(printed("f'{torch.tensor(2)} {torch.zeros(2).shape}'", "2 torch.Size([2])")).toEqual({ repr: "passed" });
  });
});
