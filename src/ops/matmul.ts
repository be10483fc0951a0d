/**
 * Products of vectors, matrices and batches of matrices.
 */
import { Complex } from "../base/complex-number.ts";
import type { DType } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { broadcastAll, formatShape, numel, sameShape } from "../base/shape.ts";
import { castRaw, cloneRaw, copyRaw, fillRaw } from "../dispatch/elementwise.ts";
import { asMatrix, matmulRaw } from "../dispatch/family/contraction.ts";
import { describe, type InplaceOpInfo, type Operator, operator } from "../dispatch/op.ts";
import { apply1, applyInplace, checkStorable, type Primitive, primitive, untracked } from "../dispatch/primitive.ts";
import { PyFloat, type ScalarLike, Signature } from "../dispatch/signature.ts";
import { allocate, type Tensor } from "../tensor/tensor.ts";
import { conj } from "./complex.ts";
import { expand } from "./expand.ts";
import { t, transpose } from "./permute.ts";
import { clone, dropFirstDim, type Op, reshape, squeeze, unsqueeze } from "./view.ts";

const cName = (d: DType): string => {
  const names: Record<string, string> = {
    Long: "long",
    Int: "int",
    Short: "short",
    Char: "signed char",
    Byte: "unsigned char",
    Bool: "bool",
    Float: "float",
    Double: "double",
    Half: "c10::Half",
    BFloat16: "c10::BFloat16",
  };
  return names[d.scalarName] ?? d.scalarName;
};

const number = (x: ScalarLike): number | bigint | Complex =>
  x instanceof PyFloat ? x.value : typeof x === "boolean" ? Number(x) : x;

/** Multiplies by a number unless it is one. */
const scaled = (g: Tensor, by: number | bigint | Complex): Tensor =>
  by instanceof Complex ? g.mul(new Complex(by.re, -by.im)) : Number(by) === 1 ? g : g.mul(by);

/** The conjugate transpose of a matrix, which gradients take; of a real one the transpose. */
const h = (x: Tensor): Tensor => (x.dtype.is_complex ? conj(t(x)) : t(x));
const hBatch = (x: Tensor): Tensor => (x.dtype.is_complex ? conj(transpose(x, 1, 2)) : transpose(x, 1, 2));

function product(a: Tensor, b: Tensor): Tensor {
  const n = a.ndim;
  const out = allocate([...a.shape.slice(0, n - 1), b.shape[n - 1] as number], a.dtype, a._backend);
  matmulRaw(out, a, b);
  return out;
}

/** Which of the two matrices lie column by column: their gradients do so too, as leaves keep them as they lie. */
interface Order {
  readonly aByColumns: boolean;
  readonly bByColumns: boolean;
}

const byColumns = (x: Tensor): boolean => x.ndim === 2 && x._strides[0] === 1 && x._strides[1] === x.shape[0];
const orders: readonly Order[] = [0, 1, 2, 3].map((i) => ({ aByColumns: (i & 1) !== 0, bByColumns: (i & 2) !== 0 }));
const orderOf = (a: Tensor, b: Tensor): Order => orders[(byColumns(a) ? 1 : 0) | (byColumns(b) ? 2 : 0)] as Order;

/** The gradient of `a` in `a @ b`. */
const leftGrad = (g: Tensor, b: Tensor, columns: boolean): Tensor => (columns ? t(mm(conj(b), t(g))) : mm(g, h(b)));
/** The gradient of `b` in `a @ b`. */
const rightGrad = (g: Tensor, a: Tensor, columns: boolean): Tensor => (columns ? t(mm(t(g), conj(a))) : mm(h(a), g));

// --- without addend --------------------------------------------------------------------------------------------------

const mmPrimitive = primitive<Order>({
  name: "mm",
  forward: ([a, b]) => product(a as Tensor, b as Tensor),
  grads: [
    { uses: [1], vjp: (g, ctx) => leftGrad(g, ctx.input(1), ctx.params.aByColumns) },
    { uses: [0], vjp: (g, ctx) => rightGrad(g, ctx.input(0), ctx.params.bByColumns) },
  ],
});

const bmmPrimitive = primitive<null>({
  name: "bmm",
  forward: ([a, b]) => product(a as Tensor, b as Tensor),
  grads: [
    { uses: [1], vjp: (g, ctx) => bmm(g, hBatch(ctx.input(1))) },
    { uses: [0], vjp: (g, ctx) => bmm(hBatch(ctx.input(0)), g) },
  ],
});

const mvPrimitive = primitive<null>({
  name: "mv",
  forward: ([a, v]) => {
    const out = allocate([(a as Tensor).shape[0] as number], (a as Tensor).dtype, (a as Tensor)._backend);
    matmulRaw(asMatrix(out, true), a as Tensor, asMatrix(v as Tensor, true));
    return out;
  },
  grads: [
    { uses: [1], vjp: (g, ctx) => outer(g, conj(ctx.input(1))) },
    { uses: [0], vjp: (g, ctx) => mv(h(ctx.input(0)), g) },
  ],
});

const dotPrimitive = primitive<null>({
  name: "dot",
  forward: ([a, b]) => {
    const out = allocate([1, 1], (a as Tensor).dtype, (a as Tensor)._backend);
    matmulRaw(out, asMatrix(a as Tensor, false), asMatrix(b as Tensor, true));
    return squeeze(out);
  },
  grads: [
    { uses: [1], vjp: (g, ctx) => conj(ctx.input(1)).mul(g) },
    { uses: [0], vjp: (g, ctx) => conj(ctx.input(0)).mul(g) },
  ],
});

function sameTypes(a: Tensor, b: Tensor): void {
  if (a.dtype !== b.dtype) {
    throw new TorchError(`expected m1 and m2 to have the same dtype, but got: ${cName(a.dtype)} != ${cName(b.dtype)}`);
  }
}

function checkMatrices(a: Tensor, b: Tensor, added = false): void {
  if (a.ndim !== 2) throw new TorchError("self must be a matrix");
  if (b.ndim !== 2) throw new TorchError("mat2 must be a matrix");
  if (a.shape[1] !== b.shape[0]) {
    throw new TorchError(
      `mat1 and mat2 shapes cannot be multiplied (${a.shape[0]}x${a.shape[1]} and ${b.shape[0]}x${b.shape[1]})`,
    );
  }
  if (added && a.dtype !== b.dtype) {
    throw new TorchError(
      `mat1 and mat2 must have the same dtype, but got ${a.dtype.scalarName} and ${b.dtype.scalarName}`,
    );
  }
  sameTypes(a, b);
}

type Product = Op<(input: Tensor, other: Tensor, options?: { out?: Tensor | null }) => Tensor>;

/** The product of two matrices. */
export const mm: Product = operator("mm(Tensor input, Tensor mat2)", (a: Tensor, b: Tensor) => {
  checkMatrices(a, b);
  return apply1(mmPrimitive, [a, b], orderOf(a, b));
});

function checkBatches(a: Tensor, b: Tensor): void {
  if (a.ndim !== 3) throw new TorchError("batch1 must be a 3D tensor");
  if (b.ndim !== 3) throw new TorchError("batch2 must be a 3D tensor");
  if (b.shape[0] !== a.shape[0] || b.shape[1] !== a.shape[2]) {
    throw new TorchError(
      `Expected size for first two dimensions of batch2 tensor to be: [${a.shape[0]}, ${a.shape[2]}] but got: [${b.shape[0]}, ${b.shape[1]}].`,
    );
  }
  sameTypes(a, b);
}

/** The products of two batches of matrices. */
export const bmm: Product = operator("bmm(Tensor input, Tensor mat2)", (a: Tensor, b: Tensor) => {
  checkBatches(a, b);
  return apply1(bmmPrimitive, [a, b], null);
});

/** The product of a matrix and a vector. */
export const mv: Product = operator("mv(Tensor input, Tensor vec)", (a: Tensor, v: Tensor) => {
  if (a.ndim !== 2 || v.ndim !== 1) throw new TorchError(`vector + matrix @ vector expected, got ${a.ndim}, ${v.ndim}`);
  if (a.shape[1] !== v.shape[0]) {
    throw new TorchError(
      `size mismatch, got input (${a.shape[0]}), mat (${a.shape[0]}x${a.shape[1]}), vec (${v.shape[0]})`,
    );
  }
  sameTypes(a, v);
  return apply1(mvPrimitive, [a, v], null);
});

function checkVectors(a: Tensor, b: Tensor): void {
  if (a.ndim !== 1 || b.ndim !== 1)
    throw new TorchError(`1D tensors expected, but got ${a.ndim}D and ${b.ndim}D tensors`);
  if (a.dtype !== b.dtype) {
    throw new TorchError(
      `dot : expected both vectors to have same dtype, but found ${a.dtype.scalarName} and ${b.dtype.scalarName}`,
    );
  }
  if (a._numel !== b._numel) {
    throw new TorchError(
      `inconsistent tensor size, expected tensor [${a._numel}] and src [${b._numel}] to have the same number of elements, but got ${a._numel} and ${b._numel} elements respectively`,
    );
  }
}

/** The scalar product of two vectors. */
export const dot: Product = operator("dot(Tensor input, Tensor tensor)", (a: Tensor, b: Tensor) => {
  checkVectors(a, b);
  return apply1(dotPrimitive, [a, b], null);
});

const vdotPrimitive = primitive<null>({
  name: "vdot",
  forward: ([a, b]) => dotPrimitive.forward([conj(untracked(a as Tensor)), b as Tensor], null),
  grads: [
    { uses: [1], vjp: (g, ctx) => ctx.input(1).mul(conj(g)) },
    { uses: [0], vjp: (g, ctx) => ctx.input(0).mul(g) },
  ],
});

/** The scalar product of two vectors; the first is conjugated if complex. */
export const vdot: Product = operator("vdot(Tensor input, Tensor other)", (a: Tensor, b: Tensor) => {
  checkVectors(a, b);
  return apply1(vdotPrimitive, [a, b], null);
});

/** The matrix of all products of elements of two vectors. */
export const outer: Product = operator("outer(Tensor input, Tensor vec2)", (a: Tensor, b: Tensor) => {
  if (a.ndim !== 1) throw new TorchError(`outer: Expected 1-D argument self, but got ${a.ndim}-D`);
  if (b.ndim !== 1) throw new TorchError(`outer: Expected 1-D argument vec2, but got ${b.ndim}-D`);
  return reshape(a, [a._numel, 1]).mul(b);
});

// --- matmul ----------------------------------------------------------------------------------------------------------

/**
 * The product of two tensors, by their dimensions: vectors give the scalar product; a matrix and a vector, or two matrices,
 * the matrix product; with more dims, batches of matrices, which broadcast.
 */
export const matmul: Product = operator("matmul(Tensor input, Tensor other)", (a: Tensor, b: Tensor) => {
  if (a.ndim === 0 || b.ndim === 0) {
    throw new TorchError(`both arguments to matmul need to be at least 1D, but they are ${a.ndim}D and ${b.ndim}D`);
  }
  if (a.ndim === 1 && b.ndim === 1) return dot(a, b);
  if (a.ndim === 2 && b.ndim === 1) return mv(a, b);
  if (a.ndim === 1 && b.ndim === 2) return dropFirstDim(mm(unsqueeze(a, 0), b));
  if (a.ndim === 2 && b.ndim === 2) return mm(a, b);
  if (folds(a, b)) return foldedProduct(a, b);
  return batchedProduct(a, b);
});

/** Whether one operand is a matrix or vector, so that the other's leading dims can be taken together as rows. */
function folds(a: Tensor, b: Tensor): boolean {
  const [big, small] = a.ndim >= b.ndim ? [a, b] : [b, a];
  if (small.ndim > 2) return false;
  // PyTorch folds where that needs no copy, or where the gradient wants it.
  if (big.requires_grad && a.ndim >= b.ndim) return true;
  if (a.ndim === 2) return false;
  if (big._numel === 0) return true;
  for (let d = 0; d < big.ndim - 2; d++) {
    if (big._strides[d] !== (big._strides[d + 1] as number) * (big.shape[d + 1] as number)) return false;
  }
  return true;
}

function foldedProduct(a: Tensor, b: Tensor): Tensor {
  const transposed = b.ndim > a.ndim;
  const big = transposed ? b.mT : a;
  const small = transposed ? (a.ndim === 1 ? a : t(a)) : b;
  const lead = big.shape.slice(0, -1);
  const depth = big.shape.at(-1) as number;
  const folded = reshape(big, [numel(lead), depth]);
  const shape = small.ndim === 2 ? [...lead, small.shape[1] as number] : lead;
  if (small.ndim === 1) return unsafeShape(mv(folded, small), shape);
  const out = unsafeShape(mm(folded, small), shape);
  return transposed ? clone(out.mT, { memory_format: "torch.contiguous_format" }) : out;
}

const unsafeViewPrimitive = primitive<readonly number[]>({
  name: "_unsafe_view",
  gradName: "UnsafeViewBackward0",
  forward: ([x], shape) => {
    const view = reshape((x as Tensor).detach(), shape);
    view._view = null;
    return view;
  },
  grads: [{ vjp: (g, ctx) => reshape(g, ctx.shape(0)) }],
});

/** The shape of a new tensor that nobody else sees: not a view as far as autograd is concerned. */
function unsafeShape(x: Tensor, shape: readonly number[]): Tensor {
  return apply1(unsafeViewPrimitive, [x], shape);
}

function batchedProduct(a: Tensor, b: Tensor): Tensor {
  const n = a.ndim > 1 ? (a.shape.at(-2) as number) : 1;
  const m1 = a.shape.at(-1) as number;
  const m2 = b.ndim > 1 ? (b.shape.at(-2) as number) : (b.shape[0] as number);
  const p = b.ndim > 1 ? (b.shape.at(-1) as number) : 1;
  const lead = broadcastAll([a.shape.slice(0, -2), b.shape.slice(0, -2)]);
  const batch = numel(lead);
  const flatten = (x: Tensor, rows: number, cols: number): Tensor =>
    reshape(expand(x, [...lead, rows, cols]), [batch, rows, cols]);
  const left = flatten(a.ndim === 1 ? unsqueeze(a, 0) : a, n, m1);
  const right = flatten(b.ndim === 1 ? unsqueeze(b, 1) : b, m2, p);
  const shape = [...lead];
  if (a.ndim > 1) shape.push(n);
  if (b.ndim > 1) shape.push(p);
  return unsafeShape(bmm(left, right), shape);
}

// --- with an addend --------------------------------------------------------------------------------------------------

interface Scales extends Order {
  readonly alpha: number | bigint | Complex;
  readonly beta: number | bigint | Complex;
}

const unitScales: readonly Scales[] = orders.map((order) => ({ ...order, alpha: 1, beta: 1 }));

/** Options of `addmm` and its relatives: `beta * input + alpha * (a @ b)`. */
export interface ScaleOptions {
  beta?: ScalarLike;
  alpha?: ScalarLike;
  out?: Tensor | null;
}

export type AddProduct = ((input: Tensor, a: Tensor, b: Tensor, options?: ScaleOptions) => Tensor) & {
  readonly op: InplaceOpInfo;
};

/** The addend, broadcast into a new tensor that the product is added to. */
function startFrom(x: Tensor, shape: readonly number[], beta: number | bigint | Complex): Tensor {
  const out = allocate(shape, x.dtype, x._backend);
  if (Number(beta) === 0) fillRaw(out, 0);
  else copyRaw(out, x);
  return out;
}

function addProduct(
  name: string,
  args: string,
  prim: Primitive<Scales>,
  check: (x: Tensor, a: Tensor, b: Tensor) => readonly number[],
): AddProduct {
  const text = `${name}(Tensor input, ${args}, *, Scalar beta=1, Scalar alpha=1)`;
  const scales = (x: Tensor, a: Tensor, b: Tensor, beta: ScalarLike, alpha: ScalarLike): Scales => {
    const order = orderOf(a, b);
    if (beta === 1 && alpha === 1) return unitScales[orders.indexOf(order)] as Scales;
    const [p, q] = [number(beta), number(alpha)];
    if (x.dtype.category < 2 && (name === "addmm" || name === "addr")) {
      for (const [n, v, raw] of [
        ["beta", p, beta],
        ["alpha", q, alpha],
      ] as const) {
        if (raw instanceof PyFloat || (typeof v === "number" && !Number.isInteger(v))) {
          throw new TorchError(`For integral input tensors, argument ${n} must not be a floating point number.`);
        }
      }
    }
    if (x.dtype.category >= 2) return { ...order, beta: p, alpha: q };
    const whole = (v: number | bigint | Complex): number | bigint | Complex =>
      typeof v === "number" ? Math.trunc(v) : v;
    return { ...order, beta: whole(p), alpha: whole(q) };
  };
  const inplace = describe(
    (...given: unknown[]): unknown => {
      const [x, a, b, beta, alpha] = new Signature(text).bind(given, {}) as [
        Tensor,
        Tensor,
        Tensor,
        ScalarLike,
        ScalarLike,
      ];
      const shape = check(x, a, b);
      if (!sameShape(x.shape, shape)) {
        throw new TorchError(
          name === "addr"
            ? `2D tensor expected, got ${x.ndim}D tensor for input`
            : `Bad in-place call: input tensor size ${formatShape(x.shape)} and output tensor size ${formatShape(shape)} should match`,
        );
      }
      checkStorable(x, shape, a.dtype);
      const params = scales(x, a, b, beta, alpha);
      const result = prim.forward([x, a, b], params) as Tensor;
      return applyInplace(prim, [x, a, b], params, (target) => copyRaw(target, result), cloneRaw);
    },
    new Signature(text.replace("(", "_(")),
  ) as Operator;
  return operator(
    text,
    (x: Tensor, a: Tensor, b: Tensor, beta: ScalarLike, alpha: ScalarLike) => {
      check(x, a, b);
      return apply1(prim, [x, a, b], scales(x, a, b, beta, alpha));
    },
    { inplace },
  ) as AddProduct;
}

const addmmPrimitive = primitive<Scales>({
  name: "addmm",
  forward: ([x, a, b], { alpha, beta }) => {
    const [p, q] = [a as Tensor, b as Tensor];
    const out = startFrom(castRaw(x as Tensor, p.dtype), [p.shape[0] as number, q.shape[1] as number], beta);
    matmulRaw(out, p, q, alpha, beta);
    return out;
  },
  grads: [
    { vjp: (g, { params }) => scaled(g, params.beta) },
    { uses: [2], vjp: (g, ctx) => scaled(leftGrad(g, ctx.input(2), ctx.params.aByColumns), ctx.params.alpha) },
    { uses: [1], vjp: (g, ctx) => scaled(rightGrad(g, ctx.input(1), ctx.params.bByColumns), ctx.params.alpha) },
  ],
});

/** Throws unless the addend expands to the product's shape. */
function expandsTo(x: Tensor, shape: readonly number[]): void {
  const lead = shape.length - x.ndim;
  if (lead < 0 || x.shape.some((n, d) => n !== 1 && n !== shape[lead + d])) expand(x, shape);
}

/** `beta * input + alpha * (mat1 @ mat2)`. */
export const addmm: AddProduct = addProduct("addmm", "Tensor mat1, Tensor mat2", addmmPrimitive, (x, a, b) => {
  if (a.ndim !== 2) throw new TorchError(`mat1 must be a matrix, got ${a.ndim}-D tensor`);
  if (b.ndim !== 2) throw new TorchError(`mat2 must be a matrix, got ${b.ndim}-D tensor`);
  checkMatrices(a, b, true);
  const shape = [a.shape[0] as number, b.shape[1] as number];
  expandsTo(x, shape);
  if (x.dtype !== a.dtype) {
    throw new TorchError(
      `self and mat2 must have the same dtype, but got ${x.dtype.scalarName} and ${b.dtype.scalarName}`,
    );
  }
  return shape;
});

const addmvPrimitive = primitive<Scales>({
  name: "addmv",
  forward: ([x, a, v], { alpha, beta }) => {
    const [p, q] = [a as Tensor, v as Tensor];
    const out = startFrom(x as Tensor, [p.shape[0] as number], beta);
    matmulRaw(asMatrix(out, true), p, asMatrix(q, true), alpha, beta);
    return out;
  },
  grads: [
    { vjp: (g, { params }) => scaled(g, params.beta) },
    { uses: [2], vjp: (g, ctx) => scaled(outer(g, conj(ctx.input(2))), ctx.params.alpha) },
    { uses: [1], vjp: (g, ctx) => scaled(mv(h(ctx.input(1)), g), ctx.params.alpha) },
  ],
});

/** `beta * input + alpha * (mat @ vec)`. */
export const addmv: AddProduct = addProduct("addmv", "Tensor mat, Tensor vec", addmvPrimitive, (x, a, v) => {
  if (a.ndim !== 2 || v.ndim !== 1 || x.ndim > 1) {
    throw new TorchError(`vector + matrix @ vector expected, got ${x.ndim}, ${a.ndim}, ${v.ndim}`);
  }
  if (a.shape[1] !== v.shape[0] || (x.ndim === 1 && x.shape[0] !== 1 && x.shape[0] !== a.shape[0])) {
    throw new TorchError(
      `size mismatch, got input (${x._numel}), mat (${a.shape[0]}x${a.shape[1]}), vec (${v.shape[0]})`,
    );
  }
  sameTypes(a, v);
  return [a.shape[0] as number];
});

const addrPrimitive = primitive<Scales>({
  name: "addr",
  forward: ([x, a, b], { alpha, beta }) => {
    const [p, q] = [a as Tensor, b as Tensor];
    const out = startFrom(x as Tensor, [p._numel, q._numel], beta);
    matmulRaw(out, asMatrix(p, true), asMatrix(q, false), alpha, beta);
    return out;
  },
  grads: [
    { vjp: (g, { params }) => scaled(g, params.beta) },
    { uses: [2], vjp: (g, ctx) => scaled(mv(g, conj(ctx.input(2))), ctx.params.alpha) },
    { uses: [1], vjp: (g, ctx) => scaled(mv(t(g), conj(ctx.input(1))), ctx.params.alpha) },
  ],
});

/** `beta * input + alpha * outer(vec1, vec2)`. */
export const addr: AddProduct = addProduct("addr", "Tensor vec1, Tensor vec2", addrPrimitive, (x, a, b) => {
  if (a.ndim !== 1 || b.ndim !== 1) {
    throw new TorchError(`addr: Expected 1-D argument vec1, but got ${a.ndim}-D`);
  }
  const shape = [a._numel, b._numel];
  expandsTo(x, shape);
  return shape;
});

const baddbmmPrimitive = primitive<Scales>({
  name: "baddbmm",
  forward: ([x, a, b], { alpha, beta }) => {
    const [p, q] = [a as Tensor, b as Tensor];
    const out = startFrom(x as Tensor, [p.shape[0] as number, p.shape[1] as number, q.shape[2] as number], beta);
    matmulRaw(out, p, q, alpha, beta);
    return out;
  },
  grads: [
    { vjp: (g, { params }) => scaled(g, params.beta) },
    { uses: [2], vjp: (g, ctx) => scaled(bmm(g, hBatch(ctx.input(2))), ctx.params.alpha) },
    { uses: [1], vjp: (g, ctx) => scaled(bmm(hBatch(ctx.input(1)), g), ctx.params.alpha) },
  ],
});

/** `beta * input + alpha * (batch1 @ batch2)` for each matrix of the batch. */
export const baddbmm: AddProduct = addProduct(
  "baddbmm",
  "Tensor batch1, Tensor batch2",
  baddbmmPrimitive,
  (x, a, b) => {
    checkBatches(a, b);
    const shape = [a.shape[0] as number, a.shape[1] as number, b.shape[2] as number];
    expandsTo(x, shape);
    return shape;
  },
);

const addbmmPrimitive = primitive<Scales>({
  name: "addbmm",
  forward: ([x, a, b], { alpha, beta }) => {
    const [p, q] = [a as Tensor, b as Tensor];
    const out = startFrom(x as Tensor, [p.shape[1] as number, q.shape[2] as number], beta);
    const matrix = (m: Tensor, i: number): Tensor => m.detach().select(0, i);
    const batches = p.shape[0] as number;
    for (let i = 0; i < batches; i++) matmulRaw(out, matrix(p, i), matrix(q, i), alpha, i === 0 ? beta : 1);
    if (batches === 0 && beta !== 1) copyRaw(out, out.mul(beta));
    return out;
  },
  grads: [
    { vjp: (g, { params }) => scaled(g, params.beta) },
    {
      uses: [2],
      vjp: (g, ctx) => {
        const b = ctx.input(2);
        const wide = expand(unsqueeze(g, 0), [b.shape[0] as number, ...g.shape]);
        return scaled(bmm(wide, hBatch(b)), ctx.params.alpha);
      },
    },
    {
      uses: [1],
      vjp: (g, ctx) => {
        const a = ctx.input(1);
        const wide = expand(unsqueeze(g, 0), [a.shape[0] as number, ...g.shape]);
        return scaled(bmm(hBatch(a), wide), ctx.params.alpha);
      },
    },
  ],
});

/** `beta * input + alpha * sum(batch1 @ batch2)` over the batch. */
export const addbmm: AddProduct = addProduct("addbmm", "Tensor batch1, Tensor batch2", addbmmPrimitive, (x, a, b) => {
  checkBatches(a, b);
  const shape = [a.shape[1] as number, b.shape[2] as number];
  expandsTo(x, shape);
  return shape;
});
