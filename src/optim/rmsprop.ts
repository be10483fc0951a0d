/**
 * RMSprop (Hinton, 2012), also centred (Graves, 2013).
 */
import { E, type Expr } from "../ir/expr.ts";
import { zeros_like } from "../ops/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { addQuotient, averageSquare, interpolate, nearer, shapedGradient } from "./averages.ts";
import { FusedUpdate, FusedUpdates } from "./fused.ts";
import { countStep, gradOf, newStep, Optimizer, type ParamGroup, type Params, rateOf } from "./optimizer.ts";
import { bindOptions, checkNotNegative } from "./options.ts";

/** Options of {@link RMSprop}. */
export interface RMSpropOptions {
  /** The learning rate. Default: 0.01. */
  lr?: number | Tensor;
  /** How much of the average of squares is kept. Default: 0.99. */
  alpha?: number;
  eps?: number;
  weight_decay?: number;
  momentum?: number;
  /** Whether the variance is used instead of the mean square. Default: false. */
  centered?: boolean;
  capturable?: boolean;
  foreach?: boolean | null;
  maximize?: boolean;
  differentiable?: boolean;
}

/** A group of {@link RMSprop}. */
export interface RMSpropGroup extends ParamGroup {
  alpha: number;
  eps: number;
  weight_decay: number;
  momentum: number;
  centered: boolean;
  maximize: boolean;
}

const defaults = {
  lr: 1e-2,
  momentum: 0,
  alpha: 0.99,
  eps: 1e-8,
  centered: false,
  weight_decay: 0,
  capturable: false,
  foreach: null,
  maximize: false,
  differentiable: false,
};

const positional = [
  "lr",
  "alpha",
  "eps",
  "weight_decay",
  "momentum",
  "centered",
  "capturable",
  "foreach",
  "maximize",
  "differentiable",
];

const bits = { decays: 1, maximizes: 2, momentum: 4, centered: 8, mostlyNew: 16 };

/** Operands: parameter, average of squares, then as far as there are some momentum and average, and the gradient. */
function updateOf(key: number): FusedUpdate {
  const on = (bit: number): boolean => (key & bit) !== 0;
  const written = 2 + Number(on(bits.momentum)) + Number(on(bits.centered));
  return new FusedUpdate("rmsprop", `rmsprop:${key}`, written, written + 1, 6, (tensors, numbers) => {
    const [decay, alpha, fresh, eps, momentum, rate] = numbers as [Expr, Expr, Expr, Expr, Expr, Expr];
    const p = tensors[0] as Expr;
    const g = shapedGradient(tensors[written] as Expr, p, on(bits.maximizes), on(bits.decays) ? decay : null);
    const square = averageSquare(tensors[1] as Expr, g, alpha, fresh);
    const out = [square];
    let spread = square;
    if (on(bits.centered)) {
      const before = tensors[written - 1] as Expr;
      const mean = interpolate(before, g, fresh, on(bits.mostlyNew) ? "to" : "from");
      spread = E.sub(square, E.mul(mean, mean));
      out.push(mean);
    }
    const denominator = E.add(E.sqrt(spread), eps);
    if (!on(bits.momentum)) return [addQuotient(p, g, denominator, E.neg(rate)), ...out];
    const buffer = E.add(E.mul(tensors[2] as Expr, momentum), E.div(g, denominator));
    out.splice(1, 0, buffer);
    return [E.sub(p, E.mul(buffer, rate)), ...out];
  });
}

const updates = new FusedUpdates(updateOf);

/** RMSprop: steps by the gradient over its running root mean square. */
export class RMSprop extends Optimizer<RMSpropGroup> {
  constructor(
    params: Params,
    lr?: number | Tensor | RMSpropOptions,
    ...rest: (number | boolean | null | RMSpropOptions)[]
  ) {
    const options = bindOptions("RMSprop", [lr, ...rest], positional, defaults);
    checkNotNegative(options, "lr", "learning rate");
    checkNotNegative(options, "eps", "epsilon value");
    checkNotNegative(options, "momentum", "momentum value");
    checkNotNegative(options, "weight_decay", "weight_decay value");
    checkNotNegative(options, "alpha", "alpha value");
    super(params, options);
  }

  protected override update(group: RMSpropGroup): void {
    const { alpha, eps, weight_decay: decay, momentum, centered, maximize } = group;
    const key =
      (decay === 0 ? 0 : bits.decays) |
      (maximize ? bits.maximizes : 0) |
      (momentum > 0 ? bits.momentum : 0) |
      (centered ? bits.centered : 0) |
      (centered && nearer(1 - alpha) === "to" ? bits.mostlyNew : 0);
    const update = updates.get(key);
    const numbers = [decay, alpha, 1 - alpha, eps, momentum, rateOf(group.lr)];
    for (const p of group.params) {
      const g = gradOf(p);
      if (g === null) continue;
      let state = this.state.get(p);
      if (state === undefined) {
        state = { step: newStep(), square_avg: zeros_like(p) };
        if (momentum > 0) state["momentum_buffer"] = zeros_like(p);
        if (centered) state["grad_avg"] = zeros_like(p);
        this.state.set(p, state);
      }
      countStep(state);
      const own = [state["square_avg"]] as Tensor[];
      if (momentum > 0) own.push(state["momentum_buffer"] as Tensor);
      if (centered) own.push(state["grad_avg"] as Tensor);
      update.run([p, ...own, g], numbers);
    }
  }
}
