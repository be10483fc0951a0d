/**
 * Every operator: the functions of the `torch` namespace and the methods of tensors.
 */
export * from "./arithmetic.ts";
export * from "./clamp.ts";
export * from "./compare.ts";
export * from "./convert.ts";
export * from "./create.ts";
export * from "./cross-entropy.ts";
export * from "./differences.ts";
export * from "./functions.ts";
export * from "./gather.ts";
export * from "./generator.ts";
export * from "./getitem.ts";
export * from "./index-put.ts";
export * from "./index-slices.ts";
export * from "./join.ts";
export * from "./linear.ts";
export * from "./logical.ts";
export * from "./masked.ts";
export * from "./matmul.ts";
export * from "./nonzero.ts";
export * from "./power.ts";
export * from "./random.ts";
export * from "./reduce.ts";
export * from "./rounding.ts";
export * from "./scan.ts";
export * from "./scatter.ts";
export * from "./softmax.ts";
export * from "./split.ts";
export * from "./view.ts";
