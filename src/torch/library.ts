/**
 * The namespace `torch.ops`.
 */
export * as aten from "./aten.ts";
export { _chunk_cat } from "../ops/internal.ts";
