/**
 * `torch.signal.windows`: window functions.
 */
export {
  bartlett,
  blackman,
  cosine,
  exponential,
  gaussian,
  general_cosine,
  general_hamming,
  hamming,
  hann,
  kaiser,
  nuttall,
} from "../ops/window.ts";
