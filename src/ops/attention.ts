/**
 * Attention.
 */
import { bool, float32 } from "../base/dtype.ts";
import { TorchError, ValueError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import { operator } from "../dispatch/op.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { pyfloat } from "../dispatch/signature.ts";
import { dropout } from "./dropout.ts";
import { fitsFlash, flashAttention } from "./flash-attention.ts";
import { _safe_softmax } from "./internal.ts";
import { cat } from "./join.ts";
import { linear } from "./linear.ts";
import { softmax } from "./softmax.ts";
import { pad } from "./pad.ts";
import { type Op, view } from "./view.ts";

/** Options of {@link scaled_dot_product_attention}. */
export interface AttentionOptions {
  /** Where attention is allowed (bool), or what is added to the scores. */
  attn_mask?: Tensor | null;
  dropout_p?: number;
  /** Whether a position only sees those up to its own. */
  is_causal?: boolean;
  /** What scores are multiplied by. Default: 1 / sqrt(E). */
  scale?: number | null;
  /** Whether several heads of the query share one of key and value. */
  enable_gqa?: boolean;
}

/** What is added to the scores. */
function additive(mask: Tensor, like: Tensor): Tensor {
  if (mask.dtype !== bool) return mask;
  return like.new_zeros(mask.shape).masked_fill(mask.logical_not(), Number.NEGATIVE_INFINITY);
}

/** Heads of key and value, repeated for the heads of the query that share them. */
function shared(query: Tensor, x: Tensor): Tensor {
  const [heads, own] = [query.shape.at(-3), x.shape.at(-3)];
  if (heads === undefined || own === undefined || heads % own !== 0) {
    throw new TorchError("Number of heads in key and value must divide the number of heads in query");
  }
  return own === heads ? x : x.repeat_interleave(heads / own, -3);
}

const cNames: Readonly<Record<string, string>> = {
  float32: "float",
  float64: "double",
  float16: "c10::Half",
  bfloat16: "c10::BFloat16",
  int64: "int64_t",
};
const cName = (t: Tensor): string => cNames[t.dtype.name] ?? t.dtype.name;

function checkAttention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | null): void {
  if (query.dtype !== key.dtype || query.dtype !== value.dtype) {
    throw new TorchError(
      `Expected query, key, and value to have the same dtype, but got query.dtype: ${cName(query)} key.dtype: ${cName(key)} and value.dtype: ${cName(value)} instead.`,
    );
  }
  if (query.ndim < 2 || key.ndim < 2 || value.ndim < 2) {
    throw new TorchError(
      `Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: ${query.ndim} key.dim: ${key.ndim} and value.dim: ${value.ndim} instead.`,
    );
  }
  if (mask !== null && mask.dtype !== bool && mask.dtype !== float32 && mask.dtype !== query.dtype) {
    throw new TorchError(
      `Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: ${cName(mask)} and  query.dtype: ${cName(query)} instead.`,
    );
  }
}

/** What {@link scaled_dot_product_attention} computes. */
function attend(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  mask: Tensor | null,
  dropoutP: number,
  causal: boolean,
  scale: number | null,
): Tensor {
  const factor = scale ?? 1 / Math.sqrt(query.shape.at(-1) as number);
  const added = mask === null ? null : additive(mask, query);
  if (dropoutP === 0 && fitsFlash(query, key, value, added)) {
    return flashAttention(query, key, value, added, factor, causal);
  }
  const wide = (t: Tensor): Tensor => (t.dtype.itemsize === 2 ? t.float() : t);
  // The root of the scale on each side keeps the products small.
  const root = Math.sqrt(Math.abs(factor));
  const q = wide(query).mul(pyfloat(factor < 0 ? -root : root));
  const k = wide(key).transpose(-2, -1).mul(pyfloat(root));
  let scores = q.matmul(k);
  if (causal) {
    const [l, s] = [query.shape.at(-2), key.shape.at(-2)] as [number, number];
    scores = scores.add(additive(query.new_ones([l, s], { dtype: bool }).tril(), q));
  } else if (added !== null) scores = scores.add(added);
  // Rows that see nothing are 0.
  let weights = _safe_softmax(scores, -1);
  if (dropoutP > 0) weights = dropout(weights, dropoutP, true);
  return weights.matmul(wide(value)).to(query.dtype);
}

/**
 * Each query's mean of the values, weighted by the softmax of its products with the keys.
 *
 * @param query (…, L, E)
 * @param key (…, S, E)
 * @param value (…, S, Ev)
 */
export const scaled_dot_product_attention: Op<
  (
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask?: Tensor | null | AttentionOptions,
    dropout_p?: number | AttentionOptions,
    is_causal?: boolean | AttentionOptions,
    options?: AttentionOptions,
  ) => Tensor
> = operator(
  "scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False)",
  (
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | null,
    dropoutP: number,
    causal: boolean,
    scale: number | null,
    grouped: boolean,
  ) => {
    checkAttention(query, key, value, mask);
    if (causal && mask !== null) {
      throw new TorchError("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True");
    }
    const [k, v] = grouped ? [shared(query, key), shared(query, value)] : [key, value];
    return attend(query, k, v, mask, dropoutP, causal, scale);
  },
  { method: false, namespace: false },
);

/** A linear map of a part of the rows of a weight. */
function projected(x: Tensor, weight: Tensor, bias: Tensor | null, from: number, rows: number): Tensor {
  return linear(x, weight.narrow(0, from, rows), bias === null ? null : bias.narrow(0, from, rows));
}

interface Projections {
  readonly inWeight: Tensor | null;
  readonly inBias: Tensor | null;
  readonly separate: readonly [Tensor, Tensor, Tensor] | null;
}

/** Query, key and value after their linear maps. */
function project(query: Tensor, key: Tensor, value: Tensor, p: Projections): [Tensor, Tensor, Tensor] {
  const e = query.shape.at(-1) as number;
  if (p.separate !== null) {
    const [q, k, v] = p.separate;
    const part = (i: number): Tensor | null => (p.inBias === null ? null : p.inBias.narrow(0, i * e, e));
    return [linear(query, q, part(0)), linear(key, k, part(1)), linear(value, v, part(2))];
  }
  if (p.inWeight === null) {
    throw new TorchError("use_separate_proj_weight is False but in_proj_weight is None");
  }
  const w = p.inWeight;
  if (key === value && query === key) {
    const all = linear(query, w, p.inBias);
    return [0, 1, 2].map((i) => all.narrow(-1, i * e, e)) as [Tensor, Tensor, Tensor];
  }
  return [
    projected(query, w, p.inBias, 0, e),
    projected(key, w, p.inBias, e, e),
    projected(value, w, p.inBias, 2 * e, e),
  ];
}

function checkMask(mask: Tensor, name: string): void {
  if (mask.dtype !== bool && !mask.dtype.is_floating_point) {
    throw new TorchError(`only bool and floating types of ${name} are supported`);
  }
}

/** A bool mask says where attention is not allowed; a float mask is added to the scores. */
const forbidden = (mask: Tensor, like: Tensor): Tensor =>
  mask.dtype === bool ? like.new_zeros(mask.shape).masked_fill(mask, Number.NEGATIVE_INFINITY) : mask.to(like.dtype);

/** Several attentions side by side, each over a part of the embedding, with linear maps before and after. */
export const multi_head_attention_forward: Op<(query: Tensor, ...args: unknown[]) => [Tensor, Tensor | null]> =
  operator(
    "multi_head_attention_forward(Tensor query, Tensor key, Tensor value, int embed_dim_to_check, int num_heads, Tensor? in_proj_weight, Tensor? in_proj_bias, Tensor? bias_k, Tensor? bias_v, bool add_zero_attn, float dropout_p, Tensor out_proj_weight, Tensor? out_proj_bias, bool training=True, Tensor? key_padding_mask=None, bool need_weights=True, Tensor? attn_mask=None, bool use_separate_proj_weight=False, Tensor? q_proj_weight=None, Tensor? k_proj_weight=None, Tensor? v_proj_weight=None, Tensor? static_k=None, Tensor? static_v=None, bool average_attn_weights=True, bool is_causal=False)",
    (
      queryGiven: Tensor,
      keyGiven: Tensor,
      valueGiven: Tensor,
      embedding: number,
      heads: number,
      inWeight: Tensor | null,
      inBias: Tensor | null,
      biasK: Tensor | null,
      biasV: Tensor | null,
      addZero: boolean,
      dropoutP: number,
      outWeight: Tensor,
      outBias: Tensor | null,
      training: boolean,
      paddingGiven: Tensor | null,
      needWeights: boolean,
      maskGiven: Tensor | null,
      separate: boolean,
      qWeight: Tensor | null,
      kWeight: Tensor | null,
      vWeight: Tensor | null,
      staticK: Tensor | null,
      staticV: Tensor | null,
      average: boolean,
      isCausal: boolean,
    ) => {
      const batched = queryGiven.ndim === 3;
      if (!batched && queryGiven.ndim !== 2) {
        throw new TorchError(
          `query should be unbatched 2D or batched 3D tensor but received ${queryGiven.ndim}-D query tensor`,
        );
      }
      const lift = (t: Tensor): Tensor => (batched ? t : t.unsqueeze(1));
      const query = lift(queryGiven);
      const key = keyGiven === queryGiven ? query : lift(keyGiven);
      const value = valueGiven === keyGiven ? key : lift(valueGiven);
      let padding = paddingGiven === null || batched ? paddingGiven : paddingGiven.unsqueeze(0);
      const [length, batch, e] = query.shape as [number, number, number];
      if (e !== embedding) {
        throw new TorchError(`was expecting embedding dimension of ${embedding}, but got ${e}`);
      }
      if (e % heads !== 0) {
        throw new TorchError(`embed_dim ${e} not divisible by num_heads ${heads}`);
      }
      const head = e / heads;
      if (isCausal && maskGiven === null) {
        throw new TorchError(
          "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method `generate_square_subsequent_mask` to create this mask.",
        );
      }
      if (padding !== null) {
        checkMask(padding, "key_padding_mask");
        padding = forbidden(padding, query);
      }
      let mask = maskGiven;
      if (mask !== null) {
        checkMask(mask, "attn_mask");
        mask = forbidden(mask, query);
      }
      const weights = separate ? ([qWeight, kWeight, vWeight] as [Tensor, Tensor, Tensor]) : null;
      let [q, k, v] = project(query, key, value, { inWeight, inBias, separate: weights });
      if (mask !== null) {
        if (mask.ndim === 2) {
          const wanted = [length, key.shape[0] as number];
          if (mask.shape[0] !== wanted[0] || mask.shape[1] !== wanted[1]) {
            throw new TorchError(
              `The shape of the 2D attn_mask is torch.Size(${formatShape(mask.shape)}), but should be (${wanted.join(", ")}).`,
            );
          }
          mask = mask.unsqueeze(0);
        } else if (mask.ndim !== 3) {
          throw new TorchError(`attn_mask's dimension ${mask.ndim} is not supported`);
        }
      }
      if (biasK !== null && biasV !== null) {
        k = cat([k, biasK.repeat(1, batch, 1)]);
        v = cat([v, biasV.repeat(1, batch, 1)]);
        if (mask !== null) mask = pad(mask, [0, 1]);
        if (padding !== null) padding = pad(padding, [0, 1]);
      }
      const split = (t: Tensor): Tensor => view(t.contiguous(), [-1, batch * heads, head]).transpose(0, 1);
      q = split(q);
      k = staticK ?? split(k);
      v = staticV ?? split(v);
      if (addZero) {
        const none = k.new_zeros([batch * heads, 1, head]);
        k = cat([k, none], 1);
        v = cat([v, none], 1);
        if (mask !== null) mask = pad(mask, [0, 1]);
        if (padding !== null) padding = pad(padding, [0, 1]);
      }
      const source = k.shape[1] as number;
      if (padding !== null) {
        if (padding.shape[0] !== batch || padding.shape[1] !== source) {
          throw new ValueError(
            `expecting key_padding_mask shape of ${formatShape([batch, source])}, but got ${formatShape(padding.shape)}`,
          );
        }
        const spread = view(padding, [batch, 1, 1, source])
          .expand(-1, heads, -1, -1)
          .reshape(batch * heads, 1, source);
        mask = mask === null ? spread : mask.add(spread);
      }
      const p = training ? dropoutP : 0;
      const merge = (t: Tensor): Tensor => {
        const flat = view(t.transpose(0, 1).contiguous(), [length * batch, e]);
        return view(linear(flat, outWeight, outBias), [length, batch, e]);
      };
      if (needWeights) {
        const scaled = q.mul(Math.sqrt(1 / head));
        let scores = scaled.matmul(k.transpose(-2, -1));
        if (mask !== null) scores = scores.add(mask);
        let attention = softmax(scores, -1);
        if (p > 0) attention = dropout(attention, p, true);
        const out = merge(attention.matmul(v));
        let seen = view(attention, [batch, heads, length, source]);
        if (average) seen = seen.mean(1);
        return batched ? [out, seen] : [out.squeeze(1), seen.squeeze(0)];
      }
      if (mask !== null) {
        mask = mask.shape[0] === 1 && mask.ndim === 3 ? mask.unsqueeze(0) : view(mask, [batch, heads, -1, source]);
      }
      const four = (t: Tensor, n: number): Tensor => view(t, [batch, heads, n, head]);
      const attended = scaled_dot_product_attention(four(q, length), four(k, source), four(v, source), mask, p);
      const ordered = view(attended.permute(2, 0, 1, 3).contiguous(), [batch * length, e]);
      const out = view(linear(ordered, outWeight, outBias), [length, batch, e]);
      return [batched ? out : out.squeeze(1), null];
    },
    { method: false, namespace: false },
  );
