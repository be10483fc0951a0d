/**
 * Elementwise kernels: one scalar program over every element of some tensors, whatever their geometry.
 *
 * Note [Stride classes]
 * A kernel is compiled for a rank and, for each operand, the class of its innermost stride: contiguous, the same element
 * throughout (a scalar), or any. Before that, dimensions are ordered by stride and merged where they follow on each other, so
 * nearly everything runs as one loop over contiguous memory. Sizes and other strides are arguments.
 */
import type { Backend, Program } from "../backend/backend.ts";
import { Complex } from "../base/complex-number.ts";
import type { DType } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import type { Scalar } from "../base/promote.ts";
import { contiguousStrides, sameShape, type Shape } from "../base/shape.ts";
import { computeType, type Kernel, type Stmt, type Uniform } from "../ir/kernel.ts";
import { E, type Expr, type Type } from "../ir/expr.ts";
import { allocate, allocateStrided, type Tensor } from "../tensor/tensor.ts";

/** Elements per piece of a flat loop: what one thread takes at a time. */
const block = 4096;

/** One elementwise computation for given dtypes: how inputs and uniform scalars become outputs. */
export interface ElementwiseSpec {
  readonly name: string;
  /** Tells specs apart in kernel keys; must determine `build`. */
  readonly key: string;
  readonly outs: readonly DType[];
  readonly ins: readonly DType[];
  readonly scalars: readonly Type[];
  /** The values of the outputs, of their compute types. A complex tensor has two entries: real and imaginary part. */
  readonly build: (ins: readonly Expr[], scalars: readonly Expr[]) => readonly Expr[];
}

type Class = "c" | "s" | "n";

/** Compiled forms of a spec on one backend, by stride classes. */
export class Elementwise {
  readonly spec: ElementwiseSpec;
  /** The backend that the two tables below belong to, and those of other backends. */
  #backend: Backend | null = null;
  #programs: Map<string, Program> = new Map();
  /** Rank 1 and all inputs contiguous or scalar, by bit mask of the scalars: the fast path. */
  #flat: (Program | undefined)[] = [];
  #others: Map<Backend, [Map<string, Program>, (Program | undefined)[]]> | null = null;

  constructor(spec: ElementwiseSpec) {
    this.spec = spec;
  }

  #switch(backend: Backend): void {
    if (this.#backend !== null) {
      this.#others ??= new Map();
      this.#others.set(this.#backend, [this.#programs, this.#flat]);
    }
    [this.#programs, this.#flat] = this.#others?.get(backend) ?? [new Map(), []];
    this.#backend = backend;
  }

  /** Computes into `outs`, which all have one shape; inputs broadcast to it. */
  run(outs: readonly Tensor[], ins: readonly Tensor[], scalars: readonly (number | bigint)[]): void {
    const out = outs[0] as Tensor;
    if (out._numel === 0) return;
    const backend = out._storage.backend;
    if (backend !== this.#backend) this.#switch(backend);
    let mask = 0;
    let flat = true;
    for (let k = 0; k < outs.length; k++) if (!(outs[k] as Tensor)._isContiguous) flat = false;
    if (flat) {
      for (let i = 0; i < ins.length; i++) {
        const t = ins[i] as Tensor;
        if (t._isContiguous && sameShape(t.shape, out.shape)) continue;
        if (isSplat(t)) mask |= 1 << i;
        else {
          flat = false;
          break;
        }
      }
    }
    if (flat) this.#runFlat(outs, ins, scalars, mask, out._numel);
    else this.#runStrided(outs, ins, scalars);
  }

  #runFlat(
    outs: readonly Tensor[],
    ins: readonly Tensor[],
    scalars: readonly (number | bigint)[],
    mask: number,
    n: number,
  ): void {
    const backend = (outs[0] as Tensor)._backend;
    const program = (this.#flat[mask] ??= backend.compile(
      buildKernel(this.spec, 1, [
        ...outs.map((): Class => "c"),
        ...ins.map((_, i): Class => ((mask >> i) & 1 ? "s" : "c")),
      ]),
    ));
    const blocks = Math.ceil(n / block);
    const a = outs[0] as Tensor;
    if (scalars.length === 0 && outs.length === 1) {
      switch (ins.length) {
        case 1:
          program.run(a._ptr, (ins[0] as Tensor)._ptr, blocks, n);
          return;
        case 2:
          program.run(a._ptr, (ins[0] as Tensor)._ptr, (ins[1] as Tensor)._ptr, blocks, n);
          return;
      }
    }
    const args: (number | bigint)[] = [];
    for (let k = 0; k < outs.length; k++) args.push((outs[k] as Tensor)._ptr);
    for (let i = 0; i < ins.length; i++) args.push((ins[i] as Tensor)._ptr);
    args.push(blocks, n);
    for (let i = 0; i < scalars.length; i++) args.push(scalars[i] as number | bigint);
    program.run(...args);
  }

  #runStrided(outs: readonly Tensor[], ins: readonly Tensor[], scalars: readonly (number | bigint)[]): void {
    const all = [...outs, ...ins];
    const { sizes, strides } = iterate((outs[0] as Tensor).shape, all);
    const rank = sizes.length;
    const inner = strides.map((s) => s[rank - 1] as number);
    const classes = inner.map((s): Class => (s === 1 ? "c" : s === 0 ? "s" : "n"));
    const across = crossingDim(sizes, strides);
    const key = rank + classes.join("") + (across < 0 ? "" : across);
    let program = this.#programs.get(key);
    if (program === undefined) {
      program = (outs[0] as Tensor)._backend.compile(buildKernel(this.spec, rank, classes, across));
      this.#programs.set(key, program);
    }
    const args: (number | bigint)[] = all.map((t) => t._ptr);
    if (rank === 1) args.push(Math.ceil((sizes[0] as number) / block));
    if (across >= 0) {
      args.push(Math.ceil((sizes[across] as number) / tile), Math.ceil((sizes[rank - 1] as number) / tile));
    }
    args.push(...sizes);
    for (let k = 0; k < all.length; k++) {
      const s = strides[k] as number[];
      for (let d = 0; d < rank - 1; d++) args.push(s[d] as number);
      if (classes[k] === "n") args.push(s[rank - 1] as number);
    }
    for (let i = 0; i < scalars.length; i++) args.push(scalars[i] as number | bigint);
    program.run(...args);
  }
}

/** Elements along each side of a tile: see {@link crossingDim}. */
const tile = 16;

/**
 * Where an operand of some size lies across the others, as a transposed one does, the loops go by tiles, so that each of its
 * cache lines is read once. Returns the dim in which such an operand is consecutive, or -1 if there is none.
 */
function crossingDim(sizes: readonly number[], strides: readonly (readonly number[])[]): number {
  const last = sizes.length - 1;
  if (last < 1 || (sizes[last] as number) < 2 * tile) return -1;
  for (const s of strides) {
    if (Math.abs(s[last] as number) < tile) continue;
    for (let d = 0; d < last; d++) {
      if (s[d] === 1 && (sizes[d] as number) >= 2 * tile && (sizes[d] as number) * (sizes[last] as number) >= 16384) {
        return d;
      }
    }
  }
  return -1;
}

/** Whether every element is the same place in memory: one element, or one expanded. */
function isSplat(t: Tensor): boolean {
  if (t._numel === 1) return true;
  const { shape, _strides: strides } = t;
  for (let d = 0; d < shape.length; d++) if (strides[d] !== 0 && shape[d] !== 1) return false;
  return true;
}

/** The loops over operands of broadcast shape `shape`: dimensions ordered by stride, and merged where possible. */
export function iterate(shape: Shape, tensors: readonly Tensor[]): { sizes: number[]; strides: number[][] } {
  const n = shape.length;
  const all = tensors.map((t) => {
    const lead = n - t.shape.length;
    const s = new Array<number>(n).fill(0);
    for (let i = 0; i < t.shape.length; i++) {
      s[lead + i] = t.shape[i] === 1 ? 0 : (t._strides[i] as number);
    }
    return s;
  });
  const order = strideOrder(shape, all).filter((d) => shape[d] !== 1);
  const sizes: number[] = [];
  const strides: number[][] = all.map(() => []);
  for (const d of order) {
    const size = shape[d] as number;
    const last = sizes.length - 1;
    const merges = last >= 0 && all.every((s, k) => (strides[k] as number[])[last] === (s[d] as number) * size);
    if (merges) {
      sizes[last] = (sizes[last] as number) * size;
      all.forEach((s, k) => ((strides[k] as number[])[last] = s[d] as number));
    } else {
      sizes.push(size);
      all.forEach((s, k) => (strides[k] as number[]).push(s[d] as number));
    }
  }
  if (sizes.length === 0) {
    sizes.push(1);
    for (const s of strides) s.push(1);
  }
  return { sizes, strides };
}

/**
 * Dimensions from the outermost to the innermost: those with larger strides first, where the operands agree (the order of
 * PyTorch's TensorIterator, which also decides the layout of results).
 */
function strideOrder(shape: Shape, strides: readonly (readonly number[])[]): number[] {
  // As TensorIterator does: an insertion sort of [n-1 .. 0], since the comparison is not a total order.
  const perm = shape.map((_, i) => shape.length - 1 - i);
  const compare = (d0: number, d1: number): number => {
    for (const s of strides) {
      const a = s[d0] as number;
      const b = s[d1] as number;
      if (a === 0 || b === 0) continue;
      if (a < b) return -1;
      if (a > b) return 1;
      if ((shape[d0] as number) > (shape[d1] as number)) return 1;
    }
    return 0;
  };
  for (let i = 1; i < perm.length; i++) {
    let at = i;
    for (let j = i - 1; j >= 0; j--) {
      const c = compare(perm[j] as number, perm[at] as number);
      if (c > 0) {
        const swap = perm[j] as number;
        perm[j] = perm[at] as number;
        perm[at] = swap;
        at = j;
      } else if (c < 0) break;
    }
  }
  return perm.toReversed();
}

/** A tensor for the result over `ins`: of their broadcast shape, laid out as they are (PyTorch's rule). */
export function allocateLike(shape: Shape, dtype: DType, ins: readonly Tensor[]): Tensor {
  const backend = (ins[0] as Tensor)._backend;
  let contiguous = true;
  for (let i = 0; i < ins.length; i++) {
    const t = ins[i] as Tensor;
    if (!(t._isContiguous && t.shape.length === shape.length) && !isSplat(t)) contiguous = false;
  }
  if (contiguous) return allocate(shape, dtype, backend);
  const all = ins.map((t) => {
    const s = new Array<number>(shape.length).fill(0);
    const lead = shape.length - t.shape.length;
    for (let i = 0; i < t.shape.length; i++)
      s[lead + i] = t.shape[i] === 1 && shape[lead + i] !== 1 ? 0 : (t._strides[i] as number);
    return s;
  });
  const order = strideOrder(shape, all);
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let k = order.length - 1; k >= 0; k--) {
    const d = order[k] as number;
    strides[d] = step;
    step *= Math.max(shape[d] as number, 1);
  }
  return sameShape(strides, contiguousStrides(shape))
    ? allocate(shape, dtype, backend)
    : allocateStrided(shape, strides, dtype, backend);
}

function buildKernel(spec: ElementwiseSpec, rank: number, classes: readonly Class[], across = -1): Kernel {
  const nOut = spec.outs.length;
  const dtypes = [...spec.outs, ...spec.ins];
  const scalars: Uniform[] = [];
  const uniform = (name: string, type: Type): Expr => {
    scalars.push({ name, type });
    return E.scalar(type, scalars.length - 1);
  };
  const blocks = rank === 1 ? uniform("blocks", "i32") : null;
  const tiles = across < 0 ? null : [uniform("tiles0", "i32"), uniform("tiles1", "i32")];
  const sizes = Array.from({ length: rank }, (_, d) => uniform(`size${d}`, "i32"));
  const strides = dtypes.map((_, k) =>
    Array.from({ length: rank }, (__, d): Expr | null => {
      if (d < rank - 1 || classes[k] === "n") return uniform(`stride${k}_${d}`, "i32");
      return null;
    }),
  );
  const params = spec.scalars.map((type, i) => uniform(`p${i}`, type));
  const last = rank - 1;
  const innermost: Expr = blocks === null ? E.index(last) : E.add(E.mul(E.index(rank), block), E.index(last));
  // With tiles, the loops after the dims count them.
  const tileLoop = (d: number): number => rank + (d === last ? 1 : 0);
  const isTiled = (d: number): boolean => tiles !== null && (d === across || d === last);
  const indexOf = (d: number): Expr =>
    isTiled(d) ? E.add(E.mul(E.index(tileLoop(d)), tile), E.index(d)) : d === last ? innermost : E.index(d);
  const address = (k: number): Expr => {
    let at: Expr | null = null;
    for (let d = 0; d < rank; d++) {
      const s = (strides[k] as (Expr | null)[])[d] as Expr | null;
      const i = indexOf(d);
      if (d === last && classes[k] === "s") continue;
      const term = s === null ? i : E.mul(i, s);
      at = at === null ? term : E.add(at, term);
    }
    return at ?? E.const("i32", 0);
  };
  // A complex element is two loads or stores: the index counts parts.
  const parts = (dtype: DType, at: Expr): Expr[] => (dtype.is_complex ? [E.mul(at, 2), E.add(E.mul(at, 2), 1)] : [at]);
  const loads = spec.ins.flatMap((dtype, i) =>
    parts(dtype, address(nOut + i)).map((at) => E.load(computeType(dtype), nOut + i, at)),
  );
  const values = [...spec.build(loads, params)];
  let body: Stmt[] = spec.outs.flatMap((dtype, k) =>
    parts(dtype, address(k)).map((index): Stmt => ({ kind: "store", buffer: k, index, value: values.shift() as Expr })),
  );
  if (nOut > 1) {
    // Outputs may be inputs too: all values are there before the first is stored (Note [Overlapping buffers]).
    const stores = body as Extract<Stmt, { kind: "store" }>[];
    body = [
      ...stores.map(({ value }, k): Stmt => ({ kind: "let", id: k, value })),
      ...stores.map((s, k): Stmt => ({ ...s, value: E.var(s.value.type, k) })),
    ];
  }
  if (blocks !== null) {
    const size = sizes[0] as Expr;
    const rest = E.sub(size, E.mul(E.index(rank), block));
    body = [{ kind: "loop", loop: last, mode: "vector", extent: E.min(rest, block), body }];
    body = [{ kind: "loop", loop: rank, mode: "parallel", extent: blocks, body }];
  } else if (tiles !== null) {
    const inTile = (d: number): Expr => {
      const rest = E.sub(sizes[d] as Expr, E.mul(E.index(tileLoop(d)), tile));
      return E.min(rest, tile);
    };
    body = [{ kind: "loop", loop: last, mode: "vector", extent: inTile(last), body }];
    body = [{ kind: "loop", loop: across, mode: "serial", extent: inTile(across), body }];
    body = [{ kind: "loop", loop: tileLoop(last), mode: "serial", extent: tiles[1] as Expr, body }];
    for (let d = last - 1; d >= 0; d--) {
      if (d !== across) body = [{ kind: "loop", loop: d, mode: "serial", extent: sizes[d] as Expr, body }];
    }
    body = [{ kind: "loop", loop: tileLoop(across), mode: "parallel", extent: tiles[0] as Expr, body }];
  } else {
    for (let d = last; d >= 0; d--) {
      const mode = d === last ? "vector" : d === 0 ? "parallel" : "serial";
      body = [{ kind: "loop", loop: d, mode, extent: sizes[d] as Expr, body }];
    }
  }
  return {
    name: spec.name,
    key: `${spec.key}/${rank}${classes.join("")}${across < 0 ? "" : across}`,
    buffers: dtypes.map((dtype, k) => ({
      name: k < nOut ? `out${k}` : `in${k - nOut}`,
      dtype,
      access: k < nOut ? "write" : "read",
    })),
    scalars,
    body,
  };
}

/** Elementwise conversion from one dtype to another, compiled once per pair. */
const casts: (Elementwise | undefined)[] = [];

/**
 * Converts between compute types as PyTorch's `to` does. A float outside the integer's range becomes the least integer, as the
 * conversion instructions of the processors that PyTorch runs on leave it; narrow integers take the low bits of that.
 */
export function castExpr(value: Expr, to: DType): Expr {
  const type = computeType(to);
  if (value.type === type) return value;
  const fromFloat = value.type === "f32" || value.type === "f64";
  if (!fromFloat || (type !== "i32" && type !== "i64")) return E.cast(type, value);
  const bits = type === "i32" ? 31 : 63;
  const inside = E.and(E.ge(value, -(2 ** bits)), E.lt(value, 2 ** bits));
  const least = E.const(type, type === "i32" ? -(2 ** 31) : -(2n ** 63n));
  return E.select(inside, E.cast(type, value), least);
}

/** Copies `src` into `dst` with broadcasting and conversion; autograd does not see it. */
export function copyRaw(dst: Tensor, src: Tensor): void {
  const at = dst.dtype.code * 16 + src.dtype.code;
  const program = (casts[at] ??= new Elementwise({
    name: "copy",
    key: `copy:${dst.dtype.name}:${src.dtype.name}`,
    outs: [dst.dtype],
    ins: [src.dtype],
    scalars: [],
    build: ([x, y]) => {
      const re = castExpr(x as Expr, dst.dtype);
      if (!dst.dtype.is_complex) return [re];
      return [re, src.dtype.is_complex ? castExpr(y as Expr, dst.dtype) : E.const(re.type, 0)];
    },
  }));
  program.run([dst], [src], []);
}

/** A contiguous copy in the same dtype. */
export function contiguousRaw(t: Tensor): Tensor {
  if (t._isContiguous) return t;
  const out = allocate(t.shape, t.dtype, t._backend);
  copyRaw(out, t);
  return out;
}

/** A copy with the layout of the original where that is dense. */
export function cloneRaw(t: Tensor): Tensor {
  const out = allocateLike(t.shape, t.dtype, [t]);
  copyRaw(out, t);
  return out;
}

/** The tensor itself if it has the dtype, else a converted copy. */
export function castRaw(t: Tensor, dtype: DType): Tensor {
  if (t.dtype === dtype) return t;
  const out = allocateLike(t.shape, dtype, [t]);
  copyRaw(out, t);
  return out;
}

const fills: (Elementwise | undefined)[] = [];

/** A number as the two kernel arguments of a complex one. */
export function complexArgument(value: Scalar): [number, number] {
  return value instanceof Complex ? [value.re, value.im] : [Number(value), 0];
}

/** A number as a kernel argument of the given compute type. */
export function asArgument(value: Scalar, type: Type): number | bigint {
  if (value instanceof Complex) {
    throw new TorchError(`value cannot be converted to a real type without overflow: ${String(value)}`);
  }
  if (type === "i64") {
    if (typeof value === "bigint") return BigInt.asIntN(64, value);
    const n = Number(value);
    return Number.isNaN(n) ? -(2n ** 63n) : BigInt.asIntN(64, BigInt(Math.trunc(Number.isFinite(n) ? n : 0)));
  }
  if (type === "bool") return value ? 1 : 0;
  if (type === "i32" && typeof value === "bigint") return Number(BigInt.asIntN(32, value));
  return Number(value);
}

/** Sets every element. */
export function fillRaw(dst: Tensor, value: Scalar): void {
  const type = computeType(dst.dtype);
  const program = (fills[dst.dtype.code] ??= new Elementwise({
    name: "fill",
    key: `fill:${dst.dtype.name}`,
    outs: [dst.dtype],
    ins: [],
    scalars: dst.dtype.is_complex ? [type, type] : [type],
    build: (_, params) => params,
  }));
  program.run([dst], [], dst.dtype.is_complex ? complexArgument(value) : [asArgument(value, type)]);
}
