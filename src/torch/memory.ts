/**
 * `torch.memory_stats`.
 */
import { backendOf, type MemoryStats } from "../backend/backend.ts";

export type { MemoryStats } from "../backend/backend.ts";

/** What a device's memory holds, in bytes, and how often it was allocated from and collected. */
export function memory_stats(device = "cpu"): MemoryStats {
  return backendOf(device).memoryStats();
}
