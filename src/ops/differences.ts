/**
 * Differences of neighbours, and integrals of samples by the trapezoidal rule.
 */
import { bool } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { formatShape, wrapDim } from "../base/shape.ts";
import { describe, type OpInfo, operator } from "../dispatch/op.ts";
import { type OutOption } from "../dispatch/out.ts";
import { isOptions, PyFloat, type ScalarLike, Signature } from "../dispatch/signature.ts";
import { Tensor } from "../tensor/tensor.ts";
import { zeros_like } from "./create.ts";
import { cat } from "./join.ts";
import { divNumber, mulNumber } from "./number-forms.ts";
import { cumsum } from "./scan.ts";
import { narrow } from "./slice.ts";
import type { Op } from "./view.ts";

function checkEdge(x: Tensor, edge: Tensor | null, dim: number): void {
  if (edge === null) return;
  if (edge.ndim !== x.ndim) throw new TorchError("diff expects prepend or append to be the same dimension as input");
  x.shape.forEach((n, d) => {
    if (d !== dim && edge.shape[d] !== n) {
      throw new TorchError(
        `diff expects the shape of tensor to prepend or append to match that of input except along the differencing dimension; input.size(${d}) = ${n}, but got tensor.size(${d}) = ${edge.shape[d]}`,
      );
    }
  });
}

interface DiffOptions extends OutOption {
  n?: number;
  dim?: number;
  /** Put before the input first. */
  prepend?: Tensor | null;
  /** Put after the input first. */
  append?: Tensor | null;
}

/** Differences of neighbours along a dimension, `n` times over. */
export const diff: Op<
  (
    input: Tensor,
    n?: number | DiffOptions,
    dim?: number | DiffOptions,
    prepend?: Tensor | null,
    append?: Tensor | null,
  ) => Tensor
> = operator(
  "diff(Tensor input, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None)",
  (x: Tensor, n: number, dim: number, prepend: Tensor | null, append: Tensor | null) => {
    if (x.ndim === 0) throw new TorchError("diff expects input to be at least one-dimensional");
    if (n < 0) throw new TorchError(`order must be non-negative but got ${n}`);
    const d = wrapDim(dim, x.ndim);
    checkEdge(x, prepend, d);
    checkEdge(x, append, d);
    if (n === 0) return zeros_like(x).copy_(x);
    const parts = [prepend, x, append].filter((t) => t !== null);
    let out = parts.length > 1 ? cat(parts, d) : x;
    const times = Math.min(n, out.shape[d] as number);
    for (let k = 0; k < times; k++) {
      const size = Math.max((out.shape[d] as number) - 1, 0);
      const right = narrow(out, d, Math.min(1, out.shape[d] as number), size);
      const left = narrow(out, d, 0, size);
      out = x.dtype === bool ? right.logical_xor(left) : right.sub(left);
    }
    return out;
  },
);

// --- the trapezoidal rule --------------------------------------------------------------------------------------------

/** `trapezoid(y, x)` with the places of the samples, or `trapezoid(y, { dx })` with their distance. */
export interface Trapezoid {
  (y: Tensor, x?: Tensor | null, options?: { dim?: number }): Tensor;
  (y: Tensor, options: { x?: Tensor | null; dx?: ScalarLike; dim?: number }): Tensor;
  readonly op: OpInfo;
}

function bindTrapezoid(signature: Signature, args: readonly unknown[]): [Tensor, Tensor | null, number, number] {
  const [y, x, dx, dim] = signature.bind(args, {}) as [Tensor, Tensor | null, ScalarLike, number];
  return [y, x, dx instanceof PyFloat ? dx.value : Number(dx), wrapDim(dim, y.ndim)];
}

/** Both ends of each interval, along `dim`. */
function ends(y: Tensor, dim: number): [Tensor, Tensor] {
  const n = y.shape[dim] as number;
  return [narrow(y, dim, 0, n - 1), narrow(y, dim, 1, n - 1)];
}

/** The widths of the intervals between the places `x`, seen along `dim` of `y`. */
function widths(name: string, y: Tensor, x: Tensor, dim: number): Tensor {
  if (y.dtype === bool || x.dtype === bool) {
    throw new TorchError(`${name}: received a bool input for \`x\` or \`y\`, but bool is not supported`);
  }
  let places = x;
  if (x.ndim === 1) {
    if (x.shape[0] !== y.shape[dim])
      throw new TorchError(`${name}: There must be one \`x\` value for each sample point`);
    places = x.view(y.shape.map((_, d) => (d === dim ? (x.shape[0] as number) : 1)));
  } else if (x.ndim < y.ndim) {
    places = x.view([...new Array<number>(y.ndim - x.ndim).fill(1), ...x.shape]);
  }
  const n = places.shape[dim] as number;
  return n <= 1 ? narrow(places, dim, 0, 0) : narrow(places, dim, 1, n - 1).sub(narrow(places, dim, 0, n - 1));
}

const trapezoidText = (name: string): string => `${name}(Tensor y, Tensor? x=None, *, Scalar dx=1, int dim=-1)`;

function defineTrapezoid(name: string): Trapezoid {
  const signature = new Signature(trapezoidText(name));
  const fn = (...args: unknown[]): Tensor => {
    const [y, x, dx, dim] = bindTrapezoid(signature, args);
    if (y.shape[dim] === 0) return y.new_zeros(y.shape.filter((_, d) => d !== dim));
    if (x === null) {
      if (y.dtype === bool) throw new TorchError("trapezoid: received a bool input for `y`, but bool is not supported");
      const n = y.shape[dim] as number;
      const edges = mulNumber(y.select(dim, 0).add(y.select(dim, n - 1)), 0.5);
      return mulNumber(y.sum(dim).sub(edges), new PyFloat(dx));
    }
    const step = widths("trapezoid", y, x, dim);
    const [left, right] = ends(y, dim);
    return divNumber(left.add(right).mul(step).sum(dim), new PyFloat(2));
  };
  return describe(fn as unknown as Trapezoid, signature, { method: false });
}

/** The integral along a dimension of samples `y`, by the trapezoidal rule. */
export const trapezoid: Trapezoid = defineTrapezoid("trapezoid");
/** Another name of {@link trapezoid}. */
export const trapz: Trapezoid = defineTrapezoid("trapz");

const cumulativeSignature = new Signature(trapezoidText("cumulative_trapezoid"));

/** The running integral along a dimension of samples `y`, by the trapezoidal rule. */
export const cumulative_trapezoid: Trapezoid = describe(
  ((...args: unknown[]): Tensor => {
    const [y, x, dx, dim] = bindTrapezoid(cumulativeSignature, args);
    if (x === null) {
      if (y.dtype === bool) {
        throw new TorchError("cumulative_trapezoid: received a bool input for `y`, but bool is not supported");
      }
      const [left, right] = ends(y, dim);
      return cumsum(mulNumber(left.add(right), new PyFloat(dx / 2)), dim);
    }
    const step = widths("cumulative_trapezoid", y, x, dim);
    const [left, right] = ends(y, dim);
    return divNumber(cumsum(left.add(right).mul(step), dim), new PyFloat(2));
  }) as unknown as Trapezoid,
  cumulativeSignature,
  { method: false },
);

// --- gradients of samples --------------------------------------------------------------------------------------------

interface GradientOptions {
  /** The distance of samples, or their places, for all dims or for each. */
  spacing?: ScalarLike | Tensor | readonly (ScalarLike | Tensor)[] | null;
  dim?: number | readonly number[] | null;
  /** The order of the estimate at the edges: 1 or 2. */
  edge_order?: number;
}

const numberOf = (x: ScalarLike): number => (x instanceof PyFloat ? x.value : Number(x));

/** Central differences inside, one-sided ones at both ends, for samples at equal distances. */
function evenGradient(x: Tensor, dim: number, step: number, order: number): Tensor {
  const n = x.shape[dim] as number;
  const at = (from: number, count = 1): Tensor => narrow(x, dim, from, count);
  const ax = divNumber;
  const inner = ax(at(2, n - 2).sub(at(0, n - 2)), step * 2);
  if (order === 1) {
    return cat([ax(at(1).sub(at(0)), step), inner, ax(at(n - 1).sub(at(n - 2)), step)], dim);
  }
  const first = at(0).mul(-1.5).add(at(1).mul(2)).add(at(2).mul(-0.5));
  const last = at(n - 1)
    .mul(1.5)
    .add(at(n - 2).mul(-2))
    .add(at(n - 3).mul(0.5));
  return cat([ax(first, step), inner, ax(last, step)], dim);
}

/** The same for samples at given places. */
function placedGradient(x: Tensor, dim: number, places: Tensor, order: number): Tensor {
  const n = x.shape[dim] as number;
  const at = (from: number, count = 1): Tensor => narrow(x, dim, from, count);
  const along = x.shape.map((_, d) => (d === dim ? -1 : 1));
  const step = diff(places).view(along);
  const h = (from: number, count = 1): Tensor => narrow(step, dim, from, count);
  const a = h(0, n - 2);
  const b = h(1, n - 2);
  const inner = at(0, n - 2)
    .mul(b.neg().div(a.mul(a.add(b))))
    .add(at(1, n - 2).mul(b.sub(a).div(a.mul(b))))
    .add(at(2, n - 2).mul(a.div(b.mul(a.add(b)))));
  if (order === 1) {
    return cat(
      [
        at(1).sub(at(0)).div(h(0)),
        inner,
        at(n - 1)
          .sub(at(n - 2))
          .div(h(n - 2)),
      ],
      dim,
    );
  }
  const edge = (p: Tensor, q: Tensor, h1: Tensor, h2: Tensor, r: Tensor, sign: number): Tensor => {
    const sum = h1.add(h2);
    const c0 = h1.mul(2).add(h2).neg().div(h1.mul(sum));
    const c1 = sum.div(h1.mul(h2));
    const c2 = h1.neg().div(h2.mul(sum));
    return p.mul(c0).add(q.mul(c1)).add(r.mul(c2)).mul(sign);
  };
  const first = edge(at(0), at(1), h(0), h(1), at(2), 1);
  const last = edge(at(n - 1), at(n - 2), h(n - 2), h(n - 3), at(n - 3), -1);
  return cat([first, inner, last], dim);
}

const gradientSignature = new Signature(
  "gradient(Tensor input, *, any spacing=None, int|int[]? dim=None, int edge_order=1)",
);

/** Estimates of the derivatives of sampled values along the given dims, all by default: one tensor for each. */
export const gradient: Op<(input: Tensor, options?: GradientOptions) => Tensor[]> = describe(
  (...args: unknown[]): Tensor[] => {
    const [x, spacing, dim, order] = gradientSignature.bind(args, {}) as [
      Tensor,
      GradientOptions["spacing"],
      number | number[] | null,
      number,
    ];
    const list = dim === null ? x.shape.map((_, d) => d) : typeof dim === "number" ? [dim] : dim;
    const each = Array.isArray(spacing) && !isOptions(spacing) ? (spacing as readonly (ScalarLike | Tensor)[]) : null;
    if (order !== 1 && order !== 2) throw new TorchError("torch.gradient only supports edge_order=1 and edge_order=2.");
    if (each !== null && each.length !== list.length) {
      throw new TorchError(
        `torch.gradient expected spacing to be unspecified, a scalar or it's spacing and dim arguments to have the same length, but got a spacing argument of length ${each.length} and a dim argument of length ${list.length}.`,
      );
    }
    const seen = new Set<number>();
    const dims = list.map((d) => {
      const w = wrapDim(d, x.ndim);
      if (seen.has(w)) throw new TorchError(`dim ${w} appears multiple times in the list of dims`);
      seen.add(w);
      return w;
    });
    for (const d of dims) {
      if ((x.shape[d] as number) < order + 1) {
        throw new TorchError("torch.gradient expected each dimension size to be at least edge_order+1");
      }
    }
    return dims.map((d, k) => {
      const s = each === null ? (spacing as ScalarLike | Tensor | null) : (each[k] as ScalarLike | Tensor);
      if (!(s instanceof Tensor)) return evenGradient(x, d, s === null ? 1 : numberOf(s), order);
      if (s.ndim !== 1 || s.shape[0] !== x.shape[d]) {
        throw new TorchError(
          `torch.gradient expected each element of spacing to have one dimension of the size of its dim, but got ${formatShape(s.shape)}`,
        );
      }
      return placedGradient(x, d, s, order);
    });
  },
  gradientSignature,
  { method: false },
);
