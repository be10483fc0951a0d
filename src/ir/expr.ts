/**
 * Scalar expressions: what one element of a kernel computes. Immutable, typed trees (shared subtrees make them graphs),
 * built with the constructors of {@link E}, which check types and fold what is trivial.
 *
 * Two layers share the type. The *kinds* of {@link UnaryOp} and {@link BinaryOp} marked "function" (`exp`, `tanh`, `erf`,
 * `pow`, ...) exist for people, for `calculus` and for `interpret`; before code is emitted, `math` rewrites them into the
 * kinds marked "machine", which each backend can do in one or a few instructions.
 */

/** What a value is while it is computed. `bool` is a condition (a lane mask in vector code). */
export type Type = "bool" | "i32" | "i64" | "f32" | "f64";

export const machineUnary = [
  "neg", // two's complement for integers
  "abs",
  "sqrt",
  "floor",
  "ceil",
  "trunc",
  "round", // to nearest, ties to even
  "not", // bool: logical; integers: bitwise complement
  "bitcast", // same width, other type: f32 <-> i32, f64 <-> i64
] as const;

export const functionUnary = [
  "exp",
  "exp2",
  "expm1",
  "log",
  "log2",
  "log10",
  "log1p",
  "sin",
  "cos",
  "tan",
  "asin",
  "acos",
  "atan",
  "sinh",
  "cosh",
  "tanh",
  "asinh",
  "acosh",
  "atanh",
  "sigmoid",
  "rsqrt",
  "reciprocal",
  "erf",
  "erfc",
  "erfinv",
  "lgamma",
  "digamma",
  "trigamma",
  "sign", // -1, 0, 1; NaN stays NaN
  "isnan", // to bool
] as const;

export const machineBinary = [
  "add",
  "sub",
  "mul",
  "div", // floats: IEEE; integers: truncating (the caller guards division by zero)
  "rem", // integers: sign of the dividend
  "min", // NaN if either is NaN
  "max",
  "pmin", // b < a ? b : a; one instruction, for use where NaN does not matter
  "pmax", // a < b ? b : a
  "and", // bool or integers, bitwise
  "or",
  "xor",
  "shl",
  "shr", // arithmetic
  "shru", // logical
  "copysign", // floats
  "eq", // comparisons give bool
  "ne",
  "lt",
  "le",
  "gt",
  "ge",
] as const;

export const functionBinary = [
  "pow", // floats
  "atan2",
  "fmod", // floats: C fmod
  "hypot",
  "nextafter",
  "polygamma", // the order, a constant, and the argument
] as const;

export type UnaryOp = (typeof machineUnary)[number] | (typeof functionUnary)[number];
export type BinaryOp = (typeof machineBinary)[number] | (typeof functionBinary)[number];

export type Expr =
  /** A constant; `value` is a bigint for i64, a boolean for bool, else a number. */
  | { readonly kind: "const"; readonly type: Type; readonly value: number | bigint | boolean }
  /** The kernel's uniform argument number `slot`. */
  | { readonly kind: "scalar"; readonly type: Type; readonly slot: number }
  /** The current value of a loop variable, an i32. */
  | { readonly kind: "index"; readonly type: "i32"; readonly loop: number }
  /** Element `index` (i32, counted in elements of the buffer's dtype) of buffer number `buffer`, widened to `type`. */
  | { readonly kind: "load"; readonly type: Type; readonly buffer: number; readonly index: Expr }
  /** A local variable of the kernel, or a free symbol while an expression is only reasoned about. */
  | { readonly kind: "var"; readonly type: Type; readonly id: number }
  | { readonly kind: "unary"; readonly type: Type; readonly op: UnaryOp; readonly a: Expr }
  | { readonly kind: "binary"; readonly type: Type; readonly op: BinaryOp; readonly a: Expr; readonly b: Expr }
  /** Both sides are computed, in lanes at least: an index must be in range on the side that is not chosen too. */
  | { readonly kind: "select"; readonly type: Type; readonly cond: Expr; readonly a: Expr; readonly b: Expr }
  /** a * b + c, fused where the machine can, else rounded twice. */
  | { readonly kind: "fma"; readonly type: Type; readonly a: Expr; readonly b: Expr; readonly c: Expr }
  /**
   * Numeric conversion. Float to integer truncates and saturates; i64 to i32 wraps; a bool becomes 0 or 1; a number becomes
   * `!= 0`.
   */
  | { readonly kind: "cast"; readonly type: Type; readonly a: Expr };

/** An operand as written in operator definitions: plain numbers take the type of the expression beside them. */
export type Operand = Expr | number;

const comparisons: ReadonlySet<BinaryOp> = new Set(["eq", "ne", "lt", "le", "gt", "ge"]);

export const isFloat = (type: Type): boolean => type === "f32" || type === "f64";

function typeError(what: string): never {
  throw new TypeError(`ir: ${what}`);
}

/** A constant of the given type. */
export function constant(type: Type, value: number | bigint | boolean): Expr {
  switch (type) {
    case "i64":
      return { kind: "const", type, value: BigInt(value) };
    case "bool":
      return { kind: "const", type, value: Boolean(value) };
    case "f32":
      return { kind: "const", type, value: Math.fround(Number(value)) };
    case "i32":
      return { kind: "const", type, value: Number(value) | 0 };
    case "f64":
      return { kind: "const", type, value: Number(value) };
  }
}

function isConst(e: Expr, value: number): boolean {
  return e.kind === "const" && typeof e.value !== "boolean" && Object.is(Number(e.value), value);
}

/** Gives numbers the type of their neighbour. */
function pair(a: Operand, b: Operand): [Expr, Expr] {
  if (typeof a === "number") {
    if (typeof b === "number") return typeError("an operation on two plain numbers has no type");
    return [constant(b.type, a), b];
  }
  if (typeof b === "number") return [a, constant(a.type, b)];
  if (a.type !== b.type) return typeError(`operands of types ${a.type} and ${b.type}`);
  return [a, b];
}

function unary(op: UnaryOp, a: Expr): Expr {
  const type = op === "isnan" ? "bool" : a.type;
  return { kind: "unary", type, op, a };
}

function binary(op: BinaryOp, x: Operand, y: Operand): Expr {
  const [a, b] = pair(x, y);
  return { kind: "binary", type: comparisons.has(op) ? "bool" : a.type, op, a, b };
}

type Unary = (a: Expr) => Expr;
type Binary = (a: Operand, b: Operand) => Expr;
const u =
  (op: UnaryOp): Unary =>
  (a) =>
    unary(op, a);
const b =
  (op: BinaryOp): Binary =>
  (x, y) =>
    binary(op, x, y);

/** The constructors of expressions. */
export const E: {
  readonly [K in Exclude<UnaryOp, "bitcast">]: Unary;
} & {
  readonly [K in BinaryOp]: Binary;
} & {
  const: (type: Type, value: number | bigint | boolean) => Expr;
  scalar: (type: Type, slot: number) => Expr;
  index: (loop: number) => Expr;
  load: (type: Type, buffer: number, index: Expr) => Expr;
  var: (type: Type, id: number) => Expr;
  select: (cond: Expr, a: Operand, b: Operand) => Expr;
  fma: (a: Operand, b: Operand, c: Operand) => Expr;
  cast: (type: Type, a: Expr) => Expr;
  bitcast: (type: Type, a: Expr) => Expr;
  square: Unary;
} = {
  // machine
  neg: (a) => (a.kind === "unary" && a.op === "neg" ? a.a : unary("neg", a)),
  abs: u("abs"),
  sqrt: u("sqrt"),
  floor: u("floor"),
  ceil: u("ceil"),
  trunc: u("trunc"),
  round: u("round"),
  not: u("not"),
  // functions
  exp: u("exp"),
  exp2: u("exp2"),
  expm1: u("expm1"),
  log: u("log"),
  log2: u("log2"),
  log10: u("log10"),
  log1p: u("log1p"),
  sin: u("sin"),
  cos: u("cos"),
  tan: u("tan"),
  asin: u("asin"),
  acos: u("acos"),
  atan: u("atan"),
  sinh: u("sinh"),
  cosh: u("cosh"),
  tanh: u("tanh"),
  asinh: u("asinh"),
  acosh: u("acosh"),
  atanh: u("atanh"),
  sigmoid: u("sigmoid"),
  rsqrt: u("rsqrt"),
  reciprocal: u("reciprocal"),
  erf: u("erf"),
  erfc: u("erfc"),
  erfinv: u("erfinv"),
  lgamma: u("lgamma"),
  digamma: u("digamma"),
  trigamma: u("trigamma"),
  sign: u("sign"),
  isnan: u("isnan"),
  // binary; multiplication by one and addition of zero to an integer are folded (x + 0.0 would lose -0.0)
  add: (x, y) => {
    const [a, c] = pair(x, y);
    if (!isFloat(a.type)) {
      if (isConst(c, 0)) return a;
      if (isConst(a, 0)) return c;
    }
    return binary("add", a, c);
  },
  sub: (x, y) => {
    const [a, c] = pair(x, y);
    return isConst(c, 0) ? a : binary("sub", a, c);
  },
  mul: (x, y) => {
    const [a, c] = pair(x, y);
    if (isConst(c, 1)) return a;
    if (isConst(a, 1)) return c;
    if (isConst(c, -1)) return E.neg(a);
    if (isConst(a, -1)) return E.neg(c);
    return binary("mul", a, c);
  },
  div: (x, y) => {
    const [a, c] = pair(x, y);
    return isConst(c, 1) ? a : binary("div", a, c);
  },
  rem: b("rem"),
  min: b("min"),
  max: b("max"),
  pmin: b("pmin"),
  pmax: b("pmax"),
  and: b("and"),
  or: b("or"),
  xor: b("xor"),
  shl: b("shl"),
  shr: b("shr"),
  shru: b("shru"),
  copysign: b("copysign"),
  eq: b("eq"),
  ne: b("ne"),
  lt: b("lt"),
  le: b("le"),
  gt: b("gt"),
  ge: b("ge"),
  pow: b("pow"),
  atan2: b("atan2"),
  fmod: b("fmod"),
  hypot: b("hypot"),
  nextafter: b("nextafter"),
  polygamma: b("polygamma"),
  // the rest
  const: constant,
  scalar: (type, slot) => ({ kind: "scalar", type, slot }),
  index: (loop) => ({ kind: "index", type: "i32", loop }),
  load: (type, buffer, index) => {
    if (index.type !== "i32") return typeError(`an index of type ${index.type}`);
    return { kind: "load", type, buffer, index };
  },
  var: (type, id) => ({ kind: "var", type, id }),
  select: (cond, x, y) => {
    if (cond.type !== "bool") return typeError(`a condition of type ${cond.type}`);
    const [a, c] = pair(x, y);
    if (cond.kind === "const") return cond.value === true ? a : c;
    return { kind: "select", type: a.type, cond, a, b: c };
  },
  fma: (x, y, z) => {
    const [a, c] = pair(x, y);
    const [, d] = pair(a, z);
    return { kind: "fma", type: a.type, a, b: c, c: d };
  },
  cast: (type, a) => {
    if (a.type === type) return a;
    if (a.kind === "const" && type !== "i32" && type !== "i64") return constant(type, a.value);
    return { kind: "cast", type, a };
  },
  bitcast: (type, a) => (a.type === type ? a : { kind: "unary", type, op: "bitcast", a }),
  square: (a) => E.mul(a, a),
};

/** The operands of an expression. */
export function operands(e: Expr): readonly Expr[] {
  switch (e.kind) {
    case "const":
    case "scalar":
    case "index":
    case "var":
      return [];
    case "load":
      return [e.index];
    case "unary":
    case "cast":
      return [e.a];
    case "binary":
      return [e.a, e.b];
    case "select":
      return [e.cond, e.a, e.b];
    case "fma":
      return [e.a, e.b, e.c];
  }
}

/** The same expression with each operand replaced by `f(operand)`; the node itself when none changed. */
export function mapOperands(e: Expr, f: (e: Expr) => Expr): Expr {
  switch (e.kind) {
    case "const":
    case "scalar":
    case "index":
    case "var":
      return e;
    case "load": {
      const index = f(e.index);
      return index === e.index ? e : { ...e, index };
    }
    case "unary":
    case "cast": {
      const a = f(e.a);
      return a === e.a ? e : { ...e, a };
    }
    case "binary": {
      const a = f(e.a);
      const c = f(e.b);
      return a === e.a && c === e.b ? e : { ...e, a, b: c };
    }
    case "select": {
      const cond = f(e.cond);
      const a = f(e.a);
      const c = f(e.b);
      return cond === e.cond && a === e.a && c === e.b ? e : { ...e, cond, a, b: c };
    }
    case "fma": {
      const a = f(e.a);
      const c = f(e.b);
      const d = f(e.c);
      return a === e.a && c === e.b && d === e.c ? e : { ...e, a, b: c, c: d };
    }
  }
}

/** Rewrites bottom-up, each shared subtree once. */
export function rewrite(e: Expr, f: (e: Expr) => Expr): Expr {
  const done = new Map<Expr, Expr>();
  const go = (x: Expr): Expr => {
    const known = done.get(x);
    if (known !== undefined) return known;
    const y = f(mapOperands(x, go));
    done.set(x, y);
    return y;
  };
  return go(e);
}
