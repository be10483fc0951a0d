/**
 * Convolutions and transposed convolutions.
 */
import { ValueError } from "../base/errors.ts";
import { stringRepr } from "../base/key-error.ts";
import {
  conv1d,
  conv2d,
  conv3d,
  conv_transpose1d,
  conv_transpose2d,
  conv_transpose3d,
  type Conv as ConvFunction,
  type ConvTranspose as ConvTransposeFunction,
} from "../ops/conv.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Args, Configured, ConstructorSignature, type FactoryOptions } from "./arguments.ts";
import { kaiming_uniform_, uniform_ } from "./init.ts";
import { padForConvolution } from "./padding.ts";
import type { Parameter } from "./parameter.ts";

/** A size for all spatial dimensions, or one for each. */
export type Size = number | readonly number[];

/** How inputs are continued beyond their edges. */
export type PaddingMode = "zeros" | "reflect" | "replicate" | "circular";

/** Options of the convolutions. */
export interface ConvModuleOptions extends FactoryOptions {
  stride?: Size;
  /** How far the input is continued on both sides; `"same"`: so that the output is as large as the input. */
  padding?: Size | "same" | "valid";
  dilation?: Size;
  /** Into how many independent groups the channels are divided. Default: 1. */
  groups?: number;
  bias?: boolean;
  padding_mode?: PaddingMode;
}

/** Options of the transposed convolutions. */
export interface ConvTransposeModuleOptions extends FactoryOptions {
  stride?: Size;
  padding?: Size;
  /** By how much the output is larger on one side. */
  output_padding?: Size;
  groups?: number;
  bias?: boolean;
  dilation?: Size;
  padding_mode?: "zeros";
}

const modes = ["zeros", "reflect", "replicate", "circular"];

/** A value for each spatial dimension. */
const repeated = (value: Size, rank: number): number[] =>
  typeof value === "number" ? new Array<number>(rank).fill(value) : [...value];

/** What all convolutions have. */
abstract class AnyConv extends Configured {
  declare readonly in_channels: number;
  declare readonly out_channels: number;
  declare readonly kernel_size: readonly number[];
  declare readonly stride: readonly number[];
  declare readonly padding: readonly number[] | "same" | "valid";
  declare readonly dilation: readonly number[];
  declare readonly output_padding: readonly number[];
  declare readonly groups: number;
  declare readonly padding_mode: PaddingMode;
  declare weight: Parameter;
  declare bias: Parameter | null;

  constructor(signature: ConstructorSignature, args: readonly unknown[], rank: number, transposed: boolean) {
    super(signature, args, ["bias"]);
    const a = this._arguments;
    const set = (name: string, value: unknown): boolean => Reflect.set(this, name, value);
    for (const name of ["kernel_size", "stride", "dilation"]) set(name, repeated(a.get<Size>(name), rank));
    set("output_padding", transposed ? repeated(a.get<Size>("output_padding"), rank) : new Array<number>(rank).fill(0));
    const padding = a.get<Size | string>("padding");
    if (typeof padding !== "string") set("padding", repeated(padding, rank));
    this.#check();
    const { in_channels: ins, out_channels: outs, groups } = this;
    const shape = transposed ? [ins, outs / groups] : [outs, ins / groups];
    this.register_parameter("weight", a.parameter(...shape, ...this.kernel_size));
    this.register_parameter("bias", a.get<boolean>("bias") ? a.parameter(outs) : null);
    this.reset_parameters();
  }

  #check(): void {
    const { groups, padding, padding_mode: mode } = this;
    if (groups <= 0) throw new ValueError("groups must be a positive integer");
    if (this.in_channels % groups !== 0) throw new ValueError("in_channels must be divisible by groups");
    if (this.out_channels % groups !== 0) throw new ValueError("out_channels must be divisible by groups");
    if (typeof padding === "string") {
      if (padding !== "same" && padding !== "valid") {
        throw new ValueError(
          `Invalid padding string ${stringRepr(String(padding))}, should be one of {'same', 'valid'}`,
        );
      }
      if (padding === "same" && this.stride.some((s) => s !== 1)) {
        throw new ValueError("padding='same' is not supported for strided convolutions");
      }
    }
    if (!modes.includes(mode)) {
      throw new ValueError(
        `padding_mode must be one of {'circular', 'reflect', 'replicate', 'zeros'}, but got padding_mode='${String(mode)}'`,
      );
    }
  }

  /** Draws new first values. */
  reset_parameters(): void {
    kaiming_uniform_(this.weight, Math.sqrt(5));
    if (this.bias === null) return;
    const field = this.kernel_size.reduce((a, b) => a * b, 1);
    const fan = (this.weight.shape[1] as number) * field;
    if (fan === 0) return;
    const bound = 1 / Math.sqrt(fan);
    uniform_(this.bias, -bound, bound);
  }

  override extra_repr(): string {
    const parts = [`${this.in_channels}`, `${this.out_channels}`, this._list("kernel_size", "stride")];
    const differs = (value: readonly number[] | string, usual: number): boolean =>
      typeof value === "string" || value.some((n) => n !== usual);
    if (typeof this.padding === "string") parts.push(`padding=${this.padding}`);
    else if (differs(this.padding, 0)) parts.push(this._list("padding"));
    if (differs(this.dilation, 1)) parts.push(this._list("dilation"));
    if (differs(this.output_padding, 0)) parts.push(this._list("output_padding"));
    if (this.groups !== 1) parts.push(this._list("groups"));
    if (this.bias === null) parts.push("bias=False");
    if (this.padding_mode !== "zeros") parts.push(`padding_mode=${this.padding_mode}`);
    return parts.join(", ");
  }
}

// --- convolutions ----------------------------------------------------------------------------------------------------

type ConvArgs = Args<
  [in_channels: number, out_channels: number, kernel_size: Size],
  [stride?: Size, padding?: Size | "same" | "valid", dilation?: Size, groups?: number, bias?: boolean],
  ConvModuleOptions
>;

const convSignature = (name: string): ConstructorSignature =>
  new ConstructorSignature(
    `${name}(int in_channels, int out_channels, any kernel_size, any stride=1, any padding=0, any dilation=1, int groups=1, bool bias=True, str padding_mode='zeros', str? device=None, dtype? dtype=None)`,
  );

abstract class Conv extends AnyConv {
  /** @internal */
  protected convolve(fn: ConvFunction, input: Tensor): Tensor {
    const { weight, bias, stride, padding, dilation, groups } = this;
    if (this.padding_mode === "zeros") return fn(input, weight, bias, stride, padding, dilation, groups);
    const padded = padForConvolution(input, padding, this.kernel_size, dilation, this.padding_mode);
    return fn(padded, weight, bias, stride, 0, dilation, groups);
  }
}

const conv1dSignature = convSignature("Conv1d");

/** Convolves sequences (N, C, L) or (C, L) with learned kernels. */
export class Conv1d extends Conv {
  constructor(...args: ConvArgs) {
    super(conv1dSignature, args, 1, false);
  }

  override forward(input: Tensor): Tensor {
    return this.convolve(conv1d, input);
  }
}

const conv2dSignature = convSignature("Conv2d");

/**
 * Convolves images (N, C, H, W) or (C, H, W) with learned kernels.
 *
 * @example
 * ```ts
 * const conv = new nn.Conv2d(3, 16, 5, { padding: 2 });
 * conv(torch.zeros(1, 3, 32, 32)).shape; // [1, 16, 32, 32]
 * ```
 */
export class Conv2d extends Conv {
  constructor(...args: ConvArgs) {
    super(conv2dSignature, args, 2, false);
  }

  override forward(input: Tensor): Tensor {
    return this.convolve(conv2d, input);
  }
}

const conv3dSignature = convSignature("Conv3d");

/** Convolves volumes (N, C, D, H, W) or (C, D, H, W) with learned kernels. */
export class Conv3d extends Conv {
  constructor(...args: ConvArgs) {
    super(conv3dSignature, args, 3, false);
  }

  override forward(input: Tensor): Tensor {
    return this.convolve(conv3d, input);
  }
}

// --- transposed ------------------------------------------------------------------------------------------------------

type ConvTransposeArgs = Args<
  [in_channels: number, out_channels: number, kernel_size: Size],
  [
    stride?: Size,
    padding?: Size,
    output_padding?: Size,
    groups?: number,
    bias?: boolean,
    dilation?: Size,
    padding_mode?: "zeros",
  ],
  ConvTransposeModuleOptions
>;

const transposeSignature = (name: string): ConstructorSignature =>
  new ConstructorSignature(
    `${name}(int in_channels, int out_channels, any kernel_size, any stride=1, any padding=0, any output_padding=0, int groups=1, bool bias=True, any dilation=1, str padding_mode='zeros', str? device=None, dtype? dtype=None)`,
  );

abstract class ConvTranspose extends AnyConv {
  constructor(signature: ConstructorSignature, args: readonly unknown[], rank: number) {
    super(signature, args, rank, true);
    if (this.padding_mode !== "zeros") {
      throw new ValueError(`Only "zeros" padding mode is supported for ${this._get_name()}`);
    }
  }

  /** @internal */
  protected convolve(fn: ConvTransposeFunction, input: Tensor, size: OutputSize): Tensor {
    const { weight, bias, stride, groups, dilation } = this;
    const padding = this.padding as readonly number[];
    const wanted = Array.isArray(size)
      ? (size as number[])
      : ((size as { output_size?: number[] } | null)?.output_size ?? null);
    const more = wanted === null ? this.output_padding : this.#paddingFor(input, wanted);
    return fn(input, weight, bias, stride, padding, more, groups, dilation);
  }

  /** How much the output must grow to have the wanted size. */
  #paddingFor(input: Tensor, size: readonly number[]): number[] {
    const rank = this.kernel_size.length;
    const leading = input.ndim - rank;
    const wanted = size.length === rank + leading ? size.slice(leading) : size;
    if (wanted.length !== rank) {
      throw new ValueError(
        `ConvTranspose${rank}D: for ${input.ndim}D input, output_size must have ${rank} or ${rank + leading} elements (got ${size.length})`,
      );
    }
    const smallest = this.kernel_size.map((k, d) => {
      const n = ((input.shape[leading + d] as number) - 1) * (this.stride[d] as number);
      return n - 2 * ((this.padding as readonly number[])[d] as number) + (this.dilation[d] as number) * (k - 1) + 1;
    });
    const largest = smallest.map((n, d) => n + (this.stride[d] as number) - 1);
    if (wanted.some((n, d) => n < (smallest[d] as number) || n > (largest[d] as number))) {
      const list = (ns: readonly number[]): string => `[${ns.join(", ")}]`;
      throw new ValueError(
        `requested an output size of ${list(wanted)}, but valid sizes range from ${list(smallest)} to ${list(largest)} (for an input of torch.Size(${list(input.shape.slice(leading))}))`,
      );
    }
    return wanted.map((n, d) => n - (smallest[d] as number));
  }
}

/** The spatial sizes of the output, where several are possible. */
export type OutputSize = readonly number[] | { output_size?: readonly number[] | null } | null;

const transpose1dSignature = transposeSignature("ConvTranspose1d");

/** The transposed convolution of sequences, which makes them longer by the stride. */
export class ConvTranspose1d extends ConvTranspose {
  constructor(...args: ConvTransposeArgs) {
    super(transpose1dSignature, args, 1);
  }

  override forward(input: Tensor, output_size: OutputSize = null): Tensor {
    return this.convolve(conv_transpose1d, input, output_size);
  }
}

const transpose2dSignature = transposeSignature("ConvTranspose2d");

/** The transposed convolution of images, which makes them larger by the stride. */
export class ConvTranspose2d extends ConvTranspose {
  constructor(...args: ConvTransposeArgs) {
    super(transpose2dSignature, args, 2);
  }

  override forward(input: Tensor, output_size: OutputSize = null): Tensor {
    return this.convolve(conv_transpose2d, input, output_size);
  }
}

const transpose3dSignature = transposeSignature("ConvTranspose3d");

/** The transposed convolution of volumes, which makes them larger by the stride. */
export class ConvTranspose3d extends ConvTranspose {
  constructor(...args: ConvTransposeArgs) {
    super(transpose3dSignature, args, 3);
  }

  override forward(input: Tensor, output_size: OutputSize = null): Tensor {
    return this.convolve(conv_transpose3d, input, output_size);
  }
}
