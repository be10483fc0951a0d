/**
 * Results of several tensors, with names.
 */
import type { Tensor } from "../../tensor/tensor.ts";
import { TorchError } from "../../base/errors.ts";
import type { OpInfo } from "../../dispatch/op.ts";

/** Tensors that can be taken apart in order, or read by name. */
export type Named<K extends string> = { readonly [P in K]: Tensor } & {
  readonly length: number;
  readonly [i: number]: Tensor;
  [Symbol.iterator](): IterableIterator<Tensor>;
  /** PyTorch's text of the result: `torch.return_types.…(…)`. */
  toString(): string;
};

/** An operator of this folder. */
export type LinalgOp<F> = F & { readonly op: OpInfo };

/** Operators of the namespace `torch.linalg` are neither methods nor functions of `torch`. */
export const ofNamespace: { readonly method: false; readonly namespace: false } = { method: false, namespace: false };

/** The conjugate transpose of matrices. */
export const adjointOf = (x: Tensor): Tensor => x.mH;

/** A gradient formula's missing gradient means that an output was not used. */
export function defined(x: Tensor | null | undefined): x is Tensor {
  return x !== null && x !== undefined;
}

/** Throws in the backward of an operator that PyTorch has no derivative for. */
export function notDifferentiable(message: string): never {
  throw new TorchError(message);
}
