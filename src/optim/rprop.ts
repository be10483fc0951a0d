/**
 * Resilient backpropagation (Riedmiller and Braun, 1993) and averaged stochastic gradient descent (Polyak and Juditsky, 1992).
 */
import { pyfloat } from "../dispatch/signature.ts";
import { E, type Expr } from "../ir/expr.ts";
import { full_like, zeros_like } from "../ops/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkEtas } from "./adam-variants.ts";
import { shapedGradient } from "./averages.ts";
import { FusedUpdate, FusedUpdates } from "./fused.ts";
import {
  countStep,
  gradOf,
  newStep,
  Optimizer,
  type ParamGroup,
  type Params,
  rateOf,
  scalarState,
  scalarValue,
} from "./optimizer.ts";
import { bindOptions, checkNotNegative } from "./options.ts";

// --- Rprop -----------------------------------------------------------------------------------------------------------

/** Options of {@link Rprop}. */
export interface RpropOptions {
  /** The first step size. Default: 0.01. */
  lr?: number | Tensor;
  /** Factors of a step size where the sign of the gradient changed, and where it stayed. Default: [0.5, 1.2]. */
  etas?: readonly [number, number];
  /** The smallest and the largest step size. Default: [1e-6, 50]. */
  step_sizes?: readonly [number, number];
  capturable?: boolean;
  foreach?: boolean | null;
  maximize?: boolean;
  differentiable?: boolean;
}

/** A group of {@link Rprop}. */
export interface RpropGroup extends ParamGroup {
  etas: [number, number];
  step_sizes: [number, number];
  maximize: boolean;
}

const rpropUpdates = new FusedUpdates(
  (key: "up" | "down") =>
    new FusedUpdate("rprop", `rprop:${key}`, 3, 4, 4, (tensors, numbers) => {
      const [p, prev, size, grad] = tensors as [Expr, Expr, Expr, Expr];
      const [minus, plus, smallest, largest] = numbers as [Expr, Expr, Expr, Expr];
      const g = key === "up" ? E.neg(grad) : grad;
      const product = E.mul(g, prev);
      const one = E.const(p.type, 1);
      const turned = E.lt(product, 0);
      const factor = E.select(E.gt(product, 0), plus, E.select(turned, minus, one));
      const next = E.min(E.max(E.mul(size, factor), smallest), largest);
      // Where the sign changed the element waits for one step.
      const used = E.select(turned, E.const(p.type, 0), g);
      return [E.sub(p, E.mul(E.sign(used), next)), used, next];
    }),
);

/** Rprop: step sizes of their own for each element, by the signs of its gradients alone. */
export class Rprop extends Optimizer<RpropGroup> {
  constructor(
    params: Params,
    lr?: number | Tensor | RpropOptions,
    ...rest: (readonly [number, number] | RpropOptions)[]
  ) {
    const options = bindOptions("Rprop", [lr, ...rest], ["lr", "etas", "step_sizes"], {
      lr: 1e-2,
      etas: [0.5, 1.2],
      step_sizes: [1e-6, 50],
      foreach: null,
      maximize: false,
      differentiable: false,
      capturable: false,
    });
    checkNotNegative(options, "lr", "learning rate");
    checkEtas(options);
    super(params, options);
  }

  protected override update(group: RpropGroup): void {
    const update = rpropUpdates.get(group.maximize ? "up" : "down");
    const numbers = [...group.etas, ...group.step_sizes];
    for (const p of group.params) {
      const g = gradOf(p);
      if (g === null) continue;
      let state = this.state.get(p);
      if (state === undefined) {
        state = { step: newStep(), prev: zeros_like(p), step_size: full_like(p, rateOf(group.lr)) };
        this.state.set(p, state);
      }
      countStep(state);
      update.run([p, state["prev"] as Tensor, state["step_size"] as Tensor, g], numbers);
    }
  }
}

// --- ASGD ------------------------------------------------------------------------------------------------------------

/** Options of {@link ASGD}. */
export interface ASGDOptions {
  /** The learning rate. Default: 0.01. */
  lr?: number | Tensor;
  /** How fast parameters and learning rate decay. Default: 1e-4. */
  lambd?: number;
  /** The power in the decay of the learning rate. Default: 0.75. */
  alpha?: number;
  /** The step at which averaging starts. Default: 1e6. */
  t0?: number;
  weight_decay?: number;
  foreach?: boolean | null;
  maximize?: boolean;
  differentiable?: boolean;
  capturable?: boolean;
}

/** A group of {@link ASGD}. */
export interface ASGDGroup extends ParamGroup {
  lambd: number;
  alpha: number;
  t0: number;
  weight_decay: number;
  maximize: boolean;
}

const bits = { decays: 1, maximizes: 2, averages: 4 };

const asgdUpdates = new FusedUpdates(
  (key: number) =>
    new FusedUpdate("asgd", `asgd:${key}`, 2, 3, 4, (tensors, numbers) => {
      const [p, mean, grad] = tensors as [Expr, Expr, Expr];
      const [decay, shrink, rate, mu] = numbers as [Expr, Expr, Expr, Expr];
      const g = shapedGradient(grad, p, (key & bits.maximizes) !== 0, (key & bits.decays) !== 0 ? decay : null);
      const next = E.sub(E.mul(p, shrink), E.mul(g, rate));
      return [next, (key & bits.averages) === 0 ? next : E.add(mean, E.mul(E.sub(next, mean), mu))];
    }),
);

/** Stochastic gradient descent that also keeps the average of the parameters, as `ax` in its state. */
export class ASGD extends Optimizer<ASGDGroup> {
  constructor(params: Params, lr?: number | Tensor | ASGDOptions, ...rest: (number | boolean | null | ASGDOptions)[]) {
    const names = ["lr", "lambd", "alpha", "t0", "weight_decay", "foreach", "maximize", "differentiable", "capturable"];
    const options = bindOptions("ASGD", [lr, ...rest], names, {
      lr: 1e-2,
      lambd: 1e-4,
      alpha: 0.75,
      t0: pyfloat(1e6),
      weight_decay: 0,
      foreach: null,
      maximize: false,
      differentiable: false,
      capturable: false,
    });
    checkNotNegative(options, "lr", "learning rate");
    checkNotNegative(options, "weight_decay", "weight_decay value");
    super(params, options);
  }

  protected override update(group: ASGDGroup): void {
    const { lambd, alpha, t0, weight_decay: decay, maximize } = group;
    const lr = rateOf(group.lr);
    const key = (decay === 0 ? 0 : bits.decays) | (maximize ? bits.maximizes : 0);
    for (const p of group.params) {
      const g = gradOf(p);
      if (g === null) continue;
      let state = this.state.get(p);
      if (state === undefined) {
        state = { step: newStep(), eta: scalarState(lr), mu: scalarState(1), ax: zeros_like(p) };
        this.state.set(p, state);
      }
      const step = countStep(state);
      const eta = scalarValue(state, "eta");
      const mu = scalarValue(state, "mu");
      const update = asgdUpdates.get(key | (mu === 1 ? 0 : bits.averages));
      update.run([p, state["ax"] as Tensor, g], [decay, 1 - lambd * eta, eta, mu]);
      (state["eta"] as Tensor).fill_(lr / (1 + lambd * lr * step) ** alpha);
      (state["mu"] as Tensor).fill_(1 / Math.max(1, step - t0));
    }
  }
}
