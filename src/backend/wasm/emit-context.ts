/**
 * What the emitter knows at a place in the code: which values are already in locals, the loops around, and the vector
 * lanes in which it computes.
 */
import { E, type Expr, type Type } from "../../ir/expr.ts";
import type { Kernel } from "../../ir/kernel.ts";
import type { FunctionBuilder, Local, ValType } from "./assembler.ts";
import type { Graph } from "./emit-graph.ts";
import { type Storage, storageOf, storageShift } from "./emit-storage.ts";

/** Bits of one lane. A condition is a mask of either width: all ones or all zeros. */
export type Width = 32 | 64;

/**
 * A block of consecutive iterations of `loop` computed at once. A varying value of a block is held in *parts*, vectors of 128
 * bits: 4 lanes of a 32-bit type each, 2 lanes of a 64-bit type. So types of both widths live in one block, with numbers
 * of parts of their own, and several parts give the processor independent work.
 */
export interface Lanes {
  readonly loop: number;
  /** Iterations in a block. */
  readonly count: number;
  /** The width in which conditions are kept. */
  readonly maskWidth: Width;
  /** Dependencies that make a value differ between lanes. */
  readonly varying: bigint;
}

/** An address that moves by a fixed step in the innermost loop, kept in a local. */
export interface Stream {
  readonly pointer: Local;
  /** Bytes from one iteration to the next. */
  readonly step: number | Local;
}

/** What a variable is bound to: one scalar, or the parts of a varying value. */
export type Binding = Local | readonly Local[];

interface Scope {
  readonly locals: Local[];
  readonly scalars: Map<Expr, Local>;
  readonly splats: Map<Expr, Local>;
  /** By part; conditions of the width that is not `maskWidth` from 64 on. */
  readonly vectors: Map<Expr, Local[]>;
}

export const bitsOf = (type: "i32" | "i64" | "f32" | "f64"): Width => (type === "i32" || type === "f32" ? 32 : 64);

export const shapes = { i32: "i32x4", i64: "i64x2", f32: "f32x4", f64: "f64x2" } as const;

export const valType = (type: Type): ValType => (type === "bool" ? "i32" : type);

export interface EmitOptions {
  readonly relaxedSimd: boolean;
  readonly sharedMemory: boolean;
  /** See Note [Threads] in emit.ts. */
  readonly threads?: boolean;
}

export class Context {
  readonly f: FunctionBuilder;
  readonly graph: Graph;
  readonly kernel: Kernel;
  readonly relaxedSimd: boolean;
  readonly scalars: readonly Local[];
  readonly #pointers: readonly Local[];
  readonly indexes: Map<number, Local> = new Map();
  readonly bindings: Map<number, Binding> = new Map();
  /** By address expression. */
  streams: ReadonlyMap<Expr, Stream> = new Map();
  lanes: Lanes | null = null;
  readonly #scopes: Scope[] = [];
  readonly #constants = new Map<string, Local>();

  constructor(kernel: Kernel, graph: Graph, f: FunctionBuilder, options: EmitOptions) {
    this.kernel = kernel;
    this.graph = graph;
    this.f = f;
    this.relaxedSimd = options.relaxedSimd;
    const n = kernel.buffers.length;
    this.#pointers = f.params.slice(0, n);
    this.scalars = f.params.slice(n, n + kernel.scalars.length);
  }

  storage(buffer: number): Storage {
    const found = this.kernel.buffers[buffer];
    if (found === undefined) throw new RangeError(`ir: ${this.kernel.name} has no buffer ${buffer}`);
    return storageOf(found.dtype);
  }

  /** The byte address of an element as an expression, so that its invariant parts are hoisted and shared like any other. */
  address(buffer: number, index: Expr): Expr {
    const start = E.var("i32", -1 - buffer);
    return this.graph.intern(E.add(E.shl(index, storageShift[this.storage(buffer)]), start));
  }

  /** The local of a variable that holds a scalar here. */
  scalarBinding(id: number): Local {
    const found = id < 0 ? this.#pointers[-1 - id] : this.bindings.get(id);
    if (found === undefined) throw new ReferenceError(`ir: variable ${id} has no value here`);
    if (!("index" in found)) throw new Error(`emitter: variable ${id} is not a scalar`);
    return found;
  }

  /** Whether a value differs between the lanes of the present block. */
  varies(e: Expr): boolean {
    return this.lanes !== null && (this.graph.deps(e) & this.lanes.varying) !== 0n;
  }

  /** By how much an index grows from lane to lane: null where that is not one number. */
  laneStride(index: Expr): Expr | null {
    if (this.lanes === null) throw new Error("emitter: no lanes here");
    return this.graph.stride(index, this.lanes.loop, (e) => !this.varies(e));
  }

  /** The number of parts of a value of the given lane width. */
  parts(width: Width): number {
    return ((this.lanes?.count ?? 0) * width) / 128;
  }

  widthOf(type: Type): Width {
    return type === "bool" ? (this.lanes?.maskWidth ?? 32) : bitsOf(type);
  }

  /** Runs `write` in a scope: what it computes is forgotten afterwards. */
  scoped(write: () => void): void {
    this.#scopes.push({ locals: [], scalars: new Map(), splats: new Map(), vectors: new Map() });
    write();
    for (const local of this.#scopes.pop()?.locals ?? []) this.f.release(local);
  }

  get #scope(): Scope {
    const scope = this.#scopes.at(-1);
    if (scope === undefined) throw new Error("emitter: no scope");
    return scope;
  }

  /** A local that lives as long as the present scope. */
  local(type: ValType): Local {
    const made = this.f.local(type);
    this.#scope.locals.push(made);
    return made;
  }

  #find<T>(pick: (scope: Scope) => T | undefined): T | undefined {
    for (let k = this.#scopes.length - 1; k >= 0; k--) {
      const scope = this.#scopes[k];
      const found = scope === undefined ? undefined : pick(scope);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  knownScalar(e: Expr): Local | undefined {
    return this.#find((scope) => scope.scalars.get(e));
  }

  knownSplat(e: Expr): Local | undefined {
    return this.#find((scope) => scope.splats.get(e));
  }

  #slot(part: number, width: Width, type: Type): number {
    return type === "bool" && width !== this.lanes?.maskWidth ? 64 + part : part;
  }

  knownVector(e: Expr, part: number, width: Width): Local | undefined {
    const slot = this.#slot(part, width, e.type);
    return this.#find((scope) => scope.vectors.get(e)?.[slot]);
  }

  /** Keeps the value on top of the stack in a local, and leaves it there. */
  keepScalar(e: Expr): Local {
    const local = this.local(valType(e.type));
    this.f.tee(local);
    this.#scope.scalars.set(e, local);
    return local;
  }

  keepSplat(e: Expr): void {
    const local = this.local("v128");
    this.f.tee(local);
    this.#scope.splats.set(e, local);
  }

  keepVector(e: Expr, part: number, width: Width): Local {
    const local = this.local("v128");
    this.f.tee(local);
    const { vectors } = this.#scope;
    let kept = vectors.get(e);
    if (kept === undefined) vectors.set(e, (kept = []));
    kept[this.#slot(part, width, e.type)] = local;
    return local;
  }

  /** Forgets values that depend on what has changed. */
  invalidate(changed: bigint): void {
    if (changed === 0n) return;
    for (const scope of this.#scopes) {
      for (const map of [scope.scalars, scope.splats, scope.vectors]) {
        for (const e of map.keys()) if ((this.graph.deps(e) & changed) !== 0n) map.delete(e);
      }
    }
  }

  /**
   * A vector computed once, at the start of the function. Note [Vector constants]: V8 makes a v128.const anew wherever it
   * is used, in every iteration of a loop; the splat of a scalar constant it keeps in a register.
   */
  constantVector(key: string, write: () => void): Local {
    let local = this.#constants.get(key);
    if (local === undefined) {
      const made = this.f.ownLocal("v128");
      this.f.atStart(() => {
        write();
        this.f.set(made);
      });
      this.#constants.set(key, made);
      local = made;
    }
    return local;
  }
}
