/**
 * `torch.nn`: modules.
 */
export * as functional from "./functional.ts";
export * as init from "./init.ts";
export { ReLU, Tanh } from "./activation.ts";
export { ModuleDict, ModuleList, type NamedModules, Sequential } from "./containers.ts";
export type { ForwardHook, ForwardPreHook, HookHandle } from "./hooks.ts";
export { Identity, Linear, type LinearOptions } from "./linear.ts";
export { Module, type NamedOptions } from "./module.ts";
export { Buffer, Parameter } from "./parameter.ts";
export type { LoadResult, StateDict, StateDictLike } from "./state-dict.ts";
