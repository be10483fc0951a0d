/**
 * Inputs continued beyond their edges.
 */
import { ValueError } from "../base/errors.ts";
import { pad } from "../ops/pad.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Configured, ConstructorSignature } from "./arguments.ts";

/** How far on each side, of the last dimension first: one number for all, or a pair for each dimension. */
export type Padding = number | readonly number[];

type PadMode = "constant" | "reflect" | "replicate" | "circular";

/** @internal Continues the input of a convolution that does not pad with zeros. */
export function padForConvolution(
  input: Tensor,
  padding: readonly number[] | "same" | "valid",
  kernel: readonly number[],
  dilation: readonly number[],
  mode: string,
): Tensor {
  // Of the last dimension first.
  const sides: number[] = [];
  for (let d = kernel.length - 1; d >= 0; d--) {
    if (padding === "valid") sides.push(0, 0);
    else if (padding === "same") {
      const total = (dilation[d] as number) * ((kernel[d] as number) - 1);
      const left = Math.floor(total / 2);
      sides.push(left, total - left);
    } else sides.push(padding[d] as number, padding[d] as number);
  }
  return pad(input, sides, mode as PadMode);
}

abstract class AnyPad extends Configured {
  declare readonly padding: readonly number[];

  constructor(signature: ConstructorSignature, args: readonly unknown[], rank: number) {
    super(signature, args);
    const padding: unknown = this.padding;
    if (typeof padding === "number") Reflect.set(this, "padding", new Array<number>(2 * rank).fill(padding));
  }

  override extra_repr(): string {
    return this._text("padding");
  }
}

const signatureOf = (name: string, rest = ""): ConstructorSignature =>
  new ConstructorSignature(`${name}(any padding${rest})`);

/** What the classes below share: how they pad, and over how many dimensions. */
interface PadClass {
  readonly mode: PadMode;
  readonly rank: number;
}

abstract class ModePad extends AnyPad {
  /** @internal */ declare readonly _pad: PadClass;

  constructor(signature: ConstructorSignature, padding: Padding | { padding: Padding }, kind: PadClass) {
    super(signature, [padding], kind.rank);
    Object.defineProperty(this, "_pad", { value: kind });
  }

  override forward(input: Tensor): Tensor {
    const { mode, rank } = this._pad;
    if (mode === "circular" && input.ndim !== rank + 1 && input.ndim !== rank + 2) {
      throw new ValueError(`expected ${rank + 1}D or ${rank + 2}D input (got ${input.ndim}D input)`);
    }
    return pad(input, this.padding, mode);
  }
}

const circular1d = signatureOf("CircularPad1d");

/** Continues sequences as if they were rings. */
export class CircularPad1d extends ModePad {
  constructor(padding: Padding | { padding: Padding }) {
    super(circular1d, padding, { mode: "circular", rank: 1 });
  }
}

const circular2d = signatureOf("CircularPad2d");

/** Continues images as if they repeated. */
export class CircularPad2d extends ModePad {
  constructor(padding: Padding | { padding: Padding }) {
    super(circular2d, padding, { mode: "circular", rank: 2 });
  }
}

const circular3d = signatureOf("CircularPad3d");

/** Continues volumes as if they repeated. */
export class CircularPad3d extends ModePad {
  constructor(padding: Padding | { padding: Padding }) {
    super(circular3d, padding, { mode: "circular", rank: 3 });
  }
}

const reflection1d = signatureOf("ReflectionPad1d");

/** Mirrors sequences at their ends. */
export class ReflectionPad1d extends ModePad {
  constructor(padding: Padding | { padding: Padding }) {
    super(reflection1d, padding, { mode: "reflect", rank: 1 });
  }
}

const reflection2d = signatureOf("ReflectionPad2d");

/** Mirrors images at their edges. */
export class ReflectionPad2d extends ModePad {
  constructor(padding: Padding | { padding: Padding }) {
    super(reflection2d, padding, { mode: "reflect", rank: 2 });
  }
}

const reflection3d = signatureOf("ReflectionPad3d");

/** Mirrors volumes at their faces. */
export class ReflectionPad3d extends ModePad {
  constructor(padding: Padding | { padding: Padding }) {
    super(reflection3d, padding, { mode: "reflect", rank: 3 });
  }
}

const replication1d = signatureOf("ReplicationPad1d");

/** Repeats the first and the last element of sequences. */
export class ReplicationPad1d extends ModePad {
  constructor(padding: Padding | { padding: Padding }) {
    super(replication1d, padding, { mode: "replicate", rank: 1 });
  }
}

const replication2d = signatureOf("ReplicationPad2d");

/** Repeats the edges of images. */
export class ReplicationPad2d extends ModePad {
  constructor(padding: Padding | { padding: Padding }) {
    super(replication2d, padding, { mode: "replicate", rank: 2 });
  }
}

const replication3d = signatureOf("ReplicationPad3d");

/** Repeats the faces of volumes. */
export class ReplicationPad3d extends ModePad {
  constructor(padding: Padding | { padding: Padding }) {
    super(replication3d, padding, { mode: "replicate", rank: 3 });
  }
}

/** Padding with one value. */
abstract class ValuePad extends AnyPad {
  declare readonly value: number;

  override forward(input: Tensor): Tensor {
    return pad(input, this.padding, "constant", this.value);
  }

  override extra_repr(): string {
    return this._list("padding", "value");
  }
}

const constant1d = signatureOf("ConstantPad1d", ", Scalar value");

/** Continues sequences with a number. */
export class ConstantPad1d extends ValuePad {
  constructor(padding: Padding, value: number) {
    super(constant1d, [padding, value], 1);
  }
}

const constant2d = signatureOf("ConstantPad2d", ", Scalar value");

/** Continues images with a number. */
export class ConstantPad2d extends ValuePad {
  constructor(padding: Padding, value: number) {
    super(constant2d, [padding, value], 2);
  }
}

const constant3d = signatureOf("ConstantPad3d", ", Scalar value");

/** Continues volumes with a number. */
export class ConstantPad3d extends ValuePad {
  constructor(padding: Padding, value: number) {
    super(constant3d, [padding, value], 3);
  }
}

/** Padding with zeros. */
abstract class ZeroPad extends AnyPad {
  override forward(input: Tensor): Tensor {
    return pad(input, this.padding, "constant", 0);
  }
}

const zero1d = signatureOf("ZeroPad1d");

/** Continues sequences with zeros. */
export class ZeroPad1d extends ZeroPad {
  constructor(padding: Padding | { padding: Padding }) {
    super(zero1d, [padding], 1);
  }
}

const zero2d = signatureOf("ZeroPad2d");

/** Continues images with zeros. */
export class ZeroPad2d extends ZeroPad {
  constructor(padding: Padding | { padding: Padding }) {
    super(zero2d, [padding], 2);
  }
}

const zero3d = signatureOf("ZeroPad3d");

/** Continues volumes with zeros. */
export class ZeroPad3d extends ZeroPad {
  constructor(padding: Padding | { padding: Padding }) {
    super(zero3d, [padding], 3);
  }
}
