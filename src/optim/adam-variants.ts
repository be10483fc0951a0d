/**
 * Relatives of Adam: Adamax (Kingma and Ba, 2015), NAdam (Dozat, 2016) and RAdam (Liu and others, 2020).
 */
import { ValueError } from "../base/errors.ts";
import { E, type Expr } from "../ir/expr.ts";
import { zeros_like } from "../ops/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkBetas } from "./adam.ts";
import { addQuotient, averageSquare, interpolate, nearer, shapedGradient } from "./averages.ts";
import { FusedUpdate, FusedUpdates } from "./fused.ts";
import {
  countStep,
  gradOf,
  newStep,
  Optimizer,
  type ParamGroup,
  type Params,
  type ParamState,
  rateOf,
  scalarState,
  scalarValue,
} from "./optimizer.ts";
import { bindOptions, checkNotNegative, type Options, written } from "./options.ts";

/** Options that the relatives of Adam share. */
interface CommonOptions {
  lr?: number | Tensor;
  /** How much of the running averages is kept. Default: [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the denominator. Default: 1e-8. */
  eps?: number;
  weight_decay?: number;
  foreach?: boolean | null;
  maximize?: boolean;
  capturable?: boolean;
  differentiable?: boolean;
}

interface CommonGroup extends ParamGroup {
  betas: [number, number];
  eps: number;
  weight_decay: number;
  maximize: boolean;
}

type Rest = (readonly [number, number] | number | boolean | null | object)[];

const bits = { decays: 1, maximizes: 2, decoupled: 4, mostlyNew: 8, rectified: 16 };

function keyOf({ weight_decay: decay, maximize, betas }: CommonGroup, decoupled: boolean): number {
  return (
    (decay === 0 ? 0 : bits.decays) |
    (maximize ? bits.maximizes : 0) |
    (decoupled ? bits.decoupled : 0) |
    (nearer(1 - betas[0]) === "to" ? bits.mostlyNew : 0)
  );
}

/** Parameter and gradient after weight decay, by the bits of `key`. */
function start(key: number, p: Expr, grad: Expr, decay: Expr): { p: Expr; g: Expr } {
  const decoupled = (key & bits.decays) !== 0 && (key & bits.decoupled) !== 0;
  const after = decoupled ? E.mul(p, decay) : p;
  const inGradient = (key & bits.decays) !== 0 && !decoupled ? decay : null;
  return { p: after, g: shapedGradient(grad, after, (key & bits.maximizes) !== 0, inGradient) };
}

const average = (key: number, mean: Expr, g: Expr, fresh: Expr): Expr =>
  interpolate(mean, g, fresh, (key & bits.mostlyNew) === 0 ? "from" : "to");

function checkCommon(options: Options): void {
  checkNotNegative(options, "lr", "learning rate");
  checkNotNegative(options, "eps", "epsilon value");
  checkBetas(options);
  checkNotNegative(options, "weight_decay", "weight_decay value");
}

/** The state of a parameter, made by `first` if there is none. */
function stateOf(states: Map<Tensor, ParamState>, p: Tensor, first: () => ParamState): ParamState {
  let state = states.get(p);
  if (state === undefined) {
    state = first();
    states.set(p, state);
  }
  return state;
}

// --- Adamax ----------------------------------------------------------------------------------------------------------

/** Options of {@link Adamax}. */
export interface AdamaxOptions extends CommonOptions {}

const adamaxUpdates = new FusedUpdates(
  (key: number) =>
    new FusedUpdate("adamax", `adamax:${key}`, 3, 4, 5, (tensors, numbers) => {
      const [before, mean, largest, grad] = tensors as [Expr, Expr, Expr, Expr];
      const [decay, fresh, beta2, eps, step] = numbers as [Expr, Expr, Expr, Expr, Expr];
      const { p, g } = start(key, before, grad, decay);
      const nextMean = average(key, mean, g, fresh);
      const next = E.max(E.mul(largest, beta2), E.add(E.abs(g), eps));
      return [addQuotient(p, nextMean, next, step), nextMean, next];
    }),
);

/** Adamax: Adam with the largest gradient instead of the mean square. */
export class Adamax extends Optimizer<CommonGroup> {
  constructor(params: Params, lr?: number | Tensor | AdamaxOptions, ...rest: Rest) {
    const options = bindOptions("Adamax", [lr, ...rest], ["lr", "betas", "eps", "weight_decay", "foreach"], {
      lr: 2e-3,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weight_decay: 0,
      foreach: null,
      maximize: false,
      differentiable: false,
      capturable: false,
    });
    checkCommon(options);
    super(params, options);
  }

  protected override update(group: CommonGroup): void {
    const [beta1, beta2] = group.betas;
    const update = adamaxUpdates.get(keyOf(group, false));
    for (const p of group.params) {
      const g = gradOf(p);
      if (g === null) continue;
      const state = stateOf(this.state, p, () => ({
        step: newStep(),
        exp_avg: zeros_like(p),
        exp_inf: zeros_like(p),
      }));
      const size = -rateOf(group.lr) / (1 - beta1 ** countStep(state));
      const own = [state["exp_avg"], state["exp_inf"]] as [Tensor, Tensor];
      update.run([p, ...own, g], [group.weight_decay, 1 - beta1, beta2, group.eps, size]);
    }
  }
}

// --- NAdam -----------------------------------------------------------------------------------------------------------

/** Options of {@link NAdam}. */
export interface NAdamOptions extends CommonOptions {
  momentum_decay?: number;
  decoupled_weight_decay?: boolean;
}

interface NAdamGroup extends CommonGroup {
  momentum_decay: number;
  decoupled_weight_decay: boolean;
}

const nadamUpdates = new FusedUpdates(
  (key: number) =>
    new FusedUpdate("nadam", `nadam:${key}`, 3, 4, 8, (tensors, numbers) => {
      const [before, mean, square, grad] = tensors as [Expr, Expr, Expr, Expr];
      const [decay, fresh1, beta2, fresh2] = numbers as [Expr, Expr, Expr, Expr];
      const [correction, eps, ofGradient, ofMean] = numbers.slice(4) as [Expr, Expr, Expr, Expr];
      const { p, g } = start(key, before, grad, decay);
      const nextMean = average(key, mean, g, fresh1);
      const nextSquare = averageSquare(square, g, beta2, fresh2);
      const denominator = E.add(E.sqrt(E.div(nextSquare, correction)), eps);
      const half = addQuotient(p, g, denominator, ofGradient);
      return [addQuotient(half, nextMean, denominator, ofMean), nextMean, nextSquare];
    }),
);

/** NAdam: Adam with Nesterov's momentum. */
export class NAdam extends Optimizer<NAdamGroup> {
  constructor(params: Params, lr?: number | Tensor | NAdamOptions, ...rest: Rest) {
    const names = ["lr", "betas", "eps", "weight_decay", "momentum_decay", "decoupled_weight_decay"];
    const options = bindOptions("NAdam", [lr, ...rest], names, {
      lr: 2e-3,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weight_decay: 0,
      momentum_decay: 4e-3,
      decoupled_weight_decay: false,
      maximize: false,
      foreach: null,
      capturable: false,
      differentiable: false,
    });
    checkCommon(options);
    checkNotNegative(options, "momentum_decay", "momentum_decay value");
    super(params, options);
  }

  protected override update(group: NAdamGroup): void {
    const { eps, weight_decay: decay, momentum_decay: slowing, decoupled_weight_decay: decoupled } = group;
    const [beta1, beta2] = group.betas;
    const lr = rateOf(group.lr);
    const update = nadamUpdates.get(keyOf(group, decoupled));
    const shrink = decoupled ? 1 - lr * decay : decay;
    for (const p of group.params) {
      const g = gradOf(p);
      if (g === null) continue;
      const state = stateOf(this.state, p, () => ({
        step: newStep(),
        mu_product: scalarState(1),
        exp_avg: zeros_like(p),
        exp_avg_sq: zeros_like(p),
      }));
      const step = countStep(state);
      const mu = beta1 * (1 - 0.5 * 0.96 ** (step * slowing));
      const muNext = beta1 * (1 - 0.5 * 0.96 ** ((step + 1) * slowing));
      (state["mu_product"] as Tensor).mul_(mu);
      const product = scalarValue(state, "mu_product");
      const ofGradient = (-lr * (1 - mu)) / (1 - product);
      const ofMean = (-lr * muNext) / (1 - product * muNext);
      const own = [state["exp_avg"], state["exp_avg_sq"]] as [Tensor, Tensor];
      const numbers = [shrink, 1 - beta1, beta2, 1 - beta2, 1 - beta2 ** step, eps, ofGradient, ofMean];
      update.run([p, ...own, g], numbers);
    }
  }
}

// --- RAdam -----------------------------------------------------------------------------------------------------------

/** Options of {@link RAdam}. */
export interface RAdamOptions extends CommonOptions {
  decoupled_weight_decay?: boolean;
}

interface RAdamGroup extends CommonGroup {
  decoupled_weight_decay: boolean;
}

const radamUpdates = new FusedUpdates(
  (key: number) =>
    new FusedUpdate("radam", `radam:${key}`, 3, 4, 9, (tensors, numbers) => {
      const [before, mean, square, grad] = tensors as [Expr, Expr, Expr, Expr];
      const [decay, fresh1, beta2, fresh2] = numbers as [Expr, Expr, Expr, Expr];
      const [correction, rate, eps, root, rectification] = numbers.slice(4) as [Expr, Expr, Expr, Expr, Expr];
      const { p, g } = start(key, before, grad, decay);
      const nextMean = average(key, mean, g, fresh1);
      const nextSquare = averageSquare(square, g, beta2, fresh2);
      let step = E.mul(E.div(nextMean, correction), rate);
      if ((key & bits.rectified) !== 0) {
        step = E.mul(E.mul(step, E.div(root, E.add(E.sqrt(nextSquare), eps))), rectification);
      }
      return [E.sub(p, step), nextMean, nextSquare];
    }),
);

/** RAdam: Adam whose first steps, when the averages are still uncertain, are rectified. */
export class RAdam extends Optimizer<RAdamGroup> {
  constructor(params: Params, lr?: number | Tensor | RAdamOptions, ...rest: Rest) {
    const names = ["lr", "betas", "eps", "weight_decay", "decoupled_weight_decay"];
    const options = bindOptions("RAdam", [lr, ...rest], names, {
      lr: 1e-3,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weight_decay: 0,
      maximize: false,
      foreach: null,
      capturable: false,
      decoupled_weight_decay: false,
      differentiable: false,
    });
    checkCommon(options);
    super(params, options);
  }

  protected override update(group: RAdamGroup): void {
    const { eps, weight_decay: decay, decoupled_weight_decay: decoupled } = group;
    const [beta1, beta2] = group.betas;
    const lr = rateOf(group.lr);
    const key = keyOf(group, decoupled);
    const shrink = decoupled ? 1 - lr * decay : decay;
    const rhoMost = 2 / (1 - beta2) - 1;
    for (const p of group.params) {
      const g = gradOf(p);
      if (g === null) continue;
      const state = stateOf(this.state, p, () => ({
        step: newStep(),
        exp_avg: zeros_like(p),
        exp_avg_sq: zeros_like(p),
      }));
      const step = countStep(state);
      const correction2 = 1 - beta2 ** step;
      const rho = rhoMost - (2 * step * beta2 ** step) / correction2;
      const rectified = rho > 5;
      const ratio = ((rho - 4) * (rho - 2) * rhoMost) / ((rhoMost - 4) * (rhoMost - 2) * rho);
      const own = [state["exp_avg"], state["exp_avg_sq"]] as [Tensor, Tensor];
      const averages = [shrink, 1 - beta1, beta2, 1 - beta2];
      const rest = [1 - beta1 ** step, lr, eps, Math.sqrt(correction2), rectified ? Math.sqrt(ratio) : 0];
      radamUpdates.get(key | (rectified ? bits.rectified : 0)).run([p, ...own, g], [...averages, ...rest]);
    }
  }
}

/** @internal Throws the error of two factors of which the first must be below 1 and the second above. */
export function checkEtas(options: Options): void {
  const [minus, plus] = options.values["etas"] as readonly [number, number];
  if (!(minus > 0 && minus < 1 && plus > 1)) {
    throw new ValueError(`Invalid eta values: ${written(options, "etas", 0)}, ${written(options, "etas", 1)}`);
  }
}
