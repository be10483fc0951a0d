/**
 * L-BFGS: a quasi-Newton method whose inverse Hessian is known by the last few steps.
 */
import { enable_grad, no_grad } from "../autograd/modes.ts";
import { ArgumentTypeError, TorchError, ValueError } from "../base/errors.ts";
import { cat } from "../ops/join.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { strongWolfe } from "./line-search.ts";
import { type Closure, gradOf, Optimizer, type ParamGroup, type Params, rateOf } from "./optimizer.ts";
import { bindOptions, checkNotNegative } from "./options.ts";

/** Options of {@link LBFGS}. */
export interface LBFGSOptions {
  /** The length of a step, or where the line search starts. Default: 1. */
  lr?: number | Tensor;
  /** The most iterations of one step. Default: 20. */
  max_iter?: number;
  /** The most calls of the closure in one step. Default: `max_iter * 5 / 4`. */
  max_eval?: number | null;
  tolerance_grad?: number;
  tolerance_change?: number;
  /** How many steps are remembered. Default: 100. */
  history_size?: number;
  line_search_fn?: "strong_wolfe" | null;
}

/** The group of {@link LBFGS}. */
export interface LBFGSGroup extends ParamGroup {
  max_iter: number;
  max_eval: number;
  tolerance_grad: number;
  tolerance_change: number;
  history_size: number;
  line_search_fn: string | null;
}

/** What is remembered between steps. */
interface History {
  d: Tensor | null;
  t: number | Tensor;
  old_dirs: Tensor[];
  old_stps: Tensor[];
  ro: Tensor[];
  H_diag: Tensor | number;
  prev_flat_grad: Tensor | null;
  prev_loss: number | null;
}

const numberOf = (x: Tensor | number): number => (typeof x === "number" ? x : Number(x.item()));
const largest = (t: Tensor): number => Number(t.abs().max().item());

/** L-BFGS. It calls the closure of `step` several times, and takes one group of parameters. */
export class LBFGS extends Optimizer<LBFGSGroup> {
  constructor(params: Params, lr?: number | Tensor | LBFGSOptions, ...rest: (number | string | null | LBFGSOptions)[]) {
    const names = [
      "lr",
      "max_iter",
      "max_eval",
      "tolerance_grad",
      "tolerance_change",
      "history_size",
      "line_search_fn",
    ];
    const options = bindOptions("LBFGS", [lr, ...rest], names, {
      lr: 1,
      max_iter: 20,
      max_eval: null,
      tolerance_grad: 1e-7,
      tolerance_change: 1e-9,
      history_size: 100,
      line_search_fn: null,
    });
    checkNotNegative(options, "lr", "learning rate");
    options.values["max_eval"] ??= Math.floor(((options.values["max_iter"] as number) * 5) / 4);
    super(params, options);
    if (this.param_groups.length !== 1) {
      throw new ValueError("LBFGS doesn't support per-parameter options (parameter groups)");
    }
  }

  /** Does nothing: a step of all parameters is one. */
  protected override update(_group: LBFGSGroup): void {}

  get #params(): readonly Tensor[] {
    return (this.param_groups[0] as LBFGSGroup).params;
  }

  #gradient(): Tensor {
    return cat(
      this.#params.map((p) => {
        const g = gradOf(p);
        return g === null ? p.new_zeros([p.numel()]) : g.reshape(-1);
      }),
      0,
    );
  }

  #move(t: number, direction: Tensor): void {
    let at = 0;
    for (const p of this.#params) {
      const n = p.numel();
      p.add_(direction.narrow(0, at, n).view_as(p), { alpha: t });
      at += n;
    }
  }

  /** Changes the parameters by up to `max_iter` iterations. The closure computes the loss and its gradients anew. */
  override step(): null;
  override step(closure: Closure): Tensor;
  override step(closure?: Closure): Tensor | null;
  override step(closure?: Closure): Tensor | null {
    if (closure === undefined) {
      throw new ArgumentTypeError("LBFGS.step() missing 1 required positional argument: 'closure'");
    }
    this._opt_called = true;
    return no_grad(() => this.#iterate(() => enable_grad(closure)));
  }

  #iterate(closure: Closure): Tensor {
    const group = this.param_groups[0] as LBFGSGroup;
    const lr = rateOf(group.lr);
    const first = this.#params[0] as Tensor;
    let state = this.state.get(first);
    if (state === undefined) {
      state = { func_evals: 0, n_iter: 0 };
      this.state.set(first, state);
    }
    const counts = state as { func_evals: number; n_iter: number };
    const original = closure();
    let loss = numberOf(original);
    let evaluations = 1;
    counts.func_evals++;
    let gradient = this.#gradient();
    let small = largest(gradient) <= group.tolerance_grad;
    if (small) return original;

    const history = startOf(state);
    for (let n = 1; n <= group.max_iter; n++) {
      counts.n_iter++;
      if (counts.n_iter === 1) {
        Object.assign(history, { d: gradient.neg(), old_dirs: [], old_stps: [], ro: [], H_diag: 1 });
      } else {
        remember(history, gradient, group.history_size);
        state["al"] ??= new Array<Tensor | null>(group.history_size).fill(null);
        history.d = direction(history, gradient, state["al"] as (Tensor | null)[]);
      }
      if (history.prev_flat_grad === null) history.prev_flat_grad = gradient.clone();
      else history.prev_flat_grad.copy_(gradient);
      history.prev_loss = loss;
      const d = history.d as Tensor;
      history.t = counts.n_iter === 1 ? firstLength(gradient, lr) : lr;
      const slope = numberOf(gradient.dot(d));
      if (slope > -group.tolerance_change) break;

      let calls = 0;
      if (group.line_search_fn !== null) {
        if (group.line_search_fn !== "strong_wolfe") throw new TorchError("only 'strong_wolfe' is supported");
        const before = this.#params.map((p) => p.clone());
        const evaluate = (t: number): { f: number; g: Tensor } => {
          this.#move(t, d);
          const f = numberOf(closure());
          const g = this.#gradient();
          this.#params.forEach((p, i) => p.copy_(before[i] as Tensor));
          return { f, g };
        };
        const found = strongWolfe(evaluate, numberOf(history.t), d, loss, gradient, slope, group.tolerance_change);
        this.#move(found.t, d);
        history.t = found.t;
        loss = found.f;
        gradient = found.g;
        calls = found.evaluations;
        small = largest(gradient) <= group.tolerance_grad;
      } else {
        this.#move(numberOf(history.t), d);
        if (n !== group.max_iter) {
          loss = numberOf(closure());
          gradient = this.#gradient();
          small = largest(gradient) <= group.tolerance_grad;
          calls = 1;
        }
      }
      evaluations += calls;
      counts.func_evals += calls;
      if (n === group.max_iter || evaluations >= group.max_eval || small) break;
      if (largest(d.mul(numberOf(history.t))) <= group.tolerance_change) break;
      if (Math.abs(loss - history.prev_loss) < group.tolerance_change) break;
    }
    Object.assign(state, history);
    return original;
  }
}

/** What the last step left in the state. */
function startOf(state: Record<string, unknown>): History {
  const empty: History = {
    d: null,
    t: 0,
    old_dirs: [],
    old_stps: [],
    ro: [],
    H_diag: 1,
    prev_flat_grad: null,
    prev_loss: null,
  };
  const out = empty as unknown as Record<string, unknown>;
  for (const key of Object.keys(empty)) if (key in state) out[key] = state[key];
  return empty;
}

/** The first step is no longer than `lr`. */
function firstLength(gradient: Tensor, lr: number): number | Tensor {
  const inverse = gradient.abs().sum().reciprocal();
  return numberOf(inverse) < 1 ? inverse.mul(lr) : lr;
}

/** Adds what the last iteration told about the curvature, if that is positive. */
function remember(history: History, gradient: Tensor, size: number): void {
  const y = gradient.sub(history.prev_flat_grad as Tensor);
  const s = (history.d as Tensor).mul(numberOf(history.t));
  const ys = y.dot(s);
  if (!(numberOf(ys) > 1e-10)) return;
  if (history.old_dirs.length === size) {
    history.old_dirs.shift();
    history.old_stps.shift();
    history.ro.shift();
  }
  history.old_dirs.push(y);
  history.old_stps.push(s);
  history.ro.push(ys.reciprocal());
  history.H_diag = ys.div(y.dot(y));
}

/** The product of the approximate inverse Hessian with the negative gradient, by the two-loop recursion. */
function direction(history: History, gradient: Tensor, al: (Tensor | null)[]): Tensor {
  const { old_dirs: ys, old_stps: steps, ro } = history;
  const q = gradient.neg();
  for (let i = ys.length - 1; i >= 0; i--) {
    const a = (steps[i] as Tensor).dot(q).mul(ro[i] as Tensor);
    al[i] = a;
    q.add_(ys[i] as Tensor, { alpha: -numberOf(a) });
  }
  const r = q.mul(history.H_diag);
  for (let i = 0; i < ys.length; i++) {
    const b = (ys[i] as Tensor).dot(r).mul(ro[i] as Tensor);
    r.add_(steps[i] as Tensor, { alpha: numberOf((al[i] as Tensor).sub(b)) });
  }
  return r;
}
