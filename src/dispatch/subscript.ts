/**
 * What may stand between the brackets of `x[...]`, and how it is read: integers, `null` for a new dimension, `"..."`, slices as
 * strings (`"1:3"`, `"::2"`), booleans, nested arrays of numbers, typed arrays and tensors. A string may hold several, with
 * commas: `"1:3, ..., 0"`.
 */
import { ArgumentTypeError, IndexError, ValueError } from "../base/errors.ts";
import { Tensor } from "../tensor/tensor.ts";
import { PyFloat, pythonTypeOf } from "./signature.ts";

/** `start:stop:step`; null where it is left out. */
export class Slice {
  readonly start: number | null;
  readonly stop: number | null;
  readonly step: number | null;

  constructor(start: number | null, stop: number | null, step: number | null = null) {
    this.start = start;
    this.stop = stop;
    this.step = step;
  }

  toString(): string {
    const text = `${this.start ?? ""}:${this.stop ?? ""}`;
    return this.step === null ? text : `${text}:${this.step}`;
  }
}

/** Nested arrays of numbers or booleans. */
export type IndexList = readonly (number | bigint | boolean | IndexList)[];

/** One index of `x.at(...)`. */
export type Subscript =
  | number
  | bigint
  | null
  | boolean
  /** `"..."`, a slice such as `"1:3"`, or several of them with commas. */
  | string
  | Slice
  | IndexList
  | ArrayBufferView
  | Tensor;

/** An index after reading. */
export type ParsedSubscript =
  | { readonly kind: "integer"; readonly value: number }
  | { readonly kind: "new" }
  | { readonly kind: "ellipsis" }
  | { readonly kind: "slice"; readonly slice: Slice }
  | { readonly kind: "boolean"; readonly value: boolean }
  | { readonly kind: "list"; readonly data: IndexList | ArrayBufferView }
  | { readonly kind: "tensor"; readonly tensor: Tensor };

const integer = /^\s*([+-]?\d+)\s*$/;

function bound(text: string): number | null {
  if (text.trim() === "" || text.trim() === "None") return null;
  const m = integer.exec(text);
  if (m === null) throw new ArgumentTypeError(`slice indices must be integers or None, but got '${text.trim()}'`);
  return Number(m[1]);
}

function parseText(text: string): ParsedSubscript {
  const s = text.trim();
  if (s === "..." || s === "…") return { kind: "ellipsis" };
  if (s === "None" || s === "null" || s === "newaxis") return { kind: "new" };
  const m = integer.exec(s);
  if (m !== null) return { kind: "integer", value: Number(m[1]) };
  const parts = s.split(":");
  if (parts.length === 2 || parts.length === 3) {
    const [start, stop, step] = parts.map(bound);
    if (step === 0) throw new ValueError("slice step cannot be zero");
    return { kind: "slice", slice: new Slice(start ?? null, stop ?? null, step ?? null) };
  }
  throw new IndexError(
    `only integers, slices (\`:\`), ellipsis (\`...\`), None and long or byte Variables are valid indices (got '${text}')`,
  );
}

/** Reads the arguments of `x.at(...)`. */
export function parseSubscripts(args: readonly unknown[]): ParsedSubscript[] {
  const out: ParsedSubscript[] = [];
  for (const arg of args) {
    if (typeof arg === "number" && Number.isInteger(arg)) out.push({ kind: "integer", value: arg });
    else if (typeof arg === "bigint") out.push({ kind: "integer", value: Number(arg) });
    else if (arg === null || arg === undefined) out.push({ kind: "new" });
    else if (typeof arg === "boolean") out.push({ kind: "boolean", value: arg });
    else if (typeof arg === "string") out.push(...arg.split(",").map(parseText));
    else if (arg instanceof Tensor) out.push({ kind: "tensor", tensor: arg });
    else if (arg instanceof Slice) out.push({ kind: "slice", slice: arg });
    else if (Array.isArray(arg) || (ArrayBuffer.isView(arg) && !(arg instanceof DataView))) {
      out.push({ kind: "list", data: arg as IndexList });
    } else {
      const type = arg instanceof PyFloat || typeof arg === "number" ? "float" : pythonTypeOf(arg);
      throw new IndexError(
        `only integers, slices (\`:\`), ellipsis (\`...\`), None and long or byte Variables are valid indices (got ${type})`,
      );
    }
  }
  return out;
}

/** How many dimensions of the tensor an index takes up. */
export function dimsTaken(s: ParsedSubscript): number {
  switch (s.kind) {
    case "integer":
    case "slice":
    case "list":
      return 1;
    case "tensor": {
      const { dtype, ndim } = s.tensor;
      return dtype.name === "bool" || dtype.name === "uint8" ? ndim : 1;
    }
    default:
      return 0;
  }
}
