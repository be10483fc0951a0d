/** Data and what surrounds a training loop. */
export { Progress, progress } from "./progress.ts";
export type { ProgressOptions, ProgressStream } from "./progress.ts";
