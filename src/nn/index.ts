/**
 * `torch.nn`: modules.
 */
export * as functional from "./functional.ts";
export * as init from "./init.ts";
export * as utils from "./utils.ts";
export * from "./activation.ts";
export * from "./softmax.ts";
export * from "./batch-norm.ts";
export * from "./layer-norm.ts";
export * from "./embedding.ts";
export { Bilinear } from "./bilinear.ts";
export * from "./ctc-loss.ts";
export * from "./linear-cross-entropy.ts";
export * from "./loss.ts";
export * from "./loss-classes.ts";
export * from "./pooling-more.ts";
export * from "./lazy.ts";
export {
  AdaptiveLogSoftmaxWithLoss,
  type AdaptiveLogSoftmaxOptions,
  type AdaptiveSoftmaxResult,
} from "./adaptive-softmax.ts";
export * from "./loss-distance.ts";
export * from "./image.ts";
export { type AttentionInputs, MultiheadAttention, type MultiheadAttentionOptions } from "./attention.ts";
export * from "./transformer.ts";
export {
  type DecoderInputs,
  type EncoderInputs,
  TransformerDecoderLayer,
  TransformerEncoderLayer,
  type TransformerLayerOptions,
} from "./transformer-layers.ts";
export { GRU, LSTM, RNN, type RecurrentOptions } from "./recurrent.ts";
export { type CellOptions, GRUCell, LSTMCell, RNNCell } from "./recurrent-cells.ts";
export * from "./conv.ts";
export * from "./fractional-pooling.ts";
export * from "./pooling.ts";
export * from "./padding.ts";
export * from "./dropout.ts";
export * from "./flatten.ts";
export { ModuleDict, ModuleList, type NamedModules, Sequential } from "./containers.ts";
export type { ForwardHook, ForwardPreHook, HookHandle, HookOptions } from "./hooks.ts";
export { Identity, Linear, type LinearOptions } from "./linear.ts";
export { Module } from "./module.ts";
export type { NamedOptions } from "./traversal.ts";
export { Buffer, Parameter } from "./parameter.ts";
export { ParameterDict, ParameterList } from "./parameter-containers.ts";
export type { LoadResult, StateDict, StateDictLike } from "./state-dict.ts";
