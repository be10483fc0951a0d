/**
 * Reductions of many elements to one, in two stages: segments of the elements are reduced on all threads, then what came out of
 * them. The order of combination depends on the number of elements alone.
 */
import type { Backend, Program } from "../../backend/backend.ts";
import { bool, type DType, float32, float64, int32, int64 } from "../../base/dtype.ts";
import { E, type Expr, rewrite, type Type } from "../../ir/expr.ts";
import { type Buffer, computeType, type Kernel, type Stmt, type Uniform } from "../../ir/kernel.ts";
import { allocate, type Tensor } from "../../tensor/tensor.ts";
import { castExpr } from "../elementwise.ts";
import { type Pass, passesOf, passStatements, type RowFormula } from "./reduction-passes.ts";

/** Elements of a segment: sixteen blocks (Note [Accuracy of sums]). */
const segment = 16384;

/** From so many elements on, a reduction goes in stages. */
export const stagedElements: number = 4 * segment;

const dtypes: Readonly<Record<Type, DType>> = { bool, i32: int32, i64: int64, f32: float32, f64: float64 };

/** The programs of one pass: over the elements, and over what came out of the segments. */
interface Stage {
  readonly type: Type;
  readonly elements: Program;
  readonly partials: Program;
}

/** A reduction of contiguous elements of one dtype. */
export class StagedReduction {
  readonly #stages: readonly Stage[];
  readonly #out: DType;

  constructor(
    backend: Backend,
    name: string,
    formula: RowFormula,
    params: number,
    source: DType,
    compute: DType,
    out: DType,
  ) {
    this.#out = out;
    const type = computeType(compute);
    const uniforms: Uniform[] = [
      { name: "segments", type: "i32" },
      { name: "n", type: "i32" },
      ...Array.from({ length: params }, (_, i) => ({ name: `p${i}`, type })),
    ];
    const n = E.scalar("i32", 1);
    const { passes, result } = passesOf(
      formula,
      type,
      type === "bool" ? n : E.cast(type, n),
      Array.from({ length: params }, (_, i) => E.scalar(type, 2 + i)),
    );
    const last = passes.length - 1;
    this.#stages = passes.map((pass, k): Stage => {
      const title = `${name}/${source.name}>${compute.name}>${out.name}/${k}`;
      const value = (x: Expr): Expr => withResults(pass.value(x), passes);
      const results = passes.slice(0, k);
      const [elements, partials] = [
        elementsKernel(`${title}/elements`, pass, value, source, compute, results, uniforms),
        partialsKernel(`${title}/partials`, pass, k === last ? result : null, out, results, passes, uniforms),
      ];
      return { type: pass.type, elements: backend.compile(elements), partials: backend.compile(partials) };
    });
  }

  run(x: Tensor, shape: readonly number[], params: readonly (number | bigint)[]): Tensor {
    const n = x._numel;
    const segments = Math.ceil(n / segment);
    const backend = x._backend;
    const result = allocate(shape, this.#out, backend);
    const partials = this.#stages.map(({ type }) => allocate([segments], dtypes[type], backend));
    const results = this.#stages.slice(1).map((_, k) => allocate([], dtypes[(this.#stages[k] as Stage).type], backend));
    // All addresses after the last allocation: Note [Pointers and collection].
    const earlier: number[] = [];
    this.#stages.forEach((stage, k) => {
      const part = (partials[k] as Tensor)._ptr;
      const target = (results[k] ?? result)._ptr;
      stage.elements.run(part, x._ptr, ...earlier, segments, n, ...params);
      stage.partials.run(target, part, ...earlier, segments, n, ...params);
      earlier.push(target);
    });
    return result;
  }
}

/** The results of earlier passes, which lie in buffers from the third on, in place of their variables. */
function withResults(e: Expr, passes: readonly Pass[]): Expr {
  return rewrite(e, (x) => {
    const k = x.kind === "var" ? passes.findIndex(({ id }) => id === x.id) : -1;
    return k < 0 ? x : E.load((passes[k] as Pass).type, 2 + k, E.const("i32", 0));
  });
}

const read = (name: string, dtype: DType): Buffer => ({ name, dtype, access: "read" });

function elementsKernel(
  key: string,
  pass: Pass,
  value: (x: Expr) => Expr,
  source: DType,
  compute: DType,
  results: readonly Pass[],
  scalars: readonly Uniform[],
): Kernel {
  const [segments, n] = [E.scalar("i32", 0), E.scalar("i32", 1)];
  const start = E.mul(E.index(0), segment);
  const element = (j: Expr): Expr => value(castExpr(E.load(computeType(source), 1, E.add(start, j)), compute));
  const body: Stmt[] = [
    ...passStatements(pass, E.min(E.sub(n, start), segment), element, { next: 1 }),
    { kind: "store", buffer: 0, index: E.index(0), value: E.var(pass.type, pass.id) },
  ];
  return {
    name: key.slice(0, key.indexOf("/")),
    key,
    buffers: [
      { name: "partials", dtype: dtypes[pass.type], access: "write" },
      read("in", source),
      ...results.map(({ type }, k) => read(`result${k}`, dtypes[type])),
    ],
    scalars,
    body: [{ kind: "loop", loop: 0, mode: "parallel", extent: segments, body }],
  };
}

/** Combines the segments; `result` is the formula's value if this is the last pass. */
function partialsKernel(
  key: string,
  pass: Pass,
  result: Expr | null,
  out: DType,
  results: readonly Pass[],
  passes: readonly Pass[],
  scalars: readonly Uniform[],
): Kernel {
  const body = passStatements(pass, E.scalar("i32", 0), (j) => E.load(pass.type, 1, j), { next: 1 });
  const own = E.var(pass.type, pass.id);
  const value = result === null ? own : castExpr(withResults(result, passes.slice(0, -1)), out);
  return {
    name: key.slice(0, key.indexOf("/")),
    key,
    buffers: [
      { name: "out", dtype: result === null ? dtypes[pass.type] : out, access: "write" },
      read("partials", dtypes[pass.type]),
      ...results.map(({ type }, k) => read(`result${k}`, dtypes[type])),
    ],
    scalars,
    body: [...body, { kind: "store", buffer: 0, index: E.const("i32", 0), value }],
  };
}
