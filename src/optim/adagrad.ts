/**
 * Adagrad (Duchi, Hazan and Singer, 2011) and Adadelta (Zeiler, 2012).
 */
import { TorchError, ValueError } from "../base/errors.ts";
import { pyfloat } from "../dispatch/signature.ts";
import { E, type Expr } from "../ir/expr.ts";
import { full_like, zeros_like } from "../ops/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { addQuotient, averageSquare, shapedGradient } from "./averages.ts";
import { FusedUpdate, FusedUpdates } from "./fused.ts";
import { countStep, gradOf, newStep, Optimizer, type ParamGroup, type Params, rateOf } from "./optimizer.ts";
import { bindOptions, checkNotNegative, written } from "./options.ts";

const bits = { decays: 1, maximizes: 2 };
const keyOf = (decay: number, maximize: boolean): number =>
  (decay === 0 ? 0 : bits.decays) | (maximize ? bits.maximizes : 0);

// --- Adagrad ---------------------------------------------------------------------------------------------------------

/** Options of {@link Adagrad}. */
export interface AdagradOptions {
  /** The learning rate. Default: 0.01. */
  lr?: number | Tensor;
  lr_decay?: number;
  weight_decay?: number;
  initial_accumulator_value?: number;
  eps?: number;
  foreach?: boolean | null;
  maximize?: boolean;
  differentiable?: boolean;
  fused?: boolean | null;
}

/** A group of {@link Adagrad}. */
export interface AdagradGroup extends ParamGroup {
  lr_decay: number;
  weight_decay: number;
  initial_accumulator_value: number;
  eps: number;
  maximize: boolean;
}

const adagradDefaults = {
  lr: 1e-2,
  lr_decay: 0,
  eps: 1e-10,
  weight_decay: 0,
  initial_accumulator_value: 0,
  foreach: null,
  maximize: false,
  differentiable: false,
  fused: null,
};

const adagradUpdates = new FusedUpdates(
  (key: number) =>
    new FusedUpdate("adagrad", `adagrad:${key}`, 2, 3, 3, ([p, sum, grad], [decay, eps, step]) => {
      const decays = (key & bits.decays) !== 0;
      const g = shapedGradient(grad as Expr, p as Expr, (key & bits.maximizes) !== 0, decays ? (decay as Expr) : null);
      const total = E.add(sum as Expr, E.mul(g, g));
      return [addQuotient(p as Expr, g, E.add(E.sqrt(total), eps as Expr), step as Expr), total];
    }),
);

/** Adagrad: each element steps by its gradient over the root of the sum of all its squares. */
export class Adagrad extends Optimizer<AdagradGroup> {
  constructor(
    params: Params,
    lr?: number | Tensor | AdagradOptions,
    ...rest: (number | boolean | null | AdagradOptions)[]
  ) {
    const names = ["lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps", "foreach"];
    const options = bindOptions("Adagrad", [lr, ...rest], names, adagradDefaults);
    checkNotNegative(options, "lr", "learning rate");
    checkNotNegative(options, "lr_decay", "lr_decay value");
    checkNotNegative(options, "weight_decay", "weight_decay value");
    checkNotNegative(options, "initial_accumulator_value", "initial_accumulator_value value");
    checkNotNegative(options, "eps", "epsilon value");
    if (options.values["fused"] === true && options.values["foreach"] === true) {
      throw new TorchError("`fused` and `foreach` cannot be `True` together.");
    }
    super(params, options);
    for (const group of this.param_groups) for (const p of group.params) this.#start(p, group);
  }

  #start(p: Tensor, group: AdagradGroup): { step: Tensor; sum: Tensor } {
    const state = { step: newStep(), sum: full_like(p, group.initial_accumulator_value) };
    this.state.set(p, state);
    return state;
  }

  protected override update(group: AdagradGroup): void {
    const update = adagradUpdates.get(keyOf(group.weight_decay, group.maximize));
    for (const p of group.params) {
      const g = gradOf(p);
      if (g === null) continue;
      const state = this.state.get(p) ?? this.#start(p, group);
      const rate = rateOf(group.lr) / (1 + (countStep(state) - 1) * group.lr_decay);
      update.run([p, state["sum"] as Tensor, g], [group.weight_decay, group.eps, -rate]);
    }
  }
}

// --- Adadelta --------------------------------------------------------------------------------------------------------

/** Options of {@link Adadelta}. */
export interface AdadeltaOptions {
  /** The learning rate. Default: 1. */
  lr?: number | Tensor;
  /** How much of the running averages is kept. Default: 0.9. */
  rho?: number;
  eps?: number;
  weight_decay?: number;
  foreach?: boolean | null;
  capturable?: boolean;
  maximize?: boolean;
  differentiable?: boolean;
}

/** A group of {@link Adadelta}. */
export interface AdadeltaGroup extends ParamGroup {
  rho: number;
  eps: number;
  weight_decay: number;
  maximize: boolean;
}

const adadeltaDefaults = {
  lr: pyfloat(1),
  rho: 0.9,
  eps: 1e-6,
  weight_decay: 0,
  maximize: false,
  capturable: false,
  foreach: null,
  differentiable: false,
};

const adadeltaUpdates = new FusedUpdates(
  (key: number) =>
    new FusedUpdate("adadelta", `adadelta:${key}`, 3, 4, 5, (tensors, numbers) => {
      const [p, square, moved, grad] = tensors as [Expr, Expr, Expr, Expr];
      const [decay, rho, fresh, eps, rate] = numbers as [Expr, Expr, Expr, Expr, Expr];
      const g = shapedGradient(grad, p, (key & bits.maximizes) !== 0, (key & bits.decays) !== 0 ? decay : null);
      const nextSquare = averageSquare(square, g, rho, fresh);
      const step = E.mul(E.div(E.sqrt(E.add(moved, eps)), E.sqrt(E.add(nextSquare, eps))), g);
      return [E.sub(p, E.mul(step, rate)), nextSquare, averageSquare(moved, step, rho, fresh)];
    }),
);

/** Adadelta: steps in the units of the parameters, without a learning rate that must be found. */
export class Adadelta extends Optimizer<AdadeltaGroup> {
  constructor(
    params: Params,
    lr?: number | Tensor | AdadeltaOptions,
    ...rest: (number | boolean | null | AdadeltaOptions)[]
  ) {
    const names = ["lr", "rho", "eps", "weight_decay", "foreach"];
    const options = bindOptions("Adadelta", [lr, ...rest], names, adadeltaDefaults);
    checkNotNegative(options, "lr", "learning rate");
    const rho = options.values["rho"] as number;
    if (!(rho >= 0 && rho <= 1)) throw new ValueError(`Invalid rho value: ${written(options, "rho")}`);
    checkNotNegative(options, "eps", "epsilon value");
    checkNotNegative(options, "weight_decay", "weight_decay value");
    super(params, options);
  }

  protected override update(group: AdadeltaGroup): void {
    const { rho, eps, weight_decay: decay } = group;
    const update = adadeltaUpdates.get(keyOf(decay, group.maximize));
    const numbers = [decay, rho, 1 - rho, eps, rateOf(group.lr)];
    for (const p of group.params) {
      const g = gradOf(p);
      if (g === null) continue;
      let state = this.state.get(p);
      if (state === undefined) {
        state = { step: newStep(), square_avg: zeros_like(p), acc_delta: zeros_like(p) };
        this.state.set(p, state);
      }
      countStep(state);
      update.run([p, state["square_avg"] as Tensor, state["acc_delta"] as Tensor, g], numbers);
    }
  }
}
