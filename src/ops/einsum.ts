/**
 * Sums of products by letters: einsum, and tensordot and inner, which name their dims by number.
 */
import { TorchError } from "../base/errors.ts";
import { formatShape, numel, wrapDim } from "../base/shape.ts";
import { describe, operator } from "../dispatch/op.ts";
import { Signature } from "../dispatch/signature.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Op } from "./view.ts";

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** Stands for all dims of an ellipsis in lists of labels. */
const ellipsis = letters.length;

/** The labels of one operand, or of the result. */
function labelsOf(text: string, where: string, operand: number | null): number[] {
  const labels: number[] = [];
  const equation = where;
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string;
    if (c === " ") continue;
    if (c === ".") {
      const what = operand === null ? "the output" : `operand ${operand}`;
      if (labels.includes(ellipsis)) {
        throw new TorchError(`einsum(): found '.' for ${what} for which an ellipsis was already found`);
      }
      if (text.slice(i, i + 3) !== "...") {
        throw new TorchError(`einsum(): found '.' for ${what} that is not part of any ellipsis`);
      }
      labels.push(ellipsis);
      i += 2;
      continue;
    }
    const label = letters.indexOf(c);
    if (label < 0) {
      throw new TorchError(
        `einsum(): invalid subscript given at index ${equation.indexOf(c)} in the equation string, subscripts must be in [a-zA-Z]`,
      );
    }
    labels.push(label);
  }
  return labels;
}

const nameOf = (label: number): string => letters[label] as string;

/** What einsum is to do: labels of operands and result, with the ellipsis of the largest operand. */
interface Plan {
  readonly operands: readonly number[][];
  readonly result: readonly number[];
  readonly ellipsisDims: number;
}

function planOf(equation: string, tensors: readonly Tensor[]): Plan {
  const arrow = equation.indexOf("->");
  const left = arrow < 0 ? equation : equation.slice(0, arrow);
  const parts = left.split(",");
  const operands = parts.map((part, i) => labelsOf(part, equation, i));
  if (parts.length > tensors.length) {
    throw new TorchError("einsum(): fewer operands were provided than specified in the equation");
  }
  if (parts.length < tensors.length) {
    throw new TorchError("einsum(): more operands were provided than specified in the equation");
  }
  let ellipsisDims = 0;
  operands.forEach((labels, i) => {
    const { ndim } = tensors[i] as Tensor;
    const count = labels.filter((l) => l !== ellipsis).length;
    if (labels.includes(ellipsis)) {
      if (count > ndim) {
        throw new TorchError(
          `einsum(): the number of subscripts in the equation (${count}) is more than the number of dimensions (${ndim}) for operand ${i}`,
        );
      }
      ellipsisDims = Math.max(ellipsisDims, ndim - count);
    } else if (count !== ndim) {
      throw new TorchError(
        `einsum(): the number of subscripts in the equation (${count}) does not match the number of dimensions (${ndim}) for operand ${i} and no ellipsis was given`,
      );
    }
  });
  if (arrow < 0) {
    const counts = new Map<number, number>();
    for (const l of operands.flat()) if (l !== ellipsis) counts.set(l, (counts.get(l) ?? 0) + 1);
    const once = [...counts.entries()].filter(([, n]) => n === 1).map(([l]) => l);
    return { operands, result: [ellipsis, ...once.toSorted((a, b) => a - b)], ellipsisDims };
  }
  const result = labelsOf(equation.slice(arrow + 2), equation, null);
  result.forEach((l, i) => {
    if (l === ellipsis) return;
    if (result.indexOf(l) !== i) {
      throw new TorchError(`einsum(): output subscript ${nameOf(l)} appears more than once in the output`);
    }
    if (!operands.some((labels) => labels.includes(l))) {
      throw new TorchError(
        `einsum(): output subscript ${nameOf(l)} does not appear in the equation for any input operand`,
      );
    }
  });
  return { operands, result, ellipsisDims };
}

/** The sum of products of two tensors with equal numbers of dims; dims of size 1 broadcast. The summed dims are kept. */
function pairProduct(a: Tensor, b: Tensor, summed: readonly number[]): Tensor {
  if (summed.length === 0) return a.mul(b);
  let [left, right] = [a, b];
  const both: number[] = [];
  let lefts: number[] = [];
  let rights: number[] = [];
  let sumSize = 1;
  for (let d = 0; d < a.ndim; d++) {
    const inLeft = left.shape[d] !== 1;
    const inRight = right.shape[d] !== 1;
    if (summed.includes(d)) {
      if (inLeft && inRight) sumSize *= left.shape[d] as number;
      else if (inLeft) left = left.sum(d, true);
      else if (inRight) right = right.sum(d, true);
    } else if (inLeft && inRight) both.push(d);
    else if (inLeft) lefts.push(d);
    else rights.push(d);
  }
  // Where the right operand's dims come first in the result, the operands change sides, so that it needs no permutation.
  if (lefts.length > 0 && rights.length > 0 && (rights.at(-1) as number) < (lefts[0] as number)) {
    [left, right] = [right, left];
    [lefts, rights] = [rights, lefts];
  }
  const sizes = (x: Tensor, dims: readonly number[]): number[] => dims.map((d) => x.shape[d] as number);
  const [batch, rows, cols] = [sizes(left, both), sizes(left, lefts), sizes(right, rights)];
  const [nBatch, nRows, nCols] = [numel(batch), numel(rows), numel(cols)];
  const product = left
    .permute([...both, ...lefts, ...summed, ...rights])
    .reshape([nBatch, nRows, sumSize])
    .bmm(right.permute([...both, ...summed, ...rights, ...lefts]).reshape([nBatch, sumSize, nCols]));
  const order = [...both, ...lefts, ...summed, ...rights];
  const back = new Array<number>(order.length);
  order.forEach((d, i) => (back[d] = i));
  return product.view([...batch, ...rows, ...summed.map(() => 1), ...cols]).permute(back);
}

/** One operand with its dims in the order of all labels, those it lacks as dims of size 1; repeated labels become diagonals. */
function aligned(
  x: Tensor,
  labels: readonly number[],
  operand: number,
  position: (label: number, k: number) => number,
  total: number,
  ellipsisDims: number,
): Tensor {
  let t = x;
  const places: number[] = [];
  const covered = x.ndim - labels.filter((l) => l !== ellipsis).length;
  const seen = new Map<number, number>();
  let dim = 0;
  for (const label of labels) {
    if (label === ellipsis) {
      // The ellipsis stands for the last of all its dims.
      for (let k = 0; k < covered; k++) places.push(position(ellipsis, ellipsisDims - covered + k));
      dim += covered;
      continue;
    }
    const before = seen.get(label);
    if (before === undefined) {
      seen.set(label, dim++);
      places.push(position(label, 0));
      continue;
    }
    if (t.shape[dim] !== t.shape[before]) {
      throw new TorchError(
        `einsum(): subscript ${nameOf(label)} is repeated for operand ${operand} but the sizes don't match, ${t.shape[dim]} != ${t.shape[before]}`,
      );
    }
    t = t.diagonal(0, before, dim).movedim(-1, before);
  }
  const order = new Array<number>(total).fill(-1);
  places.forEach((to, from) => (order[to] = from));
  let next = places.length;
  const missing = order.filter((from) => from < 0).length;
  for (let i = 0; i < missing; i++) t = t.unsqueeze(-1);
  return t.permute(order.map((from) => (from < 0 ? next++ : from)));
}

function compute(equation: string, tensors: readonly Tensor[]): Tensor {
  if (tensors.length === 0) throw new TorchError("einsum(): must provide at least one operand");
  const { operands, result, ellipsisDims } = planOf(equation, tensors);
  // Dims of the result come first, then those that are summed.
  const places = new Map<number, number>();
  let total = 0;
  const place = (label: number): void => {
    if (places.has(label)) return;
    places.set(label, total);
    total += label === ellipsis ? ellipsisDims : 1;
  };
  result.forEach(place);
  const kept = total;
  if (ellipsisDims > 0) place(ellipsis);
  const others = new Set(operands.flat().filter((l) => l !== ellipsis && !places.has(l)));
  [...others].toSorted((a, b) => a - b).forEach(place);
  const position = (label: number, k: number): number => (places.get(label) as number) + k;
  let list = tensors.map((t, i) => aligned(t, operands[i] as number[], i, position, total, ellipsisDims));
  const counts = new Array<number>(total).fill(0);
  const sizes = new Array<number>(total).fill(1);
  list.forEach((t, i) => {
    t.shape.forEach((n, d) => {
      if (n === 1) return;
      counts[d] = (counts[d] as number) + 1;
      if (sizes[d] !== 1 && sizes[d] !== n) {
        const label = [...places.entries()].find(([l, p]) => l !== ellipsis && p === d)?.[0];
        const what = label === undefined ? "dimension of the ellipsis" : `subscript ${nameOf(label)}`;
        throw new TorchError(
          `einsum(): ${what} has size ${n} for operand ${i} which does not broadcast with previously seen size ${sizes[d]}`,
        );
      }
      sizes[d] = n;
    });
  });
  while (list.length > 1) {
    let [a, b] = list as [Tensor, Tensor];
    const summed: number[] = [];
    const ofA: number[] = [];
    const ofB: number[] = [];
    for (let d = kept; d < total; d++) {
      if (a.shape[d] !== 1 && b.shape[d] !== 1) {
        counts[d] = (counts[d] as number) - 1;
        if (counts[d] !== 1) continue;
        summed.push(d);
        counts[d] = 0;
      } else if (counts[d] === 1) {
        if (a.shape[d] !== 1) ofA.push(d);
        else if (b.shape[d] !== 1) ofB.push(d);
        else continue;
        counts[d] = 0;
      }
    }
    if (ofA.length > 0) a = a.sum(ofA, true);
    if (ofB.length > 0) b = b.sum(ofB, true);
    list = [pairProduct(a, b, summed), ...list.slice(2)];
  }
  const out = list[0] as Tensor;
  if (total === kept) return out;
  if (tensors.length > 1) return out.view(out.shape.slice(0, kept));
  return out.sum(Array.from({ length: total - kept }, (_, i) => kept + i));
}

/** `einsum(a, [0, 1], b, [1, 2], [0, 2])` as an equation. */
function fromLists(args: readonly unknown[]): { equation: string; tensors: Tensor[] } {
  const text = (list: unknown): string =>
    (list as unknown[])
      .map((x) => {
        if (typeof x !== "number") return "...";
        if (x < 0 || x >= letters.length) {
          throw new TorchError(`einsum(): expected subscripts to be in range [0, ${letters.length}), but got ${x}`);
        }
        return nameOf(x);
      })
      .join("");
  const tensors: Tensor[] = [];
  const parts: string[] = [];
  let i = 0;
  for (; i + 1 < args.length; i += 2) {
    tensors.push(args[i] as Tensor);
    parts.push(text(args[i + 1]));
  }
  return { equation: parts.join(",") + (i < args.length ? `->${text(args[i])}` : ""), tensors };
}

export interface Einsum {
  (equation: string, ...operands: (Tensor | readonly Tensor[])[]): Tensor;
  (...operandsAndSubscripts: (Tensor | readonly (number | "...")[])[]): Tensor;
}

/**
 * Products of tensors summed over the letters that the result lacks: `einsum("ij,jk->ik", a, b)` is the matrix product. Also with
 * numbers for letters: `einsum(a, [0, 1], b, [1, 2], [0, 2])`.
 */
export const einsum: Op<Einsum> = describe(
  ((...args: unknown[]): Tensor => {
    if (args[0] instanceof Tensor) {
      const { equation, tensors } = fromLists(args);
      return compute(equation, tensors);
    }
    const operands = args.length === 2 && Array.isArray(args[1]) ? (args[1] as Tensor[]) : (args.slice(1) as Tensor[]);
    if (operands.length === 0) throw new TorchError("einsum(): must provide at least one operand");
    return compute(String(args[0]), operands);
  }) as Einsum,
  new Signature("einsum(str equation, Tensor[]... operands)"),
  { method: false },
);

// --- by numbers of dims ----------------------------------------------------------------------------------------------

function contract(a: Tensor, b: Tensor, dimsA: readonly number[], dimsB: readonly number[]): Tensor {
  if (dimsA.length !== dimsB.length) throw new TorchError("both dimension lists should have same length");
  let [left, right] = [a, b];
  const ofA = dimsA.map((d) => wrapDim(d, a.ndim));
  const ofB = dimsB.map((d) => wrapDim(d, b.ndim));
  let size = 1;
  ofA.forEach((d, i) => {
    const e = ofB[i] as number;
    const [s, t] = [left.shape[d] as number, right.shape[e] as number];
    if (t === 1) left = left.sum(d, true);
    else if (s === 1) right = right.sum(e, true);
    else {
      if (s !== t) {
        throw new TorchError(
          `contracted dimensions need to match, but first has size ${s} in dim ${dimsA[i]} and second has size ${t} in dim ${dimsB[i]}`,
        );
      }
      size *= s;
    }
  });
  const freeA = a.shape.map((_, d) => d).filter((d) => !ofA.includes(d));
  const freeB = b.shape.map((_, d) => d).filter((d) => !ofB.includes(d));
  const shapeA = freeA.map((d) => a.shape[d] as number);
  const shapeB = freeB.map((d) => b.shape[d] as number);
  return left
    .permute([...freeA, ...ofA])
    .reshape([numel(shapeA), size])
    .mm(right.permute([...ofB, ...freeB]).reshape([size, numel(shapeB)]))
    .reshape([...shapeA, ...shapeB]);
}

type DotDims = number | readonly [number | readonly number[], number | readonly number[]] | Tensor;

/** The sum of products over dims of both tensors: the last `dims` of the first and the first of the second, or lists of both. */
export const tensordot: Op<(a: Tensor, b: Tensor, dims?: DotDims, options?: { out?: Tensor | null }) => Tensor> =
  operator(
    "tensordot(Tensor a, Tensor b, any dims=2)",
    (a: Tensor, b: Tensor, given: unknown) => {
      const dims = given instanceof Tensor ? given.tolist() : given;
      if (Array.isArray(dims)) {
        const [first, second] = dims as [number | number[], number | number[]];
        return contract(a, b, [first].flat(), [second].flat());
      }
      const n = Number(dims);
      if (n < 0) throw new TorchError(`tensordot expects dims >= 0, but got dims=${n}`);
      const range = (start: number): number[] => Array.from({ length: n }, (_, i) => start + i);
      return contract(a, b, range(-n), range(0));
    },
    { method: false },
  );

/** The sums of products along the last dims of both tensors. */
export const inner: Op<(input: Tensor, other: Tensor, options?: { out?: Tensor | null }) => Tensor> = operator(
  "inner(Tensor input, Tensor other)",
  (a: Tensor, b: Tensor) => {
    if (a.ndim === 0 || b.ndim === 0) return a.mul(b);
    if (a.shape.at(-1) !== b.shape.at(-1)) {
      throw new TorchError(
        `inner() the last dimension must match on both input tensors but got shapes ${formatShape(a.shape)} and ${formatShape(b.shape)}`,
      );
    }
    return contract(a, b, [-1], [-1]);
  },
);
