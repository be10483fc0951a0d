/**
 * Convolutions on raw memory: as matrix products over columns, the patches of the input that each position of the output sees.
 *
 * A convolution relates three tensors: the input [N, C, …], the weight [O, C / groups, …] and the output [N, O, …]. It is linear
 * in the first two, so there are three computations, each of which makes one of the three from the other two, and the gradients
 * of each are the other two.
 *
 * Columns are made of a few rows of the output at a time: scratch memory is bounded, and stays in the cache.
 */
import { type DType, float32 } from "../../base/dtype.ts";
import { contiguousStrides, numel } from "../../base/shape.ts";
import { alias, allocate, type Tensor } from "../../tensor/tensor.ts";
import { castRaw, contiguousRaw, copyRaw, Elementwise, fillRaw } from "../elementwise.ts";
import { E, type Expr } from "../../ir/expr.ts";
import { matmulRaw } from "./contraction.ts";

/** How the weight moves over the input, for each spatial dimension. */
export interface ConvGeometry {
  readonly stride: readonly number[];
  /** Zeros before the first element; those after the last follow from the sizes. */
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  readonly groups: number;
}

/** Elements of scratch for columns. */
const columnsLimit = 1 << 19;

/** Everything a computation over one group of channels of one sample needs. */
interface Plan {
  readonly rank: number;
  readonly samples: number;
  readonly groups: number;
  /** Channels of the input and the output in one group. */
  readonly inChannels: number;
  readonly outChannels: number;
  readonly size: readonly number[];
  readonly kernel: readonly number[];
  readonly out: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly low: readonly number[];
  /** Sizes of the input with its padding. */
  readonly padded: readonly number[];
  readonly pads: boolean;
  /** Rows of one column matrix, and its columns. */
  readonly depth: number;
  readonly positions: number;
}

function planOf(input: readonly number[], weight: readonly number[], output: readonly number[], g: ConvGeometry): Plan {
  const rank = input.length - 2;
  const size = input.slice(2);
  const kernel = weight.slice(2);
  const out = output.slice(2);
  const padded = size.map((n, d) =>
    Math.max(
      n + (g.padding[d] as number),
      ((out[d] as number) - 1) * (g.stride[d] as number) + (g.dilation[d] as number) * ((kernel[d] as number) - 1) + 1,
    ),
  );
  return {
    rank,
    samples: input[0] as number,
    groups: g.groups,
    inChannels: weight[1] as number,
    outChannels: (weight[0] as number) / g.groups,
    size,
    kernel,
    out,
    stride: g.stride,
    dilation: g.dilation,
    low: g.padding,
    padded,
    pads: padded.some((n, d) => n !== size[d]),
    depth: (weight[1] as number) * numel(kernel),
    positions: numel(out),
  };
}

/** The columns of a group are the input itself: a weight of one element that visits each position. */
const isPlain = (p: Plan): boolean => !p.pads && p.kernel.every((n) => n === 1) && p.stride.every((n) => n === 1);

/** The pieces of the output over its first spatial dimension: [first row, rows]. */
function pieces(p: Plan): [number, number][] {
  const rows = p.out[0] as number;
  const perRow = p.depth * (p.positions / Math.max(rows, 1));
  const step = Math.max(1, Math.min(rows, Math.floor(columnsLimit / Math.max(perRow, 1))));
  const out: [number, number][] = [];
  for (let at = 0; at < rows; at += step) out.push([at, Math.min(step, rows - at)]);
  return out;
}

/** The channels of one group of one sample. */
function groupOf(t: Tensor, sample: number, group: number, channels: number): Tensor {
  const [s0, s1] = t._strides as [number, number];
  return alias(
    t,
    [channels, ...t.shape.slice(2)],
    t._strides.slice(1),
    t._offset + sample * s0 + group * channels * s1,
  );
}

/** What the positions of a piece see: [channels, ...kernel, ...out] over a padded group. */
function patches(source: Tensor, p: Plan, first: number, rows: number): Tensor {
  const [sc, ...spatial] = source._strides as [number, ...number[]];
  const out = [rows, ...p.out.slice(1)];
  return alias(
    source,
    [p.inChannels, ...p.kernel, ...out],
    [
      sc,
      ...spatial.map((s, d) => s * (p.dilation[d] as number)),
      ...spatial.map((s, d) => s * (p.stride[d] as number)),
    ],
    source._offset + first * (spatial[0] as number) * (p.stride[0] as number),
  );
}

/** The part of a padded group that is the input. */
function interior(padded: Tensor, p: Plan): Tensor {
  let offset = padded._offset;
  p.low.forEach((n, d) => (offset += n * (padded._strides[d + 1] as number)));
  return alias(padded, [p.inChannels, ...p.size], padded._strides, offset);
}

/** Matrix `rows` × `cols` at the start of a contiguous tensor, or at a place in it. */
const matrix = (t: Tensor, rows: number, cols: number, stride = cols, offset = t._offset): Tensor =>
  alias(t, [rows, cols], [stride, 1], offset);

const transposed = (t: Tensor): Tensor =>
  alias(t, [t.shape[1] as number, t.shape[0] as number], [t._strides[1] as number, t._strides[0] as number], t._offset);

/** The dtype to compute in: 16-bit floating types are summed as float32. */
const workType = (dtype: DType): DType => (dtype.category === 2 && dtype.itemsize < 4 ? float32 : dtype);

const work = (t: Tensor): Tensor => contiguousRaw(castRaw(t, workType(t.dtype)));

/**
 * Calls `visit` with the columns of each piece of each group: a matrix [depth, positions of the piece] of scratch memory, and where
 * the piece begins.
 */
function forColumns(
  input: Tensor,
  p: Plan,
  visit: (columns: Tensor, sample: number, group: number, start: number) => void,
): void {
  const { _backend: backend, dtype } = input;
  const list = pieces(p);
  const plain = isPlain(p);
  const perRow = p.positions / Math.max(p.out[0] as number, 1);
  const scratch = plain ? null : allocate([p.depth * (list[0]?.[1] ?? 0) * perRow], dtype, backend);
  let padded: Tensor | null = null;
  if (p.pads) {
    padded = allocate([p.inChannels, ...p.padded], dtype, backend);
    fillRaw(padded, 0);
  }
  for (let n = 0; n < p.samples; n++) {
    for (let g = 0; g < p.groups; g++) {
      const channels = groupOf(input, n, g, p.inChannels);
      if (padded !== null) copyRaw(interior(padded, p), channels);
      for (const [first, rows] of list) {
        if (scratch === null) {
          const start = first * perRow;
          visit(matrix(channels, p.depth, rows * perRow, p.positions, channels._offset + start), n, g, start);
          continue;
        }
        const seen = patches(padded ?? channels, p, first, rows);
        copyRaw(alias(scratch, seen.shape, contiguousStrides(seen.shape), 0), seen);
        visit(matrix(scratch, p.depth, rows * perRow), n, g, first * perRow);
      }
    }
  }
}

/** The output from input and weight; `bias` is added. */
export function convolveRaw(
  x: Tensor,
  w: Tensor,
  bias: Tensor | null,
  shape: readonly number[],
  geometry: ConvGeometry,
): Tensor {
  const { dtype, _backend: backend } = x;
  const [input, weight] = [work(x), work(w)];
  const out = allocate(shape, input.dtype, backend);
  const p = planOf(x.shape, w.shape, shape, geometry);
  if (out._numel === 0) return castRaw(out, dtype);
  if (bias !== null) {
    const spread = alias(
      bias,
      shape.map((n, d) => (d === 1 ? n : 1)),
      shape.map((_, d) => (d === 1 ? (bias._strides[0] as number) : 0)),
      bias._offset,
    );
    copyRaw(out, spread);
  } else if (p.depth === 0) fillRaw(out, 0);
  if (p.depth === 0) return castRaw(out, dtype);
  forColumns(input, p, (columns, n, g, start) => {
    const rows = p.outChannels;
    const target = matrix(
      out,
      rows,
      columns.shape[1] as number,
      p.positions,
      (n * p.groups + g) * rows * p.positions + start,
    );
    const kernel = matrix(weight, rows, p.depth, p.depth, weight._offset + g * rows * p.depth);
    matmulRaw(target, kernel, columns, 1, bias === null ? 0 : 1);
  });
  return castRaw(out, dtype);
}

/** The weight that goes with an input and an output: the sum of their products over all positions. */
export function convolveWeightRaw(y: Tensor, x: Tensor, shape: readonly number[], geometry: ConvGeometry): Tensor {
  const { dtype, _backend: backend } = x;
  const [input, output] = [work(x), work(y)];
  const p = planOf(x.shape, shape, y.shape, geometry);
  const rows = p.outChannels;
  // Transposed, [groups, depth, O / groups]: of the two factors the smaller one is then the one that is read across its rows.
  const sum = allocate([p.groups, p.depth, rows], input.dtype, backend);
  fillRaw(sum, 0);
  if (sum._numel > 0 && output._numel > 0) {
    forColumns(input, p, (columns, n, g, start) => {
      const width = columns.shape[1] as number;
      const at = output._offset + (n * p.groups + g) * rows * p.positions + start;
      const source = matrix(output, rows, width, p.positions, at);
      matmulRaw(matrix(sum, p.depth, rows, rows, g * rows * p.depth), columns, transposed(source), 1, 1);
    });
  }
  const out = allocate(shape, dtype, backend);
  const turned = alias(sum, [p.groups, rows, p.depth], [p.depth * rows, 1, rows], 0);
  copyRaw(alias(out, turned.shape, contiguousStrides(turned.shape), 0), turned);
  return out;
}

const sums = new Map<DType, Elementwise>();

/** @internal Adds a tensor of the same shape and dtype to another, element after element. */
export function addRaw(target: Tensor, other: Tensor): void {
  const { dtype } = target;
  let kernel = sums.get(dtype);
  if (kernel === undefined) {
    kernel = new Elementwise({
      name: "add_into",
      key: `add_into:${dtype.name}`,
      outs: [dtype],
      ins: [dtype, dtype],
      scalars: [],
      build: ([a, b]) => [E.add(a as Expr, b as Expr)],
    });
    sums.set(dtype, kernel);
  }
  kernel.run([target], [target, other], []);
}

/** @internal All positions of a kernel. */
export function* kernelOffsets(kernel: readonly number[]): Generator<number[]> {
  const total = numel(kernel);
  for (let i = 0; i < total; i++) {
    const at = new Array<number>(kernel.length);
    let rest = i;
    for (let d = kernel.length - 1; d >= 0; d--) {
      at[d] = rest % (kernel[d] as number);
      rest = Math.floor(rest / (kernel[d] as number));
    }
    yield at;
  }
}

/** Adds columns back to where they were taken from. */
function scatterColumns(target: Tensor, columns: Tensor, p: Plan, first: number, rows: number): void {
  const seen = patches(target, p, first, rows);
  const out = [rows, ...p.out.slice(1)];
  const taken = alias(columns, seen.shape, contiguousStrides(seen.shape), 0);
  const shape = [p.inChannels, ...out];
  const pick = (t: Tensor, at: readonly number[]): Tensor => {
    let offset = t._offset;
    at.forEach((k, d) => (offset += k * (t._strides[1 + d] as number)));
    return alias(t, shape, [t._strides[0] as number, ...t._strides.slice(1 + p.rank)], offset);
  };
  for (const at of kernelOffsets(p.kernel)) addRaw(pick(seen, at), pick(taken, at));
}

/**
 * Whether the input can be made by a convolution of the output with the weight turned around, which reads columns rather than
 * adding them up: for a step of one, where the padding is less than the reach of the weight.
 */
const turns = (w: Tensor, g: ConvGeometry): boolean =>
  g.stride.every((n) => n === 1) &&
  g.padding.every((n, d) => n <= (g.dilation[d] as number) * ((w.shape[d + 2] as number) - 1));

/** The weight [O, C / groups, …] as [C, O / groups, …], its elements in reverse order. */
function turnedWeight(weight: Tensor, groups: number): Tensor {
  const [o, c, ...kernel] = weight.shape as [number, number, ...number[]];
  const perGroup = o / groups;
  const [so, sc, ...sk] = weight._strides as [number, number, ...number[]];
  // Strides of a tensor cannot be negative: the kernel positions are copied one by one.
  const out = allocate([c * groups, perGroup, ...kernel], weight.dtype, weight._backend);
  const [, , ...tk] = out._strides as [number, number, ...number[]];
  const positions = numel(kernel);
  for (const at of kernelOffsets(kernel)) {
    let from = weight._offset;
    let to = 0;
    at.forEach((k, d) => {
      from += k * (sk[d] as number);
      to += ((kernel[d] as number) - 1 - k) * (tk[d] as number);
    });
    const shape = [groups, c, perGroup];
    copyRaw(
      alias(out, shape, [c * perGroup * positions, perGroup * positions, positions], to),
      alias(weight, shape, [perGroup * so, sc, so], from),
    );
  }
  return out;
}

/** The input that goes with an output and a weight: each output is spread over what it saw (a transposed convolution). */
export function convolveInputRaw(
  y: Tensor,
  w: Tensor,
  bias: Tensor | null,
  shape: readonly number[],
  geometry: ConvGeometry,
): Tensor {
  const { dtype, _backend: backend } = y;
  const [output, weight] = [work(y), work(w)];
  const p = planOf(shape, w.shape, y.shape, geometry);
  if (turns(w, geometry) && !isPlain(p)) {
    const padding = geometry.padding.map(
      (n, d) => (geometry.dilation[d] as number) * ((w.shape[d + 2] as number) - 1) - n,
    );
    const made = convolveRaw(output, turnedWeight(weight, geometry.groups), bias, shape, { ...geometry, padding });
    return castRaw(made, dtype);
  }
  const out = allocate(shape, output.dtype, backend);
  fillRaw(out, 0);
  if (out._numel > 0 && output._numel > 0 && p.outChannels > 0) spreadOutput(out, output, weight, p);
  if (bias !== null && out._numel > 0) {
    const spread = alias(
      bias,
      shape.map((n, d) => (d === 1 ? n : 1)),
      shape.map((_, d) => (d === 1 ? (bias._strides[0] as number) : 0)),
      bias._offset,
    );
    addRaw(out, castRaw(spread, out.dtype));
  }
  return castRaw(out, dtype);
}

function spreadOutput(out: Tensor, output: Tensor, weight: Tensor, p: Plan): void {
  const list = pieces(p);
  const plain = isPlain(p);
  const perRow = p.positions / Math.max(p.out[0] as number, 1);
  const scratch = plain ? null : allocate([p.depth * (list[0]?.[1] ?? 0) * perRow], out.dtype, out._backend);
  const padded = p.pads ? allocate([p.inChannels, ...p.padded], out.dtype, out._backend) : null;
  for (let n = 0; n < p.samples; n++) {
    for (let g = 0; g < p.groups; g++) {
      const channels = groupOf(out, n, g, p.inChannels);
      if (padded !== null) fillRaw(padded, 0);
      const rows = p.outChannels;
      const kernel = transposed(matrix(weight, rows, p.depth, p.depth, weight._offset + g * rows * p.depth));
      for (const [first, count] of list) {
        const width = count * perRow;
        const at = output._offset + (n * p.groups + g) * rows * p.positions + first * perRow;
        const source = matrix(output, rows, width, p.positions, at);
        if (scratch === null) {
          matmulRaw(matrix(channels, p.depth, width, p.positions, channels._offset + first * perRow), kernel, source);
          continue;
        }
        const columns = matrix(scratch, p.depth, width);
        matmulRaw(columns, kernel, source);
        scatterColumns(padded ?? channels, columns, p, first, count);
      }
      if (padded !== null) copyRaw(channels, interior(padded, p));
    }
  }
}
