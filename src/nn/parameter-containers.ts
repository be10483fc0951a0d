/**
 * Lists and dictionaries of parameters.
 */
import { ArgumentTypeError, IndexError } from "../base/errors.ts";
import { KeyError } from "../base/key-error.ts";
import { pythonTypeOf } from "../dispatch/signature.ts";
import { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";
import { Parameter } from "./parameter.ts";

/** The parameters of a container; not among its fields, where their names could clash with methods. */
const held = new WeakMap<Module, Map<string, Parameter>>();

function asParameter(value: unknown): Parameter {
  if (!(value instanceof Tensor)) {
    throw new ArgumentTypeError(`expected a Parameter or a Tensor, but got ${pythonTypeOf(value)}`);
  }
  return value instanceof Parameter ? value : new Parameter(value);
}

abstract class ParameterContainer extends Module {
  constructor() {
    super();
    held.set(this, new Map());
  }

  /** @internal */
  protected get items(): Map<string, Parameter> {
    return held.get(this) as Map<string, Parameter>;
  }

  override _parameterEntries(): [string, Parameter | null][] {
    return [...this.items, ...super._parameterEntries()];
  }

  override _copyInto(target: Module, copy: (value: unknown) => unknown): void {
    super._copyInto(target, copy);
    held.set(target, new Map([...this.items].map(([name, p]) => [name, copy(p) as Parameter] as const)));
  }

  /** How many parameters there are. */
  get len(): number {
    return this.items.size;
  }

  /** @internal How the text names the type of a parameter. */
  protected abstract typeText(p: Parameter): string;

  override extra_repr(): string {
    const lines = [...this.items].map(
      ([name, p]) => `  (${name}): Parameter containing: [${this.typeText(p)} of size ${p.shape.join("x")}]`,
    );
    return lines.join("\n");
  }
}

/** A list of parameters. Other tensors become parameters. */
export class ParameterList extends ParameterContainer {
  constructor(values: Iterable<Tensor> = []) {
    super();
    this.extend(values);
  }

  #index(index: number): string {
    const n = this.len;
    if (!Number.isInteger(index) || index < -n || index >= n) throw new IndexError(`index ${index} is out of range`);
    return String(index < 0 ? index + n : index);
  }

  /** The parameter at a position; from the end if it is negative. */
  at(index: number): Parameter {
    return this.items.get(this.#index(index)) as Parameter;
  }

  /** Puts a parameter in the place of another. */
  set(index: number, value: Tensor): void {
    this.items.set(this.#index(index), asParameter(value));
  }

  /** Adds a parameter at the end. Returns the list. */
  append(value: Tensor): this {
    this.items.set(String(this.len), asParameter(value));
    return this;
  }

  /** Adds parameters at the end. Returns the list. */
  extend(values: Iterable<Tensor>): this {
    for (const value of values) this.append(value);
    return this;
  }

  [Symbol.iterator](): Iterator<Parameter> {
    return this.items.values();
  }

  protected override typeText(p: Parameter): string {
    return String(p.dtype);
  }
}

type Parameters = Readonly<Record<string, Tensor>> | ReadonlyMap<string, Tensor> | Iterable<readonly [string, Tensor]>;

/** Parameters by name. Other tensors become parameters. */
export class ParameterDict extends ParameterContainer {
  constructor(parameters: Parameters = {}) {
    super();
    this.update(parameters);
  }

  /** The parameter of a name. */
  get(name: string): Parameter {
    const found = this.items.get(name);
    if (found === undefined) throw new KeyError(name);
    return found;
  }

  /** Sets the parameter of a name. Returns the dictionary. */
  set(name: string, value: Tensor): this {
    this.items.set(name, asParameter(value));
    return this;
  }

  /** Whether there is a parameter of that name. */
  has(name: string): boolean {
    return this.items.has(name);
  }

  /** Removes the parameter of a name and returns it. */
  pop(name: string): Parameter {
    const value = this.get(name);
    this.items.delete(name);
    return value;
  }

  /** Adds parameters by name. */
  update(parameters: Parameters): void {
    const pairs = Symbol.iterator in parameters ? parameters : Object.entries(parameters);
    for (const [name, value] of pairs as Iterable<readonly [string, Tensor]>) this.set(name, value);
  }

  keys(): IterableIterator<string> {
    return this.items.keys();
  }

  values(): IterableIterator<Parameter> {
    return this.items.values();
  }

  entries(): IterableIterator<[string, Parameter]> {
    return this.items.entries();
  }

  [Symbol.iterator](): Iterator<string> {
    return this.keys();
  }

  protected override typeText(p: Parameter): string {
    return p.type();
  }
}
