/**
 * The bytes behind tensors. A storage is shared by a tensor and all its views; it lives as long as one of them does.
 */
import type { Backend } from "../backend/backend.ts";

/**
 * Counts in-place modifications. A tensor, its views and its `detach()`ed aliases share one counter, so that autograd notices
 * when a value it saved has changed. The counter is usually the storage itself; `.data` starts a fresh one.
 */
export class VersionCounter {
  version = 0;
}

/** A block of a device's memory (`torch.UntypedStorage`). */
export class Storage extends VersionCounter {
  readonly backend: Backend;
  ptr: number;
  nbytes: number;
  /** Holds the memory alive. */
  owner: object;

  constructor(backend: Backend, nbytes: number) {
    super();
    const allocation = backend.alloc(nbytes);
    this.backend = backend;
    this.ptr = allocation.ptr;
    this.nbytes = nbytes;
    this.owner = allocation.owner;
  }
}
