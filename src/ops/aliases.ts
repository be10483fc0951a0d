/**
 * PyTorch's second names of pointwise operators.
 */
export { abs as absolute, div as divide, mul as multiply, neg as negative, sub as subtract } from "./arithmetic.ts";
export { clamp as clip } from "./clamp.ts";
export { ge as greater_equal, gt as greater, le as less_equal, lt as less, ne as not_equal } from "./compare.ts";
export {
  acos as arccos,
  acosh as arccosh,
  asin as arcsin,
  asinh as arcsinh,
  atan as arctan,
  atan2 as arctan2,
  atanh as arctanh,
} from "./functions.ts";
export { trunc as fix } from "./rounding.ts";
