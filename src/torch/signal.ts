/**
 * `torch.signal`: tools for signals.
 */
export * as windows from "./windows.ts";
