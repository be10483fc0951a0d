/**
 * Limits of dtypes: `torch.finfo` and `torch.iinfo`.
 */
import type { DType } from "../base/dtype.ts";
import { ArgumentTypeError } from "../base/errors.ts";
import { showAsText } from "../base/inspect.ts";

/** Limits of a floating point dtype (`torch.finfo`). */
export interface FloatLimits {
  readonly bits: number;
  /** The difference between 1 and the next number. */
  readonly eps: number;
  readonly max: number;
  readonly min: number;
  /** The smallest normal number. */
  readonly tiny: number;
  readonly smallest_normal: number;
  /** The number of decimal digits that are always kept. */
  readonly resolution: number;
  readonly dtype: string;
  /** PyTorch's text: `finfo(resolution=1e-06, min=…)`. */
  toString(): string;
}

const floatLimits: Readonly<Record<string, readonly [eps: number, max: number, tiny: number, resolution: number]>> = {
  float16: [2 ** -10, 65504, 2 ** -14, 1e-3],
  bfloat16: [2 ** -7, (2 - 2 ** -7) * 2 ** 127, 2 ** -126, 1e-2],
  float32: [2 ** -23, (2 - 2 ** -23) * 2 ** 127, 2 ** -126, 1e-6],
  float64: [Number.EPSILON, Number.MAX_VALUE, 2 ** -1022, 1e-15],
};

/** The limits of a floating point dtype; of a complex one those of its parts. */
export function finfo(dtype: DType): FloatLimits {
  const name = dtype.is_complex ? { 4: "float16", 8: "float32", 16: "float64" }[dtype.itemsize] : dtype.name;
  const limits = floatLimits[name ?? ""];
  if (limits === undefined) {
    throw new ArgumentTypeError(
      `torch.finfo() requires a floating point input type. Use torch.iinfo to handle '${String(dtype)}'`,
    );
  }
  const [eps, max, tiny, resolution] = limits;
  const bits = (dtype.is_complex ? dtype.itemsize / 2 : dtype.itemsize) * 8;
  const fields = { bits, eps, max, min: -max, tiny, smallest_normal: tiny, resolution, dtype: name as string };
  return withText("finfo", fields, ["resolution", "min", "max", "eps", "smallest_normal", "tiny", "dtype"]);
}

/** Limits of an integral dtype (`torch.iinfo`). */
export interface IntegerLimits {
  readonly bits: number;
  readonly max: number | bigint;
  readonly min: number | bigint;
  readonly dtype: string;
  /** PyTorch's text: `iinfo(min=0, max=255, dtype=uint8)`. */
  toString(): string;
}

/** The limits of an integral dtype; those of int64 are bigints. */
export function iinfo(dtype: DType): IntegerLimits {
  if (dtype.category !== 1) {
    throw new ArgumentTypeError(
      `torch.iinfo() requires an integer input type. Use torch.finfo to handle '${String(dtype)}'`,
    );
  }
  const bits = dtype.itemsize * 8;
  const shown = ["min", "max", "dtype"] as const;
  if (bits === 64) return withText("iinfo", { bits, max: 2n ** 63n - 1n, min: -(2n ** 63n), dtype: dtype.name }, shown);
  const span = 2 ** bits;
  return dtype.is_signed
    ? withText("iinfo", { bits, max: span / 2 - 1, min: -span / 2, dtype: dtype.name }, shown)
    : withText("iinfo", { bits, max: span - 1, min: 0, dtype: dtype.name }, shown);
}

/** Fields that print as PyTorch's text of them, in the order `shown`. */
function withText<T extends object>(name: string, fields: T, shown: readonly (keyof T & string)[]): T {
  const text = shown.map((key) => `${key}=${general(fields[key])}`).join(", ");
  Object.defineProperty(fields, "toString", { value: () => `${name}(${text})` });
  showAsText(fields);
  return fields;
}

/** A value with six digits at most, as C's `%g` writes it. */
function general(value: unknown): string {
  if (typeof value === "string") return value;
  const x = Number(value);
  const [digits, exponent] = x.toExponential(5).split("e") as [string, string];
  const power = Number(exponent);
  if (power >= -4 && power < 6) return String(Number(x.toPrecision(6)));
  return `${Number(digits)}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}
