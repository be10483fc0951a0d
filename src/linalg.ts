/**
 * `torch.linalg`.
 */
export {
  linalg_matrix_norm as matrix_norm,
  linalg_norm as norm,
  linalg_vector_norm as vector_norm,
} from "./ops/norm.ts";
