/**
 * Custom functions: an operation with a backward formula of one's own (`torch.autograd.Function`).
 */
import { ArgumentTypeError, NotImplementedError, TorchError } from "../base/errors.ts";
import { alias, allocate, Tensor } from "../tensor/tensor.ts";
import { modes, no_grad } from "./modes.ts";
import { freedMessage, type MaybeTensor, Node } from "./node.ts";
import { SavedTensor } from "./saved.ts";
import { edgeOf, isLeaf, markView, rebaseHistory, requiresGrad } from "./views.ts";

/** What `forward` and `backward` of a custom function share (`ctx`). Fields of one's own may be put on it. */
export class FunctionContext {
  /** @internal */ _toSave: readonly MaybeTensor[] = [];
  /** @internal */ _dirty: readonly Tensor[] = [];
  /** @internal */ _nonDifferentiable: readonly Tensor[] = [];
  /** @internal */ _materialize = true;
  /** @internal */ _node: FunctionNode | null = null;
  /** Of each argument of `forward`: whether its gradient is wanted. */
  needs_input_grad: readonly boolean[] = [];
  /** Anything else that backward needs and that is not a tensor. */
  [field: string]: unknown;

  /** Keeps tensors for `backward`; they come back as {@link saved_tensors}. In-place changes of them in between are noticed. */
  save_for_backward(...tensors: MaybeTensor[]): void {
    tensors.forEach((t, i) => {
      if (t !== null && !(t instanceof Tensor)) {
        throw new ArgumentTypeError(
          `save_for_backward can only save variables, but argument ${i} is of type ${kindOf(t)}`,
        );
      }
    });
    this._toSave = tensors;
  }

  /** The tensors given to {@link save_for_backward}. */
  get saved_tensors(): Tensor[] {
    if (this._node === null) return [...this._toSave] as Tensor[];
    return this._node.unpackAll();
  }

  /** Says that `forward` changed these inputs in place; it must return them. */
  mark_dirty(...tensors: Tensor[]): void {
    this._dirty = tensors;
  }

  /** Says that no gradient flows through these outputs. */
  mark_non_differentiable(...tensors: Tensor[]): void {
    this._nonDifferentiable = tensors;
  }

  /** Whether gradients that are undefined reach `backward` as zeros (the default) or as null. */
  set_materialize_grads(value: boolean): void {
    this._materialize = value;
  }
}

function kindOf(x: unknown): string {
  if (x === null || x === undefined) return "NoneType";
  if (typeof x === "number") return Number.isInteger(x) ? "int" : "float";
  return typeof x === "string" ? "str" : typeof x === "boolean" ? "bool" : typeof x;
}

type Outputs = Tensor | readonly Tensor[];

/** The static side of a custom function. */
interface FunctionClass {
  readonly name: string;
  forward?(...args: unknown[]): Outputs;
  setup_context?(ctx: FunctionContext, inputs: readonly unknown[], output: Outputs): void;
  backward?(ctx: FunctionContext, ...grads: MaybeTensor[]): unknown;
  vjp?(ctx: FunctionContext, ...grads: MaybeTensor[]): unknown;
}

class FunctionNode extends Node {
  readonly #class: FunctionClass;
  readonly #ctx: FunctionContext;
  /** Of each argument: whether it was a tensor. */
  readonly #isTensor: readonly boolean[];
  #saved: (SavedTensor | null)[] = [];
  #released = false;

  constructor(cls: FunctionClass, ctx: FunctionContext, args: readonly unknown[]) {
    const tensors = args.map((a) => (a instanceof Tensor ? a : null));
    super(
      tensors.map((t) => (t === null ? null : edgeOf(t))),
      tensors.map((t) => (t === null || t._node === null ? 0 : t._outputNr)),
    );
    this.#class = cls;
    this.#ctx = ctx;
    this.#isTensor = tensors.map((t) => t !== null);
  }

  override name(): string {
    return `${this.#class.name}Backward`;
  }

  /** Takes over what the context wants to keep, once the outputs are known. */
  save(outputs: readonly Tensor[]): void {
    this.#saved = this.#ctx._toSave.map((t) => (t === null ? null : new SavedTensor(t, outputs.indexOf(t))));
    this.#ctx._toSave = [];
    this.#ctx._node = this;
  }

  unpackAll(): Tensor[] {
    if (this.#released) throw new TorchError(freedMessage);
    return this.#saved.map((s) => (s === null ? null : s.unpack(this))) as Tensor[];
  }

  override _apply(grads: MaybeTensor[]): MaybeTensor[] {
    const { backward, vjp } = this.#class;
    if (backward !== undefined && vjp !== undefined) {
      throw new TorchError(
        "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement one of them.",
      );
    }
    const formula = backward ?? vjp;
    if (formula === undefined) {
      throw new NotImplementedError(
        "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD.",
      );
    }
    const given = grads.map((g, k) => g ?? (this.#ctx._materialize ? this.#zeros(k) : null));
    const result = formula.call(this.#class, this.#ctx, ...given);
    return this.#checked(Array.isArray(result) ? (result as unknown[]) : [result]);
  }

  #zeros(k: number): MaybeTensor {
    const meta = this._outputs[k];
    if (meta === undefined) return null;
    return allocate(meta.shape, meta.dtype, meta.backend).zero_();
  }

  #checked(result: unknown[]): MaybeTensor[] {
    const count = this._next.length;
    while (result.length > count && result.at(-1) == null) result.pop();
    if (result.length !== count) {
      throw new TorchError(
        `function ${this.name()} returned an incorrect number of gradients (expected ${count}, got ${result.length})`,
      );
    }
    return result.map((g, i) => {
      if (g === null || g === undefined) return null;
      if (!(g instanceof Tensor)) throw new TorchError(`expected Variable or None (got ${kindOf(g)})`);
      if (this.#isTensor[i] !== true) {
        throw new TorchError(
          `function ${this.name()} returned a gradient different than None at position ${i + 1}, but the corresponding forward input was not a Variable`,
        );
      }
      return g;
    });
  }

  override _release(): void {
    this.#released = true;
    this.#saved = [];
  }
}

/**
 * An operation with a backward formula of its own. Derive a class with a static `forward(ctx, ...args)` and a static
 * `backward(ctx, ...grads)` that returns a gradient, or null, for each argument; call it by `apply`.
 *
 * @example
 * ```ts
 * class Cube extends torch.autograd.Function {
 *   static forward(ctx: torch.autograd.FunctionContext, x: torch.Tensor): torch.Tensor {
 *     ctx.save_for_backward(x);
 *     return x.pow(3);
 *   }
 *   static backward(ctx: torch.autograd.FunctionContext, g: torch.Tensor): torch.Tensor {
 *     const [x] = ctx.saved_tensors;
 *     return g.mul(x.mul(x).mul(3));
 *   }
 * }
 * const y = Cube.apply(torch.tensor(2, { requires_grad: true })); // tensor(8., grad_fn=<CubeBackward>)
 * ```
 */
// oxlint-disable-next-line typescript/no-extraneous-class -- PyTorch's form: users derive classes with static methods
export abstract class Function {
  /** Runs `forward` and records the operation. */
  static apply<Args extends unknown[], Out extends Outputs>(
    this: { forward(ctx: FunctionContext, ...args: Args): Out },
    ...args: Args
  ): Out;
  static apply<Args extends unknown[], Out extends Outputs>(
    this: { forward(...args: Args): Out; setup_context(ctx: FunctionContext, inputs: Args, output: Out): void },
    ...args: Args
  ): Out;
  static apply(this: unknown, ...args: unknown[]): Outputs {
    return applyFunction(this as FunctionClass, args);
  }
}

function applyFunction(cls: FunctionClass, args: readonly unknown[]): Outputs {
  const { forward, setup_context: setup } = cls;
  if (forward === undefined) {
    throw new NotImplementedError("You must implement the forward function for custom autograd.Function.");
  }
  if (modes.dual !== null) {
    throw new NotImplementedError(
      "You must implement the jvp function for custom autograd.Function to use it with forward mode AD.",
    );
  }
  const ctx = new FunctionContext();
  ctx.needs_input_grad = args.map((a) => a instanceof Tensor && requiresGrad(a));
  const records = modes.grad && ctx.needs_input_grad.includes(true);
  const result = no_grad(() => {
    if (setup === undefined) return forward.call(cls, ctx, ...args);
    const out = forward.call(cls, ...args);
    setup.call(cls, ctx, args, out);
    return out;
  });
  const outputs = Array.isArray(result) ? [...(result as Tensor[])] : [result as Tensor];
  for (const t of ctx._dirty) {
    if (!outputs.includes(t)) {
      throw new TorchError(
        "Some elements marked as dirty during the forward method were not returned as output. The inputs that are modified inplace must all be outputs of the Function.",
      );
    }
    if (records && requiresGrad(t) && isLeaf(t)) {
      throw new TorchError("a leaf Variable that requires grad has been used in an in-place operation.");
    }
  }
  const final = outputs.map((t) => (args.includes(t) && !ctx._dirty.includes(t) ? returnedAsIs(t) : t));
  if (records) attach(cls, ctx, args, outputs, final);
  return Array.isArray(result) ? final : (final[0] as Tensor);
}

/** An input that is returned unchanged becomes a view of itself, which may not be modified in place. */
function returnedAsIs(t: Tensor): Tensor {
  const view = alias(t, t.shape, t._strides, t._offset);
  markView(t, view, "custom_function");
  return view;
}

function attach(
  cls: FunctionClass,
  ctx: FunctionContext,
  args: readonly unknown[],
  outputs: readonly Tensor[],
  final: readonly Tensor[],
): void {
  const node = new FunctionNode(cls, ctx, args);
  final.forEach((t, k) => {
    node._outputs.push({ shape: t.shape, dtype: t.dtype, backend: t._backend });
    const original = outputs[k] as Tensor;
    if (t.dtype.category < 2 || ctx._nonDifferentiable.includes(original)) return;
    if (ctx._dirty.includes(original)) rebaseHistory(t, node);
    else {
      t._node = node;
      t._outputNr = k;
    }
  });
  node.save(final);
}

/**
 * Marks a `backward` that cannot itself be differentiated: its computation is not recorded, and differentiating its result throws.
 */
export function once_differentiable<F extends (ctx: FunctionContext, ...grads: never[]) => unknown>(backward: F): F {
  const wrapped = function (this: unknown, ctx: FunctionContext, ...grads: never[]): unknown {
    const result = no_grad(() => backward.call(this, ctx, ...grads));
    if (!modes.grad || !(grads as MaybeTensor[]).some((g) => g !== null && requiresGrad(g))) return result;
    const list = (Array.isArray(result) ? result : [result]) as MaybeTensor[];
    const refusing = list.map((g) => (g === null ? null : refuse(g)));
    return Array.isArray(result) ? refusing : refusing[0];
  };
  return wrapped as unknown as F;
}

class RefusingNode extends Node {
  constructor() {
    super([], []);
  }
  override name(): string {
    return "torch::autograd::Error";
  }
  override _apply(): never {
    throw new TorchError("trying to differentiate twice a function that was marked with @once_differentiable");
  }
}

function refuse(g: Tensor): Tensor {
  const out = alias(g, g.shape, g._strides, g._offset);
  const node = new RefusingNode();
  node._outputs.push({ shape: g.shape, dtype: g.dtype, backend: g._backend });
  out._node = node;
  return out;
}
