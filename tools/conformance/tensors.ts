/** Tensors in and out of the library: the inputs of a case made from their records, results read back. */

import { type Namespace, describe, isObject } from "./python/bridge.ts";
import { Missing } from "./python/values.ts";
import type { Datum, TensorRecord } from "./format.ts";

/** The elements of a tensor: numbers, or BigInts where a 64-bit integer needs them. Complex numbers take two entries. */
export type Elements = readonly (number | bigint)[];

/** A tensor that was read from the library. */
export interface Reading {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly data: Elements;
}

const special: Readonly<Record<string, number>> = { nan: Number.NaN, inf: Infinity, "-inf": -Infinity };

export function datum(value: Datum): number | bigint {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  return special[value] ?? BigInt(value);
}

export function isComplexType(dtype: string): boolean {
  return dtype.startsWith("complex");
}

export function method(receiver: unknown, name: string, ...args: unknown[]): unknown {
  const callee: unknown = isObject(receiver) ? Reflect.get(receiver, name) : undefined;
  if (typeof callee !== "function") throw new Missing(`${describe(receiver)}.${name} does not exist`);
  return Reflect.apply(callee, receiver, args);
}

/** A flat list as nested arrays of the given shape; a dimension of size 0 leaves nothing to nest. */
function nest(flat: readonly unknown[], shape: readonly number[]): unknown {
  let level: readonly unknown[] = flat;
  for (const size of shape.slice(1).toReversed()) {
    const next: unknown[] = [];
    for (let i = 0; i < level.length; i += size) next.push(level.slice(i, i + size));
    level = next;
  }
  return shape.length === 0 ? level[0] : level;
}

function flatten(value: unknown, into: (number | bigint)[]): void {
  if (Array.isArray(value)) {
    for (const item of value as unknown[]) flatten(item, into);
  } else if (typeof value === "number" || typeof value === "bigint") {
    into.push(value);
  } else if (typeof value === "boolean") {
    into.push(value ? 1 : 0);
  } else if (isObject(value) && typeof Reflect.get(value, "re") === "number") {
    into.push(Reflect.get(value, "re") as number, Reflect.get(value, "im") as number);
  } else {
    throw new TypeError(`tolist() gave ${typeof value}`);
  }
}

/** Makes and reads tensors of one library. */
export class TensorIO {
  readonly torch: Namespace;

  constructor(torch: Namespace) {
    this.torch = torch;
  }

  dtype(name: string): object {
    const dtype = this.torch[name];
    if (!isObject(dtype)) throw new Missing(`torch.${name} does not exist`);
    return dtype;
  }

  /** A fresh tensor as the record describes it, with its strides; a leaf without history. */
  make(record: TensorRecord): object {
    const source = record.data ?? record.storage ?? [];
    if (record.data) return this.fromFlat(source, record.shape, record.dtype);
    const flat = this.fromFlat(source, [isComplexType(record.dtype) ? source.length / 2 : source.length], record.dtype);
    const strided = method(flat, "as_strided", record.shape, record.strides ?? [], record.offset ?? 0);
    return method(strided, "detach") as object;
  }

  /** A contiguous tensor from flat data. */
  fromFlat(flat: readonly Datum[] | Elements, shape: readonly number[], dtype: string): object {
    const values = flat.map((value) => (typeof value === "bigint" ? value : datum(value)));
    if (isComplexType(dtype)) return this.#complex(values, shape, dtype);
    const elements: readonly unknown[] = values.some((value) => typeof value === "bigint")
      ? values.map(BigInt)
      : dtype === "bool"
        ? values.map((value) => value !== 0)
        : values;
    const options = { dtype: this.dtype(dtype) };
    if (elements.length === 0) return method(this.torch, "zeros", shape, options) as object;
    return method(this.torch, "tensor", nest(elements, shape), options) as object;
  }

  #complex(values: readonly (number | bigint)[], shape: readonly number[], dtype: string): object {
    if (values.length === 0) return method(this.torch, "zeros", shape, { dtype: this.dtype(dtype) }) as object;
    const part = { complex128: "float64", complex64: "float32", complex32: "float16" }[dtype] ?? "float64";
    const [re, im] = [0, 1].map((odd) =>
      this.fromFlat(values.filter((_, i) => i % 2 === odd) as number[], shape, part),
    );
    return method(this.torch, "complex", re, im) as object;
  }

  /** Reads a tensor whole. */
  read(tensor: unknown): Reading {
    const shape = [...(Reflect.get(Object(tensor), "shape") as readonly number[])];
    const dtype = String(Reflect.get(Object(tensor), "dtype")).replace(/^torch\./, "");
    const data: (number | bigint)[] = [];
    if (!shape.includes(0)) flatten(method(tensor, "tolist"), data);
    return { dtype, shape, strides: [...(method(tensor, "stride") as readonly number[])], data };
  }

  /** What tells two tensors' memory apart; undefined if the library does not say. */
  memory(tensor: unknown): unknown {
    if (!isObject(tensor)) return undefined;
    const storage: unknown = Reflect.get(tensor, "untyped_storage");
    const owner: unknown =
      typeof storage === "function" ? Reflect.apply(storage, tensor, []) : Reflect.get(tensor, "_storage");
    const pointer: unknown = isObject(owner) ? Reflect.get(owner, "data_ptr") : undefined;
    return typeof pointer === "function" ? Reflect.apply(pointer, owner, []) : owner;
  }
}
