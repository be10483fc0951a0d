/**
 * Tables of learned vectors.
 */
import { no_grad } from "../autograd/modes.ts";
import { TorchError, ValueError } from "../base/errors.ts";
import { sameShape } from "../base/shape.ts";
import { embedding } from "../ops/embedding.ts";
import { embedding_bag } from "../ops/embedding-bag.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type Args, Configured, ConstructorSignature, type FactoryOptions } from "./arguments.ts";
import { normal_ } from "./init.ts";
import { Parameter } from "./parameter.ts";

/** Options of {@link Embedding} and {@link EmbeddingBag}. */
interface TableOptions extends FactoryOptions {
  /** The row that is zero at first and stays as it is. */
  padding_idx?: number | null;
  /** Rows that are used are scaled down to this norm first. */
  max_norm?: number | null;
  /** Of which norm. Default: 2. */
  norm_type?: number;
  /** Divides the gradient of each row by how often it was used. */
  scale_grad_by_freq?: boolean;
  /** Gradients are dense in any case. */
  sparse?: boolean;
  /** The table itself, instead of random numbers. */
  _weight?: Tensor | null;
}

/** Options of {@link Embedding}. */
export interface EmbeddingModuleOptions extends TableOptions {
  /** Whether the table is not learned. */
  _freeze?: boolean;
}

const embeddingSignature = new ConstructorSignature(
  "Embedding(int num_embeddings, int embedding_dim, int? padding_idx=None, Scalar? max_norm=None, Scalar norm_type=2.0, bool scale_grad_by_freq=False, bool sparse=False, Tensor? _weight=None, bool _freeze=False, str? device=None, dtype? dtype=None)",
);

/** The row to pad with, counted from the start. */
function paddingOf(index: number | null, rows: number): number | null {
  if (index === null) return null;
  if (index >= rows || index < -rows) throw new ValueError("Padding_idx must be within num_embeddings");
  return index < 0 ? rows + index : index;
}

abstract class Table extends Configured {
  declare readonly num_embeddings: number;
  declare readonly embedding_dim: number;
  declare readonly padding_idx: number | null;
  declare readonly max_norm: number | null;
  declare readonly norm_type: number;
  declare readonly scale_grad_by_freq: boolean;
  declare readonly sparse: boolean;
  declare weight: Parameter;

  constructor(signature: ConstructorSignature, args: readonly unknown[]) {
    super(signature, args, ["_weight", "_freeze", "padding_idx"]);
    const a = this._arguments;
    const padding = paddingOf(a.get("padding_idx"), this.num_embeddings);
    (this as { padding_idx: number | null }).padding_idx = padding;
    const given = a.get<Tensor | null>("_weight");
    const learned = a.get<boolean | undefined>("_freeze") !== true;
    if (given === null) {
      const weight = a.parameter(this.num_embeddings, this.embedding_dim);
      if (!learned) weight.requires_grad_(false);
      this.register_parameter("weight", weight);
      this.reset_parameters();
      return;
    }
    if (!sameShape(given.shape, [this.num_embeddings, this.embedding_dim])) {
      throw new TorchError("Shape of weight does not match num_embeddings and embedding_dim");
    }
    this.register_parameter("weight", new Parameter(given, learned));
  }

  /** Draws new first values. */
  reset_parameters(): void {
    normal_(this.weight);
    const row = this.padding_idx;
    if (row !== null) no_grad(() => this.weight.select(0, row).fill_(0));
  }

  /** The options that are not at their default, as Python writes keywords. */
  protected optionsText(...names: readonly [name: string, byDefault: unknown][]): string {
    const shown = names.filter(([name, byDefault]) => Reflect.get(this, name) !== byDefault);
    return [`${this.num_embeddings}`, `${this.embedding_dim}`, ...shown.map(([name]) => this._list(name))].join(", ");
  }
}

/** The vectors of a table that a tensor of indices names. */
export class Embedding extends Table {
  constructor(
    ...args: Args<
      [num_embeddings: number, embedding_dim: number],
      [padding_idx?: number | null],
      EmbeddingModuleOptions
    >
  ) {
    super(embeddingSignature, args);
  }

  /** A module over a given table, which is not learned unless `freeze` is false. */
  static from_pretrained(
    embeddings: Tensor,
    options: Omit<EmbeddingModuleOptions, "_weight" | "_freeze"> & { freeze?: boolean } = {},
  ): Embedding {
    if (embeddings.ndim !== 2) throw new TorchError("Embeddings parameter is expected to be 2-dimensional");
    const { freeze = true, ...rest } = options;
    const [rows, columns] = embeddings.shape as [number, number];
    return new Embedding(rows, columns, { ...rest, _weight: embeddings, _freeze: freeze });
  }

  override forward(input: Tensor): Tensor {
    return embedding(
      input,
      this.weight,
      this.padding_idx,
      this.max_norm,
      this.norm_type,
      this.scale_grad_by_freq,
      this.sparse,
    );
  }

  override extra_repr(): string {
    return this.optionsText(
      ["padding_idx", null],
      ["max_norm", null],
      ["norm_type", 2],
      ["scale_grad_by_freq", false],
      ["sparse", false],
    );
  }
}

const embeddingBagSignature = new ConstructorSignature(
  "EmbeddingBag(int num_embeddings, int embedding_dim, Scalar? max_norm=None, Scalar norm_type=2.0, bool scale_grad_by_freq=False, str mode='mean', bool sparse=False, Tensor? _weight=None, bool include_last_offset=False, int? padding_idx=None, str? device=None, dtype? dtype=None)",
);

/** Options of {@link EmbeddingBag}. */
export interface EmbeddingBagModuleOptions extends TableOptions {
  /** What becomes of the vectors of a bag. Default: `"mean"`. */
  mode?: "sum" | "mean" | "max";
  /** Whether the last offset is the end of the last bag. */
  include_last_offset?: boolean;
}

/** What {@link EmbeddingBag} takes beside the indices. */
export interface EmbeddingBagInputs {
  /** Where each bag starts, for indices of one dimension. */
  offsets?: Tensor | null;
  /** How much each use counts, in mode `"sum"`. */
  per_sample_weights?: Tensor | null;
}

/** Sums, means or maxima over bags of the vectors of a table. */
export class EmbeddingBag extends Table {
  declare readonly mode: "sum" | "mean" | "max";
  declare readonly include_last_offset: boolean;

  constructor(
    ...args: Args<
      [num_embeddings: number, embedding_dim: number],
      [max_norm?: number | null],
      EmbeddingBagModuleOptions
    >
  ) {
    super(embeddingBagSignature, args);
  }

  override forward(
    input: Tensor,
    offsets: Tensor | null | EmbeddingBagInputs = null,
    per_sample_weights: Tensor | null = null,
  ): Tensor {
    if (offsets !== null && !(offsets instanceof Tensor)) {
      return this.forward(input, offsets.offsets ?? null, offsets.per_sample_weights ?? null);
    }
    return embedding_bag(input, this.weight, offsets, {
      max_norm: this.max_norm,
      norm_type: this.norm_type,
      scale_grad_by_freq: this.scale_grad_by_freq,
      mode: this.mode,
      sparse: this.sparse,
      per_sample_weights,
      include_last_offset: this.include_last_offset,
      padding_idx: this.padding_idx,
    });
  }

  override extra_repr(): string {
    const text = this.optionsText(["max_norm", null], ["norm_type", 2], ["scale_grad_by_freq", false]);
    const padding = this.padding_idx === null ? "" : `, padding_idx=${this.padding_idx}`;
    return `${text}, ${this._list("mode")}${padding}`;
  }
}
