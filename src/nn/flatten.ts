/**
 * Dims merged and split.
 */
import { ArgumentTypeError } from "../base/errors.ts";
import { pythonTypeOf } from "../dispatch/signature.ts";
import { flatten, unflatten } from "../ops/view.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Args, Configured, ConstructorSignature } from "./arguments.ts";

const flattenSignature = new ConstructorSignature("Flatten(int start_dim=1, int end_dim=-1)");

/** Options of {@link Flatten}. */
export interface FlattenOptions {
  start_dim?: number;
  end_dim?: number;
}

/** Merges the dims from `start_dim` to `end_dim` into one; all but the first by default. */
export class Flatten extends Configured {
  declare readonly start_dim: number;
  declare readonly end_dim: number;

  constructor(...args: Args<[], [start_dim?: number, end_dim?: number], FlattenOptions>) {
    super(flattenSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return flatten(input, this.start_dim, this.end_dim);
  }

  override extra_repr(): string {
    return this._list("start_dim", "end_dim");
  }
}

const unflattenSignature = new ConstructorSignature("Unflatten(int dim, any unflattened_size)");

/** Splits a dim into several. */
export class Unflatten extends Configured {
  declare readonly dim: number;
  declare readonly unflattened_size: readonly number[];

  constructor(dim: number, unflattened_size: readonly number[]) {
    super(unflattenSignature, [dim, unflattened_size]);
    if (!Array.isArray(unflattened_size)) {
      throw new ArgumentTypeError(
        `unflattened_size must be tuple of ints, but found type ${pythonTypeOf(unflattened_size)}`,
      );
    }
    unflattened_size.forEach((n: unknown, i) => {
      if (typeof n !== "number" || !Number.isInteger(n)) {
        throw new ArgumentTypeError(
          `unflattened_size must be tuple of ints, but found element of type ${pythonTypeOf(n)} at pos ${i}`,
        );
      }
    });
  }

  override forward(input: Tensor): Tensor {
    return unflatten(input, this.dim, this.unflattened_size);
  }

  override extra_repr(): string {
    return this._list("dim", "unflattened_size");
  }
}
