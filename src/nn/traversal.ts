/**
 * Ways through a module and what is inside.
 */
import { AttributeError } from "../base/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Module } from "./module.ts";

/** Options of the lists of named things. */
export interface NamedOptions {
  /** Put before every name. */
  prefix?: string;
  /** Whether the modules inside are included. Default: true. */
  recurse?: boolean;
  /** Whether what is shared is listed once only. Default: true. */
  remove_duplicate?: boolean;
}

/** @internal Options in either form, complete. */
export const withOptions = (first: string | NamedOptions | undefined, recurse?: boolean): Required<NamedOptions> => {
  const o = typeof first === "object" ? first : { prefix: first ?? "", recurse: recurse ?? true };
  return { prefix: o.prefix ?? "", recurse: o.recurse ?? true, remove_duplicate: o.remove_duplicate ?? true };
};

const join = (prefix: string, name: string): string => (prefix === "" ? name : `${prefix}.${name}`);

/** @internal What `list` gives of a module and those inside, by path. */
export function* named<T extends object>(
  self: Module,
  list: (m: Module) => [string, T | null][],
  { prefix, recurse, remove_duplicate }: Required<NamedOptions>,
): Generator<[string, T]> {
  const seen = new Set<T>();
  const modules: Iterable<[string, Module]> = recurse
    ? self.named_modules({ prefix, remove_duplicate })
    : [[prefix, self]];
  for (const [path, module] of modules) {
    for (const [name, value] of list(module)) {
      if (value === null || value === undefined) continue;
      if (remove_duplicate) {
        if (seen.has(value)) continue;
        seen.add(value);
      }
      yield [join(path, name), value];
    }
  }
}

/** @internal A module and those inside, by path. */
export function* namedModules(
  self: Module,
  seen: Set<Module>,
  prefix: string,
  once: boolean,
): Generator<[string, Module]> {
  if (once) {
    if (seen.has(self)) return;
    seen.add(self);
  }
  yield [prefix, self];
  for (const [name, module] of self._children()) {
    if (module !== null) yield* namedModules(module, seen, join(prefix, name), once);
  }
}

/** @internal The module and the name that a path of a field consists of. */
export function locate(self: Module, target: string): [Module, string] {
  const dot = target.lastIndexOf(".");
  return dot < 0 ? [self, target] : [self.get_submodule(target.slice(0, dot)), target.slice(dot + 1)];
}

/** @internal The module at a path. */
export function submodule(self: Module, target: string): Module {
  let at = self;
  if (target === "") return at;
  for (const name of target.split(".")) {
    const found = at._children().find(([key]) => key === name);
    if (found === undefined) {
      const exists = name in at;
      throw new AttributeError(
        exists ? `\`${name}\` is not an nn.Module` : `${at._get_name()} has no attribute \`${name}\``,
      );
    }
    if (found[1] === null) throw new AttributeError(`\`${name}\` is not an nn.Module`);
    at = found[1];
  }
  return at;
}

/** @internal Forgets or zeroes a gradient. */
export function clearGrad(parameter: Tensor, forget: boolean): void {
  const extra = parameter._extra;
  if (extra === null || extra.grad === null) return;
  if (forget) {
    extra.grad = null;
    return;
  }
  if (extra.grad.grad_fn !== null) extra.grad.detach_();
  else extra.grad.requires_grad_(false);
  extra.grad.zero_();
}
