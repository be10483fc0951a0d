/**
 * Hooks around the `forward` of modules.
 */
import { TorchError } from "../base/errors.ts";
import { isOptions, pythonTypeOf } from "../dispatch/signature.ts";
import type { Module } from "./module.ts";

/** Keyword arguments: the trailing options object of a call. */
export type Keywords = Record<string, unknown>;

/** Sees the arguments before `forward`; what it returns, if anything, replaces them. */
export type ForwardPreHook = (module: Module, args: unknown[]) => unknown;
/** As {@link ForwardPreHook}, with the options apart; what it returns is `[args, options]`. */
export type ForwardPreHookWithKeywords = (module: Module, args: unknown[], keywords: Keywords) => unknown;
/** Sees arguments and output after `forward`; what it returns, if anything, replaces the output. */
export type ForwardHook = (module: Module, args: unknown[], output: unknown) => unknown;
/** As {@link ForwardHook}, with the options apart. */
export type ForwardHookWithKeywords = (module: Module, args: unknown[], keywords: Keywords, output: unknown) => unknown;

/** How a hook is called. */
export interface HookOptions {
  /** Whether it is called before those there are. Default: false. */
  prepend?: boolean;
  /** Whether it gets the trailing options object of the call apart. Default: false. */
  with_kwargs?: boolean;
  /** Whether it is called also where `forward` threw. Default: false. */
  always_call?: boolean;
}

/** Arguments, and the options after them. */
function parted(args: readonly unknown[]): [unknown[], Keywords] {
  const last = args.at(-1);
  return isOptions(last) ? [args.slice(0, -1), last] : [[...args], {}];
}

const joined = (args: readonly unknown[], keywords: Keywords): unknown[] =>
  Object.keys(keywords).length === 0 ? [...args] : [...args, keywords];

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

interface Pre {
  readonly hook: ForwardPreHook | ForwardPreHookWithKeywords;
  readonly keywords: boolean;
}

interface Post {
  readonly hook: ForwardHook | ForwardHookWithKeywords;
  readonly always: boolean;
  readonly keywords: boolean;
}

function callPre({ hook, keywords }: Pre, module: Module, args: unknown[]): unknown[] {
  if (!keywords) {
    const result = (hook as ForwardPreHook)(module, args);
    if (result === undefined || result === null) return args;
    return Array.isArray(result) ? (result as unknown[]) : [result];
  }
  const result = (hook as ForwardPreHookWithKeywords)(module, ...parted(args));
  if (result === undefined || result === null) return args;
  if (!Array.isArray(result) || result.length !== 2) {
    throw new TorchError(
      `forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got ${pythonTypeOf(result)}.`,
    );
  }
  return joined(result[0] as unknown[], result[1] as Keywords);
}

function callPost({ hook, keywords }: Post, module: Module, args: unknown[], output: unknown): unknown {
  if (!keywords) return (hook as ForwardHook)(module, args, output);
  return (hook as ForwardHookWithKeywords)(module, ...parted(args), output);
}

/** The hooks of one module. */
export class Hooks {
  readonly #pre: Pre[] = [];
  readonly #post: Post[] = [];

  addPre(hook: Pre["hook"], options: HookOptions): HookHandle {
    return insert(this.#pre, { hook, keywords: options.with_kwargs ?? false }, options.prepend ?? false);
  }

  addPost(hook: Post["hook"], options: HookOptions): HookHandle {
    const post = { hook, always: options.always_call ?? false, keywords: options.with_kwargs ?? false };
    return insert(this.#post, post, options.prepend ?? false);
  }

  around(module: Module, args: unknown[], run: (args: unknown[]) => unknown): unknown {
    let given = args;
    let output: unknown = null;
    const called = new Set<Post>();
    try {
      for (const pre of [...this.#pre]) given = callPre(pre, module, given);
      output = run(given);
      for (const post of [...this.#post]) {
        called.add(post);
        const result = callPost(post, module, given, output);
        if (result !== undefined && result !== null) output = result;
      }
      return output;
    } catch (error) {
      for (const post of this.#post) {
        if (!post.always || called.has(post)) continue;
        try {
          callPost(post, module, given, output);
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
