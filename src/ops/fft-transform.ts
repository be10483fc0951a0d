/**
 * The three transforms that all others are made of: complex to complex, real to complex and complex to real, over several dims.
 *
 * Note [Layout of transforms]
 * Results lie in memory as PyTorch's do: batch dims first, in the order of the input's strides, then the transformed dims, in that
 * order too, except that the dim that is halved comes last.
 */
import { complex128, type DType, float64, toComplex, toReal } from "../base/dtype.ts";
import { contiguousStrides, numel, type Shape } from "../base/shape.ts";
import { castRaw, contiguousRaw, copyRaw } from "../dispatch/elementwise.ts";
import { apply1, type Primitive, primitive } from "../dispatch/primitive.ts";
import { viewElements } from "../tensor/data.ts";
import { alias, allocate, type Tensor } from "../tensor/tensor.ts";
import { transformLines } from "./fft-plan.ts";
import { cat } from "./join.ts";

/** Whether results are divided by nothing, by the square root of the number of elements, or by it. */
export type Scaling = "none" | "root" | "count";

function factorOf(scaling: Scaling, count: number): number {
  return scaling === "none" ? 1 : scaling === "root" ? 1 / Math.sqrt(count) : 1 / count;
}

/** All dims in the order of memory: batch dims, then the transformed ones; see Note [Layout of transforms]. */
function orderOf(x: Tensor, dims: readonly number[], keepLast: boolean): number[] {
  const byStride = (a: number, b: number): number => (x._strides[b] as number) - (x._strides[a] as number);
  const batch = x.shape.map((_, d) => d).filter((d) => !dims.includes(d));
  const last = keepLast ? dims.slice(-1) : [];
  const free = keepLast ? dims.slice(0, -1) : [...dims];
  return [...batch.toSorted(byStride), ...free.toSorted(byStride), ...last];
}

/** Parts of the elements in the given order of dims, in double precision. */
function gather(x: Tensor, order: readonly number[]): { re: Float64Array; im: Float64Array } {
  const turned = alias(
    x,
    order.map((d) => x.shape[d] as number),
    order.map((d) => x._strides[d] as number),
    x._offset,
  );
  const wide = x.dtype.is_complex ? complex128 : float64;
  const values = viewElements(contiguousRaw(castRaw(contiguousRaw(turned), wide))) as Float64Array;
  const re = new Float64Array(x._numel);
  const im = new Float64Array(x._numel);
  if (x.dtype.is_complex) {
    for (let i = 0; i < re.length; i++) {
      re[i] = values[2 * i] as number;
      im[i] = values[2 * i + 1] as number;
    }
  } else re.set(values);
  return { re, im };
}

/** The tensor of a shape whose dims lie in memory in the given order. */
function scatter(
  re: Float64Array,
  im: Float64Array | null,
  shape: Shape,
  order: readonly number[],
  dtype: DType,
  like: Tensor,
): Tensor {
  const turned = order.map((d) => shape[d] as number);
  const flat = allocate(turned, im === null ? float64 : complex128, like._backend);
  const target = viewElements(flat) as Float64Array;
  if (im === null) target.set(re);
  else {
    for (let i = 0; i < re.length; i++) {
      target[2 * i] = re[i] as number;
      target[2 * i + 1] = im[i] as number;
    }
  }
  let out = flat;
  if (dtype !== flat.dtype) {
    out = allocate(turned, dtype, like._backend);
    copyRaw(out, flat);
  }
  const strides = contiguousStrides(turned);
  const placed = new Array<number>(shape.length);
  order.forEach((d, i) => (placed[d] = strides[i] as number));
  return alias(out, shape, placed, out._offset);
}

function scaleBy(factor: number, ...parts: Float64Array[]): void {
  if (factor === 1) return;
  for (const x of parts) for (let i = 0; i < x.length; i++) x[i] = (x[i] as number) * factor;
}

/** Lines along the dim at position `at` of sizes in memory order. */
function along(re: Float64Array, im: Float64Array, sizes: readonly number[], at: number, inverse: boolean): void {
  transformLines(re, im, numel(sizes.slice(0, at)), sizes[at] as number, numel(sizes.slice(at + 1)), inverse);
}

interface C2cParams {
  readonly dims: readonly number[];
  readonly scaling: Scaling;
  readonly forward: boolean;
}

const c2cPrimitive: Primitive<C2cParams> = primitive<C2cParams>({
  name: "_fft_c2c",
  gradName: "FftC2CBackward0",
  forward: ([a], { dims, scaling, forward }) => {
    const x = a as Tensor;
    const order = orderOf(x, dims, false);
    const { re, im } = gather(x, order);
    const sizes = order.map((d) => x.shape[d] as number);
    for (let at = sizes.length - dims.length; at < sizes.length; at++) along(re, im, sizes, at, !forward);
    scaleBy(factorOf(scaling, numel(dims.map((d) => x.shape[d] as number))), re, im);
    return scatter(re, im, x.shape, order, x.dtype, x);
  },
  grads: [{ vjp: (g, { params }) => apply1(c2cPrimitive, [g], { ...params, forward: !params.forward }) }],
});

/** The complex transform over some dims. */
export function c2c(x: Tensor, dims: readonly number[], scaling: Scaling, forward: boolean): Tensor {
  return apply1(c2cPrimitive, [x], { dims, scaling, forward });
}

interface R2cParams {
  readonly dims: readonly number[];
  readonly scaling: Scaling;
  /** Only the half of the last dim that determines the other is kept. */
  readonly onesided: boolean;
}

const r2cPrimitive: Primitive<R2cParams> = primitive<R2cParams>({
  name: "_fft_r2c",
  gradName: "FftR2CBackward0",
  forward: ([a], { dims, scaling, onesided }) => {
    const x = a as Tensor;
    const order = orderOf(x, dims, true);
    let { re, im } = gather(x, order);
    const sizes = order.map((d) => x.shape[d] as number);
    const count = numel(dims.map((d) => x.shape[d] as number));
    const last = sizes.length - 1;
    along(re, im, sizes, last, false);
    const shape = [...x.shape];
    if (onesided) {
      const n = sizes[last] as number;
      const kept = Math.floor(n / 2) + 1;
      const lines = re.length / n;
      const halves = [re, im].map((whole) => {
        const half = new Float64Array(lines * kept);
        for (let l = 0; l < lines; l++) half.set(whole.subarray(l * n, l * n + kept), l * kept);
        return half;
      });
      [re, im] = halves as [Float64Array, Float64Array];
      sizes[last] = kept;
      shape[dims.at(-1) as number] = kept;
    }
    for (let at = sizes.length - dims.length; at < last; at++) along(re, im, sizes, at, false);
    scaleBy(factorOf(scaling, count), re, im);
    return scatter(re, im, shape, order, toComplex(x.dtype), x);
  },
  grads: [
    {
      vjp: (g, ctx) => {
        const { dims, scaling, onesided } = ctx.params;
        const last = dims.at(-1) as number;
        const missing = (ctx.shape(0)[last] as number) - (g.shape[last] as number);
        const full = onesided && missing > 0 ? padEnd(g, last, missing) : g;
        return c2c(full, dims, scaling, false).real;
      },
    },
  ],
});

/** The transform of real numbers over some dims. */
export function r2c(x: Tensor, dims: readonly number[], scaling: Scaling, onesided: boolean): Tensor {
  return apply1(r2cPrimitive, [x], { dims, scaling, onesided });
}

interface C2rParams {
  readonly dim: number;
  readonly scaling: Scaling;
  /** The number of results along the dim. */
  readonly size: number;
  /** How many elements the whole transform has, of which this is the last dim. */
  readonly dims: readonly number[];
}

/** One dim: the other half of each line follows from symmetry. */
function c2rLine(x: Tensor, dim: number, n: number, factor: number): Tensor {
  const order = orderOf(x, [dim], true);
  const { re, im } = gather(x, order);
  const given = x.shape[dim] as number;
  const lines = given === 0 ? 0 : re.length / given;
  const fullRe = new Float64Array(lines * n);
  const fullIm = new Float64Array(lines * n);
  const half = Math.floor(n / 2);
  for (let l = 0; l < lines; l++) {
    const [from, to] = [l * given, l * n];
    for (let k = 0; k <= half && k < given; k++) {
      const [a, b] = [re[from + k] as number, im[from + k] as number];
      fullRe[to + k] = a;
      // What symmetry makes real is read as real.
      const real = k === 0 || 2 * k === n;
      fullIm[to + k] = real ? 0 : b;
      if (!real) {
        fullRe[to + n - k] = a;
        fullIm[to + n - k] = -b;
      }
    }
  }
  transformLines(fullRe, fullIm, lines, n, 1, true);
  scaleBy(factor, fullRe);
  const shape = x.shape.map((size, d) => (d === dim ? n : size));
  return scatter(fullRe, null, shape, order, toReal(x.dtype), x);
}

const c2rPrimitive: Primitive<C2rParams> = primitive<C2rParams>({
  name: "_fft_c2r",
  gradName: "FftC2RBackward0",
  forward: ([a], { dim, dims, scaling, size }) => {
    const x = a as Tensor;
    const count = numel(dims.map((d) => (d === dim ? size : (x.shape[d] as number))));
    let input = alias(x, x.shape, x._strides, x._offset);
    const others = dims.filter((d) => d !== dim);
    if (others.length > 0) {
      input = c2cPrimitive.forward([input], { dims: others, scaling: "none", forward: false }) as Tensor;
    }
    return c2rLine(input, dim, size, factorOf(scaling, count));
  },
  grads: [
    {
      vjp: (g, { params }) => {
        const { dim, dims, scaling } = params;
        const out = r2c(g, dims, scaling, true);
        const twice = (g.shape[dim] as number) - (out.shape[dim] as number);
        if (twice <= 0) return out;
        // All but the elements that are their own partners count twice.
        const size = out.shape[dim] as number;
        const parts = [out.narrow(dim, 0, 1), out.narrow(dim, 1, twice).mul(2)];
        if (size > twice + 1) parts.push(out.narrow(dim, twice + 1, size - twice - 1));
        return cat(parts, dim);
      },
    },
  ],
});

/** The inverse transform over some dims to `size` real numbers along the last of them. */
export function c2r(x: Tensor, dims: readonly number[], scaling: Scaling, size: number): Tensor {
  return apply1(c2rPrimitive, [x], { dim: dims.at(-1) as number, dims, scaling, size });
}

/** Zeros after the end of a dim. */
export function padEnd(x: Tensor, dim: number, count: number): Tensor {
  const shape = [...x.shape];
  shape[dim] = count;
  return cat([x, x.new_zeros(shape)], dim);
}
