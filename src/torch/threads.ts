/**
 * `torch.set_num_threads` and `torch.get_num_threads`.
 */
import { ArgumentTypeError, TorchError } from "../base/errors.ts";
import { cpu } from "../backend/wasm/index.ts";

/**
 * Sets the number of threads that compute on the CPU, the calling one included. To begin with there is one for each core. Where
 * memory cannot be shared (a page that is not cross-origin isolated) it stays one, and a warning says so.
 */
export function set_num_threads(threads: number): void {
  if (typeof threads !== "number" || !Number.isInteger(threads)) {
    throw new ArgumentTypeError(
      `set_num_threads expects an int, but got ${typeof threads === "number" ? "float" : typeof threads}`,
    );
  }
  if (threads <= 0) throw new TorchError("set_num_threads expects a positive integer");
  cpu.setThreads(threads);
}

/** The number of threads that compute on the CPU, the calling one included. */
export function get_num_threads(): number {
  return cpu.threads;
}
