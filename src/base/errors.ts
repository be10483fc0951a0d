/**
 * The errors Flambeau throws. Each carries the name of the Python exception that PyTorch raises in the same place, so that
 * a caller can tell them apart and a Python front end can raise the very class.
 */

/** The base of all of Flambeau's errors; thrown as such where PyTorch raises `RuntimeError`. */
export class TorchError extends Error {
  override name = "RuntimeError";
}

/** An index or dimension outside its range: Python's `IndexError`. */
export class IndexError extends TorchError {
  override name = "IndexError";
}

/** An argument of a type that the operation does not take: Python's `TypeError`. */
export class ArgumentTypeError extends TorchError {
  override name = "TypeError";
}

/** An argument of the right type and a wrong value: Python's `ValueError`. */
export class ValueError extends TorchError {
  override name = "ValueError";
}

/** A combination that exists in PyTorch but not (yet) here, or that PyTorch does not implement: `NotImplementedError`. */
export class NotImplementedError extends TorchError {
  override name = "NotImplementedError";
}

/** A missing attribute: Python's `AttributeError`. */
export class AttributeError extends TorchError {
  override name = "AttributeError";
}

/** The device has no room for a request. */
export class OutOfMemoryError extends TorchError {
  override name = "OutOfMemoryError";
}

/** Throws {@link TorchError} with `message` unless `condition` holds (PyTorch's `TORCH_CHECK`). */
export function check(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new TorchError(message());
}
