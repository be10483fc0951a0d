/**
 * The border between evaluated Python and the library under test: values cross it in both directions, and calls follow the
 * library's convention (positional arguments, then one options object for the keywords).
 */

import { fromComplex, isComplexLike, toComplex } from "./complex.ts";
import {
  type Args,
  Missing,
  PyComplex,
  PyDict,
  PyFunction,
  PySet,
  PySlice,
  PyTuple,
  PyType,
  PythonError,
  ellipsis,
} from "./values.ts";

/** The library: whatever `import * as torch` gives. */
export type Namespace = Readonly<Record<string, unknown>>;

type Callable = (...args: unknown[]) => unknown;

/** Creation from data follows JavaScript's types there (BigInt is int64, a number float32), so ints become BigInts. */
const dataFunctions: readonly string[] = ["tensor", "as_tensor", "asarray"];

/** A type of Python's as a dtype: `dtype=float`. */
const typeDTypes: Readonly<Record<string, string>> = {
  bool: "bool",
  int: "int64",
  float: "float64",
  complex: "complex128",
};

export function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

/** A plain record, as the library uses for options and state. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || (prototype === null && !(Symbol.toStringTag in value));
}

const classes = new WeakMap<object, boolean>();

export function isClass(value: unknown): value is new (...args: unknown[]) => object {
  if (typeof value !== "function") return false;
  let known = classes.get(value);
  if (known === undefined) {
    known = /^class\b/.test(Function.prototype.toString.call(value));
    classes.set(value, known);
  }
  return known;
}

/** What a message calls an object. */
export function describe(value: unknown): string {
  if (!isObject(value)) return typeof value;
  if (isClass(value)) return value.name;
  if (Reflect.get(value, Symbol.toStringTag) === "Module") return "torch";
  const name: unknown = Reflect.get(Reflect.get(value, "constructor") ?? {}, "name");
  return typeof name === "string" && name !== "" && name !== "Object" ? name : "namespace";
}

/** Arguments for a class that Python code defined: they reach its `__init__` as they are. */
export class DirectArgs {
  readonly args: Args;

  constructor(args: Args) {
    this.args = args;
  }
}

/** The classes that Python code defined. */
export const pythonClasses: WeakSet<object> = new WeakSet();

export class Bridge {
  readonly torch: Namespace;
  readonly #tensorClass: unknown;
  readonly #moduleClass: unknown;
  readonly #pyfloat: unknown;
  readonly #dataFunctions: ReadonlySet<unknown>;

  constructor(torch: Namespace) {
    this.torch = torch;
    this.#tensorClass = torch["Tensor"];
    const nn = torch["nn"];
    this.#moduleClass = isObject(nn) ? Reflect.get(nn, "Module") : undefined;
    this.#pyfloat = torch["pyfloat"];
    this.#dataFunctions = new Set(dataFunctions.map((name) => torch[name]).filter((f) => f !== undefined));
  }

  isTensor(value: unknown): value is object {
    return isObject(value) && typeof this.#tensorClass === "function" && value instanceof this.#tensorClass;
  }

  isModule(value: unknown): value is object {
    return isObject(value) && typeof this.#moduleClass === "function" && value instanceof this.#moduleClass;
  }

  /** The library's own object for a dotted name below `torch`; throws {@link Missing}. */
  resolve(path: string): unknown {
    let value: unknown = this.torch;
    for (const name of path.split(".").slice(1)) {
      if (isObject(value) && Reflect.get(value, name) !== undefined) value = Reflect.get(value, name);
      else throw new Missing(`${path} does not exist`);
    }
    return value;
  }

  /** A Python value as the library takes it. `data`: an element of a tensor to be made, rather than an argument. */
  toJs(value: unknown, data = false): unknown {
    switch (typeof value) {
      case "bigint":
        return data || !Number.isSafeInteger(Number(value)) ? value : Number(value);
      case "number":
        return !data && Number.isInteger(value) && typeof this.#pyfloat === "function"
          ? Reflect.apply(this.#pyfloat, undefined, [value])
          : value;
      case "object":
        break;
      default:
        return value === ellipsis ? "..." : value;
    }
    if (value === null) return null;
    if (Array.isArray(value)) return this.#sequence(value, data);
    if (value instanceof PyTuple) return value.origin ?? this.#sequence(value.items, data);
    if (value instanceof PyComplex) return toComplex(this.torch, value);
    if (value instanceof PyDict) {
      const keys = value.keys();
      const plain = keys.every((key) => typeof key === "string" || typeof key === "bigint");
      const entries = [...value.entries.values()].map((e) => [this.toJs(e.key), this.toJs(e.value)] as const);
      return plain ? Object.fromEntries(entries.map(([k, v]) => [String(k), v])) : new Map(entries);
    }
    if (value instanceof PySet) return new Set(value.items.map((item) => this.toJs(item)));
    if (value instanceof PySlice) return this.#slice(value);
    if (value instanceof PyFunction) return this.#callback(value);
    if (value instanceof PyType) return this.torch[typeDTypes[value.name] ?? ""] ?? value;
    return value;
  }

  #sequence(items: readonly unknown[], data: boolean): unknown[] {
    // A list that mixes ints and floats is a list of floats.
    const floats = data && items.some((item) => typeof item === "number");
    return items.map((item) => (floats && typeof item === "bigint" ? Number(item) : this.toJs(item, data)));
  }

  #slice(slice: PySlice): string {
    const bound = (x: unknown): string => {
      if (x === null) return "";
      return this.isTensor(x) ? String(this.method(x, "item", [])) : String(x);
    };
    const text = `${bound(slice.start)}:${bound(slice.stop)}`;
    return slice.step === null ? text : `${text}:${bound(slice.step)}`;
  }

  #callback(callee: PyFunction): Callable {
    return (...args) =>
      this.toJs(callee.call({ positional: args.map((arg) => this.fromJs(arg)), keywords: new Map() }));
  }

  /** An object of the library as Python sees it. `floats`: numbers in it are floats whatever their value. */
  fromJs(value: unknown, kind: "tuple" | "size" | "list" = "tuple", floats = false): unknown {
    switch (typeof value) {
      case "undefined":
        return null;
      case "number":
        return !floats && Number.isInteger(value) && !Object.is(value, -0) ? BigInt(value) : value;
      case "object":
        break;
      default:
        return value;
    }
    if (value === null) return null;
    if (Array.isArray(value)) {
      const items = value.map((item) => this.fromJs(item, kind === "list" ? "list" : "tuple", floats));
      if (kind === "list") return items;
      return new PyTuple(items, kind, value);
    }
    if (ArrayBuffer.isView(value) && Symbol.iterator in value) {
      return this.fromJs(Array.from(value as unknown as Iterable<unknown>), "list", floats);
    }
    if (value instanceof Map) return new PyDict([...value].map(([k, v]) => [this.fromJs(k), this.fromJs(v)] as const));
    if (value instanceof Set) return new PySet([...value].map((item) => this.fromJs(item)));
    if (isComplexLike(value)) return fromComplex(value);
    return value;
  }

  /** Calls a function or constructs a class of the library. */
  call(callee: unknown, args: Args, receiver: unknown = undefined): unknown {
    if (typeof callee !== "function")
      throw new PythonError("TypeError", `'${describe(callee)}' object is not callable`);
    if (pythonClasses.has(callee)) return Reflect.construct(callee, [new DirectArgs(args)]);
    const data = this.#dataFunctions.has(callee);
    const positional = args.positional.map((arg, i) => this.toJs(arg, data && i === 0));
    if (args.keywords.size > 0) positional.push(this.options(args.keywords));
    return isClass(callee) ? Reflect.construct(callee, positional) : Reflect.apply(callee, receiver, positional);
  }

  options(keywords: ReadonlyMap<string, unknown>): Record<string, unknown> {
    return Object.fromEntries([...keywords].map(([name, value]) => [name, this.toJs(value)]));
  }

  /** Calls a method with JavaScript arguments; throws {@link Missing} if there is none. */
  method(receiver: unknown, name: string, args: readonly unknown[]): unknown {
    const callee: unknown = isObject(receiver) ? Reflect.get(receiver, name) : undefined;
    if (typeof callee !== "function") throw new Missing(`${describe(receiver)}.${name} does not exist`);
    return Reflect.apply(callee, receiver, args);
  }

  /** The first of the methods that exists, called. */
  firstMethod(receiver: unknown, names: readonly string[], args: readonly unknown[]): unknown {
    const name = names.find((n) => isObject(receiver) && typeof Reflect.get(receiver, n) === "function");
    return this.method(receiver, name ?? names[0] ?? "", args);
  }

  /** `object.name` on an object of the library. */
  attribute(object: object, name: string): unknown {
    if (this.isTensor(object) && (name === "shape" || name === "size" || name === "stride")) {
      return this.#geometry(object, name);
    }
    const value: unknown = Reflect.get(object, name);
    if (value === undefined) {
      if (object === this.#tensorClass) return this.#unbound(name);
      if (name === "__class__") return new PyType(describe(object));
      if (name === "__name__" && typeof object === "function") return object.name;
      // The overload of an operator of `torch.ops.aten`.
      if (name === "default" && "op" in object) return object;
      if (name === "__init__") return new PyFunction(name, () => null);
      throw new Missing(`${object === this.torch ? "torch" : describe(object)}.${name} does not exist`);
    }
    if (typeof value !== "function" || this.isModule(value) || isClass(value)) {
      return this.fromJs(value, "list");
    }
    const free = isRecord(object) || isClass(object) || Reflect.get(object, Symbol.toStringTag) === "Module";
    return free ? value : new PyFunction(name, (args) => this.#invoke(object, name, value, args));
  }

  #geometry(tensor: object, name: string): unknown {
    const value: unknown = Reflect.get(tensor, name);
    const kind = name === "stride" ? "tuple" : "size";
    if (typeof value !== "function") return this.fromJs(value, kind);
    return new PyFunction(name, (args) => this.fromJs(this.call(value, args, tensor), kind));
  }

  #invoke(receiver: object, name: string, callee: unknown, args: Args): unknown {
    const result = this.call(callee, args, receiver);
    if ((name === "item" || name === "tolist") && this.isTensor(receiver)) {
      const floating: unknown = Reflect.get(Reflect.get(receiver, "dtype") ?? {}, "is_floating_point");
      return this.fromJs(result, "list", floating === true);
    }
    return this.fromJs(result);
  }

  /** `torch.Tensor.name`: a method that takes its receiver as the first argument. */
  #unbound(name: string): PyFunction {
    const prototype: unknown = typeof this.#tensorClass === "function" ? this.#tensorClass.prototype : null;
    const callee: unknown = isObject(prototype) && name in prototype ? name : undefined;
    if (callee === undefined) throw new Missing(`torch.Tensor.${name} does not exist`);
    return new PyFunction(name, ({ positional: [self, ...rest], keywords }) => {
      const args = { positional: rest, keywords };
      if (this.isTensor(self)) return this.#invoke(self, name, Reflect.get(self, name), args);
      return this.fromJs(this.call(Reflect.get(Object(prototype), name), args, this.toJs(self)));
    });
  }

  /** Iterates over what Python code may iterate over. */
  iterate(value: unknown): unknown[] {
    if (Array.isArray(value)) return value;
    if (value instanceof PyTuple) return [...value.items];
    if (value instanceof PySet) return [...value.items];
    if (value instanceof PyDict) return value.keys();
    if (typeof value === "string") return [...value];
    if (this.isTensor(value)) {
      const parts = this.method(value, "unbind", [0]);
      return this.iterate(this.fromJs(parts));
    }
    if (isObject(value) && typeof Reflect.get(value, Symbol.iterator) === "function") {
      return Array.from(value as Iterable<unknown>, (item) => this.fromJs(item));
    }
    if (isRecord(value)) return Object.keys(value);
    throw new PythonError("TypeError", `'${describe(value)}' object is not iterable`);
  }
}
