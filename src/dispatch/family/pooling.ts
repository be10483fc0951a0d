/**
 * Pooling on raw memory: each output sees a window of the input. Windows are products of intervals, one list of them for each
 * spatial dimension, so that strides, padding, partial windows at the border and adaptive pooling are all the same to a kernel.
 */
import type { Backend, Program } from "../../backend/backend.ts";
import { type DType, int32, int64 } from "../../base/dtype.ts";
import { E, type Expr, type Type } from "../../ir/expr.ts";
import { type Buffer, computeType, type Kernel, type Stmt, type Uniform } from "../../ir/kernel.ts";
import { allocate, type Tensor } from "../../tensor/tensor.ts";
import { castExpr, contiguousRaw, fillRaw } from "../elementwise.ts";
import { neutral } from "./reduction.ts";

/** The windows along one dimension: where each begins, how many elements it has, and what it counts as in a mean. */
export interface Windows {
  readonly start: readonly number[];
  readonly count: readonly number[];
  readonly divisor: readonly number[];
}

/** The windows of all three spatial dimensions; those that a tensor lacks have one window of one element. */
export interface WindowGrid {
  /** Channels times samples. */
  readonly planes: number;
  /** Sizes of the input. */
  readonly size: readonly [number, number, number];
  readonly windows: readonly [Windows, Windows, Windows];
  /** The distance between the elements of a window. */
  readonly step: readonly [number, number, number];
}

const programs = new Map<Backend, Map<string, Program>>();

function programOf(backend: Backend, kernel: () => Kernel, key: string): Program {
  let table = programs.get(backend);
  if (table === undefined) {
    table = new Map();
    programs.set(backend, table);
  }
  let program = table.get(key);
  if (program === undefined) {
    program = backend.compile(kernel());
    table.set(key, program);
  }
  return program;
}

const scalars: readonly Uniform[] = ["rows", "iD", "iH", "iW", "oD", "oH", "oW", "stepD", "stepH", "stepW"].map(
  (name): Uniform => ({ name, type: "i32" }),
);
const [rows, , iH, iW, oD, oH, oW, stepD, stepH, stepW] = scalars.map((_, i) => E.scalar("i32", i)) as Expr[] as [
  Expr,
  Expr,
  Expr,
  Expr,
  Expr,
  Expr,
  Expr,
  Expr,
  Expr,
  Expr,
];
const iD = E.scalar("i32", 1);

/** The tables of a grid: for each dimension starts, counts and divisors. */
function tableOf(grid: WindowGrid, backend: Backend): Tensor {
  const values = grid.windows.flatMap((w) => [...w.start, ...w.count, ...w.divisor]);
  const table = allocate([values.length], int32, backend);
  const { host } = backend;
  host?.i32.set(values, table._ptr / 4);
  return table;
}

const argumentsOf = (grid: WindowGrid): number[] => {
  const out = grid.windows.map((w) => w.start.length) as [number, number, number];
  return [grid.planes * out[0] * out[1], ...grid.size, ...out, ...grid.step];
};

/** The indices of one output, and the loops over its window. */
interface WindowLoops {
  /** Bindings that come first in a row of outputs, and for each output. */
  readonly rowLets: readonly Stmt[];
  readonly lets: readonly Stmt[];
  /** The product of the divisors, an i32. */
  readonly divisor: Expr;
  /** Where the output is. */
  readonly output: Expr;
  /** Where the plane of the input begins. */
  readonly plane: Expr;
  /** Where the first element of the window is in its plane. */
  readonly first: Expr;
  /** Statements for each element of the window: where it is in its plane, and a number to tell the variables of each apart. */
  around(make: (at: Expr, k: number) => readonly Stmt[]): readonly Stmt[];
}

/** The form of a grid, by which kernels differ. */
interface Form {
  /** Whether there is a third spatial dimension. */
  readonly volumes: boolean;
  /** Height and width of all windows where they are the same and small: then elements are written out without loops. */
  readonly window: readonly [number, number] | null;
}

/** Up to how many elements a window is written out. */
const unrolled = 16;

function formOf(grid: WindowGrid): Form {
  const [, h, w] = grid.windows;
  const volumes = grid.size[0] !== 1 || grid.windows[0].start.length !== 1;
  const same = (list: readonly number[]): number | null => {
    const [first] = list;
    return first !== undefined && first > 0 && list.every((n) => n === first) ? first : null;
  };
  const [height, width] = [same(h.count), same(w.count)];
  const small = !volumes && height !== null && width !== null && height * width <= unrolled;
  return { volumes, window: small ? [height, width] : null };
}

const formKey = ({ volumes, window }: Form): string => (window === null ? String(volumes) : window.join("x"));

const ow = E.index(1);

function windowLoops(table: number, { volumes, window }: Form, row: Expr = E.index(0)): WindowLoops {
  const rowLets: Stmt[] = [];
  const lets: Stmt[] = [];
  let id = 20;
  const binder =
    (list: Stmt[]) =>
    (value: Expr): Expr => {
      list.push({ kind: "let", id, value });
      return E.var("i32", id++);
    };
  const bind = binder(rowLets);
  const each = binder(lets);
  const oh = bind(E.rem(row, oH));
  const rest = bind(E.div(row, oH));
  const od = volumes ? bind(E.rem(rest, oD)) : E.const("i32", 0);
  const nc = volumes ? bind(E.div(rest, oD)) : rest;
  const baseH = volumes ? bind(E.mul(oD, 3)) : E.const("i32", 3);
  const baseW = bind(E.add(baseH, E.mul(oH, 3)));
  /** Start, count and divisor of window `at` of a dimension of `n`. */
  const entries = (to: (e: Expr) => Expr, base: Expr, n: Expr, at: Expr): [Expr, Expr, Expr] =>
    [0, 1, 2].map((kind) => to(E.load("i32", table, E.add(E.add(base, E.mul(n, kind)), at)))) as [Expr, Expr, Expr];
  const one = E.const("i32", 1);
  const zero = E.const("i32", 0);
  const d: [Expr, Expr, Expr] = volumes ? entries(bind, zero, oD, od) : [zero, one, one];
  const h = entries(bind, baseH, oH, oh);
  const plane = bind(E.mul(nc, E.mul(E.mul(iD, iH), iW)));
  const rowDivisor = bind(E.mul(d[2], h[2]));
  const rowOutput = bind(E.mul(row, oW));
  const rowFirst = bind(E.mul(E.add(E.mul(d[0], iH), h[0]), iW));
  const w = entries(each, baseW, oW, ow);
  const first = each(E.add(rowFirst, w[0]));
  const place = (a: Expr, b: Expr, c: Expr): Expr => E.add(E.mul(E.add(E.mul(a, iH), b), iW), c);
  const coordinate = (start: Expr, loop: number, step: Expr): Expr => E.add(start, E.mul(E.index(loop), step));
  const at = place(volumes ? coordinate(d[0], 2, stepD) : zero, coordinate(h[0], 3, stepH), coordinate(w[0], 4, stepW));
  const looped = (make: (at: Expr, k: number) => readonly Stmt[]): readonly Stmt[] => {
    let nest = make(at, 0);
    for (const [loop, extent] of [
      [4, w[1]],
      [3, h[1]],
      [2, d[1]],
    ] as const) {
      if (loop > 2 || volumes) nest = [{ kind: "loop", loop, mode: "serial", extent, body: nest }];
    }
    return nest;
  };
  const written = (make: (at: Expr, k: number) => readonly Stmt[]): readonly Stmt[] => {
    const [height, width] = window as readonly [number, number];
    return Array.from({ length: height * width }, (_, k) => {
      const [i, j] = [Math.floor(k / width), k % width];
      return make(E.add(first, E.add(E.mul(E.mul(iW, stepH), i), E.mul(stepW, j))), k);
    }).flat();
  };
  return {
    rowLets,
    divisor: each(E.mul(rowDivisor, w[2])),
    output: E.add(rowOutput, ow),
    plane,
    first,
    lets,
    around: window === null ? looped : written,
  };
}

const overOutputs = (body: readonly Stmt[]): Stmt => ({ kind: "loop", loop: 1, mode: "serial", extent: oW, body });
const overRows = (body: readonly Stmt[]): Stmt => ({ kind: "loop", loop: 0, mode: "parallel", extent: rows, body });

const buffer = (name: string, dtype: DType, access: Buffer["access"]): Buffer => ({ name, dtype, access });

/** The largest element of each window, and where in its plane it is: the first of equal ones, the last NaN. */
export function maxPoolRaw(x: Tensor, grid: WindowGrid, shape: readonly number[]): [Tensor, Tensor] {
  const { dtype, _backend: backend } = x;
  const input = contiguousRaw(x);
  const out = allocate(shape, dtype, backend);
  const indices = allocate(shape, int64, backend);
  if (out._numel === 0) return [out, indices];
  const table = tableOf(grid, backend);
  const form = formOf(grid);
  const key = `max_pool/${dtype.name}/${formKey(form)}`;
  const build = (): Kernel => {
    const type = computeType(dtype);
    const w = windowLoops(3, form);
    const [best, at] = [E.var(type, 1), E.var("i32", 2)];
    return {
      name: "max_pool",
      key,
      buffers: [
        buffer("out", dtype, "write"),
        buffer("indices", int64, "write"),
        buffer("in", dtype, "read"),
        buffer("windows", int32, "read"),
      ],
      scalars,
      body: [
        overRows([
          ...w.rowLets,
          overOutputs([
            ...w.lets,
            { kind: "var", id: 1, value: neutral("max", type) },
            { kind: "var", id: 2, value: w.first },
            ...w.around((place, k) => {
              const [found, value] = [E.var("i32", 200 + 2 * k), E.var(type, 201 + 2 * k)];
              const larger = E.gt(value, best);
              const better = type === "f32" || type === "f64" ? E.or(larger, E.isnan(value)) : larger;
              return [
                { kind: "let", id: 200 + 2 * k, value: place },
                { kind: "let", id: 201 + 2 * k, value: E.load(type, 2, E.add(w.plane, found)) },
                { kind: "assign", id: 2, value: E.select(better, found, at) },
                { kind: "assign", id: 1, value: E.select(better, value, best) },
              ];
            }),
            { kind: "store", buffer: 0, index: w.output, value: castExpr(best, dtype) },
            { kind: "store", buffer: 1, index: w.output, value: E.cast("i64", at) },
          ]),
        ]),
      ],
    };
  };
  const program = programOf(backend, build, key);
  program.run(out._ptr, indices._ptr, input._ptr, table._ptr, ...argumentsOf(grid));
  return [out, indices];
}

/** The mean of each window: the sum of its elements over its divisor, or over `divisor` if that is not 0. */
export function averagePoolRaw(x: Tensor, grid: WindowGrid, shape: readonly number[], divisor: number): Tensor {
  const { dtype, _backend: backend } = x;
  const input = contiguousRaw(x);
  const out = allocate(shape, dtype, backend);
  if (out._numel === 0) return out;
  const table = tableOf(grid, backend);
  const form = formOf(grid);
  const key = `avg_pool/${dtype.name}/${formKey(form)}`;
  const build = (): Kernel => {
    const type = computeType(dtype);
    const w = windowLoops(2, form);
    const sum = E.var(type, 1);
    return {
      name: "avg_pool",
      key,
      buffers: [buffer("out", dtype, "write"), buffer("in", dtype, "read"), buffer("windows", int32, "read")],
      scalars: [...scalars, { name: "divisor", type: "i32" }],
      body: [
        overRows([
          ...w.rowLets,
          overOutputs([
            ...w.lets,
            { kind: "var", id: 1, value: E.const(type, 0) },
            ...w.around((place) => [
              { kind: "assign", id: 1, value: E.add(sum, E.load(type, 1, E.add(w.plane, place))) },
            ]),
            { kind: "store", buffer: 0, index: w.output, value: castExpr(E.div(sum, divisorOf(w, type)), dtype) },
          ]),
        ]),
      ],
    };
  };
  const program = programOf(backend, build, key);
  program.run(out._ptr, input._ptr, table._ptr, ...argumentsOf(grid), divisor);
  return out;
}

/** What a window is divided by; where that is 0 it is empty, and its sum 0. */
function divisorOf(w: WindowLoops, type: Type): Expr {
  const given = E.scalar("i32", scalars.length);
  return E.cast(type, E.select(E.eq(given, 0), w.divisor, given));
}

/** The transpose of {@link averagePoolRaw}: each element of the output is spread over its window. */
export function averageSpreadRaw(g: Tensor, grid: WindowGrid, shape: readonly number[], divisor: number): Tensor {
  const { dtype, _backend: backend } = g;
  const input = contiguousRaw(g);
  const out = allocate(shape, dtype, backend);
  fillRaw(out, 0);
  if (input._numel === 0 || out._numel === 0) return out;
  const table = tableOf(grid, backend);
  const form = formOf(grid);
  const key = `avg_pool_backward/${dtype.name}/${formKey(form)}`;
  const build = (): Kernel => {
    const type = computeType(dtype);
    const perPlane = E.mul(oD, oH);
    const w = windowLoops(2, form, E.add(E.mul(E.index(0), perPlane), E.index(5)));
    const share = E.var(type, 1);
    return {
      name: "avg_pool_backward",
      key,
      buffers: [buffer("out", dtype, "readwrite"), buffer("in", dtype, "read"), buffer("windows", int32, "read")],
      scalars: [...scalars, { name: "divisor", type: "i32" }, { name: "planes", type: "i32" }],
      body: [
        // Windows of a plane overlap: they are taken in order.
        {
          kind: "loop",
          loop: 0,
          mode: "parallel",
          extent: E.scalar("i32", scalars.length + 1),
          body: [
            {
              kind: "loop",
              loop: 5,
              mode: "serial",
              extent: perPlane,
              body: [
                ...w.rowLets,
                overOutputs([
                  ...w.lets,
                  { kind: "let", id: 1, value: E.div(E.load(type, 1, w.output), divisorOf(w, type)) },
                  ...w.around((place) => {
                    const at = E.add(w.plane, place);
                    const value = castExpr(E.add(E.load(type, 0, at), share), dtype);
                    return [{ kind: "store", buffer: 0, index: at, value }];
                  }),
                ]),
              ],
            },
          ],
        },
      ],
    };
  };
  const program = programOf(backend, build, key);
  program.run(out._ptr, input._ptr, table._ptr, ...argumentsOf(grid), divisor, grid.planes);
  return out;
}

// --- by indices ------------------------------------------------------------------------------------------------------

/** Planes of `n` elements, each output of which was taken from the place in its plane that an index tensor says. */
export interface PlanePlaces {
  readonly planes: number;
  /** Elements per plane of the input, and of the output. */
  readonly n: number;
  readonly outputs: number;
}

/** Puts outputs back to their places; those of equal places are added up, or with `set` the last one stays. */
export function placeRaw(g: Tensor, indices: Tensor, shape: readonly number[], p: PlanePlaces, set: boolean): Tensor {
  const { dtype, _backend: backend } = g;
  const [input, places] = [contiguousRaw(g), contiguousRaw(indices)];
  const out = allocate(shape, dtype, backend);
  fillRaw(out, 0);
  if (input._numel === 0 || out._numel === 0) return out;
  const key = `place_in_planes/${dtype.name}/${set}`;
  const build = (): Kernel =>
    placesKernel("place_in_planes", key, buffer("out", dtype, "readwrite"), dtype, (element, place) => {
      const type = computeType(dtype);
      const to = E.var("i32", 1);
      const value = E.load(type, 1, element);
      return [
        { kind: "let", id: 1, value: place },
        {
          kind: "store",
          buffer: 0,
          index: to,
          value: castExpr(set ? value : E.add(E.load(type, 0, to), value), dtype),
        },
      ];
    });
  programOf(backend, build, key).run(out._ptr, input._ptr, places._ptr, p.planes, p.n, p.outputs);
  return out;
}

/** What is at the places: the transpose of {@link placeRaw}. */
export function takeRaw(x: Tensor, indices: Tensor, p: PlanePlaces): Tensor {
  const { dtype, _backend: backend } = x;
  const [input, places] = [contiguousRaw(x), contiguousRaw(indices)];
  const out = allocate(indices.shape, dtype, backend);
  if (out._numel === 0) return out;
  const key = `take_from_planes/${dtype.name}`;
  const build = (): Kernel =>
    placesKernel("take_from_planes", key, buffer("out", dtype, "write"), dtype, (element, place) => [
      { kind: "store", buffer: 0, index: element, value: castExpr(E.load(computeType(dtype), 1, place), dtype) },
    ]);
  programOf(backend, build, key).run(out._ptr, input._ptr, places._ptr, p.planes, p.n, p.outputs);
  return out;
}

/** A kernel over the outputs of each plane: `body` gets the number of the element, and the place in the planes that its index names. */
function placesKernel(
  name: string,
  key: string,
  out: Buffer,
  dtype: DType,
  body: (element: Expr, place: Expr) => readonly Stmt[],
): Kernel {
  const [planes, n, outputs] = [0, 1, 2].map((i) => E.scalar("i32", i)) as [Expr, Expr, Expr];
  const element = E.add(E.mul(E.index(0), outputs), E.index(1));
  const place = E.add(E.mul(E.index(0), n), E.cast("i32", E.load("i64", 2, element)));
  return {
    name,
    key,
    buffers: [out, buffer("in", dtype, "read"), buffer("indices", int64, "read")],
    scalars: ["planes", "n", "outputs"].map((scalar): Uniform => ({ name: scalar, type: "i32" })),
    body: [
      {
        kind: "loop",
        loop: 0,
        mode: "parallel",
        extent: planes,
        body: [{ kind: "loop", loop: 1, mode: "serial", extent: outputs, body: body(element, place) }],
      },
    ],
  };
}
