/**
 * Backward hooks of modules: identities around inputs and outputs, whose nodes see the gradients.
 */
import { apply, primitive } from "../dispatch/primitive.ts";
import { TorchError } from "../base/errors.ts";
import { markView, requiresGrad } from "../autograd/views.ts";
import { modes } from "../autograd/modes.ts";
import { alias, Tensor } from "../tensor/tensor.ts";
import { type HookHandle, insert } from "./hooks.ts";
import type { Module } from "./module.ts";

type Grads = (Tensor | null)[];

/** Sees the gradients of inputs and outputs; what it returns, if anything, replaces those of the inputs. */
export type FullBackwardHook = (
  module: Module,
  grad_input: Grads,
  grad_output: Grads,
) => Grads | Tensor | readonly (Tensor | null)[] | null | undefined | void;
/** Sees the gradients of the outputs; what it returns, if anything, replaces them. */
export type FullBackwardPreHook = (
  module: Module,
  grad_output: Grads,
) => Grads | Tensor | readonly (Tensor | null)[] | null | undefined | void;

type Watch = (grads: Grads) => Grads;

const identity = primitive<Watch>({
  name: "backward_hook",
  gradName: "BackwardHookFunctionBackward",
  forward: (inputs) => inputs.map((t) => alias(t, t.shape, t._strides, t._offset)),
  joint: { uses: () => [], vjp: (grads, ctx) => ctx.params([...grads]) },
});

/** What a hook returned as a list; a tensor is taken for the list of its parts, as in PyTorch. */
const asList = (result: Tensor | readonly (Tensor | null)[]): Grads =>
  result instanceof Tensor ? ([...result.unbind(0)] as Tensor[]) : [...result];

/** Passes the tensors among `values` that require grad through an identity; the others stay. */
function through(values: readonly unknown[], watch: Watch): { values: unknown[]; watched: boolean } {
  const at = values.flatMap((v, i) => (v instanceof Tensor ? [i] : []));
  const tensors = at.map((i) => values[i] as Tensor);
  if (!modes.grad || !tensors.some(requiresGrad)) return { values: [...values], watched: false };
  const outs = apply(identity, tensors, watch) as Tensor[];
  // They share memory with what went in, so that changing them in place would go past the hooks.
  outs.forEach((t, i) => markView(tensors[i] as Tensor, t, "custom_function"));
  const next = [...values];
  at.forEach((i, k) => (next[i] = outs[k]));
  return { values: next, watched: true };
}

/** The backward hooks of one module. */
export class BackwardHooks {
  readonly #hooks: { readonly hook: FullBackwardHook }[] = [];
  readonly #pre: { readonly hook: FullBackwardPreHook }[] = [];

  add(hook: FullBackwardHook, prepend: boolean): HookHandle {
    return insert(this.#hooks, { hook }, prepend);
  }

  addPre(hook: FullBackwardPreHook, prepend: boolean): HookHandle {
    return insert(this.#pre, { hook }, prepend);
  }

  /** Runs `forward` with identities around it. */
  around(module: Module, args: unknown[], forward: (args: unknown[]) => unknown): unknown {
    let gradOutput: Grads | null = null;
    const input = through(args, (grads) => {
      if (gradOutput === null) {
        throw new TorchError(
          "Module backward hook for grad_input is called before the grad_output one. This happens because the gradient in your nn.Module flows to the Module's input without passing through the Module's output. Make sure that the output depends on the input and that the loss is computed based on the output.",
        );
      }
      const seen = gradOutput;
      gradOutput = null;
      return this.#run(module, grads, seen);
    });
    const result = forward(input.values);
    const list = Array.isArray(result) ? (result as unknown[]) : [result];
    const output = through(list, (grads) => {
      let current = grads;
      for (const { hook } of [...this.#pre]) {
        const replaced = hook(module, current);
        if (replaced !== undefined && replaced !== null) current = asList(replaced);
      }
      gradOutput = current;
      // No input wants a gradient: the hooks are called here, and their result is ignored.
      if (!input.watched) {
        this.#run(
          module,
          args.filter((a) => a instanceof Tensor).map(() => null),
          current,
        );
      }
      return current;
    });
    return Array.isArray(result) ? output.values : output.values[0];
  }

  #run(module: Module, gradInput: Grads, gradOutput: Grads): Grads {
    let current = gradInput;
    for (const { hook } of [...this.#hooks]) {
      const replaced = hook(module, current, gradOutput);
      if (replaced === undefined || replaced === null) continue;
      const next = asList(replaced);
      if (next.length !== current.length) {
        throw new TorchError(
          `Backward hook returned an invalid number of grad_input, got ${next.length}, but expected ${current.length}`,
        );
      }
      current = next;
    }
    return current;
  }
}
