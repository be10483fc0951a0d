/**
 * Attention in blocks, without ever having all weights in memory, and its gradients.
 */
import { modes } from "../autograd/modes.ts";
import type { MaybeTensor } from "../autograd/node.ts";
import { requiresGrad } from "../autograd/views.ts";
import { bool, type DType, float32 } from "../base/dtype.ts";
import { castRaw } from "../dispatch/elementwise.ts";
import { attentionBackwardRaw, attentionRaw } from "../dispatch/family/attention.ts";
import { apply, type GradContext, type Primitive, primitive } from "../dispatch/primitive.ts";
import { pyfloat } from "../dispatch/signature.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { ones } from "./create.ts";
import { expand } from "./expand.ts";
import { _safe_softmax } from "./internal.ts";
import { matmul } from "./matmul.ts";
import { transpose } from "./permute.ts";
import { tril } from "./triangle.ts";

interface AttentionParams {
  readonly scale: number;
  readonly causal: boolean;
}

/** Sums of 16-bit numbers are kept in float32. */
const workOf = (dtype: DType): DType => (dtype.itemsize === 2 ? float32 : dtype);

/** A mask of any shape that broadcasts, as one of all scores. */
const maskFor = (mask: Tensor, q: Tensor, k: Tensor): Tensor =>
  expand(mask.detach(), [...q.shape.slice(0, 3), k.shape[2] as number]);

/** The gradients by differentiable operators. */
function formula(g: Tensor, ctx: GradContext<AttentionParams>, masked: boolean): MaybeTensor[] {
  const { scale, causal } = ctx.params;
  const [q, k, v] = [ctx.input(0), ctx.input(1), ctx.input(2)];
  const factor = pyfloat(scale);
  let scores = matmul(q, transpose(k, -2, -1)).mul(factor);
  if (masked) scores = scores.add(ctx.input(3));
  if (causal) {
    const sees = tril(ones([q.shape[2] as number, k.shape[2] as number], { dtype: bool }));
    scores = scores.masked_fill(sees.logical_not(), -Infinity);
  }
  const p = _safe_softmax(scores, -1);
  const dp = matmul(g, transpose(v, -2, -1));
  const ds = p.mul(dp.sub(dp.mul(p).sum(-1, true))).mul(factor);
  return [matmul(ds, k), matmul(transpose(ds, -2, -1), q), matmul(transpose(p, -2, -1), g), null];
}

type Operands = [Tensor, Tensor, Tensor, Tensor];

/** Without and with a mask. */
const primitives: readonly Primitive<AttentionParams>[] = [false, true].map((masked) =>
  primitive<AttentionParams>({
    name: "_scaled_dot_product_flash_attention_for_cpu",
    forward: (inputs, params) => {
      const [q, k, v] = inputs as Operands;
      const work = workOf(q.dtype);
      const mask = masked ? maskFor(inputs[3] as Tensor, q, k) : null;
      const [out, sums] = attentionRaw(castRaw(q, work), castRaw(k, work), castRaw(v, work), { ...params, mask });
      return [castRaw(out, q.dtype), sums];
    },
    nonDifferentiable: [1],
    joint: {
      uses: () => [0, 1, 2, ...(masked ? ([3] as const) : []), "out", "out1"],
      vjp: ([g], ctx) => {
        if (g == null) return [null, null, null, null];
        if (modes.grad) return formula(g, ctx, masked);
        const q = ctx.input(0);
        const mask = masked ? maskFor(ctx.input(3), q, ctx.input(1)) : null;
        const saved = [g, q, ctx.input(1), ctx.input(2), ctx.output(0)];
        const [gw, qw, ...rest] = saved.map((t) => castRaw(t, workOf(q.dtype))) as [...Operands, Tensor];
        const grads = attentionBackwardRaw(gw, [qw, ...rest, ctx.output(1)], { ...ctx.params, mask });
        return [...grads.map((t) => castRaw(t, q.dtype)), null];
      },
    },
  }),
);

const lastDense = (t: Tensor): boolean => t._strides.at(-1) === 1 || t.shape.at(-1) === 1;

/** @internal Whether {@link flashAttention} takes these operands, as PyTorch's on the CPU does. */
export function fitsFlash(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | null): boolean {
  if (q.ndim !== 4 || k.ndim !== 4 || v.ndim !== 4 || q.dtype.category !== 2) return false;
  const same = (d: number): boolean => q.shape[d] === k.shape[d] && k.shape[d] === v.shape[d];
  if (!same(0) || !same(1) || !same(3) || k.shape[2] !== v.shape[2]) return false;
  if ([q, k, v].some((t) => t._numel === 0 || !lastDense(t))) return false;
  if (mask === null) return true;
  if (requiresGrad(mask) || !lastDense(mask) || (mask.ndim !== 2 && mask.ndim !== 4)) return false;
  const full = [...q.shape.slice(0, 3), k.shape[2] as number].slice(4 - mask.ndim);
  return full.every((n, d) => mask.shape[d] === n || mask.shape[d] === 1);
}

/** @internal Attention of operands that {@link fitsFlash}; the mask is added to the scores. */
export function flashAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  mask: Tensor | null,
  scale: number,
  causal: boolean,
): Tensor {
  const prim = primitives[mask === null ? 0 : 1] as Primitive<AttentionParams>;
  const inputs = mask === null ? [q, k, v] : [q, k, v, mask];
  return (apply(prim, inputs, { scale, causal }) as Tensor[])[0] as Tensor;
}
