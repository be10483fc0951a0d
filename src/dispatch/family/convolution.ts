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

/** Some rows of one sample, or several whole samples; of one group of channels. */
interface Piece {
  readonly sample: number;
  readonly samples: number;
  readonly group: number;
  /** The first row of the output, and how many. */
  readonly first: number;
  readonly rows: number;
}

/** Positions below which samples are taken together: matrix products of few columns are slow. */
const fewPositions = 1024;

/** How large pieces are at most. */
function pieceSize(p: Plan): { samples: number; rows: number } {
  const rows = p.out[0] as number;
  const perSample = Math.max(p.depth * p.positions, 1);
  if (p.positions < fewPositions && 2 * perSample <= columnsLimit) {
    return { samples: Math.max(1, Math.min(p.samples, Math.floor(columnsLimit / perSample))), rows };
  }
  const perRow = Math.max((p.depth * p.positions) / Math.max(rows, 1), 1);
  return { samples: 1, rows: Math.max(1, Math.min(rows, Math.floor(columnsLimit / perRow))) };
}

function* piecesOf(p: Plan): Generator<Piece> {
  const size = pieceSize(p);
  const all = p.out[0] as number;
  for (let sample = 0; sample < p.samples; sample += size.samples) {
    const samples = Math.min(size.samples, p.samples - sample);
    for (let group = 0; group < p.groups; group++) {
      for (let first = 0; first < all; first += size.rows) {
        yield { sample, samples, group, first, rows: Math.min(size.rows, all - first) };
      }
    }
  }
}

/** Positions in a row of the output. */
const rowLength = (p: Plan): number => p.positions / Math.max(p.out[0] as number, 1);

/** The columns of a piece. */
const widthOf = (p: Plan, piece: Piece): number => piece.samples * piece.rows * rowLength(p);

/** The channels of one group of some samples, [samples, channels, …]. */
function groupOf(t: Tensor, { sample, samples, group }: Piece, channels: number): Tensor {
  const [s0, s1] = t._strides as [number, number];
  return alias(
    t,
    [samples, channels, ...t.shape.slice(2)],
    t._strides,
    t._offset + sample * s0 + group * channels * s1,
  );
}

/** What the positions of a piece see: [channels, ...kernel, samples, ...out] over padded groups. */
function patches(source: Tensor, p: Plan, { samples, first, rows }: Piece): Tensor {
  const [sn, sc, ...spatial] = source._strides as [number, number, ...number[]];
  const out = [rows, ...p.out.slice(1)];
  return alias(
    source,
    [p.inChannels, ...p.kernel, samples, ...out],
    [
      sc,
      ...spatial.map((s, d) => s * (p.dilation[d] as number)),
      sn,
      ...spatial.map((s, d) => s * (p.stride[d] as number)),
    ],
    source._offset + first * (spatial[0] as number) * (p.stride[0] as number),
  );
}

/** The part of padded groups that is the input. */
function interior(padded: Tensor, p: Plan, samples: number): Tensor {
  let offset = padded._offset;
  p.low.forEach((n, d) => (offset += n * (padded._strides[d + 2] as number)));
  return alias(padded, [samples, p.inChannels, ...p.size], padded._strides, offset);
}

/** Matrix `rows` × `cols` at the start of a contiguous tensor, or at a place in it. */
const matrix = (t: Tensor, rows: number, cols: number, stride = cols, offset = t._offset): Tensor =>
  alias(t, [rows, cols], [stride, 1], offset);

const transposed = (t: Tensor): Tensor =>
  alias(t, [t.shape[1] as number, t.shape[0] as number], [t._strides[1] as number, t._strides[0] as number], t._offset);

/** The outputs of a piece as [channels, samples, positions]. */
function outputOf(t: Tensor, p: Plan, piece: Piece): Tensor {
  const rows = p.outChannels;
  return alias(
    t,
    [rows, piece.samples, piece.rows * rowLength(p)],
    [p.positions, p.groups * rows * p.positions, 1],
    t._offset + (piece.sample * p.groups + piece.group) * rows * p.positions + piece.first * rowLength(p),
  );
}

/** The same as a matrix [channels, columns]: in place for one sample, else over a copy. */
function outputMatrix(t: Tensor, p: Plan, piece: Piece, scratch: Tensor | null): Tensor {
  const view = outputOf(t, p, piece);
  if (piece.samples === 1 || scratch === null) {
    return matrix(t, p.outChannels, widthOf(p, piece), p.positions, view._offset);
  }
  copyRaw(alias(scratch, view.shape, contiguousStrides(view.shape), 0), view);
  return matrix(scratch, p.outChannels, widthOf(p, piece));
}

/** Memory for {@link outputMatrix}, where samples are taken together. */
function outputScratch(p: Plan, like: Tensor): Tensor | null {
  const { samples, rows } = pieceSize(p);
  return samples === 1 ? null : allocate([p.outChannels * samples * rows * rowLength(p)], like.dtype, like._backend);
}

const columnScratch = (p: Plan, like: Tensor): Tensor => {
  const { samples, rows } = pieceSize(p);
  return allocate([p.depth * samples * rows * rowLength(p)], like.dtype, like._backend);
};

const paddedScratch = (p: Plan, like: Tensor): Tensor | null =>
  p.pads ? allocate([pieceSize(p).samples, p.inChannels, ...p.padded], like.dtype, like._backend) : null;

/** The dtype to compute in: 16-bit floating types are summed as float32. */
const workType = (dtype: DType): DType => (dtype.category === 2 && dtype.itemsize < 4 ? float32 : dtype);

const work = (t: Tensor): Tensor => contiguousRaw(castRaw(t, workType(t.dtype)));

/** Calls `visit` with the columns of each piece: a matrix [depth, columns], mostly in scratch memory. */
function forColumns(input: Tensor, p: Plan, visit: (columns: Tensor, piece: Piece) => void): void {
  const inPlace = isPlain(p) && pieceSize(p).samples === 1;
  const scratch = inPlace ? null : columnScratch(p, input);
  const padded = paddedScratch(p, input);
  if (padded !== null) fillRaw(padded, 0);
  for (const piece of piecesOf(p)) {
    const channels = groupOf(input, piece, p.inChannels);
    const width = widthOf(p, piece);
    if (scratch === null) {
      visit(matrix(channels, p.depth, width, p.positions, channels._offset + piece.first * rowLength(p)), piece);
      continue;
    }
    if (padded !== null && piece.first === 0) copyRaw(interior(padded, p, piece.samples), channels);
    const seen = patches(padded ?? channels, p, piece);
    copyRaw(alias(scratch, seen.shape, contiguousStrides(seen.shape), 0), seen);
    visit(matrix(scratch, p.depth, width), piece);
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
  const scratch = outputScratch(p, out);
  forColumns(input, p, (columns, piece) => {
    const rows = p.outChannels;
    // With the bias in it already, the output is added to.
    const target =
      bias === null && scratch !== null && piece.samples > 1
        ? matrix(scratch, rows, widthOf(p, piece))
        : outputMatrix(out, p, piece, scratch);
    const kernel = matrix(weight, rows, p.depth, p.depth, weight._offset + piece.group * rows * p.depth);
    matmulRaw(target, kernel, columns, 1, bias === null ? 0 : 1);
    if (piece.samples > 1 && scratch !== null) {
      const view = outputOf(out, p, piece);
      copyRaw(view, alias(scratch, view.shape, contiguousStrides(view.shape), 0));
    }
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
    const scratch = outputScratch(p, output);
    forColumns(input, p, (columns, piece) => {
      const source = outputMatrix(output, p, piece, scratch);
      matmulRaw(matrix(sum, p.depth, rows, rows, piece.group * rows * p.depth), columns, transposed(source), 1, 1);
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
function scatterColumns(target: Tensor, columns: Tensor, p: Plan, piece: Piece): void {
  const seen = patches(target, p, piece);
  const taken = alias(columns, seen.shape, contiguousStrides(seen.shape), 0);
  const kept = [0, ...seen.shape.map((_, d) => d).slice(1 + p.rank)];
  const shape = kept.map((d) => seen.shape[d] as number);
  const pick = (t: Tensor, at: readonly number[]): Tensor => {
    let offset = t._offset;
    at.forEach((k, d) => (offset += k * (t._strides[1 + d] as number)));
    return alias(
      t,
      shape,
      kept.map((d) => t._strides[d] as number),
      offset,
    );
  };
  for (const at of kernelOffsets(p.kernel)) addRaw(pick(seen, at), pick(taken, at));
}

/**
 * Whether the input is made by a convolution of the output with the weight turned around, which reads columns rather than
 * adding them up: for a step of one, where the padding is less than the reach of the weight, unless there are far more columns
 * that way.
 */
const turns = (w: Tensor, g: ConvGeometry): boolean =>
  (w.shape[0] as number) <= 2 * g.groups * (w.shape[1] as number) &&
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
  const inPlace = isPlain(p) && pieceSize(p).samples === 1;
  const scratch = inPlace ? null : columnScratch(p, out);
  const outputs = outputScratch(p, output);
  const padded = paddedScratch(p, out);
  const rows = p.outChannels;
  for (const piece of piecesOf(p)) {
    const channels = groupOf(out, piece, p.inChannels);
    if (padded !== null && piece.first === 0) fillRaw(padded, 0);
    const kernel = transposed(matrix(weight, rows, p.depth, p.depth, weight._offset + piece.group * rows * p.depth));
    const source = outputMatrix(output, p, piece, outputs);
    const width = widthOf(p, piece);
    if (scratch === null) {
      matmulRaw(
        matrix(channels, p.depth, width, p.positions, channels._offset + piece.first * rowLength(p)),
        kernel,
        source,
      );
      continue;
    }
    const columns = matrix(scratch, p.depth, width);
    matmulRaw(columns, kernel, source);
    scatterColumns(padded ?? channels, columns, p, piece);
    const done = piece.first + piece.rows === p.out[0];
    if (padded !== null && done) copyRaw(channels, interior(padded, p, piece.samples));
  }
}
