/**
 * Signatures of operators as data: names, kinds and defaults of arguments, in PyTorch's order. They bind what a caller passes
 * (positions, then one trailing options object for keywords), and other front ends read them.
 */
import { ArgumentTypeError } from "../base/errors.ts";
import type { Scalar } from "../base/promote.ts";
import { Complex } from "../base/complex-number.ts";
import { DType } from "../base/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";

export interface Parameter {
  readonly name: string;
  /** `Tensor`, `Scalar`, `int`, `float`, `bool`, `str`, `dtype`, `any`, unions as `Tensor|Scalar`, lists as `int[]`. */
  readonly type: string;
  /** Whether null is allowed (`?`). */
  readonly nullable: boolean;
  readonly hasDefault: boolean;
  readonly default: unknown;
  readonly keywordOnly: boolean;
}

/**
 * A number that is a float even where its value is integral: in Python `2.0` and `2` promote differently, in JavaScript they
 * are the same. `x.add(torch.pyfloat(2))` of an integer tensor `x` is a float tensor.
 */
export class PyFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }

  valueOf(): number {
    return this.value;
  }
}

/** Marks a number as a Python float. See {@link PyFloat}. */
export function pyfloat(value: number): PyFloat {
  return new PyFloat(value);
}

/** What an operator takes as a number. */
export type ScalarLike = Scalar | PyFloat;

/** @internal Names that PyTorch takes for the same argument. */
const synonyms: Readonly<Record<string, readonly string[]>> = {
  dim: ["axis", "dims"],
  dims: ["dim", "axis"],
  axis: ["dim"],
  keepdim: ["keepdims"],
  input: ["self", "x", "a"],
  other: ["x2", "b"],
};

function parseDefault(text: string): unknown {
  switch (text) {
    case "None":
      return null;
    case "True":
      return true;
    case "False":
      return false;
    case "[]":
      return [];
  }
  if (/^['"].*['"]$/.test(text)) return text.slice(1, -1);
  const n = Number(text);
  if (Number.isNaN(n)) throw new Error(`signature: default '${text}'`);
  return n;
}

/** Whether `x` is an object literal, as keyword arguments are. */
export function isOptions(x: unknown): x is Record<string, unknown> {
  if (typeof x !== "object" || x === null) return false;
  const proto: unknown = Object.getPrototypeOf(x);
  return proto === Object.prototype || proto === null;
}

/** A value as a parameter sees it, or undefined where it does not fit. */
type Converter = (value: unknown) => unknown;

export class Signature {
  readonly name: string;
  readonly params: readonly Parameter[];
  readonly #converters: readonly Converter[];
  readonly text: string;
  readonly #byName: Map<string, number> = new Map();
  readonly #positional: number;
  /** The parameter that takes any number of trailing numbers (`x.view(2, 3)`) or tensors, or -1. */
  readonly variadic: number;
  /** The defaults of all parameters after the first, if that is a tensor and they all have one. */
  readonly defaults: readonly unknown[] | null;

  constructor(text: string) {
    const open = text.indexOf("(");
    this.text = text;
    this.name = text.slice(0, open);
    const params: Parameter[] = [];
    let keywordOnly = false;
    let variadic = -1;
    const inside = text.slice(open + 1, text.lastIndexOf(")"));
    for (const part of inside.split(/,\s*/)) {
      if (part === "") continue;
      if (part === "*") {
        keywordOnly = true;
        continue;
      }
      const m = /^(\S+?)(\.\.\.)?(\?)?\s+(\w+)(?:=(.*))?$/.exec(part);
      if (m === null) throw new Error(`signature of ${this.name}: '${part}'`);
      if (m[2] !== undefined) variadic = params.length;
      params.push({
        name: m[4] as string,
        type: m[1] as string,
        nullable: m[3] !== undefined || m[5] === "None",
        hasDefault: m[5] !== undefined,
        default: m[5] === undefined ? undefined : parseDefault(m[5]),
        keywordOnly,
      });
    }
    this.params = params;
    this.#converters = params.map(converterOf);
    this.variadic = variadic;
    const others = params.slice(1);
    this.defaults =
      params[0]?.type === "Tensor" && others.every((p) => p.hasDefault || p.nullable)
        ? others.map((p) => (p.hasDefault ? p.default : null))
        : null;
    this.#positional = params.filter((p) => !p.keywordOnly).length;
    params.forEach((p, i) => this.#byName.set(p.name, i));
    params.forEach((p, i) => {
      for (const s of synonyms[p.name] ?? []) if (!this.#byName.has(s)) this.#byName.set(s, i);
    });
  }

  /**
   * The values of all parameters in order, from positional arguments and a trailing options object. `extra` collects keywords
   * of the families (`out`); others that are unknown throw Python's TypeError.
   */
  bind(args: readonly unknown[], extra: Record<string, unknown>): unknown[] {
    let n = args.length;
    while (n > 0 && args[n - 1] === undefined) n--;
    let options: Record<string, unknown> | null = null;
    if (n > 0 && isOptions(args[n - 1])) options = args[--n] as Record<string, unknown>;
    const count = this.params.length;
    const values: unknown[] = [];
    const v = this.variadic;
    if (v >= 0 && n > v && !Array.isArray(args[v]) && args[v] !== null) {
      for (let i = 0; i < count; i++) values.push(i < v ? args[i] : i === v ? args.slice(v, n) : undefined);
    } else {
      if (n > this.#positional) {
        throw new ArgumentTypeError(
          `${this.name}() takes ${this.#positional} positional argument${this.#positional === 1 ? "" : "s"} but ${n} were given; expected ${this.text}`,
        );
      }
      for (let i = 0; i < count; i++) values.push(i < n ? args[i] : undefined);
    }
    if (options !== null) {
      for (const key of Object.keys(options)) {
        const value = options[key];
        if (value === undefined) continue;
        const at = this.#byName.get(key);
        if (at === undefined) {
          if (key !== "out") {
            throw new ArgumentTypeError(
              `${this.name}() got an unexpected keyword argument '${key}'; expected ${this.text}`,
            );
          }
          extra[key] = value;
          continue;
        }
        if (values[at] !== undefined) {
          throw new ArgumentTypeError(`${this.name}() got multiple values for argument '${key}'`);
        }
        values[at] = value;
      }
    }
    for (let i = 0; i < count; i++) {
      const value = values[i];
      if (value === undefined) values[i] = this.#defaultOf(this.params[i] as Parameter);
      else {
        const converted = (this.#converters[i] as Converter)(value);
        if (converted === undefined) this.#refuse(i, value);
        values[i] = converted;
      }
    }
    return values;
  }

  #defaultOf(p: Parameter): unknown {
    if (p.hasDefault) return p.default;
    if (p.nullable) return null;
    throw new ArgumentTypeError(
      `${this.name}() missing 1 required positional argument: '${p.name}'; expected ${this.text}`,
    );
  }

  #refuse(i: number, value: unknown): never {
    const p = this.params[i] as Parameter;
    throw new ArgumentTypeError(
      `${this.name}(): argument '${p.name}' (position ${i + 1}) must be ${pythonNames(p.type)}, not ${pythonTypeOf(value)}`,
    );
  }
}

function converterOf(p: Parameter): Converter {
  const { nullable } = p;
  const [only, ...others] = p.type.split("|").map(converters);
  const first = only as Converter;
  if (others.length === 0) {
    return nullable ? (value) => (value === null ? null : first(value)) : (v) => (v === null ? undefined : first(v));
  }
  return (value) => {
    if (value === null) return nullable ? null : undefined;
    const converted = first(value);
    if (converted !== undefined) return converted;
    for (const other of others) {
      const result = other(value);
      if (result !== undefined) return result;
    }
    return undefined;
  };
}

const isScalar = (x: unknown): x is ScalarLike =>
  typeof x === "number" ||
  typeof x === "bigint" ||
  typeof x === "boolean" ||
  x instanceof PyFloat ||
  x instanceof Complex;

/** What brings a value to a type. */
function converters(type: string): Converter {
  if (type.endsWith("[]")) {
    const item = type.slice(0, -2);
    const convert = converters(item);
    return (value) => {
      if (item === "int" && typeof value === "number") return [convertInt(value)];
      if (!Array.isArray(value)) return undefined;
      const out: unknown[] = [];
      for (let i = 0; i < value.length; i++) {
        const converted = convert(value[i]);
        if (converted === undefined) return undefined;
        out.push(converted);
      }
      return out;
    };
  }
  switch (type) {
    case "any":
      return (value) => value;
    case "Tensor":
      return (value) => (value instanceof Tensor ? value : undefined);
    case "Tensor?":
      return (value) => (value === null || value instanceof Tensor ? value : undefined);
    case "Scalar":
      return (value) => (isScalar(value) ? value : undefined);
    case "int":
      return convertInt;
    case "float":
      return (value) => {
        if (typeof value === "number") return value;
        if (value instanceof PyFloat) return value.value;
        if (value instanceof Tensor && value._numel === 1) return Number(value.item());
        return typeof value === "bigint" || typeof value === "boolean" ? Number(value) : undefined;
      };
    case "bool":
      return (value) => (typeof value === "boolean" ? value : typeof value === "number" ? value !== 0 : undefined);
    case "str":
      return (value) => (typeof value === "string" ? value : undefined);
    case "dtype":
      return (value) => (value instanceof DType ? value : undefined);
  }
  throw new Error(`signature: unknown type '${type}'`);
}

function convertInt(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isInteger(value) ? value : undefined;
  if (typeof value === "bigint") return Number(value);
  if (typeof value === "boolean") return Number(value);
  if (value instanceof Tensor && value._numel === 1 && value.dtype.category < 2) return Number(value.item());
  return undefined;
}

function pythonNames(type: string): string {
  const names: Record<string, string> = {
    "int[]": "tuple of ints",
    "Tensor[]": "tuple of Tensors",
    Scalar: "Number",
    dtype: "torch.dtype",
  };
  return type
    .split("|")
    .map((t) => names[t] ?? t)
    .join(" or ");
}

/** The name of the Python type a value corresponds to, as messages use it. */
export function pythonTypeOf(value: unknown): string {
  if (value === null || value === undefined) return "NoneType";
  if (value instanceof Tensor) return "Tensor";
  if (value instanceof PyFloat) return "float";
  if (value instanceof Complex) return "complex";
  if (Array.isArray(value)) return "list";
  switch (typeof value) {
    case "number":
      return Number.isInteger(value) ? "int" : "float";
    case "bigint":
      return "int";
    case "boolean":
      return "bool";
    case "string":
      return "str";
    case "function":
      return "function";
    default:
      return value.constructor?.name ?? "object";
  }
}
