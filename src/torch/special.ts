/**
 * `torch.special`: special functions.
 */
export {
  airy_ai,
  bessel_j0,
  bessel_j1,
  bessel_y0,
  bessel_y1,
  modified_bessel_k0,
  modified_bessel_k1,
  scaled_modified_bessel_k0,
  scaled_modified_bessel_k1,
} from "../ops/bessel.ts";
export {
  digamma,
  digamma as psi,
  erf,
  erfc,
  erfinv,
  exp2,
  expm1,
  lgamma as gammaln,
  log1p,
  sigmoid as expit,
} from "../ops/functions.ts";
export { igamma as gammainc, igammac as gammaincc, zeta } from "../ops/incomplete.ts";
export {
  chebyshev_polynomial_t,
  chebyshev_polynomial_u,
  chebyshev_polynomial_v,
  chebyshev_polynomial_w,
  hermite_polynomial_h,
  hermite_polynomial_he,
  laguerre_polynomial_l,
  legendre_polynomial_p,
  shifted_chebyshev_polynomial_t,
  shifted_chebyshev_polynomial_u,
  shifted_chebyshev_polynomial_v,
  shifted_chebyshev_polynomial_w,
} from "../ops/polynomials.ts";
export { logsumexp } from "../ops/reduce.ts";
export { round } from "../ops/rounding.ts";
export { log_softmax, softmax } from "../ops/softmax.ts";
export {
  entr,
  erfcx,
  i0,
  i0e,
  i1,
  i1e,
  log_ndtr,
  logit,
  modified_bessel_i0,
  modified_bessel_i1,
  mvlgamma as multigammaln,
  ndtr,
  ndtri,
  polygamma,
  sinc,
  spherical_bessel_j0,
  xlog1py,
  xlogy,
} from "../ops/special.ts";
