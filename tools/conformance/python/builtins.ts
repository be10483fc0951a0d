/** Python's built-in functions, and the methods of its strings, lists, tuples and dicts. */

import type { Bridge } from "./bridge.ts";
import { describe, isClass, isObject, isRecord } from "./bridge.ts";
import { asComplex } from "./complex.ts";
import { format, formatFields } from "./format.ts";
import { binary, equal, order, truth, unary } from "./operators.ts";
import {
  type Args,
  Builtin,
  Missing,
  PyComplex,
  PyDict,
  PyFunction,
  PySet,
  PySlice,
  PyTuple,
  PyType,
  PythonError,
  isNumber,
  repr,
  str,
} from "./values.ts";

/** Calls any callable value. */
export type Apply = (callee: unknown, args: Args) => unknown;

export const noKeywords: ReadonlyMap<string, unknown> = new Map();

function toInt(value: unknown): bigint {
  if (typeof value === "bigint") return value;
  if (typeof value === "boolean") return BigInt(value);
  if (typeof value === "number") return BigInt(Math.trunc(value));
  if (typeof value === "string") return BigInt(value.trim());
  throw new PythonError("TypeError", `int() argument must be a string or a number, not '${describe(value)}'`);
}

function toFloat(value: unknown): number {
  if (isNumber(value) && !(value instanceof PyComplex)) return Number(value);
  if (typeof value === "string") {
    const text = value.trim().toLowerCase();
    const special: Readonly<Record<string, number>> = { nan: Number.NaN, inf: Infinity, "-inf": -Infinity };
    return special[text] ?? special[text.replace("infinity", "inf")] ?? Number(text);
  }
  throw new PythonError("TypeError", `float() argument must be a string or a number, not '${describe(value)}'`);
}

/** The number in a one-element tensor; any other value as it is. */
function plain(bridge: Bridge, value: unknown): unknown {
  if (!bridge.isTensor(value)) return value;
  const dtype: unknown = Reflect.get(value, "dtype");
  const floating = isObject(dtype) && Reflect.get(dtype, "is_floating_point") === true;
  return bridge.fromJs(bridge.method(value, "item", []), "tuple", floating);
}

/** `format(value, spec)`: a 0-d tensor formats as its number. */
export function formatValue(bridge: Bridge, value: unknown, spec: string): string {
  const scalar = bridge.isTensor(value) && (Reflect.get(value, "shape") as unknown[]).length === 0;
  return format(scalar ? plain(bridge, value) : value, spec);
}

function typeName(bridge: Bridge, value: unknown): string {
  if (value === null || value === undefined) return "NoneType";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "bigint") return "int";
  if (typeof value === "number") return "float";
  if (typeof value === "string") return "str";
  if (value instanceof PyComplex) return "complex";
  if (value instanceof PyTuple) return value.type === "size" ? "torch.Size" : "tuple";
  if (Array.isArray(value)) return "list";
  if (value instanceof PyDict || isRecord(value)) return "dict";
  if (value instanceof PySet) return "set";
  if (value instanceof PyFunction) return "function";
  if (bridge.isTensor(value) || bridge.isModule(value)) return describe(value);
  if (isObject(value) && "next_functions" in value) return String(bridge.method(value, "name", []));
  return describe(value);
}

function isInstance(bridge: Bridge, value: unknown, type: unknown): boolean {
  if (type instanceof PyTuple) return type.items.some((t) => isInstance(bridge, value, t));
  if (type instanceof PyType) return typeName(bridge, value) === type.name || (type.name === "int" && value === true);
  return isClass(type) && isObject(value) && value instanceof type;
}

function length(bridge: Bridge, value: unknown): bigint {
  if (bridge.isTensor(value)) return BigInt((Reflect.get(value, "shape") as number[])[0] ?? 0);
  if (isObject(value) && typeof Reflect.get(value, "length") === "number" && bridge.isModule(value)) {
    return BigInt(bridge.iterate(value).length);
  }
  return BigInt(bridge.iterate(value).length);
}

function range(args: readonly unknown[]): bigint[] {
  const [a = 0n, b, c = 1n] = args.map(toInt);
  const [start, stop, step] = b === undefined ? [0n, a, 1n] : [a, b, c];
  const out: bigint[] = [];
  for (let i = start; step > 0n ? i < stop : i > stop; i += step) out.push(i);
  return out;
}

function extreme(bridge: Bridge, args: readonly unknown[], sign: number): unknown {
  const items = args.length === 1 ? bridge.iterate(args[0]) : args;
  return items.reduce((best, item) => (order(item, best) * sign > 0 ? item : best));
}

const exceptionNames: readonly string[] = (
  "Exception RuntimeError ValueError TypeError IndexError KeyError AttributeError NotImplementedError " +
  "ZeroDivisionError AssertionError StopIteration"
).split(" ");

/** A part of a complex number as its constructor takes it: any number, or text. */
function complexPart(value: unknown): PyComplex {
  return asComplex(isNumber(value) ? value : toFloat(value));
}

/** The names that every program sees. */
export function builtins(bridge: Bridge, apply: Apply): Map<string, unknown> {
  const call = (callee: unknown, ...positional: unknown[]): unknown =>
    apply(callee, { positional, keywords: noKeywords });
  const table = new Map<string, unknown>();
  const define = (
    name: string,
    body: (args: readonly unknown[], keywords: ReadonlyMap<string, unknown>) => unknown,
  ): void => {
    table.set(name, new Builtin(name, ({ positional, keywords }) => body(positional, keywords)));
  };
  const type = (
    name: string,
    make: (args: readonly unknown[], keywords: ReadonlyMap<string, unknown>) => unknown,
  ): void => {
    table.set(name, new PyType(name, ({ positional, keywords }) => make(positional, keywords)));
  };

  type("int", ([x = 0n]) => toInt(plain(bridge, x)));
  type("float", ([x = 0]) => toFloat(plain(bridge, x)));
  type("bool", ([x = false]) => truth(bridge, x));
  type("str", ([x = ""]) => str(x));
  type("complex", ([re = 0, im = 0]) => {
    const [a, b] = [complexPart(re), complexPart(im)];
    return new PyComplex(a.re - b.im, a.im + b.re);
  });
  type("list", ([x]) => (x === undefined ? [] : [...bridge.iterate(x)]));
  type("tuple", ([x]) => new PyTuple(x === undefined ? [] : bridge.iterate(x)));
  type("set", ([x]) => new PySet(x === undefined ? [] : bridge.iterate(x)));
  type("dict", ([x], keywords) => {
    const dict = x === undefined ? new PyDict() : toDict(bridge, x);
    for (const [name, value] of keywords) dict.set(name, value);
    return dict;
  });
  type("slice", (args) => {
    const [a = null, b, c = null] = args;
    return b === undefined ? new PySlice(null, a, null) : new PySlice(a, b, c);
  });
  type("object", () => ({}));
  for (const name of exceptionNames) type(name, ([message = ""]) => new PythonError(name, str(message)));

  define("len", ([x]) => length(bridge, x));
  define("range", range);
  define("repr", ([x]) => repr(x));
  define("format", ([x, spec = ""]) => formatValue(bridge, x, str(spec)));
  define("print", () => null);
  define("abs", ([x]) => {
    if (bridge.isTensor(x)) return bridge.fromJs(bridge.method(x, "abs", []));
    if (x instanceof PyComplex) return Math.hypot(x.re, x.im);
    return order(x, 0n) < 0 ? unary(bridge, "-", x) : x;
  });
  define("min", (args) => extreme(bridge, args, -1));
  define("max", (args) => extreme(bridge, args, 1));
  define("sum", ([x, start = 0n]) => bridge.iterate(x).reduce((a, b) => binary(bridge, "+", a, b), start));
  define("sorted", ([x], keywords) => {
    const key = keywords.get("key");
    const keyed = bridge.iterate(x).map((item) => [key === undefined ? item : call(key, item), item] as const);
    keyed.sort(([a], [b]) => order(a, b));
    return (keywords.get("reverse") === true ? keyed.toReversed() : keyed).map(([, item]) => item);
  });
  define("reversed", ([x]) => bridge.iterate(x).toReversed());
  define("enumerate", ([x, start = 0n]) =>
    bridge.iterate(x).map((item, i) => new PyTuple([BigInt(i) + toInt(start), item])),
  );
  define("zip", (args) => {
    const lists = args.map((x) => bridge.iterate(x));
    const count = Math.min(...lists.map((list) => list.length));
    return Array.from({ length: lists.length === 0 ? 0 : count }, (_, i) => new PyTuple(lists.map((list) => list[i])));
  });
  define("map", ([f, x]) => bridge.iterate(x).map((item) => call(f, item)));
  define("filter", ([f, x]) => bridge.iterate(x).filter((item) => truth(bridge, f === null ? item : call(f, item))));
  define("any", ([x]) => bridge.iterate(x).some((item) => truth(bridge, item)));
  define("all", ([x]) => bridge.iterate(x).every((item) => truth(bridge, item)));
  define("isinstance", ([x, t]) => isInstance(bridge, x, t));
  define("callable", ([x]) => typeof x === "function" || x instanceof PyFunction || x instanceof PyType);
  define("type", ([x]) => {
    if (isObject(x) && (bridge.isTensor(x) || bridge.isModule(x))) return Reflect.get(x, "constructor");
    return new PyType(typeName(bridge, x));
  });
  define("getattr", ([x, name, fallback]) => {
    try {
      return getAttribute(bridge, x, str(name));
    } catch (error) {
      if (fallback !== undefined && (error instanceof Missing || (error as Error).name === "AttributeError"))
        return fallback;
      throw error;
    }
  });
  define("hasattr", ([x, name]) => isObject(x) && Reflect.get(x, str(name)) !== undefined);
  define("setattr", ([x, name, value]) => {
    setAttribute(bridge, x, str(name), value);
    return null;
  });
  define("round", ([x, digits]) => {
    if (bridge.isTensor(x)) return bridge.fromJs(bridge.method(x, "round", []));
    const rounded = Number(format(toFloat(x), `.${String(digits ?? 0n)}f`));
    return digits === undefined || digits === null || typeof x === "bigint" ? BigInt(rounded) : rounded;
  });
  define("id", ([x]) => x);
  define("iter", ([x]) => bridge.iterate(x));
  return table;
}

/** `dict(value)` of a dict, a record of the library or pairs. */
function toDict(bridge: Bridge, value: unknown): PyDict {
  if (value instanceof PyDict) return new PyDict([...value.entries.values()].map((e) => [e.key, e.value] as const));
  if (isRecord(value)) return new PyDict(Object.entries(value).map(([k, v]) => [k, bridge.fromJs(v, "list")] as const));
  return new PyDict(
    bridge.iterate(value).map((pair) => {
      const [key, item] = bridge.iterate(pair);
      return [key, item] as const;
    }),
  );
}

export function setAttribute(bridge: Bridge, object: unknown, name: string, value: unknown): void {
  if (!isObject(object) || !Reflect.set(object, name, bridge.toJs(value))) {
    throw new PythonError("AttributeError", `'${describe(object)}' object has no attribute '${name}'`);
  }
}

type Method = (args: readonly unknown[], keywords: ReadonlyMap<string, unknown>) => unknown;

function stringMethods(bridge: Bridge, text: string): Record<string, Method> {
  return {
    format: (args, keywords) =>
      formatFields(text, (field, index) => {
        const value = field === "" ? args[index] : /^\d+$/.test(field) ? args[Number(field)] : keywords.get(field);
        return bridge.isTensor(value) && (Reflect.get(value, "shape") as unknown[]).length === 0
          ? plain(bridge, value)
          : value;
      }),
    join: ([items]) => bridge.iterate(items).map(str).join(text),
    split: ([separator]) =>
      separator === undefined ? text.split(/\s+/).filter((s) => s !== "") : text.split(str(separator)),
    strip: () => text.trim(),
    lower: () => text.toLowerCase(),
    upper: () => text.toUpperCase(),
    replace: ([from, to]) => text.replaceAll(str(from), str(to)),
    startswith: ([prefix]) => text.startsWith(str(prefix)),
    endswith: ([suffix]) => text.endsWith(str(suffix)),
  };
}

function listMethods(bridge: Bridge, list: unknown[]): Record<string, Method> {
  return {
    append: ([x]) => (list.push(x), null),
    extend: ([x]) => (list.push(...bridge.iterate(x)), null),
    pop: ([i = -1n]) => list.splice(Number(i) < 0 ? list.length + Number(i) : Number(i), 1)[0],
    insert: ([i, x]) => (list.splice(Number(i), 0, x), null),
    copy: () => [...list],
    ...sequenceMethods(list),
  };
}

function sequenceMethods(items: readonly unknown[]): Record<string, Method> {
  return {
    index: ([x]) => BigInt(items.findIndex((item) => equal(item, x))),
    count: ([x]) => BigInt(items.filter((item) => equal(item, x)).length),
    numel: () => items.reduce((n: bigint, item) => n * toInt(item), 1n),
  };
}

function dictMethods(bridge: Bridge, dict: PyDict): Record<string, Method> {
  return {
    keys: () => dict.keys(),
    values: () => dict.values(),
    items: () => dict.keys().map((key) => new PyTuple([key, dict.get(key)])),
    get: ([key, fallback = null]) => (dict.has(key) ? dict.get(key) : fallback),
    update: ([other]) => {
      const more = toDict(bridge, other);
      for (const key of more.keys()) dict.set(key, more.get(key));
      return null;
    },
  };
}

/** The methods of a Python value, by name; null for the library's own objects. */
function methodsOf(bridge: Bridge, object: unknown): Record<string, Method> | null {
  if (typeof object === "string") return stringMethods(bridge, object);
  if (Array.isArray(object)) return listMethods(bridge, object);
  if (object instanceof PyTuple) return sequenceMethods(object.items);
  if (object instanceof PyDict) return dictMethods(bridge, object);
  if (isRecord(object) && object !== bridge.torch) return dictMethods(bridge, toDict(bridge, object));
  return null;
}

/** `object.name` */
export function getAttribute(bridge: Bridge, object: unknown, name: string): unknown {
  const nothing = (): never => {
    throw new PythonError("AttributeError", `'${typeName(bridge, object)}' object has no attribute '${name}'`);
  };
  if (isObject(object) && isRecord(object) && Object.hasOwn(object, name)) return bridge.attribute(object, name);
  const method = methodsOf(bridge, object)?.[name];
  if (method) return new PyFunction(name, ({ positional, keywords }) => method(positional, keywords));
  if (object instanceof PyTuple) return object.origin === null ? nothing() : bridge.attribute(object.origin, name);
  if (object instanceof PyComplex) return name === "real" ? object.re : name === "imag" ? object.im : nothing();
  if (object instanceof PySlice) {
    return name === "start" ? object.start : name === "stop" ? object.stop : name === "step" ? object.step : nothing();
  }
  if (object instanceof PyType || object instanceof PyFunction) return name === "__name__" ? object.name : nothing();
  if (object instanceof PythonError) return name === "args" ? new PyTuple([object.message]) : nothing();
  if (isObject(object) && !Array.isArray(object)) return bridge.attribute(object, name);
  return nothing();
}
