/**
 * Classes that Python code defines, made as JavaScript classes so that the library can hold and call their instances.
 */

import type { Bridge } from "./bridge.ts";
import { DirectArgs, describe, isClass, pythonClasses } from "./bridge.ts";
import { noKeywords } from "./builtins.ts";
import { Missing, PyFunction, PyType } from "./values.ts";

/** Tells the constructor of a Python class that a derived one is running: `__init__` is that one's business. */
class Derived {
  readonly initialised: boolean = false;
}

/** The root of Python classes that derive from no class of the library. */
class PythonObject {
  readonly [Symbol.toStringTag]: string = "object";
}

/** A new class over `base`, which is a class of the library, a Python class, or null. */
export function deriveClass(bridge: Bridge, name: string, base: unknown): new (...args: unknown[]) => object {
  const parent = base === null || base instanceof PyType ? PythonObject : base;
  if (!isClass(parent)) throw new Missing(`class ${name} over ${describe(base)}`);
  const python = pythonClasses.has(parent);
  const made = class extends parent {
    constructor(...args: unknown[]) {
      super(...(python ? [new Derived()] : []));
      const [first] = args;
      const init: unknown = Reflect.get(this, "__init__");
      if (first instanceof Derived || typeof init !== "function") return;
      const positional = args.map((arg) => bridge.fromJs(arg));
      const direct = first instanceof DirectArgs ? first : new DirectArgs({ positional, keywords: noKeywords });
      Reflect.apply(init, this, [direct]);
    }
  };
  Object.defineProperty(made, "name", { value: name });
  pythonClasses.add(made);
  return made;
}

/** Puts a name of a class body on the class: functions become methods, `this` their first argument. */
export function defineMember(
  bridge: Bridge,
  made: new (...args: unknown[]) => object,
  name: string,
  value: unknown,
): void {
  const member = value instanceof PyFunction ? asMethod(bridge, value) : bridge.toJs(value);
  Object.defineProperty(made.prototype, name, { value: member, configurable: true, writable: true });
}

function asMethod(bridge: Bridge, callee: PyFunction): (...args: unknown[]) => unknown {
  return function method(this: unknown, ...args: unknown[]): unknown {
    const [first] = args;
    const direct = first instanceof DirectArgs ? first.args : null;
    const positional = direct ? direct.positional : args.map((arg) => bridge.fromJs(arg));
    const keywords = direct ? direct.keywords : noKeywords;
    return bridge.toJs(callee.call({ positional: [this, ...positional], keywords }));
  };
}

/** The method of the class above `made`, for `super().name`. */
export function inheritedMethod(made: object, name: string): ((...args: unknown[]) => unknown) | null {
  const parent: unknown = Object.getPrototypeOf(made);
  const method: unknown = typeof parent === "function" ? Reflect.get(Object(parent.prototype), name) : undefined;
  return typeof method === "function" ? (method as (...args: unknown[]) => unknown) : null;
}
