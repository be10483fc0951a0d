/**
 * `torch.nn.functional`: what modules compute, as functions.
 */
export * from "./functional-activation.ts";
export * from "./functional-dropout.ts";
export { multi_head_attention_forward, scaled_dot_product_attention } from "../ops/attention.ts";
export { batch_norm, instance_norm } from "../ops/batch-norm.ts";
export { bilinear } from "../ops/bilinear.ts";
export { conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d } from "../ops/conv.ts";
export { cross_entropy, nll_loss } from "../ops/cross-entropy.ts";
export { cosine_similarity, pairwise_distance, pdist } from "../ops/distance.ts";
export { ctc_loss } from "../ops/ctc-loss.ts";
export { embedding_bag } from "../ops/embedding-bag.ts";
export { embedding, one_hot } from "../ops/embedding.ts";
export { channel_shuffle, fold, pixel_shuffle, pixel_unshuffle, unfold } from "../ops/fold.ts";
export { fractional_max_pool2d, fractional_max_pool3d } from "../ops/fractional-pool.ts";
export { affine_grid, grid_sample } from "../ops/grid-sample.ts";
export { group_norm } from "../ops/group-norm.ts";
export { interpolate, upsample, upsample_bilinear, upsample_nearest } from "../ops/interpolate.ts";
export { layer_norm, rms_norm } from "../ops/layer-norm.ts";
export { linear } from "../ops/linear.ts";
export { linear_cross_entropy } from "../ops/linear-cross-entropy.ts";
export * from "../ops/loss-classes.ts";
export * from "../ops/loss-composite.ts";
export * from "../ops/loss.ts";
export { normalize } from "../ops/norm.ts";
export { pad } from "../ops/pad.ts";
export * from "../ops/pool.ts";
export { log_softmax, softmax, softmin } from "../ops/softmax.ts";
export {
  local_response_norm,
  lp_pool1d,
  lp_pool2d,
  lp_pool3d,
  max_pool2d_with_indices,
  max_pool3d_with_indices,
  max_unpool1d,
  max_unpool2d,
  max_unpool3d,
} from "../ops/unpool.ts";
