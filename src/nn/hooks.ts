/**
 * Hooks around the `forward` of modules.
 */
import type { Module } from "./module.ts";

/** Sees the arguments before `forward`; what it returns, if anything, replaces them. */
export type ForwardPreHook = (module: Module, args: unknown[]) => unknown;
/** Sees arguments and output after `forward`; what it returns, if anything, replaces the output. */
export type ForwardHook = (module: Module, args: unknown[], output: unknown) => unknown;

/** Removes a hook. */
export interface HookHandle {
  remove(): void;
}

/** A list that others may take themselves out of. */
export function insert<T>(list: T[], item: T, prepend: boolean): HookHandle {
  if (prepend) list.unshift(item);
  else list.push(item);
  return {
    remove() {
      const at = list.indexOf(item);
      if (at >= 0) list.splice(at, 1);
    },
  };
}

interface Post {
  readonly hook: ForwardHook;
  readonly always: boolean;
}

/** The hooks of one module. */
export class Hooks {
  readonly #pre: { readonly hook: ForwardPreHook }[] = [];
  readonly #post: Post[] = [];

  addPre(hook: ForwardPreHook, prepend: boolean): HookHandle {
    return insert(this.#pre, { hook }, prepend);
  }

  addPost(hook: ForwardHook, options: { prepend?: boolean; always_call?: boolean }): HookHandle {
    return insert(this.#post, { hook, always: options.always_call ?? false }, options.prepend ?? false);
  }

  around(module: Module, args: unknown[], run: (args: unknown[]) => unknown): unknown {
    let given = args;
    let output: unknown = null;
    const called = new Set<Post>();
    try {
      for (const { hook } of [...this.#pre]) {
        const result = hook(module, given);
        if (result !== undefined && result !== null) given = Array.isArray(result) ? (result as unknown[]) : [result];
      }
      output = run(given);
      for (const post of [...this.#post]) {
        called.add(post);
        const result = post.hook(module, given, output);
        if (result !== undefined && result !== null) output = result;
      }
      return output;
    } catch (error) {
      for (const post of this.#post) {
        if (!post.always || called.has(post)) continue;
        try {
          post.hook(module, given, output);
        } catch (other) {
          console.warn(
            `UserWarning: module forward hook with \`always_call=True\` raised an exception that was silenced as another error was raised in forward: ${String(other)}`,
          );
        }
      }
      throw error;
    }
  }
}
