/**
 * How elements lie in memory, and the kernel in the form that is emitted: machine operations only, on interned
 * expressions, with the conversions of the 16-bit floating types written out as integer arithmetic. So a backend without
 * instructions for them needs none, in scalar and in vector code alike.
 */
import type { DType } from "../../base/dtype.ts";
import { constant, E, type Expr, rewrite, type Type } from "../../ir/expr.ts";
import type { Kernel, Stmt } from "../../ir/kernel.ts";
import type { Graph } from "./emit-graph.ts";

/** What a load instruction finds: `u16` holds the bits of a 16-bit float. */
export type Storage = "bool" | "u8" | "i8" | "i16" | "u16" | "i32" | "i64" | "f32" | "f64";

/** Bytes of an element (of a part of a complex one), as a power of two. */
export const storageShift: Readonly<Record<Storage, number>> = {
  bool: 0,
  u8: 0,
  i8: 0,
  i16: 1,
  u16: 1,
  i32: 2,
  f32: 2,
  i64: 3,
  f64: 3,
};

export function storageOf(dtype: DType): Storage {
  switch (dtype.name) {
    case "bool":
      return "bool";
    case "uint8":
      return "u8";
    case "int8":
      return "i8";
    case "int16":
      return "i16";
    case "int32":
      return "i32";
    case "int64":
      return "i64";
    case "float16":
    case "bfloat16":
    case "complex32":
      return "u16";
    case "float32":
    case "complex64":
      return "f32";
    case "float64":
    case "complex128":
      return "f64";
  }
}

/** The number that 16 bits stand for. */
function widen(dtype: DType, bits: Expr): Expr {
  if (dtype.name === "bfloat16") return E.bitcast("f32", E.shl(bits, 16));
  // With exponent and fraction moved into place the value is too small by 2 ** (127 - 15), also where it is subnormal;
  // what then is 65536 or more had the exponent of infinity and NaN.
  const small = E.bitcast("f32", E.shl(E.and(bits, 0x7fff), 13));
  const magnitude = E.mul(small, 2 ** 112);
  const special = E.select(E.ge(magnitude, 65536), constant("i32", 0x7f800000), 0);
  const sign = E.shl(E.and(bits, 0x8000), 16);
  return E.bitcast("f32", E.or(E.or(E.bitcast("i32", magnitude), special), sign));
}

/** The 16 bits nearest to a number, ties to even. */
function narrow(dtype: DType, x: Expr): Expr {
  const bits = E.bitcast("i32", x);
  if (dtype.name === "bfloat16") {
    const odd = E.and(E.shru(bits, 16), 1);
    const rounded = E.shru(E.add(E.add(bits, 0x7fff), odd), 16);
    return E.select(E.ne(x, x), constant("i32", 0x7fc0), rounded);
  }
  const magnitude = E.and(bits, 0x7fffffff);
  const odd = E.and(E.shru(magnitude, 13), 1);
  const normal = E.shru(E.add(E.add(magnitude, 0xfff - ((127 - 15) << 23)), odd), 13);
  // Beside 0.5 the unit in the last place is 2 ** -24, that of a subnormal: the addition rounds.
  const subnormal = E.sub(E.bitcast("i32", E.add(E.abs(x), 0.5)), 0x3f000000);
  const finite = E.select(E.lt(magnitude, (127 - 14) << 23), subnormal, normal);
  const special = E.select(E.gt(magnitude, 0x7f800000), constant("i32", 0x7e00), 0x7c00);
  const result = E.select(E.ge(magnitude, 0x477ff000), special, finite);
  return E.or(result, E.and(E.shru(bits, 16), 0x8000));
}

const isNumber = (x: Expr): boolean => x.kind === "const" && !Number.isNaN(x.value);

/**
 * Note [Extrema with constants]: min and max that pass NaN on are many instructions in vector code. Where one operand is a constant
 * other than NaN, `pmin` and `pmax` with the constant second do the same in one. (Of two zeros they choose the first.)
 */
function simplifyExtremum(e: Expr): Expr {
  if (e.kind !== "binary" || (e.op !== "min" && e.op !== "max") || (e.type !== "f32" && e.type !== "f64")) return e;
  const op = e.op === "min" ? "pmin" : "pmax";
  if (isNumber(e.b)) return E[op](e.a, e.b);
  return isNumber(e.a) ? E[op](e.b, e.a) : e;
}

const isHalf = (dtype: DType): boolean => storageOf(dtype) === "u16";

/** Rewrites the functions of an expression into machine operations. */
export type Lower = (e: Expr) => Expr;

/**
 * Brings a kernel's statements into the form that is emitted. A `let` whose value reads neither memory nor mutable
 * variables is replaced by its definition: then address arithmetic is seen through, and sharing keeps it cheap.
 */
export function prepareStatements(kernel: Kernel, graph: Graph, lower: Lower): readonly Stmt[] {
  const dtypeOf = (buffer: number): DType => {
    const found = kernel.buffers[buffer];
    if (found === undefined) throw new RangeError(`ir: ${kernel.name} has no buffer ${buffer}`);
    return found.dtype;
  };
  const widenLoads = (e: Expr): Expr =>
    rewrite(e, (x) => {
      if (x.kind !== "load" || x.type !== "f32" || !isHalf(dtypeOf(x.buffer))) return x;
      return widen(dtypeOf(x.buffer), E.load("i32", x.buffer, x.index));
    });
  const expression = (e: Expr): Expr => graph.intern(rewrite(widenLoads(lower(e)), simplifyExtremum), true);

  const findMutable = (body: readonly Stmt[]): void => {
    for (const s of body) {
      if (s.kind === "var") graph.declareMutable(s.id);
      if (s.kind === "loop") findMutable(s.body);
      if (s.kind === "if") {
        findMutable(s.then);
        findMutable(s.else ?? []);
      }
    }
  };

  const statement = (s: Stmt): readonly Stmt[] => {
    switch (s.kind) {
      case "loop":
        return [{ ...s, extent: expression(s.extent), body: s.body.flatMap(statement) }];
      case "let": {
        const value = expression(s.value);
        if (graph.loads(value) || graph.mutable(value)) return [{ ...s, value }];
        graph.define(s.id, value);
        return [];
      }
      case "var":
      case "assign":
        return [{ ...s, value: expression(s.value) }];
      case "reduce":
        return [{ ...s, extent: expression(s.extent), init: expression(s.init), value: expression(s.value) }];
      case "store": {
        const dtype = dtypeOf(s.buffer);
        const value = isHalf(dtype) && s.value.type === "f32" ? narrow(dtype, s.value) : s.value;
        return [{ ...s, index: expression(s.index), value: expression(value) }];
      }
      case "if": {
        const chosen: Stmt = { ...s, cond: expression(s.cond), then: s.then.flatMap(statement) };
        return [s.else === undefined ? chosen : { ...chosen, else: s.else.flatMap(statement) }];
      }
      case "guard":
        return [{ ...s, cond: expression(s.cond), status: expression(s.status) }];
    }
  };
  findMutable(kernel.body);
  return kernel.body.flatMap(statement);
}

/** The type in which an emitted load gives the elements of a storage kind. */
export function rawType(storage: Storage): Type {
  switch (storage) {
    case "bool":
      return "bool";
    case "i64":
    case "f32":
    case "f64":
      return storage;
    case "u8":
    case "i8":
    case "i16":
    case "u16":
    case "i32":
      return "i32";
  }
}
