/**
 * `torch.nn.utils.rnn`: sequences of different lengths in one batch.
 */
import { int64 } from "../base/dtype.ts";
import { ArgumentTypeError, TorchError } from "../base/errors.ts";
import { pythonTypeOf } from "../dispatch/signature.ts";
import { full, tensor } from "../ops/create.ts";
import { cat, stack } from "../ops/join.ts";
import { Tensor } from "../tensor/tensor.ts";

/** Integers as an int64 tensor. */
const integers = (values: readonly number[]): Tensor => tensor(values.map(BigInt), { dtype: int64 });

/**
 * Sequences of different lengths, time by time: first the first elements of all, then the second ones of those that have one.
 * The longest comes first.
 */
export class PackedSequence {
  readonly data: Tensor;
  /** How many sequences there are at each time. */
  readonly batch_sizes: Tensor;
  /** Where each packed sequence was before they were sorted, or null if they were. */
  readonly sorted_indices: Tensor | null;
  /** Where each sequence is now. */
  readonly unsorted_indices: Tensor | null;

  constructor(
    data: Tensor,
    batch_sizes: Tensor,
    sorted_indices: Tensor | null = null,
    unsorted_indices: Tensor | null = null,
  ) {
    this.data = data;
    this.batch_sizes = batch_sizes;
    this.sorted_indices = sorted_indices;
    this.unsorted_indices = unsorted_indices ?? invert_permutation(sorted_indices);
  }

  /** @internal {@link batch_sizes} as numbers. */
  get _sizes(): number[] {
    return (this.batch_sizes.tolist() as number[]).map(Number);
  }

  /** @internal Other data for the same sequences. */
  _with(data: Tensor): PackedSequence {
    return new PackedSequence(data, this.batch_sizes, this.sorted_indices, this.unsorted_indices);
  }
}

/** The order that undoes another. */
export function invert_permutation(permutation: Tensor | null): Tensor | null {
  return permutation === null ? null : permutation.argsort();
}

/** Options of {@link pack_padded_sequence}. */
export interface PackOptions {
  /** Whether the input is (batch, time, …) rather than (time, batch, …). Default: false. */
  batch_first?: boolean;
  /** Whether the lengths must fall already. Default: true. */
  enforce_sorted?: boolean;
}

/** Leaves out what pads the sequences of a batch. */
export function pack_padded_sequence(
  input: Tensor,
  lengths: Tensor | readonly number[],
  batch_first: boolean | PackOptions = false,
  enforce_sorted = true,
): PackedSequence {
  const o = typeof batch_first === "boolean" ? { batch_first, enforce_sorted } : batch_first;
  const given = (lengths instanceof Tensor ? (lengths.tolist() as number[]) : [...lengths]).map(Number);
  let x = o.batch_first === true ? input.transpose(0, 1) : input;
  if (given.length !== x.shape[1]) {
    throw new TorchError(
      `Expected \`len(lengths)\` to be equal to batch_size, but got ${given.length} (batch_size=${x.shape[1]})`,
    );
  }
  if (given.some((n) => n <= 0)) {
    throw new TorchError(
      "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0",
    );
  }
  let order: Tensor | null = null;
  let sorted = given;
  if (o.enforce_sorted ?? true) {
    if (given.some((n, i) => i > 0 && n > (given[i - 1] as number))) {
      throw new TorchError(
        "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you do not need ONNX exportability.",
      );
    }
  } else {
    const indices = given.map((_, i) => i).toSorted((a, b) => (given[b] as number) - (given[a] as number));
    sorted = indices.map((i) => given[i] as number);
    order = integers(indices);
    x = x.index_select(1, order);
  }
  const longest = sorted[0] ?? 0;
  if (longest > (x.shape[0] as number)) {
    throw new TorchError(
      `Expected sequence length to be larger than or equal to the longest of lengths, but got ${x.shape[0]} and ${longest}`,
    );
  }
  const sizes = Array.from({ length: longest }, (_, t) => sorted.filter((n) => n > t).length);
  const parts = sizes.map((size, t) => x.select(0, t).narrow(0, 0, size));
  return new PackedSequence(cat(parts, 0), integers(sizes), order);
}

/** Options of {@link pad_packed_sequence}. */
export interface UnpackOptions {
  batch_first?: boolean;
  padding_value?: number;
  /** To which length to pad. Default: that of the longest. */
  total_length?: number | null;
}

/** The inverse of {@link pack_padded_sequence}: a padded batch, and the lengths. */
export function pad_packed_sequence(
  sequence: PackedSequence,
  batch_first: boolean | UnpackOptions = false,
  padding_value = 0,
  total_length: number | null = null,
): [Tensor, Tensor] {
  const o = typeof batch_first === "boolean" ? { batch_first, padding_value, total_length } : batch_first;
  const sizes = sequence._sizes;
  const total = o.total_length ?? sizes.length;
  if (total < sizes.length) {
    throw new TorchError(
      `Expected total_length to be at least the length of the longest sequence in input, but got total_length=${total} and max sequence length being ${sizes.length}`,
    );
  }
  const batch = sizes[0] ?? 0;
  const { data } = sequence;
  const rest = data.shape.slice(1);
  const blank = (rows: number): Tensor => full([rows, ...rest], o.padding_value ?? 0, { dtype: data.dtype });
  let at = 0;
  const steps = sizes.map((size) => {
    const part = data.narrow(0, at, size);
    at += size;
    return size === batch ? part : cat([part, blank(batch - size)], 0);
  });
  for (let t = sizes.length; t < total; t++) steps.push(blank(batch));
  let padded = stack(steps, 0);
  let lengths = integers(Array.from({ length: batch }, (_, b) => sizes.filter((size) => size > b).length));
  if (sequence.unsorted_indices !== null) {
    padded = padded.index_select(1, sequence.unsorted_indices);
    lengths = lengths.index_select(0, sequence.unsorted_indices);
  }
  return [o.batch_first === true ? padded.transpose(0, 1) : padded, lengths];
}

/** Options of {@link pad_sequence}. */
export interface PadSequenceOptions {
  batch_first?: boolean;
  padding_value?: number;
  padding_side?: "left" | "right";
}

/** Sequences of different lengths in one tensor, padded to the longest. */
export function pad_sequence(
  sequences: Iterable<Tensor>,
  batch_first: boolean | PadSequenceOptions = false,
  padding_value = 0,
  padding_side: "left" | "right" = "right",
): Tensor {
  const o = typeof batch_first === "boolean" ? { batch_first, padding_value, padding_side } : batch_first;
  const list = [...sequences];
  if (list.some((t) => !(t instanceof Tensor))) {
    throw new ArgumentTypeError(`pad_sequence: Expected a list of Tensors, but got ${pythonTypeOf(list[0])}`);
  }
  if (list.length === 0) throw new TorchError("received an empty list of sequences");
  const longest = Math.max(...list.map((t) => t.shape[0] as number));
  const padded = list.map((t) => {
    const missing = longest - (t.shape[0] as number);
    if (missing === 0) return t;
    const blank = full([missing, ...t.shape.slice(1)], o.padding_value ?? 0, { dtype: t.dtype });
    return cat(o.padding_side === "left" ? [blank, t] : [t, blank], 0);
  });
  return stack(padded, o.batch_first === true ? 0 : 1);
}

/** The inverse of {@link pad_sequence}. */
export function unpad_sequence(padded: Tensor, lengths: Tensor, batch_first = false): Tensor[] {
  const x = batch_first ? padded : padded.transpose(0, 1);
  return (lengths.tolist() as number[]).map((n, i) => x.select(0, i).narrow(0, 0, Number(n)));
}

/** Packs a list of sequences. */
export function pack_sequence(
  sequences: Iterable<Tensor>,
  enforce_sorted: boolean | PackOptions = true,
): PackedSequence {
  const list = [...sequences];
  const lengths = list.map((t) => t.shape[0] as number);
  const sorted = typeof enforce_sorted === "boolean" ? enforce_sorted : (enforce_sorted.enforce_sorted ?? true);
  return pack_padded_sequence(pad_sequence(list), lengths, { enforce_sorted: sorted });
}

/** The inverse of {@link pack_sequence}. */
export function unpack_sequence(packed_sequences: PackedSequence): Tensor[] {
  const [padded, lengths] = pad_packed_sequence(packed_sequences, true);
  return unpad_sequence(padded, lengths, true);
}
