/**
 * Modules made of modules.
 */
import { IndexError, ArgumentTypeError } from "../base/errors.ts";
import { isOptions, pythonTypeOf } from "../dispatch/signature.ts";
import { Module } from "./module.ts";
import { moduleListText } from "./text.ts";

/** Modules by name, in order. */
export type NamedModules = Readonly<Record<string, Module>> | ReadonlyMap<string, Module>;

/** The modules of a container; not among its fields, where their names could clash with methods. */
const held = new WeakMap<Module, Map<string, Module>>();

const itemsOf = (container: Module): Map<string, Module> => held.get(container) as Map<string, Module>;

const isModule = (x: unknown): x is Module => x instanceof Module;

function checkModule(x: unknown): asserts x is Module {
  if (!isModule(x)) throw new ArgumentTypeError(`${pythonTypeOf(x)} is not a Module subclass`);
}

abstract class Container<M extends Module = Module> extends Module {
  constructor() {
    super();
    held.set(this, new Map());
  }

  override _children(): [string, Module | null][] {
    // Those that a subclass has as fields come along.
    return [...itemsOf(this), ...super._children()];
  }

  override _copyInto(target: Module, copy: (value: unknown) => unknown): void {
    super._copyInto(target, copy);
    held.set(target, new Map([...itemsOf(this)].map(([name, m]) => [name, copy(m) as Module] as const)));
  }

  override add_module(name: string, module: Module | null): void {
    checkModule(module);
    itemsOf(this).set(name, module);
  }

  /** How many modules there are. */
  get len(): number {
    return itemsOf(this).size;
  }

  protected _values(): M[] {
    return [...itemsOf(this).values()] as M[];
  }
}

/** A container whose modules are numbered. */
abstract class Numbered<M extends Module> extends Container<M> {
  /** @internal Replaces all modules. */
  _set(modules: readonly M[]): void {
    const items = itemsOf(this);
    items.clear();
    modules.forEach((m, i) => items.set(String(i), m));
  }

  _index(index: number): number {
    const n = this.len;
    if (!Number.isInteger(index) || index < -n || index >= n) throw new IndexError(`index ${index} is out of range`);
    return index < 0 ? index + n : index;
  }

  /** The module at a position; from the end if it is negative. */
  at(index: number): M {
    return this._values()[this._index(index)] as M;
  }

  /** Adds a module at the end. Returns the container. */
  append(module: M): this {
    checkModule(module);
    itemsOf(this).set(String(this.len), module);
    return this;
  }

  /** Adds modules at the end. Returns the container. */
  extend(modules: Iterable<M>): this {
    for (const m of modules) this.append(m);
    return this;
  }

  /** Adds a module at a position. */
  insert(index: number, module: M): this {
    checkModule(module);
    const list = this._values();
    const at = index < 0 ? Math.max(index + list.length, 0) : Math.min(index, list.length);
    list.splice(at, 0, module);
    this._set(list);
    return this;
  }

  /** Removes the module at a position and returns it. */
  pop(index = -1): M {
    const list = this._values();
    const [removed] = list.splice(this._index(index), 1);
    this._set(list);
    return removed as M;
  }

  /** Puts a module in the place of another. */
  set(index: number, module: M): void {
    checkModule(module);
    const keys = [...itemsOf(this).keys()];
    itemsOf(this).set(keys[this._index(index)] as string, module);
  }

  [Symbol.iterator](): Iterator<M> {
    return this._values()[Symbol.iterator]();
  }
}

/**
 * Modules one after the other: each gets what the one before gives. They are numbered, or named by an object or Map.
 *
 * @example
 * ```ts
 * const model = new nn.Sequential(new nn.Linear(2, 8), new nn.ReLU(), new nn.Linear(8, 1));
 * ```
 */
export class Sequential extends Numbered<Module> {
  constructor(...modules: readonly Module[] | readonly [NamedModules]) {
    super();
    const [first] = modules;
    if (modules.length === 1 && (first instanceof Map || isOptions(first))) {
      const named = first instanceof Map ? first : new Map(Object.entries(first as Record<string, Module>));
      for (const [name, module] of named as Map<string, Module>) this.add_module(name, module);
    } else {
      modules.forEach((m, i) => this.add_module(String(i), m as Module));
    }
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- the first module decides what it takes, the last what it gives
  override forward(input: any): any {
    let x: unknown = input;
    for (const module of itemsOf(this).values()) x = module(x);
    return x;
  }

  /** The modules at positions from `start` to before `end`, as another `Sequential`. */
  slice(start?: number, end?: number): Sequential {
    return new Sequential(new Map([...itemsOf(this)].slice(start, end)));
  }
}

/** A list of modules, which says nothing about how they are called. */
export class ModuleList<M extends Module = Module> extends Numbered<M> {
  constructor(modules: Iterable<M> = []) {
    super();
    this.extend(modules);
  }

  override toString(): string {
    return moduleListText(this);
  }
}

/** Modules by name, which says nothing about how they are called. */
export class ModuleDict<M extends Module = Module> extends Container<M> {
  constructor(modules: Readonly<Record<string, M>> | ReadonlyMap<string, M> | Iterable<readonly [string, M]> = {}) {
    super();
    this.update(modules);
  }

  /** The module of a name. */
  get(name: string): M {
    const found = itemsOf(this).get(name);
    if (found === undefined) throw new IndexError(`'${name}'`);
    return found as M;
  }

  /** Sets the module of a name. */
  set(name: string, module: M): this {
    this.add_module(name, module);
    return this;
  }

  /** Whether there is a module of that name. */
  has(name: string): boolean {
    return itemsOf(this).has(name);
  }

  /** Removes the module of a name and returns it. */
  pop(name: string): M {
    const module = this.get(name);
    itemsOf(this).delete(name);
    return module;
  }

  /** Adds modules by name. */
  update(modules: Readonly<Record<string, M>> | ReadonlyMap<string, M> | Iterable<readonly [string, M]>): void {
    const pairs = Symbol.iterator in modules ? modules : Object.entries(modules);
    for (const [name, module] of pairs as Iterable<readonly [string, M]>) this.add_module(name, module);
  }

  clear(): void {
    itemsOf(this).clear();
  }

  keys(): IterableIterator<string> {
    return itemsOf(this).keys();
  }

  values(): IterableIterator<M> {
    return itemsOf(this).values() as IterableIterator<M>;
  }

  items(): IterableIterator<[string, M]> {
    return itemsOf(this).entries() as IterableIterator<[string, M]>;
  }

  [Symbol.iterator](): Iterator<string> {
    return this.keys();
  }
}
