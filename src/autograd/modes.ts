/**
 * The modes that autograd obeys. They are module state, like PyTorch's thread-local state.
 */

/** @internal Read `modes.grad` directly on hot paths. */
export const modes = {
  /** Whether operations are recorded. */
  grad: true,
  /** The level of forward mode that is open, an object of its own; null for none. */
  dual: null as object | null,
};

/** Whether operations are recorded (`torch.is_grad_enabled`). */
export function is_grad_enabled(): boolean {
  return modes.grad;
}

/** A mode that ends when it is disposed of: `using mode = torch.no_grad();`. */
export interface ModeGuard extends Disposable {
  /** Ends the mode. */
  [Symbol.dispose](): void;
}

function enter(enabled: boolean): ModeGuard {
  const before = modes.grad;
  modes.grad = enabled;
  return {
    [Symbol.dispose]() {
      modes.grad = before;
    },
  };
}

function run<T>(enabled: boolean, body: () => T): T {
  const before = modes.grad;
  modes.grad = enabled;
  try {
    return body();
  } finally {
    modes.grad = before;
  }
}

/**
 * Does not record operations: `torch.no_grad(() => model(x))` for the time of a function, whose result it returns; without
 * an argument it gives a guard for a `using` declaration.
 *
 * @example
 * ```ts
 * const x = torch.ones(2, { requires_grad: true });
 * torch.no_grad(() => x.mul(2)).requires_grad; // false
 * ```
 */
export function no_grad(): ModeGuard;
export function no_grad<T>(body: () => T): T;
export function no_grad<T>(body?: () => T): T | ModeGuard {
  return body === undefined ? enter(false) : run(false, body);
}

/** Records operations, also inside `no_grad`. Forms as of {@link no_grad}. */
export function enable_grad(): ModeGuard;
export function enable_grad<T>(body: () => T): T;
export function enable_grad<T>(body?: () => T): T | ModeGuard {
  return body === undefined ? enter(true) : run(true, body);
}

/**
 * Turns recording on or off: from now on (the returned guard can undo it), or for the time of a function.
 */
export function set_grad_enabled(enabled: boolean): ModeGuard;
export function set_grad_enabled<T>(enabled: boolean, body: () => T): T;
export function set_grad_enabled<T>(enabled: boolean, body?: () => T): T | ModeGuard {
  return body === undefined ? enter(enabled) : run(enabled, body);
}
