/**
 * Registered fields of modules.
 *
 * Note [Registration]
 * A field of a module that holds a {@link Parameter}, a {@link Buffer} or a module is registered, as in PyTorch by assignment.
 * Fields of subclasses are defined, not assigned, so that nothing can notice it; they are looked for when they are needed
 * (`registered`). Each then becomes an accessor which refuses values of another kind.
 */
import { ArgumentTypeError } from "../base/errors.ts";
import { KeyError } from "../base/key-error.ts";
import { pythonTypeOf } from "../dispatch/signature.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Module, ModuleInternals } from "./module.ts";
import { Buffer, Parameter } from "./parameter.ts";

/** What a registered field is. */
export type FieldKind = "parameter" | "buffer" | "module";

const expectedOf: Readonly<Record<FieldKind, string>> = {
  parameter: "as parameter '%' (torch.nn.Parameter or None expected)",
  buffer: "as buffer '%' (torch.nn.Buffer, torch.Tensor or None expected)",
  module: "as child module '%' (torch.nn.Module or None expected)",
};

/** PyTorch's name of the type of a value. */
export const typename = (x: unknown): string => (x instanceof Tensor ? x.type() : pythonTypeOf(x));

/** Whether a value is a module. The class itself is on the floor above. */
export const isModule = (value: unknown): value is Module => typeof value === "function" && "_internals" in value;

function kindOf(value: unknown): FieldKind | null {
  if (value instanceof Tensor) {
    return value instanceof Parameter ? "parameter" : value instanceof Buffer ? "buffer" : null;
  }
  return isModule(value) ? "module" : null;
}

/** The registered fields of a kind, in the order of the fields. */
export function registered(self: Module, kind: FieldKind): [string, unknown][] {
  const { kinds } = self._internals;
  const out: [string, unknown][] = [];
  for (const name of Object.keys(self)) {
    const value: unknown = Reflect.get(self, name);
    let known = kinds.get(name);
    if (known === undefined) {
      const found = kindOf(value);
      if (found === null) continue;
      register(self, name, found, value);
      known = found;
    }
    if (known === kind) out.push([name, value]);
  }
  return out;
}

/** Makes a field a registered one. */
export function register(self: Module, name: string, kind: FieldKind, value: unknown): void {
  const { kinds, nonPersistent }: ModuleInternals = self._internals;
  kinds.set(name, kind);
  if (value instanceof Buffer && !value.persistent) nonPersistent.add(name);
  let current = value;
  Object.defineProperty(self, name, {
    enumerable: true,
    configurable: true,
    get: () => current,
    set: (next: unknown) => {
      const before = kinds.get(name) as FieldKind;
      const now = kindOf(next);
      const fits = next === null || now === before || (before === "buffer" && next instanceof Tensor);
      const takesOver = now === "parameter" || (now === "module" && before === "buffer");
      if (!fits && !takesOver) {
        throw new ArgumentTypeError(`cannot assign '${typename(next)}' ${expectedOf[before].replace("%", name)}`);
      }
      if (takesOver) kinds.set(name, now);
      current = next;
    },
  });
}

/** Throws unless something of this kind may be registered under the name. */
export function checkName(self: Module, what: string, name: string, kind: FieldKind): void {
  if (typeof name !== "string") {
    throw new ArgumentTypeError(`${what} name should be a string. Got ${pythonTypeOf(name)}`);
  }
  if (name.includes(".")) {
    throw new KeyError(`${what} name can't contain "."${kind === "module" ? `, got: ${name}` : ""}`);
  }
  if (name === "") throw new KeyError(`${what} name can't be empty string ""`);
  if (name in self && self._internals.kinds.get(name) !== kind) {
    throw new KeyError(`attribute '${name}' already exists`);
  }
}

/** Takes a registered field away, and gives its value. */
export function unregister(self: Module, name: string): unknown {
  const value: unknown = Reflect.get(self, name);
  self._internals.kinds.delete(name);
  self._internals.nonPersistent.delete(name);
  Reflect.deleteProperty(self, name);
  return value;
}
