/**
 * Window functions: weights that fade a piece of a signal in and out.
 */
import { type DType, float32, float64, get_default_dtype } from "../base/dtype.ts";
import { ArgumentTypeError, TorchError, ValueError } from "../base/errors.ts";
import { operator } from "../dispatch/op.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { tensor, type TensorOptions } from "./create.ts";
import type { Op } from "./view.ts";

/** The modified Bessel function of order 0, by its power series, whose terms are all positive. */
function besselI0(x: number): number {
  const quarter = (x * x) / 4;
  let term = 1;
  let sum = 1;
  for (let k = 1; term > sum * 1e-17; k++) {
    term *= quarter / (k * k);
    sum += term;
  }
  return sum;
}

interface Made {
  readonly dtype: DType | null;
  readonly device: string | null;
  readonly requires_grad: boolean;
}

function make(values: readonly number[], { dtype, device, requires_grad }: Made): Tensor {
  const wide = Float64Array.from(values);
  return tensor(wide, { dtype: dtype ?? get_default_dtype(), requires_grad, ...(device === null ? {} : { device }) });
}

const range = (n: number, f: (i: number) => number): number[] => Array.from({ length: n }, (_, i) => f(i));

// --- torch.signal.windows --------------------------------------------------------------------------------------------

/** Options of all windows of `torch.signal.windows`: symmetric, or with `sym` false periodic. */
export interface WindowOptions extends TensorOptions {
  sym?: boolean;
}

function check(name: string, m: number, dtype: DType | null, layout: unknown): void {
  if (m < 0) throw new ValueError(`${name} requires non-negative window length, got M=${m}`);
  const text = layout === null ? "torch.strided" : String(layout);
  if (text !== "torch.strided") throw new ValueError(`${name} is implemented for strided tensors only, got: ${text}`);
  const type = dtype ?? get_default_dtype();
  if (type !== float32 && type !== float64) {
    throw new ValueError(`${name} expects float32 or float64 dtypes, got: ${String(type)}`);
  }
}

const common = "bool sym=True, dtype? dtype=None, any layout=None, str? device=None, bool requires_grad=False";
const spaced = { method: false, namespace: false } as const;

/** The number of steps in a period. */
const period = (m: number, sym: boolean): number => (sym ? m - 1 : m);

function cosines(m: number, a: readonly number[], sym: boolean, made: Made): Tensor {
  if (m <= 1)
    return make(
      range(m, () => 1),
      made,
    );
  const step = (2 * Math.PI) / period(m, sym);
  return make(
    range(m, (i) => a.reduce((sum, c, k) => sum + (k % 2 === 0 ? c : -c) * Math.cos(k * i * step), 0)),
    made,
  );
}

type Arguments = [sym: boolean, dtype: DType | null, layout: unknown, device: string | null, requires_grad: boolean];
const madeBy = ([, dtype, , device, requires_grad]: Arguments): Made => ({ dtype, device, requires_grad });

type Window = Op<(M: number, options?: WindowOptions) => Tensor>;

/** A sum of cosines with the given coefficients, of alternating sign. */
export const general_cosine: Op<(M: number, options: WindowOptions & { a: readonly number[] }) => Tensor> = operator(
  `general_cosine(int M, *, any? a, ${common})`,
  (m: number, a: unknown, ...rest: Arguments) => {
    check("general_cosine", m, rest[1], rest[2]);
    if (!Array.isArray(a)) throw new ArgumentTypeError("Coefficients must be a list/tuple");
    if (a.length === 0) throw new ValueError("Coefficients cannot be empty");
    return cosines(m, a.map(Number), rest[0], madeBy(rest));
  },
  spaced,
);

/** A window of the family `general_cosine`. */
const cosineWindow = (name: string, a: readonly number[], checkedAs = "general_cosine"): Window =>
  operator(
    `${name}(int M, *, ${common})`,
    (m: number, ...rest: Arguments) => {
      check(checkedAs, m, rest[1], rest[2]);
      return cosines(m, a, rest[0], madeBy(rest));
    },
    spaced,
  );

/** A cosine raised so that its smallest value is 0 (`alpha` 0.5) or more. */
export const general_hamming: Op<(M: number, options?: WindowOptions & { alpha?: number }) => Tensor> = operator(
  `general_hamming(int M, *, float alpha=0.54, ${common})`,
  (m: number, alpha: number, ...rest: Arguments) => {
    check("general_cosine", m, rest[1], rest[2]);
    return cosines(m, [alpha, 1 - alpha], rest[0], madeBy(rest));
  },
  spaced,
);

/** The Hamming window. */
export const hamming: Window = cosineWindow("hamming", [0.54, 0.46]);
/** The Hann window. */
export const hann: Window = cosineWindow("hann", [0.5, 0.5]);
/** The Blackman window. */
export const blackman: Window = cosineWindow("blackman", [0.42, 0.5, 0.08], "blackman");
/** The minimum 4-term Blackman-Harris window after Nuttall. */
export const nuttall: Window = cosineWindow("nuttall", [0.3635819, 0.4891775, 0.1365995, 0.0106411]);

/** A triangle that begins and ends with 0. */
export const bartlett: Window = operator(
  `bartlett(int M, *, ${common})`,
  (m: number, ...rest: Arguments) => {
    check("bartlett", m, rest[1], rest[2]);
    const step = 2 / period(m, rest[0]);
    return make(
      range(m, (i) => (m === 1 ? 1 : 1 - Math.abs(i * step - 1))),
      madeBy(rest),
    );
  },
  spaced,
);

/** Half a period of a sine. */
export const cosine: Window = operator(
  `cosine(int M, *, ${common})`,
  (m: number, ...rest: Arguments) => {
    check("cosine", m, rest[1], rest[2]);
    const step = Math.PI / (!rest[0] && m > 1 ? m + 1 : m);
    return make(
      range(m, (i) => Math.sin((0.5 + i) * step)),
      madeBy(rest),
    );
  },
  spaced,
);

/** Exponential decay from the centre on both sides, to 1/e over `tau`. */
export const exponential: Op<
  (M: number, options?: WindowOptions & { center?: number | null; tau?: number }) => Tensor
> = operator(
  `exponential(int M, *, float? center=None, float tau=1, ${common})`,
  (m: number, center: number | null, tau: number, ...rest: Arguments) => {
    check("exponential", m, rest[1], rest[2]);
    if (tau <= 0) throw new ValueError(`Tau must be positive, got: ${tau} instead.`);
    if (rest[0] && center !== null) throw new ValueError("Center must be None for symmetric windows");
    const middle = center ?? (!rest[0] && m > 1 ? m : m - 1) / 2;
    return make(
      range(m, (i) => Math.exp(-Math.abs(i - middle) / tau)),
      madeBy(rest),
    );
  },
  spaced,
);

/** The bell curve with standard deviation `std`. */
export const gaussian: Op<(M: number, options?: WindowOptions & { std?: number }) => Tensor> = operator(
  `gaussian(int M, *, float std=1, ${common})`,
  (m: number, std: number, ...rest: Arguments) => {
    check("gaussian", m, rest[1], rest[2]);
    if (std <= 0) throw new ValueError(`Standard deviation must be positive, got: ${std} instead.`);
    const middle = (!rest[0] && m > 1 ? m : m - 1) / 2;
    return make(
      range(m, (i) => Math.exp(-(((i - middle) / std) ** 2) / 2)),
      madeBy(rest),
    );
  },
  spaced,
);

function kaiserValues(m: number, steps: number, beta: number): number[] {
  if (m === 1) return [1];
  const most = besselI0(beta);
  return range(m, (i) => {
    const k = Math.min(beta, -beta + (2 * beta * i) / steps);
    return besselI0(Math.sqrt(Math.max(beta * beta - k * k, 0))) / most;
  });
}

/** The Kaiser window, made of Bessel functions; `beta` says how narrow it is. */
export const kaiser: Op<(M: number, options?: WindowOptions & { beta?: number }) => Tensor> = operator(
  `kaiser(int M, *, float beta=12, ${common})`,
  (m: number, beta: number, ...rest: Arguments) => {
    check("kaiser", m, rest[1], rest[2]);
    if (beta < 0) throw new ValueError(`beta must be non-negative, got: ${beta} instead.`);
    return make(kaiserValues(m, period(m, rest[0]), beta), madeBy(rest));
  },
  spaced,
);

// --- torch -----------------------------------------------------------------------------------------------------------

type OldArguments = [dtype: DType | null, layout: unknown, device: string | null, pin: boolean, requires_grad: boolean];
const oldCommon =
  "dtype? dtype=None, any layout=None, str? device=None, bool pin_memory=False, bool requires_grad=False";

function old(name: string, n: number, values: () => number[], rest: OldArguments): Tensor {
  const [dtype, , device, , requires_grad] = rest;
  const type = dtype ?? get_default_dtype();
  if (type.category < 2) throw new TorchError(`${name} expects floating point dtypes, got: ${String(type)}`);
  if (n < 0) throw new TorchError(`${name} requires non-negative window_length, got window_length=${n}`);
  return make(n === 1 ? [1] : values(), { dtype: type, device, requires_grad });
}

/** Alternating cosines over n elements of a window of `steps` steps. */
const cosineValues = (n: number, steps: number, a: readonly number[]): number[] =>
  range(n, (i) => a.reduce((sum, c, k) => sum + (k % 2 === 0 ? c : -c) * Math.cos((2 * Math.PI * k * i) / steps), 0));

/** Options of the windows in the namespace `torch`. */
export interface PeriodicOptions extends TensorOptions {
  periodic?: boolean;
}
type PeriodicWindow = Op<
  (window_length: number, periodic?: boolean | PeriodicOptions, options?: TensorOptions) => Tensor
>;

const periodicWindow = (name: string, values: (n: number, steps: number) => number[]): PeriodicWindow =>
  operator(
    `${name}(int window_length, bool periodic=True, *, ${oldCommon})`,
    (n: number, periodic: boolean, ...rest: OldArguments) => old(name, n, () => values(n, period(n, !periodic)), rest),
    { method: false },
  );

/** The Hann window; periodic unless told otherwise. */
export const hann_window: PeriodicWindow = periodicWindow("hann_window", (n, s) => cosineValues(n, s, [0.5, 0.5]));
/** The Blackman window. */
export const blackman_window: PeriodicWindow = periodicWindow("blackman_window", (n, s) =>
  cosineValues(n, s, [0.42, 0.5, 0.08]),
);
/** The triangular window. */
export const bartlett_window: PeriodicWindow = periodicWindow("bartlett_window", (n, s) =>
  range(n, (i) => 1 - Math.abs((2 * i) / s - 1)),
);

/** The Hamming window `alpha - beta cos`. */
export const hamming_window: Op<
  (window_length: number, periodic?: boolean, alpha?: number, beta?: number, options?: TensorOptions) => Tensor
> = operator(
  `hamming_window(int window_length, bool periodic=True, float alpha=0.54, float beta=0.46, *, ${oldCommon})`,
  (n: number, periodic: boolean, alpha: number, beta: number, ...rest: OldArguments) =>
    old("hamming_window", n, () => cosineValues(n, period(n, !periodic), [alpha, beta]), rest),
  { method: false },
);

/** The Kaiser window. */
export const kaiser_window: Op<
  (window_length: number, periodic?: boolean, beta?: number, options?: TensorOptions) => Tensor
> = operator(
  `kaiser_window(int window_length, bool periodic=True, float beta=12, *, ${oldCommon})`,
  (n: number, periodic: boolean, beta: number, ...rest: OldArguments) =>
    old("kaiser_window", n, () => kaiserValues(n, period(n, !periodic), beta), rest),
  { method: false },
);
