/**
 * Scalar code: each function leaves one value on the stack.
 */
import type { BinaryOp, Expr, Type, UnaryOp } from "../../ir/expr.ts";
import type { Local } from "./assembler.ts";
import { type Context, valType } from "./emit-context.ts";
import { type Storage } from "./emit-storage.ts";

type Of<K extends Expr["kind"]> = Extract<Expr, { kind: K }>;

function unsupported(op: string, type: Type): never {
  throw new TypeError(`ir: ${op} of ${type} is not a machine operation`);
}

export function pushConstant(c: Context, e: Of<"const">): void {
  switch (e.type) {
    case "bool":
      return c.f.i32(e.value === true ? 1 : 0);
    case "i32":
      return c.f.i32(Number(e.value));
    case "i64":
      return c.f.i64(BigInt(e.value));
    case "f32":
      return c.f.f32(Number(e.value));
    case "f64":
      return c.f.f64(Number(e.value));
  }
}

/** The value of an expression that is the same in all lanes. */
export function pushScalar(c: Context, e: Expr): void {
  const known = c.knownScalar(e);
  if (known !== undefined) return c.f.get(known);
  switch (e.kind) {
    case "const":
      return pushConstant(c, e);
    case "scalar": {
      const local = c.scalars[e.slot];
      if (local === undefined) throw new ReferenceError(`ir: scalar ${e.slot} does not exist`);
      return c.f.get(local);
    }
    case "index": {
      // In vector code this is the index of the block's first lane: right for addresses, the only use there.
      const local = c.indexes.get(e.loop);
      if (local === undefined) throw new ReferenceError(`ir: the index of loop ${e.loop} has no value here`);
      return c.f.get(local);
    }
    case "var":
      return c.f.get(c.scalarBinding(e.id));
    case "load":
      pushLoad(c, e);
      break;
    case "unary":
      pushScalar(c, e.a);
      unaryOp(c, e.op, e.a.type, e.type);
      break;
    case "binary":
      pushBinary(c, e);
      break;
    case "select":
      pushScalar(c, e.a);
      pushScalar(c, e.b);
      pushScalar(c, e.cond);
      c.f.select(valType(e.type));
      break;
    case "fma":
      pushFma(c, e);
      break;
    case "cast":
      pushScalar(c, e.a);
      castOp(c, e.a.type, e.type);
      break;
  }
  if (c.graph.uses(e) > 1) c.keepScalar(e);
}

/** The value in a local, computed now if it is not known. */
export function scalarLocal(c: Context, e: Expr): Local {
  const known = c.knownScalar(e);
  if (known !== undefined) return known;
  if (e.kind === "var") return c.scalarBinding(e.id);
  pushScalar(c, e);
  const local = c.knownScalar(e) ?? c.keepScalar(e);
  c.f.set(local);
  return local;
}

/** Leaves a byte address on the stack, and returns the offset to add in the access. */
export function pushAddress(c: Context, buffer: number, index: Expr): void {
  const address = c.address(buffer, index);
  const stream = c.streams.get(address);
  if (stream !== undefined) c.f.get(stream.pointer);
  else pushScalar(c, address);
}

/** The load of one element whose address is on the stack. */
export function loadOp(c: Context, storage: Storage, offset = 0): void {
  const { f } = c;
  switch (storage) {
    case "bool":
      f.access("i32.load8_u", offset);
      // Other programs may have written other numbers than 1.
      f.i32(0);
      return f.op("i32.ne");
    case "u8":
      return f.access("i32.load8_u", offset);
    case "i8":
      return f.access("i32.load8_s", offset);
    case "i16":
      return f.access("i32.load16_s", offset);
    case "u16":
      return f.access("i32.load16_u", offset);
    case "i32":
    case "i64":
    case "f32":
    case "f64":
      return f.access(`${storage}.load`, offset);
  }
}

/** The store of the value on the stack at the address below it. */
export function storeOp(c: Context, storage: Storage, offset = 0): void {
  switch (storage) {
    case "bool":
    case "u8":
    case "i8":
      return c.f.access("i32.store8", offset);
    case "i16":
    case "u16":
      return c.f.access("i32.store16", offset);
    case "i32":
    case "i64":
    case "f32":
    case "f64":
      return c.f.access(`${storage}.store`, offset);
  }
}

function pushLoad(c: Context, e: Of<"load">): void {
  pushAddress(c, e.buffer, e.index);
  loadOp(c, c.storage(e.buffer));
}

/** One operand on the stack gives the result. */
export function unaryOp(c: Context, op: UnaryOp, from: Type, to: Type): void {
  const { f } = c;
  if (op === "bitcast") {
    if (from === to) return;
    if (from === "bool" || to === "bool") return unsupported(op, from);
    return f.op(`${to}.reinterpret_${from}`);
  }
  if (from === "bool") return op === "not" ? f.op("i32.eqz") : unsupported(op, from);
  if (from === "f32" || from === "f64") {
    switch (op) {
      case "neg":
      case "abs":
      case "sqrt":
      case "floor":
      case "ceil":
      case "trunc":
        return f.op(`${from}.${op}`);
      case "round":
        return f.op(`${from}.nearest`);
      default:
        return unsupported(op, from);
    }
  }
  const number = (value: number): void => (from === "i32" ? f.i32(value) : f.i64(BigInt(value)));
  switch (op) {
    case "neg":
      number(-1);
      return f.op(`${from}.mul`);
    case "not":
      number(-1);
      return f.op(`${from}.xor`);
    case "abs": {
      // (x ^ s) - s where s is the sign, 0 or -1.
      const x = f.local(from);
      f.tee(x);
      f.get(x);
      number(from === "i32" ? 31 : 63);
      f.op(`${from}.shr_s`);
      const sign = f.local(from);
      f.tee(sign);
      f.op(`${from}.xor`);
      f.get(sign);
      f.op(`${from}.sub`);
      f.release(x);
      f.release(sign);
      return;
    }
    case "floor":
    case "ceil":
    case "trunc":
    case "round":
      return;
    default:
      return unsupported(op, from);
  }
}

const suffix: Readonly<Partial<Record<BinaryOp, string>>> = {
  div: "div_s",
  rem: "rem_s",
  lt: "lt_s",
  le: "le_s",
  gt: "gt_s",
  ge: "ge_s",
  shr: "shr_s",
  shru: "shr_u",
};

/** The name of a WebAssembly instruction for the operation, or null where there is none. */
function direct(op: BinaryOp, type: Type): string | null {
  if (type === "bool") {
    switch (op) {
      case "and":
      case "or":
      case "xor":
      case "eq":
      case "ne":
        return `i32.${op}`;
      case "lt":
      case "le":
      case "gt":
      case "ge":
        return `i32.${op}_u`;
      // On 0 and 1 the smaller is the conjunction.
      case "mul":
      case "min":
      case "pmin":
        return "i32.and";
      case "max":
      case "pmax":
        return "i32.or";
      default:
        return unsupported(op, type);
    }
  }
  const integer = type === "i32" || type === "i64";
  switch (op) {
    case "add":
    case "sub":
    case "mul":
    case "eq":
    case "ne":
      return `${type}.${op}`;
    case "lt":
    case "le":
    case "gt":
    case "ge":
      return integer ? `${type}.${suffix[op] ?? op}` : `${type}.${op}`;
    case "and":
    case "or":
    case "xor":
    case "shl":
    case "shr":
    case "shru":
      return integer ? `${type}.${suffix[op] ?? op}` : unsupported(op, type);
    case "div":
      return integer ? null : `${type}.div`;
    case "min":
    case "max":
    case "copysign":
      return integer ? (op === "copysign" ? unsupported(op, type) : null) : `${type}.${op}`;
    case "rem":
      return integer ? null : unsupported(op, type);
    case "pmin":
    case "pmax":
      return null;
    default:
      return unsupported(op, type);
  }
}

/** Two operands on the stack give the result. */
export function binaryOp(c: Context, op: BinaryOp, type: Type): void {
  const { f } = c;
  const name = direct(op, type);
  if (name !== null) return f.op(name);
  if (type === "bool") return unsupported(op, type);
  const a = f.local(type);
  const b = f.local(type);
  f.set(b);
  f.set(a);
  if (op === "div" || op === "rem") {
    integerDivision(c, op, type, a, b);
  } else {
    // min, pmin: b < a ? b : a; max, pmax: a < b ? b : a.
    const least = op === "min" || op === "pmin";
    f.get(b);
    f.get(a);
    f.get(least ? b : a);
    f.get(least ? a : b);
    f.op(type === "i32" || type === "i64" ? `${type}.lt_s` : `${type}.lt`);
    f.select(type);
  }
  f.release(a);
  f.release(b);
}

/**
 * Note [Integer division]: the instruction traps on a zero divisor and on the least number by -1. Neither may end a program:
 * the quotient by -1 wraps, and by 0, which callers guard against where it matters, it is 0, the remainder too.
 */
function integerDivision(c: Context, op: "div" | "rem", type: Type, a: Local, b: Local): void {
  const { f } = c;
  if (type !== "i32" && type !== "i64") return unsupported(op, type);
  const number = (value: number): void => (type === "i32" ? f.i32(value) : f.i64(BigInt(value)));
  if (op === "rem") {
    f.get(a);
    number(1);
    f.get(b);
    f.get(b);
    f.op(`${type}.eqz`);
    f.select(type);
    return f.op(`${type}.rem_s`);
  }
  // For the divisors 0 and -1 the product is the answer, for any other the quotient.
  const special = f.local("i32");
  f.get(a);
  f.get(b);
  f.op(`${type}.mul`);
  f.get(a);
  number(1);
  f.get(b);
  f.get(b);
  number(1);
  f.op(`${type}.add`);
  number(1);
  f.op(`${type}.le_u`);
  f.tee(special);
  f.select(type);
  f.op(`${type}.div_s`);
  f.get(special);
  f.select(type);
  f.release(special);
}

function pushBinary(c: Context, e: Of<"binary">): void {
  const divides = (e.op === "div" || e.op === "rem") && (e.type === "i32" || e.type === "i64");
  if (divides && e.b.kind === "const" && Number(e.b.value) > 0) {
    pushScalar(c, e.a);
    pushScalar(c, e.b);
    return c.f.op(`${e.type}.${e.op}_s`);
  }
  pushScalar(c, e.a);
  pushScalar(c, e.b);
  binaryOp(c, e.op, e.a.type);
}

/**
 * Scalar code must round as vector code does, or an element's value would depend on its place. There is no scalar fused
 * instruction, so one lane of the vector instruction does it.
 */
function pushFma(c: Context, e: Of<"fma">): void {
  const { f } = c;
  if (c.relaxedSimd && (e.type === "f32" || e.type === "f64")) {
    const shape = e.type === "f32" ? "f32x4" : "f64x2";
    for (const x of [e.a, e.b, e.c]) {
      pushScalar(c, x);
      f.op(`${shape}.splat`);
    }
    f.op(`${shape}.relaxed_madd`);
    return f.lane(`${shape}.extract_lane`, 0);
  }
  pushScalar(c, e.a);
  pushScalar(c, e.b);
  f.op(`${valType(e.type)}.mul`);
  pushScalar(c, e.c);
  f.op(`${valType(e.type)}.add`);
}

/** Converts the value on the stack. */
export function castOp(c: Context, from: Type, to: Type): void {
  const { f } = c;
  if (from === to) return;
  if (to === "bool") {
    if (from === "bool") return;
    if (from === "i32") f.i32(0);
    else if (from === "i64") f.i64(0n);
    else if (from === "f32") f.f32(0);
    else f.f64(0);
    return f.op(`${from}.ne`);
  }
  const source = valType(from);
  switch (to) {
    case "i32":
      if (source === "i32") return;
      return f.op(source === "i64" ? "i32.wrap_i64" : `i32.trunc_sat_${source}_s`);
    case "i64":
      return f.op(source === "i32" ? "i64.extend_i32_s" : `i64.trunc_sat_${source}_s`);
    case "f32":
      return f.op(source === "f64" ? "f32.demote_f64" : `f32.convert_${source}_s`);
    case "f64":
      return f.op(source === "f32" ? "f64.promote_f32" : `f64.convert_${source}_s`);
  }
}
