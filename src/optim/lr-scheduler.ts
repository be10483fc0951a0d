/**
 * Learning rates that change from epoch to epoch: what all schedulers share, and those with a formula.
 */
import { ArgumentTypeError, ValueError } from "../base/errors.ts";
import { KeyError } from "../base/key-error.ts";
import { pyfloat, pythonTypeOf } from "../dispatch/signature.ts";
import { Tensor } from "../tensor/tensor.ts";
import { Optimizer, type ParamGroup, rateOf } from "./optimizer.ts";
import { bindOptions } from "./options.ts";

/** What `state_dict` of a scheduler gives. */
export type SchedulerState = Record<string, unknown>;

/** Where a scheduler is to go on. */
export interface SchedulerOptions {
  /** The last epoch that was run, or -1 to start. */
  last_epoch?: number;
}

/** @internal Fields that are not part of the state. */
const transient = new Set(["optimizer"]);

/** @internal Sets the learning rate of a group, also where it is a tensor. */
export function setRate(group: ParamGroup, lr: number): void {
  const before: unknown = group.lr;
  if (before instanceof Tensor) before.fill_(lr);
  else group.lr = lr;
}

/** @internal Throws unless it is an optimizer. */
export function checkOptimizer(optimizer: unknown): asserts optimizer is Optimizer {
  if (!(optimizer instanceof Optimizer)) {
    throw new ArgumentTypeError(`${pythonTypeOf(optimizer)} is not an Optimizer`);
  }
}

/** The base of schedulers. After each epoch call `step`, after the optimizer's. */
export abstract class LRScheduler {
  readonly optimizer: Optimizer;
  /** The learning rates that the schedule starts from. */
  base_lrs: number[];
  last_epoch: number;
  _step_count = 0;
  _is_initial = false;
  _get_lr_called_within_step = false;
  _last_lr: number[] = [];

  constructor(optimizer: Optimizer, lastEpoch = -1) {
    checkOptimizer(optimizer);
    this.optimizer = optimizer;
    optimizer.param_groups.forEach((group, i) => {
      if (lastEpoch === -1) {
        if (group["initial_lr"] === undefined) group["initial_lr"] = rateOf(group.lr);
      } else if (group["initial_lr"] === undefined) {
        throw new KeyError(
          `param 'initial_lr' is not specified in param_groups[${i}] when resuming scheduler with last_epoch >= 0.\nThis typically happens when:\n1. You're trying to resume training from a checkpoint but haven't properly loaded the optimizer state\n2. You're using last_epoch >= 0 for a fresh training run (not recommended)`,
        );
      }
    });
    this.base_lrs = optimizer.param_groups.map((group) => group["initial_lr"] as number);
    this.last_epoch = lastEpoch;
  }

  /** @internal The first step, which a constructor takes when all fields are set. */
  _initial_step(): void {
    this._step_count = 0;
    this._is_initial = true;
    try {
      this.step();
    } finally {
      this._is_initial = false;
    }
  }

  /** The learning rates of the epoch at hand, one for each group. */
  abstract get_lr(): number[];

  /** The learning rates as they were set last. */
  get_last_lr(): number[] {
    return this._last_lr;
  }

  /** @internal The rates of an epoch, where there is a formula for them. */
  _get_closed_form_lr?(): number[];

  /** Moves on by an epoch, or (deprecated) to a given one. */
  step(epoch?: number | null): void {
    if (this._step_count === 1 && !this.optimizer._opt_called) {
      console.warn(
        "UserWarning: Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and later, you should call them in the opposite order: `optimizer.step()` before `lr_scheduler.step()`.  Failure to do this will result in PyTorch skipping the first value of the learning rate schedule. See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate",
      );
    }
    this._step_count++;
    this._update_lr(epoch);
  }

  /** @internal */
  _update_lr(epoch?: number | null): void {
    let rates: number[];
    if (epoch === undefined || epoch === null) {
      this.last_epoch++;
      this._get_lr_called_within_step = true;
      try {
        rates = this.get_lr();
      } finally {
        this._get_lr_called_within_step = false;
      }
    } else {
      this.last_epoch = epoch;
      rates = this._get_closed_form_lr === undefined ? this.get_lr() : this._get_closed_form_lr();
    }
    this.apply(rates);
  }

  /** @internal */
  protected apply(rates: readonly number[]): void {
    this.optimizer.param_groups.forEach((group, i) => setRate(group, rates[i] as number));
    this._last_lr = this.optimizer.param_groups.map((group) => rateOf(group.lr));
  }

  /** @internal The rates that the groups have. */
  protected get rates(): number[] {
    return this.optimizer.param_groups.map((group) => rateOf(group.lr));
  }

  /** All of the state but the optimizer. */
  state_dict(): SchedulerState {
    return Object.fromEntries(Object.entries(this).filter(([key]) => !transient.has(key)));
  }

  /** Continues from what {@link state_dict} gave. */
  load_state_dict(state_dict: SchedulerState): void {
    for (const [key, value] of Object.entries(state_dict)) {
      if (key in this && !transient.has(key)) Reflect.set(this, key, value);
    }
  }
}

/** The factor of an epoch. */
export type LambdaFunction = (epoch: number) => number;

function lambdasOf(optimizer: Optimizer, given: LambdaFunction | readonly LambdaFunction[]): LambdaFunction[] {
  checkOptimizer(optimizer);
  const count = optimizer.param_groups.length;
  if (typeof given === "function") return new Array<LambdaFunction>(count).fill(given);
  if (given.length !== count) throw new ValueError(`Expected ${count} lr_lambdas, but got ${given.length}`);
  return [...given];
}

type LambdaArgument =
  | LambdaFunction
  | readonly LambdaFunction[]
  | { lr_lambda: LambdaFunction | readonly LambdaFunction[]; last_epoch?: number };

/** Both kinds keep functions, which a state cannot hold. */
abstract class WithLambdas extends LRScheduler {
  lr_lambdas: LambdaFunction[];

  constructor(optimizer: Optimizer, given: LambdaArgument, options: SchedulerOptions) {
    const named = typeof given === "object" && "lr_lambda" in given;
    const lambdas = named ? given.lr_lambda : given;
    super(optimizer, (named ? given.last_epoch : undefined) ?? options.last_epoch ?? -1);
    this.lr_lambdas = lambdasOf(optimizer, lambdas as LambdaFunction | readonly LambdaFunction[]);
    this._initial_step();
  }

  override state_dict(): SchedulerState {
    return { ...super.state_dict(), lr_lambdas: this.lr_lambdas.map(() => null) };
  }

  override load_state_dict(state_dict: SchedulerState): void {
    const { lr_lambdas: _functions, ...rest } = state_dict;
    super.load_state_dict(rest);
  }
}

/** The first rate times a function of the epoch. */
export class LambdaLR extends WithLambdas {
  constructor(optimizer: Optimizer, lr_lambda: LambdaArgument, options: SchedulerOptions = {}) {
    super(optimizer, lr_lambda, options);
  }

  override get_lr(): number[] {
    return this.base_lrs.map((lr, i) => lr * (this.lr_lambdas[i] as LambdaFunction)(this.last_epoch));
  }
}

/** The rate before times a function of the epoch. */
export class MultiplicativeLR extends WithLambdas {
  constructor(optimizer: Optimizer, lr_lambda: LambdaArgument, options: SchedulerOptions = {}) {
    super(optimizer, lr_lambda, options);
  }

  override get_lr(): number[] {
    if (this._is_initial) return this.rates;
    return this.rates.map((lr, i) => lr * (this.lr_lambdas[i] as LambdaFunction)(this.last_epoch));
  }
}

type Rest<O> = (number | readonly number[] | O | undefined)[];

/** Times `gamma` every `step_size` epochs. */
export class StepLR extends LRScheduler {
  step_size: number;
  gamma: number;

  constructor(optimizer: Optimizer, ...args: Rest<SchedulerOptions & { step_size?: number; gamma?: number }>) {
    const { values } = bindOptions("StepLR", args, ["step_size", "gamma", "last_epoch"], {
      step_size: null,
      gamma: 0.1,
      last_epoch: -1,
    });
    super(optimizer, values["last_epoch"] as number);
    this.step_size = values["step_size"] as number;
    this.gamma = values["gamma"] as number;
    this._initial_step();
  }

  override get_lr(): number[] {
    if (this.last_epoch === 0 || this.last_epoch % this.step_size !== 0) return this.rates;
    return this.rates.map((lr) => lr * this.gamma);
  }

  override _get_closed_form_lr(): number[] {
    return this.base_lrs.map((lr) => lr * this.gamma ** Math.floor(this.last_epoch / this.step_size));
  }
}

/** Times `gamma` at each of the `milestones`. */
export class MultiStepLR extends LRScheduler {
  /** How often each milestone was given. */
  milestones: Record<number, number>;
  gamma: number;

  constructor(
    optimizer: Optimizer,
    ...args: Rest<SchedulerOptions & { milestones?: readonly number[]; gamma?: number }>
  ) {
    const { values } = bindOptions("MultiStepLR", args, ["milestones", "gamma", "last_epoch"], {
      milestones: [],
      gamma: 0.1,
      last_epoch: -1,
    });
    super(optimizer, values["last_epoch"] as number);
    this.milestones = {};
    for (const m of values["milestones"] as number[]) this.milestones[m] = (this.milestones[m] ?? 0) + 1;
    this.gamma = values["gamma"] as number;
    this._initial_step();
  }

  override get_lr(): number[] {
    const times = this.milestones[this.last_epoch];
    return times === undefined ? this.rates : this.rates.map((lr) => lr * this.gamma ** times);
  }

  override _get_closed_form_lr(): number[] {
    let passed = 0;
    for (const [m, times] of Object.entries(this.milestones)) if (Number(m) <= this.last_epoch) passed += times;
    return this.base_lrs.map((lr) => lr * this.gamma ** passed);
  }
}

/** A constant fraction of the rate, for `total_iters` epochs. */
export class ConstantLR extends LRScheduler {
  factor: number;
  total_iters: number;

  constructor(optimizer: Optimizer, ...args: Rest<SchedulerOptions & { factor?: number; total_iters?: number }>) {
    const { values } = bindOptions("ConstantLR", args, ["factor", "total_iters", "last_epoch"], {
      factor: 1 / 3,
      total_iters: 5,
      last_epoch: -1,
    });
    const factor = values["factor"] as number;
    if (factor > 1 || factor < 0) {
      throw new ValueError("Constant multiplicative factor expected to be between 0 and 1.");
    }
    super(optimizer, values["last_epoch"] as number);
    this.factor = factor;
    this.total_iters = values["total_iters"] as number;
    this._initial_step();
  }

  override get_lr(): number[] {
    if (this.last_epoch === 0) return this.rates.map((lr) => lr * this.factor);
    if (this.last_epoch !== this.total_iters) return this.rates;
    return this.rates.map((lr) => lr * (1 / this.factor));
  }

  override _get_closed_form_lr(): number[] {
    const early = Number(this.last_epoch < this.total_iters);
    return this.base_lrs.map((lr) => lr * (this.factor + (1 - early) * (1 - this.factor)));
  }
}

/** A fraction of the rate that changes evenly from `start_factor` to `end_factor`. */
export class LinearLR extends LRScheduler {
  start_factor: number;
  end_factor: number;
  total_iters: number;

  constructor(
    optimizer: Optimizer,
    ...args: Rest<SchedulerOptions & { start_factor?: number; end_factor?: number; total_iters?: number }>
  ) {
    const names = ["start_factor", "end_factor", "total_iters", "last_epoch"];
    const { values } = bindOptions("LinearLR", args, names, {
      start_factor: 1 / 3,
      end_factor: pyfloat(1),
      total_iters: 5,
      last_epoch: -1,
    });
    const start = values["start_factor"] as number;
    const end = values["end_factor"] as number;
    if (start > 1 || start <= 0) {
      throw new ValueError("Starting multiplicative factor expected to be greater than 0 and less or equal to 1.");
    }
    if (end > 1 || end < 0) throw new ValueError("Ending multiplicative factor expected to be between 0 and 1.");
    super(optimizer, values["last_epoch"] as number);
    this.start_factor = start;
    this.end_factor = end;
    this.total_iters = values["total_iters"] as number;
    this._initial_step();
  }

  override get_lr(): number[] {
    const { start_factor: start, end_factor: end, total_iters: total } = this;
    if (this.last_epoch === 0) return this.rates.map((lr) => lr * start);
    if (this._is_initial || this.last_epoch > total) return this.rates;
    const factor = 1 + (end - start) / (total * start + (this.last_epoch - 1) * (end - start));
    return this.rates.map((lr) => lr * factor);
  }

  override _get_closed_form_lr(): number[] {
    const { start_factor: start, end_factor: end, total_iters: total } = this;
    const factor = start + ((end - start) * Math.min(total, this.last_epoch)) / total;
    return this.base_lrs.map((lr) => lr * factor);
  }
}

/** Times `gamma` every epoch. */
export class ExponentialLR extends LRScheduler {
  gamma: number;

  constructor(optimizer: Optimizer, ...args: Rest<SchedulerOptions & { gamma?: number }>) {
    const { values } = bindOptions("ExponentialLR", args, ["gamma", "last_epoch"], { gamma: null, last_epoch: -1 });
    super(optimizer, values["last_epoch"] as number);
    this.gamma = values["gamma"] as number;
    this._initial_step();
  }

  override get_lr(): number[] {
    return this._is_initial ? this.rates : this.rates.map((lr) => lr * this.gamma);
  }

  override _get_closed_form_lr(): number[] {
    return this.base_lrs.map((lr) => lr * this.gamma ** this.last_epoch);
  }
}

/** Down to zero within `total_iters` epochs, by a power of what is left. */
export class PolynomialLR extends LRScheduler {
  total_iters: number;
  power: number;

  constructor(optimizer: Optimizer, ...args: Rest<SchedulerOptions & { total_iters?: number; power?: number }>) {
    const { values } = bindOptions("PolynomialLR", args, ["total_iters", "power", "last_epoch"], {
      total_iters: 5,
      power: pyfloat(1),
      last_epoch: -1,
    });
    super(optimizer, values["last_epoch"] as number);
    this.total_iters = values["total_iters"] as number;
    this.power = values["power"] as number;
    this._initial_step();
  }

  override get_lr(): number[] {
    if (this._is_initial || this.last_epoch > this.total_iters) return this.rates;
    const left = 1 - this.last_epoch / this.total_iters;
    const before = 1 - (this.last_epoch - 1) / this.total_iters;
    return this.rates.map((lr) => lr * (left / before) ** this.power);
  }

  override _get_closed_form_lr(): number[] {
    const left = 1 - Math.min(this.total_iters, this.last_epoch) / this.total_iters;
    return this.base_lrs.map((lr) => lr * left ** this.power);
  }
}
