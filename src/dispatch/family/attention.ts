/**
 * Attention on raw memory, (N, H, L, E) by (N, H, S, E).
 *
 * Note [Attention in blocks]
 * The weights of all queries for all keys are never in memory together: blocks of a few heads or rows are computed one after
 * another, small enough to stay in the cache. What is kept for the gradient is one number for each query, the logarithm of the
 * sum of its exponentials, from which the weights of a block follow again. With causal attention a block of rows ends at the
 * last key that any of them sees.
 */
import { E, type Expr } from "../../ir/expr.ts";
import { alias, allocate, type Tensor } from "../../tensor/tensor.ts";
import { contiguousRaw, copyRaw, Elementwise, fillRaw } from "../elementwise.ts";
import { matmulRaw } from "./contraction.ts";
import { type RowContext, RowsKernel } from "./rows.ts";

/** What attention is computed with besides queries, keys and values. */
export interface AttentionSettings {
  readonly scale: number;
  /** Whether query i sees only keys 0 to i. */
  readonly causal: boolean;
  /** What is added to the scores, expanded to (N, H, L, S). */
  readonly mask: Tensor | null;
}

/** Elements of scores in one block. */
const blockSize = 2 ** 20;
/** Rows in a block of causal attention: the fewer, the fewer hidden keys are computed. */
const causalRows = 256;

/** Samples, heads and rows from … to. */
interface Block {
  readonly n: readonly [number, number];
  readonly h: readonly [number, number];
  readonly r: readonly [number, number];
  /** How many keys the last row sees. */
  readonly keys: number;
}

function blocksOf(q: Tensor, k: Tensor, causal: boolean): Block[] {
  const [samples, heads, rows] = q.shape as [number, number, number];
  const keys = k.shape[2] as number;
  const fits = (size: number): number => Math.max(1, Math.floor(blockSize / size));
  const all = causal && rows >= 2 * causalRows ? causalRows : rows;
  const rs = Math.min(all, fits(keys));
  const hs = Math.min(heads, fits(rs * keys));
  const ns = hs < heads ? 1 : Math.min(samples, fits(rs * keys * heads));
  const out: Block[] = [];
  for (let n = 0; n < samples; n += ns) {
    for (let h = 0; h < heads; h += hs) {
      for (let r = 0; r < rows; r += rs) {
        const last = Math.min(r + rs, rows);
        out.push({
          n: [n, Math.min(n + ns, samples)],
          h: [h, Math.min(h + hs, heads)],
          r: [r, last],
          keys: causal ? Math.min(last, keys) : keys,
        });
      }
    }
  }
  return out;
}

type Range = readonly [number, number];

/** The part of samples, heads and rows of a tensor. */
function part(t: Tensor, n: Range, h: Range, r: Range): Tensor {
  const [sn, sh, sr] = t._strides as [number, number, number];
  const shape = [n[1] - n[0], h[1] - h[0], r[1] - r[0], ...t.shape.slice(3)];
  return alias(t, shape, t._strides, t._offset + n[0] * sn + h[0] * sh + r[0] * sr);
}

/** The same with rows as columns. */
const transposed = (t: Tensor): Tensor => {
  const [n, h, r, c] = t.shape as [number, number, number, number];
  const [sn, sh, sr, sc] = t._strides as [number, number, number, number];
  return alias(t, [n, h, c, r], [sn, sh, sc, sr], t._offset);
};

const added: Map<string, Elementwise> = new Map();

/** scores += mask */
function addMask(scores: Tensor, mask: Tensor): void {
  const { dtype } = scores;
  const key = `attention_mask:${dtype.name}:${mask.dtype.name}`;
  let kernel = added.get(key);
  if (kernel === undefined) {
    kernel = new Elementwise({
      name: "attention_mask",
      key,
      outs: [dtype],
      ins: [dtype, mask.dtype],
      scalars: [],
      build: ([s, m]) => [E.add(s as Expr, E.cast((s as Expr).type, m as Expr))],
    });
    added.set(key, kernel);
  }
  kernel.run([scores], [scores, mask], []);
}

/** Score j of the row, or -∞ if the row does not see key j. Parameters: rows in a block, the number of the first. */
function seen(r: RowContext, causal: boolean): (j: Expr) => Expr {
  if (!causal) return (j) => r.at(0, j);
  const [rows, first] = r.params.map((p) => E.cast("i32", p)) as [Expr, Expr];
  const last = r.let(E.add(E.rem(E.index(0), rows), first));
  return (j) => E.select(E.le(j, last), r.at(0, j), E.const(r.type, -Infinity));
}

/** From scores the weights (0 for all where a row sees nothing) and the logarithm of the sum of exponentials. */
const weightsRows = [false, true].map(
  (causal) =>
    new RowsKernel({
      name: "attention_weights",
      ins: ["element"],
      outs: ["element", "row"],
      params: 2,
      build: (r) => {
        const score = seen(r, causal);
        const top = r.let(r.max(score));
        const none = E.eq(top, -Infinity);
        const shift = r.let(E.select(none, E.const(r.type, 0), top));
        const total = r.let(r.sum((j) => E.exp(E.sub(score(j), shift))));
        const scale = r.let(E.select(none, E.const(r.type, 0), E.div(E.const(r.type, 1), total)));
        return [(j) => E.mul(E.exp(E.sub(score(j), shift)), scale), E.add(shift, E.log(total))];
      },
    }),
);

/**
 * From scores, the gradients of the weights, the logarithms of the sums and the products of the output and its gradient: the
 * gradients of the scores, and the weights.
 */
const gradientRows = [false, true].map(
  (causal) =>
    new RowsKernel({
      name: "attention_backward",
      ins: ["element", "element", "row", "row"],
      outs: ["element", "element"],
      params: 2,
      build: (r) => {
        const score = seen(r, causal);
        const sum = r.let(r.at(2));
        const delta = r.let(r.at(3));
        const none = E.eq(sum, -Infinity);
        const weight = (j: Expr): Expr => E.select(none, E.const(r.type, 0), E.exp(E.sub(score(j), sum)));
        // The second overwrites the scores that the first reads.
        return [(j) => E.mul(weight(j), E.sub(r.at(1, j), delta)), weight];
      },
    }),
);

/** The products of rows. */
const deltaRows = new RowsKernel({
  name: "attention_delta",
  ins: ["element", "element"],
  outs: ["row"],
  build: (r) => [r.sum((j) => E.mul(r.at(0, j), r.at(1, j)))],
});

/** A tensor whose heads lie side by side: (N, H, L, E) in the memory of (N, L, H, E). */
function besides(like: Tensor, shape: readonly number[]): Tensor {
  const [n, h, l, e] = shape as [number, number, number, number];
  return alias(allocate([n, l, h, e], like.dtype, like._backend), shape, [l * h * e, e, h * e, 1], 0);
}

/** Scores of a block, before hiding. */
function scoresOf(q: Tensor, k: Tensor, { n, h, r, keys }: Block, { scale, mask }: AttentionSettings): Tensor {
  const rows = part(q, n, h, r);
  const scores = allocate([...rows.shape.slice(0, 3), keys], q.dtype, q._backend);
  matmulRaw(scores, rows, transposed(part(k, n, h, [0, keys])), scale);
  if (mask !== null) {
    const m = part(mask, n, h, r);
    addMask(scores, alias(m, scores.shape, m._strides, m._offset));
  }
  return scores;
}

/** The means of values, and the logarithms of the sums of exponentials (N, H, L). */
export function attentionRaw(q: Tensor, k: Tensor, v: Tensor, settings: AttentionSettings): [Tensor, Tensor] {
  const [samples, heads, rows] = q.shape as [number, number, number];
  const out = besides(q, [samples, heads, rows, v.shape[3] as number]);
  const sums = allocate([samples, heads, rows], q.dtype, q._backend);
  for (const block of blocksOf(q, k, settings.causal)) {
    const { n, h, r, keys } = block;
    const scores = scoresOf(q, k, block, settings);
    const target = part(sums, n, h, r);
    const whole = target._isContiguous;
    const logs = whole ? target : allocate(target.shape, q.dtype, q._backend);
    const size = r[1] - r[0];
    const kernel = weightsRows[settings.causal ? 1 : 0] as RowsKernel;
    kernel.run([scores, logs], [scores], logs._numel, keys, q.dtype, [size, r[0]]);
    if (!whole) copyRaw(target, logs);
    matmulRaw(part(out, n, h, r), scores, part(v, n, h, [0, keys]));
  }
  return [out, sums];
}

/** The gradients of queries, keys and values. */
export function attentionBackwardRaw(
  g: Tensor,
  [q, k, v, out, sums]: readonly [Tensor, Tensor, Tensor, Tensor, Tensor],
  settings: AttentionSettings,
): [Tensor, Tensor, Tensor] {
  const delta = allocate(sums.shape, q.dtype, q._backend);
  deltaRows.run([delta], [contiguousRaw(g), contiguousRaw(out)], delta._numel, q.shape[3] as number, q.dtype);
  const dq = besides(q, q.shape);
  const dk = besides(k, k.shape);
  const dv = besides(v, v.shape);
  const { scale } = settings;
  if (settings.causal || dk._numel === 0) for (const t of [dk, dv]) fillRaw(t, 0);
  for (const block of blocksOf(q, k, settings.causal)) {
    const { n, h, r, keys } = block;
    const scores = scoresOf(q, k, block, settings);
    const gs = part(g, n, h, r);
    const grads = allocate(scores.shape, q.dtype, q._backend);
    matmulRaw(grads, gs, transposed(part(v, n, h, [0, keys])));
    const [logs, deltas] = [sums, delta].map((t) => contiguousRaw(part(t, n, h, r))) as [Tensor, Tensor];
    const kernel = gradientRows[settings.causal ? 1 : 0] as RowsKernel;
    kernel.run([grads, scores], [scores, grads, logs, deltas], logs._numel, keys, q.dtype, [r[1] - r[0], r[0]]);
    matmulRaw(part(dq, n, h, r), grads, part(k, n, h, [0, keys]), scale);
    // Blocks of rows add to the keys they see.
    const beta = settings.causal || r[0] > 0 ? 1 : 0;
    matmulRaw(part(dk, n, h, [0, keys]), transposed(grads), part(q, n, h, r), scale, beta);
    matmulRaw(part(dv, n, h, [0, keys]), transposed(scores), gs, 1, beta);
  }
  return [dq, dk, dv];
}
