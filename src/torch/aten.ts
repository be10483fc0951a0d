/**
 * The namespace `torch.ops.aten`: operators under the names of PyTorch's own library.
 */
export * from "../ops/index.ts";
export * from "../ops/internal.ts";
export { max_pool2d_with_indices_backward } from "../ops/unpool.ts";
