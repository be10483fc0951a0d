/**
 * `torch.linalg`: linear algebra.
 */
export { linalg_cholesky as cholesky, linalg_cholesky_ex as cholesky_ex } from "./ops/linalg/cholesky.ts";
export { linalg_cond as cond, linalg_diagonal as diagonal } from "./ops/linalg/condition.ts";
export { linalg_cross as cross } from "./ops/vector-products.ts";
export { linalg_det as det, linalg_slogdet as slogdet } from "./ops/linalg/determinant.ts";
export {
  linalg_eig as eig,
  linalg_eigh as eigh,
  linalg_eigvals as eigvals,
  linalg_eigvalsh as eigvalsh,
} from "./ops/linalg/eigen.ts";
export { LinAlgError } from "./ops/linalg/errors.ts";
export {
  linalg_ldl_factor as ldl_factor,
  linalg_ldl_factor_ex as ldl_factor_ex,
  linalg_ldl_solve as ldl_solve,
} from "./ops/linalg/ldl.ts";
export { linalg_lstsq as lstsq } from "./ops/linalg/least-squares.ts";
export {
  linalg_lu as lu,
  linalg_lu_factor as lu_factor,
  linalg_lu_factor_ex as lu_factor_ex,
  linalg_lu_solve as lu_solve,
} from "./ops/linalg/lu.ts";
export { linalg_matrix_exp as matrix_exp } from "./ops/linalg/matrix-exp.ts";
export {
  linalg_matrix_power as matrix_power,
  linalg_multi_dot as multi_dot,
  linalg_vander as vander,
  linalg_vecdot as vecdot,
} from "./ops/linalg/products.ts";
export { linalg_matrix_rank as matrix_rank, linalg_pinv as pinv } from "./ops/linalg/pseudo-inverse.ts";
export { linalg_householder_product as householder_product, linalg_qr as qr } from "./ops/linalg/qr.ts";
export {
  linalg_inv as inv,
  linalg_inv_ex as inv_ex,
  linalg_solve as solve,
  linalg_solve_ex as solve_ex,
} from "./ops/linalg/solve.ts";
export { linalg_svd as svd, linalg_svdvals as svdvals } from "./ops/linalg/svd.ts";
export { linalg_tensorinv as tensorinv, linalg_tensorsolve as tensorsolve } from "./ops/linalg/tensor-equations.ts";
export { linalg_solve_triangular as solve_triangular } from "./ops/linalg/triangular.ts";
export { matmul } from "./ops/matmul.ts";
export {
  linalg_matrix_norm as matrix_norm,
  linalg_norm as norm,
  linalg_vector_norm as vector_norm,
} from "./ops/norm.ts";
