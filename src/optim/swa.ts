/**
 * `torch.optim.swa_utils`: averages of weights (Izmailov and others, 2018).
 */
import { no_grad } from "../autograd/modes.ts";
import { int64 } from "../base/dtype.ts";
import { copyModule } from "../nn/copy.ts";
import { Module } from "../nn/module.ts";
import { zeros } from "../ops/create.ts";
import type { Tensor } from "../tensor/tensor.ts";

export { SWALR } from "./cyclic-scheduler.ts";

/** Changes averaged parameters by the current ones. */
export type MultiAverage = (averaged: readonly Tensor[], current: readonly Tensor[], count: Tensor) => void;
/** The new average of one parameter. */
export type Average = (averaged: Tensor, current: Tensor, count: Tensor) => Tensor;

/** Exponential averages of all parameters: `decay` of the average is kept. */
export function get_ema_multi_avg_fn(decay = 0.999): MultiAverage {
  return (averaged, current) => averaged.forEach((a, i) => void a.lerp_(current[i] as Tensor, 1 - decay));
}

/** An exponential average: `decay` of it is kept. */
export function get_ema_avg_fn(decay = 0.999): Average {
  return (averaged, current) => averaged.mul(decay).add(current.mul(1 - decay));
}

/** Options of {@link AveragedModel}. */
export interface AveragedModelOptions {
  avg_fn?: Average | null;
  multi_avg_fn?: MultiAverage | null;
  /** Whether buffers are averaged too; otherwise they are copied. Default: false. */
  use_buffers?: boolean;
}

/** A copy of a model whose parameters are averages over the course of training. */
export class AveragedModel<M extends Module = Module> extends Module {
  module: M;
  declare n_averaged: Tensor;
  readonly use_buffers: boolean;

  constructor(model: M, options: AveragedModelOptions = {}) {
    super();
    this.module = copyModule(model);
    this.register_buffer("n_averaged", zeros([], { dtype: int64 }));
    this.use_buffers = options.use_buffers ?? false;
    const { avg_fn: one = null, multi_avg_fn: all = null } = options;
    Object.defineProperty(this, "_average", { value: all ?? eachBy(one ?? equalAverage) });
  }

  override forward(...args: Parameters<M["forward"]>): ReturnType<M["forward"]> {
    return (this.module as unknown as (...given: unknown[]) => ReturnType<M["forward"]>)(...args);
  }

  /** Takes the parameters of a model, later in its training, into the averages. */
  update_parameters(model: Module): void {
    no_grad(() => {
      const mine = tensorsOf(this.module, this.use_buffers);
      const theirs = tensorsOf(model, this.use_buffers);
      if (Number(this.n_averaged.item()) === 0) mine.forEach((t, i) => t.copy_(theirs[i] as Tensor));
      else (Reflect.get(this, "_average") as MultiAverage)(mine, theirs, this.n_averaged);
      if (!this.use_buffers) {
        const buffers = [...model.buffers()];
        [...this.module.buffers()].forEach((t, i) => t.copy_(buffers[i] as Tensor));
      }
      this.n_averaged.add_(1);
    });
  }
}

const tensorsOf = (model: Module, buffers: boolean): Tensor[] => [
  ...model.parameters(),
  ...(buffers ? model.buffers() : []),
];

const equalAverage: Average = (averaged, current, count) =>
  averaged.add(current.sub(averaged).div(Number(count.item()) + 1));

const eachBy =
  (average: Average): MultiAverage =>
  (averaged, current, count) =>
    averaged.forEach((a, i) => void a.copy_(average(a, current[i] as Tensor, count)));
