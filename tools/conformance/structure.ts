/** The structure of a result: tensors are collected by number, all else is compared on the spot. */

import type { Interpreter } from "./python/evaluate.ts";
import { PyComplex, PyTuple, isNumber, repr } from "./python/values.ts";
import { datum } from "./tensors.ts";
import type { Tolerance } from "./compare.ts";

function close(got: number, expected: number, { rtol, atol }: Tolerance): boolean {
  if (Number.isNaN(got) || Number.isNaN(expected)) return Number.isNaN(got) && Number.isNaN(expected);
  return got === expected || Math.abs(got - expected) <= atol + rtol * Math.abs(expected);
}

/**
 * Walks `got` along the recorded structure. Tensors go to `tensors` at their number; the first disagreement is returned, null
 * if there is none.
 */
export function collect(
  python: Interpreter,
  expected: unknown,
  got: unknown,
  tensors: unknown[],
  tolerance: Tolerance,
): string | null {
  const differs = (): string => `got ${repr(got)}, expected ${JSON.stringify(expected)}`;
  if (typeof expected === "number") return isNumber(got) && Number(got) === expected ? null : differs();
  if (Array.isArray(expected)) return collectItems(python, expected, got, tensors, tolerance);
  if (typeof expected !== "object" || expected === null) return got === expected ? null : differs();
  const [tag, content] = Object.entries(expected)[0] ?? [];
  switch (tag) {
    case "$t":
      if (!python.bridge.isTensor(got)) return `got ${repr(got)} instead of tensor ${String(content)}`;
      tensors[Number(content)] = got;
      return null;
    case "$tuple":
    case "$size":
      return collectItems(python, content as unknown[], got, tensors, tolerance);
    case "$named":
      return collectItems(python, Object.values(content as object), got, tensors, tolerance);
    case "$f": {
      const value = Number(datum(content as number | string));
      return isNumber(got) && !(got instanceof PyComplex) && close(Number(got), value, tolerance) ? null : differs();
    }
    case "$c": {
      const [re, im] = (content as [number, number]).map((part) => Number(datum(part)));
      const value = got instanceof PyComplex ? got : isNumber(got) ? new PyComplex(Number(got), 0) : null;
      return value && close(value.re, re ?? 0, tolerance) && close(value.im, im ?? 0, tolerance) ? null : differs();
    }
    case "$i":
      return isNumber(got) && String(got) === String(content) ? null : differs();
    case "$dtype":
      return repr(got) === `torch.${String(content)}` ? null : differs();
    default:
      return differs();
  }
}

function collectItems(
  python: Interpreter,
  expected: readonly unknown[],
  got: unknown,
  tensors: unknown[],
  tolerance: Tolerance,
): string | null {
  if (!(got instanceof PyTuple) && !Array.isArray(got)) return `got ${repr(got)} instead of ${expected.length} results`;
  const items = got instanceof PyTuple ? got.items : (got as readonly unknown[]);
  if (items.length !== expected.length) return `${items.length} results, expected ${expected.length}`;
  for (const [i, item] of expected.entries()) {
    const reason = collect(python, item, items[i], tensors, tolerance);
    if (reason !== null) return `[${i}] ${reason}`;
  }
  return null;
}

/** The tensors of a `post` expression's value, in order. */
export function tensorsOf(value: unknown): unknown[] {
  return value instanceof PyTuple
    ? value.items.flatMap(tensorsOf)
    : Array.isArray(value)
      ? value.flatMap(tensorsOf)
      : [value];
}
