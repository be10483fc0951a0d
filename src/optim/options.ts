/**
 * Options of optimizers and schedulers as their constructors take them.
 */
import { ArgumentTypeError, ValueError } from "../base/errors.ts";
import { isOptions, PyFloat } from "../dispatch/signature.ts";
import { pythonText } from "../nn/text.ts";
import { Tensor } from "../tensor/tensor.ts";

/** Options as plain values, and the names of those that Python writes as floats though their values are integral (`betas.0`: in a pair). */
export interface Options {
  readonly values: Record<string, unknown>;
  /** As they were given. */
  readonly raw: Readonly<Record<string, unknown>>;
  readonly floats: ReadonlySet<string>;
}

function plain(value: unknown): unknown {
  if (value instanceof PyFloat) return value.value;
  return Array.isArray(value) ? value.map(plain) : value;
}

/**
 * Binds arguments to options: `positional` names those that may come by position; all others are keywords, in a trailing
 * object. `defaults` holds all options with their defaults, an integral float as `pyfloat(1)`.
 */
export function bindOptions(
  callee: string,
  args: readonly unknown[],
  positional: readonly string[],
  defaults: Readonly<Record<string, unknown>>,
): Options {
  const given = new Map<string, unknown>();
  const list = [...args];
  while (list.length > 0 && list.at(-1) === undefined) list.pop();
  const last = list.at(-1);
  const keywords = isOptions(last) && !(last instanceof PyFloat) ? (list.pop() as Record<string, unknown>) : {};
  if (list.length > positional.length) {
    throw new ArgumentTypeError(
      `${callee} takes at most ${positional.length} positional arguments after the first, but ${list.length} were given`,
    );
  }
  list.forEach((value, i) => {
    if (value !== undefined) given.set(positional[i] as string, value);
  });
  for (const [name, value] of Object.entries(keywords)) {
    if (!Object.hasOwn(defaults, name)) {
      throw new ArgumentTypeError(`${callee} got an unexpected keyword argument '${name}'`);
    }
    if (value === undefined) continue;
    if (given.has(name)) throw new ArgumentTypeError(`${callee} got multiple values for argument '${name}'`);
    given.set(name, value);
  }
  return plainOptions({ ...defaults, ...Object.fromEntries(given) });
}

/** An option as Python writes it, for messages; of a pair one of its two values. */
export function written(options: Options, name: string, index?: number): string {
  const value = options.raw[name];
  const at: unknown = index === undefined ? value : (value as readonly unknown[])[index];
  return pythonText(at);
}

/** Throws unless an option is at least zero. */
export function checkNotNegative(options: Options, name: string, label: string): void {
  const value = options.values[name];
  const number = value instanceof Tensor ? Number(value.item()) : (value as number);
  if (!(number >= 0)) throw new ValueError(`Invalid ${label}: ${written(options, name)}`);
}

/** Takes marked floats out of values. */
export function plainOptions(values: Readonly<Record<string, unknown>>): Options {
  const floats = new Set<string>();
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(values)) {
    if (value instanceof PyFloat) floats.add(name);
    if (Array.isArray(value)) value.forEach((x, i) => x instanceof PyFloat && floats.add(`${name}.${i}`));
    out[name] = plain(value);
  }
  return { values: out, raw: values, floats };
}
