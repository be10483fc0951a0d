/**
 * Dropout modules: they do something in training only.
 */
import { ValueError } from "../base/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Args, Configured, ConstructorSignature } from "./arguments.ts";
import * as F from "./functional-dropout.ts";

/** Options of the dropout modules. */
export interface DropoutModuleOptions {
  /** The probability with which an element, or a channel, becomes zero. Default: 0.5. */
  p?: number;
  /** Whether the input itself is changed. Default: false. */
  inplace?: boolean;
}

type DropoutArgs = Args<[], [p?: number, inplace?: boolean], DropoutModuleOptions>;

abstract class AnyDropout extends Configured {
  declare p: number;
  declare inplace: boolean;

  constructor(signature: ConstructorSignature, args: DropoutArgs) {
    super(signature, args);
    if (this.p < 0 || this.p > 1) {
      throw new ValueError(`dropout probability has to be between 0 and 1, but got ${this._text("p")}`);
    }
  }

  override extra_repr(): string {
    return this._list("p", "inplace");
  }
}

const signatureOf = (name: string): ConstructorSignature =>
  new ConstructorSignature(`${name}(Scalar p=0.5, bool inplace=False)`);

const dropoutSignature = signatureOf("Dropout");

/** Zeroes each element with probability `p`, and divides the others by `1 - p`. */
export class Dropout extends AnyDropout {
  constructor(...args: DropoutArgs) {
    super(dropoutSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return F.dropout(input, this.p, this.training, this.inplace);
  }
}

const dropout1dSignature = signatureOf("Dropout1d");

/** Dropout of whole channels of sequences. */
export class Dropout1d extends AnyDropout {
  constructor(...args: DropoutArgs) {
    super(dropout1dSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return F.dropout1d(input, this.p, this.training, this.inplace);
  }
}

const dropout2dSignature = signatureOf("Dropout2d");

/** Dropout of whole channels of images. */
export class Dropout2d extends AnyDropout {
  constructor(...args: DropoutArgs) {
    super(dropout2dSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return F.dropout2d(input, this.p, this.training, this.inplace);
  }
}

const dropout3dSignature = signatureOf("Dropout3d");

/** Dropout of whole channels of volumes. */
export class Dropout3d extends AnyDropout {
  constructor(...args: DropoutArgs) {
    super(dropout3dSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return F.dropout3d(input, this.p, this.training, this.inplace);
  }
}

const alphaSignature = signatureOf("AlphaDropout");

/** Dropout that keeps mean and variance, for networks of SELU units. */
export class AlphaDropout extends AnyDropout {
  constructor(...args: DropoutArgs) {
    super(alphaSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return F.alpha_dropout(input, this.p, this.training);
  }
}

const featureAlphaSignature = signatureOf("FeatureAlphaDropout");

/** {@link AlphaDropout} of whole channels. */
export class FeatureAlphaDropout extends AnyDropout {
  constructor(...args: DropoutArgs) {
    super(featureAlphaSignature, args);
  }

  override forward(input: Tensor): Tensor {
    return F.feature_alpha_dropout(input, this.p, this.training);
  }
}
