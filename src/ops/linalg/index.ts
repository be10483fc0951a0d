/**
 * Linear algebra that is also in the namespace `torch` itself or a method of tensors.
 */
export { cholesky, cholesky_inverse, cholesky_solve } from "./cholesky.ts";
export { det, logdet, slogdet } from "./determinant.ts";
export { lu, lu_solve, lu_unpack } from "./lu.ts";
export { matrix_exp } from "./matrix-exp.ts";
export { chain_matmul, matrix_power, vander } from "./products.ts";
export { pinverse } from "./pseudo-inverse.ts";
export { geqrf, orgqr, ormqr, qr } from "./qr.ts";
export { inverse } from "./solve.ts";
export { svd } from "./svd.ts";
export { triangular_solve } from "./triangular.ts";
