/**
 * New tensors: from values, and by rule.
 */
import { backendOf } from "../backend/backend.ts";
import {
  bool,
  toComplex,
  type DType,
  float32,
  float64,
  get_default_dtype,
  int16,
  int32,
  int64,
  int8,
  uint8,
} from "../base/dtype.ts";
import { Complex } from "../base/complex-number.ts";
import type { Scalar } from "../base/promote.ts";
import { ArgumentTypeError, TorchError, ValueError } from "../base/errors.ts";
import { numel, sameShape } from "../base/shape.ts";
import { allocateLike, castRaw, copyRaw, fillRaw } from "../dispatch/elementwise.ts";
import { operator } from "../dispatch/op.ts";
import { isOptions, PyFloat, pythonTypeOf, type ScalarLike } from "../dispatch/signature.ts";
import { hostOf, viewElements, writeElement } from "../tensor/data.ts";
import { allocate, allocateStrided, Tensor } from "../tensor/tensor.ts";
import { sizesOf, withGrad } from "./sizes.ts";
import type { Op } from "./view.ts";

/** Options of the factories. */
export interface TensorOptions {
  /** Default: see each function. */
  dtype?: DType | null;
  /** `"cpu"` is the default. */
  device?: string | null;
  /** Whether gradients are computed for the tensor. Default: false. */
  requires_grad?: boolean;
}

/** Values in arrays of arrays, a number, or a typed array. */
export type TensorData = ScalarLike | Tensor | ArrayBufferView | readonly TensorData[] | readonly [];

type TypedArray =
  | Exclude<ReturnType<typeof viewElements>, Uint16Array>
  | Uint16Array
  | Uint8ClampedArray
  | Uint32Array
  | BigUint64Array;

function dtypeOfArray(x: ArrayBufferView): DType {
  if (x instanceof Float32Array) return float32;
  if (x instanceof Float64Array) return float64;
  if (x instanceof BigInt64Array) return int64;
  if (x instanceof Int32Array) return int32;
  if (x instanceof Int16Array) return int16;
  if (x instanceof Int8Array) return int8;
  if (x instanceof Uint8Array || x instanceof Uint8ClampedArray) return uint8;
  throw new ArgumentTypeError(
    `tensor(): an array of type ${x.constructor.name} has no dtype that corresponds; convert it first`,
  );
}

/** The shape of nested arrays. Throws where they are ragged, naming the place. */
function shapeOf(data: unknown): number[] {
  const shape: number[] = [];
  let at = data;
  while (Array.isArray(at) || (ArrayBuffer.isView(at) && !(at instanceof DataView))) {
    const list = at as ArrayLike<unknown>;
    shape.push(list.length);
    if (list.length === 0) break;
    at = list[0];
  }
  if (at instanceof Tensor) shape.push(...at.shape);
  return shape;
}

function collect(data: unknown, shape: readonly number[], depth: number, out: unknown[]): void {
  if (depth === shape.length) {
    if (Array.isArray(data)) {
      throw new ValueError(
        `expected a number at dim ${depth}, but got a sequence of length ${data.length}; nested arrays must have equal lengths`,
      );
    }
    out.push(data);
    return;
  }
  if (data instanceof Tensor) {
    if (!sameShape(data.shape, shape.slice(depth))) {
      throw new ValueError(
        `expected a tensor of shape [${shape.slice(depth).join(", ")}] at dim ${depth}, but got [${data.shape.join(", ")}]`,
      );
    }
    out.push(...(data.detach().reshape(-1).tolist() as unknown[]));
    return;
  }
  const n = shape[depth] as number;
  if (!Array.isArray(data) && !ArrayBuffer.isView(data)) {
    throw new ArgumentTypeError(
      `not a sequence: expected one of length ${n} at dim ${depth}, but got ${pythonTypeOf(data)}`,
    );
  }
  const list = data as unknown as ArrayLike<unknown>;
  if (list.length !== n) {
    throw new ValueError(`expected sequence of length ${n} at dim ${depth} (got ${list.length})`);
  }
  for (let i = 0; i < n; i++) collect(list[i], shape, depth + 1, out);
}

function inferDType(values: readonly unknown[]): DType {
  let allBool = values.length > 0;
  let allInt = values.length > 0;
  for (const v of values) {
    if (v instanceof Complex) return toComplex(get_default_dtype());
    if (typeof v !== "boolean") allBool = false;
    if (typeof v !== "bigint" && typeof v !== "boolean") allInt = false;
  }
  return allBool ? bool : allInt ? int64 : get_default_dtype();
}

function finish(t: Tensor, options: TensorOptions): Tensor {
  return options.requires_grad === true ? withGrad(t) : t;
}

/**
 * A tensor with the given values: a number, nested arrays, a typed array, or a tensor (which is copied). Numbers become the
 * default dtype (float32), booleans bool, BigInts int64; typed arrays keep their type.
 *
 * @example
 * ```ts
 * const x = torch.tensor([[1, 2], [3, 4]], { requires_grad: true });
 * ```
 */
export function tensor(data: TensorData, options: TensorOptions = {}): Tensor {
  const backend = backendOf(options.device ?? "cpu");
  if (data instanceof Tensor) {
    const out = allocateLike(data.shape, options.dtype ?? data.dtype, [data]);
    copyRaw(out, data);
    return finish(out, options);
  }
  if (ArrayBuffer.isView(data) && !(data instanceof DataView)) {
    const array = data as unknown as TypedArray;
    const own =
      options.dtype !== null && options.dtype !== undefined && !(array instanceof Float32Array)
        ? null
        : dtypeOfArray(data);
    if (own !== null) {
      const out = allocate([array.length], own, backend);
      (viewElements(out) as Float32Array).set(array as Float32Array);
      return finish(options.dtype ? castRaw(out, options.dtype) : out, options);
    }
  }
  const shape = shapeOf(data);
  const values: unknown[] = [];
  collect(data, shape, 0, values);
  if (values.some((v) => v instanceof Tensor && v._numel !== 1)) {
    throw new ValueError("only one element tensors can be converted to Python scalars");
  }
  const plain = values.map((v) => (v instanceof Tensor ? v.item() : v instanceof PyFloat ? v.value : v));
  const dtype = options.dtype ?? inferDType(plain);
  const out = allocate(shape, dtype, backend);
  const host = hostOf(backend, "tensor()");
  const start = out._ptr / dtype.itemsize;
  plain.forEach((v, i) => {
    const kind = typeof v;
    if (kind !== "number" && kind !== "bigint" && kind !== "boolean" && !(v instanceof Complex)) {
      throw new ArgumentTypeError(`tensor(): expected numbers, but got ${pythonTypeOf(v)} at element ${i}`);
    }
    writeElement(host, dtype, start + i, v as number);
  });
  return finish(out, options);
}

/** A factory that takes sizes, as an array or one by one, and options. */
export interface SizedFactory {
  (size: readonly number[], options?: TensorOptions): Tensor;
  (...args: (number | TensorOptions)[]): Tensor;
}

function sized(make: (size: number[], dtype: DType, device: string) => Tensor): SizedFactory {
  return (...args: unknown[]): Tensor => {
    const { size, options } = sizesOf<TensorOptions>(args);
    return finish(make(size, options.dtype ?? get_default_dtype(), options.device ?? "cpu"), options);
  };
}

function filled(size: readonly number[], value: Scalar, dtype: DType, device: string): Tensor {
  const out = allocate(size, dtype, backendOf(device));
  fillRaw(out, value);
  return out;
}

/** A tensor whose elements are whatever the memory holds. */
export const empty: SizedFactory = sized((size, dtype, device) => allocate(size, dtype, backendOf(device)));
/** A tensor of zeros. */
export const zeros: SizedFactory = sized((size, dtype, device) => filled(size, 0, dtype, device));
/** A tensor of ones. */
export const ones: SizedFactory = sized((size, dtype, device) => filled(size, 1, dtype, device));

/** A tensor in which every element is `fill_value`; without a dtype that of the value. */
export function full(size: readonly number[], fill_value: ScalarLike | Tensor, options: TensorOptions = {}): Tensor {
  const { size: checked } = sizesOf([size]);
  const value =
    fill_value instanceof Tensor ? fill_value.item() : fill_value instanceof PyFloat ? fill_value.value : fill_value;
  const dtype =
    options.dtype ??
    (fill_value instanceof Tensor
      ? fill_value.dtype
      : typeof value === "boolean"
        ? bool
        : typeof value === "bigint"
          ? int64
          : (value as unknown) instanceof Complex
            ? toComplex(get_default_dtype())
            : get_default_dtype());
  return finish(filled(checked, value, dtype, options.device ?? "cpu"), options);
}

/** A tensor with the given strides and whatever the memory holds. */
export function empty_strided(size: readonly number[], stride: readonly number[], options: TensorOptions = {}): Tensor {
  return finish(
    allocateStrided([...size], [...stride], options.dtype ?? get_default_dtype(), backendOf(options.device ?? "cpu")),
    options,
  );
}

// --- like another tensor ---------------------------------------------------------------------------------------------

type LikeFactory = Op<(input: Tensor, options?: TensorOptions) => Tensor>;
const likeText = (name: string): string =>
  `${name}(Tensor input, *, dtype? dtype=None, any layout=None, str? device=None, bool pin_memory=False, bool requires_grad=False, any memory_format=None)`;

function like(name: string, fillWith: ((t: Tensor) => void) | null): LikeFactory {
  return operator(
    likeText(name),
    (x: Tensor, dtype: DType | null, _layout: unknown, _device: unknown, _pin: unknown, requires_grad: boolean) => {
      const out = allocateLike(x.shape, dtype ?? x.dtype, [x]);
      fillWith?.(out);
      return finish(out, { requires_grad });
    },
    { method: false },
  );
}

/** As {@link empty}, with the shape, dtype and layout of a tensor. */
export const empty_like: LikeFactory = like("empty_like", null);
/** As {@link zeros}, with the shape, dtype and layout of a tensor. */
export const zeros_like: LikeFactory = like("zeros_like", (t) => fillRaw(t, 0));
/** As {@link ones}, with the shape, dtype and layout of a tensor. */
export const ones_like: LikeFactory = like("ones_like", (t) => fillRaw(t, 1));

/** As {@link full}, with the shape, dtype and layout of a tensor. */
export const full_like: Op<(input: Tensor, fill_value: ScalarLike, options?: TensorOptions) => Tensor> = operator(
  "full_like(Tensor input, Tensor|Scalar fill_value, *, dtype? dtype=None, any layout=None, str? device=None, bool pin_memory=False, bool requires_grad=False, any memory_format=None)",
  (
    x: Tensor,
    value: ScalarLike | Tensor,
    dtype: DType | null,
    _l: unknown,
    _d: unknown,
    _p: unknown,
    requires_grad: boolean,
  ) => {
    const out = allocateLike(x.shape, dtype ?? x.dtype, [x]);
    fillRaw(out, value instanceof Tensor ? value.item() : value instanceof PyFloat ? value.value : value);
    return finish(out, { requires_grad });
  },
  { method: false },
);

type NewFactory = Op<(input: Tensor, size: readonly number[] | number, ...rest: (number | TensorOptions)[]) => Tensor>;

function newFactory(name: string, make: (size: number[], dtype: DType, device: string) => Tensor): NewFactory {
  return operator(
    `${name}(Tensor input, int[]... size, *, dtype? dtype=None, any layout=None, str? device=None, bool pin_memory=False, bool requires_grad=False)`,
    (
      x: Tensor,
      size: (number | number[])[],
      dtype: DType | null,
      _l: unknown,
      device: string | null,
      _p: unknown,
      requires_grad: boolean,
    ) => {
      const { size: checked } = sizesOf(size);
      return finish(make(checked, dtype ?? x.dtype, device ?? x._backend.type), { requires_grad });
    },
    { namespace: false },
  );
}

/** Uninitialised, with the dtype and device of the tensor. */
export const new_empty: NewFactory = newFactory("new_empty", (size, dtype, device) =>
  allocate(size, dtype, backendOf(device)),
);
/** Zeros with the dtype and device of the tensor. */
export const new_zeros: NewFactory = newFactory("new_zeros", (size, dtype, device) => filled(size, 0, dtype, device));
/** Ones with the dtype and device of the tensor. */
export const new_ones: NewFactory = newFactory("new_ones", (size, dtype, device) => filled(size, 1, dtype, device));

/** `fill_value` everywhere, with the dtype and device of the tensor. */
export const new_full: Op<
  (input: Tensor, size: readonly number[], fill_value: ScalarLike, options?: TensorOptions) => Tensor
> = operator(
  "new_full(Tensor input, int[] size, Tensor|Scalar fill_value, *, dtype? dtype=None, any layout=None, str? device=None, bool pin_memory=False, bool requires_grad=False)",
  (
    x: Tensor,
    size: number[],
    value: ScalarLike | Tensor,
    dtype: DType | null,
    _l: unknown,
    device: string | null,
    _p: unknown,
    requires_grad: boolean,
  ) => full(size, value, { dtype: dtype ?? x.dtype, device: device ?? x._backend.type, requires_grad }),
  { namespace: false },
);

/** New values with the dtype and device of the tensor. */
export const new_tensor: Op<(input: Tensor, data: TensorData, options?: TensorOptions) => Tensor> = operator(
  "new_tensor(Tensor input, any data, *, dtype? dtype=None, str? device=None, bool requires_grad=False)",
  (x: Tensor, data: TensorData, dtype: DType | null, device: string | null, requires_grad: boolean) =>
    tensor(data, { dtype: dtype ?? x.dtype, device: device ?? x._backend.type, requires_grad }),
  { namespace: false },
);

// --- sequences -------------------------------------------------------------------------------------------------------

const numberOf = (x: ScalarLike | Tensor): number | bigint => {
  const v = x instanceof Tensor ? x.item() : x instanceof PyFloat ? x.value : x;
  if (v instanceof Complex) throw new ArgumentTypeError(`expected a real number, but got ${String(v)}`);
  return typeof v === "boolean" ? Number(v) : v;
};

const isIntegral = (x: ScalarLike | Tensor): boolean =>
  x instanceof Tensor
    ? x.dtype.category < 2
    : !(x instanceof PyFloat) && (typeof x === "bigint" || Number.isInteger(x) || typeof x === "boolean");

/** Fills a contiguous tensor from a function of the position. */
function generate(
  size: readonly number[],
  dtype: DType,
  device: string,
  value: (i: number) => number | bigint,
): Tensor {
  const out = allocate(size, dtype, backendOf(device));
  const host = hostOf(out._backend, "generate");
  const start = out._ptr / dtype.itemsize;
  for (let i = 0; i < out._numel; i++) writeElement(host, dtype, start + i, value(i));
  return out;
}

/** @internal 0, 1, 2, … as int64 on the device of a tensor. */
export const new_arange: Op<(input: Tensor, end: number) => Tensor> = operator(
  "new_arange(Tensor input, int end)",
  (x: Tensor, end: number) => generate([end], int64, x._backend.type, (i) => i),
  { namespace: false },
);

/**
 * The numbers from `start` (inclusive) to `end` (exclusive) by `step`: `arange(end)`, `arange(start, end)`, `arange(start, end,
 * step)`. Integers give int64, others the default dtype.
 */
export const arange: (...args: (ScalarLike | Tensor | TensorOptions)[]) => Tensor = (...args) => {
  const list = [...args];
  while (list.length > 0 && list.at(-1) === undefined) list.pop();
  const options = isOptions(list.at(-1))
    ? (list.pop() as TensorOptions & { start?: ScalarLike; end?: ScalarLike; step?: ScalarLike })
    : {};
  const numbers = list as (ScalarLike | Tensor)[];
  const [start, end, step] =
    numbers.length === 0
      ? [options.start ?? 0, options.end as ScalarLike, options.step ?? 1]
      : numbers.length === 1 && options.end === undefined
        ? [options.start ?? 0, numbers[0] as ScalarLike | Tensor, options.step ?? 1]
        : [
            numbers[0] as ScalarLike | Tensor,
            (numbers[1] ?? options.end) as ScalarLike,
            numbers[2] ?? options.step ?? 1,
          ];
  const dtype = options.dtype ?? ([start, end, step].every(isIntegral) ? int64 : get_default_dtype());
  const a = Number(numberOf(start));
  const b = Number(numberOf(end));
  const s = Number(numberOf(step));
  if (s === 0) throw new ValueError("step must be nonzero");
  if (!Number.isFinite(a) || !Number.isFinite(b))
    throw new TorchError(
      `unsupported range: ${String(a).replace("Infinity", "inf")} -> ${String(b).replace("Infinity", "inf")}`,
    );
  if ((s > 0 && a > b) || (s < 0 && a < b))
    throw new TorchError("upper bound and lower bound inconsistent with step sign");
  const count = Math.ceil((b - a) / s);
  if (dtype === int64 && isIntegral(start) && typeof numberOf(start) === "bigint") {
    const from = BigInt(numberOf(start));
    const by = BigInt(numberOf(step));
    return finish(
      generate([count], dtype, options.device ?? "cpu", (i) => from + BigInt(i) * by),
      options,
    );
  }
  const [first, by] = dtype.category < 2 ? [Math.trunc(a), Math.trunc(s)] : [a, s];
  return finish(
    generate([count], dtype, options.device ?? "cpu", (i) => first + i * by),
    options,
  );
};

/** `steps` numbers from `start` to `end`, both included, evenly spaced. */
export function linspace(
  start: ScalarLike | Tensor,
  end: ScalarLike | Tensor,
  steps: number,
  options: TensorOptions = {},
): Tensor {
  if (steps < 0) throw new TorchError("number of steps must be non-negative");
  for (const x of [start, end]) {
    if (x instanceof Tensor && x.ndim > 0) {
      const dims = (t: ScalarLike | Tensor): number => (t instanceof Tensor ? t.ndim : 0);
      throw new TorchError(
        `linspace only supports 0-dimensional start and end tensors, but got start with ${dims(start)} dimension(s) and end with ${dims(end)} dimension(s).`,
      );
    }
  }
  const a = Number(numberOf(start));
  const b = Number(numberOf(end));
  const dtype = options.dtype ?? get_default_dtype();
  const round = dtype === float64 || dtype.category < 2 ? (x: number): number => x : Math.fround;
  const step = steps > 1 ? round((b - a) / (steps - 1)) : 0;
  const half = Math.floor(steps / 2);
  const value = (i: number): number => (i < half ? a + step * i : b - step * (steps - i - 1));
  const whole = dtype.category < 2;
  return finish(
    generate([steps], dtype, options.device ?? "cpu", (i) =>
      steps === 1 ? a : whole ? Math.trunc(value(i)) : value(i),
    ),
    options,
  );
}

/** `steps` numbers from `base ** start` to `base ** end`, evenly spaced in the exponent. */
export function logspace(
  start: ScalarLike | Tensor,
  end: ScalarLike | Tensor,
  steps: number,
  base: number | PyFloat | TensorOptions = 10,
  options: TensorOptions & { base?: number } = {},
): Tensor {
  if (isOptions(base))
    return logspace(start, end, steps, (base as { base?: number }).base ?? 10, base as TensorOptions);
  const by = Number(base.valueOf());
  const exponents = linspace(start, end, steps, { dtype: float64 });
  const host = hostOf(exponents._backend, "logspace");
  const from = exponents._ptr / 8;
  const dtype = options.dtype ?? get_default_dtype();
  return finish(
    generate([steps], dtype, options.device ?? "cpu", (i) => {
      const v = by ** (host.f64[from + i] as number);
      return dtype.category < 2 ? Math.trunc(v) : v;
    }),
    options,
  );
}

/** The matrix with ones on the diagonal. */
export function eye(n: number, m?: number | TensorOptions | null, options: TensorOptions = {}): Tensor {
  const o = isOptions(m) ? (m as TensorOptions) : options;
  const cols = typeof m === "number" ? m : n;
  if (n < 0) throw new TorchError(`n must be greater or equal to 0, got ${n}`);
  if (cols < 0) throw new TorchError(`m must be greater or equal to 0, got ${cols}`);
  const out = filled([n, cols], 0, o.dtype ?? get_default_dtype(), o.device ?? "cpu");
  if (numel(out.shape) > 0) fillRaw(out.diagonal(), 1);
  return finish(out, o);
}

/** A 0-d tensor. */
export function scalar_tensor(value: ScalarLike, options: TensorOptions = {}): Tensor {
  return full([], value, { ...options, dtype: options.dtype ?? get_default_dtype() });
}

/** A tensor of the given values; a tensor that fits is returned as it is. */
export function as_tensor(data: TensorData, options: TensorOptions = {}): Tensor {
  if (data instanceof Tensor && (options.dtype == null || options.dtype === data.dtype)) return data;
  return data instanceof Tensor ? data.to(options.dtype as DType) : tensor(data, options);
}
