/**
 * The graph: a node for each recorded operation, with edges towards the leaves.
 */
import type { Backend } from "../backend/backend.ts";
import type { DType } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { showAsText } from "../base/inspect.ts";
import type { Shape } from "../base/shape.ts";
import type { Storage } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { SavedTensor } from "./saved.ts";

export const freedMessage =
  "Trying to backward through the graph a second time (or directly access saved tensors after they have already been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors after calling backward.";

/** A gradient, or null for one that is undefined (which counts as zero). */
export type MaybeTensor = Tensor | null;

/** What the gradient of one forward output must look like. */
export interface OutputMeta {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly backend: Backend;
}

/** A tensor hook: sees the gradient, and may return another. */
export type TensorHook = (grad: Tensor) => Tensor | null | undefined | void;
/** A hook before a node runs: sees the gradients of its outputs, and may return others. */
export type NodePreHook = (gradOutputs: readonly MaybeTensor[]) => readonly MaybeTensor[] | undefined | void;
/** A hook after a node ran: sees the gradients of its inputs and outputs, and may return other gradients of the inputs. */
export type NodePostHook = (
  gradInputs: readonly MaybeTensor[],
  gradOutputs: readonly MaybeTensor[],
) => readonly MaybeTensor[] | undefined | void;

/** A handle that removes a hook. */
export interface RemovableHandle {
  remove(): void;
}

/** @internal The hooks of a node, made when the first is registered. */
export class NodeHooks {
  tensor: { nr: number; hook: TensorHook }[] = [];
  /** Tensors whose `.grad` is filled in, by output number. */
  retain: Map<number, WeakRef<Tensor>> = new Map();
  pre: NodePreHook[] = [];
  post: NodePostHook[] = [];
}

let sequence = 0;

/** @internal State of a node in one run of the engine. */
export interface RunState {
  readonly task: object;
  readonly node: Node;
  dependencies: number;
  grads: MaybeTensor[];
  owned: boolean[];
  /** Whether it must run: always, unless the run computes gradients of given inputs only. */
  needed: boolean;
  readonly outer: RunState | null;
}

/** A function in the graph of derivatives (`torch.autograd.graph.Node`). */
export abstract class Node {
  /** @internal The nodes that receive the gradients of the inputs; null where no gradient is wanted. */
  _next: (Node | null)[];
  /** @internal To which output of `_next[i]` the gradient number i belongs. */
  _nextNr: number[];
  /** @internal */ _outputs: OutputMeta[] = [];
  /** @internal */ _hooks: NodeHooks | null = null;
  /** @internal */ _run: RunState | null = null;
  /** @internal Later nodes have larger numbers; leaves come before all. */
  _sequence: number;

  constructor(next: (Node | null)[], nextNr: number[], sequenceNr: number = sequence++) {
    this._next = next;
    this._nextNr = nextNr;
    this._sequence = sequenceNr;
  }

  /** The name of the function, such as `"MulBackward0"`. */
  abstract name(): string;

  /** @internal The gradients of the inputs from those of the outputs. */
  abstract _apply(grads: MaybeTensor[]): MaybeTensor[];

  /** @internal Lets go of what was saved. */
  _release(): void {}

  /** @internal Whether the engine may own a gradient that the node returned in this storage; see Note [Ownership of gradients]. */
  _gives(_storage: Storage): boolean {
    return false;
  }

  /** Where the gradients go: pairs of a node (null where none is needed) and the number of its output. */
  get next_functions(): [Node | null, number][] {
    return this._next.map((n, i) => [n, this._nextNr[i] as number]);
  }

  /** @internal */
  _ensureHooks(): NodeHooks {
    this._hooks ??= new NodeHooks();
    return this._hooks;
  }

  /** Calls `hook` with the gradients of the inputs and outputs whenever the node has run; it may return other gradients of the inputs. */
  register_hook(hook: NodePostHook): RemovableHandle {
    return push(this._ensureHooks().post, hook);
  }

  /** Calls `hook` with the gradients of the outputs before the node runs; it may return others. */
  register_prehook(hook: NodePreHook): RemovableHandle {
    return push(this._ensureHooks().pre, hook);
  }

  /** @internal The name of the class, as PyTorch prints it: without the namespace that some names have. */
  get _className(): string {
    return this.name().replace(/^.*::/, "");
  }

  toString(): string {
    return `<${this._className} object>`;
  }
}
showAsText(Node.prototype);

/** @internal */
export function push<T>(list: T[], item: T): RemovableHandle {
  list.push(item);
  return {
    remove() {
      const i = list.indexOf(item);
      if (i >= 0) list.splice(i, 1);
    },
  };
}

/** The forward operation a node belongs to, as PyTorch's messages name it: `Exp` of `ExpBackward0`. */
export function opNameOf(node: Node): string {
  return node._className.replace(/Backward\d*$/, "");
}

/** @internal What an operator needs of a node: a formula. */
export interface NodeRule {
  readonly gradName: string;
  backward(node: OpNode, grads: MaybeTensor[]): MaybeTensor[];
}

/** @internal The node of an operator defined in the dispatch floor. */
export class OpNode extends Node {
  readonly rule: NodeRule;
  readonly params: unknown;
  readonly inputShapes: readonly Shape[];
  readonly inputDTypes: readonly DType[];
  /** By slot; slots that were not needed are null. */
  saved: (SavedTensor | null)[];
  /** Whether it saved anything at all, so that running it after release is an error. */
  saves: boolean;
  released = false;

  constructor(
    rule: NodeRule,
    params: unknown,
    next: (Node | null)[],
    nextNr: number[],
    inputShapes: readonly Shape[],
    inputDTypes: readonly DType[],
  ) {
    super(next, nextNr);
    this.rule = rule;
    this.params = params;
    this.inputShapes = inputShapes;
    this.inputDTypes = inputDTypes;
    this.saved = [];
    this.saves = false;
  }

  override name(): string {
    return this.rule.gradName;
  }

  /** Whether the gradient of input i is wanted. */
  needs(i: number): boolean {
    return this._next[i] != null;
  }

  /** The saved tensor in a slot. */
  unpack(slot: number): Tensor {
    if (this.released) throw new TorchError(freedMessage);
    const s = this.saved[slot];
    if (s == null) throw new TorchError(`${this.name()}: saved tensor ${slot} was not saved`);
    return s.unpack(this);
  }

  override _gives(storage: Storage): boolean {
    const { saved } = this;
    for (let i = 0; i < saved.length; i++) if (saved[i]?.uses(storage) === true) return false;
    return true;
  }

  override _apply(grads: MaybeTensor[]): MaybeTensor[] {
    if (this.released && this.saves) throw new TorchError(freedMessage);
    return this.rule.backward(this, grads);
  }

  override _release(): void {
    if (this.released) return;
    this.released = true;
    this.saved = [];
  }
}
