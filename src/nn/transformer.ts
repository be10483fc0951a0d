/**
 * Transformers: encoders, decoders and both together.
 */
import type { DType } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { Signature } from "../dispatch/signature.ts";
import { full } from "../ops/create.ts";
import { triu } from "../ops/triangle.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Args, Configured, ConstructorSignature } from "./arguments.ts";
import { ModuleList } from "./containers.ts";
import { copyModule } from "./copy.ts";
import { xavier_uniform_ } from "./init.ts";
import { LayerNorm } from "./layer-norm.ts";
import { Module } from "./module.ts";
import {
  type DecoderInputs,
  TransformerDecoderLayer,
  TransformerEncoderLayer,
  type TransformerLayerOptions,
} from "./transformer-layers.ts";

/** A normalisation after the last layer, or none. */
type Norm = (Module & ((x: Tensor) => Tensor)) | null;

const copies = <M extends Module>(layer: M, count: number): ModuleList<M> =>
  new ModuleList(Array.from({ length: count }, () => copyModule(layer)));

const encoderForward = new Signature(
  "forward(Tensor src, Tensor? mask=None, Tensor? src_key_padding_mask=None, bool? is_causal=None)",
);

/** What {@link TransformerEncoder} takes beside the source. */
export interface TransformerEncoderInputs {
  mask?: Tensor | null;
  src_key_padding_mask?: Tensor | null;
  is_causal?: boolean | null;
}

/** Copies of an encoder layer, one after the other. */
export class TransformerEncoder extends Module {
  layers: ModuleList<TransformerEncoderLayer>;
  readonly num_layers: number;
  norm: Norm;

  constructor(
    encoder_layer: TransformerEncoderLayer,
    num_layers: number,
    options: Norm | { norm?: Norm; enable_nested_tensor?: boolean; mask_check?: boolean } = null,
  ) {
    super();
    this.layers = copies(encoder_layer, num_layers);
    this.num_layers = num_layers;
    this.norm = options instanceof Module ? (options as Norm) : ((options as { norm?: Norm } | null)?.norm ?? null);
  }

  override forward(
    src: Tensor,
    ...rest: Args<[], [mask?: Tensor | null, src_key_padding_mask?: Tensor | null], TransformerEncoderInputs>
  ): Tensor {
    const [mask, padding, causal] = encoderForward.bind([src, ...rest], {}).slice(1) as [
      Tensor | null,
      Tensor | null,
      boolean | null,
    ];
    let x = src;
    for (const layer of this.layers) {
      x = layer(x, { src_mask: mask, src_key_padding_mask: padding, is_causal: causal === true });
    }
    return this.norm === null ? x : this.norm(x);
  }
}

const decoderForward = new Signature(
  "forward(Tensor tgt, Tensor memory, Tensor? tgt_mask=None, Tensor? memory_mask=None, Tensor? tgt_key_padding_mask=None, Tensor? memory_key_padding_mask=None, bool? tgt_is_causal=None, bool memory_is_causal=False)",
);

/** Copies of a decoder layer, one after the other. */
export class TransformerDecoder extends Module {
  layers: ModuleList<TransformerDecoderLayer>;
  readonly num_layers: number;
  norm: Norm;

  constructor(decoder_layer: TransformerDecoderLayer, num_layers: number, options: Norm | { norm?: Norm } = null) {
    super();
    this.layers = copies(decoder_layer, num_layers);
    this.num_layers = num_layers;
    this.norm = options instanceof Module ? (options as Norm) : ((options as { norm?: Norm } | null)?.norm ?? null);
  }

  override forward(
    tgt: Tensor,
    memory: Tensor,
    ...rest: Args<[], [tgt_mask?: Tensor | null, memory_mask?: Tensor | null], DecoderInputs>
  ): Tensor {
    const bound = decoderForward.bind([tgt, memory, ...rest], {}).slice(2);
    const [tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask] = bound as (Tensor | null)[];
    const inputs = {
      tgt_mask: tgt_mask ?? null,
      memory_mask: memory_mask ?? null,
      tgt_key_padding_mask: tgt_key_padding_mask ?? null,
      memory_key_padding_mask: memory_key_padding_mask ?? null,
      tgt_is_causal: bound[4] === true,
      memory_is_causal: bound[5] as boolean,
    };
    let x = tgt;
    for (const layer of this.layers) x = layer(x, memory, inputs);
    return this.norm === null ? x : this.norm(x);
  }
}

/** Options of {@link Transformer}. */
export interface TransformerOptions extends TransformerLayerOptions {
  d_model?: number;
  nhead?: number;
  num_encoder_layers?: number;
  num_decoder_layers?: number;
  /** Takes the place of the encoder. */
  custom_encoder?: Module | null;
  /** Takes the place of the decoder. */
  custom_decoder?: Module | null;
}

/** What {@link Transformer} takes beside source and target. */
export interface TransformerInputs extends Omit<DecoderInputs, "tgt_is_causal"> {
  src_mask?: Tensor | null;
  src_key_padding_mask?: Tensor | null;
  src_is_causal?: boolean | null;
  tgt_is_causal?: boolean | null;
}

const signature = new ConstructorSignature(
  "Transformer(int d_model=512, int nhead=8, int num_encoder_layers=6, int num_decoder_layers=6, int dim_feedforward=2048, Scalar dropout=0.1, any activation='relu', any custom_encoder=None, any custom_decoder=None, Scalar layer_norm_eps=1e-05, bool batch_first=False, bool norm_first=False, bool bias=True, str? device=None, dtype? dtype=None)",
);

const forwardSignature = new Signature(
  "forward(Tensor src, Tensor tgt, Tensor? src_mask=None, Tensor? tgt_mask=None, Tensor? memory_mask=None, Tensor? src_key_padding_mask=None, Tensor? tgt_key_padding_mask=None, Tensor? memory_key_padding_mask=None, bool? src_is_causal=None, bool? tgt_is_causal=None, bool memory_is_causal=False)",
);

const layerOptions = [
  "dim_feedforward",
  "dropout",
  "activation",
  "layer_norm_eps",
  "batch_first",
  "norm_first",
  "bias",
  "device",
  "dtype",
];
const omitted = [
  "num_encoder_layers",
  "num_decoder_layers",
  "custom_encoder",
  "custom_decoder",
  ...layerOptions.filter((n) => n !== "batch_first"),
];

/** An encoder and a decoder (Vaswani and others, 2017). */
export class Transformer extends Configured {
  declare readonly d_model: number;
  declare readonly nhead: number;
  declare readonly batch_first: boolean;
  encoder: Module;
  decoder: Module;

  constructor(
    ...args: Args<
      [],
      [
        d_model?: number,
        nhead?: number,
        num_encoder_layers?: number,
        num_decoder_layers?: number,
        dim_feedforward?: number,
      ],
      TransformerOptions
    >
  ) {
    super(signature, args, omitted);
    const a = this._arguments;
    const options = Object.fromEntries(layerOptions.map((name) => [name, a.written(name)])) as TransformerLayerOptions;
    const { d_model: features, nhead: heads } = this;
    const norm = (): LayerNorm =>
      new LayerNorm(features, {
        eps: a.written("layer_norm_eps") as number,
        bias: a.get("bias"),
        device: a.get("device"),
        dtype: a.get("dtype"),
      });
    this.encoder =
      a.get<Module | null>("custom_encoder") ??
      new TransformerEncoder(
        new TransformerEncoderLayer(features, heads, options),
        a.get("num_encoder_layers"),
        norm(),
      );
    this.decoder =
      a.get<Module | null>("custom_decoder") ??
      new TransformerDecoder(
        new TransformerDecoderLayer(features, heads, options),
        a.get("num_decoder_layers"),
        norm(),
      );
    for (const p of this.parameters()) if (p.ndim > 1) xavier_uniform_(p);
  }

  override forward(
    src: Tensor,
    tgt: Tensor,
    ...rest: Args<
      [],
      [src_mask?: Tensor | null, tgt_mask?: Tensor | null, memory_mask?: Tensor | null],
      TransformerInputs
    >
  ): Tensor {
    const bound = forwardSignature.bind([src, tgt, ...rest], {}).slice(2);
    if (src.ndim === 3 && tgt.ndim === 3) {
      const batch = this.batch_first ? 0 : 1;
      if (src.shape[batch] !== tgt.shape[batch]) {
        throw new TorchError("the batch number of src and tgt must be equal");
      }
    }
    if (src.shape.at(-1) !== this.d_model || tgt.shape.at(-1) !== this.d_model) {
      throw new TorchError("the feature number of src and tgt must be equal to d_model");
    }
    const [srcMask, tgtMask, memoryMask, srcPadding, tgtPadding, memoryPadding] = bound as (Tensor | null)[];
    const memory = this.encoder(src, {
      mask: srcMask,
      src_key_padding_mask: srcPadding,
      is_causal: bound[6] as boolean | null,
    }) as Tensor;
    return this.decoder(tgt, memory, {
      tgt_mask: tgtMask,
      memory_mask: memoryMask,
      tgt_key_padding_mask: tgtPadding,
      memory_key_padding_mask: memoryPadding,
      tgt_is_causal: bound[7] as boolean | null,
      memory_is_causal: bound[8] as boolean,
    }) as Tensor;
  }

  /** The mask of a causal model: -Infinity above the diagonal, where a position would see later ones. */
  static generate_square_subsequent_mask(
    sz: number,
    options: { dtype?: DType | null; device?: string | null } = {},
  ): Tensor {
    return triu(full([sz, sz], Number.NEGATIVE_INFINITY, options), 1);
  }
}
