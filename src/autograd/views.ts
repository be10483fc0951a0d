/**
 * How tensors hang in the graph, and how in-place operations change that.
 *
 * Note [In-place on views]
 * A view shares memory with its base, so an in-place operation on the view changes the base's value, and the base's history
 * must say so. The view remembers its base (never another view). When a view is modified, the base gets a new node,
 * `CopySlices`, which applies the operation's backward to the view's part of the gradient and passes the rest through to the
 * base's previous node. All views of the base notice by the shared version counter that their own node is stale, and
 * make a new one, `AsStridedBackward0` from the base, when it is next asked for.
 */
import { TorchError } from "../base/errors.ts";
import type { Shape } from "../base/shape.ts";
import { allocateStrided, type Tensor, type ViewCreation, type ViewInfo } from "../tensor/tensor.ts";
import { accumulatorOf } from "./accumulate.ts";
import { enable_grad, modes } from "./modes.ts";
import { type MaybeTensor, Node, opNameOf } from "./node.ts";

/** @internal Whether gradients flow into the tensor. */
export function requiresGrad(t: Tensor): boolean {
  return t._requiresGrad || t._node !== null || (t._view !== null && requiresGrad(t._view.base));
}

/** @internal Whether it was made by the user rather than by a recorded operation. */
export function isLeaf(t: Tensor): boolean {
  return gradFn(t) === null;
}

/** @internal The node the tensor is an output of, up to date with in-place changes of its base. */
export function gradFn(t: Tensor): Node | null {
  const view = t._view;
  if (view !== null && view.version !== t._counter.version) refresh(t, view);
  return t._node;
}

function refresh(t: Tensor, view: ViewInfo): void {
  if (t._node === null && !requiresGrad(view.base)) return;
  refuseView(t, view, true);
  const fresh = enable_grad(() => view.base.as_strided(t.shape, t._strides, t._offset));
  t._node = fresh._node;
  t._outputNr = fresh._outputNr;
  view.version = t._counter.version;
}

/** @internal Fills in where the gradient of `t` goes. */
export function edgeOf(t: Tensor): Node | null {
  const fn = gradFn(t);
  if (fn !== null) return fn;
  return t._requiresGrad ? accumulatorOf(t) : null;
}

/** @internal Makes `out` a differentiable view of `input`. */
export function markView(input: Tensor, out: Tensor, creation: ViewCreation): void {
  const of = input._view;
  out._view = {
    base: of === null ? input : of.base,
    creation: of !== null && of.creation !== "default" ? of.creation : creation,
    version: out._counter.version,
  };
}

/** Throws if the view was made in a way that forbids modifying it, directly or through its base. */
function refuseView(t: Tensor, view: ViewInfo, indirect: boolean): void {
  const creation = view.creation;
  if (creation === "default") return;
  const node = t._node;
  const modified = indirect ? "its base or another view of its base has been" : "is being";
  let message: string;
  if (creation === "no_grad" || creation === "inference" || node === null) {
    const start =
      node === null
        ? "A view was created in"
        : `Output ${t._outputNr} of ${opNameOf(node)} is a view of a view which was created in`;
    message =
      creation === "inference"
        ? `${start} inference mode and ${modified} modified inplace in normal mode.`
        : `${start} no_grad mode and ${modified} modified inplace with grad mode enabled.`;
  } else {
    message = `Output ${t._outputNr} of ${opNameOf(node)} is a view and ${modified} modified inplace.`;
  }
  throw new TorchError(`${message} ${viewAdvice[creation]}`);
}

const block = (mode: string): string =>
  `Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view and the inplace either both inside the ${mode} block (if you don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked).`;

const viewAdvice: Record<Exclude<ViewCreation, "default">, string> = {
  multi_output:
    "This view is the output of a function that returns multiple views. Such functions do not allow the output views to be modified inplace. You should replace the inplace operation by an out-of-place one.",
  no_grad: block("no_grad"),
  inference: block("inference_mode"),
  custom_function:
    "This view was created inside a custom Function (or because an input was returned as-is) and the autograd logic to handle view+inplace would override the custom backward associated with the custom Function, leading to incorrect gradients. This behavior is forbidden. You can fix this by cloning the output of the custom Function.",
};

/** @internal Throws PyTorch's error if autograd forbids to modify `t`; `records` tells whether an operand requires grad. */
export function checkInplace(t: Tensor, records: boolean): void {
  if (!records || !modes.grad) return;
  const view = t._view;
  if (view !== null) {
    refuseView(t, view, false);
    if (requiresGrad(t) && isLeaf(view.base)) {
      throw new TorchError("a view of a leaf Variable that requires grad is being used in an in-place operation.");
    }
  }
  if (t._requiresGrad && isLeaf(t)) {
    throw new TorchError("a leaf Variable that requires grad is being used in an in-place operation.");
  }
}

/** @internal Makes `node` the history of `t`, which an in-place operation has changed. */
export function rebaseHistory(t: Tensor, node: Node): void {
  const view = t._view;
  if (view === null) {
    moveRetained(t, t._node, t._outputNr, node);
    t._node = node;
    t._outputNr = 0;
    return;
  }
  const base = view.base;
  const before = base._node;
  const copy = new CopySlices(base, t, node);
  moveRetained(base, before, base._outputNr, copy);
  base._node = copy;
  base._outputNr = 0;
  gradFn(t);
}

/** `.grad` is retained for the tensor, whatever its value; hooks stay with the value they were registered for. */
function moveRetained(t: Tensor, from: Node | null, nr: number, to: Node): void {
  if (t._extra === null || !t._extra.retainsGrad || from === null || from._hooks === null) return;
  from._hooks.retain.delete(nr);
  to._ensureHooks().retain.set(0, new WeakRef(t));
}

/** The node of a base one of whose views was modified in place. See Note [In-place on views]. */
class CopySlices extends Node {
  readonly #base: { shape: Shape; strides: Shape };
  readonly #view: { shape: Shape; strides: Shape; offset: number };
  readonly #fn: Node;

  constructor(base: Tensor, view: Tensor, fn: Node) {
    super([edgeOf(base), ...fn._next.slice(1)], [base._outputNr, ...fn._nextNr.slice(1)], fn._sequence);
    this.#base = { shape: base.shape, strides: base._strides };
    this.#view = { shape: view.shape, strides: view._strides, offset: view._offset - base._offset };
    this.#fn = fn;
    // The view's part of the gradient is replaced even where the operation itself does not pass one on.
    fn._next[0] ??= this._next[0] ?? null;
    this._outputs = [{ shape: base.shape, dtype: base.dtype, backend: base._backend }];
  }

  override name(): string {
    return "torch::autograd::CopySlices";
  }

  override _apply(grads: MaybeTensor[]): MaybeTensor[] {
    const grad = grads[0] ?? null;
    if (grad === null) return this._next.map(() => null);
    const { shape, strides } = this.#base;
    const result = allocateStrided(shape, strides, grad.dtype, grad._backend).copy_(grad);
    const slice = result.as_strided(this.#view.shape, this.#view.strides, this.#view.offset);
    const inner = this.#fn._apply([slice.clone()]);
    const first = inner[0] ?? null;
    if (first === null) slice.zero_();
    else slice.copy_(first);
    return [this._next[0] === null ? null : result, ...inner.slice(1)];
  }

  override _release(): void {
    this.#fn._release();
  }
}
