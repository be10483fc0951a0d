/**
 * Arguments of constructors: required ones by position, the rest by position or in a trailing options object. What a module
 * was constructed with is in its fields of the same names.
 */
import type { DType } from "../base/dtype.ts";
import { PyFloat, Signature } from "../dispatch/signature.ts";
import { empty } from "../ops/create.ts";
import { Module } from "./module.ts";
import { Parameter } from "./parameter.ts";
import { pythonText } from "./text.ts";

/** Positional arguments in `P`, of which any number may be given, and then options. */
type Trailing<P extends readonly unknown[], O> =
  Required<P> extends readonly [infer H, ...infer T]
    ? [options?: O | undefined] | [first: H | undefined, ...rest: Trailing<T, O>]
    : [options?: O | undefined];

/** What a constructor takes: `R` by position, `P` by position too or in the options. */
export type Args<R extends readonly unknown[], P extends readonly unknown[], O> =
  | [...R, ...P]
  | [...R, ...Trailing<P, O>];

/** Options of modules that make tensors. */
export interface FactoryOptions {
  device?: string | null;
  dtype?: DType | null;
}

/** Bound arguments, by name. */
export class Arguments {
  readonly #values: Map<string, unknown> = new Map();
  readonly #written: Map<string, unknown> = new Map();

  /** @internal */
  constructor(signature: ConstructorSignature, bound: readonly unknown[]) {
    signature.signature.params.forEach((p, i) => {
      const value = bound[i];
      const float = typeof value === "number" && value === p.default && signature.floats.has(p.name);
      this.#written.set(p.name, float ? new PyFloat(value) : value);
      this.#values.set(p.name, plain(value));
    });
  }

  /** The value of an argument; numbers are plain numbers. */
  get<T>(name: string): T {
    return this.#values.get(name) as T;
  }

  /** The argument as it was given: floats may be marked. */
  written(name: string): unknown {
    return this.#written.get(name);
  }

  entries(): Iterable<[string, unknown]> {
    return this.#values;
  }

  /** As Python writes the value of an argument, or what it is by now. */
  text(name: string, now: unknown = this.#values.get(name)): string {
    return pythonText(now === this.#values.get(name) ? this.#written.get(name) : now);
  }

  /** A parameter of the wanted dtype, whose values are set later. */
  parameter(...shape: readonly number[]): Parameter {
    return new Parameter(
      empty(shape, { dtype: this.get<DType | null>("dtype"), device: this.get<string | null>("device") }),
    );
  }
}

function plain(value: unknown): unknown {
  if (value instanceof PyFloat) return value.value;
  return Array.isArray(value) ? value.map(plain) : value;
}

/** The signature of a constructor, as operators have one. Defaults with a point or an exponent are floats. */
export class ConstructorSignature {
  readonly signature: Signature;
  readonly floats: ReadonlySet<string>;

  constructor(text: string) {
    this.signature = new Signature(text);
    this.floats = new Set([...text.matchAll(/(\w+)=-?\d+(?:\.\d|\d*e)/g)].map((m) => m[1] as string));
  }

  bind(args: readonly unknown[]): Arguments {
    return new Arguments(this, this.signature.bind(args, {}));
  }
}

/** Names that are not kept in fields: factories' options, and what PyTorch no longer uses. */
const passing: ReadonlySet<string> = new Set(["device", "dtype", "size_average", "reduce"]);

/** A module with the arguments of its constructor as fields, except `omit`. */
export abstract class Configured extends Module {
  /** @internal */ declare readonly _arguments: Arguments;

  constructor(signature: ConstructorSignature, args: readonly unknown[], omit: readonly string[] = []) {
    super();
    const bound = signature.bind(args);
    Object.defineProperty(this, "_arguments", { value: bound });
    for (const [name, value] of bound.entries()) {
      if (!passing.has(name) && !omit.includes(name)) Reflect.set(this, name, value);
    }
  }

  /** @internal As Python writes a field. */
  _text(name: string): string {
    return this._arguments.text(name, Reflect.get(this, name));
  }

  /** @internal Names and values of fields as Python writes keywords: `p=0.5, inplace=False`. */
  _list(...names: readonly string[]): string {
    return names.map((name) => `${name}=${this._text(name)}`).join(", ");
  }
}
