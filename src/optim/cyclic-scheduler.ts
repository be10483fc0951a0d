/**
 * Schedules of the learning rate that rise and fall, some with the momentum moving the other way.
 */
import { ValueError } from "../base/errors.ts";
import { pyfloat } from "../dispatch/signature.ts";
import { pythonText } from "../nn/text.ts";
import { checkOptimizer, LRScheduler, type SchedulerOptions, type SchedulerState, setRate } from "./lr-scheduler.ts";
import { type Optimizer, type ParamGroup, rateOf } from "./optimizer.ts";
import { bindOptions } from "./options.ts";

type Rest<O> = (number | boolean | string | readonly number[] | null | O | undefined | ((x: number) => number))[];

/** Down along half a cosine in `T_max` epochs, and up again. */
export class CosineAnnealingLR extends LRScheduler {
  T_max: number;
  eta_min: number;

  constructor(optimizer: Optimizer, ...args: Rest<SchedulerOptions & { T_max?: number; eta_min?: number }>) {
    const { values } = bindOptions("CosineAnnealingLR", args, ["T_max", "eta_min", "last_epoch"], {
      T_max: null,
      eta_min: pyfloat(0),
      last_epoch: -1,
    });
    super(optimizer, values["last_epoch"] as number);
    this.T_max = values["T_max"] as number;
    this.eta_min = values["eta_min"] as number;
    this._initial_step();
  }

  override get_lr(): number[] {
    const { T_max: half, eta_min: low, last_epoch: epoch } = this;
    if (this._is_initial) return this.rates;
    if (this._step_count === 1 && epoch > 0) return this._get_closed_form_lr();
    if ((epoch - 1 - half) % (2 * half) === 0) {
      const rise = (1 - Math.cos(Math.PI / half)) / 2;
      return this.rates.map((lr, i) => lr + ((this.base_lrs[i] as number) - low) * rise);
    }
    const ratio = (1 + Math.cos((Math.PI * epoch) / half)) / (1 + Math.cos((Math.PI * (epoch - 1)) / half));
    return this.rates.map((lr) => ratio * (lr - low) + low);
  }

  override _get_closed_form_lr(): number[] {
    const { T_max: half, eta_min: low, last_epoch: epoch } = this;
    const height = (1 + Math.cos((Math.PI * epoch) / half)) / 2;
    return this.base_lrs.map((lr) => low + (lr - low) * height);
  }
}

/** Down along half a cosine, then from the top again; each time `T_mult` times as long (Loshchilov and Hutter, 2017). */
export class CosineAnnealingWarmRestarts extends LRScheduler {
  T_0: number;
  T_i: number;
  T_mult: number;
  eta_min: number;
  T_cur: number;

  constructor(
    optimizer: Optimizer,
    ...args: Rest<SchedulerOptions & { T_0?: number; T_mult?: number; eta_min?: number }>
  ) {
    const { values } = bindOptions("CosineAnnealingWarmRestarts", args, ["T_0", "T_mult", "eta_min", "last_epoch"], {
      T_0: null,
      T_mult: 1,
      eta_min: pyfloat(0),
      last_epoch: -1,
    });
    const [first, factor] = [values["T_0"], values["T_mult"]] as [number, number];
    if (!(first > 0 && Number.isInteger(first))) {
      throw new ValueError(`Expected positive integer T_0, but got ${pythonText(first)}`);
    }
    if (!(factor >= 1 && Number.isInteger(factor))) {
      throw new ValueError(`Expected integer T_mult >= 1, but got ${pythonText(factor)}`);
    }
    super(optimizer, values["last_epoch"] as number);
    this.T_0 = first;
    this.T_i = first;
    this.T_mult = factor;
    this.eta_min = values["eta_min"] as number;
    this.T_cur = this.last_epoch;
    this._initial_step();
  }

  override get_lr(): number[] {
    const height = (1 + Math.cos((Math.PI * this.T_cur) / this.T_i)) / 2;
    return this.base_lrs.map((lr) => this.eta_min + (lr - this.eta_min) * height);
  }

  override step(epoch?: number | null): void {
    const given = epoch ?? (this.last_epoch < 0 ? 0 : null);
    let at: number;
    if (given === null) {
      at = this.last_epoch + 1;
      this.T_cur++;
      if (this.T_cur >= this.T_i) {
        this.T_cur %= this.T_i;
        this.T_i *= this.T_mult;
      }
    } else {
      if (given < 0) throw new ValueError(`Expected non-negative epoch, but got ${pythonText(given)}`);
      at = given;
      this.#jump(given);
    }
    this.last_epoch = Math.floor(at);
    this.apply(this.get_lr());
  }

  #jump(epoch: number): void {
    this.T_i = this.T_0;
    this.T_cur = epoch;
    if (epoch < this.T_0) return;
    if (this.T_mult === 1) {
      this.T_cur = epoch % this.T_0;
      return;
    }
    const n = Math.floor(Math.log((epoch / this.T_0) * (this.T_mult - 1) + 1) / Math.log(this.T_mult));
    this.T_cur = epoch - (this.T_0 * (this.T_mult ** n - 1)) / (this.T_mult - 1);
    this.T_i = this.T_0 * this.T_mult ** n;
  }
}

// --- with momentum ---------------------------------------------------------------------------------------------------

/** @internal One value for each group. */
export function perGroup(name: string, optimizer: Optimizer, value: unknown): number[] {
  const count = optimizer.param_groups.length;
  if (!Array.isArray(value)) return new Array<number>(count).fill(value as number);
  if (value.length !== count)
    throw new ValueError(
      `${name} must have the same length as optimizer.param_groups. ${name} has ${value.length} values, param_groups has ${count}.`,
    );
  return [...(value as number[])];
}

/** Whether the optimizer has betas, of which the first is the momentum. */
function usesBetas(optimizer: Optimizer): boolean {
  if (!("momentum" in optimizer.defaults) && !("betas" in optimizer.defaults)) {
    throw new ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled");
  }
  return "betas" in optimizer.defaults;
}

function setMomentum(group: ParamGroup, value: number, inBetas: boolean): void {
  if (inBetas) group["betas"] = [value, ...(group["betas"] as number[]).slice(1)];
  else group["momentum"] = value;
}

function startMomentum(optimizer: Optimizer, low: readonly number[], high: readonly number[], inBetas: boolean): void {
  optimizer.param_groups.forEach((group, i) => {
    setMomentum(group, high[i] as number, inBetas);
    group["max_momentum"] = high[i];
    group["base_momentum"] = low[i];
  });
}

/** Options of {@link CyclicLR}. */
export interface CyclicLROptions extends SchedulerOptions {
  base_lr?: number | readonly number[];
  max_lr?: number | readonly number[];
  step_size_up?: number;
  step_size_down?: number | null;
  mode?: "triangular" | "triangular2" | "exp_range";
  gamma?: number;
  scale_fn?: ((x: number) => number) | null;
  scale_mode?: "cycle" | "iterations";
  cycle_momentum?: boolean;
  base_momentum?: number | readonly number[];
  max_momentum?: number | readonly number[];
}

const modes: Readonly<Record<string, { scale: "cycle" | "iterations"; of: (x: number, gamma: number) => number }>> = {
  triangular: { scale: "cycle", of: () => 1 },
  triangular2: { scale: "cycle", of: (x) => 1 / 2 ** (x - 1) },
  exp_range: { scale: "iterations", of: (x, gamma) => gamma ** x },
};

/** Up and down between two rates, again and again (Smith, 2017). Step after every batch. */
export class CyclicLR extends LRScheduler {
  max_lrs: number[];
  total_size: number;
  step_ratio: number;
  mode: string;
  gamma: number;
  scale_mode: string;
  cycle_momentum: boolean;
  _scale_fn_custom: ((x: number) => number) | null;
  declare use_beta1: boolean;
  declare base_momentums: number[];
  declare max_momentums: number[];

  constructor(optimizer: Optimizer, ...args: Rest<CyclicLROptions>) {
    checkOptimizer(optimizer);
    const names = [
      "base_lr",
      "max_lr",
      "step_size_up",
      "step_size_down",
      "mode",
      "gamma",
      "scale_fn",
      "scale_mode",
      "cycle_momentum",
      "base_momentum",
      "max_momentum",
      "last_epoch",
    ];
    const { values } = bindOptions("CyclicLR", args, names, {
      base_lr: null,
      max_lr: null,
      step_size_up: 2000,
      step_size_down: null,
      mode: "triangular",
      gamma: pyfloat(1),
      scale_fn: null,
      scale_mode: "cycle",
      cycle_momentum: true,
      base_momentum: 0.8,
      max_momentum: 0.9,
      last_epoch: -1,
    });
    const last = values["last_epoch"] as number;
    const lows = perGroup("base_lr", optimizer, values["base_lr"]);
    const mode = values["mode"] as string;
    const own = values["scale_fn"] as ((x: number) => number) | null;
    const known = Object.hasOwn(modes, mode) ? modes[mode] : undefined;
    if (known === undefined && own === null) throw new ValueError("mode is invalid and scale_fn is None");
    const inBetas = values["cycle_momentum"] === true && usesBetas(optimizer);
    if (last === -1) optimizer.param_groups.forEach((group, i) => setRate(group, lows[i] as number));
    super(optimizer, last);
    this.max_lrs = perGroup("max_lr", optimizer, values["max_lr"]);
    const up = values["step_size_up"] as number;
    this.total_size = up + ((values["step_size_down"] as number | null) ?? up);
    this.step_ratio = up / this.total_size;
    this.mode = mode;
    this.gamma = values["gamma"] as number;
    this._scale_fn_custom = own;
    this.scale_mode = own === null && known !== undefined ? known.scale : (values["scale_mode"] as string);
    this.cycle_momentum = values["cycle_momentum"] as boolean;
    if (this.cycle_momentum) {
      this.use_beta1 = inBetas;
      this.base_momentums = perGroup("base_momentum", optimizer, values["base_momentum"]);
      this.max_momentums = perGroup("max_momentum", optimizer, values["max_momentum"]);
      if (last === -1) startMomentum(optimizer, this.base_momentums, this.max_momentums, inBetas);
    }
    this.base_lrs = lows;
    this._initial_step();
  }

  /** How large a cycle is. */
  scale_fn(x: number): number {
    return this._scale_fn_custom === null ? (modes[this.mode]?.of(x, this.gamma) ?? 1) : this._scale_fn_custom(x);
  }

  override get_lr(): number[] {
    const cycle = Math.floor(1 + this.last_epoch / this.total_size);
    const x = 1 + this.last_epoch / this.total_size - cycle;
    const way = x <= this.step_ratio ? x / this.step_ratio : (x - 1) / (this.step_ratio - 1);
    const scale = this.scale_fn(this.scale_mode === "cycle" ? cycle : this.last_epoch);
    if (this.cycle_momentum) {
      this.optimizer.param_groups.forEach((group, i) => {
        const high = this.max_momentums[i] as number;
        setMomentum(group, high - (high - (this.base_momentums[i] as number)) * way * scale, this.use_beta1);
      });
    }
    return this.base_lrs.map((low, i) => low + ((this.max_lrs[i] as number) - low) * way * scale);
  }

  override state_dict(): SchedulerState {
    return { ...super.state_dict(), _scale_fn_custom: null };
  }

  override load_state_dict(state_dict: SchedulerState): void {
    const { _scale_fn_custom: _function, ...rest } = state_dict;
    super.load_state_dict(rest);
  }
}

/** Options of {@link OneCycleLR}. */
export interface OneCycleLROptions extends SchedulerOptions {
  max_lr?: number | readonly number[];
  total_steps?: number | null;
  epochs?: number | null;
  steps_per_epoch?: number | null;
  /** The part of the steps in which the rate rises. Default: 0.3. */
  pct_start?: number;
  anneal_strategy?: "cos" | "linear";
  cycle_momentum?: boolean;
  base_momentum?: number | readonly number[];
  max_momentum?: number | readonly number[];
  /** The first rate is `max_lr` over this. Default: 25. */
  div_factor?: number;
  /** The last rate is the first over this. Default: 10000. */
  final_div_factor?: number;
  three_phase?: boolean;
}

interface Phase {
  readonly end_step: number;
  readonly start_lr: string;
  readonly end_lr: string;
  readonly start_momentum: string;
  readonly end_momentum: string;
}

function phasesOf(total: number, start: number, three: boolean): Phase[] {
  const rise: Phase = {
    end_step: start * total - 1,
    start_lr: "initial_lr",
    end_lr: "max_lr",
    start_momentum: "max_momentum",
    end_momentum: "base_momentum",
  };
  const fall = { start_lr: "max_lr", start_momentum: "base_momentum", end_momentum: "max_momentum" };
  if (!three) return [rise, { ...fall, end_step: total - 1, end_lr: "min_lr" }];
  const end = { start_lr: "initial_lr", start_momentum: "max_momentum", end_momentum: "max_momentum" };
  return [
    rise,
    { ...fall, end_step: 2 * start * total - 2, end_lr: "initial_lr" },
    { ...end, end_step: total - 1, end_lr: "min_lr" },
  ];
}

/** Up to a high rate once, and down to a very low one (Smith and Topin, 2018). Step after every batch. */
export class OneCycleLR extends LRScheduler {
  total_steps: number;
  _schedule_phases: Phase[];
  _anneal_func_type: string;
  cycle_momentum: boolean;
  declare use_beta1: boolean;

  constructor(optimizer: Optimizer, ...args: Rest<OneCycleLROptions>) {
    checkOptimizer(optimizer);
    const names = [
      "max_lr",
      "total_steps",
      "epochs",
      "steps_per_epoch",
      "pct_start",
      "anneal_strategy",
      "cycle_momentum",
      "base_momentum",
      "max_momentum",
      "div_factor",
      "final_div_factor",
      "three_phase",
      "last_epoch",
    ];
    const { values } = bindOptions("OneCycleLR", args, names, {
      max_lr: null,
      total_steps: null,
      epochs: null,
      steps_per_epoch: null,
      pct_start: 0.3,
      anneal_strategy: "cos",
      cycle_momentum: true,
      base_momentum: 0.85,
      max_momentum: 0.95,
      div_factor: pyfloat(25),
      final_div_factor: pyfloat(1e4),
      three_phase: false,
      last_epoch: -1,
    });
    const last = values["last_epoch"] as number;
    const total = stepsOf(values);
    const start = values["pct_start"] as number;
    if (!(start >= 0 && start <= 1)) {
      throw new ValueError(`Expected float between 0 and 1 pct_start, but got ${pythonText(start)}`);
    }
    const anneal = values["anneal_strategy"] as string;
    if (anneal !== "cos" && anneal !== "linear") {
      throw new ValueError(`anneal_strategy must be one of 'cos' or 'linear', instead got ${anneal}`);
    }
    const inBetas = values["cycle_momentum"] === true && usesBetas(optimizer);
    if (last === -1) {
      const highs = perGroup("max_lr", optimizer, values["max_lr"]);
      optimizer.param_groups.forEach((group, i) => {
        const first = (highs[i] as number) / (values["div_factor"] as number);
        group["initial_lr"] = first;
        group["max_lr"] = highs[i];
        group["min_lr"] = first / (values["final_div_factor"] as number);
      });
    }
    super(optimizer, last);
    this.total_steps = total;
    this._schedule_phases = phasesOf(total, start, values["three_phase"] as boolean);
    this._anneal_func_type = anneal;
    this.cycle_momentum = values["cycle_momentum"] as boolean;
    if (this.cycle_momentum) this.use_beta1 = inBetas;
    if (this.cycle_momentum && last === -1) {
      const low = perGroup("base_momentum", optimizer, values["base_momentum"]);
      startMomentum(optimizer, low, perGroup("max_momentum", optimizer, values["max_momentum"]), inBetas);
    }
    this._initial_step();
  }

  #between(from: number, to: number, part: number): number {
    if (this._anneal_func_type === "linear") return (to - from) * part + from;
    return to + ((from - to) / 2) * (Math.cos(Math.PI * part) + 1);
  }

  override get_lr(): number[] {
    const step = this.last_epoch;
    if (step > this.total_steps) {
      throw new ValueError(`Tried to step ${step} times. The total number of steps is ${this.total_steps}`);
    }
    let at = this._schedule_phases.findIndex((phase) => step <= phase.end_step);
    if (at < 0) at = this._schedule_phases.length - 1;
    const phase = this._schedule_phases[at] as Phase;
    const from = at === 0 ? 0 : (this._schedule_phases[at - 1] as Phase).end_step;
    const part = (step - from) / (phase.end_step - from);
    return this.optimizer.param_groups.map((group) => {
      if (this.cycle_momentum) {
        const [a, b] = [group[phase.start_momentum], group[phase.end_momentum]] as [number, number];
        setMomentum(group, this.#between(a, b, part), this.use_beta1);
      }
      return this.#between(group[phase.start_lr] as number, group[phase.end_lr] as number, part);
    });
  }
}

function stepsOf(values: Readonly<Record<string, unknown>>): number {
  const positive = (name: string): number => {
    const n = values[name] as number;
    if (!(n > 0 && Number.isInteger(n))) {
      throw new ValueError(`Expected positive integer ${name}, but got ${pythonText(n)}`);
    }
    return n;
  };
  if (values["total_steps"] !== null) return positive("total_steps");
  if (values["epochs"] === null || values["steps_per_epoch"] === null) {
    throw new ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)");
  }
  return positive("epochs") * positive("steps_per_epoch");
}

/** Towards a constant rate within some epochs: for averaging the weights that follow. */
export class SWALR extends LRScheduler {
  _anneal_strategy: string;
  anneal_epochs: number;

  constructor(
    optimizer: Optimizer,
    ...args: Rest<
      SchedulerOptions & {
        swa_lr?: number | readonly number[];
        anneal_epochs?: number;
        anneal_strategy?: "cos" | "linear";
      }
    >
  ) {
    checkOptimizer(optimizer);
    const { values } = bindOptions("SWALR", args, ["swa_lr", "anneal_epochs", "anneal_strategy", "last_epoch"], {
      swa_lr: null,
      anneal_epochs: 10,
      anneal_strategy: "cos",
      last_epoch: -1,
    });
    const anneal = values["anneal_strategy"] as string;
    if (anneal !== "cos" && anneal !== "linear") {
      throw new ValueError(`anneal_strategy must by one of 'cos' or 'linear', instead got ${anneal}`);
    }
    const epochs = values["anneal_epochs"] as number;
    if (!(epochs >= 0 && Number.isInteger(epochs))) {
      throw new ValueError(`anneal_epochs must be equal or greater than 0, got ${pythonText(epochs)}`);
    }
    const rates = perGroup("swa_lr", optimizer, values["swa_lr"]);
    optimizer.param_groups.forEach((group, i) => (group["swa_lr"] = rates[i]));
    super(optimizer, values["last_epoch"] as number);
    this._anneal_strategy = anneal;
    this.anneal_epochs = epochs;
    this._initial_step();
  }

  /** How much of the way is gone after some steps. */
  #gone(step: number): number {
    const t = Math.max(0, Math.min(1, step / Math.max(1, this.anneal_epochs)));
    return this._anneal_strategy === "cos" ? (1 - Math.cos(Math.PI * t)) / 2 : t;
  }

  override get_lr(): number[] {
    let step = this._step_count - 1;
    if (this.anneal_epochs === 0) step = Math.max(1, step);
    const before = this.#gone(step - 1);
    const now = this.#gone(step);
    return this.optimizer.param_groups.map((group) => {
      const target = group["swa_lr"] as number;
      const first = before === 1 ? target : (rateOf(group.lr) - before * target) / (1 - before);
      return target * now + first * (1 - now);
    });
  }
}
