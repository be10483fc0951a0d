/**
 * Attention with several heads.
 */
import { ValueError, TorchError } from "../base/errors.ts";
import { Signature } from "../dispatch/signature.ts";
import { multi_head_attention_forward } from "../ops/attention.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Args, Configured, ConstructorSignature, type FactoryOptions } from "./arguments.ts";
import { constant_, xavier_normal_, xavier_uniform_ } from "./init.ts";
import { Linear } from "./linear.ts";
import type { Parameter } from "./parameter.ts";

/** Options of {@link MultiheadAttention}. */
export interface MultiheadAttentionOptions extends FactoryOptions {
  /** Dropout of the attention weights. Default: 0. */
  dropout?: number;
  bias?: boolean;
  /** Whether a learned key and value are added to those given. Default: false. */
  add_bias_kv?: boolean;
  /** Whether a key and value of zeros are added. Default: false. */
  add_zero_attn?: boolean;
  /** The features of keys. Default: `embed_dim`. */
  kdim?: number | null;
  /** The features of values. Default: `embed_dim`. */
  vdim?: number | null;
  /** Whether inputs are (batch, time, features). Default: false. */
  batch_first?: boolean;
}

/** What attention takes beside query, key and value. */
export interface AttentionInputs {
  /** The keys that are not looked at, (batch, time): true, or -Infinity. */
  key_padding_mask?: Tensor | null;
  /** Whether the weights are wanted too. Default: true. */
  need_weights?: boolean;
  /** Which pairs may not look at each other: true, or -Infinity. */
  attn_mask?: Tensor | null;
  /** Whether the weights are averaged over the heads. Default: true. */
  average_attn_weights?: boolean;
  /** Says that the mask is that of a causal model. */
  is_causal?: boolean;
}

/** The error of Python's `assert`. */
class AssertionError extends TorchError {
  override name = "AssertionError";
}

/** @internal As {@link Linear}; the name is PyTorch's. */
export class NonDynamicallyQuantizableLinear extends Linear {}

const signature = new ConstructorSignature(
  "MultiheadAttention(int embed_dim, int num_heads, Scalar dropout=0.0, bool bias=True, bool add_bias_kv=False, bool add_zero_attn=False, int? kdim=None, int? vdim=None, bool batch_first=False, str? device=None, dtype? dtype=None)",
);

const forwardSignature = new Signature(
  "forward(Tensor query, Tensor key, Tensor value, Tensor? key_padding_mask=None, bool need_weights=True, Tensor? attn_mask=None, bool average_attn_weights=True, bool is_causal=False)",
);

/** Several attentions side by side, each over a part of the features (Vaswani and others, 2017). */
export class MultiheadAttention extends Configured {
  declare readonly embed_dim: number;
  declare readonly num_heads: number;
  declare readonly dropout: number;
  declare readonly add_zero_attn: boolean;
  declare readonly kdim: number;
  declare readonly vdim: number;
  declare readonly batch_first: boolean;
  declare in_proj_weight: Parameter | null;
  declare q_proj_weight: Parameter | null;
  declare k_proj_weight: Parameter | null;
  declare v_proj_weight: Parameter | null;
  declare in_proj_bias: Parameter | null;
  declare bias_k: Parameter | null;
  declare bias_v: Parameter | null;
  declare out_proj: NonDynamicallyQuantizableLinear;

  constructor(
    ...args: Args<[embed_dim: number, num_heads: number], [dropout?: number, bias?: boolean], MultiheadAttentionOptions>
  ) {
    super(signature, args, ["bias", "add_bias_kv"]);
    const { embed_dim: e, num_heads: heads } = this;
    if (e <= 0 || heads <= 0) {
      throw new ValueError(
        `embed_dim and num_heads must be greater than 0, got embed_dim=${e} and num_heads=${heads} instead`,
      );
    }
    if (e % heads !== 0) throw new AssertionError("embed_dim must be divisible by num_heads");
    for (const name of ["kdim", "vdim"] as const) {
      if ((this[name] as number | null) === null) Reflect.set(this, name, e);
    }
    const a = this._arguments;
    const bias = a.get<boolean>("bias");
    const together = this.kdim === e && this.vdim === e;
    this.register_parameter("in_proj_weight", together ? a.parameter(3 * e, e) : null);
    this.register_parameter("q_proj_weight", together ? null : a.parameter(e, e));
    this.register_parameter("k_proj_weight", together ? null : a.parameter(e, this.kdim));
    this.register_parameter("v_proj_weight", together ? null : a.parameter(e, this.vdim));
    this.register_parameter("in_proj_bias", bias ? a.parameter(3 * e) : null);
    this.out_proj = new NonDynamicallyQuantizableLinear(e, e, {
      bias,
      dtype: a.get("dtype"),
      device: a.get("device"),
    });
    const more = a.get<boolean>("add_bias_kv");
    this.register_parameter("bias_k", more ? a.parameter(1, 1, e) : null);
    this.register_parameter("bias_v", more ? a.parameter(1, 1, e) : null);
    this._reset_parameters();
  }

  /** @internal */
  _reset_parameters(): void {
    for (const weight of [this.in_proj_weight, this.q_proj_weight, this.k_proj_weight, this.v_proj_weight]) {
      if (weight !== null) xavier_uniform_(weight);
    }
    if (this.in_proj_bias !== null) {
      constant_(this.in_proj_bias, 0);
      constant_(this.out_proj.bias as Parameter, 0);
    }
    if (this.bias_k !== null) xavier_normal_(this.bias_k);
    if (this.bias_v !== null) xavier_normal_(this.bias_v);
  }

  /** Gives the output, and the weights of attention or null. */
  override forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    ...rest: Args<
      [],
      [key_padding_mask?: Tensor | null, need_weights?: boolean, attn_mask?: Tensor | null],
      AttentionInputs
    >
  ): [Tensor, Tensor | null] {
    const bound = forwardSignature.bind([query, key, value, ...rest], {});
    const [padding, needWeights, mask, average, causal] = bound.slice(3);
    const turned = this.batch_first && query.ndim === 3;
    // One tensor stays one, so that one product can serve all three.
    const turn = (t: Tensor): Tensor => (turned ? t.transpose(1, 0) : t);
    const q = turn(query);
    const k = key === query ? q : turn(key);
    const v = value === key ? k : turn(value);
    const separate = this.in_proj_weight === null;
    const [output, weights] = multi_head_attention_forward(
      q,
      k,
      v,
      this.embed_dim,
      this.num_heads,
      this.in_proj_weight,
      this.in_proj_bias,
      this.bias_k,
      this.bias_v,
      this.add_zero_attn,
      this.dropout,
      this.out_proj.weight,
      this.out_proj.bias,
      {
        training: this.training,
        key_padding_mask: padding,
        need_weights: needWeights,
        attn_mask: mask,
        use_separate_proj_weight: separate,
        q_proj_weight: this.q_proj_weight,
        k_proj_weight: this.k_proj_weight,
        v_proj_weight: this.v_proj_weight,
        average_attn_weights: average,
        is_causal: causal,
      },
    );
    return [turned ? output.transpose(1, 0) : output, weights];
  }
}
