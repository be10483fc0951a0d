/**
 * The golden files as they are stored: what PyTorch answered, as JSON. A number is a JSON number, or one of the strings "nan",
 * "inf", "-inf", or a decimal string for integers that a double cannot hold.
 */

export type Datum = number | string | boolean;

/** A tensor as the files hold it: flat logical data, or storage with strides and offset. Complex numbers take two entries. */
export interface TensorRecord {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data?: readonly Datum[];
  readonly storage?: readonly Datum[];
  readonly strides?: readonly number[];
  readonly offset?: number;
  /** A leaf that requires grad in the derivative runs. */
  readonly grad?: boolean;
}

export interface RaisedRecord {
  readonly type: string;
  readonly message: string;
}

/** A call: positional and keyword arguments, with the tensors that `{"$t": i}` refers to. */
export interface CallRecord {
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly tensors: readonly TensorRecord[];
}

export interface GradRecord {
  readonly inputs: readonly number[];
  readonly diff_outs: readonly number[];
  readonly vjp?: readonly (TensorRecord | null)[];
  readonly gg?: {
    readonly inputs: readonly (TensorRecord | null)[];
    readonly grad_outputs: readonly (TensorRecord | null)[];
  } | null;
  readonly gg_error?: RaisedRecord;
  readonly jvp?: readonly (TensorRecord | null)[];
  readonly jvp_error?: RaisedRecord;
  readonly wrapper?: string;
  readonly wrapper_text?: string;
  readonly post?: string;
  readonly outs?: readonly TensorRecord[];
}

export interface SampleRecord extends CallRecord {
  readonly id: string;
  readonly dtype: string;
  readonly out?: unknown;
  readonly outs?: readonly TensorRecord[];
  readonly alias?: readonly (number | null)[];
  readonly mutates?: Readonly<Record<string, TensorRecord>>;
  readonly method?: true | RaisedRecord;
  readonly inplace?: true | RaisedRecord | { readonly out: unknown; readonly returns_self: boolean };
  readonly raises?: RaisedRecord;
  readonly raises_with_grad?: RaisedRecord;
  readonly grad_fn_full?: readonly (string | null)[];
  readonly out_requires_grad?: readonly boolean[];
  readonly grad?: GradRecord | null;
  readonly grad_error?: RaisedRecord;
  readonly cond?: number | "discontinuous";
  readonly err?: { readonly out?: number; readonly vjp?: number };
}

export interface OpErrorRecord extends CallRecord {
  readonly id: string;
  readonly raised: RaisedRecord | null;
}

export interface OpFile {
  readonly name: string;
  readonly full_name: string;
  readonly tier: number;
  readonly call: string;
  readonly samples: readonly SampleRecord[];
  readonly errors: readonly OpErrorRecord[];
}

/** `ops/tolerance.json`: how far two correct implementations of an op lie apart. */
export interface ToleranceFile {
  readonly above_threshold: Readonly<
    Record<string, Readonly<Record<string, { readonly value?: number | string; readonly vjp?: number | string }>>>
  >;
}

export interface ModuleRun {
  readonly training: boolean | "both";
  readonly out?: unknown;
  readonly outs?: readonly TensorRecord[];
  readonly grad_fn?: readonly (string | null)[];
  readonly buffers_after?: Readonly<Record<string, TensorRecord>>;
  readonly diff_outs?: readonly number[];
  readonly input_grads?: readonly (TensorRecord | null)[];
  readonly param_grads?: Readonly<Record<string, TensorRecord | null>>;
  readonly raises?: RaisedRecord;
}

export interface ModuleCase extends CallRecord {
  readonly case: string;
  readonly class: string;
  readonly repr: string;
  readonly repr_after?: string;
  readonly ctor?: Readonly<Record<string, unknown>>;
  readonly ctor_source?: string;
  readonly ctor_varargs?: boolean;
  readonly ctor_tensors: readonly TensorRecord[];
  readonly lazy?: boolean;
  readonly params: Readonly<Record<string, TensorRecord>>;
  readonly buffers: Readonly<Record<string, TensorRecord>>;
  readonly state_dict_keys: readonly string[];
  readonly runs: readonly ModuleRun[];
}

export interface ModuleErrorCase {
  readonly id: string;
  readonly class: string;
  readonly source?: string;
  readonly ctor_args?: readonly unknown[];
  readonly ctor_kwargs?: Readonly<Record<string, unknown>>;
  readonly args?: readonly unknown[];
  readonly kwargs?: Readonly<Record<string, unknown>>;
  readonly tensors?: readonly TensorRecord[];
  readonly raised_in?: string;
  readonly raised: RaisedRecord | null;
}
