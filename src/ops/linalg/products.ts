/**
 * Products of several matrices, powers, and matrices made of powers.
 */
import { eye } from "../create.ts";
import { int64 } from "../../base/dtype.ts";
import { TorchError } from "../../base/errors.ts";
import { formatShape } from "../../base/shape.ts";
import { operator } from "../../dispatch/op.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { cat } from "../join.ts";
import { checkSquare } from "./errors.ts";
import { type LinalgOp, ofNamespace } from "./results.ts";
import { linalg_inv } from "./solve.ts";

/** How to bracket a product of matrices so that it takes the fewest multiplications: where to split i..j. */
function bestSplits(sizes: readonly number[]): number[][] {
  const n = sizes.length - 1;
  const cost = Array.from({ length: n }, () => new Array<number>(n).fill(0));
  const splits = Array.from({ length: n }, () => new Array<number>(n).fill(0));
  for (let length = 1; length < n; length++) {
    for (let i = 0; i + length < n; i++) {
      const j = i + length;
      let least = Infinity;
      for (let k = i; k < j; k++) {
        const c =
          (cost[i]?.[k] as number) +
          (cost[k + 1]?.[j] as number) +
          (sizes[i] as number) * (sizes[k + 1] as number) * (sizes[j + 1] as number);
        if (c >= least) continue;
        least = c;
        (splits[i] as number[])[j] = k;
      }
      (cost[i] as number[])[j] = least;
    }
  }
  return splits;
}

const cName: Readonly<Record<string, string>> = { Float: "float", Double: "double", Long: "long int", Int: "int" };

function multiDot(tensors: Tensor[]): Tensor {
  const n = tensors.length;
  if (n < 2) throw new TorchError(`multi_dot(): expected at least 2 tensors but got ${n}`);
  const [first, last] = [tensors[0] as Tensor, tensors[n - 1] as Tensor];
  const matrices = [...tensors];
  const shape: number[] = [];
  if (first.ndim === 1) matrices[0] = first.unsqueeze(0);
  else if (first.ndim === 2) shape.push(first.shape[0] as number);
  else throw new TorchError(`multi_dot(): the first tensor must be 1D or 2D but got ${first.ndim}D`);
  if (last.ndim === 1) matrices[n - 1] = last.unsqueeze(-1);
  else if (last.ndim === 2) shape.push(last.shape[1] as number);
  else throw new TorchError(`multi_dot(): the last tensor must be 1D or 2D but got ${last.ndim}D`);
  for (let i = 1; i < n - 1; i++) {
    const { ndim } = tensors[i] as Tensor;
    if (ndim !== 2) throw new TorchError(`multi_dot(): tensor ${i} must be 2D but got ${ndim}D`);
  }
  const nameOf = (t: Tensor): string => cName[t.dtype.scalarName] ?? t.dtype.scalarName;
  for (let i = 1; i < n; i++) {
    const t = matrices[i] as Tensor;
    const before = matrices[i - 1] as Tensor;
    if (t.dtype !== first.dtype) {
      throw new TorchError(
        `multi_dot(): all tensors must have be the same dtype but tensor 0 is ${nameOf(first)} and tensor ${i} ${nameOf(t)}`,
      );
    }
    if (before.shape[1] !== t.shape[0]) {
      throw new TorchError(
        `multi_dot(): tensors ${i - 1} and ${i} with shapes ${formatShape(before.shape)} and ${formatShape(t.shape)} cannot be multiplied`,
      );
    }
  }
  const splits = bestSplits([(matrices[0] as Tensor).shape[0] as number, ...matrices.map((t) => t.shape[1] as number)]);
  const product = (i: number, j: number): Tensor => {
    if (i === j) return matrices[i] as Tensor;
    const k = splits[i]?.[j] as number;
    return product(i, k).mm(product(k + 1, j));
  };
  return product(0, n - 1).view(shape);
}

/** The product of matrices, bracketed so that it takes the fewest multiplications; the first and last may be vectors. */
export const linalg_multi_dot: LinalgOp<(tensors: readonly Tensor[], options?: { out?: Tensor | null }) => Tensor> =
  operator("linalg_multi_dot(Tensor[] tensors)", multiDot, ofNamespace);

/** The product of matrices; see `linalg.multi_dot`. */
export const chain_matmul: LinalgOp<(...matrices: Tensor[]) => Tensor> = operator(
  "chain_matmul(Tensor[]... matrices)",
  (tensors: Tensor[]) => {
    tensors.forEach((t, i) => {
      if (t.ndim !== 2) {
        throw new TorchError(`Tensor dimension is ${t.ndim}, expected 2 instead, for matrix ${i} of chain_matmul`);
      }
    });
    return tensors.length === 1 ? (tensors[0] as Tensor) : multiDot(tensors);
  },
  { method: false },
);

function power(a: Tensor, n: number): Tensor {
  checkSquare(a, "linalg.matrix_power");
  if (n === 0) {
    const size = a.shape.at(-1) as number;
    return a.clone().copy_(eye(size, { dtype: a.dtype }).expand(a.shape));
  }
  if (n === 1) return a.clone();
  if (n === -1) return linalg_inv(a);
  let base = n < 0 ? linalg_inv(a) : a;
  let rest = Math.abs(n);
  if (rest === 2) return base.matmul(base);
  if (rest === 3) return base.matmul(base).matmul(base);
  let out: Tensor | null = null;
  while (rest > 0) {
    if (rest % 2 === 1) out = out === null ? base : out.matmul(base);
    rest = Math.floor(rest / 2);
    if (rest > 0) base = base.matmul(base);
  }
  return out as Tensor;
}

type Power = LinalgOp<(A: Tensor, n: number, options?: { out?: Tensor | null }) => Tensor>;

/** Square matrices to an integer power; negative ones of the inverse. */
export const linalg_matrix_power: Power = operator("linalg_matrix_power(Tensor input, int n)", power, ofNamespace);
/** Square matrices to an integer power; negative ones of the inverse. */
export const matrix_power: Power = operator("matrix_power(Tensor input, int n)", power);

/** The matrices whose columns are the powers 0 … N-1 of vectors (Vandermonde). */
export const linalg_vander: LinalgOp<(x: Tensor, options?: { N?: number | null }) => Tensor> = operator(
  "linalg_vander(Tensor x, *, int? N=None)",
  (x: Tensor, columns: number | null) => {
    const { scalarName } = x.dtype;
    if (x.dtype.itemsize < 4 && x.dtype.category === 2) {
      throw new TorchError(
        `linalg.vander supports floating point, complex, and integer tensors, but got ${scalarName}`,
      );
    }
    const numbers = x.dtype.category === 0 ? x.to(int64) : x;
    const t = numbers.ndim === 0 ? numbers.unsqueeze(-1) : numbers;
    const n = columns ?? (t.shape.at(-1) as number);
    if (n < 1) throw new TorchError(`N must be greater than 1.`);
    const ones = t.new_ones([...t.shape, 1]);
    if (t.dtype.is_complex) {
      const columns = [ones];
      for (let i = 1; i < n; i++) columns.push((columns[i - 1] as Tensor).mul(t.unsqueeze(-1)));
      return cat(columns, -1);
    }
    const powers = t
      .unsqueeze(-1)
      .expand([...t.shape, n - 1])
      .cumprod(-1);
    return cat([ones, powers], -1);
  },
  ofNamespace,
);

/** The matrix whose columns are the powers N-1 … 0 of a vector; with `increasing` from 0 on. */
export const vander: LinalgOp<(x: Tensor, N?: number | null, increasing?: boolean) => Tensor> = operator(
  "vander(Tensor x, int? N=None, bool increasing=False)",
  (x: Tensor, columns: number | null, increasing: boolean) => {
    if (x.ndim !== 1) throw new TorchError("x must be a one-dimensional tensor.");
    const n = columns ?? x._numel;
    if (n < 0) throw new TorchError("N must be non-negative.");
    if (n === 0) return x.new_zeros([x._numel, 0], { dtype: x.dtype.category < 2 ? int64 : x.dtype });
    const powers = linalg_vander(x, { N: n });
    return increasing ? powers : powers.flip([1]);
  },
  { method: false },
);

/** The scalar products of vectors along a dim; the first is conjugated if complex. */
export const linalg_vecdot: LinalgOp<
  (x: Tensor, y: Tensor, options?: { dim?: number; out?: Tensor | null }) => Tensor
> = operator(
  "linalg_vecdot(Tensor x, Tensor y, *, int dim=-1)",
  (x: Tensor, y: Tensor, dim: number) => {
    if (x.dtype.category < 2) {
      throw new TorchError(
        `linalg.vecdot: Expected a floating point or complex tensor as input. Got ${x.dtype.scalarName}`,
      );
    }
    if (x.dtype !== y.dtype) {
      throw new TorchError(
        `linalg.vecdot: Expected x and y to have the same dtype, but found x of type ${x.dtype.scalarName} and y of type ${y.dtype.scalarName} instead`,
      );
    }
    // Two vectors have a routine of their own.
    if (x.ndim === 1 && y.ndim === 1 && (dim === 0 || dim === -1) && x.shape[0] === y.shape[0]) return x.vdot(y);
    return x.conj().mul(y).sum(dim);
  },
  ofNamespace,
);
