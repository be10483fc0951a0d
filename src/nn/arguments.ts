/**
 * Arguments of constructors: required ones by position, the rest by position or in a trailing options object.
 */
import { PyFloat, Signature } from "../dispatch/signature.ts";
import type { DType } from "../base/dtype.ts";
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

/** The arguments of a constructor: bound, and as Python writes them. */
export class Arguments {
  readonly #values: Map<string, unknown> = new Map();
  readonly #written: Map<string, unknown> = new Map();

  /** @internal */
  constructor(signature: ConstructorSignature, bound: readonly unknown[]) {
    signature.signature.params.forEach((p, i) => {
      const value = bound[i];
      this.#written.set(
        p.name,
        value === p.default && signature.floats.has(p.name) ? new PyFloat(value as number) : value,
      );
      this.#values.set(p.name, plain(value));
    });
  }

  /** The value of an argument; numbers are plain numbers. */
  get<T>(name: string): T {
    return this.#values.get(name) as T;
  }

  /** As Python writes the value. */
  text(name: string): string {
    return pythonText(this.#written.get(name));
  }

  /** Names and values as Python writes keywords: `p=0.5, inplace=False`. */
  list(...names: string[]): string {
    return names.map((name) => `${name}=${this.text(name)}`).join(", ");
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
