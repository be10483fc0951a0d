/**
 * Updates of parameters as one elementwise kernel each: everything that belongs to an element is read, computed and written in
 * one pass over memory.
 */
import type { DType } from "../base/dtype.ts";
import { Elementwise } from "../dispatch/elementwise.ts";
import type { Expr, Type } from "../ir/expr.ts";
import { computeType } from "../ir/kernel.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** New values of the first tensors from the values of all, and uniform numbers. */
export type Update = (tensors: readonly Expr[], numbers: readonly Expr[], type: Type) => readonly Expr[];

/** An update, compiled for each dtype. */
export class FusedUpdate {
  readonly #name: string;
  readonly #key: string;
  readonly #build: Update;
  /** How many of the tensors are written. */
  readonly #written: number;
  readonly #tensors: number;
  readonly #numbers: number;
  readonly #programs: Map<DType, Elementwise> = new Map();

  /** `key` must determine `build`. The first `written` of `tensors` tensors are written. */
  constructor(name: string, key: string, written: number, tensors: number, numbers: number, build: Update) {
    this.#name = name;
    this.#key = key;
    this.#written = written;
    this.#tensors = tensors;
    this.#numbers = numbers;
    this.#build = build;
  }

  /** Changes the first of `tensors`, which all have one shape and dtype. */
  run(tensors: readonly Tensor[], numbers: readonly number[]): void {
    const first = tensors[0] as Tensor;
    const { dtype } = first;
    let program = this.#programs.get(dtype);
    if (program === undefined) {
      const type = computeType(dtype);
      program = new Elementwise({
        name: this.#name,
        key: `${this.#key}:${dtype.name}`,
        outs: new Array<DType>(this.#written).fill(dtype),
        ins: new Array<DType>(this.#tensors).fill(dtype),
        scalars: new Array<Type>(this.#numbers).fill(type),
        build: (ins, scalars) => this.#build(ins, scalars, type),
      });
      this.#programs.set(dtype, program);
    }
    const targets = tensors.slice(0, this.#written);
    program.run(targets, tensors, numbers);
    for (const t of targets) t._counter.version++;
  }
}

/** Updates by what determines them, such as which options are on. */
export class FusedUpdates<K extends string | number> {
  readonly #make: (key: K) => FusedUpdate;
  readonly #made: Map<K, FusedUpdate> = new Map();

  constructor(make: (key: K) => FusedUpdate) {
    this.#make = make;
  }

  get(key: K): FusedUpdate {
    let update = this.#made.get(key);
    if (update === undefined) {
      update = this.#make(key);
      this.#made.set(key, update);
    }
    return update;
  }
}
