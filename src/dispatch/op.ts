/**
 * Operators as functions: what `torch.*` and the methods of tensors are. An operator carries its signature, so that methods,
 * in-place forms, `out=` and other front ends follow from one definition.
 */
import { TorchError } from "../base/errors.ts";
import { formatShape, sameShape } from "../base/shape.ts";
import { can_cast } from "../base/promote.ts";
import { modes } from "../autograd/modes.ts";
import { requiresGrad } from "../autograd/views.ts";
import { Storage } from "../tensor/storage.ts";
import { Tensor } from "../tensor/tensor.ts";
import { contiguousStrides } from "../base/shape.ts";
import { copyRaw } from "./elementwise.ts";
import { isOptions, Signature } from "./signature.ts";

/** What an operator function knows of itself. */
export interface OpInfo {
  readonly name: string;
  readonly signature: Signature;
  /** Whether tensors have it as a method, with themselves as the first argument. */
  readonly method: boolean;
  /** Whether it is a function of the `torch` namespace. */
  readonly namespace: boolean;
  /** The in-place form, which is `name_`. */
  readonly inplace: Operator | null;
}

// oxlint-disable-next-line typescript/no-explicit-any -- an operator of any signature; its own type is precise
export type Operator = ((...args: any[]) => unknown) & { readonly op: OpInfo };

export interface OpOptions {
  readonly method?: boolean;
  readonly namespace?: boolean;
  readonly inplace?: Operator | null;
  /** Throws if a tensor cannot be `out=` of a call with these (bound) arguments. */
  readonly checkOut?: (out: Tensor, args: readonly unknown[]) => void;
}

/** What an operator with an in-place form knows of itself. */
export interface InplaceOpInfo extends OpInfo {
  readonly inplace: Operator;
}

/** Attaches what an operator knows of itself to its function. */
export function describe<F>(
  fn: F,
  signature: Signature,
  options: OpOptions & { readonly inplace: Operator },
): F & { readonly op: InplaceOpInfo };
export function describe<F>(fn: F, signature: Signature, options?: OpOptions): F & { readonly op: OpInfo };
export function describe<F>(fn: F, signature: Signature, options: OpOptions = {}): F & { readonly op: OpInfo } {
  const op: OpInfo = {
    name: signature.name,
    signature,
    method: options.method ?? true,
    namespace: options.namespace ?? true,
    inplace: options.inplace ?? null,
  };
  Object.defineProperty(fn, "name", { value: signature.name });
  return Object.assign(fn as F & object, { op });
}

const nothing: Record<string, unknown> = Object.freeze({});

/**
 * An operator from a signature and the function that computes it from the bound arguments. `out=` is added for all.
 */
export function operator<F>(
  text: string,
  // oxlint-disable-next-line typescript/no-explicit-any -- the signature converts and checks the arguments
  compute: (...args: any[]) => unknown,
  options: OpOptions = {},
): F & { readonly op: OpInfo } {
  const signature = new Signature(text);
  const { defaults } = signature;
  const call = (...args: unknown[]): unknown => {
    // A lone tensor, all else at its default, needs no binding.
    if (defaults !== null && args.length === 1 && args[0] instanceof Tensor) return compute(args[0], ...defaults);
    // Only keywords put something into `extra`.
    let last = args.length - 1;
    while (last > 0 && args[last] === undefined) last--;
    const extra: Record<string, unknown> = isOptions(args[last]) ? {} : nothing;
    const bound = signature.bind(args, extra);
    if (extra["out"] === undefined || extra["out"] === null) return compute(...bound);
    const { checkOut } = options;
    if (checkOut !== undefined) {
      for (const target of [extra["out"]].flat()) checkOut(target as Tensor, bound);
    }
    return withOut(signature.name, bound, extra["out"], () => compute(...bound));
  };
  return describe(call as F, signature, options);
}

/** Runs an operation and stores its result or results into `out`. */
export function withOut(name: string, args: readonly unknown[], out: unknown, compute: () => unknown): unknown {
  const targets = (Array.isArray(out) ? out : [out]) as Tensor[];
  const flat = args.flat();
  const anyGrad = [...flat, ...targets].some((x) => x instanceof Tensor && requiresGrad(x));
  if (modes.grad && anyGrad) {
    throw new TorchError(
      `${name}(): functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad.`,
    );
  }
  const result = compute();
  const results = (Array.isArray(result) ? [...(result as Tensor[])] : [result]) as Tensor[];
  targets.forEach((target, i) => storeOut(target, results[i] as Tensor));
  return out;
}

function storeOut(target: Tensor, result: Tensor): void {
  if (!can_cast(result.dtype, target.dtype)) {
    throw new TorchError(
      `result type ${result.dtype.scalarName} can't be cast to the desired output type ${target.dtype.scalarName}`,
    );
  }
  if (!sameShape(target.shape, result.shape)) {
    if (target._numel !== 0) {
      console.warn(
        `UserWarning: An output with one or more elements was resized since it had shape ${formatShape(target.shape)}, which does not match the required output shape ${formatShape(result.shape)}. This behavior is deprecated, and in a future PyTorch release outputs will not be resized unless they have zero elements. You can explicitly reuse an out tensor t by resizing it, inplace, to zero elements with t.resize_(0).`,
      );
    }
    resize(target, result.shape);
  }
  copyRaw(target, result);
  target._counter.version++;
}

/** @internal Gives a tensor another shape, contiguous, with more memory if it needs that; keeps the elements that fit. */
export function resize(t: Tensor, shape: readonly number[]): void {
  const fields = t as unknown as { shape: readonly number[]; _numel: number };
  fields.shape = [...shape];
  fields._numel = shape.reduce((a, b) => a * b, 1);
  t._strides = contiguousStrides(shape);
  t._contiguous = 1;
  const nbytes = (t._offset + t._numel) * t.dtype.itemsize;
  const storage = t._storage;
  if (nbytes <= storage.nbytes) return;
  const grown = new Storage(storage.backend, nbytes);
  const host = storage.backend.host;
  if (host !== null) host.u8.copyWithin(grown.ptr, storage.ptr, storage.ptr + storage.nbytes);
  storage.ptr = grown.ptr;
  storage.owner = grown.owner;
  storage.nbytes = nbytes;
}
