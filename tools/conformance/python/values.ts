/**
 * How Python values are held while a program is evaluated.
 *
 * | Python | here |
 * |---|---|
 * | None, bool, str | null, boolean, string |
 * | int | bigint |
 * | float | number |
 * | complex | {@link PyComplex} |
 * | list | Array |
 * | tuple, torch.Size, namedtuple | {@link PyTuple} |
 * | dict | Map, keyed by {@link hashKey} |
 * | set | {@link PySet} |
 * | function | {@link PyFunction}, {@link Builtin} or a JavaScript function of the library |
 *
 * Ints are BigInts so that `2` and `2.0` stay distinct. Everything else (tensors, modules, dtypes) is the library's own object.
 */

/** An exception that the evaluated program raises, by the name of its Python class. */
export class PythonError extends Error {
  override name: string;

  constructor(type: string, message: string) {
    super(message);
    this.name = type;
  }
}

/** Something that the program asks of the library is not there. */
export class Missing extends Error {
  override name = "Missing";
}

export class PyComplex {
  readonly re: number;
  readonly im: number;

  constructor(re: number, im: number) {
    this.re = re;
    this.im = im;
  }
}

/** A tuple; `type` tells torch.Size and named tuples apart, `names` are the latter's fields, `origin` the library's own object. */
export class PyTuple {
  readonly items: readonly unknown[];
  readonly type: "tuple" | "size" | "named";
  readonly origin: object | null;

  constructor(items: readonly unknown[], type: "tuple" | "size" | "named" = "tuple", origin: object | null = null) {
    this.items = items;
    this.type = type;
    this.origin = origin;
  }
}

export class PySlice {
  readonly start: unknown;
  readonly stop: unknown;
  readonly step: unknown;

  constructor(start: unknown, stop: unknown, step: unknown) {
    this.start = start;
    this.stop = stop;
    this.step = step;
  }
}

/** `...` */
export const ellipsis: unique symbol = Symbol("Ellipsis");

export class PySet {
  readonly items: unknown[];

  constructor(items: readonly unknown[]) {
    this.items = [];
    for (const item of items) if (!this.items.some((seen) => same(seen, item))) this.items.push(item);
  }
}

/** A Python dict: insertion-ordered entries under a key that makes equal keys equal. */
export class PyDict {
  readonly entries: Map<unknown, { readonly key: unknown; value: unknown }> = new Map();

  constructor(entries: Iterable<readonly [unknown, unknown]> = []) {
    for (const [key, value] of entries) this.set(key, value);
  }

  get(key: unknown): unknown {
    return this.entries.get(hashKey(key))?.value;
  }

  has(key: unknown): boolean {
    return this.entries.has(hashKey(key));
  }

  set(key: unknown, value: unknown): void {
    this.entries.set(hashKey(key), { key, value });
  }

  keys(): unknown[] {
    return [...this.entries.values()].map((entry) => entry.key);
  }

  values(): unknown[] {
    return [...this.entries.values()].map((entry) => entry.value);
  }
}

/** Ints and floats of equal value are the same key; tuples are keyed by their items. */
function hashKey(key: unknown): unknown {
  if (typeof key === "bigint") return Number.isSafeInteger(Number(key)) ? Number(key) : key;
  if (key instanceof PyTuple) return `(${key.items.map((item) => String(hashKey(item))).join(",")})`;
  return key;
}

/** The arguments of a call, bound to no parameters yet. */
export interface Args {
  readonly positional: readonly unknown[];
  readonly keywords: ReadonlyMap<string, unknown>;
}

/** A function made by `lambda` or `def`. */
export class PyFunction {
  readonly name: string;
  readonly call: (args: Args) => unknown;

  constructor(name: string, call: (args: Args) => unknown) {
    this.name = name;
    this.call = call;
  }
}

/** A function of Python's own, such as `len`. */
export class Builtin extends PyFunction {}

/** A Python type as a value: what `type(x)` gives and `isinstance` takes. */
export class PyType {
  readonly name: string;
  readonly make: ((args: Args) => unknown) | null;

  constructor(name: string, make: ((args: Args) => unknown) | null = null) {
    this.name = name;
    this.make = make;
  }
}

export function isNumber(value: unknown): value is bigint | number | boolean | PyComplex {
  return (
    typeof value === "bigint" || typeof value === "number" || typeof value === "boolean" || value instanceof PyComplex
  );
}

/** `a is b`, as far as it can be told apart. */
export function same(a: unknown, b: unknown): boolean {
  return Object.is(a, b);
}

/** `repr()` of a float. */
export function floatRepr(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude >= 1e16 || magnitude < 1e-4)) {
    const [mantissa = "", exponent = ""] = value.toExponential().split("e");
    const digits = exponent.slice(1).padStart(2, "0");
    return `${mantissa}e${exponent[0] ?? "+"}${digits}`;
  }
  const text = String(value);
  return text.includes(".") || text.includes("e") ? text : `${text}.0`;
}

function stringRepr(value: string): string {
  const quote = value.includes("'") && !value.includes('"') ? '"' : "'";
  const body = value
    .replaceAll("\\", "\\\\")
    .replaceAll("\n", "\\n")
    .replaceAll("\t", "\\t")
    .replaceAll("\r", "\\r")
    .replaceAll(quote, `\\${quote}`);
  return quote + body + quote;
}

/** A part of a complex number: an integral one without its ".0". */
function part(value: number): string {
  return floatRepr(value).replace(/\.0$/, "");
}

function complexRepr(value: PyComplex): string {
  if (value.re === 0 && !Object.is(value.re, -0)) return `${part(value.im)}j`;
  const im = part(value.im);
  return `(${part(value.re)}${im.startsWith("-") ? "" : "+"}${im}j)`;
}

/** What the library's own `String(...)` says of an array-like, unless it is JavaScript's default. */
function ownText(origin: object | null): string | null {
  if (origin === null || origin.toString === Array.prototype.toString) return null;
  if (
    Array.isArray(origin) &&
    !Object.hasOwn(origin, "toString") &&
    Object.getPrototypeOf(origin) === Array.prototype
  ) {
    return null;
  }
  return String(origin);
}

/** `repr(value)`; the library's objects answer for themselves through `String(...)`. */
export function repr(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return floatRepr(value);
  if (typeof value === "string") return stringRepr(value);
  if (value === ellipsis) return "Ellipsis";
  if (value instanceof PyComplex) return complexRepr(value);
  if (value instanceof PyTuple) {
    const text = ownText(value.origin);
    if (text !== null) return text;
    const items = value.items.map(repr);
    if (value.type === "size") return `torch.Size([${items.join(", ")}])`;
    return items.length === 1 ? `(${items.join("")},)` : `(${items.join(", ")})`;
  }
  if (Array.isArray(value)) return `[${value.map(repr).join(", ")}]`;
  if (value instanceof PyDict) {
    return `{${[...value.entries.values()].map((entry) => `${repr(entry.key)}: ${repr(entry.value)}`).join(", ")}}`;
  }
  if (value instanceof PySet) return value.items.length === 0 ? "set()" : `{${value.items.map(repr).join(", ")}}`;
  if (value instanceof PySlice) return `slice(${repr(value.start)}, ${repr(value.stop)}, ${repr(value.step)})`;
  if (value instanceof PyType) return `<class '${value.name}'>`;
  if (value instanceof PyFunction) return `<function ${value.name}>`;
  return String(value);
}

/** `str(value)` */
export function str(value: unknown): string {
  return typeof value === "string" ? value : repr(value);
}
