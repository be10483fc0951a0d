/**
 * The engine: runs the nodes of a graph from roots to leaves, later nodes first, without recursion.
 *
 * Note [Ownership of gradients]
 * A gradient that an operator's node has just computed into new memory belongs to the engine alone: it may be added to in
 * place, and a leaf may keep it as its `.grad` without a copy. It stays the engine's own where a node passes it on to one
 * input (a view of it, as `t` does), but not once it is handed out twice (`add` hands the same tensor to both inputs), or
 * once a hook has seen it.
 * Seeds are the caller's. Memory of gradients that it owns and that nothing uses any more the engine gives back at once.
 */
import { TorchError } from "../base/errors.ts";
import { formatShape, sameShape } from "../base/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { AccumulateGrad, extraOf } from "./accumulate.ts";
import { modes } from "./modes.ts";
import { type MaybeTensor, type Node, type NodeHooks, OpNode, type OutputMeta, type RunState } from "./node.ts";

/** The gradient of one output of a node. */
export interface Edge {
  readonly node: Node;
  readonly nr: number;
}

export interface RunOptions {
  /** Keep what nodes saved, so that the graph can be run again. */
  readonly retainGraph: boolean;
  /** Record the computation of the gradients. */
  readonly createGraph: boolean;
  /** Where gradients are wanted; null: at all leaves, into `.grad`. */
  readonly inputs: readonly Edge[] | null;
  /** With `inputs`: leaves among them accumulate into `.grad`; gradients of the others are returned. */
  readonly accumulate: boolean;
}

/** One run over a graph. Runs may nest: a node's formula may itself call backward. */
class GraphTask {
  readonly options: RunOptions;
  readonly states: RunState[] = [];
  /** A binary heap, largest sequence number first. */
  readonly ready: RunState[] = [];
  readonly captured: MaybeTensor[];
  /** Wanted outputs of a node: number of output to position in `inputs`. */
  readonly captures: Map<Node, { nr: number; at: number }[]> | null;

  constructor(options: RunOptions) {
    this.options = options;
    this.captured = options.inputs === null ? [] : options.inputs.map(() => null);
    if (options.inputs === null) this.captures = null;
    else {
      this.captures = new Map();
      options.inputs.forEach((edge, at) => {
        const list = this.captures?.get(edge.node);
        if (list === undefined) this.captures?.set(edge.node, [{ nr: edge.nr, at }]);
        else list.push({ nr: edge.nr, at });
      });
    }
  }

  state(node: Node): RunState {
    const current = node._run;
    if (current !== null && current.task === this) return current;
    const made: RunState = {
      task: this,
      node,
      dependencies: 0,
      grads: [],
      owned: [],
      needed: this.captures === null,
      outer: current,
    };
    node._run = made;
    this.states.push(made);
    return made;
  }

  /** Finds every node that can be reached, and how many gradients each waits for. */
  discover(roots: readonly Edge[]): void {
    const seen = this.states;
    for (const root of roots) this.state(root.node);
    // `state` appends nodes as they are first met, so this visits each once.
    for (let i = 0; i < seen.length; i++) {
      const { _next: next } = (seen[i] as RunState).node;
      for (let k = 0; k < next.length; k++) {
        const to = next[k];
        if (to != null) this.state(to).dependencies++;
      }
    }
    if (this.captures !== null) this.#prune();
  }

  /** Marks the nodes from which a wanted input can be reached. */
  #prune(): void {
    const waiting = new Map<RunState, RunState[]>();
    const queue: RunState[] = [];
    for (const state of this.states) {
      if (this.captures?.has(state.node) === true) {
        state.needed = true;
        queue.push(state);
      }
      for (const next of state.node._next) {
        if (next === null) continue;
        const to = next._run as RunState;
        const list = waiting.get(to);
        if (list === undefined) waiting.set(to, [state]);
        else list.push(state);
      }
    }
    for (let state = queue.pop(); state !== undefined; state = queue.pop()) {
      for (const from of waiting.get(state) ?? []) {
        if (!from.needed) {
          from.needed = true;
          queue.push(from);
        }
      }
    }
  }

  receive(state: RunState, nr: number, grad: Tensor, owned: boolean): void {
    const before = state.grads[nr] ?? null;
    if (before === null) {
      while (state.grads.length <= nr) {
        state.grads.push(null);
        state.owned.push(false);
      }
      state.grads[nr] = grad;
      state.owned[nr] = owned;
    } else if (state.owned[nr] === true && !modes.grad && before._isContiguous) {
      state.grads[nr] = before.add_(grad);
      if (owned) giveBack(grad);
    } else {
      state.grads[nr] = before.add(grad);
      state.owned[nr] = true;
    }
  }

  push(state: RunState): void {
    const heap = this.ready;
    const key = state.node._sequence;
    let i = heap.push(state) - 1;
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = heap[up] as RunState;
      if (parent.node._sequence >= key) break;
      heap[i] = parent;
      i = up;
    }
    heap[i] = state;
  }

  pop(): RunState | undefined {
    const heap = this.ready;
    const top = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || last === undefined) return top;
    const key = last.node._sequence;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && right.node._sequence > (heap[child] as RunState).node._sequence) child++;
      const c = heap[child] as RunState;
      if (c.node._sequence <= key) break;
      heap[i] = c;
      i = child;
    }
    heap[i] = last;
    return top;
  }

  /** Runs one node and hands its gradients on. */
  step(state: RunState): void {
    const { node, grads, owned } = state;
    state.grads = [];
    state.owned = [];
    if (!state.needed) {
      this.#descend(node, null, noneOwned);
      return;
    }
    while (grads.length < node._outputs.length) grads.push(null);
    let shared = false;
    if (this.captures !== null) {
      const runs = this.#runs(node);
      // A node that also runs is captured before its hooks, one that does not after them, as in PyTorch.
      if (!runs && node._hooks !== null) shared = tensorHooks(node._hooks, grads);
      const captures = this.captures.get(node);
      if (captures !== undefined && !(this.options.accumulate && node instanceof AccumulateGrad)) {
        shared = true;
        for (const { nr, at } of captures) this.captured[at] = grads[nr] ?? null;
      }
      if (!runs) {
        if (node._hooks !== null) retainGrads(node._hooks, grads);
        this.#descend(node, null, noneOwned);
        return;
      }
    }
    if (node._hooks !== null) {
      if (tensorHooks(node._hooks, grads)) shared = true;
      for (const hook of [...node._hooks.pre]) {
        shared = true;
        const replaced = hook(grads);
        if (replaced !== undefined) for (let k = 0; k < grads.length; k++) grads[k] = replaced[k] ?? null;
      }
      if (retainGrads(node._hooks, grads)) shared = true;
    }
    if (node instanceof AccumulateGrad) node._mayKeep = !shared && owned[0] === true;
    const isLeaf = node instanceof AccumulateGrad;
    const out = node._apply(grads);
    if (out.length < node._next.length) {
      throw new TorchError(
        `${node.name()} returned an invalid number of gradients - expected ${node._next.length}, but got ${out.length}`,
      );
    }
    let results = out;
    if (node._hooks !== null) {
      for (const hook of [...node._hooks.post]) {
        const replaced = hook(results, grads);
        if (replaced !== undefined) results = [...replaced];
        shared = true;
      }
    }
    const own = shared ? noneOwned : ownOf(node, results, grads, owned);
    if (!this.options.retainGraph) node._release();
    if (!isLeaf) this.#descend(node, results, own);
    if (!shared && !this.options.createGraph) {
      for (let k = 0; k < grads.length; k++) {
        const g = grads[k] ?? null;
        if (g !== null && owned[k] === true && !isHeld(g, k, grads, results, node)) giveBack(g);
      }
    }
  }

  /** With given inputs a node need run only if some wanted input lies behind it, or if it is one to accumulate into. */
  #runs(node: Node): boolean {
    if (node instanceof AccumulateGrad) return this.options.accumulate;
    for (const next of node._next) if (next !== null && (next._run as RunState).needed) return true;
    return false;
  }

  #descend(node: Node, results: readonly MaybeTensor[] | null, own: readonly boolean[]): void {
    const next = node._next;
    for (let i = 0; i < next.length; i++) {
      const to = next[i];
      if (to == null) continue;
      const state = to._run as RunState;
      const result = results === null ? null : (results[i] ?? null);
      if (result !== null && state.needed) {
        const nr = node._nextNr[i] as number;
        const grad = validate(node, i, result, to._outputs[nr]);
        const fits = grad === result;
        this.receive(state, nr, grad, fits ? own[i] === true : grad._storage !== result._storage);
        if (!fits && own[i] === true && grad._storage !== result._storage && !this.options.createGraph)
          giveBack(result);
      }
      if (--state.dependencies === 0) this.push(state);
    }
  }

  /** Gives the nodes back to the run this one is nested in. */
  finish(): void {
    for (const state of this.states) state.node._run = state.outer;
  }
}

/** Whether a gradient that came in lives on: in a result, in another gradient, or as the `.grad` of a leaf. */
function isHeld(
  grad: Tensor,
  at: number,
  grads: readonly MaybeTensor[],
  results: readonly MaybeTensor[],
  node: Node,
): boolean {
  const storage = grad._storage;
  for (let i = 0; i < results.length; i++) if (results[i]?._storage === storage) return true;
  for (let i = 0; i < grads.length; i++) if (i !== at && grads[i]?._storage === storage) return true;
  return node instanceof AccumulateGrad ? node.variable._extra?.grad?._storage === storage : !(node instanceof OpNode);
}

/** Memory below this size is not worth giving back early: small tensors share blocks. */
const worthGivingBack = 8192;

/** Gives memory back that the engine alone holds, for the next gradients to use while it is still in the cache. */
function giveBack(t: Tensor): void {
  const storage = t._storage;
  if (storage.nbytes >= worthGivingBack) storage.backend.free(storage);
}

/** Tensor hooks, each of which may replace the gradient; true if any saw one. */
function tensorHooks(hooks: NodeHooks, grads: MaybeTensor[]): boolean {
  let saw = false;
  for (const { nr, hook } of [...hooks.tensor]) {
    const grad = grads[nr] ?? null;
    if (grad === null) continue;
    saw = true;
    const replaced = hook(grad);
    if (replaced !== undefined && replaced !== null) grads[nr] = checkHookResult(hook.name, grad, replaced as Tensor);
  }
  return saw;
}

/** Fills `.grad` of tensors that retain it; true if any did. */
function retainGrads(hooks: NodeHooks, grads: MaybeTensor[]): boolean {
  let saw = false;
  for (const [nr, ref] of hooks.retain) {
    const t = ref.deref();
    const grad = grads[nr] ?? null;
    if (t === undefined || grad === null) continue;
    saw = true;
    addToGrad(t, grad);
  }
  return saw;
}

const noneOwned: readonly boolean[] = [];

/** Which results of a node are the engine's own. */
function ownOf(
  node: Node,
  results: readonly MaybeTensor[],
  incoming: readonly MaybeTensor[],
  owned: readonly boolean[],
): boolean[] {
  const own: boolean[] = [];
  for (let i = 0; i < results.length; i++) {
    const g = results[i] ?? null;
    own.push(g !== null && isOwn(node, g, i, results, incoming, owned));
  }
  return own;
}

/**
 * Whether the memory of a node's result is the engine's own: neither another result's nor saved, and either new or that of a
 * gradient that came in and was the engine's own.
 */
function isOwn(
  node: Node,
  grad: Tensor,
  at: number,
  results: readonly MaybeTensor[],
  incoming: readonly MaybeTensor[],
  owned: readonly boolean[],
): boolean {
  const storage = grad._storage;
  if (!node._gives(storage)) return false;
  for (let i = 0; i < incoming.length; i++) {
    if (incoming[i]?._storage === storage && owned[i] !== true) return false;
  }
  for (let i = 0; i < results.length; i++) if (i !== at && results[i]?._storage === storage) return false;
  return true;
}

/** @internal Adds a gradient to the `.grad` of a tensor that is not a leaf. */
export function addToGrad(t: Tensor, grad: Tensor): void {
  const extra = extraOf(t);
  extra.grad = extra.grad === null ? (modes.grad ? grad : grad.clone()) : extra.grad.add(grad);
}

function checkHookResult(name: string, before: Tensor, after: Tensor): Tensor {
  if (!sameShape(before.shape, after.shape)) {
    throw new TorchError(`hook '${name}' has changed the size of value`);
  }
  if (before.dtype !== after.dtype) {
    throw new TorchError(
      `hook '${name}' has changed the type of value (was torch.${before.dtype.scalarName}Tensor got torch.${after.dtype.scalarName}Tensor)`,
    );
  }
  return after;
}

/** Brings a gradient to the shape and dtype of the value it belongs to: sums over broadcast dimensions, casts. */
function validate(node: Node, index: number, grad: Tensor, meta: OutputMeta | undefined): Tensor {
  if (meta === undefined) return grad;
  let out = grad;
  if (!sameShape(out.shape, meta.shape)) {
    if (!expandable(meta.shape, out.shape)) {
      throw new TorchError(
        `Function ${node.name()} returned an invalid gradient at index ${index} - got ${formatShape(out.shape)} but expected shape compatible with ${formatShape(meta.shape)}`,
      );
    }
    out = out.sum_to_size(meta.shape);
  }
  if (out.dtype !== meta.dtype) {
    if (out.dtype.is_complex && !meta.dtype.is_complex) out = out.real;
    out = out.to(meta.dtype);
  }
  return out;
}

function expandable(from: readonly number[], to: readonly number[]): boolean {
  if (from.length > to.length) return false;
  for (let i = 1; i <= from.length; i++) {
    const n = from[from.length - i];
    if (n !== 1 && n !== to[to.length - i]) return false;
  }
  return true;
}

/**
 * Runs the graph from `roots` with the gradients `seeds`. Returns the gradients at `options.inputs`, if given.
 */
export function runBackward(roots: readonly Edge[], seeds: readonly MaybeTensor[], options: RunOptions): MaybeTensor[] {
  const task = new GraphTask(options);
  const before = modes.grad;
  modes.grad = options.createGraph;
  try {
    task.discover(roots);
    roots.forEach((root, i) => {
      const seed = seeds[i] ?? null;
      const state = task.state(root.node);
      if (seed !== null) task.receive(state, root.nr, validate(root.node, i, seed, root.node._outputs[root.nr]), false);
    });
    const started = new Set<RunState>();
    for (const root of roots) {
      const state = task.state(root.node);
      if (state.dependencies === 0 && !started.has(state)) {
        started.add(state);
        task.push(state);
      }
    }
    for (let state = task.pop(); state !== undefined; state = task.pop()) task.step(state);
  } finally {
    modes.grad = before;
    task.finish();
  }
  return task.captured;
}
