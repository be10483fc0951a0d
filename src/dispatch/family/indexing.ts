/**
 * Indexing: elements at places that other tensors name. One kernel moves elements between a tensor that is indexed and one that
 * is walked through in order; reading, writing and accumulating differ only in what happens at each pair.
 *
 * Note [Places]
 * Indices are checked and brought into range on the host before a kernel sees them, as int32: an index out of bounds is an
 * error before anything is read or written, and kernels need neither bounds nor negative indices. Broadcast dimensions of an
 * index are checked once.
 *
 * Note [Order of accumulation]
 * Kernels that write through an index run in row-major order of the index, so that the last of several writes to one place
 * wins and sums do not depend on the machine.
 */
import type { Backend, Program } from "../../backend/backend.ts";
import { type DType, int16, int32, int64, toReal, uint8 } from "../../base/dtype.ts";
import { TorchError } from "../../base/errors.ts";
import { broadcastStrides, type Shape } from "../../base/shape.ts";
import { E, type Expr } from "../../ir/expr.ts";
import { computeType, type Kernel, type Stmt, type Uniform } from "../../ir/kernel.ts";
import { hostOf } from "../../tensor/data.ts";
import { alias, allocate, type Tensor } from "../../tensor/tensor.ts";
import { contiguousRaw, copyRaw } from "../elementwise.ts";

// --- places ----------------------------------------------------------------------------------------------------------

/** How indices are checked. */
export interface PlaceRules {
  /** Whether -1 is the last. */
  readonly wrap: boolean;
  /** The error for an index out of bounds. */
  readonly error: (index: number) => TorchError;
}

/** Fewer indices than this are checked in JavaScript: that is done before a kernel has started. */
const few = 512;

/** See Note [Places]. The result has the shape of `index`. */
export function placesOf(index: Tensor, size: number, rules: PlaceRules): Tensor {
  const { shape, _strides: strides } = index;
  const core = alias(
    index,
    shape.map((n, d) => (strides[d] === 0 ? Math.min(n, 1) : n)),
    strides,
    index._offset,
  );
  const dense = contiguousRaw(core);
  const out = allocate(core.shape, int32, index._backend);
  const low = rules.wrap ? -size : 0;
  const n = core._numel;
  if (n < few || !checkByKernel(dense, out, n, size, low)) checkOneByOne(dense, out, n, size, low, rules);
  return alias(out, shape, broadcastStrides(core.shape, out._strides, shape), 0);
}

/** In order, so that the first index out of bounds is the one that is reported. */
function checkOneByOne(dense: Tensor, out: Tensor, n: number, size: number, low: number, rules: PlaceRules): void {
  const host = hostOf(dense._backend, "indexing");
  const to = host.i32.subarray(out._ptr / 4, out._ptr / 4 + n);
  const { name } = dense.dtype;
  if (name === "int64") {
    const words = host.i32.subarray(dense._ptr / 4, dense._ptr / 4 + 2 * n);
    for (let i = 0; i < n; i++) {
      const v = words[2 * i] as number;
      if (words[2 * i + 1] !== v >> 31 || v >= size || v < low) {
        throw rules.error((words[2 * i + 1] as number) * 2 ** 32 + (v >>> 0));
      }
      to[i] = v < 0 ? v + size : v;
    }
  } else {
    const from = name === "int32" ? host.i32 : name === "int16" ? host.i16 : name === "int8" ? host.i8 : host.u8;
    const start = dense._ptr / dense.dtype.itemsize;
    for (let i = 0; i < n; i++) {
      const v = from[start + i] as number;
      if (v >= size || v < low) throw rules.error(v);
      to[i] = v < 0 ? v + size : v;
    }
  }
}

/** The same in vector lanes; false if an index is out of bounds. */
function checkByKernel(dense: Tensor, out: Tensor, n: number, size: number, low: number): boolean {
  const { dtype } = dense;
  const program = programOf(dense._backend, `places:${dtype.name}`, (key) => {
    const type = computeType(dtype);
    const [count, limit, least] = [0, 1, 2].map((i) => E.scalar(i === 0 ? "i32" : type, i)) as [Expr, Expr, Expr];
    const outside = (v: Expr): Expr => E.or(E.ge(v, limit), E.lt(v, least));
    const v = E.load(type, 1, E.index(1));
    const place = E.cast("i32", E.select(E.lt(v, 0), E.add(v, limit), v));
    return {
      name: "places",
      key,
      buffers: [
        { name: "places", dtype: int32, access: "write" },
        { name: "index", dtype, access: "read" },
      ],
      scalars: [
        { name: "n", type: "i32" },
        { name: "size", type },
        { name: "least", type },
      ],
      body: [
        {
          kind: "reduce",
          id: 0,
          loop: 0,
          extent: count,
          combine: "or",
          init: E.const("bool", false),
          value: outside(E.load(type, 1, E.index(0))),
        },
        { kind: "guard", cond: E.not(E.var("bool", 0)), status: E.const("i32", 1) },
        {
          kind: "loop",
          loop: 1,
          mode: "vector",
          extent: count,
          body: [{ kind: "store", buffer: 0, index: E.index(1), value: place }],
        },
      ],
    };
  });
  const number = (v: number): number | bigint => (dtype === int64 ? BigInt(v) : v);
  return program.run(out._ptr, dense._ptr, n, number(size), number(low)) === 0;
}

const programs = new WeakMap<Backend, Map<string, Program>>();

function programOf(backend: Backend, key: string, build: (key: string) => Kernel): Program {
  let table = programs.get(backend);
  if (table === undefined) {
    table = new Map();
    programs.set(backend, table);
  }
  let program = table.get(key);
  if (program === undefined) {
    program = backend.compile(build(key));
    table.set(key, program);
  }
  return program;
}

// --- the kernel ------------------------------------------------------------------------------------------------------

/** What happens at each pair of an indexed element and a walked one. */
export type IndexMode =
  /** walked = indexed */
  | "get"
  /** indexed = walked */
  | "set"
  /** indexed = indexed + walked, and so on */
  | "add"
  | "mul"
  | "min"
  | "max";

/** An index into one dimension: places that broadcast to the shape of the walk, and the stride of the dimension. */
export interface Subscript {
  readonly places: Tensor;
  readonly stride: number;
}

type Class = "c" | "s" | "n";

/** Elements of equal size move alike, whatever they mean. */
function carrier(dtype: DType): DType {
  switch (dtype.itemsize) {
    case 1:
      return uint8;
    case 2:
      return int16;
    case 4:
      return int32;
    case 8:
      return int64;
  }
  throw new TorchError(`indexing is not implemented for '${dtype.scalarName}'`);
}

/**
 * Moves elements. `indexed` and `walked` have the same shape, that of the walk; strides of `indexed` are zero along dimensions
 * that only subscripts move through.
 */
export function moveIndexed(mode: IndexMode, indexed: Tensor, walked: Tensor, subscripts: readonly Subscript[]): void {
  if (walked._numel === 0) return;
  const moves = mode === "get" || mode === "set";
  // Complex numbers are added by parts, and those of 16 bytes move as two.
  const parts = indexed.dtype.is_complex && (!moves || indexed.dtype.itemsize === 16) ? 2 : 1;
  const shape = parts === 2 ? [...walked.shape, 2] : walked.shape;
  const scaled = (s: Shape, own: number): Shape => (parts === 2 ? [...s.map((n) => n * 2), own] : s);
  const strides = [
    scaled(indexed._strides, 1),
    scaled(walked._strides, 1),
    ...subscripts.map(({ places }) => {
      const s = broadcastStrides(places.shape, places._strides, walked.shape);
      return parts === 2 ? [...s, 0] : s;
    }),
  ];
  const loops = merged(shape, strides);
  const rank = loops.sizes.length;
  const classes = loops.strides.map((s): Class => (s[rank - 1] === 1 ? "c" : s[rank - 1] === 0 ? "s" : "n"));
  const own = parts === 2 ? toReal(indexed.dtype) : indexed.dtype;
  const dtype = moves ? carrier(own) : own;
  const backend = indexed._backend;
  const program = programOf(backend, `${mode}:${dtype.name}:${rank}${classes.join("")}`, (key) =>
    buildKernel(key, mode, dtype, rank, classes),
  );
  const args: number[] = [indexed._ptr, walked._ptr, ...subscripts.map((s) => s.places._ptr)];
  args.push(...loops.sizes);
  loops.strides.forEach((s, k) => {
    args.push(...s.slice(0, rank - 1));
    if (classes[k] === "n") args.push(s[rank - 1] as number);
  });
  args.push(...subscripts.map((s) => s.stride * parts));
  program.run(...args);
}

/** Adjacent dimensions through which all operands move evenly become one; the order stays. */
function merged(shape: Shape, strides: readonly Shape[]): { sizes: number[]; strides: number[][] } {
  const sizes: number[] = [];
  const out: number[][] = strides.map(() => []);
  shape.forEach((n, d) => {
    if (n === 1) return;
    const last = sizes.length - 1;
    const merges = last >= 0 && strides.every((s, k) => (out[k] as number[])[last] === (s[d] as number) * n);
    if (merges) {
      sizes[last] = (sizes[last] as number) * n;
      strides.forEach((s, k) => ((out[k] as number[])[last] = s[d] as number));
    } else {
      sizes.push(n);
      strides.forEach((s, k) => (out[k] as number[]).push(s[d] as number));
    }
  });
  if (sizes.length === 0) {
    sizes.push(1);
    for (const s of out) s.push(0);
  }
  return { sizes, strides: out };
}

function combine(mode: IndexMode, type: Expr["type"], a: Expr, b: Expr): Expr {
  const truth = type === "bool";
  switch (mode) {
    case "add":
      return truth ? E.or(a, b) : E.add(a, b);
    case "mul":
      return truth ? E.and(a, b) : E.mul(a, b);
    case "min":
      return truth ? E.and(a, b) : E.min(a, b);
    case "max":
      return truth ? E.or(a, b) : E.max(a, b);
    default:
      return b;
  }
}

function buildKernel(key: string, mode: IndexMode, dtype: DType, rank: number, classes: readonly Class[]): Kernel {
  const scalars: Uniform[] = [];
  const uniform = (name: string): Expr => {
    scalars.push({ name, type: "i32" });
    return E.scalar("i32", scalars.length - 1);
  };
  const last = rank - 1;
  const nSubscripts = classes.length - 2;
  const sizes = Array.from({ length: rank }, (_, d) => uniform(`size${d}`));
  const strides = classes.map((cls, k) => {
    const outer = Array.from({ length: last }, (_, d) => uniform(`stride${k}_${d}`));
    return { outer, inner: cls === "n" ? uniform(`stride${k}_${last}`) : null };
  });
  const steps = Array.from({ length: nSubscripts }, (_, k) => uniform(`step${k}`));
  /** Where the innermost run of an operand starts. */
  const start = (k: number): Expr => {
    let at: Expr = E.const("i32", 0);
    (strides[k] as { outer: Expr[] }).outer.forEach((s, d) => (at = E.add(at, E.mul(E.index(d), s))));
    return at;
  };
  const along = (k: number, base: Expr): Expr => {
    if (classes[k] === "s") return base;
    const step = (strides[k] as { inner: Expr | null }).inner;
    return E.add(base, step === null ? E.index(last) : E.mul(E.index(last), step));
  };
  // Subscripts that stay the same along the innermost dimension are read once for each run.
  const lets: Stmt[] = [];
  let base = start(0);
  const varying: number[] = [];
  for (let k = 0; k < nSubscripts; k++) {
    if (classes[k + 2] !== "s") varying.push(k);
    else base = E.add(base, E.mul(E.load("i32", k + 2, start(k + 2)), steps[k] as Expr));
  }
  lets.push({ kind: "let", id: 0, value: base });
  lets.push({ kind: "let", id: 1, value: start(1) });
  let place: Expr = along(0, E.var("i32", 0));
  for (const k of varying) {
    place = E.add(place, E.mul(E.load("i32", k + 2, along(k + 2, start(k + 2))), steps[k] as Expr));
  }
  const type = computeType(dtype);
  const walk = along(1, E.var("i32", 1));
  const inner: Stmt =
    mode === "get"
      ? { kind: "store", buffer: 1, index: walk, value: E.load(type, 0, place) }
      : {
          kind: "store",
          buffer: 0,
          index: place,
          value: combine(mode, type, E.load(type, 0, place), E.load(type, 1, walk)),
        };
  // Along an innermost dimension that a subscript moves through, or none, several writes may meet in one place.
  const free = mode === "get" || (varying.length === 0 && classes[0] !== "s");
  let body: Stmt[] = [
    ...lets,
    { kind: "loop", loop: last, mode: free ? "vector" : "serial", extent: sizes[last] as Expr, body: [inner] },
  ];
  for (let d = last - 1; d >= 0; d--) {
    const parallel = d === 0 && mode === "get";
    body = [{ kind: "loop", loop: d, mode: parallel ? "parallel" : "serial", extent: sizes[d] as Expr, body }];
  }
  return {
    name: mode === "get" ? "gather" : "scatter",
    key: `index:${key}`,
    buffers: [
      { name: "indexed", dtype, access: mode === "get" ? "read" : "readwrite" },
      { name: "walked", dtype, access: mode === "get" ? "write" : "read" },
      ...steps.map((_, k) => ({ name: `index${k}`, dtype: int32, access: "read" as const })),
    ],
    scalars,
    body,
  };
}

// --- along one dimension ---------------------------------------------------------------------------------------------

/** A tensor of no dimensions as one of a single dimension of size 1. */
export function atLeast1d(t: Tensor): Tensor {
  return t.shape.length > 0 ? t : alias(t, [1], [1], t._offset);
}

/** `t` walked with the shape of an index of equal rank; its dimension `dim` is left to the subscript. */
function slab(t: Tensor, shape: Shape, dim: number): Tensor {
  return alias(
    t,
    shape,
    t._strides.map((s, d) => (d === dim ? 0 : s)),
    t._offset,
  );
}

/** `out[i][j][k] = x[i][places[i][j][k]][k]` for `dim` 1: the elements of `x` that `places` names along a dimension. */
export function gatherRaw(input: Tensor, dim: number, places: Tensor): Tensor {
  const x = atLeast1d(input);
  const index = atLeast1d(places);
  const out = allocate(places.shape, x.dtype, x._backend);
  moveIndexed("get", slab(x, index.shape, dim), atLeast1d(out), [{ places: index, stride: x._strides[dim] as number }]);
  return out;
}

/** Writes, or accumulates, `src` into the elements of `target` that `places` names along a dimension. */
export function scatterRaw(target: Tensor, dim: number, places: Tensor, src: Tensor, mode: IndexMode): void {
  const t = atLeast1d(target);
  const index = atLeast1d(places);
  const s = atLeast1d(src);
  const walked = alias(s, index.shape, src.shape.length === 0 ? index.shape.map(() => 0) : s._strides, s._offset);
  moveIndexed(mode, slab(t, index.shape, dim), walked, [{ places: index, stride: t._strides[dim] as number }]);
}

/** Places of one dimension, seen along dimension `dim` of `ndim`. */
function alongDim(places: Tensor, dim: number, ndim: number): Tensor {
  const shape = new Array<number>(ndim).fill(1);
  const strides = new Array<number>(ndim).fill(0);
  shape[dim] = places._numel;
  strides[dim] = places.shape.length === 0 ? 0 : (places._strides[0] as number);
  return alias(places, shape, strides, places._offset);
}

/** The slices of `x` that `places`, of one dimension, names along a dimension. */
export function selectRaw(input: Tensor, dim: number, places: Tensor): Tensor {
  const x = atLeast1d(input);
  const shape = x.shape.map((n, d) => (d === dim ? places._numel : n));
  const out = allocate(shape, x.dtype, x._backend);
  moveIndexed("get", slab(x, shape, dim), out, [
    { places: alongDim(places, dim, shape.length), stride: x._strides[dim] as number },
  ]);
  return input.shape.length === 0 ? alias(out, [], [], 0) : out;
}

/** Writes, or accumulates, slices of `src` (or one number, of no dimensions) into those of `target` that `places` names. */
export function writeSlices(target: Tensor, dim: number, places: Tensor, src: Tensor, mode: IndexMode): void {
  const t = atLeast1d(target);
  const shape = t.shape.map((n, d) => (d === dim ? places._numel : n));
  const walked = alias(src, shape, broadcastStrides(src.shape, src._strides, shape), src._offset);
  moveIndexed(mode, slab(t, shape, dim), walked, [
    { places: alongDim(places, dim, shape.length), stride: t._strides[dim] as number },
  ]);
}

// --- by position in row-major order ----------------------------------------------------------------------------------

const flat = (t: Tensor): Tensor => alias(t, [t._numel], [1], t._offset);

/** The elements of `x` at row-major positions. */
export function takeRaw(x: Tensor, places: Tensor): Tensor {
  const dense = contiguousRaw(x);
  const out = allocate(places.shape, x.dtype, x._backend);
  const zero = alias(
    dense,
    places.shape,
    places.shape.map(() => 0),
    dense._offset,
  );
  moveIndexed("get", zero, out, [{ places, stride: 1 }]);
  return out;
}

/** Writes, or accumulates, into row-major positions of a contiguous tensor. */
export function putRaw(target: Tensor, places: Tensor, src: Tensor, mode: IndexMode): void {
  const index = flat(contiguousRaw(places));
  const walked = src._numel === index._numel ? flat(contiguousRaw(src)) : alias(src, index.shape, [0], src._offset);
  moveIndexed(mode, alias(target, index.shape, [0], target._offset), walked, [{ places: index, stride: 1 }]);
}

// --- several dimensions at once --------------------------------------------------------------------------------------

/** What an index of several dimensions means for a tensor of given geometry. */
export interface IndexPlan {
  /** The shape of the result. */
  readonly shape: Shape;
  /** How the tensor is walked: which of its dimensions each dimension of the result moves through, or -1. */
  readonly dims: readonly number[];
  /** For each index tensor: the dimension it indexes. */
  readonly indexed: readonly number[];
  readonly places: readonly Tensor[];
  /** Instead of those: one mask over several dimensions from `first` on, as positions in their row-major order. */
  readonly masked?: { readonly first: number; readonly shape: Shape; readonly positions: Tensor };
}

/** The walk of a plan over a tensor of the shape that it was made for. */
function walkOf(x: Tensor, plan: IndexPlan): { indexed: Tensor; subscripts: Subscript[] } {
  const indexed = alias(
    x,
    plan.shape,
    plan.dims.map((d) => (d < 0 ? 0 : (x._strides[d] as number))),
    x._offset,
  );
  const { masked } = plan;
  if (masked === undefined) {
    const stride = (k: number): number => x._strides[plan.indexed[k] as number] as number;
    return { indexed, subscripts: plan.places.map((places, k) => ({ places, stride: stride(k) })) };
  }
  const { first, shape, positions } = masked;
  const last = first + shape.length - 1;
  let even = true;
  for (let d = first; d < last; d++) {
    if (x._strides[d] !== (x._strides[d + 1] as number) * (x.shape[d + 1] as number)) even = false;
  }
  if (even) return { indexed, subscripts: [{ places: positions, stride: x._strides[last] as number }] };
  return {
    indexed,
    subscripts: columnsOf(positions, shape).map((places, k) => ({ places, stride: x._strides[first + k] as number })),
  };
}

/** Positions in row-major order as one tensor for each dimension. */
function columnsOf(positions: Tensor, shape: Shape): Tensor[] {
  const outs = shape.map(() => allocate(positions.shape, int32, positions._backend));
  const host = hostOf(positions._backend, "indexing");
  const from = positions._ptr / 4;
  const to = outs.map((t) => t._ptr / 4);
  for (let i = 0; i < positions._numel; i++) {
    let rest = host.i32[from + i] as number;
    for (let d = shape.length - 1; d >= 0; d--) {
      const n = shape[d] as number;
      const q = Math.trunc(rest / n);
      host.i32[(to[d] as number) + i] = rest - q * n;
      rest = q;
    }
  }
  return outs;
}

/** `x[indices]`. */
export function indexRaw(x: Tensor, plan: IndexPlan): Tensor {
  const out = allocate(plan.shape, x.dtype, x._backend);
  const { indexed, subscripts } = walkOf(x, plan);
  moveIndexed("get", indexed, out, subscripts);
  return out;
}

/** `x[indices] = values`, or `+=`; values broadcast. */
export function indexPutRaw(target: Tensor, plan: IndexPlan, values: Tensor, accumulate: boolean): void {
  const { indexed, subscripts } = walkOf(target, plan);
  const walked = alias(values, plan.shape, broadcastStrides(values.shape, values._strides, plan.shape), values._offset);
  moveIndexed(accumulate ? "add" : "set", indexed, walked, subscripts);
}

/** Contiguous zeros of a shape. */
export function zerosOf(shape: Shape, like: Tensor): Tensor {
  const out = allocate(shape, like.dtype, like._backend);
  const host = hostOf(like._backend, "zeros");
  host.u8.fill(0, out._ptr, out._ptr + out._numel * out.dtype.itemsize);
  return out;
}

/** A contiguous copy, also of what is contiguous. */
export function flatCopy(t: Tensor): Tensor {
  const out = allocate(t.shape, t.dtype, t._backend);
  copyRaw(out, t);
  return out;
}
