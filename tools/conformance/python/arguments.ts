/** How Python binds the arguments of a call, and the bounds of a slice. */

import type { Parameters } from "./ast.ts";
import { type Args, PyDict, type PySlice, PyTuple, PythonError } from "./values.ts";

/** The items that a slice picks. */
export function sliceItems(items: readonly unknown[], { start, stop, step }: PySlice): unknown[] {
  const by = step === null ? 1 : Number(step);
  const clip = (bound: unknown, fallback: number): number => {
    if (bound === null) return fallback;
    const at = Number(bound) < 0 ? Number(bound) + items.length : Number(bound);
    return Math.max(by > 0 ? 0 : -1, Math.min(at, by > 0 ? items.length : items.length - 1));
  };
  const from = clip(start, by > 0 ? 0 : items.length - 1);
  const to = clip(stop, by > 0 ? items.length : -1);
  const out: unknown[] = [];
  for (let i = from; by > 0 ? i < to : i > to; i += by) out.push(items[i]);
  return out;
}

/** Binds the arguments of a call to parameters, as Python does. */
export function bind(
  name: string,
  parameters: Parameters,
  defaults: ReadonlyMap<string, unknown>,
  { positional, keywords }: Args,
  into: Map<string, unknown>,
): void {
  const fail = (text: string): never => {
    throw new PythonError("TypeError", `${name}() ${text}`);
  };
  const count = parameters.positional.length;
  if (positional.length > count && parameters.rest === null) {
    fail(`takes ${count} positional argument${count === 1 ? "" : "s"} but ${positional.length} were given`);
  }
  for (const [i, parameter] of parameters.positional.entries()) {
    if (i < positional.length) into.set(parameter.name, positional[i]);
  }
  if (parameters.rest !== null) into.set(parameters.rest, new PyTuple(positional.slice(count)));
  const known = new Set([...parameters.positional, ...parameters.keywordOnly].map((parameter) => parameter.name));
  const extra = new PyDict();
  for (const [key, value] of keywords) {
    if (known.has(key)) {
      if (into.has(key)) fail(`got multiple values for argument '${key}'`);
      into.set(key, value);
    } else if (parameters.keywords === null) {
      fail(`got an unexpected keyword argument '${key}'`);
    } else {
      extra.set(key, value);
    }
  }
  if (parameters.keywords !== null) into.set(parameters.keywords, extra);
  for (const key of known) {
    if (into.has(key)) continue;
    if (!defaults.has(key)) fail(`missing 1 required positional argument: '${key}'`);
    into.set(key, defaults.get(key));
  }
}
