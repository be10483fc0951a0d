/** Python's text formatting: the format mini-language and the `%` operator. */

import { PythonError, floatRepr, repr, str } from "./values.ts";

const specPattern = /^(?:(.)?([<>=^]))?([+\- ])?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/;

/** `%.{precision}f` in exponent form, with Python's two-digit exponent. */
function exponentForm(value: number, precision: number): string {
  return value.toExponential(precision).replace(/e([+-])(\d)$/, "e$10$2");
}

function general(value: number, precision: number, keepZeros: boolean): string {
  const digits = precision === 0 ? 1 : precision;
  const exponent = value === 0 ? 0 : Number(value.toExponential(digits - 1).split("e")[1]);
  if (exponent < -4 || exponent >= digits) {
    const [mantissa = "", tail = ""] = exponentForm(value, digits - 1).split("e");
    return `${keepZeros || !mantissa.includes(".") ? mantissa : mantissa.replace(/\.?0+$/, "")}e${tail}`;
  }
  const text = value.toFixed(Math.max(0, digits - 1 - exponent));
  return keepZeros || !text.includes(".") ? text : text.replace(/\.?0+$/, "");
}

/** `toFixed` rounds exact ties up in magnitude; Python rounds the exact binary value, ties to even. */
function fixed(value: number, precision: number): string {
  const text = value.toFixed(precision);
  const scaled = value * 10 ** precision;
  if (Math.abs(scaled) < 2 ** 52 && Math.abs(scaled % 1) === 0.5 && scaled / 10 ** precision === value) {
    const even = 2 * Math.round(scaled / 2);
    return (even / 10 ** precision).toFixed(precision);
  }
  return text;
}

function formatFloat(value: number, type: string, precision: number | null): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  switch (type) {
    case "f":
    case "F":
      return fixed(value, precision ?? 6);
    case "e":
      return exponentForm(value, precision ?? 6);
    case "E":
      return exponentForm(value, precision ?? 6).toUpperCase();
    case "g":
    case "G":
      return general(value, precision ?? 6, false);
    case "%":
      return `${fixed(value * 100, precision ?? 6)}%`;
    default:
      return precision === null ? floatRepr(value) : general(value, precision, false);
  }
}

const radices: Readonly<Record<string, number>> = { x: 16, o: 8, b: 2 };

/** `format(value, spec)` */
export function format(value: unknown, spec: string): string {
  if (spec === "") return str(value);
  const match = specPattern.exec(spec);
  if (!match) throw new PythonError("ValueError", `Invalid format specifier '${spec}'`);
  const [, fill = " ", align, sign, , zero, width, group, digits, type = ""] = match;
  const precision = digits === undefined ? null : Number(digits);
  let body: string;
  const numeric = typeof value === "number" || typeof value === "bigint" || (typeof value === "boolean" && type !== "");
  if (typeof value === "number" && (type === "d" || type === "s")) {
    throw new PythonError("ValueError", `Unknown format code '${type}' for object of type 'float'`);
  }
  const integer = typeof value === "bigint" ? value : typeof value === "boolean" ? BigInt(value) : null;
  if (integer !== null && numeric && (type === "" || type === "d")) body = String(integer);
  else if (integer !== null && radices[type] !== undefined) body = integer.toString(radices[type]);
  else if (numeric) body = formatFloat(Number(value), type, precision);
  else body = precision === null ? str(value) : str(value).slice(0, precision);
  if (group !== undefined) body = body.replace(/^(-?\d+)/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, group));
  if (numeric && (sign === "+" || sign === " ") && !body.startsWith("-")) body = sign + body;
  const pad = Number(width ?? 0) - body.length;
  if (pad <= 0) return body;
  const side = align ?? (zero === undefined ? (numeric ? ">" : "<") : "=");
  const filler = zero !== undefined && align === undefined ? "0" : fill;
  if (side === "<") return body + filler.repeat(pad);
  if (side === ">") return filler.repeat(pad) + body;
  if (side === "^") return filler.repeat(Math.floor(pad / 2)) + body + filler.repeat(Math.ceil(pad / 2));
  const signed = /^[+\- ]/.test(body) ? 1 : 0;
  return body.slice(0, signed) + filler.repeat(pad) + body.slice(signed);
}

/** `text % values` */
export function percent(text: string, values: readonly unknown[]): string {
  let next = 0;
  return text.replace(
    /%([-+0# ]*)(\d+)?(?:\.(\d+))?([sdifgerxc%])/g,
    (_, flags: string, width, digits, type: string) => {
      if (type === "%") return "%";
      if (next >= values.length) throw new PythonError("TypeError", "not enough arguments for format string");
      const value = values[next++];
      const precision = typeof digits === "string" ? `.${digits}` : "";
      const size = typeof width === "string" ? width : "";
      const align = flags.includes("-") ? "<" : "";
      const sign = flags.includes("+") ? "+" : "";
      const zero = flags.includes("0") && align === "" ? "0" : "";
      if (type === "s" || type === "r") {
        return format(
          type === "s" ? str(value) : repr(value),
          `${align === "" && size !== "" ? ">" : align}${size}${precision}`,
        );
      }
      const kind = type === "i" ? "d" : type;
      const number = kind === "d" && typeof value === "number" ? BigInt(Math.trunc(value)) : value;
      return format(number, `${align}${sign}${zero}${size}${precision}${kind}`);
    },
  );
}

/** `text.format(...)`: `resolve` gives the value of a replacement field. */
export function formatFields(text: string, resolve: (field: string, index: number) => unknown): string {
  let automatic = 0;
  return text.replace(
    /\{\{|\}\}|\{([^{}:!]*)(?:!([rsa]))?(?::([^{}]*))?\}/g,
    (whole, field: string | undefined, conversion, spec) => {
      if (whole === "{{" || whole === "}}") return whole.charAt(0);
      const name = field ?? "";
      const value = resolve(name, name === "" ? automatic++ : -1);
      const converted = conversion === "r" ? repr(value) : conversion === "s" ? str(value) : value;
      return format(converted, typeof spec === "string" ? spec : "");
    },
  );
}
