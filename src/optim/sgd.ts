/**
 * Stochastic gradient descent.
 */
import { TorchError, ValueError } from "../base/errors.ts";
import { cloneRaw } from "../dispatch/elementwise.ts";
import { E, type Expr } from "../ir/expr.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { FusedUpdate, FusedUpdates } from "./fused.ts";
import { gradOf, Optimizer, type ParamGroup, type Params, rateOf } from "./optimizer.ts";
import { bindOptions, checkNotNegative } from "./options.ts";

/** Options of {@link SGD}. */
export interface SGDOptions {
  /** The learning rate. Default: 0.001. */
  lr?: number | Tensor;
  /** How much of the step before is kept. Default: 0. */
  momentum?: number;
  /** How much less of the gradient goes into the momentum. Default: 0. */
  dampening?: number;
  /** The factor of the parameters that is added to their gradients. Default: 0. */
  weight_decay?: number;
  /** Whether the momentum looks a step ahead. Default: false. */
  nesterov?: boolean;
  /** Whether the loss is to grow. Default: false. */
  maximize?: boolean;
  foreach?: boolean | null;
  differentiable?: boolean;
  fused?: boolean | null;
}

/** A group of {@link SGD}. */
export interface SGDGroup extends ParamGroup {
  momentum: number;
  dampening: number;
  weight_decay: number;
  nesterov: boolean;
  maximize: boolean;
}

const defaults = {
  lr: 1e-3,
  momentum: 0,
  dampening: 0,
  weight_decay: 0,
  nesterov: false,
  maximize: false,
  foreach: null,
  differentiable: false,
  fused: null,
};

interface Flags {
  readonly decays: boolean;
  readonly maximizes: boolean;
  readonly nesterov: boolean;
  /** Without, the first, which sets the momentum, or a later step with momentum. */
  readonly momentum: "none" | "first" | "later";
}

function updateOf(key: string): FusedUpdate {
  const { decays, maximizes, nesterov, momentum } = JSON.parse(key) as Flags;
  const has = momentum !== "none";
  return new FusedUpdate("sgd", `sgd:${key}`, has ? 2 : 1, has ? 3 : 2, 4, (tensors, numbers) => {
    const [rate, decay, keep, fresh] = numbers as [Expr, Expr, Expr, Expr];
    const p = tensors[0] as Expr;
    let g = tensors[has ? 2 : 1] as Expr;
    if (maximizes) g = E.neg(g);
    if (decays) g = E.add(g, E.mul(p, decay));
    if (!has) return [E.sub(p, E.mul(g, rate))];
    const before = tensors[1] as Expr;
    const buffer = momentum === "first" ? g : E.add(E.mul(before, keep), E.mul(g, fresh));
    const step = nesterov ? E.add(g, E.mul(buffer, keep)) : buffer;
    return [E.sub(p, E.mul(step, rate)), buffer];
  });
}

const updates = new FusedUpdates(updateOf);

/** Stochastic gradient descent, with momentum if wanted. */
export class SGD extends Optimizer<SGDGroup> {
  constructor(params: Params, lr?: number | Tensor | SGDOptions, ...rest: (number | boolean | SGDOptions)[]) {
    const options = bindOptions(
      "SGD",
      [lr, ...rest],
      ["lr", "momentum", "dampening", "weight_decay", "nesterov"],
      defaults,
    );
    const { momentum, dampening, nesterov } = options.values as unknown as SGDGroup;
    checkNotNegative(options, "lr", "learning rate");
    checkNotNegative(options, "momentum", "momentum value");
    checkNotNegative(options, "weight_decay", "weight_decay value");
    if (nesterov && (momentum <= 0 || dampening !== 0)) {
      throw new ValueError("Nesterov momentum requires a momentum and zero dampening");
    }
    if (options.values["fused"] === true && options.values["foreach"] === true) {
      throw new TorchError("`fused` and `foreach` cannot be `True` together.");
    }
    super(params, options);
  }

  protected override update(group: SGDGroup): void {
    const { momentum, dampening, weight_decay: decay, nesterov, maximize: maximizes } = group;
    const flags = { decays: decay !== 0, maximizes, nesterov };
    const numbers = [rateOf(group.lr), decay, momentum, 1 - dampening];
    const none = JSON.stringify({ ...flags, momentum: "none" });
    const first = JSON.stringify({ ...flags, momentum: "first" });
    const later = JSON.stringify({ ...flags, momentum: "later" });
    for (const p of group.params) {
      const g = gradOf(p);
      if (g === null) continue;
      if (momentum === 0) {
        updates.get(none).run([p, g], numbers);
        continue;
      }
      const buffer = (this.state.get(p)?.["momentum_buffer"] ?? null) as Tensor | null;
      const own = buffer ?? cloneRaw(g);
      updates.get(buffer === null ? first : later).run([p, own, g], numbers);
      if (buffer === null) this.state.set(p, { ...this.state.get(p), momentum_buffer: own });
    }
  }
}
