/**
 * Forward mode: dual numbers (`torch.autograd.forward_ad`). A dual tensor is a tensor with a tangent; operations on it give dual
 * tensors, whose tangents are derivatives in the direction of the first ones.
 */
import { TorchError, ValueError } from "../base/errors.ts";
import { formatShape, isNonOverlappingAndDense, sameShape } from "../base/shape.ts";
import { alias, allocateStrided, type Tensor } from "../tensor/tensor.ts";
import { extraOf } from "./accumulate.ts";
import { modes } from "./modes.ts";

/** @internal The tangent of a tensor at the open level, or null. */
export function tangentOf(t: Tensor): Tensor | null {
  const extra = t._extra;
  return extra !== null && modes.dual !== null && extra.tangentLevel === modes.dual ? extra.tangent : null;
}

/** @internal Gives a tensor a tangent at the open level. A tangent has the layout of its tensor, as views need. */
export function setTangent(t: Tensor, tangent: Tensor): void {
  const extra = extraOf(t);
  extra.tangent = withLayoutOf(t, tangent);
  extra.tangentLevel = modes.dual;
}

function withLayoutOf(t: Tensor, tangent: Tensor): Tensor {
  if (sameShape(t._strides, tangent._strides) || !isNonOverlappingAndDense(t.shape, t._strides)) return tangent;
  return allocateStrided(t.shape, t._strides, tangent.dtype, tangent._backend).copy_(tangent);
}

/** @internal Runs `body` with forward mode closed. */
export function withoutDual<T>(body: () => T): T {
  const before = modes.dual;
  modes.dual = null;
  try {
    return body();
  } finally {
    modes.dual = before;
  }
}

/** Opens a level of forward mode; {@link exit_dual_level} closes it. There is one level at most. */
export function enter_dual_level(): number {
  if (modes.dual !== null) throw new TorchError("Nested forward mode AD is not supported at the moment");
  modes.dual = {};
  return 0;
}

/** Closes the level; tangents made in it are gone. */
export function exit_dual_level(_options: { level?: number | null } = {}): void {
  if (modes.dual === null) {
    throw new TorchError(
      "Trying to exit a forward AD level that was not the last one that was created. This is not supported.",
    );
  }
  modes.dual = null;
}

/**
 * A level of forward mode: for the time of a function, whose result it returns, or as a guard for a `using` declaration.
 *
 * @example
 * ```ts
 * torch.autograd.forward_ad.dual_level(() => {
 *   const x = torch.autograd.forward_ad.make_dual(torch.tensor([2]), torch.tensor([1]));
 *   const { tangent } = torch.autograd.forward_ad.unpack_dual(x.mul(x)); // tensor([4.])
 * });
 * ```
 */
export function dual_level(): Disposable;
export function dual_level<T>(body: () => T): T;
export function dual_level<T>(body?: () => T): T | Disposable {
  enter_dual_level();
  if (body === undefined) return { [Symbol.dispose]: () => exit_dual_level() };
  try {
    return body();
  } finally {
    modes.dual = null;
  }
}

/** A tensor over the same memory as `tensor`, with `tangent` beside it. */
export function make_dual(tensor: Tensor, tangent: Tensor): Tensor {
  if (modes.dual === null) {
    throw new TorchError(
      "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first.",
    );
  }
  if (tensor.dtype.category < 2) {
    throw new ValueError(`Expected primal to be floating point or complex, but got: ${String(tensor.dtype)}`);
  }
  if (tangent.dtype.category < 2) {
    throw new ValueError(`Expected tangent to be floating point or complex, but got: ${String(tangent.dtype)}`);
  }
  if (!sameShape(tensor.shape, tangent.shape)) {
    throw new TorchError(
      `Trying to set a forward gradient that has a different size than that of the original Tensor, this is not supported. Tensor is of size ${formatShape(tensor.shape)} while the given forward gradient is of size ${formatShape(tangent.shape)}.`,
    );
  }
  if (tangentOf(tensor) !== null) {
    throw new TorchError(
      "Making a dual Tensor based on a Tensor that already has a forward gradient at the same level 0 is not supported.",
    );
  }
  if (tangentOf(tangent) !== null) {
    throw new TorchError(
      "Setting a forward grad that itself has a forward gradient at the same level0 is not supported.",
    );
  }
  const dual = tensor.view_as(tensor);
  setTangent(dual, tangent);
  return dual;
}

/** The two parts of a dual tensor. */
export interface UnpackedDualTensor {
  readonly primal: Tensor;
  /** Null for a tensor without one. */
  readonly tangent: Tensor | null;
  toString(): string;
}

/** The value and the tangent of a tensor; neither is dual. */
export function unpack_dual(tensor: Tensor): UnpackedDualTensor {
  const tangent = tangentOf(tensor);
  const primal =
    tangent === null ? tensor : withoutDual(() => (tensor.requires_grad ? tensor.view_as(tensor) : aliasOf(tensor)));
  return {
    primal,
    tangent,
    toString: () =>
      `UnpackedDualTensor(primal=${String(primal)}, tangent=${tangent === null ? "None" : String(tangent)})`,
  };
}

function aliasOf(t: Tensor): Tensor {
  return alias(t, t.shape, t._strides, t._offset);
}
