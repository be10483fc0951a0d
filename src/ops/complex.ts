/**
 * Complex tensors: their parts, and the functions that are not analytic.
 */
import { complex128, complex64, type DType, float16, float32, float64, toComplex, toReal } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { broadcastAll } from "../base/shape.ts";
import { allocateLike, cloneRaw, Elementwise } from "../dispatch/elementwise.ts";
import { operator } from "../dispatch/op.ts";
import { apply1, primitive } from "../dispatch/primitive.ts";
import { E, type Expr } from "../ir/expr.ts";
import { argument, modulus, sgn as sgnPair } from "../ir/complex.ts";
import { Tensor } from "../tensor/tensor.ts";
import { select } from "./slice.ts";
import type { Op } from "./view.ts";

/** The same memory seen as another dtype. */
function reinterpret(
  x: Tensor,
  dtype: DType,
  shape: readonly number[],
  strides: readonly number[],
  offset: number,
): Tensor {
  const out = new Tensor(x._storage, shape, strides, offset, dtype);
  out._counter = x._counter;
  return out;
}

const viewAsReal = primitive<null>({
  name: "view_as_real",
  view: "view",
  forward: ([z]) => {
    const x = z as Tensor;
    return reinterpret(x, toReal(x.dtype), [...x.shape, 2], [...x._strides.map((s) => 2 * s), 1], 2 * x._offset);
  },
  grads: [{ vjp: (g) => view_as_complex(g.contiguous()) }],
});

/** The parts of a complex tensor as a last dimension of size 2, sharing memory. */
export const view_as_real: Op<(input: Tensor) => Tensor> = operator(
  "view_as_real(Tensor input)",
  (x: Tensor) => {
    if (!x.dtype.is_complex) throw new TorchError("view_as_real is only supported for complex tensors");
    return apply1(viewAsReal, [x], null);
  },
  { method: false },
);

const viewAsComplex = primitive<null>({
  name: "view_as_complex",
  view: "view",
  forward: ([r]) => {
    const x = r as Tensor;
    const strides = x._strides.slice(0, -1).map((s) => s / 2);
    return reinterpret(x, toComplex(x.dtype), x.shape.slice(0, -1), strides, x._offset / 2);
  },
  grads: [{ vjp: (g) => view_as_real(g) }],
});

/** A real tensor whose last dimension holds real and imaginary parts as a complex tensor, sharing memory. */
export const view_as_complex: Op<(input: Tensor) => Tensor> = operator(
  "view_as_complex(Tensor input)",
  (x: Tensor) => {
    if (x.dtype !== float32 && x.dtype !== float64 && x.dtype !== float16) {
      throw new TorchError(
        "view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: " +
          x.dtype.scalarName,
      );
    }
    if (x.ndim === 0) throw new TorchError("Input tensor must have one or more dimensions");
    if (x.shape.at(-1) !== 2) throw new TorchError("Tensor must have a last dimension of size 2");
    if (x._strides.at(-1) !== 1) throw new TorchError("Tensor must have a last dimension with stride 1");
    if (x._strides.slice(0, -1).some((s) => s % 2 !== 0)) {
      throw new TorchError("Tensor must have a stride divisible by 2 for all but last dimension");
    }
    if (x._offset % 2 !== 0) throw new TorchError("Tensor must have a storage_offset divisible by 2");
    return apply1(viewAsComplex, [x], null);
  },
  { method: false },
);

/** The real part, sharing memory; a real tensor itself. */
export const real: Op<(input: Tensor) => Tensor> = operator(
  "real(Tensor input)",
  (x: Tensor) => (x.dtype.is_complex ? select(view_as_real(x), x.ndim, 0) : x),
  { method: false },
);

/** The imaginary part, sharing memory. */
export const imag: Op<(input: Tensor) => Tensor> = operator(
  "imag(Tensor input)",
  (x: Tensor) => {
    if (!x.dtype.is_complex) throw new TorchError("imag is not implemented for tensors with non-complex dtypes.");
    return select(view_as_real(x), x.ndim, 1);
  },
  { method: false },
);

/** Kernels from parts to parts, one for each dtype. */
class Parts {
  readonly #kernels: Map<string, Elementwise> = new Map();
  readonly #name: string;
  readonly #build: (...loads: Expr[]) => readonly Expr[];

  constructor(name: string, build: (...loads: Expr[]) => readonly Expr[]) {
    this.#name = name;
    this.#build = build;
  }

  run(ins: readonly Tensor[], dtype: DType): Tensor {
    const key = `${this.#name}:${ins.map((t) => t.dtype.name).join(",")}>${dtype.name}`;
    let kernel = this.#kernels.get(key);
    if (kernel === undefined) {
      kernel = new Elementwise({
        name: this.#name,
        key,
        outs: [dtype],
        ins: ins.map((t) => t.dtype),
        scalars: [],
        build: (loads) => this.#build(...loads),
      });
      this.#kernels.set(key, kernel);
    }
    const out = allocateLike(broadcastAll(ins.map((t) => t.shape)), dtype, ins);
    kernel.run([out], ins, []);
    return out;
  }
}

const conjParts = new Parts("conj", (re, im) => [re as Expr, E.neg(im as Expr)]);

const conjugation = (name: string, gradName: string): ((x: Tensor) => Tensor) => {
  const prim = primitive<null>({
    name,
    gradName,
    forward: ([x]) => conjParts.run([x as Tensor], (x as Tensor).dtype),
    grads: [{ vjp: (g) => conj(g) }],
  });
  return (x) => apply1(prim, [x], null);
};
const conjView = conjugation("conj", "ConjBackward0");
const conjCopy = conjugation("conj_physical", "ConjPhysicalBackward0");

/** The complex conjugate; a real tensor itself. Computed at once, where PyTorch marks a view. */
export const conj: Op<(input: Tensor) => Tensor> = operator("conj(Tensor input)", (x: Tensor) =>
  x.dtype.is_complex ? conjView(x) : x,
);

/** The complex conjugate in memory of its own; a real tensor itself. */
export const conj_physical: Op<(input: Tensor) => Tensor> = operator("conj_physical(Tensor input)", (x: Tensor) =>
  x.dtype.is_complex ? conjCopy(x) : x,
);

/** The tensor itself: conjugates are computed at once. */
export const resolve_conj: Op<(input: Tensor) => Tensor> = operator("resolve_conj(Tensor input)", (x: Tensor) => x);
/** The tensor itself: negatives are computed at once. */
export const resolve_neg: Op<(input: Tensor) => Tensor> = operator("resolve_neg(Tensor input)", (x: Tensor) => x);

const complexParts = new Parts("complex", (re, im) => [re as Expr, im as Expr]);

const complexPrimitive = primitive<null>({
  name: "complex",
  forward: ([re, im]) => complexParts.run([re as Tensor, im as Tensor], toComplex((re as Tensor).dtype)),
  grads: [{ vjp: (g) => real(g) }, { vjp: (g) => imag(g) }],
});

const twoFloats = (name: string, a: Tensor, b: Tensor): void => {
  if (a.dtype.category !== 2 || b.dtype.category !== 2 || a.dtype.name === "bfloat16") {
    throw new TorchError(
      `Expected both inputs to be Half, Float or Double tensors but got ${a.dtype.scalarName} and ${b.dtype.scalarName}`,
    );
  }
  if (a.dtype !== b.dtype) {
    throw new TorchError(
      `Expected object of scalar type ${a.dtype.scalarName} but got scalar type ${b.dtype.scalarName} for second argument`,
    );
  }
  void name;
};

/** A complex tensor from its parts. */
const complexOf: Op<(real: Tensor, imag: Tensor) => Tensor> = operator(
  "complex(Tensor real, Tensor imag)",
  (re: Tensor, im: Tensor) => {
    twoFloats("complex", re, im);
    return apply1(complexPrimitive, [re, im], null);
  },
  { method: false },
);
export { complexOf as complex };

const polarParts = new Parts("polar", (size, angle) => [
  E.mul(size as Expr, E.cos(angle as Expr)),
  E.mul(size as Expr, E.sin(angle as Expr)),
]);

const polarPrimitive = primitive<null>({
  name: "polar",
  forward: ([size, angle]) => polarParts.run([size as Tensor, angle as Tensor], toComplex((size as Tensor).dtype)),
  grads: [
    {
      uses: [1],
      vjp: (g, ctx) => {
        const angle = ctx.input(1);
        return real(g).mul(angle.cos()).add(imag(g).mul(angle.sin()));
      },
    },
    {
      uses: [0, 1],
      vjp: (g, ctx) => {
        const [size, angle] = [ctx.input(0), ctx.input(1)];
        return imag(g).mul(angle.cos()).sub(real(g).mul(angle.sin())).mul(size);
      },
    },
  ],
});

/** A complex tensor from modulus and angle. */
export const polar: Op<(abs: Tensor, angle: Tensor) => Tensor> = operator(
  "polar(Tensor abs, Tensor angle)",
  (size: Tensor, angle: Tensor) => {
    twoFloats("polar", size, angle);
    return apply1(polarPrimitive, [size, angle], null);
  },
  { method: false },
);

// --- modulus, direction, angle -----------------------------------------------------------------------------------------

const absParts = new Parts("abs", (re, im) => [modulus({ re: re as Expr, im: im as Expr })]);
const sgnParts = new Parts("sgn", (re, im) => {
  const z = sgnPair({ re: re as Expr, im: im as Expr });
  return [z.re, z.im];
});
const angleParts = new Parts("angle", (re, im) => [argument({ re: re as Expr, im: im as Expr })]);

const absPrimitive = primitive<null>({
  name: "abs",
  forward: ([z]) => absParts.run([z as Tensor], toReal((z as Tensor).dtype)),
  grads: [{ uses: [0], vjp: (g, ctx) => g.mul(complexSgn(ctx.input(0))) }],
});

/** @internal The modulus of a complex tensor. */
export const complexAbs = (z: Tensor): Tensor => apply1(absPrimitive, [z], null);

const sgnPrimitive = primitive<null>({
  name: "sgn",
  forward: ([z]) => sgnParts.run([z as Tensor], (z as Tensor).dtype),
  grads: [
    {
      uses: [0, "out"],
      vjp: (g, ctx) => {
        const size = complexAbs(ctx.input(0));
        const s = ctx.output();
        const along = real(g.mul(conj(s)));
        return g.sub(s.mul(along)).div(size).masked_fill(size.eq(0), 0);
      },
    },
  ],
});

/** @internal z / |z| of a complex tensor, and 0 at 0. */
export const complexSgn = (z: Tensor): Tensor => apply1(sgnPrimitive, [z], null);

const anglePrimitive = primitive<null>({
  name: "angle",
  forward: ([z]) => {
    const x = z as Tensor;
    return x.dtype.is_complex ? angleParts.run([x], toReal(x.dtype)) : cloneRaw(x);
  },
  grads: [
    {
      uses: [0],
      vjp: (g, ctx) => {
        const z = ctx.input(0);
        const [x, y] = [real(z), imag(z)];
        const square = x.mul(x).add(y.mul(y));
        const origin = square.eq(0);
        const by = square.masked_fill(origin, 1);
        return complexOf(g.mul(y.neg()).div(by).masked_fill(origin, 0), g.mul(x).div(by).masked_fill(origin, 0));
      },
    },
  ],
});

/** @internal The angle of a complex tensor. */
export const complexAngle = (z: Tensor): Tensor => apply1(anglePrimitive, [z], null);

/** @internal The complex dtypes, for operators that choose by them. */
export const complexTypes: readonly DType[] = [complex64, complex128];
