/**
 * Room on the call stack.
 */

/**
 * Throws the engine's RangeError where fewer than `frames` (small) frames are left of the stack: before something begins that
 * must not end halfway. Programs do catch it, and go on.
 */
export function needStack(frames: number): number {
  return frames === 0 ? 0 : 1 + needStack(frames - 1);
}
