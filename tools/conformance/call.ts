/** From the name or source of a called function to something that can be called. */

import { type Namespace, isObject } from "./python/bridge.ts";
import type { Interpreter } from "./python/evaluate.ts";
import { reflected, reflectedOperator } from "./python/operators.ts";
import { type Args, Missing, PyFunction, PythonError } from "./python/values.ts";

export type Call = (args: Args) => unknown;

/** A reflected operator; a receiver that is no tensor has no such method, in JavaScript as in Python. */
function reflectedCall(python: Interpreter, name: string): Call {
  const op = reflectedOperator(name);
  if (op === undefined) throw new Missing(`torch.Tensor.${name} does not exist`);
  const { bridge } = python;
  return ({ positional: [self, other] }) => {
    if (!bridge.isTensor(self)) throw new PythonError("TypeError", `${name} of a value that is no tensor`);
    return bridge.fromJs(reflected(bridge, op, self, other));
  };
}

/** Where an operator of `torch.ops.aten` may be found: under its own name, or as a function of another namespace. */
function atenNames(path: string): string[] {
  const [name = "", overload] = path.slice("torch.ops.aten.".length).split(".");
  const homes = ["torch.", "torch.nn.functional.", "torch.special.", "torch.linalg."];
  const own = overload === undefined ? [] : [`torch.ops.aten.${name}.${overload}`];
  return [...own, `torch.ops.aten.${name}`, ...homes.map((home) => home + name)];
}

function lookup(torch: Namespace, path: string): unknown {
  let value: unknown = torch;
  for (const name of path.split(".").slice(1)) value = isObject(value) ? Reflect.get(value, name) : undefined;
  return value;
}

/** The callable of an op file: a dotted name, or the source of a lambda or function definition. Throws {@link Missing}. */
export function resolveCall(python: Interpreter, source: string): Call {
  if (!/^[\w.]+$/.test(source)) {
    const callee = python.callable(source);
    return (args) => python.apply(callee, args);
  }
  const path = source.replace(/^torch\.torch\./, "torch.");
  const { bridge } = python;
  if (path.startsWith("torch.Tensor.")) {
    const name = path.slice("torch.Tensor.".length);
    if (name === "__getitem__") return ({ positional: [self, index] }) => python.subscript(self, index);
    if (name.startsWith("__r")) return reflectedCall(python, name);
    const unbound = python.attribute(bridge.torch["Tensor"], name);
    return (args) => python.apply(unbound, args);
  }
  const names = path.startsWith("torch.ops.aten.") ? atenNames(path) : [path];
  for (const name of names) {
    const callee = lookup(bridge.torch, name);
    if (typeof callee === "function") return (args) => python.apply(callee, args);
  }
  throw new Missing(`${path} does not exist`);
}

/** `args[0].<name>(...)`, the method form of an op; a property counts as a method without arguments. */
export function methodCall(python: Interpreter, name: string): Call {
  if (name === "__getitem__" || name.startsWith("__r")) return resolveCall(python, `torch.Tensor.${name}`);
  return ({ positional: [self, ...rest], keywords }) => {
    const attribute = python.attribute(self, name);
    return attribute instanceof PyFunction ? attribute.call({ positional: rest, keywords }) : attribute;
  };
}
