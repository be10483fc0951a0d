/**
 * How modules print.
 */
import { formatRepr } from "../base/decimal.ts";
import { stringRepr } from "../base/key-error.ts";
import { PyFloat } from "../dispatch/signature.ts";
import type { Module } from "./module.ts";

const indent = (text: string): string => text.split("\n").join("\n  ");

/** PyTorch's text of a module with the given lines for what is inside. */
function compose(name: string, extra: string, children: readonly string[]): string {
  const extraLines = extra === "" ? [] : extra.split("\n");
  const lines = [...extraLines, ...children];
  if (lines.length === 0) return `${name}()`;
  if (extraLines.length === 1 && children.length === 0) return `${name}(${extraLines[0]})`;
  return `${name}(\n  ${lines.join("\n  ")}\n)`;
}

/** The text of any module. */
export function moduleText(module: Module): string {
  const children = module
    ._children()
    .map(([key, child]) => `(${key}): ${indent(child === null ? "None" : String(child))}`);
  return compose(module._get_name(), module.extra_repr(), children);
}

/** The text of a list of modules, in which equal neighbours stand once: `(0-2): 3 x Linear(…)`. */
export function moduleListText(module: Module): string {
  const texts = module._children().map(([, child]) => String(child));
  if (texts.length === 0) return `${module._get_name()}()`;
  const lines: string[] = [];
  for (let i = 0; i < texts.length;) {
    let end = i + 1;
    while (end < texts.length && texts[end] === texts[i]) end++;
    const text = texts[i] as string;
    lines.push(indent(end - i === 1 ? `(${i}): ${text}` : `(${i}-${end - 1}): ${end - i} x ${text}`));
    i = end;
  }
  return `${module._get_name()}(\n  ${lines.join("\n  ")}\n)`;
}

/** A value as Python writes it. An integral number is an int unless it is marked as a float. */
export function pythonText(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (value instanceof PyFloat) return formatRepr(value.value);
  if (typeof value === "number")
    return Number.isInteger(value) && !Object.is(value, -0) ? String(value) : formatRepr(value);
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return stringRepr(value);
  if (Array.isArray(value)) {
    const items = value.map(pythonText);
    return items.length === 1 ? `(${items[0]},)` : `(${items.join(", ")})`;
  }
  return String(value);
}
