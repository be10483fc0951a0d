/**
 * Maxima of windows at random places.
 */
import { ValueError } from "../base/errors.ts";
import { fractional_max_pool2d, fractional_max_pool3d } from "../ops/fractional-pool.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Configured, ConstructorSignature } from "./arguments.ts";
import type { Size } from "./conv.ts";

/** Options of the fractional max pools: either `output_size` or `output_ratio`. */
export interface FractionalMaxPoolModuleOptions {
  output_size?: Size | null;
  /** The size of the result as a part of that of the input. */
  output_ratio?: number | readonly number[] | null;
  /** Whether the positions of the maxima come too, as `[output, indices]`. Default: false. */
  return_indices?: boolean;
  /** What decides where windows begin, instead of new random numbers. */
  _random_samples?: Tensor | null;
}

type FractionalArgs = [kernel_size: Size, options?: FractionalMaxPoolModuleOptions];

const signatureOf = (name: string): ConstructorSignature =>
  new ConstructorSignature(
    `${name}(any kernel_size, any? output_size=None, any? output_ratio=None, bool return_indices=False, Tensor? _random_samples=None)`,
  );

abstract class AnyFractionalMaxPool extends Configured {
  declare readonly kernel_size: Size;
  declare readonly output_size: Size | null;
  declare readonly output_ratio: readonly number[] | null;
  declare readonly return_indices: boolean;
  declare _random_samples: Tensor | null;

  constructor(name: string, rank: number, signature: ConstructorSignature, args: FractionalArgs) {
    super(signature, args, ["_random_samples"]);
    this.register_buffer("_random_samples", this._arguments.get<Tensor | null>("_random_samples"));
    const ratio: unknown = this.output_ratio;
    if (typeof ratio === "number") Reflect.set(this, "output_ratio", new Array<number>(rank).fill(ratio));
    if (this.output_size === null && this.output_ratio === null) {
      throw new ValueError(`${name} requires specifying either an output size, or a pooling ratio`);
    }
    if (this.output_size !== null && this.output_ratio !== null) {
      throw new ValueError("only one of output_size and output_ratio may be specified");
    }
    if (this.output_ratio?.some((r) => !(r > 0 && r < 1)) === true) {
      throw new ValueError(`output_ratio must be between 0 and 1 (got ${this._text("output_ratio")})`);
    }
  }
}

const signature2d = signatureOf("FractionalMaxPool2d");

/** Maxima of windows of images at random places. */
export class FractionalMaxPool2d extends AnyFractionalMaxPool {
  constructor(...args: FractionalArgs) {
    super("FractionalMaxPool2d", 2, signature2d, args);
  }

  override forward(input: Tensor): Tensor {
    const { kernel_size, output_size, output_ratio, return_indices, _random_samples } = this;
    return fractional_max_pool2d(input, kernel_size, { output_size, output_ratio, return_indices, _random_samples });
  }
}

const signature3d = signatureOf("FractionalMaxPool3d");

/** Maxima of windows of volumes at random places. */
export class FractionalMaxPool3d extends AnyFractionalMaxPool {
  constructor(...args: FractionalArgs) {
    super("FractionalMaxPool3d", 3, signature3d, args);
  }

  override forward(input: Tensor): Tensor {
    const { kernel_size, output_size, output_ratio, return_indices, _random_samples } = this;
    return fractional_max_pool3d(input, kernel_size, { output_size, output_ratio, return_indices, _random_samples });
  }
}
