/**
 * Schedulers made of others, and the one that looks at a measure.
 */
import { ArgumentTypeError, ValueError } from "../base/errors.ts";
import { Tensor } from "../tensor/tensor.ts";
import { checkOptimizer, LRScheduler, type SchedulerState, setRate } from "./lr-scheduler.ts";
import { perGroup } from "./cyclic-scheduler.ts";
import { type Optimizer, rateOf } from "./optimizer.ts";
import { bindOptions } from "./options.ts";

/** Anything that is stepped after each epoch. */
export type Scheduler = LRScheduler | SequentialLR | ChainedScheduler;

/** The state of schedulers inside another. */
abstract class Composed {
  readonly optimizer: Optimizer;
  readonly _schedulers: readonly Scheduler[];
  _last_lr: number[] = [];

  constructor(optimizer: Optimizer, schedulers: readonly Scheduler[]) {
    this.optimizer = optimizer;
    this._schedulers = schedulers;
  }

  /** The learning rates as they were set last. */
  get_last_lr(): number[] {
    return this._last_lr;
  }

  /** All of the state but the optimizer, of the schedulers inside too. */
  state_dict(): SchedulerState {
    const own = Object.entries(this).filter(([key]) => key !== "optimizer" && key !== "_schedulers");
    return { ...Object.fromEntries(own), _schedulers: this._schedulers.map((s) => s.state_dict()) };
  }

  /** Continues from what {@link state_dict} gave. */
  load_state_dict(state_dict: SchedulerState): void {
    for (const [key, value] of Object.entries(state_dict)) {
      if (key === "_schedulers") {
        this._schedulers.forEach((s, i) => s.load_state_dict((value as SchedulerState[])[i] as SchedulerState));
      } else if (key in this && key !== "optimizer") Reflect.set(this, key, value);
    }
  }
}

/** Puts a scheduler back to before its first step. */
function undo(scheduler: Scheduler): void {
  if (scheduler instanceof LRScheduler) scheduler.last_epoch--;
  else for (const s of scheduler._schedulers) undo(s);
}

/** One scheduler after the other, changing at the milestones. */
export class SequentialLR extends Composed {
  _milestones: number[];
  last_epoch: number;

  constructor(
    optimizer: Optimizer,
    schedulers: readonly Scheduler[],
    milestones: readonly number[] | { milestones: readonly number[]; last_epoch?: number },
    last_epoch = -1,
  ) {
    checkOptimizer(optimizer);
    const at = "milestones" in milestones ? milestones.milestones : milestones;
    if (schedulers.length === 0) {
      throw new ValueError("SequentialLR expects at least one scheduler to be chained, but got no scheduler.");
    }
    schedulers.forEach((s, i) => {
      if ((s as unknown) instanceof ReduceLROnPlateau) {
        throw new ValueError(
          `SequentialLR does not support \`ReduceLROnPlateau\` scheduler as it requires additional kwargs to be specified when calling \`step\`, but got one at index ${i} in the given schedulers sequence.`,
        );
      }
      if (s.optimizer !== optimizer) {
        throw new ValueError(
          `SequentialLR expects all schedulers to belong to the same optimizer, but got scheduler ${s.constructor.name} at index ${i} has ${String(s.optimizer)}, which is different from ${optimizer.constructor.name}.`,
        );
      }
    });
    if (at.length !== schedulers.length - 1) {
      throw new ValueError(
        `Sequential Schedulers expects number of schedulers provided to be one more than the number of milestone points, but got number of schedulers ${schedulers.length} and the number of milestones to be equal to ${at.length}`,
      );
    }
    super(optimizer, schedulers);
    this._milestones = [...at];
    this.last_epoch = ("milestones" in milestones ? (milestones.last_epoch ?? last_epoch) : last_epoch) + 1;
    for (const group of optimizer.param_groups) setRate(group, group["initial_lr"] as number);
    for (const s of schedulers) undo(s);
    const [first] = schedulers;
    if (first instanceof LRScheduler) first._initial_step();
    else first?.step();
    this._last_lr = first?.get_last_lr() ?? [];
  }

  /** Moves on by an epoch. */
  step(): void {
    this.last_epoch++;
    const index = this._milestones.filter((m) => m <= this.last_epoch).length;
    const scheduler = this._schedulers[index] as Scheduler;
    const starts = index > 0 && this._milestones[index - 1] === this.last_epoch;
    if (starts && scheduler instanceof LRScheduler) scheduler._update_lr(0);
    else scheduler.step();
    this._last_lr = scheduler.get_last_lr();
  }
}

/** Several schedulers at once, each changing what the one before left. */
export class ChainedScheduler extends Composed {
  constructor(schedulers: readonly Scheduler[], optimizer?: Optimizer | { optimizer?: Optimizer }) {
    const [first] = schedulers;
    if (first === undefined) {
      throw new ValueError("ChainedScheduler expects at least one scheduler to be chained, but got no scheduler.");
    }
    const given = optimizer !== undefined && "param_groups" in optimizer ? optimizer : optimizer?.optimizer;
    const own = given ?? first.optimizer;
    schedulers.forEach((s, i) => {
      if (s.optimizer !== own) {
        throw new ValueError(
          `ChainedScheduler expects all schedulers to belong to the same optimizer, but got scheduler ${s.constructor.name} at index ${i} has ${String(s.optimizer)}, which is different from ${own.constructor.name}.`,
        );
      }
    });
    super(own, schedulers);
    this._last_lr = own.param_groups.map((group) => rateOf(group.lr));
  }

  /** Moves all on by an epoch. */
  step(): void {
    for (const s of this._schedulers) s.step();
    this._last_lr = this.optimizer.param_groups.map((group) => rateOf(group.lr));
  }
}

/** Options of {@link ReduceLROnPlateau}. */
export interface ReduceLROnPlateauOptions {
  /** Whether the measure should fall or grow. Default: `"min"`. */
  mode?: "min" | "max";
  factor?: number;
  /** How many epochs without improvement are waited for. Default: 10. */
  patience?: number;
  /** How much counts as an improvement. Default: 1e-4. */
  threshold?: number;
  threshold_mode?: "rel" | "abs";
  /** How many epochs are not looked at after a reduction. Default: 0. */
  cooldown?: number;
  min_lr?: number | readonly number[];
  /** Smaller changes are not made. Default: 1e-8. */
  eps?: number;
}

/** Reduces the learning rate when a measure no longer improves. */
export class ReduceLROnPlateau {
  readonly optimizer: Optimizer;
  factor: number;
  default_min_lr: number | null;
  min_lrs: number[];
  patience: number;
  cooldown: number;
  eps: number;
  last_epoch = 0;
  _last_lr: number[];
  mode_worse: number;
  mode: string;
  threshold: number;
  threshold_mode: string;
  best: number;
  cooldown_counter = 0;
  num_bad_epochs = 0;

  constructor(
    optimizer: Optimizer,
    ...args: (number | string | readonly number[] | ReduceLROnPlateauOptions | undefined)[]
  ) {
    const names = ["mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "min_lr", "eps"];
    const { values } = bindOptions("ReduceLROnPlateau", args, names, {
      mode: "min",
      factor: 0.1,
      patience: 10,
      threshold: 1e-4,
      threshold_mode: "rel",
      cooldown: 0,
      min_lr: 0,
      eps: 1e-8,
    });
    if ((values["factor"] as number) >= 1) throw new ValueError("Factor should be < 1.0.");
    if (typeof optimizer !== "object" || optimizer === null) {
      throw new ArgumentTypeError(`${typeof optimizer} is not an Optimizer`);
    }
    checkOptimizer(optimizer);
    this.optimizer = optimizer;
    this.factor = values["factor"] as number;
    this.default_min_lr = Array.isArray(values["min_lr"]) ? null : (values["min_lr"] as number);
    this.min_lrs = perGroup("min_lr", optimizer, values["min_lr"]);
    this.patience = values["patience"] as number;
    this.cooldown = values["cooldown"] as number;
    this.eps = values["eps"] as number;
    this._last_lr = optimizer.param_groups.map((group) => rateOf(group.lr));
    this.mode = values["mode"] as string;
    this.threshold = values["threshold"] as number;
    this.threshold_mode = values["threshold_mode"] as string;
    if (this.mode !== "min" && this.mode !== "max") throw new ValueError(`mode ${this.mode} is unknown!`);
    if (this.threshold_mode !== "rel" && this.threshold_mode !== "abs") {
      throw new ValueError(`threshold mode ${this.threshold_mode} is unknown!`);
    }
    this.mode_worse = this.mode === "min" ? Infinity : -Infinity;
    this.best = this.mode_worse;
  }

  /** Whether the epochs after a reduction are still going on. */
  get in_cooldown(): boolean {
    return this.cooldown_counter > 0;
  }

  /** Whether a measure is an improvement. */
  is_better(a: number, best: number): boolean {
    if (this.mode === "min") {
      return a < (this.threshold_mode === "rel" ? best * (1 - this.threshold) : best - this.threshold);
    }
    return a > (this.threshold_mode === "rel" ? best * (this.threshold + 1) : best + this.threshold);
  }

  /** Moves on by an epoch, in which the measure was `metrics`. */
  step(metrics: number | Tensor): void {
    const current = metrics instanceof Tensor ? Number(metrics.item()) : Number(metrics);
    this.last_epoch++;
    if (this.is_better(current, this.best)) {
      this.best = current;
      this.num_bad_epochs = 0;
    } else this.num_bad_epochs++;
    if (this.in_cooldown) {
      this.cooldown_counter--;
      this.num_bad_epochs = 0;
    }
    if (this.num_bad_epochs > this.patience) {
      this.optimizer.param_groups.forEach((group, i) => {
        const before = rateOf(group.lr);
        const next = Math.max(before * this.factor, this.min_lrs[i] as number);
        if (before - next > this.eps) setRate(group, next);
      });
      this.cooldown_counter = this.cooldown;
      this.num_bad_epochs = 0;
    }
    this._last_lr = this.optimizer.param_groups.map((group) => rateOf(group.lr));
  }

  /** The learning rates as they were set last. */
  get_last_lr(): number[] {
    return this._last_lr;
  }

  /** All of the state but the optimizer. */
  state_dict(): SchedulerState {
    return Object.fromEntries(Object.entries(this).filter(([key]) => key !== "optimizer"));
  }

  /** Continues from what {@link state_dict} gave. */
  load_state_dict(state_dict: SchedulerState): void {
    for (const [key, value] of Object.entries(state_dict)) {
      if (key in this && key !== "optimizer") Reflect.set(this, key, value);
    }
  }
}
