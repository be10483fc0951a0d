/**
 * Adafactor (Shazeer and Stern, 2018) and Muon (Jordan and others, 2024): optimizers of matrices.
 */
import { dtypes } from "../base/dtype.ts";
import { ValueError } from "../base/errors.ts";
import { pyfloat } from "../dispatch/signature.ts";
import { zeros_like } from "../ops/create.ts";
import { addmm, matmul } from "../ops/matmul.ts";
import { formatSize } from "../tensor/format.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  countStep,
  gradOf,
  newStep,
  Optimizer,
  type ParamGroup,
  type Params,
  type ParamState,
  rateOf,
} from "./optimizer.ts";
import { bindOptions, type Options, written } from "./options.ts";

function check(holds: boolean, options: Options, name: string, says: string, index?: number): void {
  if (!holds) throw new ValueError(`${says} but is: ${written(options, name, index)}`);
}

// --- Adafactor -------------------------------------------------------------------------------------------------------

/** Options of {@link Adafactor}. */
export interface AdafactorOptions {
  /** The learning rate. Default: 0.01. */
  lr?: number | Tensor;
  /** How the average of squares slows down. Default: -0.8. */
  beta2_decay?: number;
  /** Lower limits of squares of updates, and of the size of parameters. Default: [that of the dtype, 0.001]. */
  eps?: readonly [number | null, number];
  /** The largest root mean square of an update. Default: 1. */
  d?: number;
  weight_decay?: number;
  foreach?: boolean | null;
  maximize?: boolean;
}

/** A group of {@link Adafactor}. */
export interface AdafactorGroup extends ParamGroup {
  beta2_decay: number;
  eps: [number | null, number];
  d: number;
  weight_decay: number;
  maximize: boolean;
}

/** The difference between 1 and the next number of a dtype. */
const epsilons: Readonly<Record<string, number>> = {
  float64: 2 ** -52,
  float32: 2 ** -23,
  float16: 2 ** -10,
  bfloat16: 2 ** -7,
};

const norm = (t: Tensor): number => Math.sqrt(Number(t.mul(t).sum().item()));

/** Adafactor: Adam whose averages of squares of a matrix are kept as one column and one row. */
export class Adafactor extends Optimizer<AdafactorGroup> {
  constructor(
    params: Params,
    lr?: number | Tensor | AdafactorOptions,
    ...rest: (readonly [number | null, number] | number | AdafactorOptions)[]
  ) {
    const options = bindOptions("Adafactor", [lr, ...rest], ["lr", "beta2_decay", "eps", "d", "weight_decay"], {
      lr: 1e-2,
      beta2_decay: -0.8,
      eps: [null, 1e-3],
      d: pyfloat(1),
      weight_decay: pyfloat(0),
      foreach: null,
      maximize: false,
    });
    const { beta2_decay: slowing, eps, d, weight_decay: decay } = options.values as unknown as AdafactorGroup;
    check(rateOf(options.values["lr"]) >= 0, options, "lr", "Learning rate should be >= 0");
    check(slowing <= 0, options, "beta2_decay", "beta2_decay should be <= 0");
    check(eps[0] === null || eps[0] >= 0, options, "eps", "epsilon1 should be >= 0", 0);
    check(eps[1] >= 0, options, "eps", "epsilon2 should be >= 0", 1);
    check(d >= 1, options, "d", "Clipping threshold d should be >= 1");
    check(decay >= 0, options, "weight_decay", "weight_decay should be >= 0");
    super(params, options);
  }

  protected override update(group: AdafactorGroup): void {
    const lr = rateOf(group.lr);
    for (const p of group.params) {
      const gradient = gradOf(p);
      if (gradient === null) continue;
      const g = group.maximize ? gradient.neg() : gradient;
      let state = this.state.get(p);
      if (state === undefined) {
        state = { step: newStep(), ...emptyAverages(g) };
        this.state.set(p, state);
      }
      const step = countStep(state);
      const eps1 = group.eps[0] ?? epsilons[p.dtype.name] ?? 0;
      const size = Math.max(group.eps[1], norm(p) / Math.sqrt(p.numel()));
      const alpha = size * Math.min(lr, 1 / Math.sqrt(step));
      if (group.weight_decay !== 0) p.mul_(1 - lr * group.weight_decay);
      const fresh = step ** group.beta2_decay;
      const estimate = averageSquares(state, g, fresh, eps1);
      const update = estimate
        .clamp_(eps1 * eps1)
        .rsqrt_()
        .mul_(g);
      const denominator = Math.max(1, norm(update) / (Math.sqrt(update.numel()) * group.d));
      p.add_(update, { alpha: -alpha / denominator });
    }
  }
}

function emptyAverages(g: Tensor): ParamState {
  if (g.ndim < 2) return { variance: zeros_like(g) };
  const shape = g.shape;
  return {
    row_var: g.new_zeros([...shape.slice(0, -1), 1]),
    col_var: g.new_zeros([...shape.slice(0, -2), 1, shape.at(-1) as number]),
  };
}

/** Moves the averages towards the squares, and gives the mean square that they stand for. */
function averageSquares(state: ParamState, g: Tensor, fresh: number, eps: number): Tensor {
  const squares = g.mul(g);
  if (g.ndim < 2) {
    const variance = (state["variance"] as Tensor).lerp_(squares, fresh);
    return variance.clone();
  }
  const rows = (state["row_var"] as Tensor).lerp_(squares.mean(-1, true), fresh);
  const columns = (state["col_var"] as Tensor).lerp_(squares.mean(-2, true), fresh);
  return matmul(rows, columns).div_(rows.mean(-2, true).clamp_(eps));
}

// --- Muon ------------------------------------------------------------------------------------------------------------

/** Options of {@link Muon}. */
export interface MuonOptions {
  /** The learning rate. Default: 0.001. */
  lr?: number | Tensor;
  /** Default: 0.1. */
  weight_decay?: number;
  /** Default: 0.95. */
  momentum?: number;
  /** Whether the momentum looks a step ahead. Default: true. */
  nesterov?: boolean;
  /** The coefficients of the polynomial that is iterated. Default: [3.4445, -4.775, 2.0315]. */
  ns_coefficients?: readonly [number, number, number];
  eps?: number;
  /** How often it is iterated. Default: 5. */
  ns_steps?: number;
  /** How the learning rate depends on the shape. Default: `"original"`. */
  adjust_lr_fn?: "original" | "match_rms_adamw" | null;
}

/** A group of {@link Muon}. */
export interface MuonGroup extends ParamGroup {
  weight_decay: number;
  momentum: number;
  nesterov: boolean;
  ns_coefficients: [number, number, number];
  eps: number;
  ns_steps: number;
  adjust_lr_fn: "original" | "match_rms_adamw" | null;
}

/**
 * A matrix with nearly the same singular vectors, whose singular values are all near 1, by Newton-Schulz iteration of a
 * polynomial; in bfloat16, which is precise enough for a step.
 */
function orthogonalize(g: Tensor, { ns_coefficients: [a, b, c], eps, ns_steps: steps }: MuonGroup): Tensor {
  const [rows, columns] = g.shape as [number, number];
  const tall = rows > columns;
  let x = g.to(dtypes.bfloat16);
  if (tall) x = x.t();
  // Each result is rounded to bfloat16 once; the norm is one.
  const size = x.float().square().sum().sqrt().to(dtypes.bfloat16).clamp_(eps);
  x = x.div(size);
  for (let i = 0; i < steps; i++) {
    const gram = matmul(x, x.t());
    const polynomial = addmm(gram, gram, gram, { beta: b, alpha: c });
    x = addmm(x, polynomial, x, { beta: a });
  }
  return tall ? x.t() : x;
}

function adjusted(lr: number, how: MuonGroup["adjust_lr_fn"], [rows, columns]: readonly number[]): number {
  const ratio =
    how === "match_rms_adamw"
      ? 0.2 * Math.sqrt(Math.max(rows as number, columns as number))
      : Math.sqrt(Math.max(1, (rows as number) / (columns as number)));
  return lr * ratio;
}

/** Muon: steps by momentum whose singular values are all made equal. For matrices alone. */
export class Muon extends Optimizer<MuonGroup> {
  constructor(
    params: Params,
    lr?: number | Tensor | MuonOptions,
    ...rest: (readonly number[] | number | boolean | string | null | MuonOptions)[]
  ) {
    const names = ["lr", "weight_decay", "momentum", "nesterov", "ns_coefficients", "eps", "ns_steps", "adjust_lr_fn"];
    const options = bindOptions("Muon", [lr, ...rest], names, {
      lr: 1e-3,
      weight_decay: 0.1,
      momentum: 0.95,
      nesterov: true,
      ns_coefficients: [3.4445, -4.775, 2.0315],
      eps: 1e-7,
      ns_steps: 5,
      adjust_lr_fn: null,
    });
    const {
      momentum,
      weight_decay: decay,
      adjust_lr_fn: how,
      ns_steps: steps,
    } = options.values as unknown as MuonGroup;
    check(rateOf(options.values["lr"]) >= 0, options, "lr", "Learning rate should be >= 0");
    check(momentum >= 0, options, "momentum", "momentum should be >= 0");
    check(decay >= 0, options, "weight_decay", "weight decay should be >= 0");
    if (how !== null && how !== "original" && how !== "match_rms_adamw") {
      throw new ValueError(`Adjust learning rate function ${String(how)} is not supported`);
    }
    if (steps >= 100) throw new ValueError("Number of steps must be less than 100 for computational efficiency");
    super(params, options);
  }

  protected override checkGroup(group: MuonGroup): void {
    for (const p of group.params) {
      if (p.ndim !== 2) {
        throw new ValueError(
          `Muon only supports 2D parameters whereas we found a parameter with size: ${formatSize(p.shape)}`,
        );
      }
    }
  }

  protected override update(group: MuonGroup): void {
    const { momentum, nesterov, weight_decay: decay } = group;
    const lr = rateOf(group.lr);
    for (const p of group.params) {
      const g = gradOf(p);
      if (g === null) continue;
      let state = this.state.get(p);
      if (state === undefined) {
        state = { momentum_buffer: zeros_like(g) };
        this.state.set(p, state);
      }
      const buffer = (state["momentum_buffer"] as Tensor).lerp_(g, 1 - momentum);
      const update = orthogonalize(nesterov ? g.lerp(buffer, momentum) : buffer, group);
      p.mul_(1 - lr * decay);
      p.add_(update.to(p.dtype), { alpha: -adjusted(lr, group.adjust_lr_fn, p.shape) });
    }
  }
}
