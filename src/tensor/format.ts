/**
 * The text of tensors: PyTorch's `repr`, character for character.
 */
import { type DType, dtypes, get_default_dtype } from "../base/dtype.ts";
import { formatExponential, formatFixed } from "../base/decimal.ts";
import { ArgumentTypeError } from "../base/errors.ts";
import { numel, type Shape } from "../base/shape.ts";

/** What printing needs to know of a tensor. */
export interface Printable {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly requires_grad: boolean;
  /** The name of `grad_fn`, such as `"MulBackward0"`; null for none. */
  readonly gradFnName: string | null;
  /** As PyTorch writes it, such as `"webgpu:0"`. */
  readonly device: string;
  /**
   * The elements at these positions of the row-major order (ascending), in one go: a summarised tensor of any size is read at
   * a few places only. Complex elements are two entries, re and im; bools 0 and 1. Null where there are no values (meta).
   */
  readonly readElements: ((positions: readonly number[]) => ArrayLike<number | bigint>) | null;
}

/** The settings of {@link set_printoptions}. */
export interface PrintOptions {
  /** Digits after the point of floating point numbers. */
  precision: number;
  /** Tensors of more elements are summarised. */
  threshold: number;
  /** How many entries a summary shows at either end of each dimension. */
  edgeitems: number;
  /** Characters in a line before it is broken. */
  linewidth: number;
  /** Scientific notation always (true), never (false), or where the numbers call for it (null). */
  sci_mode: boolean | null;
}

/** A set of options by name. */
export type PrintProfile = "default" | "short" | "full";

const profiles: Readonly<Record<PrintProfile, Omit<PrintOptions, "sci_mode">>> = {
  default: { precision: 4, threshold: 1000, edgeitems: 3, linewidth: 80 },
  short: { precision: 2, threshold: 1000, edgeitems: 2, linewidth: 80 },
  full: { precision: 4, threshold: Infinity, edgeitems: 3, linewidth: 80 },
};

let current: PrintOptions = { ...profiles.default, sci_mode: null };

/**
 * Sets how tensors are printed. What is not given stays as it was, but `sci_mode`, which returns to automatic; a `profile` is
 * applied before the rest.
 */
export function set_printoptions(
  options: Partial<PrintOptions> & { readonly profile?: PrintProfile | null | undefined } = {},
): void {
  const { profile, sci_mode, ...rest } = options;
  const next: PrintOptions = { ...current, ...(profile ? profiles[profile] : {}), sci_mode: sci_mode ?? null };
  for (const key of Object.keys(rest)) {
    if (key !== "precision" && key !== "threshold" && key !== "edgeitems" && key !== "linewidth") {
      throw new ArgumentTypeError(`set_printoptions() got an unexpected keyword argument '${key}'`);
    }
    next[key] = rest[key] ?? next[key];
  }
  current = next;
}

/** The settings in force. */
export function get_printoptions(): PrintOptions {
  return { ...current };
}

/** How one column of numbers is written: all in the same notation and width. */
class NumberFormatter {
  readonly #dtype: DType;
  readonly #precision: number;
  /** All finite values are integers: `1.` */
  #integral = true;
  #scientific = false;
  width = 1;

  constructor(values: ArrayLike<number | bigint>, dtype: DType, options: PrintOptions, start: number, step: number) {
    this.#dtype = dtype;
    this.#precision = options.precision;
    if (dtype.is_floating_point) this.#chooseNotation(values, options, start, step);
    for (let i = start; i < values.length; i += step) {
      const x = values[i] as number | bigint;
      // Zeros and non-finite values do not count for the width of floats.
      if (dtype.is_floating_point && (x === 0 || !Number.isFinite(x))) continue;
      this.width = Math.max(this.width, this.#text(x).length);
    }
  }

  #chooseNotation(values: ArrayLike<number | bigint>, options: PrintOptions, start: number, step: number): void {
    let min = Infinity;
    let max = 0;
    for (let i = start; i < values.length; i += step) {
      const x = values[i] as number;
      if (x === 0 || !Number.isFinite(x)) continue;
      min = Math.min(min, Math.abs(x));
      max = Math.max(max, Math.abs(x));
      if (!Number.isInteger(x)) this.#integral = false;
    }
    // Without a value to judge by, an explicit sci_mode has no effect either.
    if (max > 0) this.#scientific = options.sci_mode ?? (max / min > 1000 || max > 1e8 || min < 1e-4);
  }

  #text(x: number | bigint): string {
    if (!this.#dtype.is_floating_point) {
      return this.#dtype.category === 0 ? (Number(x) === 0 ? "False" : "True") : String(x);
    }
    const value = x as number;
    if (this.#scientific) return formatExponential(value, this.#precision);
    if (!this.#integral) return formatFixed(value, this.#precision);
    return formatFixed(value, 0) + (Number.isFinite(value) ? "." : "");
  }

  format(x: number | bigint): string {
    return this.#text(x).padStart(this.width);
  }
}

/** Writes the elements of one tensor. Both walks over the shape, of reading and of writing, visit the same elements in order. */
class ElementsPrinter {
  readonly #shape: Shape;
  readonly #options: PrintOptions;
  readonly #summarise: boolean;
  #values: ArrayLike<number | bigint> = [];
  #formatters: NumberFormatter[] = [];
  #cursor = 0;

  constructor(shape: Shape, options: PrintOptions) {
    this.#shape = shape;
    this.#options = options;
    this.#summarise = numel(shape) > options.threshold;
  }

  print(t: Printable, read: NonNullable<Printable["readElements"]>, indent: number): string {
    const positions: number[] = [];
    this.#collect(0, 0, positions);
    this.#values = read(positions);
    const complex = t.dtype.is_complex;
    const part = complex ? dtypes.float64 : t.dtype;
    this.#formatters = (complex ? [0, 1] : [0]).map(
      (start) => new NumberFormatter(this.#values, part, this.#options, start, complex ? 2 : 1),
    );
    return this.#write(0, indent);
  }

  /** How many leading entries of a dimension are shown; -1 when all are. As many are shown at the end. */
  #edge(size: number): number {
    return this.#summarise && size > 2 * this.#options.edgeitems ? this.#options.edgeitems : -1;
  }

  #collect(dim: number, base: number, positions: number[]): void {
    if (dim === this.#shape.length) {
      positions.push(base);
      return;
    }
    const size = this.#shape[dim] as number;
    const edge = this.#edge(size);
    for (let i = 0; i < size; i++) {
      if (i === edge) i = size - edge;
      if (i < size) this.#collect(dim + 1, base * size + i, positions);
    }
  }

  #write(dim: number, indent: number): string {
    if (dim === this.#shape.length) return this.#element();
    const last = dim === this.#shape.length - 1;
    const size = this.#shape[dim] as number;
    const edge = this.#edge(size);
    const items: string[] = [];
    for (let i = 0; i < size; i++) {
      if (i === edge) {
        items.push(last && edge > 0 ? " ..." : "...");
        i = size - edge;
      }
      if (i < size) items.push(this.#write(dim + 1, indent + 1));
    }
    const newline = `\n${" ".repeat(indent + 1)}`;
    if (!last) return `[${items.join(`,${"\n".repeat(this.#shape.length - dim - 2)}${newline}`)}]`;
    // The separator of two, and the j of complex numbers.
    const width = this.#formatters.reduce((sum, f) => sum + f.width + 1, 1);
    const perLine = Math.max(1, Math.floor((this.#options.linewidth - indent) / width));
    const lines: string[] = [];
    for (let i = 0; i < items.length; i += perLine) lines.push(items.slice(i, i + perLine).join(", "));
    return `[${lines.join(`,${newline}`)}]`;
  }

  #element(): string {
    const [real, imag] = this.#formatters as [NumberFormatter, NumberFormatter | undefined];
    const text = real.format(this.#values[this.#cursor++] as number | bigint);
    if (imag === undefined) return text;
    const j = `${imag.format(this.#values[this.#cursor++] as number)}j`.trimStart();
    return text + (j.startsWith("-") ? j : `+${j}`);
  }
}

/** What may differ from the plain print of a tensor. */
export interface FormatOptions {
  /** The settings to use instead of those in force. */
  readonly options?: Partial<PrintOptions>;
  /** The name of a subclass of Tensor, written instead of `tensor`. */
  readonly className?: string;
  /** The tangent of a dual tensor in forward mode. */
  readonly tangent?: Printable | null;
}

/** The `repr` of a tensor. */
export function formatTensor(t: Printable, format: FormatOptions = {}): string {
  const options = format.options === undefined ? current : { ...current, ...format.options };
  const prefix = `${format.className ?? "tensor"}(`;
  const { dtype, shape } = t;
  const suffixes: string[] = [];
  if (!/^cpu(:\d+)?$/.test(t.device)) suffixes.push(`device='${t.device}'`);

  const defaultDType = get_default_dtype();
  const size = `size=${formatTuple(shape.map(String))}`;
  let contents: string;
  if (t.readElements === null) {
    contents = "...";
    suffixes.push(size);
    if (dtype !== defaultDType) suffixes.push(`dtype=${String(dtype)}`);
  } else if (numel(shape) === 0) {
    contents = "[]";
    if (shape.length !== 1) suffixes.push(size);
    // No element tells an integer from a float here.
    if (dtype !== defaultDType) suffixes.push(`dtype=${String(dtype)}`);
  } else {
    if (options.edgeitems === 0) suffixes.push(size);
    const defaultComplex = defaultDType === dtypes.float64 ? dtypes.complex128 : dtypes.complex64;
    const evident: DType[] = [defaultDType, defaultComplex, dtypes.int64, dtypes.bool];
    if (!evident.includes(dtype)) suffixes.push(`dtype=${String(dtype)}`);
    contents = new ElementsPrinter(shape, options).print(t, t.readElements, prefix.length);
  }

  if (t.gradFnName !== null) suffixes.push(`grad_fn=<${t.gradFnName}>`);
  else if (t.requires_grad) suffixes.push("requires_grad=True");
  if (format.tangent) suffixes.push(`tangent=${formatTensor(format.tangent)}`);
  return addSuffixes(prefix + contents, suffixes, prefix.length, options.linewidth);
}

function addSuffixes(text: string, suffixes: readonly string[], indent: number, linewidth: number): string {
  let out = text;
  let lineLength = text.length - text.lastIndexOf("\n") + 1;
  for (const suffix of suffixes) {
    if (lineLength + suffix.length + 2 > linewidth) {
      out += `,\n${" ".repeat(indent)}${suffix}`;
      lineLength = indent + suffix.length;
    } else {
      out += `, ${suffix}`;
      lineLength += suffix.length + 2;
    }
  }
  return `${out})`;
}

/** The `repr` of a parameter. */
export function formatParameter(t: Printable, format: FormatOptions = {}): string {
  return `Parameter containing:\n${formatTensor(t, format)}`;
}

/** The `repr` of a tensor that a transform wraps, such as `GradTrackingTensor(lvl=1, value=…)`. */
export function formatWrapped(className: string, attributes: Readonly<Record<string, number>>, value: string): string {
  const listed = Object.entries(attributes).map(([name, v]) => `${name}=${v}`);
  const indented = value.replace(/^(?=.*\S)/gm, "    ");
  return `${className}(${[...listed, "value="].join(", ")}\n${indented}\n)`;
}

/** Python's text of a tuple of things already written. */
export function formatTuple(items: readonly string[]): string {
  return items.length === 1 ? `(${items[0]},)` : `(${items.join(", ")})`;
}

/** The `repr` of a named result such as `torch.return_types.max`, from its fields already written. */
export function formatReturnType(name: string, fields: Readonly<Record<string, string>>): string {
  const listed = Object.entries(fields).map(([field, text]) => `${field}=${text}`);
  return `torch.return_types.${name}(\n${listed.join(",\n")})`;
}

/** The `repr` of a shape. */
export function formatSize(shape: Shape): string {
  return `torch.Size([${shape.join(", ")}])`;
}
