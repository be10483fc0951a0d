/**
 * The evaluator: runs parsed Python over Python values and the library's objects.
 */

import type { Clause, Expr, Parameters, Statement } from "./ast.ts";
import { Bridge, DirectArgs, type Namespace, describe, isObject, isRecord, pythonClasses } from "./bridge.ts";
import { builtins, formatValue, getAttribute, noKeywords, setAttribute } from "./builtins.ts";
import { augmented, binary, compare, truth, unary } from "./operators.ts";
import { bind, sliceItems } from "./arguments.ts";
import { defineMember, deriveClass, inheritedMethod } from "./classes.ts";
import { parseExpression } from "./expressions.ts";
import { parseProgram } from "./parser.ts";
import {
  type Args,
  PyComplex,
  PyDict,
  PyFunction,
  PySet,
  PySlice,
  PyTuple,
  PyType,
  PythonError,
  ellipsis,
  repr,
  str,
} from "./values.ts";

/** The variables of a program, a function call or a comprehension. */
class Scope {
  readonly variables: Map<string, unknown> = new Map();
  readonly parent: Scope | null;

  constructor(parent: Scope | null) {
    this.parent = parent;
  }

  find(name: string): unknown {
    if (this.variables.has(name)) return this.variables.get(name);
    for (let scope = this.parent; scope !== null; scope = scope.parent) {
      if (scope.variables.has(name)) return scope.variables.get(name);
    }
    throw new PythonError("NameError", `name '${name}' is not defined`);
  }
}

/** `super()` inside a method. */
class Super {
  readonly self: object;
  /** The class whose method is running. */
  readonly made: object;

  constructor(self: object, made: object) {
    this.self = self;
    this.made = made;
  }
}

type Completion = { readonly kind: "return"; readonly value: unknown } | { readonly kind: "break" | "continue" };

/** Runs Python over one library. */
export class Interpreter {
  readonly bridge: Bridge;
  readonly #globals: Scope;

  /** `names`: what programs see besides Python's built-ins and `torch`. */
  constructor(torch: Namespace, names: Readonly<Record<string, unknown>> = {}) {
    this.bridge = new Bridge(torch);
    this.#globals = new Scope(null);
    const builtin = builtins(this.bridge, (callee, args) => this.apply(callee, args));
    for (const [name, value] of [...builtin, ["torch", torch] as const, ...Object.entries(names)]) {
      this.#globals.variables.set(name, value);
    }
  }

  /** A scope of its own below the globals, for one program. */
  scope(names: Readonly<Record<string, unknown>> = {}): Scope {
    const scope = new Scope(this.#globals);
    for (const [name, value] of Object.entries(names)) scope.variables.set(name, value);
    return scope;
  }

  /** The value of an expression. */
  evaluate(source: string, scope: Scope = this.scope()): unknown {
    return this.#eval(parseExpression(source), scope);
  }

  /** Runs a program; gives the value of its last statement if that is an expression, else null. */
  run(source: string, scope: Scope = this.scope()): unknown {
    let last: unknown = null;
    for (const statement of parseProgram(source)) {
      if (statement.kind === "expression") {
        last = this.#eval(statement.value, scope);
      } else {
        last = null;
        if (this.#execute(statement, scope)) throw new PythonError("SyntaxError", "'return' outside function");
      }
    }
    return last;
  }

  /** A callable from the source of a lambda or of a function definition. */
  callable(source: string, scope: Scope = this.scope()): unknown {
    if (!/^\s*(def|class|@)/.test(source)) return this.evaluate(source, scope);
    this.run(source, scope);
    return [...scope.variables.values()].at(-1);
  }

  /** `callee(*args, **keywords)` */
  apply(callee: unknown, args: Args): unknown {
    if (callee instanceof PyFunction) return callee.call(args);
    if (callee instanceof PyType) {
      if (!callee.make) throw new PythonError("TypeError", `cannot create '${callee.name}' instances`);
      return callee.make(args);
    }
    return this.bridge.fromJs(this.bridge.call(callee, args));
  }

  // Expressions

  #eval(e: Expr, scope: Scope): unknown {
    switch (e.kind) {
      case "int":
      case "float":
      case "string":
        return e.value;
      case "imaginary":
        return new PyComplex(0, e.value);
      case "constant":
        return e.value === "..." ? ellipsis : e.value;
      case "fstring":
        return e.parts
          .map((part) => {
            if ("text" in part) return part.text;
            const value = this.#eval(part.value, scope);
            const converted = part.conversion === "r" ? repr(value) : part.conversion === "s" ? str(value) : value;
            return formatValue(this.bridge, converted, part.spec);
          })
          .join("");
      case "name":
        return scope.find(e.name);
      case "tuple":
        return new PyTuple(this.#items(e.items, scope));
      case "list":
        return this.#items(e.items, scope);
      case "set":
        return new PySet(this.#items(e.items, scope));
      case "dict":
        return this.#dict(e, scope);
      case "starred":
        throw new PythonError("SyntaxError", "can't use starred expression here");
      case "comprehension":
        return this.#comprehension(e, scope);
      case "lambda":
        return this.#function("<lambda>", e.parameters, (inner) => this.#eval(e.body, inner), scope);
      case "conditional":
        return this.#eval(truth(this.bridge, this.#eval(e.test, scope)) ? e.consequent : e.alternate, scope);
      case "bool": {
        const left = this.#eval(e.left, scope);
        return truth(this.bridge, left) === (e.op === "and") ? this.#eval(e.right, scope) : left;
      }
      case "unary":
        return unary(this.bridge, e.op, this.#eval(e.operand, scope));
      case "binary":
        return binary(this.bridge, e.op, this.#eval(e.left, scope), this.#eval(e.right, scope));
      case "compare":
        return this.#compare(e, scope);
      case "call":
        return this.#call(e, scope);
      case "attribute":
        return this.attribute(this.#eval(e.object, scope), e.name);
      case "subscript":
        return this.subscript(this.#eval(e.object, scope), this.#eval(e.index, scope));
      case "slice":
        return new PySlice(
          e.start ? this.#eval(e.start, scope) : null,
          e.stop ? this.#eval(e.stop, scope) : null,
          e.step ? this.#eval(e.step, scope) : null,
        );
      case "walrus": {
        const value = this.#eval(e.value, scope);
        scope.variables.set(e.name, value);
        return value;
      }
    }
  }

  #items(items: readonly Expr[], scope: Scope): unknown[] {
    return items.flatMap((item) =>
      item.kind === "starred" ? this.bridge.iterate(this.#eval(item.value, scope)) : [this.#eval(item, scope)],
    );
  }

  #dict(e: Extract<Expr, { kind: "dict" }>, scope: Scope): PyDict {
    const dict = new PyDict();
    for (const entry of e.entries) {
      const value = this.#eval(entry.value, scope);
      if (entry.key !== null) dict.set(this.#eval(entry.key, scope), value);
      else for (const [key, item] of this.#mapping(value)) dict.set(key, item);
    }
    return dict;
  }

  #mapping(value: unknown): (readonly [unknown, unknown])[] {
    if (value instanceof PyDict) return [...value.entries.values()].map((entry) => [entry.key, entry.value] as const);
    if (isRecord(value)) return Object.entries(value).map(([key, item]) => [key, this.bridge.fromJs(item)] as const);
    throw new PythonError("TypeError", `'${describe(value)}' object is not a mapping`);
  }

  #comprehension(e: Extract<Expr, { kind: "comprehension" }>, scope: Scope): unknown {
    const elements: unknown[] = [];
    const dict = new PyDict();
    const visit = (clauses: readonly Clause[], inner: Scope): void => {
      const [clause, ...rest] = clauses;
      if (!clause) {
        const element = this.#eval(e.element, inner);
        if (e.value) dict.set(element, this.#eval(e.value, inner));
        else elements.push(element);
        return;
      }
      for (const item of this.bridge.iterate(this.#eval(clause.iterable, inner))) {
        const next = new Scope(inner);
        this.#assign(clause.target, item, next);
        if (clause.conditions.every((test) => truth(this.bridge, this.#eval(test, next)))) visit(rest, next);
      }
    };
    visit(e.clauses, scope);
    return e.result === "dict" ? dict : e.result === "set" ? new PySet(elements) : elements;
  }

  #compare(e: Extract<Expr, { kind: "compare" }>, scope: Scope): unknown {
    let left = this.#eval(e.first, scope);
    let result: unknown = true;
    for (const { op, operand } of e.rest) {
      const right = this.#eval(operand, scope);
      result = compare(this.bridge, op, left, right);
      if (e.rest.length > 1 && !truth(this.bridge, result)) return result;
      left = right;
    }
    return result;
  }

  #call(e: Extract<Expr, { kind: "call" }>, scope: Scope): unknown {
    if (e.callee.kind === "name" && e.callee.name === "super" && e.args.length === 0) {
      return new Super(scope.find("self") as object, scope.find("__class__") as object);
    }
    const callee = this.#eval(e.callee, scope);
    const keywords = new Map<string, unknown>();
    const positional = this.#items(e.args, scope);
    for (const keyword of e.keywords) {
      const value = this.#eval(keyword.value, scope);
      if (keyword.name !== null) keywords.set(keyword.name, value);
      else for (const [key, item] of this.#mapping(value)) keywords.set(str(key), item);
    }
    return this.apply(callee, { positional, keywords });
  }

  /** `object.name` */
  attribute(object: unknown, name: string): unknown {
    if (object instanceof Super) return this.#inherited(object, name);
    return getAttribute(this.bridge, object, name);
  }

  /** A method of the base class; the base of a Python class has been constructed already when `__init__` runs. */
  #inherited({ self, made }: Super, name: string): unknown {
    const method = inheritedMethod(made, name);
    if (method) {
      return new PyFunction(name, (args) => {
        const direct = pythonClasses.has(Object.getPrototypeOf(made) as object);
        if (direct) return this.bridge.fromJs(Reflect.apply(method, self, [new DirectArgs(args)]));
        return this.bridge.fromJs(this.bridge.call(method, args, self));
      });
    }
    if (name === "__init__") return new PyFunction(name, () => null);
    throw new PythonError("AttributeError", `'super' object has no attribute '${name}'`);
  }

  /** `object[index]` */
  subscript(object: unknown, index: unknown): unknown {
    const bridge = this.bridge;
    if (bridge.isTensor(object)) {
      const indices = index instanceof PyTuple && index.origin === null ? index.items : [index];
      return bridge.fromJs(
        bridge.method(
          object,
          "at",
          indices.map((item) => bridge.toJs(item)),
        ),
      );
    }
    if (Array.isArray(object) || object instanceof PyTuple || typeof object === "string") {
      const items: readonly unknown[] = object instanceof PyTuple ? object.items : [...object];
      if (index instanceof PySlice) {
        const part = sliceItems(items, index);
        if (typeof object === "string") return part.join("");
        return object instanceof PyTuple ? new PyTuple(part, object.type === "size" ? "size" : "tuple") : part;
      }
      const at = Number(index);
      const position = at < 0 ? at + items.length : at;
      if (!(position in items)) {
        throw new PythonError("IndexError", `${object instanceof PyTuple ? "tuple" : "list"} index out of range`);
      }
      return items[position];
    }
    if (object instanceof PyDict) {
      if (!object.has(index)) throw new PythonError("KeyError", repr(index));
      return object.get(index);
    }
    if (isRecord(object)) {
      const key = str(index);
      if (!Object.hasOwn(object, key)) throw new PythonError("KeyError", repr(index));
      return bridge.fromJs(object[key], "list");
    }
    if (isObject(object)) {
      return bridge.fromJs(bridge.firstMethod(object, ["at", "get", "__getitem__"], [bridge.toJs(index)]));
    }
    throw new PythonError("TypeError", `'${describe(object)}' object is not subscriptable`);
  }

  // Statements

  #block(statements: readonly Statement[], scope: Scope): Completion | null {
    for (const statement of statements) {
      const completion = this.#execute(statement, scope);
      if (completion) return completion;
    }
    return null;
  }

  #execute(s: Statement, scope: Scope): Completion | null {
    switch (s.kind) {
      case "expression":
        this.#eval(s.value, scope);
        return null;
      case "assign": {
        const value = this.#eval(s.value, scope);
        for (const target of s.targets) this.#assign(target, value, scope);
        return null;
      }
      case "augmented":
        this.#assign(
          s.target,
          augmented(this.bridge, s.op, this.#eval(s.target, scope), this.#eval(s.value, scope)),
          scope,
        );
        return null;
      case "return":
        return { kind: "return", value: s.value ? this.#eval(s.value, scope) : null };
      case "break":
      case "continue":
        return { kind: s.kind };
      case "pass":
        return null;
      case "delete":
        for (const target of s.targets) if (target.kind === "name") scope.variables.delete(target.name);
        return null;
      case "assert":
        if (!truth(this.bridge, this.#eval(s.test, scope))) {
          throw new PythonError("AssertionError", s.message ? str(this.#eval(s.message, scope)) : "");
        }
        return null;
      case "raise": {
        const error = s.value ? this.#eval(s.value, scope) : new PythonError("RuntimeError", "");
        throw error instanceof PyType ? new PythonError(error.name, "") : error;
      }
      case "if":
        return this.#block(truth(this.bridge, this.#eval(s.test, scope)) ? s.consequent : s.alternate, scope);
      case "while":
        while (truth(this.bridge, this.#eval(s.test, scope))) {
          const completion = this.#block(s.body, scope);
          if (completion?.kind === "return") return completion;
          if (completion?.kind === "break") break;
        }
        return null;
      case "for":
        for (const item of this.bridge.iterate(this.#eval(s.iterable, scope))) {
          this.#assign(s.target, item, scope);
          const completion = this.#block(s.body, scope);
          if (completion?.kind === "return") return completion;
          if (completion?.kind === "break") break;
        }
        return null;
      case "def": {
        const body = (inner: Scope): unknown => {
          const completion = this.#block(s.body, inner);
          return completion?.kind === "return" ? completion.value : null;
        };
        let value: unknown = this.#function(s.name, s.parameters, body, scope);
        for (const decorator of s.decorators.toReversed()) {
          value = this.apply(this.#eval(decorator, scope), { positional: [value], keywords: noKeywords });
        }
        scope.variables.set(s.name, value);
        return null;
      }
      case "class":
        scope.variables.set(s.name, this.#class(s, scope));
        return null;
    }
  }

  #assign(target: Expr, value: unknown, scope: Scope): void {
    switch (target.kind) {
      case "name":
        scope.variables.set(target.name, value);
        return;
      case "attribute":
        setAttribute(this.bridge, this.#eval(target.object, scope), target.name, value);
        return;
      case "subscript":
        this.#setItem(this.#eval(target.object, scope), this.#eval(target.index, scope), value);
        return;
      case "tuple":
      case "list":
        this.#unpack(target.items, this.bridge.iterate(value), scope);
        return;
      default:
        throw new PythonError("SyntaxError", "cannot assign to expression");
    }
  }

  #unpack(targets: readonly Expr[], values: readonly unknown[], scope: Scope): void {
    const star = targets.findIndex((target) => target.kind === "starred");
    const after = star < 0 ? 0 : targets.length - star - 1;
    if (star < 0 ? targets.length !== values.length : values.length < targets.length - 1) {
      const few = values.length < targets.length;
      const counts = few
        ? `not enough values to unpack (expected ${targets.length}, got ${values.length})`
        : `too many values to unpack (expected ${targets.length})`;
      throw new PythonError("ValueError", counts);
    }
    for (const [i, target] of targets.entries()) {
      if (target.kind === "starred") this.#assign(target.value, values.slice(i, values.length - after), scope);
      else this.#assign(target, values[star >= 0 && i > star ? values.length - targets.length + i : i], scope);
    }
  }

  #setItem(object: unknown, index: unknown, value: unknown): void {
    const bridge = this.bridge;
    if (bridge.isTensor(object)) {
      const indices = index instanceof PyTuple ? index.items : [index];
      bridge.method(object, "set_at", [indices.map((item) => bridge.toJs(item)), bridge.toJs(value)]);
    } else if (object instanceof PyDict) {
      object.set(index, value);
    } else if (Array.isArray(object)) {
      const at = Number(index);
      object[at < 0 ? at + object.length : at] = value;
    } else if (isRecord(object)) {
      object[str(index)] = bridge.toJs(value);
    } else {
      throw new PythonError("TypeError", `'${describe(object)}' object does not support item assignment`);
    }
  }

  // Functions and classes

  #function(name: string, parameters: Parameters, body: (scope: Scope) => unknown, scope: Scope): PyFunction {
    const defaults = new Map<string, unknown>();
    for (const { name: parameter, fallback } of [...parameters.positional, ...parameters.keywordOnly]) {
      if (fallback) defaults.set(parameter, this.#eval(fallback, scope));
    }
    return new PyFunction(name, (args) => {
      const inner = new Scope(scope);
      bind(name, parameters, defaults, args, inner.variables);
      return body(inner);
    });
  }

  #class(s: Extract<Statement, { kind: "class" }>, scope: Scope): object {
    const base = s.bases[0] ? this.#eval(s.bases[0], scope) : null;
    const body = new Scope(scope);
    const made = deriveClass(this.bridge, s.name, base);
    body.variables.set("__class__", made);
    this.#block(s.body, body);
    for (const [name, value] of body.variables) {
      if (name !== "__class__") defineMember(this.bridge, made, name, value);
    }
    return made;
  }
}
