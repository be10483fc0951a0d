/**
 * Layers of transformers.
 */
import { ArgumentTypeError, TorchError } from "../base/errors.ts";
import { Signature } from "../dispatch/signature.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Args, type Arguments, Configured, ConstructorSignature, type FactoryOptions } from "./arguments.ts";
import { MultiheadAttention } from "./attention.ts";
import { Dropout } from "./dropout.ts";
import { gelu, relu } from "./functional-activation.ts";
import { LayerNorm } from "./layer-norm.ts";
import { Linear } from "./linear.ts";

/** An activation by name, or as a function. */
export type Activation = "relu" | "gelu" | ((x: Tensor) => Tensor);

/** Options of the layers. */
export interface TransformerLayerOptions extends FactoryOptions {
  /** The width between the two linear maps. Default: 2048. */
  dim_feedforward?: number;
  /** Default: 0.1. */
  dropout?: number;
  activation?: Activation;
  layer_norm_eps?: number;
  /** Whether inputs are (batch, time, features). Default: false. */
  batch_first?: boolean;
  /** Whether normalisation comes before attention rather than after it. Default: false. */
  norm_first?: boolean;
  bias?: boolean;
}

/** The activation that an argument names. */
export function activationOf(given: unknown): (x: Tensor) => Tensor {
  if (typeof given === "function") return given as (x: Tensor) => Tensor;
  if (given === "relu") return (x) => relu(x);
  if (given === "gelu") return (x) => gelu(x);
  throw new TorchError(`activation should be relu/gelu, not ${String(given)}`);
}

const options =
  "int d_model, int nhead, int dim_feedforward=2048, Scalar dropout=0.1, any activation='relu', Scalar layer_norm_eps=1e-05, bool batch_first=False, bool norm_first=False, bool bias=True, str? device=None, dtype? dtype=None";

type LayerArgs = Args<
  [d_model: number, nhead: number],
  [dim_feedforward?: number, dropout?: number, activation?: Activation],
  TransformerLayerOptions
>;

const omitted = [
  "d_model",
  "nhead",
  "dim_feedforward",
  "dropout",
  "activation",
  "layer_norm_eps",
  "batch_first",
  "bias",
];

/** What both kinds of layers are made of. */
abstract class TransformerLayer extends Configured {
  declare readonly norm_first: boolean;
  /** @internal */ declare readonly activation: (x: Tensor) => Tensor;

  constructor(signature: ConstructorSignature, args: readonly unknown[]) {
    super(signature, args, omitted);
    const activation = activationOf(this._arguments.get("activation"));
    Object.defineProperty(this, "activation", { value: activation, writable: true });
  }

  /** @internal */
  protected attention(): MultiheadAttention {
    const a = this._arguments;
    return new MultiheadAttention(a.get<number>("d_model"), a.get<number>("nhead"), {
      dropout: a.get("dropout"),
      batch_first: a.get("batch_first"),
      bias: a.get("bias"),
      ...this.factory,
    });
  }

  /** @internal */
  protected get factory(): FactoryOptions {
    const a: Arguments = this._arguments;
    return { device: a.get("device"), dtype: a.get("dtype") };
  }

  /** @internal */
  protected linear(ins: "d_model" | "dim_feedforward", outs: "d_model" | "dim_feedforward"): Linear {
    const a = this._arguments;
    return new Linear(a.get<number>(ins), a.get<number>(outs), { bias: a.get("bias"), ...this.factory });
  }

  /** @internal */
  protected norm(): LayerNorm {
    const a = this._arguments;
    const eps = a.written("layer_norm_eps") as number;
    return new LayerNorm(a.get<number>("d_model"), { eps, bias: a.get("bias"), ...this.factory });
  }

  /** @internal */
  protected drop(): Dropout {
    return new Dropout({ p: this._arguments.written("dropout") as number });
  }
}

const encoderSignature = new ConstructorSignature(`TransformerEncoderLayer(${options})`);
const encoderForward = new Signature(
  "forward(Tensor src, Tensor? src_mask=None, Tensor? src_key_padding_mask=None, bool is_causal=False)",
);

/** What an encoder takes beside the source. */
export interface EncoderInputs {
  src_mask?: Tensor | null;
  src_key_padding_mask?: Tensor | null;
  is_causal?: boolean;
}

/** Attention of a sequence to itself, and two linear maps. */
export class TransformerEncoderLayer extends TransformerLayer {
  self_attn: MultiheadAttention;
  linear1: Linear;
  dropout: Dropout;
  linear2: Linear;
  norm1: LayerNorm;
  norm2: LayerNorm;
  dropout1: Dropout;
  dropout2: Dropout;

  constructor(...args: LayerArgs) {
    super(encoderSignature, args);
    this.self_attn = this.attention();
    this.linear1 = this.linear("d_model", "dim_feedforward");
    this.dropout = this.drop();
    this.linear2 = this.linear("dim_feedforward", "d_model");
    this.norm1 = this.norm();
    this.norm2 = this.norm();
    this.dropout1 = this.drop();
    this.dropout2 = this.drop();
  }

  override forward(
    src: Tensor,
    ...rest: Args<[], [src_mask?: Tensor | null, src_key_padding_mask?: Tensor | null], EncoderInputs>
  ): Tensor {
    const bound = encoderForward.bind([src, ...rest], {});
    const [mask, padding, causal] = bound.slice(1) as [Tensor | null, Tensor | null, boolean];
    const attend = (x: Tensor): Tensor => {
      const inputs = { attn_mask: mask, key_padding_mask: padding, need_weights: false, is_causal: causal };
      return this.dropout1(this.self_attn(x, x, x, inputs)[0]);
    };
    const feed = (x: Tensor): Tensor => this.dropout2(this.linear2(this.dropout(this.activation(this.linear1(x)))));
    if (this.norm_first) {
      const x = src.add(attend(this.norm1(src)));
      return x.add(feed(this.norm2(x)));
    }
    const x = this.norm1(src.add(attend(src)));
    return this.norm2(x.add(feed(x)));
  }
}

const decoderSignature = new ConstructorSignature(`TransformerDecoderLayer(${options})`);
const decoderForward = new Signature(
  "forward(Tensor tgt, Tensor memory, Tensor? tgt_mask=None, Tensor? memory_mask=None, Tensor? tgt_key_padding_mask=None, Tensor? memory_key_padding_mask=None, bool tgt_is_causal=False, bool memory_is_causal=False)",
);

/** What a decoder takes beside target and memory. */
export interface DecoderInputs {
  tgt_mask?: Tensor | null;
  memory_mask?: Tensor | null;
  tgt_key_padding_mask?: Tensor | null;
  memory_key_padding_mask?: Tensor | null;
  tgt_is_causal?: boolean;
  memory_is_causal?: boolean;
}

/** Attention of a sequence to itself and to the output of an encoder, and two linear maps. */
export class TransformerDecoderLayer extends TransformerLayer {
  self_attn: MultiheadAttention;
  multihead_attn: MultiheadAttention;
  linear1: Linear;
  dropout: Dropout;
  linear2: Linear;
  norm1: LayerNorm;
  norm2: LayerNorm;
  norm3: LayerNorm;
  dropout1: Dropout;
  dropout2: Dropout;
  dropout3: Dropout;

  constructor(...args: LayerArgs) {
    super(decoderSignature, args);
    this.self_attn = this.attention();
    this.multihead_attn = this.attention();
    this.linear1 = this.linear("d_model", "dim_feedforward");
    this.dropout = this.drop();
    this.linear2 = this.linear("dim_feedforward", "d_model");
    this.norm1 = this.norm();
    this.norm2 = this.norm();
    this.norm3 = this.norm();
    this.dropout1 = this.drop();
    this.dropout2 = this.drop();
    this.dropout3 = this.drop();
  }

  override forward(
    tgt: Tensor,
    memory: Tensor,
    ...rest: Args<[], [tgt_mask?: Tensor | null, memory_mask?: Tensor | null], DecoderInputs>
  ): Tensor {
    if (rest.some((x) => Array.isArray(x))) throw new ArgumentTypeError("forward(): masks must be tensors");
    const bound = decoderForward.bind([tgt, memory, ...rest], {}).slice(2);
    const [mask, memoryMask, padding, memoryPadding] = bound as (Tensor | null)[];
    const [causal, memoryCausal] = bound.slice(4) as [boolean, boolean];
    const attend = (x: Tensor): Tensor => {
      const inputs = {
        attn_mask: mask ?? null,
        key_padding_mask: padding ?? null,
        need_weights: false,
        is_causal: causal,
      };
      return this.dropout1(this.self_attn(x, x, x, inputs)[0]);
    };
    const remember = (x: Tensor): Tensor => {
      const inputs = {
        attn_mask: memoryMask ?? null,
        key_padding_mask: memoryPadding ?? null,
        need_weights: false,
        is_causal: memoryCausal,
      };
      return this.dropout2(this.multihead_attn(x, memory, memory, inputs)[0]);
    };
    const feed = (x: Tensor): Tensor => this.dropout3(this.linear2(this.dropout(this.activation(this.linear1(x)))));
    let x = tgt;
    if (this.norm_first) {
      x = x.add(attend(this.norm1(x)));
      x = x.add(remember(this.norm2(x)));
      return x.add(feed(this.norm3(x)));
    }
    x = this.norm1(x.add(attend(x)));
    x = this.norm2(x.add(remember(x)));
    return this.norm3(x.add(feed(x)));
  }
}
