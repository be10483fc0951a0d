/**
 * What a kernel means: the oracle of every emitter, and the reference backend. A kernel is turned into closures once
 * ({@link prepare}) and run many times; each closure is a line or two that says what its node does.
 */
import type { DType } from "../base/dtype.ts";
import { type Expr, operands, type Type } from "./expr.ts";
import { bfloat16Bits, bfloat16Value, float16Bits, float16Value } from "./half.ts";
import { computeType, type Kernel, type Stmt } from "./kernel.ts";
import { binaryFunction, castFunction, type Fma, fmaFunction, unaryFunction, type Value } from "./scalar.ts";

export type { Fma, Value } from "./scalar.ts";

/** Memory by byte address, as views of one buffer. */
export interface Memory {
  readonly i8: Int8Array;
  readonly u8: Uint8Array;
  readonly i16: Int16Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
  readonly i64: BigInt64Array;
  readonly f32: Float32Array;
  readonly f64: Float64Array;
}

/** What the leaves of an expression stand for. */
export interface Env {
  readonly vars?: ReadonlyMap<number, Value>;
  readonly scalars?: readonly Value[];
  readonly loops?: ReadonlyMap<number, number>;
  readonly load?: (buffer: number, index: number) => Value;
}

type Code = () => Value;
type Action = () => number;

/** Compiles the leaves; the rest of an expression is the same wherever it stands. */
type Leaf = (e: Extract<Expr, { kind: "scalar" | "index" | "var" }>) => Code;
type Load = (e: Extract<Expr, { kind: "load" }>, index: Code) => Code;

/**
 * The closure of an expression. A node with several users is computed once per evaluation, before the rest; so both
 * sides of a select may be computed, as in vector code.
 */
function compile(root: Expr, leaf: Leaf, load: Load, fma: Fma): Code {
  const users = new Map<Expr, number>();
  const count = (e: Expr): void => {
    const n = users.get(e) ?? 0;
    users.set(e, n + 1);
    if (n === 0) operands(e).forEach(count);
  };
  count(root);

  const steps: (() => void)[] = [];
  const shared = new Map<Expr, Code>();
  const code = (e: Expr): Code => {
    if (users.get(e) === 1 || operands(e).length === 0) return node(e);
    const known = shared.get(e);
    if (known !== undefined) return known;
    const compute = node(e);
    let value: Value = 0;
    steps.push(() => {
      value = compute();
    });
    const read = (): Value => value;
    shared.set(e, read);
    return read;
  };
  const node = (e: Expr): Code => {
    switch (e.kind) {
      case "const": {
        const { value } = e;
        return () => value;
      }
      case "scalar":
      case "index":
      case "var":
        return leaf(e);
      case "load":
        return load(e, code(e.index));
      case "unary": {
        const a = code(e.a);
        const f = unaryFunction(e.op, e.a.type, e.type);
        return () => f(a());
      }
      case "binary": {
        const a = code(e.a);
        const b = code(e.b);
        const f = binaryFunction(e.op, e.a.type);
        return () => f(a(), b());
      }
      case "select": {
        const cond = code(e.cond);
        const a = code(e.a);
        const b = code(e.b);
        return () => (cond() === true ? a() : b());
      }
      case "fma": {
        const a = code(e.a);
        const b = code(e.b);
        const c = code(e.c);
        const f = fmaFunction(e.type, fma);
        return () => f(a(), b(), c());
      }
      case "cast": {
        const a = code(e.a);
        const f = castFunction(e.a.type, e.type);
        return () => f(a());
      }
    }
  };
  const result = code(root);
  if (steps.length === 0) return result;
  return () => {
    for (const step of steps) step();
    return result();
  };
}

function unbound(what: string): never {
  throw new ReferenceError(`ir: ${what} has no value here`);
}

/** The value of an expression. */
export function evaluate(e: Expr, env: Env = {}, fma: Fma = "fused"): Value {
  const leaf: Leaf = (x) => {
    switch (x.kind) {
      case "scalar":
        return () => env.scalars?.[x.slot] ?? unbound(`scalar ${x.slot}`);
      case "index":
        return () => env.loops?.get(x.loop) ?? unbound(`loop ${x.loop}`);
      case "var":
        return () => env.vars?.get(x.id) ?? unbound(`variable ${x.id}`);
    }
  };
  const load: Load = (x, index) => () => env.load?.(x.buffer, index() as number) ?? unbound(`buffer ${x.buffer}`);
  return compile(e, leaf, load, fma)();
}

/** An expression as a function of variables, given by their ids. */
export function toFunction(e: Expr, parameters: readonly number[], fma: Fma = "fused"): (...values: Value[]) => Value {
  const given: Value[] = [];
  const leaf: Leaf = (x) => {
    const at = x.kind === "var" ? parameters.indexOf(x.id) : -1;
    return at < 0 ? unbound(x.kind) : () => given[at] ?? unbound(`parameter ${at}`);
  };
  const f = compile(e, leaf, () => unbound("a buffer"), fma);
  return (...values) => {
    for (let i = 0; i < values.length; i++) given[i] = values[i] as Value;
    return f();
  };
}

/** How elements of a dtype lie in memory. */
interface Access {
  readonly view: (memory: Memory) => { [i: number]: number | bigint };
  /** Bytes of one element; of one part of a complex number. */
  readonly size: number;
  readonly decode: (raw: number | bigint) => Value;
  readonly encode: (value: Value) => number | bigint;
}

const same = (x: Value): number | bigint => x as number | bigint;

function accessOf(dtype: DType): Access {
  switch (dtype.name) {
    case "bool":
      return { view: (m) => m.u8, size: 1, decode: (x) => x !== 0, encode: Number };
    case "uint8":
      return { view: (m) => m.u8, size: 1, decode: same, encode: same };
    case "int8":
      return { view: (m) => m.i8, size: 1, decode: same, encode: same };
    case "int16":
      return { view: (m) => m.i16, size: 2, decode: same, encode: same };
    case "int32":
      return { view: (m) => m.i32, size: 4, decode: same, encode: same };
    case "int64":
      return { view: (m) => m.i64, size: 8, decode: same, encode: same };
    case "float16":
    case "complex32":
      return {
        view: (m) => m.u16,
        size: 2,
        decode: (x) => float16Value(x as number),
        encode: (x) => float16Bits(x as number),
      };
    case "bfloat16":
      return {
        view: (m) => m.u16,
        size: 2,
        decode: (x) => bfloat16Value(x as number),
        encode: (x) => bfloat16Bits(x as number),
      };
    case "float32":
    case "complex64":
      return { view: (m) => m.f32, size: 4, decode: same, encode: same };
    case "float64":
    case "complex128":
      return { view: (m) => m.f64, size: 8, decode: same, encode: same };
  }
}

/** A buffer while a kernel runs. */
interface Bound extends Access {
  readonly name: string;
  readonly type: Type;
  elements: { [i: number]: number | bigint };
  /** The address of its first element, in elements. */
  start: number;
}

/** A cell for a variable, a loop index or a scalar. */
interface Cell {
  value: Value;
}

/** A kernel made ready to run: takes the byte addresses of its buffers and its scalars, returns its status. */
export type Run = (memory: Memory, addresses: readonly number[], scalars: readonly Value[]) => number;

/** Turns a kernel into closures. */
export function prepare(kernel: Kernel, fma: Fma = "fused"): Run {
  const buffers: Bound[] = kernel.buffers.map(({ name, dtype }) => ({
    ...accessOf(dtype),
    name,
    type: computeType(dtype),
    elements: [],
    start: 0,
  }));
  const scalars: Cell[] = kernel.scalars.map(() => ({ value: 0 }));
  const vars = new Map<number, Cell & { readonly type: Type }>();
  const loops = new Map<number, Cell>();

  const declare = (id: number, type: Type): Cell => {
    const cell = { value: 0, type };
    vars.set(id, cell);
    return cell;
  };
  const loopCell = (loop: number): Cell => {
    const cell = { value: 0 };
    loops.set(loop, cell);
    return cell;
  };
  const buffer = (slot: number): Bound => buffers[slot] ?? unbound(`buffer ${slot}`);
  const cellOf = (x: Parameters<Leaf>[0]): Cell => {
    switch (x.kind) {
      case "scalar":
        return scalars[x.slot] ?? unbound(`scalar ${x.slot}`);
      case "index":
        return loops.get(x.loop) ?? unbound(`loop ${x.loop}`);
      case "var":
        return vars.get(x.id) ?? unbound(`variable ${x.id}`);
    }
  };
  const leaf: Leaf = (x) => {
    const cell = cellOf(x);
    return () => cell.value;
  };
  const at = (b: Bound, index: Code): number => {
    const i = b.start + (index() as number);
    if (b.elements[i] === undefined)
      throw new RangeError(`${kernel.name}: buffer ${b.name} has no element ${i - b.start}`);
    return i;
  };
  const load: Load = (e, index) => {
    const b = buffer(e.buffer);
    if (b.type !== e.type) throw new TypeError(`ir: a load of ${e.type} from buffer ${b.name}, which holds ${b.type}`);
    return () => b.decode(b.elements[at(b, index)] as number | bigint);
  };
  const expression = (e: Expr): Code => compile(e, leaf, load, fma);

  const sequence = (body: readonly Stmt[]): Action => {
    const actions = body.map(action);
    return () => {
      for (const act of actions) {
        const status = act();
        if (status !== 0) return status;
      }
      return 0;
    };
  };

  const action = (s: Stmt): Action => {
    switch (s.kind) {
      case "loop": {
        const extent = expression(s.extent);
        const index = loopCell(s.loop);
        const body = sequence(s.body);
        return () => {
          const n = extent() as number;
          for (let i = 0; i < n; i++) {
            index.value = i;
            const status = body();
            if (status !== 0) return status;
          }
          return 0;
        };
      }
      case "let":
      case "var": {
        const value = expression(s.value);
        const cell = declare(s.id, s.value.type);
        return () => ((cell.value = value()), 0);
      }
      case "assign": {
        const value = expression(s.value);
        const cell = vars.get(s.id) ?? unbound(`variable ${s.id}`);
        if (cell.type !== s.value.type) throw new TypeError(`ir: ${s.value.type} assigned to a ${cell.type}`);
        return () => ((cell.value = value()), 0);
      }
      case "reduce":
        return reduction(s);
      case "store": {
        const b = buffer(s.buffer);
        if (b.type !== s.value.type) {
          throw new TypeError(`ir: a store of ${s.value.type} to buffer ${b.name}, which holds ${b.type}`);
        }
        const index = expression(s.index);
        const value = expression(s.value);
        return () => {
          const x = value();
          b.elements[at(b, index)] = b.encode(x);
          return 0;
        };
      }
      case "if": {
        const cond = expression(s.cond);
        const then = sequence(s.then);
        const otherwise = sequence(s.else ?? []);
        return () => (cond() === true ? then() : otherwise());
      }
      case "guard": {
        const cond = expression(s.cond);
        const status = expression(s.status);
        return () => (cond() === true ? 0 : (status() as number));
      }
    }
  };

  const reduction = (s: Extract<Stmt, { kind: "reduce" }>): Action => {
    const extent = expression(s.extent);
    const init = expression(s.init);
    const index = loopCell(s.loop);
    const value = expression(s.value);
    const cell = declare(s.id, s.init.type);
    // The order of combination is free. Float32 sums run in float64: the value that every order approximates.
    const wide = s.combine === "add" && s.init.type === "f32";
    const combine = binaryFunction(s.combine, wide ? "f64" : s.init.type);
    return () => {
      const n = extent() as number;
      let sum = init();
      for (let i = 0; i < n; i++) {
        index.value = i;
        sum = combine(sum, value());
      }
      cell.value = wide ? Math.fround(sum as number) : sum;
      return 0;
    };
  };

  const body = sequence(kernel.body);
  return (memory, addresses, values) => {
    buffers.forEach((b, i) => {
      b.elements = b.view(memory);
      b.start = (addresses[i] ?? unbound(`buffer ${b.name}`)) / b.size;
      if (!Number.isInteger(b.start)) throw new RangeError(`${kernel.name}: buffer ${b.name} is not aligned`);
    });
    kernel.scalars.forEach(({ name, type }, i) => {
      const value = values[i] ?? unbound(`scalar ${name}`);
      (scalars[i] as Cell).value =
        type === "bool" ? Boolean(value) : type === "f32" ? Math.fround(Number(value)) : value;
    });
    return body();
  };
}

/** Runs a kernel once. */
export function interpret(
  kernel: Kernel,
  memory: Memory,
  addresses: readonly number[],
  scalars: readonly Value[],
): number {
  return prepare(kernel)(memory, addresses, scalars);
}
