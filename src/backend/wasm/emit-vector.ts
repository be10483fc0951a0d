/**
 * Vector code: each function leaves one part (see {@link Lanes}) of a varying value on the stack.
 */
import type { BinaryOp, Expr, Type, UnaryOp } from "../../ir/expr.ts";
import type { Local } from "./assembler.ts";
import type { Combine } from "../../ir/kernel.ts";
import { type Context, shapes, valType, type Width } from "./emit-context.ts";
import { pushByLane, pushVectorLoad } from "./emit-load.ts";
import { binaryOp, castOp, pushConstant, pushScalar } from "./emit-scalar.ts";

type Of<K extends Expr["kind"]> = Extract<Expr, { kind: K }>;

const shapeOf = (type: Type, width: Width): string =>
  type === "bool" ? (width === 32 ? "i32x4" : "i64x2") : shapes[type];

// Bytes that `i8x16.shuffle` chooses out of a (0-15) and b (16-31).
const lowWords = [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27];
const lowHalves = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
const highHalf = [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15];

function unsupported(op: string, type: Type): never {
  throw new TypeError(`ir: ${op} of ${type} is not a machine operation`);
}

/** A part of any value: the part itself of a varying one, the splat of any other. `width` matters for conditions alone. */
export function pushVector(c: Context, e: Expr, part: number, width: Width = c.widthOf(e.type)): void {
  if (!c.varies(e)) return pushSplat(c, e);
  const known = c.knownVector(e, part, width);
  if (known !== undefined) return c.f.get(known);
  const kept = pushNode(c, e, part, width);
  if (kept && c.graph.uses(e) > 1) c.keepVector(e, part, width);
}

/** A part in a local, computed now if it is not known. */
export function vectorLocal(c: Context, e: Expr, part: number, width: Width = c.widthOf(e.type)): Local {
  if (!c.varies(e)) {
    const known = c.knownSplat(e);
    if (known !== undefined) return known;
  } else {
    const known = c.knownVector(e, part, width);
    if (known !== undefined) return known;
  }
  pushVector(c, e, part, width);
  const known = c.varies(e) ? c.knownVector(e, part, width) : c.knownSplat(e);
  const local = known ?? c.keepVector(e, part, width);
  c.f.set(local);
  return local;
}

/** The same value in all lanes. */
export function pushSplat(c: Context, e: Expr): void {
  const { f } = c;
  if (e.kind === "const") {
    const value = Object.is(e.value, -0) ? "-0" : String(e.value);
    return f.get(c.constantVector(`${e.type} ${value}`, () => splatOf(c, e.type, () => pushConstant(c, e))));
  }
  const known = c.knownSplat(e);
  if (known !== undefined) return f.get(known);
  splatOf(c, e.type, () => pushScalar(c, e));
  c.keepSplat(e);
}

function splatOf(c: Context, type: Type, push: () => void): void {
  if (type === "bool") c.f.i32(0);
  push();
  // 0 - 1 has all bits set, the mask of either width.
  if (type === "bool") c.f.op("i32.sub");
  c.f.op(`${shapeOf(type, 32)}.splat`);
}

/** Pushes the part; false if it stays where it can be fetched again at no cost. */
function pushNode(c: Context, e: Expr, part: number, width: Width): boolean {
  switch (e.kind) {
    case "const":
    case "scalar":
      throw new Error(`emitter: ${e.kind} does not vary`);
    case "index":
      pushIndex(c, e, part);
      return true;
    case "var":
      return pushVariable(c, e, part, width);
    case "load":
      pushVectorLoad(c, e, part, width, pushLane);
      return true;
    case "unary":
      pushUnary(c, e, part, width);
      return true;
    case "binary":
      pushBinary(c, e, part, width);
      return true;
    case "select":
      pushSelect(c, e, part, width);
      return true;
    case "fma":
      pushFma(c, e, part);
      return true;
    case "cast":
      pushCast(c, e, part, width);
      return true;
  }
}

function pushIndex(c: Context, e: Of<"index">, part: number): void {
  const { f } = c;
  pushScalar(c, e);
  f.op("i32x4.splat");
  f.get(
    c.constantVector(`lanes ${part}`, () => {
      f.v128([0, 1, 2, 3].flatMap((lane) => [4 * part + lane, 0, 0, 0]));
    }),
  );
  f.op("i32x4.add");
}

function pushVariable(c: Context, e: Of<"var">, part: number, width: Width): boolean {
  const bound = c.bindings.get(e.id);
  if (bound === undefined || "index" in bound) throw new Error(`emitter: variable ${e.id} has no lanes`);
  const natural = c.widthOf(e.type);
  const get = (k: number): void => {
    const local = bound[k];
    if (local === undefined) throw new Error(`emitter: variable ${e.id} has no part ${k}`);
    c.f.get(local);
  };
  if (e.type === "bool" && width !== natural) {
    convertMask(c, natural, width, part, get);
    return true;
  }
  get(part);
  return false;
}

/** Makes a part of a mask out of the parts of the other width. */
function convertMask(c: Context, from: Width, to: Width, part: number, push: (part: number) => void): void {
  if (from === to) return push(part);
  if (to === 64) {
    push(part >> 1);
    return c.f.op(`i64x2.extend_${part % 2 === 0 ? "low" : "high"}_i32x4_s`);
  }
  push(2 * part);
  push(2 * part + 1);
  c.f.shuffle(lowWords);
}

/** The part of a 32-bit value that holds a 64-bit part's lanes, with those in the low half. */
function pushHalf(c: Context, e: Expr, part: number): void {
  c.f.get(vectorLocal(c, e, part >> 1, 32));
  if (part % 2 === 0) return;
  c.f.get(vectorLocal(c, e, part >> 1, 32));
  c.f.shuffle(highHalf);
}

/** One lane of the block, as a scalar. */
export function pushLane(c: Context, e: Expr, lane: number): void {
  if (!c.varies(e)) return pushScalar(c, e);
  const width = c.widthOf(e.type);
  const each = 128 / width;
  c.f.get(vectorLocal(c, e, Math.floor(lane / each), width));
  c.f.lane(`${shapeOf(e.type, width)}.extract_lane`, lane % each);
  if (e.type !== "bool") return;
  if (width === 64) c.f.op("i32.wrap_i64");
  c.f.i32(1);
  c.f.op("i32.and");
}

function pushUnary(c: Context, e: Of<"unary">, part: number, width: Width): void {
  const { f } = c;
  pushVector(c, e.a, part, width);
  if (e.op === "bitcast") return;
  if (e.op === "not") return e.type === "f32" || e.type === "f64" ? unsupported(e.op, e.type) : f.op("v128.not");
  if (e.type === "bool") return unsupported(e.op, e.a.type);
  const name = floatUnary[e.op];
  const shape = shapes[e.type];
  if (e.op === "neg" || e.op === "abs") return f.op(`${shape}.${e.op}`);
  if (name === undefined) return unsupported(e.op, e.type);
  if (e.type === "f32" || e.type === "f64") return f.op(`${shape}.${name}`);
  if (e.op === "sqrt") unsupported(e.op, e.type);
}

const floatUnary: Readonly<Partial<Record<UnaryOp, string>>> = {
  sqrt: "sqrt",
  floor: "floor",
  ceil: "ceil",
  trunc: "trunc",
  round: "nearest",
};

const shifts: Readonly<Partial<Record<BinaryOp, string>>> = { shl: "shl", shr: "shr_s", shru: "shr_u" };

function pushBinary(c: Context, e: Of<"binary">, part: number, width: Width): void {
  const { f } = c;
  const type = e.a.type;
  if (type === "bool") return pushBoolBinary(c, e, part, width);
  const operand = c.widthOf(type);
  if (e.type === "bool") {
    return convertMask(c, operand, width, part, (k) => {
      if (width !== operand) {
        const known = c.knownVector(e, k, operand);
        if (known !== undefined) return f.get(known);
      }
      pushVector(c, e.a, k);
      pushVector(c, e.b, k);
      f.op(`${shapes[type]}.${e.op}${type === "i32" || type === "i64" ? signed(e.op) : ""}`);
      if (width !== operand) c.keepVector(e, k, operand);
    });
  }
  const shape = shapes[type];
  const shift = shifts[e.op];
  if (shift !== undefined) {
    if (type === "f32" || type === "f64") return unsupported(e.op, type);
    if (c.varies(e.b)) return pushByLane(c, type, part, (lane) => pushLanePair(c, e, lane));
    pushVector(c, e.a, part);
    pushScalar(c, e.b);
    if (type === "i64") f.op("i32.wrap_i64");
    return f.op(`${shape}.${shift}`);
  }
  const integer = type === "i32" || type === "i64";
  switch (e.op) {
    case "div":
    case "rem":
      if (integer) return pushByLane(c, type, part, (lane) => pushLanePair(c, e, lane));
      if (e.op === "rem") return unsupported(e.op, type);
      break;
    case "min":
    case "max":
    case "pmin":
    case "pmax":
      if (integer) return pushIntegerExtremum(c, e, part);
      break;
    case "and":
    case "or":
    case "xor":
      if (!integer) return unsupported(e.op, type);
      pushVector(c, e.a, part);
      pushVector(c, e.b, part);
      return f.op(`v128.${e.op}`);
    case "copysign": {
      if (integer) return unsupported(e.op, type);
      const sign = c.constantVector(`sign ${type}`, () => {
        f.v128(Array.from({ length: 16 }, (_, k) => ((k + 1) % (operand / 8) === 0 ? 0x80 : 0)));
      });
      pushVector(c, e.b, part);
      pushVector(c, e.a, part);
      f.get(sign);
      return f.op("v128.bitselect");
    }
    case "add":
    case "sub":
    case "mul":
      break;
    default:
      return unsupported(e.op, type);
  }
  pushVector(c, e.a, part);
  pushVector(c, e.b, part);
  f.op(`${shape}.${e.op}`);
}

const signed = (op: BinaryOp): string => (op === "eq" || op === "ne" ? "" : "_s");

function pushLanePair(c: Context, e: Of<"binary">, lane: number): void {
  pushLane(c, e.a, lane);
  pushLane(c, e.b, lane);
  if ((e.op === "div" || e.op === "rem") && e.b.kind === "const" && Number(e.b.value) > 0) {
    return c.f.op(`${valType(e.type)}.${e.op}_s`);
  }
  binaryOp(c, e.op, e.a.type);
}

function pushIntegerExtremum(c: Context, e: Of<"binary">, part: number): void {
  const { f } = c;
  const least = e.op === "min" || e.op === "pmin";
  if (e.type === "i32") {
    pushVector(c, e.a, part);
    pushVector(c, e.b, part);
    return f.op(`i32x4.${least ? "min_s" : "max_s"}`);
  }
  const a = vectorLocal(c, e.a, part);
  const b = vectorLocal(c, e.b, part);
  f.get(a);
  f.get(b);
  f.get(a);
  f.get(b);
  f.op(`i64x2.${least ? "lt_s" : "gt_s"}`);
  chooseLanes(c, 64);
}

function pushBoolBinary(c: Context, e: Of<"binary">, part: number, width: Width): void {
  const { f } = c;
  const both = (a: Expr, b: Expr, op: string): void => {
    pushVector(c, a, part, width);
    pushVector(c, b, part, width);
    f.op(op);
  };
  switch (e.op) {
    case "and":
    case "mul":
    case "min":
    case "pmin":
      return both(e.a, e.b, "v128.and");
    case "or":
    case "max":
    case "pmax":
      return both(e.a, e.b, "v128.or");
    case "xor":
    case "ne":
      return both(e.a, e.b, "v128.xor");
    case "eq":
      both(e.a, e.b, "v128.xor");
      return f.op("v128.not");
    case "lt":
      return both(e.b, e.a, "v128.andnot");
    case "gt":
      return both(e.a, e.b, "v128.andnot");
    case "le":
      both(e.a, e.b, "v128.andnot");
      return f.op("v128.not");
    case "ge":
      both(e.b, e.a, "v128.andnot");
      return f.op("v128.not");
    default:
      return unsupported(e.op, "bool");
  }
}

/** Takes a, b and a mask: the lanes of a where the mask is set, else of b. */
function chooseLanes(c: Context, width: Width): void {
  // On whole masks the relaxed form is exact, and one instruction.
  c.f.op(c.relaxedSimd ? `i${width}x${128 / width}.relaxed_laneselect` : "v128.bitselect");
}

function pushSelect(c: Context, e: Of<"select">, part: number, width: Width): void {
  const lane = e.type === "bool" ? width : c.widthOf(e.type);
  pushVector(c, e.a, part, lane);
  pushVector(c, e.b, part, lane);
  if (!c.varies(e.cond)) {
    pushScalar(c, e.cond);
    return c.f.select("v128");
  }
  pushVector(c, e.cond, part, lane);
  chooseLanes(c, lane);
}

function pushFma(c: Context, e: Of<"fma">, part: number): void {
  const { f } = c;
  if (e.type === "bool") return unsupported("fma", e.type);
  pushVector(c, e.a, part);
  pushVector(c, e.b, part);
  if (c.relaxedSimd && (e.type === "f32" || e.type === "f64")) {
    pushVector(c, e.c, part);
    return f.op(`${shapes[e.type]}.relaxed_madd`);
  }
  f.op(`${shapes[e.type]}.mul`);
  pushVector(c, e.c, part);
  f.op(`${shapes[e.type]}.add`);
}

function pushCast(c: Context, e: Of<"cast">, part: number, width: Width): void {
  const { f } = c;
  const from = e.a.type;
  const to = e.type;
  if (to === "bool") {
    if (from === "bool") return pushVector(c, e.a, part, width);
    const operand = c.widthOf(from);
    return convertMask(c, operand, width, part, (k) => {
      pushVector(c, e.a, k);
      f.get(c.constantVector(`${from} 0`, () => splatOf(c, from, () => pushZero(c, from))));
      f.op(`${shapes[from]}.ne`);
    });
  }
  if (from === "bool") {
    const lane = c.widthOf(to);
    pushVector(c, e.a, part, lane);
    if (to === "i32" || to === "i64") return f.op(`${shapes[to]}.neg`);
    f.get(c.constantVector(`${to} 1`, () => splatOf(c, to, () => (to === "f32" ? f.f32(1) : f.f64(1)))));
    return f.op("v128.and");
  }
  switch (`${from} ${to}`) {
    case "i32 f32":
      pushVector(c, e.a, part);
      return f.op("f32x4.convert_i32x4_s");
    case "f32 i32":
      pushVector(c, e.a, part);
      return f.op("i32x4.trunc_sat_f32x4_s");
    case "f32 f64":
      pushHalf(c, e.a, part);
      return f.op("f64x2.promote_low_f32x4");
    case "i32 f64":
      pushHalf(c, e.a, part);
      return f.op("f64x2.convert_low_i32x4_s");
    case "i32 i64":
      f.get(vectorLocal(c, e.a, part >> 1));
      return f.op(`i64x2.extend_${part % 2 === 0 ? "low" : "high"}_i32x4_s`);
    case "i64 i32":
      pushVector(c, e.a, 2 * part);
      pushVector(c, e.a, 2 * part + 1);
      return f.shuffle(lowWords);
    case "f64 f32":
    case "f64 i32": {
      const op = to === "f32" ? "f32x4.demote_f64x2_zero" : "i32x4.trunc_sat_f64x2_s_zero";
      pushVector(c, e.a, 2 * part);
      f.op(op);
      pushVector(c, e.a, 2 * part + 1);
      f.op(op);
      return f.shuffle(lowHalves);
    }
    default:
      return pushByLane(c, to, part, (lane) => {
        pushLane(c, e.a, lane);
        castOp(c, from, to);
      });
  }
}

function pushZero(c: Context, type: Exclude<Type, "bool">): void {
  if (type === "i32") c.f.i32(0);
  else if (type === "i64") c.f.i64(0n);
  else if (type === "f32") c.f.f32(0);
  else c.f.f64(0);
}

/** Combines two vectors on the stack; see {@link Combine}. */
export function combineVectors(c: Context, combine: Combine, type: Type, a: Local, b: () => void): void {
  const { f } = c;
  f.get(a);
  b();
  if (type === "bool")
    return f.op(combine === "and" || combine === "mul" || combine.endsWith("min") ? "v128.and" : "v128.or");
  if (combine === "and" || combine === "or") return f.op(`v128.${combine}`);
  const integer = type === "i32" || type === "i64";
  if (!integer || combine === "add" || combine === "mul") return f.op(`${shapes[type]}.${combine}`);
  const least = combine === "min" || combine === "pmin";
  if (type === "i32") return f.op(`i32x4.${least ? "min_s" : "max_s"}`);
  const other = f.local("v128");
  f.tee(other);
  f.get(a);
  f.get(other);
  f.op(`i64x2.${least ? "lt_s" : "gt_s"}`);
  f.release(other);
  chooseLanes(c, 64);
}
