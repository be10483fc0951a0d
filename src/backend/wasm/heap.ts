/**
 * The allocator of a device's memory, which nobody needs to tell what is dead.
 *
 * Requests of at most 4 KB are cut one after the other from slabs of 64 KB. All pieces of a slab share one owner object, so
 * that a piece costs no more than its JavaScript object. A slab becomes free when no storage holds its owner any more:
 * one small tensor that lives on pins 64 KB.
 *
 * Larger requests get an extent of whole kilobytes and are their own owners.
 *
 * The heap counts the bytes that are allocated, less those given back by `free`. When they pass a budget (Note [Pace of
 * collection]), it has the engine collect in the same job (Note [Collection in synchronous code]), and releases the memory of
 * owners that are gone.
 *
 * Note [Engines that collect when they please]: Where no collection can be forced (browsers), memory is released after
 * those that the engine makes by itself, which it notices only between jobs: a loop must await something now and then. The
 * engine does not see how much memory hangs on the small owners, so the heap shows it: for every 64 MB it allocates
 * an untouched ArrayBuffer of that size or more, and drops them all at the next collection.
 */
import { OutOfMemoryError, TorchError } from "../../base/errors.ts";
import { needStack } from "../../base/stack.ts";
import type { Allocation, HostMemory, MemoryStats } from "../backend.ts";
import { type Collector, onCollection, synchronousCollector } from "./collector.ts";
import { binCount, binOf, type ExtentKind, Extents, kept, large, roundUnits, slab, unit, unitBits } from "./extents.ts";
import { type Arena, ArenaViews, pageSize } from "./memory.ts";
import { Owner, type Owners, ReportedOwners, TracedOwners } from "./owners.ts";
import { Pacer } from "./pacing.ts";

/** Requests up to this size share slabs. */
export const smallBytes = 4096;
export const slabBytes = 65536;
const slabUnits = slabBytes / unit;

const megabyte = 2 ** 20;
const growthStep = 16 * megabyte;
const leastKeptBytes = 64 * megabyte;
const pressureStep = 64 * megabyte;

/** What `alloc` returns. A large piece is its own owner, a small one is owned by its slab, which is a piece too. */
class Piece extends Owner implements Allocation {
  readonly owner: Piece;

  constructor(ptr: number, owner: Piece | null) {
    super(ptr);
    this.owner = owner ?? this;
  }
}

/** For the allocator by itself, and for a collection. */
const fewFrames = 16;
const manyFrames = 200;

export interface HeapOptions {
  /** Finds the engine's collector, or null where there is none. Called when first needed. */
  readonly collector?: () => Collector | null;
}

export class Heap {
  readonly host: HostMemory;
  private readonly views: ArenaViews;
  private readonly arena: Arena;
  private readonly extents: Extents = new Extents(pageSize / unit);

  // The slab that small pieces are cut from, where it is free from, and the piece that was cut last.
  private slab: Piece | null = null;
  private bump = 0;
  private slabEnd = 0;
  private last = -1;

  /** What `free` took, for the next request of the same size; a list for each bin of the extents. */
  private readonly kept: Piece[][] = Array.from({ length: binCount }, () => []);
  private keptBytes = 0;

  private readonly findCollector: () => Collector | null;
  /** Undefined until the first owner is there; `traced` are the owners where there is a collector. */
  private collector: Collector | null | undefined = undefined;
  private owners: Owners | null = null;
  private traced: TracedOwners | null = null;

  private readonly pacer: Pacer;
  /** Bytes allocated, less those freed, since the last full collection, and what was alive then; without the slab in use. */
  private since = 0;
  private live = 0;
  /** The part of `since` in large pieces that no collection has looked at. */
  private unseen = 0;

  /** See Note [Engines that collect when they please]. The observer is held for its own sake. */
  private ballast: ArrayBuffer[] = [];
  private observer: object | null = null;

  private peak = 0;
  private allocations = 0;
  private collections = 0;

  constructor(arena: Arena, options: HeapOptions = {}) {
    this.arena = arena;
    this.views = new ArenaViews(arena.buffer);
    this.host = this.views;
    this.findCollector = options.collector ?? synchronousCollector;
    this.pacer = new Pacer(arena.maximumBytes);
    this.extents.extend(arena.buffer.byteLength / unit);
  }

  /** Memory that is not initialised; a multiple of 16 as its address, of 1024 above {@link smallBytes}. Never address 0. */
  alloc(nbytes: number): Allocation {
    if (nbytes <= smallBytes && nbytes > 0 && (nbytes | 0) === nbytes) {
      const ptr = this.bump;
      const end = ptr + ((nbytes + 15) & ~15);
      if (end <= this.slabEnd) {
        this.bump = end;
        this.last = ptr;
        this.allocations++;
        return new Piece(ptr, this.slab);
      }
    }
    return this.allocSlowly(nbytes);
  }

  private allocSlowly(nbytes: number): Allocation {
    if (!Number.isInteger(nbytes) || nbytes < 0) throw new TorchError(`cannot allocate ${nbytes} bytes`);
    if (nbytes > smallBytes) return this.allocLarge(nbytes, true);
    // An object of no bytes has an address of its own, too.
    if (nbytes === 0) return this.alloc(1);
    this.openSlab();
    return this.alloc(nbytes);
  }

  private allocLarge(nbytes: number, mayCollect: boolean): Piece {
    const units = roundUnits(Math.ceil(nbytes / unit));
    const again = this.kept[binOf(units)]?.pop();
    if (again !== undefined) {
      const u = again.ptr >>> unitBits;
      const bytes = this.extents.sizeOf(u) * unit;
      this.extents.setKind(u, large);
      this.keptBytes -= bytes;
      this.since += bytes;
      this.unseen += bytes;
      this.allocations++;
      return again;
    }
    const owners = this.owners ?? this.begin();
    const u = this.takeExtent(units, large, nbytes, mayCollect);
    const piece = new Piece(u * unit, null);
    owners.add(piece);
    const bytes = this.extents.sizeOf(u) * unit;
    this.since += bytes;
    this.unseen += bytes;
    this.allocations++;
    return piece;
  }

  /**
   * As `alloc`, but never collects: for a routine that needs room while it works on addresses whose owners may already
   * count as dead (Note [Pointers and collection]).
   */
  allocScratch(nbytes: number): Allocation {
    return this.allocLarge(Math.max(nbytes, smallBytes), false);
  }

  private openSlab(): void {
    const owners = this.owners ?? this.begin();
    const u = this.takeExtent(slabUnits, slab, slabBytes, true);
    const full = this.slab;
    if (full !== null) {
      const used = this.bump - full.ptr;
      this.extents.table[(full.ptr >>> unitBits) + 2] = used;
      this.since += used;
      owners.addOld(full);
    }
    this.slab = new Piece(u * unit, null);
    this.bump = u * unit;
    this.slabEnd = u * unit + slabBytes;
    this.last = -1;
  }

  /**
   * Takes back what only the caller holds. The next request of the same size gets the very same piece, so that a pair of
   * calls costs no new owner. Of small pieces only the one cut last is reused; the others wait for their slab.
   */
  free(allocation: Allocation): void {
    const piece = allocation.owner;
    if (!(piece instanceof Piece)) throw new TorchError("free: this memory belongs to another device");
    const u = piece.ptr >>> unitBits;
    const kind = (this.extents.table[u] as number) & 3;
    if (kind === slab) {
      if (piece === this.slab && allocation.ptr === this.last) {
        this.notePeak();
        this.bump = this.last;
        this.last = -1;
      }
      return;
    }
    if (piece.ptr < 0 || piece.ptr !== allocation.ptr || kind !== large) {
      throw new TorchError("free: not allocated, or freed twice");
    }
    this.notePeak();
    const bytes = this.extents.sizeOf(u) * unit;
    this.since -= bytes;
    this.unseen -= bytes;
    this.extents.setKind(u, kept);
    this.kept[binOf(this.extents.table[u + 2] as number)]?.push(piece);
    this.keptBytes += bytes;
    if (this.keptBytes > leastKeptBytes && this.keptBytes * 4 > this.live + this.since) this.flushKept();
  }

  private flushKept(): void {
    if (this.keptBytes === 0) return;
    needStack(fewFrames);
    for (const list of this.kept) {
      for (const piece of list) {
        const u = piece.ptr >>> unitBits;
        this.owners?.remove(piece);
        this.extents.release(u);
      }
      list.length = 0;
    }
    this.keptBytes = 0;
  }

  memoryStats(): MemoryStats {
    this.notePeak();
    return {
      allocated_bytes: this.allocated(),
      peak_allocated_bytes: this.peak,
      reserved_bytes: this.arena.buffer.byteLength,
      allocations: this.allocations,
      collections: this.collections,
    };
  }

  private allocated(): number {
    return this.live + this.since + (this.slab === null ? 0 : this.bump - this.slab.ptr);
  }

  private notePeak(): void {
    const allocated = this.allocated();
    if (allocated > this.peak) this.peak = allocated;
  }

  // Room.

  private takeExtent(units: number, kind: ExtentKind, nbytes: number, mayCollect: boolean): number {
    if (units * unit > this.arena.maximumBytes - pageSize) throw this.outOfMemory(nbytes);
    needStack(fewFrames);
    if (mayCollect && (this.unseen > this.pacer.minorBudget || this.since > this.pacer.fullBudget)) this.relieve();
    let u = this.extents.take(units, kind);
    if (u >= 0) return u;
    this.flushKept();
    u = this.extents.take(units, kind);
    if (u < 0 && this.grow(units)) u = this.extents.take(units, kind);
    if (u < 0 && mayCollect) {
      this.collect();
      u = this.extents.take(units, kind);
      if (u < 0 && this.grow(units)) u = this.extents.take(units, kind);
    }
    if (u < 0) throw this.outOfMemory(nbytes);
    return u;
  }

  private grow(units: number): boolean {
    const size = this.arena.buffer.byteLength;
    const missing = (units - this.extents.freeAtEnd()) * unit;
    const least = size + Math.ceil(missing / pageSize) * pageSize;
    if (least > this.arena.maximumBytes) return false;
    const ample = Math.min(Math.max(least, size + growthStep), this.arena.maximumBytes);
    for (const bytes of [ample, least]) {
      try {
        this.arena.grow(bytes);
      } catch {
        continue;
      }
      this.views.refresh(this.arena.buffer);
      this.extents.extend(bytes / unit);
      return true;
    }
    return false;
  }

  private outOfMemory(nbytes: number): OutOfMemoryError {
    const hint =
      this.collector === null
        ? " Here, memory that is no longer in use is only recovered while the program awaits something."
        : "";
    return new OutOfMemoryError(
      `DefaultCPUAllocator: can't allocate memory: you tried to allocate ${nbytes} bytes. ` +
        `${this.allocated()} bytes are in use, of at most ${this.arena.maximumBytes}.${hint}`,
    );
  }

  // Collection.

  private begin(): Owners {
    needStack(manyFrames);
    this.collector = this.findCollector();
    if (this.collector !== null) return (this.owners = this.traced = new TracedOwners(this.extents, this.collector));
    this.observer ??= onCollection(() => {
      this.ballast = [];
      this.collections++;
    });
    return (this.owners = new ReportedOwners((u) => {
      this.notePeak();
      this.live -= this.releaseDead(u);
    }));
  }

  /** Releases what is dead, as far as that can be known now. */
  collect(): void {
    needStack(manyFrames);
    this.flushKept();
    if (this.collector && this.traced !== null) {
      this.collector.full();
      this.sweep(this.traced);
    }
  }

  private sweep(owners: TracedOwners): void {
    this.notePeak();
    this.live += this.since;
    this.since = 0;
    this.unseen = 0;
    owners.sweep((u) => {
      this.live -= this.releaseDead(u);
    });
    this.collections++;
  }

  /** A budget is used up. */
  private relieve(): void {
    const { collector, traced, pacer } = this;
    if (collector === undefined) return;
    needStack(manyFrames);
    if (collector === null || traced === null) {
      if (this.since > pressureStep) this.showPressure();
      return;
    }
    if (collector.minor !== null && this.unseen > megabyte) this.collectYoung(collector.minor, traced);
    if (this.since <= pacer.fullBudget) return;
    const start = performance.now();
    const allocated = this.since;
    this.collect();
    pacer.afterFull(start, allocated, this.live);
  }

  private collectYoung(minor: () => void, owners: TracedOwners): void {
    const start = performance.now();
    const before = this.since;
    this.notePeak();
    minor();
    owners.sweepNursery((u) => {
      this.since -= this.releaseDead(u);
    });
    this.collections++;
    this.pacer.afterMinor(start, before - this.since, this.unseen);
    this.unseen = 0;
  }

  private releaseDead(u: number): number {
    const bytes = this.bytesAt(u);
    this.extents.release(u);
    return bytes;
  }

  /** How much of an extent counts as allocated; at u + 2 there is how much of a slab was given out. */
  private bytesAt(u: number): number {
    const tag = this.extents.table[u] as number;
    if ((tag & 3) === kept) return 0;
    return (tag & 3) === slab ? (this.extents.table[u + 2] as number) : (tag >>> 2) * unit;
  }

  /** See Note [Engines that collect when they please]. */
  private showPressure(): void {
    // A collection that goes on beside the program may fall behind; past a size of its own choice V8 makes it wait.
    const urgency = Math.min(1 + this.ballast.length, 4);
    try {
      this.ballast.push(new ArrayBuffer(Math.min(this.since, 256 * megabyte) * urgency));
    } catch {
      // The system has nothing left: the engine has noticed.
    }
    this.live += this.since;
    this.since = 0;
    this.unseen = 0;
  }

  /** Throws if the heap contradicts itself; for tests. */
  verify(): void {
    let bytes = 0;
    let keptBytes = 0;
    for (const { unit: u, units, kind } of this.extents.verify()) {
      if (kind === kept) keptBytes += units * unit;
      else if (this.slab?.ptr === u * unit) bytes += this.bump - u * unit;
      else if (kind !== 0) bytes += this.bytesAt(u);
    }
    if (bytes !== this.allocated()) throw new Error(`${this.allocated()} bytes counted, ${bytes} found`);
    if (keptBytes !== this.keptBytes) throw new Error(`${this.keptBytes} kept bytes counted, ${keptBytes} found`);
  }
}
