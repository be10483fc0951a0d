// Guards such as that of `no_grad()` are Disposable; programs whose own `lib` is older than that name need not add it.
/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Flambeau: PyTorch's tensors and dynamic autograd in TypeScript. `import * as torch from "flambeau"`.
 */
import { cpu } from "./backend/wasm/index.ts";
import { registerBackend } from "./backend/backend.ts";
import { installMethods, installProperties } from "./install.ts";

registerBackend(cpu);
installMethods();
installProperties();

export * from "./ops/index.ts";
export * as linalg from "./linalg.ts";
export { Tensor } from "./tensor/tensor.ts";
export { enable_grad, is_grad_enabled, no_grad, set_grad_enabled } from "./autograd/modes.ts";
export * as autograd from "./torch/autograd.ts";
export * as fft from "./torch/fft.ts";
export * as signal from "./torch/signal.ts";
export * as nn from "./nn/index.ts";
export * as optim from "./optim/index.ts";
export * as backends from "./torch/backends.ts";
export * as masked from "./torch/masked.ts";
export * as ops from "./torch/library.ts";
export { _chunk_cat, resize_as_ } from "./ops/internal.ts";
export * as random from "./torch/random.ts";
export { memory_stats, type MemoryStats } from "./torch/memory.ts";
export { get_num_threads, set_num_threads } from "./torch/threads.ts";
export * as special from "./torch/special.ts";
export { get_printoptions, set_printoptions } from "./tensor/format.ts";
export { Complex, pycomplex } from "./base/complex-number.ts";
export { pyfloat, PyFloat } from "./dispatch/signature.ts";
export { can_cast, promote_types } from "./base/promote.ts";
export {
  bfloat16,
  bool,
  complex128,
  complex32,
  complex64,
  DType as dtype,
  float16,
  float16 as half,
  float32,
  float32 as float,
  float64,
  float64 as double,
  get_default_dtype,
  int16,
  int16 as short,
  int32,
  int32 as int,
  int64,
  int64 as long,
  int8,
  set_default_dtype,
  uint8,
} from "./base/dtype.ts";

/** Memory formats and the layout, as PyTorch names them. */
export const contiguous_format = "torch.contiguous_format" as const;
export const preserve_format = "torch.preserve_format" as const;
export const channels_last = "torch.channels_last" as const;
export const channels_last_3d = "torch.channels_last_3d" as const;
export const strided = "torch.strided" as const;
/** The layout of sparse tensors, which do not exist here: operators say so. */
export const sparse_coo = "torch.sparse_coo" as const;
