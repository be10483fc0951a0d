/**
 * `torch.nn.init`: first values of parameters. All fill a tensor in place, without recording, and return it.
 */
import { no_grad } from "../autograd/modes.ts";
import { ArgumentTypeError, ValueError } from "../base/errors.ts";
import { where } from "../ops/clamp.ts";
import { empty } from "../ops/create.ts";
import type { Generator } from "../ops/generator.ts";
import { randn, randperm } from "../ops/random.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Which side of a layer counts: its inputs or its outputs. */
export type FanMode = "fan_in" | "fan_out";

interface InitOptions {
  generator?: Generator | null;
}

/** Positional numbers and a trailing options object in one. */
function options<O extends object>(values: readonly unknown[], names: readonly (keyof O & string)[], defaults: O): O {
  const out = { ...defaults } as Record<string, unknown>;
  values.forEach((value, i) => {
    if (value === undefined) return;
    if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
      for (const [key, x] of Object.entries(value)) {
        if (!(key in defaults)) throw new ArgumentTypeError(`got an unexpected keyword argument '${key}'`);
        if (x !== undefined) out[key] = numberOf(x);
      }
    } else out[names[i] as string] = numberOf(value);
  });
  return out as O;
}

/** A marked float as the number that it is. */
const numberOf = (x: unknown): unknown =>
  typeof x === "object" && x !== null && "value" in x && typeof x.value === "number" ? x.value : x;

/** What the standard deviation of a layer must be multiplied by to make up for its nonlinearity. */
export function calculate_gain(nonlinearity: string, param: number | null = null): number {
  switch (nonlinearity) {
    case "linear":
    case "conv1d":
    case "conv2d":
    case "conv3d":
    case "conv_transpose1d":
    case "conv_transpose2d":
    case "conv_transpose3d":
    case "sigmoid":
      return 1;
    case "tanh":
      return 5 / 3;
    case "relu":
      return Math.sqrt(2);
    case "leaky_relu": {
      const slope: unknown = param === null ? 0.01 : numberOf(param);
      if (typeof slope !== "number") throw new ValueError(`negative_slope ${String(slope)} not a valid number`);
      return Math.sqrt(2 / (1 + slope ** 2));
    }
    case "selu":
      return 3 / 4;
    default:
      throw new ValueError(`Unsupported nonlinearity ${nonlinearity}`);
  }
}

function fans(t: Tensor): { fan_in: number; fan_out: number } {
  if (t.ndim < 2) {
    throw new ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions");
  }
  const field = t.shape.slice(2).reduce((a, b) => a * b, 1);
  return { fan_in: (t.shape[1] as number) * field, fan_out: (t.shape[0] as number) * field };
}

function fanOf(t: Tensor, mode: string): number {
  const lower = mode.toLowerCase();
  if (lower !== "fan_in" && lower !== "fan_out") {
    throw new ValueError(`Mode ${lower} not supported, please use one of ['fan_in', 'fan_out']`);
  }
  return fans(t)[lower];
}

const quietly = (t: Tensor, fill: (t: Tensor) => unknown): Tensor =>
  no_grad(() => {
    fill(t);
    return t;
  });

/** Even numbers of [a, b). */
export function uniform_(
  tensor: Tensor,
  a?: number | { a?: number; b?: number; generator?: Generator | null },
  b?: number,
  generator?: Generator | null,
): Tensor {
  const o = options([a, b, generator], ["a", "b", "generator"], { a: 0, b: 1, generator: null as Generator | null });
  return quietly(tensor, (t) => t.uniform_(o.a, o.b, { generator: o.generator }));
}

/** Normal numbers. */
export function normal_(
  tensor: Tensor,
  mean?: number | { mean?: number; std?: number; generator?: Generator | null },
  std?: number,
  generator?: Generator | null,
): Tensor {
  const o = options([mean, std, generator], ["mean", "std", "generator"], {
    mean: 0,
    std: 1,
    generator: null as Generator | null,
  });
  return quietly(tensor, (t) => t.normal_(o.mean, o.std, { generator: o.generator }));
}

/** Normal numbers, of which those outside [a, b] are drawn again. */
export function trunc_normal_(
  tensor: Tensor,
  mean?: number | { mean?: number; std?: number; a?: number; b?: number; generator?: Generator | null },
  std?: number | { std?: number; a?: number; b?: number; generator?: Generator | null },
  a?: number,
  b?: number,
  generator?: Generator | null,
): Tensor {
  const o = options([mean, std, a, b, generator], ["mean", "std", "a", "b", "generator"], {
    mean: 0,
    std: 1,
    a: -2,
    b: 2,
    generator: null as Generator | null,
  });
  if (o.mean < o.a - 2 * o.std || o.mean > o.b + 2 * o.std) {
    console.warn(
      "UserWarning: mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be incorrect.",
    );
  }
  return quietly(tensor, (t) => {
    t.normal_(o.mean, o.std, { generator: o.generator });
    for (;;) {
      const outside = t.lt(o.a).logical_or(t.gt(o.b));
      if (Number(outside.any().item()) === 0) return;
      const again = t.new_empty(t.shape).normal_(o.mean, o.std, { generator: o.generator });
      t.copy_(where(outside, again, t));
    }
  });
}

/** One number everywhere. */
export function constant_(tensor: Tensor, val: number): Tensor {
  return quietly(tensor, (t) => t.fill_(val));
}

/** Ones. */
export function ones_(tensor: Tensor): Tensor {
  return constant_(tensor, 1);
}

/** Zeros. */
export function zeros_(tensor: Tensor): Tensor {
  return constant_(tensor, 0);
}

/** The identity matrix. */
export function eye_(tensor: Tensor): Tensor {
  if (tensor.ndim !== 2) throw new ValueError("Only tensors with 2 dimensions are supported");
  return quietly(tensor, (t) => {
    t.zero_();
    if (t._numel > 0) t.diagonal().fill_(1);
  });
}

/** The kernel of a convolution that lets as many channels through unchanged as it can. */
export function dirac_(tensor: Tensor, groups: number | { groups?: number } = 1): Tensor {
  const parts = typeof groups === "number" ? groups : (groups.groups ?? 1);
  if (![3, 4, 5].includes(tensor.ndim)) {
    throw new ValueError("Only tensors with 3, 4, or 5 dimensions are supported");
  }
  const { shape } = tensor;
  const outs = shape[0] as number;
  if (outs % parts !== 0) throw new ValueError("dim 0 must be divisible by groups");
  const perGroup = outs / parts;
  return quietly(tensor, (t) => {
    t.zero_();
    for (let g = 0; g < parts; g++) {
      for (let d = 0; d < Math.min(perGroup, shape[1] as number); d++) {
        let at = t.select(0, g * perGroup + d).select(0, d);
        for (const n of shape.slice(2)) at = at.select(0, Math.floor(n / 2));
        at.fill_(1);
      }
    }
  });
}

/** Even numbers, scaled so that the variance stays through a layer (Glorot and Bengio, 2010). */
export function xavier_uniform_(
  tensor: Tensor,
  gain?: number | ({ gain?: number } & InitOptions),
  generator?: Generator | null,
): Tensor {
  const o = options([gain, generator], ["gain", "generator"], { gain: 1, generator: null as Generator | null });
  const { fan_in, fan_out } = fans(tensor);
  const a = Math.sqrt(3) * o.gain * Math.sqrt(2 / (fan_in + fan_out));
  return quietly(tensor, (t) => t.uniform_(-a, a, { generator: o.generator }));
}

/** Normal numbers, scaled so that the variance stays through a layer (Glorot and Bengio, 2010). */
export function xavier_normal_(
  tensor: Tensor,
  gain?: number | ({ gain?: number } & InitOptions),
  generator?: Generator | null,
): Tensor {
  const o = options([gain, generator], ["gain", "generator"], { gain: 1, generator: null as Generator | null });
  const { fan_in, fan_out } = fans(tensor);
  const std = o.gain * Math.sqrt(2 / (fan_in + fan_out));
  return quietly(tensor, (t) => t.normal_(0, std, { generator: o.generator }));
}

/** Options of {@link kaiming_uniform_} and {@link kaiming_normal_}. */
export interface KaimingOptions extends InitOptions {
  /** The negative slope of a leaky ReLU that follows. Default: 0. */
  a?: number;
  /** Default: `"fan_in"`. */
  mode?: FanMode;
  /** Default: `"leaky_relu"`. */
  nonlinearity?: string;
}

function kaiming(tensor: Tensor, values: readonly unknown[]): { std: number; generator: Generator | null } {
  const o = options(values, ["a", "mode", "nonlinearity", "generator"], {
    a: 0,
    mode: "fan_in",
    nonlinearity: "leaky_relu",
    generator: null as Generator | null,
  });
  const fan = fanOf(tensor, o.mode);
  return { std: calculate_gain(o.nonlinearity, o.a) / Math.sqrt(fan), generator: o.generator };
}

function emptyWarning(tensor: Tensor): boolean {
  if (!tensor.shape.includes(0)) return false;
  console.warn("UserWarning: Initializing zero-element tensors is a no-op");
  return true;
}

/** Even numbers, scaled for layers before rectified units (He and others, 2015). */
export function kaiming_uniform_(
  tensor: Tensor,
  a?: number | KaimingOptions,
  mode?: FanMode,
  nonlinearity?: string,
  generator?: Generator | null,
): Tensor {
  if (emptyWarning(tensor)) return tensor;
  const { std, generator: source } = kaiming(tensor, [a, mode, nonlinearity, generator]);
  const bound = Math.sqrt(3) * std;
  return quietly(tensor, (t) => t.uniform_(-bound, bound, { generator: source }));
}

/** Normal numbers, scaled for layers before rectified units (He and others, 2015). */
export function kaiming_normal_(
  tensor: Tensor,
  a?: number | KaimingOptions,
  mode?: FanMode,
  nonlinearity?: string,
  generator?: Generator | null,
): Tensor {
  if (emptyWarning(tensor)) return tensor;
  const { std, generator: source } = kaiming(tensor, [a, mode, nonlinearity, generator]);
  return quietly(tensor, (t) => t.normal_(0, std, { generator: source }));
}

/** Zeros in a fraction of each column, normal numbers elsewhere. */
export function sparse_(
  tensor: Tensor,
  sparsity: number,
  std?: number | ({ std?: number } & InitOptions),
  generator?: Generator | null,
): Tensor {
  if (tensor.ndim !== 2) throw new ValueError("Only tensors with 2 dimensions are supported");
  const o = options([std, generator], ["std", "generator"], { std: 0.01, generator: null as Generator | null });
  const [rows, cols] = tensor.shape as [number, number];
  const zeros = Math.ceil((numberOf(sparsity) as number) * rows);
  return quietly(tensor, (t) => {
    t.normal_(0, o.std, { generator: o.generator });
    for (let c = 0; c < cols; c++) {
      const order = randperm(rows).tolist() as number[];
      for (const row of order.slice(0, zeros)) t.select(0, row).select(0, c).zero_();
    }
  });
}

/** A matrix whose rows or columns are orthonormal (Saxe and others, 2013), of the flattened trailing dims. */
export function orthogonal_(
  tensor: Tensor,
  gain?: number | ({ gain?: number } & InitOptions),
  generator?: Generator | null,
): Tensor {
  if (tensor.ndim < 2) throw new ValueError("Only tensors with 2 or more dimensions are supported");
  const o = options([gain, generator], ["gain", "generator"], { gain: 1, generator: null as Generator | null });
  if (tensor._numel === 0) return tensor;
  const rows = tensor.shape[0] as number;
  const cols = tensor._numel / rows;
  return quietly(tensor, (t) => {
    const flat = randn([rows, cols], { dtype: t.dtype, generator: o.generator });
    const tall = rows < cols ? flat.t() : flat;
    const q = orthonormalColumns(tall.tolist() as number[][]);
    const values = rows < cols ? transpose(q) : q;
    const source = empty(t.shape, { dtype: t.dtype });
    source.copy_(t.new_tensor(values.flat()).view(t.shape));
    t.copy_(source).mul_(o.gain);
  });
}

const transpose = (m: readonly number[][]): number[][] => (m[0] ?? []).map((_, j) => m.map((row) => row[j] as number));

/**
 * The Q of a QR decomposition by Householder reflections, its columns signed so that R has a positive diagonal; which makes it
 * unique, whatever the algorithm.
 */
function orthonormalColumns(a: readonly number[][]): number[][] {
  const m = a.length;
  const n = (a[0] as number[]).length;
  const r = a.map((row) => [...row]);
  const reflectors: number[][] = [];
  for (let k = 0; k < n; k++) {
    const v = new Array<number>(m).fill(0);
    let norm = 0;
    for (let i = k; i < m; i++) {
      v[i] = (r[i] as number[])[k] as number;
      norm = Math.hypot(norm, v[i] as number);
    }
    (v[k] as number) += (v[k] as number) < 0 ? -norm : norm;
    const length = Math.hypot(...v);
    if (length > 0) {
      for (let i = k; i < m; i++) (v[i] as number) /= length;
      reflect(r, v, k);
    }
    reflectors.push(v);
  }
  const q = Array.from({ length: m }, (_, i) => Array.from({ length: n }, (__, j) => Number(i === j)));
  for (let k = n - 1; k >= 0; k--) reflect(q, reflectors[k] as number[], 0);
  for (let j = 0; j < n; j++) {
    if (((r[j] as number[])[j] as number) >= 0) continue;
    for (const row of q) row[j] = -(row[j] as number);
  }
  return q;
}

/** Reflects the columns from `from` on in the hyperplane across `v`. */
function reflect(matrix: number[][], v: readonly number[], from: number): void {
  const columns = (matrix[0] as number[]).length;
  for (let j = from; j < columns; j++) {
    let dot = 0;
    for (let i = 0; i < matrix.length; i++) dot += (v[i] as number) * ((matrix[i] as number[])[j] as number);
    for (let i = 0; i < matrix.length; i++) ((matrix[i] as number[])[j] as number) -= 2 * dot * (v[i] as number);
  }
}

/** @internal The number of inputs that each output of a layer depends on. */
export function fanIn(tensor: Tensor): number {
  return fans(tensor).fan_in;
}
