/**
 * Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019).
 */
import { TorchError, ValueError } from "../base/errors.ts";
import { E, type Expr } from "../ir/expr.ts";
import { zeros_like } from "../ops/create.ts";
import { Tensor } from "../tensor/tensor.ts";
import { addQuotient, averageSquare, interpolate, nearer, shapedGradient } from "./averages.ts";
import { FusedUpdate, FusedUpdates } from "./fused.ts";
import { countStep, gradOf, newStep, Optimizer, type ParamGroup, type Params, rateOf } from "./optimizer.ts";
import { bindOptions, checkNotNegative, type Options, written } from "./options.ts";

/** Options of {@link Adam} and {@link AdamW}. */
export interface AdamOptions {
  /** The learning rate. Default: 0.001. */
  lr?: number | Tensor;
  /** How much of the running averages of the gradient and of its square is kept. Default: [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the denominator. Default: 1e-8. */
  eps?: number;
  /** The strength of the weight decay. Default: 0, in AdamW 0.01. */
  weight_decay?: number;
  /** Whether the largest of the averages of squares is used (Reddi and others, 2018). Default: false. */
  amsgrad?: boolean;
  /** Whether the loss is to grow. Default: false. */
  maximize?: boolean;
  foreach?: boolean | null;
  capturable?: boolean;
  differentiable?: boolean;
  fused?: boolean | null;
}

/** A group of {@link Adam} or {@link AdamW}. */
export interface AdamGroup extends ParamGroup {
  betas: [number, number];
  eps: number;
  weight_decay: number;
  amsgrad: boolean;
  maximize: boolean;
  decoupled_weight_decay: boolean;
}

const defaults = {
  lr: 1e-3,
  betas: [0.9, 0.999],
  eps: 1e-8,
  weight_decay: 0,
  amsgrad: false,
  maximize: false,
  foreach: null,
  capturable: false,
  differentiable: false,
  fused: null,
  decoupled_weight_decay: false,
};

const positional = ["lr", "betas", "eps", "weight_decay", "amsgrad"];

/** Bits of what an update depends on beside its numbers. */
const bits = { decays: 1, decoupled: 2, amsgrad: 4, maximizes: 8, mostlyNew: 16 };

function updateOf(key: number): FusedUpdate {
  const on = (bit: number): boolean => (key & bit) !== 0;
  const amsgrad = on(bits.amsgrad);
  return new FusedUpdate("adam", `adam:${key}`, amsgrad ? 4 : 3, amsgrad ? 5 : 4, 7, (tensors, numbers) => {
    const [decay, fresh1, beta2, fresh2, correction, eps, step] = numbers as [Expr, Expr, Expr, Expr, Expr, Expr, Expr];
    const mean = tensors[1] as Expr;
    const square = tensors[2] as Expr;
    const before = tensors[0] as Expr;
    const decouples = on(bits.decays) && on(bits.decoupled);
    const p = decouples ? E.mul(before, decay) : before;
    const inGradient = on(bits.decays) && !decouples ? decay : null;
    const g = shapedGradient(tensors[amsgrad ? 4 : 3] as Expr, p, on(bits.maximizes), inGradient);
    const nextMean = interpolate(mean, g, fresh1, on(bits.mostlyNew) ? "to" : "from");
    const nextSquare = averageSquare(square, g, beta2, fresh2);
    const largest = amsgrad ? E.max(tensors[3] as Expr, nextSquare) : nextSquare;
    const next = addQuotient(p, nextMean, E.add(E.mul(E.sqrt(largest), correction), eps), step);
    return amsgrad ? [next, nextMean, nextSquare, largest] : [next, nextMean, nextSquare];
  });
}

const updates = new FusedUpdates(updateOf);

function check(options: Options): void {
  const { lr, foreach, capturable, fused } = options.values;
  if (lr instanceof Tensor) {
    if (foreach === true && capturable !== true) {
      throw new ValueError("lr as a Tensor is not supported for capturable=False and foreach=True");
    }
    if (lr.numel() !== 1) throw new ValueError("Tensor lr must be 1-element");
  }
  checkNotNegative(options, "lr", "learning rate");
  checkNotNegative(options, "eps", "epsilon value");
  checkBetas(options);
  checkNotNegative(options, "weight_decay", "weight_decay value");
  if (fused === true && foreach === true) throw new TorchError("`fused` and `foreach` cannot be `True` together.");
}

/** @internal Throws unless both are in [0, 1). */
export function checkBetas(options: Options): void {
  (options.values["betas"] as readonly number[]).forEach((beta, i) => {
    if (!(beta >= 0 && beta < 1)) {
      throw new ValueError(`Invalid beta parameter at index ${i}: ${written(options, "betas", i)}`);
    }
  });
}

/** Adam: steps by running averages of the gradient and of its square. */
export class Adam extends Optimizer<AdamGroup> {
  constructor(
    params: Params,
    lr?: number | Tensor | (AdamOptions & { decoupled_weight_decay?: boolean }),
    ...rest: (readonly [number, number] | number | boolean | AdamOptions)[]
  ) {
    const options = bindOptions(new.target.name, [lr, ...rest], positional, {
      ...defaults,
      ...adjusted.get(new.target),
    });
    check(options);
    super(params, options);
  }

  protected override update(group: AdamGroup): void {
    const { betas, eps, weight_decay: decay, amsgrad, decoupled_weight_decay: decoupled } = group;
    const [beta1, beta2] = betas;
    const lr = rateOf(group.lr);
    const key =
      (decay !== 0 ? bits.decays : 0) |
      (decoupled ? bits.decoupled : 0) |
      (amsgrad ? bits.amsgrad : 0) |
      (group.maximize ? bits.maximizes : 0) |
      (nearer(1 - beta1) === "to" ? bits.mostlyNew : 0);
    const update = updates.get(key);
    const shrink = decoupled ? 1 - lr * decay : decay;
    for (const p of group.params) {
      const g = gradOf(p);
      if (g === null) continue;
      let state = this.state.get(p);
      if (state === undefined) {
        state = { step: newStep(), exp_avg: zeros_like(p), exp_avg_sq: zeros_like(p) };
        if (amsgrad) state["max_exp_avg_sq"] = zeros_like(p);
        this.state.set(p, state);
      }
      const step = countStep(state);
      // A factor rather than a divisor: divisions are what limits the kernel.
      const correction = 1 / Math.sqrt(1 - beta2 ** step);
      const size = -lr / (1 - beta1 ** step);
      const averages = [state["exp_avg"], state["exp_avg_sq"]] as Tensor[];
      if (amsgrad) averages.push(state["max_exp_avg_sq"] as Tensor);
      update.run([p, ...averages, g], [shrink, 1 - beta1, beta2, 1 - beta2, correction, eps, size]);
    }
  }
}

/** Adam whose weight decay does not go through the averages. */
export class AdamW extends Adam {}

/** Defaults that differ from Adam's. */
const adjusted = new Map<unknown, object>([[AdamW, { weight_decay: 1e-2, decoupled_weight_decay: true }]]);
