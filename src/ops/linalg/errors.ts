/**
 * What the operators of linear algebra demand of their operands, and how factorisations fail; the wording is PyTorch's.
 */
import { NotImplementedError, TorchError } from "../../base/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** A matrix without the property that an operation needs (`torch.linalg.LinAlgError`). */
export class LinAlgError extends TorchError {
  override name = "LinAlgError";
}

/** Throws unless the tensor is a matrix or a batch of them. */
export function checkMatrix(x: Tensor, name: string, argument = "A"): void {
  if (x.ndim < 2) throw new TorchError(`${name}: The input tensor ${argument} must have at least 2 dimensions.`);
}

/** Throws unless the tensor is a square matrix or a batch of them. */
export function checkSquare(x: Tensor, name: string, argument = "A"): void {
  checkMatrix(x, name, argument);
  const [rows, cols] = x.shape.slice(-2);
  if (rows !== cols) {
    throw new TorchError(
      `${name}: ${argument} must be batches of square matrices, but they are ${rows} by ${cols} matrices`,
    );
  }
}

/** Throws unless the elements are floating point or complex numbers; of low precision only where `low`. */
export function checkFloating(x: Tensor, name: string, low = true): void {
  if (x.dtype.category < 2) {
    throw new TorchError(`${name}: Expected a floating point or complex tensor as input. Got ${x.dtype.scalarName}`);
  }
  if (!low && x.dtype.itemsize < (x.dtype.is_complex ? 8 : 4)) {
    throw new TorchError(`${name}: Low precision dtypes not supported. Got ${x.dtype.scalarName}`);
  }
}

/** Throws for dtypes that LAPACK has no routines for, as PyTorch's kernel of that name does. */
export function checkLapack(x: Tensor, kernel: string): void {
  if (x.dtype.category < 2 || x.dtype.itemsize < (x.dtype.is_complex ? 8 : 4)) {
    throw new NotImplementedError(`"${kernel}" not implemented for '${x.dtype.scalarName}'`);
  }
}

/** Throws unless A and B fit as the two sides of A X = B, or X A = B. */
export function checkSides(a: Tensor, b: Tensor, left: boolean, name: string): void {
  checkSquare(a, name, "A");
  checkMatrix(b, name, "B");
  const n = a.shape.at(-1);
  if (n !== b.shape.at(left ? -2 : -1)) {
    throw new TorchError(
      `${name}: Incompatible shapes of A and B for the equation ${left ? "AX = B" : "XA = B"} (${a.shape.at(-2)}x${n} and ${b.shape.at(-2)}x${b.shape.at(-1)})`,
    );
  }
}

/** What went wrong at `info`. */
type Failure = (info: number) => Error;

/** The failures of operators, by what failed. */
export const failures: Readonly<
  Record<"inv" | "solve" | "cholesky" | "svd" | "eig" | "lu", (text: string) => Failure>
> = {
  inv: (at) => (info) =>
    new LinAlgError(
      `${at}The diagonal element ${info} is zero, the inversion could not be completed because the input matrix is singular.`,
    ),
  solve: (at) => () => new LinAlgError(`${at}The solver failed because the input matrix is singular.`),
  cholesky: (at) => (info) =>
    new LinAlgError(
      `${at}The factorization could not be completed because the input is not positive-definite (the leading minor of order ${info} is not positive-definite).`,
    ),
  svd: (at) => (info) =>
    new LinAlgError(
      info < 0
        ? `${at}The algorithm failed to converge because the input matrix contained non-finite values.`
        : `${at}The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated singular values (error code: ${info}).`,
    ),
  eig: (at) => (info) =>
    new LinAlgError(
      `${at}The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated eigenvalues (error code: ${info}).`,
    ),
  lu: (at) => (info) =>
    new TorchError(
      `${at}U[${info},${info}] is zero and using it on lu_solve would result in a division by zero. If you still want to perform the factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)`,
    ),
};

/** Throws for the first matrix of a batch that failed. */
export function checkInfo(
  infos: ArrayLike<number>,
  single: boolean,
  name: string,
  failure: keyof typeof failures,
): void {
  for (let i = 0; i < infos.length; i++) {
    const info = infos[i] as number;
    if (info !== 0) throw failures[failure](single ? `${name}: ` : `${name}: (Batch element ${i}): `)(info);
  }
}
