/**
 * Kernels: loop nests over buffers, the unit a backend compiles. A kernel is keyed by structure, dtype and stride class,
 * never by exact sizes: sizes and strides are uniform arguments, so that the cache of compiled programs stays small.
 */
import type { DType } from "../base/dtype.ts";
import type { Expr, Type } from "./expr.ts";

/** How the iterations of a loop may run. */
export type LoopMode =
  /** In order. */
  | "serial"
  /**
   * In any order, also at once on several threads. Only the outermost statement of a kernel may be parallel, and then
   * it is the only statement; backends may run any sub-range of it.
   */
  | "parallel"
  /**
   * In any order, several at a time in vector lanes. Its body may hold everything but guards; extents and conditions inside are
   * the same for all lanes. Neighbouring iterations should find neighbouring elements (index `base + loop`): where that
   * does not pay, or cannot be, the emitter falls back to scalar code. A parallel loop is treated alike, so that one
   * parallel loop is the whole of an elementwise kernel on contiguous memory.
   */
  | "vector";

/** An associative and commutative operation that combines partial results. */
export type Combine = "add" | "mul" | "min" | "max" | "and" | "or" | "pmin" | "pmax";

export type Stmt =
  | {
      readonly kind: "loop";
      readonly loop: number;
      readonly mode: LoopMode;
      readonly extent: Expr;
      readonly body: readonly Stmt[];
    }
  /** Binds a new variable; assigned once. */
  | { readonly kind: "let"; readonly id: number; readonly value: Expr }
  /** Declares a mutable variable. */
  | { readonly kind: "var"; readonly id: number; readonly value: Expr }
  /** Assigns to a mutable variable. */
  | { readonly kind: "assign"; readonly id: number; readonly value: Expr }
  /**
   * Binds `id` to the combination of `value` over a loop of `extent` iterations, starting from `init` (neutral). `value` may
   * use the loop's index. The order of combination is free, but fixed for a given extent: emitters use several
   * lane-wise partial results, so sums of many terms are also more accurate. Sums of more than some thousand terms are
   * split by the builder into blocks.
   */
  | {
      readonly kind: "reduce";
      readonly id: number;
      readonly loop: number;
      readonly extent: Expr;
      readonly combine: Combine;
      readonly init: Expr;
      readonly value: Expr;
    }
  /** Writes element `index` of a buffer; the value has the buffer's compute type and is narrowed (integers wrap). */
  | { readonly kind: "store"; readonly buffer: number; readonly index: Expr; readonly value: Expr }
  | { readonly kind: "if"; readonly cond: Expr; readonly then: readonly Stmt[]; readonly else?: readonly Stmt[] }
  /** Stops the kernel with a nonzero status unless `cond` holds; `status` is an i32 that the caller turns into an error. */
  | { readonly kind: "guard"; readonly cond: Expr; readonly status: Expr };

/**
 * Note [Overlapping buffers]: two buffers of a kernel may be the same memory if every element is read, in each iteration, before
 * it is written, as in an elementwise operation in place. A kernel that must see through one buffer what it wrote through
 * another is none.
 */
export interface Buffer {
  readonly name: string;
  readonly dtype: DType;
  readonly access: "read" | "write" | "readwrite";
}

export interface Uniform {
  readonly name: string;
  readonly type: Type;
}

export interface Kernel {
  readonly name: string;
  /** Identifies the kernel: equal keys mean equal kernels. */
  readonly key: string;
  readonly buffers: readonly Buffer[];
  readonly scalars: readonly Uniform[];
  readonly body: readonly Stmt[];
}

/** The type in which elements of a dtype are computed. */
export function computeType(dtype: DType): Type {
  switch (dtype.name) {
    case "bool":
      return "bool";
    case "uint8":
    case "int8":
    case "int16":
    case "int32":
      return "i32";
    case "int64":
      return "i64";
    case "float16":
    case "bfloat16":
    case "float32":
      return "f32";
    case "float64":
      return "f64";
    case "complex32":
    case "complex64":
      return "f32";
    case "complex128":
      return "f64";
  }
}
