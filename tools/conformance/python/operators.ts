/** Python's operators on Python's own values, and their translation to methods where a tensor takes part. */

import type { BinaryOp, CompareOp, UnaryOp } from "./ast.ts";
import type { Bridge } from "./bridge.ts";
import { describe, isObject } from "./bridge.ts";
import { asComplex, complexBinary } from "./complex.ts";
import { percent } from "./format.ts";
import { Missing, PyComplex, PyDict, PySet, PyTuple, PythonError, isNumber, same } from "./values.ts";

/** The method that `tensor op other` means. */
const tensorMethods: Readonly<Record<BinaryOp, string>> = {
  "+": "add",
  "-": "sub",
  "*": "mul",
  "/": "div",
  "//": "floor_divide",
  "%": "remainder",
  "**": "pow",
  "@": "matmul",
  "&": "bitwise_and",
  "|": "bitwise_or",
  "^": "bitwise_xor",
  "<<": "bitwise_left_shift",
  ">>": "bitwise_right_shift",
};

/** `other op tensor` by the reflected methods' names, which `torch.Tensor.__r*__` also carry. */
const reflectedNames: Readonly<Record<string, BinaryOp>> = {
  __radd__: "+",
  __rsub__: "-",
  __rmul__: "*",
  __rdiv__: "/",
  __rtruediv__: "/",
  __rfloordiv__: "//",
  __rmod__: "%",
  __rpow__: "**",
  __rmatmul__: "@",
  __rand__: "&",
  __ror__: "|",
  __rxor__: "^",
  __rlshift__: "<<",
  __rrshift__: ">>",
};

const commutative: ReadonlySet<BinaryOp> = new Set<BinaryOp>(["+", "*", "&", "|", "^"]);

/** Computes `other op self` for a tensor on the right, the way torch.Tensor's reflected operators do. */
export function reflected(bridge: Bridge, op: BinaryOp, self: unknown, other: unknown): unknown {
  const right = bridge.toJs(other);
  if (commutative.has(op)) return bridge.method(self, tensorMethods[op], [right]);
  if (op === "-") return bridge.method(self, "rsub", [right]);
  if (op === "/") return bridge.method(bridge.method(self, "reciprocal", []), "mul", [right]);
  return bridge.method(bridge.torch, tensorMethods[op], [right, self]);
}

/** The operator behind a reflected dunder such as `__radd__`. */
export function reflectedOperator(name: string): BinaryOp | undefined {
  return reflectedNames[name];
}

function floorDivide(a: bigint, b: bigint): bigint {
  if (b === 0n) throw new PythonError("ZeroDivisionError", "integer division or modulo by zero");
  const q = a / b;
  return a % b !== 0n && a < 0n !== b < 0n ? q - 1n : q;
}

function intBinary(op: BinaryOp, a: bigint, b: bigint): bigint | number | null {
  switch (op) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      if (b === 0n) throw new PythonError("ZeroDivisionError", "division by zero");
      return Number(a) / Number(b);
    case "//":
      return floorDivide(a, b);
    case "%":
      return a - floorDivide(a, b) * b;
    case "**":
      return b < 0n ? Number(a) ** Number(b) : a ** b;
    case "&":
      return a & b;
    case "|":
      return a | b;
    case "^":
      return a ^ b;
    case "<<":
      return a << b;
    case ">>":
      return a >> b;
    default:
      return null;
  }
}

function floatBinary(op: BinaryOp, a: number, b: number): number | PyComplex | null {
  switch (op) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      if (b === 0) throw new PythonError("ZeroDivisionError", "float division by zero");
      return a / b;
    case "//":
      return Math.floor(a / b);
    case "%":
      return a - Math.floor(a / b) * b;
    case "**":
      return a < 0 && !Number.isInteger(b) ? complexBinary("**", asComplex(a), asComplex(b)) : a ** b;
    default:
      return null;
  }
}

function numberBinary(op: BinaryOp, a: unknown, b: unknown): unknown {
  if (!isNumber(a) || !isNumber(b)) return null;
  if (a instanceof PyComplex || b instanceof PyComplex) return complexBinary(op, asComplex(a), asComplex(b));
  if (typeof a === "number" || typeof b === "number") return floatBinary(op, Number(a), Number(b));
  if (typeof a === "boolean" && typeof b === "boolean" && "&|^".includes(op)) {
    return op === "&" ? a && b : op === "|" ? a || b : a !== b;
  }
  return intBinary(op, BigInt(a), BigInt(b));
}

function sequenceBinary(op: BinaryOp, a: unknown, b: unknown): unknown {
  if (op === "*" && (typeof a === "bigint" || typeof b === "bigint")) {
    const [sequence, times] = typeof a === "bigint" ? [b, a] : [a, Number(b)];
    const count = Math.max(0, Number(times));
    if (typeof sequence === "string") return sequence.repeat(count);
    if (Array.isArray(sequence)) return Array.from({ length: count }, () => sequence as unknown[]).flat(1);
    if (sequence instanceof PyTuple) return new PyTuple(Array.from({ length: count }, () => sequence.items).flat(1));
  }
  if (op === "+") {
    if (typeof a === "string" && typeof b === "string") return a + b;
    if (Array.isArray(a) && Array.isArray(b)) return [...(a as unknown[]), ...(b as unknown[])];
    if (a instanceof PyTuple && b instanceof PyTuple) return new PyTuple([...a.items, ...b.items], a.type);
  }
  if (op === "%" && typeof a === "string") return percent(a, b instanceof PyTuple ? b.items : [b]);
  return null;
}

/** `a op b` */
export function binary(bridge: Bridge, op: BinaryOp, a: unknown, b: unknown): unknown {
  if (bridge.isTensor(a)) return bridge.fromJs(bridge.method(a, tensorMethods[op], [bridge.toJs(b)]));
  if (bridge.isTensor(b)) return bridge.fromJs(reflected(bridge, op, b, a));
  const result = numberBinary(op, a, b) ?? sequenceBinary(op, a, b);
  if (result !== null) return result;
  throw new PythonError("TypeError", `unsupported operand type(s) for ${op}: '${describe(a)}' and '${describe(b)}'`);
}

/** `a op= b`: in place on tensors and lists, a new value on all others. */
export function augmented(bridge: Bridge, op: BinaryOp, a: unknown, b: unknown): unknown {
  if (bridge.isTensor(a)) return bridge.fromJs(bridge.method(a, `${tensorMethods[op]}_`, [bridge.toJs(b)]));
  if (op === "+" && Array.isArray(a)) {
    a.push(...bridge.iterate(b));
    return a;
  }
  return binary(bridge, op, a, b);
}

export function unary(bridge: Bridge, op: UnaryOp, value: unknown): unknown {
  if (op === "not") return !truth(bridge, value);
  if (bridge.isTensor(value)) {
    const method = op === "-" ? "neg" : op === "~" ? "bitwise_not" : "positive";
    return bridge.fromJs(bridge.method(value, method, []));
  }
  if (value instanceof PyComplex && op !== "~") return op === "-" ? new PyComplex(-value.re, -value.im) : value;
  if (typeof value === "number" && op !== "~") return op === "-" ? -value : value;
  if (typeof value === "bigint" || typeof value === "boolean") {
    const int = BigInt(value);
    return op === "-" ? -int : op === "~" ? ~int : int;
  }
  throw new PythonError("TypeError", `bad operand type for unary ${op}: '${describe(value)}'`);
}

/** `bool(value)` */
export function truth(bridge: Bridge, value: unknown): boolean {
  if (value === null || value === undefined) return false;
  if (typeof value === "boolean") return value;
  if (typeof value === "bigint") return value !== 0n;
  if (typeof value === "number") return value !== 0;
  if (typeof value === "string") return value !== "";
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof PyTuple || value instanceof PySet) return value.items.length > 0;
  if (value instanceof PyDict) return value.entries.size > 0;
  if (value instanceof PyComplex) return value.re !== 0 || value.im !== 0;
  if (bridge.isTensor(value)) return truth(bridge, bridge.fromJs(bridge.method(value, "item", [])));
  return true;
}

/** `a == b` between Python's own values. */
export function equal(a: unknown, b: unknown): boolean {
  if (isNumber(a) && isNumber(b)) {
    const [x, y] = [asComplex(a), asComplex(b)];
    if (typeof a === "bigint" && typeof b === "bigint") return a === b;
    return x.re === y.re && x.im === y.im;
  }
  if (a instanceof PyTuple && b instanceof PyTuple) return equalItems(a.items, b.items);
  if (Array.isArray(a) && Array.isArray(b)) return equalItems(a, b);
  if (a instanceof PySet && b instanceof PySet) {
    return a.items.length === b.items.length && a.items.every((x) => b.items.some((y) => equal(x, y)));
  }
  if (a instanceof PyDict && b instanceof PyDict) {
    return a.entries.size === b.entries.size && a.keys().every((key) => b.has(key) && equal(a.get(key), b.get(key)));
  }
  return same(a, b);
}

function equalItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((x, i) => equal(x, b[i]));
}

const tensorComparisons: Readonly<Record<string, readonly [string, string]>> = {
  "==": ["eq", "eq"],
  "!=": ["ne", "ne"],
  "<": ["lt", "gt"],
  "<=": ["le", "ge"],
  ">": ["gt", "lt"],
  ">=": ["ge", "le"],
};

/** Negative, zero or positive as `a` stands before, with or behind `b`; NaN if unordered. */
function order(a: unknown, b: unknown): number {
  if (typeof a === "bigint" && typeof b === "bigint") return a < b ? -1 : a > b ? 1 : 0;
  if (isNumber(a) && isNumber(b) && !(a instanceof PyComplex) && !(b instanceof PyComplex)) {
    const [x, y] = [Number(a), Number(b)];
    return x < y ? -1 : x > y ? 1 : x === y ? 0 : Number.NaN;
  }
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : a > b ? 1 : 0;
  const [x, y] = [a, b].map((v) => (v instanceof PyTuple ? v.items : Array.isArray(v) ? (v as unknown[]) : null));
  if (!x || !y) {
    throw new PythonError("TypeError", `'<' not supported between instances of '${describe(a)}' and '${describe(b)}'`);
  }
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const o = equal(x[i], y[i]) ? 0 : order(x[i], y[i]);
    if (o !== 0) return o;
  }
  return x.length - y.length;
}

export { order };

function contains(bridge: Bridge, container: unknown, item: unknown): boolean {
  if (typeof container === "string") return typeof item === "string" && container.includes(item);
  if (container instanceof PyDict) return container.has(item);
  if (isObject(container) && !Array.isArray(container) && typeof Reflect.get(container, "contains") === "function") {
    return truth(bridge, bridge.method(container, "contains", [bridge.toJs(item)]));
  }
  return bridge.iterate(container).some((x) => equal(x, item));
}

/** `a op b` for a comparison; between tensors the result is a tensor. */
export function compare(bridge: Bridge, op: CompareOp, a: unknown, b: unknown): unknown {
  switch (op) {
    case "is":
      return same(a, b);
    case "is not":
      return !same(a, b);
    case "in":
      return contains(bridge, b, a);
    case "not in":
      return !contains(bridge, b, a);
    default:
  }
  if (bridge.isTensor(a) || bridge.isTensor(b)) {
    if ((a === null || b === null) && (op === "==" || op === "!=")) return op === "!=";
    const methods = tensorComparisons[op];
    if (!methods) throw new Missing(`comparison ${op}`);
    return bridge.isTensor(a)
      ? bridge.method(a, methods[0], [bridge.toJs(b)])
      : bridge.method(b, methods[1], [bridge.toJs(a)]);
  }
  switch (op) {
    case "==":
      return equal(a, b);
    case "!=":
      return !equal(a, b);
    case "<":
      return order(a, b) < 0;
    case "<=":
      return order(a, b) <= 0;
    case ">":
      return order(a, b) > 0;
    default:
      return order(a, b) >= 0;
  }
}
