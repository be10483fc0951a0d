/**
 * Room that a routine needs while it runs.
 */
import type { Allocation } from "../backend.ts";
import type { Heap } from "./heap.ts";

/**
 * A function that gives the address of room for so many bytes, good until its next call. The room is kept and only grows,
 * by half at least; no collection can happen on the way, see {@link Heap.allocScratch}.
 */
export function scratchOf(heap: Heap): (nbytes: number) => number {
  let room: Allocation | null = null;
  let size = 0;
  return (nbytes) => {
    if (room === null || nbytes > size) {
      if (room !== null) heap.free(room);
      room = null;
      const ample = Math.max(nbytes, Math.ceil(size * 1.5), 65536);
      size = 0;
      room = heap.allocScratch(ample);
      size = ample;
    }
    return room.ptr;
  };
}
