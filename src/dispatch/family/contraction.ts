/**
 * Matrix products on raw memory: which layout each operand has, and which routine or kernel computes them.
 */
import type { Backend, Gemm, Program } from "../../backend/backend.ts";
import { Complex } from "../../base/complex-number.ts";
import { type DType, toReal } from "../../base/dtype.ts";
import type { Scalar } from "../../base/promote.ts";
import { E, type Expr, type Type } from "../../ir/expr.ts";
import { computeType, type Kernel, type Uniform } from "../../ir/kernel.ts";
import { alias, allocate, Tensor } from "../../tensor/tensor.ts";
import { asArgument, castExpr, complexArgument, contiguousRaw, Elementwise } from "../elementwise.ts";

/** A matrix as BLAS sees it: rows or columns contiguous, with a leading dimension. */
interface MatrixLayout {
  readonly matrix: Tensor;
  readonly transposed: boolean;
  readonly ld: number;
}

/** The last two dims of a tensor (rows, columns) as BLAS takes them, copied if neither is contiguous. */
function layoutOf(x: Tensor): MatrixLayout {
  const n = x.ndim;
  const rows = x.shape[n - 2] as number;
  const cols = x.shape[n - 1] as number;
  const s0 = x._strides[n - 2] as number;
  const s1 = x._strides[n - 1] as number;
  if ((s1 === 1 || cols <= 1) && (s0 >= cols || rows <= 1)) {
    return { matrix: x, transposed: false, ld: Math.max(rows <= 1 ? cols : s0, 1) };
  }
  if ((s0 === 1 || rows <= 1) && (s1 >= rows || cols <= 1)) {
    return { matrix: x, transposed: true, ld: Math.max(cols <= 1 ? rows : s1, 1) };
  }
  return { matrix: contiguousRaw(x), transposed: false, ld: Math.max(cols, 1) };
}

const kernels: Map<Backend, Map<DType, Program>> = new Map();

/** C = alpha * A B + beta * C for any dtype and strides, by a plain loop nest. */
function plainKernel(backend: Backend, dtype: DType): Program {
  let programs = kernels.get(backend);
  if (programs === undefined) {
    programs = new Map();
    kernels.set(backend, programs);
  }
  let program = programs.get(dtype);
  if (program === undefined) {
    program = backend.compile(buildPlain(dtype));
    programs.set(dtype, program);
  }
  return program;
}

function buildPlain(dtype: DType): Kernel {
  const scalars: Uniform[] = [];
  const uniform = (name: string, type: Type): Expr => {
    scalars.push({ name, type });
    return E.scalar(type, scalars.length - 1);
  };
  const [m, n, k, sa0, sa1, sb0, sb1, sc0, sc1] = ["m", "n", "k", "sa0", "sa1", "sb0", "sb1", "sc0", "sc1"].map(
    (name) => uniform(name, "i32"),
  ) as [Expr, Expr, Expr, Expr, Expr, Expr, Expr, Expr, Expr];
  const isBool = dtype.name === "bool";
  const type = isBool ? "bool" : computeType(dtype);
  const alpha = uniform("alpha", type);
  const beta = uniform("beta", type);
  const accumulate = uniform("accumulate", "i32");
  const at = (i: Expr, s: Expr, j: Expr, t: Expr): Expr => E.add(E.mul(i, s), E.mul(j, t));
  const [i, j, l] = [E.index(0), E.index(1), E.index(2)];
  const a = E.load(type, 1, at(i, sa0, l, sa1));
  const b = E.load(type, 2, at(l, sb0, j, sb1));
  const target = at(i, sc0, j, sc1);
  const sum = E.var(type, 1);
  const scaled = isBool ? E.and(sum, alpha) : E.mul(sum, alpha);
  const before = E.load(type, 0, target);
  const added = isBool ? E.or(scaled, E.and(before, beta)) : E.add(scaled, E.mul(before, beta));
  return {
    name: "matmul",
    key: `matmul/${dtype.name}`,
    buffers: [
      { name: "c", dtype, access: "readwrite" },
      { name: "a", dtype, access: "read" },
      { name: "b", dtype, access: "read" },
    ],
    scalars,
    body: [
      {
        kind: "loop",
        loop: 0,
        mode: "parallel",
        extent: m,
        body: [
          {
            kind: "loop",
            loop: 1,
            mode: "serial",
            extent: n,
            body: [
              {
                kind: "reduce",
                id: 1,
                loop: 2,
                extent: k,
                combine: isBool ? "or" : "add",
                init: E.const(type, isBool ? false : 0),
                value: isBool ? E.and(a, b) : E.mul(a, b),
              },
              {
                kind: "if",
                cond: E.ne(accumulate, 0),
                then: [{ kind: "store", buffer: 0, index: target, value: castExpr(added, dtype) }],
                else: [{ kind: "store", buffer: 0, index: target, value: castExpr(scaled, dtype) }],
              },
            ],
          },
        ],
      },
    ],
  };
}

/**
 * out = alpha * a @ b + beta * out over the last two dims, for each index of equal leading dims. `out` is contiguous in its
 * last two dims; with `beta` 0 it is not read. All have one dtype.
 */
export function matmulRaw(
  out: Tensor,
  a: Tensor,
  b: Tensor,
  alpha: number | bigint | Complex = 1,
  beta: number | bigint | Complex = 0,
): void {
  const { dtype } = out;
  if (out._numel === 0) return;
  if (dtype.is_complex) {
    complexMatmul(out, a, b, alpha, beta);
    return;
  }
  const n = out.ndim;
  const [rows, cols, depth] = [out.shape[n - 2] as number, out.shape[n - 1] as number, a.shape[n - 1] as number];
  const backend = out._backend;
  const gemm = dtype.name === "float32" || dtype.name === "float64" ? backend.routines.gemm : undefined;
  const batches = out._numel / (rows * cols);
  if (gemm !== undefined) {
    const la = layoutOf(a);
    const lb = layoutOf(b);
    const productOf = (i: number): Gemm => ({
      dtype: dtype.name as "float32",
      transA: la.transposed,
      transB: lb.transposed,
      m: rows,
      n: cols,
      k: depth,
      alpha: Number(alpha),
      a: batchAddress(la.matrix, i),
      lda: la.ld,
      b: batchAddress(lb.matrix, i),
      ldb: lb.ld,
      beta: Number(beta),
      c: batchAddress(out, i),
      ldc: out._strides[n - 2] as number,
    });
    const { gemmBatch } = backend.routines;
    if (batches > 1 && gemmBatch !== undefined) gemmBatch(Array.from({ length: batches }, (_, i) => productOf(i)));
    else for (let i = 0; i < batches; i++) gemm(productOf(i));
    return;
  }
  const program = plainKernel(backend, dtype);
  const type = dtype.name === "bool" ? "bool" : computeType(dtype);
  for (let i = 0; i < batches; i++) {
    program.run(
      batchAddress(out, i),
      batchAddress(a, i),
      batchAddress(b, i),
      rows,
      cols,
      depth,
      ...[a, b, out].flatMap((t) => [t._strides[n - 2] as number, t._strides[n - 1] as number]),
      asArgument(alpha, type),
      asArgument(beta, type),
      Number(beta) === 0 ? 0 : 1,
    );
  }
}

/** One part of a complex tensor as a real one: 0 the real, 1 the imaginary part. */
function partOf(z: Tensor, part: 0 | 1): Tensor {
  const strides = z._strides.map((s) => 2 * s);
  return new Tensor(z._storage, z.shape, strides, 2 * z._offset + part, toReal(z.dtype));
}

const combinations: Map<DType, Elementwise> = new Map();

/** (a + bi)(c + di) by four real products, then scaled and added to what is there. */
function complexMatmul(out: Tensor, a: Tensor, b: Tensor, alpha: Scalar, beta: Scalar): void {
  const { dtype } = out;
  const real = toReal(dtype);
  const [ar, ai, br, bi] = [partOf(a, 0), partOf(a, 1), partOf(b, 0), partOf(b, 1)].map(contiguousRaw) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ];
  const re = allocate(out.shape, real, out._backend);
  const im = allocate(out.shape, real, out._backend);
  matmulRaw(re, ar, br);
  matmulRaw(re, ai, bi, -1, 1);
  matmulRaw(im, ar, bi);
  matmulRaw(im, ai, br, 1, 1);
  let combine = combinations.get(dtype);
  if (combine === undefined) {
    const type = computeType(dtype);
    combine = new Elementwise({
      name: "complex_matmul",
      key: `complex_matmul:${dtype.name}`,
      outs: [dtype],
      ins: [real, real, dtype],
      scalars: [type, type, type, type, "i32"],
      build: ([pr, pi, xr, xi], [alphaRe, alphaIm, betaRe, betaIm, accumulate]) => {
        const product = (x: Expr, y: Expr, u: Expr, v: Expr): readonly [Expr, Expr] => [
          E.sub(E.mul(x, u), E.mul(y, v)),
          E.add(E.mul(x, v), E.mul(y, u)),
        ];
        const [r, i] = product(pr as Expr, pi as Expr, alphaRe as Expr, alphaIm as Expr);
        const [s, j] = product(xr as Expr, xi as Expr, betaRe as Expr, betaIm as Expr);
        const adds = E.ne(accumulate as Expr, 0);
        return [E.select(adds, E.add(r, s), r), E.select(adds, E.add(i, j), i)];
      },
    });
    combinations.set(dtype, combine);
  }
  const accumulates = beta instanceof Complex || Number(beta) !== 0 ? 1 : 0;
  combine.run([out], [re, im, out], [...complexArgument(alpha), ...complexArgument(beta), accumulates]);
}

/** The address of matrix number i of a batch, counted over the leading dims in row-major order. */
function batchAddress(t: Tensor, i: number): number {
  let at = t._offset;
  let rest = i;
  for (let d = t.ndim - 3; d >= 0; d--) {
    const size = t.shape[d] as number;
    at += (rest % size) * (t._strides[d] as number);
    rest = Math.floor(rest / size);
  }
  return t._storage.ptr + at * t.dtype.itemsize;
}

/** A 1-d tensor as a matrix of one row or one column. */
export function asMatrix(v: Tensor, column: boolean): Tensor {
  const n = v.shape[0] as number;
  const s = v._strides[0] as number;
  return column ? alias(v, [n, 1], [s, 1], v._offset) : alias(v, [1, n], [n * s, s], v._offset);
}
