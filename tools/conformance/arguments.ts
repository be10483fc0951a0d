/** The arguments of a recorded call as Python values. */

import { type Namespace, isClass, isObject } from "./python/bridge.ts";
import type { Interpreter } from "./python/evaluate.ts";
import { Missing, PyComplex, PyDict, PySlice, PyTuple, ellipsis } from "./python/values.ts";
import { datum } from "./tensors.ts";

/** Decodes arguments; `tensors` are those of the case. */
export class Decoder {
  readonly #python: Interpreter;
  readonly #torch: Namespace;

  constructor(python: Interpreter) {
    this.#python = python;
    this.#torch = python.bridge.torch;
  }

  list(values: readonly unknown[], tensors: readonly unknown[]): unknown[] {
    return values.map((value) => this.value(value, tensors));
  }

  keywords(values: Readonly<Record<string, unknown>>, tensors: readonly unknown[]): Map<string, unknown> {
    return new Map(Object.entries(values).map(([name, value]) => [name, this.value(value, tensors)]));
  }

  value(value: unknown, tensors: readonly unknown[]): unknown {
    if (typeof value === "number") return Number.isInteger(value) && !Object.is(value, -0) ? BigInt(value) : value;
    if (Array.isArray(value)) return this.list(value, tensors);
    if (typeof value !== "object" || value === null) return value;
    const [tag = "", content] = Object.entries(value)[0] ?? [];
    switch (tag) {
      case "$t":
        return tensors[Number(content)];
      case "$f":
        return Number(datum(content as number | string));
      case "$c": {
        const [re, im] = content as [number | string, number | string];
        return new PyComplex(Number(datum(re)), Number(datum(im)));
      }
      case "$i":
        return BigInt(String(content));
      case "$tuple":
        return new PyTuple(this.list(content as unknown[], tensors));
      case "$size":
        return new PyTuple(this.list(content as unknown[], tensors), "size");
      case "$named":
        return new PyTuple(this.list(Object.values(content as object), tensors));
      case "$dict":
        return new PyDict(this.keywords(content as Record<string, unknown>, tensors));
      case "$slice": {
        const [start, stop, step] = this.list(content as unknown[], tensors);
        return new PySlice(start, stop, step);
      }
      case "$ellipsis":
        return ellipsis;
      case "$range":
        return this.#python.evaluate(`range(${(content as number[]).join(", ")})`);
      case "$ndarray":
        return this.value(content, tensors);
      case "$dtype":
      case "$memory_format":
      case "$layout":
        return this.#constant(String(content));
      case "$device":
        return String(content);
      case "$fn":
        return this.#function(String(content));
      case "$obj":
        return this.#options(content as { type: string; fields: Record<string, unknown> }, tensors);
      case "$module":
        return this.#module(value as ModuleArgument, tensors);
      default:
        throw new Missing(`argument ${tag}`);
    }
  }

  #constant(name: string): unknown {
    const constant = this.#torch[name];
    if (constant === undefined) throw new Missing(`torch.${name} does not exist`);
    return constant;
  }

  #function(source: string): unknown {
    if (!/^[\w.]+$/.test(source)) return this.#python.callable(source);
    return this.#python.bridge.resolve(source === "torch._C._nn.gelu" ? "torch.nn.functional.gelu" : source);
  }

  #options({ type, fields }: { type: string; fields: Record<string, unknown> }, tensors: readonly unknown[]): unknown {
    const keywords = this.keywords(fields, tensors);
    const nn = this.#torch["nn"];
    for (const home of [nn, isObject(nn) ? Reflect.get(nn, "functional") : undefined]) {
      const made: unknown = isObject(home) ? Reflect.get(home, type) : undefined;
      if (isClass(made)) return this.#python.bridge.call(made, { positional: [], keywords });
    }
    return new PyDict(keywords);
  }

  #module(record: ModuleArgument, tensors: readonly unknown[]): unknown {
    if (record.class === undefined) return this.#python.evaluate(`nn.${record.$module}`);
    return buildModule(this.#python, record.class, this.keywords(record.ctor ?? {}, tensors));
  }
}

interface ModuleArgument {
  readonly $module: string;
  readonly class?: string;
  readonly ctor?: Readonly<Record<string, unknown>>;
}

/** How many leading constructor parameters have no default, by class; the rest go into the options object. */
const requiredParameters: Readonly<Record<string, number>> = {
  AdaptiveAvgPool1d: 1,
  AdaptiveAvgPool2d: 1,
  AdaptiveAvgPool3d: 1,
  AdaptiveLogSoftmaxWithLoss: 3,
  AdaptiveMaxPool1d: 1,
  AdaptiveMaxPool2d: 1,
  AdaptiveMaxPool3d: 1,
  AvgPool1d: 1,
  AvgPool2d: 1,
  AvgPool3d: 1,
  BatchNorm1d: 1,
  BatchNorm2d: 1,
  BatchNorm3d: 1,
  Bilinear: 3,
  ChannelShuffle: 1,
  CircularPad1d: 1,
  CircularPad2d: 1,
  CircularPad3d: 1,
  ConstantPad1d: 2,
  ConstantPad2d: 2,
  ConstantPad3d: 2,
  Conv1d: 3,
  Conv2d: 3,
  Conv3d: 3,
  ConvTranspose1d: 3,
  ConvTranspose2d: 3,
  ConvTranspose3d: 3,
  CrossMapLRN2d: 1,
  Embedding: 2,
  EmbeddingBag: 2,
  Fold: 2,
  FractionalMaxPool2d: 1,
  FractionalMaxPool3d: 1,
  GRUCell: 2,
  GroupNorm: 2,
  InstanceNorm1d: 1,
  InstanceNorm2d: 1,
  InstanceNorm3d: 1,
  LPPool1d: 2,
  LPPool2d: 2,
  LPPool3d: 2,
  LSTMCell: 2,
  LayerNorm: 1,
  LazyConv1d: 2,
  LazyConv2d: 2,
  LazyConv3d: 2,
  LazyConvTranspose1d: 2,
  LazyConvTranspose2d: 2,
  LazyConvTranspose3d: 2,
  LazyLinear: 1,
  Linear: 2,
  LinearCrossEntropyLoss: 2,
  LocalResponseNorm: 1,
  MaxPool1d: 1,
  MaxPool2d: 1,
  MaxPool3d: 1,
  MaxUnpool1d: 1,
  MaxUnpool2d: 1,
  MaxUnpool3d: 1,
  MultiheadAttention: 2,
  PixelShuffle: 1,
  PixelUnshuffle: 1,
  RMSNorm: 1,
  RNNCell: 2,
  ReflectionPad1d: 1,
  ReflectionPad2d: 1,
  ReflectionPad3d: 1,
  ReplicationPad1d: 1,
  ReplicationPad2d: 1,
  ReplicationPad3d: 1,
  SyncBatchNorm: 1,
  Threshold: 2,
  TransformerDecoder: 2,
  TransformerDecoderLayer: 2,
  TransformerEncoder: 2,
  TransformerEncoderLayer: 2,
  Unflatten: 2,
  Unfold: 1,
  ZeroPad1d: 1,
  ZeroPad2d: 1,
  ZeroPad3d: 1,
};

/** Parameters whose null is their default and carries no meaning. */
const idle: ReadonlySet<string> = new Set(["device", "dtype", "size_average", "reduce", "min_value", "max_value"]);

/** Constructs `nn.<name>` from its bound parameters, in the order of the signature. */
export function buildModule(python: Interpreter, name: string, bound: ReadonlyMap<string, unknown>): unknown {
  const required = requiredParameters[name] ?? 0;
  const positional: unknown[] = [];
  const keywords = new Map<string, unknown>();
  for (const [parameter, value] of bound) {
    if (positional.length < required) positional.push(value);
    else if (value !== null || !idle.has(parameter)) keywords.set(parameter, value);
  }
  return python.bridge.call(python.bridge.resolve(`torch.nn.${name}`), { positional, keywords });
}
