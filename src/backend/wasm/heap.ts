/**
 * The allocator of a device's memory, which nobody needs to tell what is dead.
 *
 * Requests of at most 4 KB are cut one after the other from slabs of 64 KB. All pieces of a slab share one owner object, so
 * that a piece costs no more than its JavaScript object. A slab becomes free when no storage holds its owner any more:
 * one small tensor that lives on pins 64 KB.
 *
 * Larger requests get an extent of whole kilobytes and are their own owners.
 *
 * Note [Budget of the collector]: The heap counts the bytes that were allocated, less those given back by `free`, since
 * the last collection. When they pass a budget, it weakens its references to all owners, has the engine collect in the
 * same job (Note [Collection in synchronous code]), and releases the memory of owners that are gone. What is dead but not
 * yet collected is thus bounded by the budget. A collection costs time in proportion to the program's JavaScript
 * objects, so the budget follows the measured cost: it aims at 5 % of the run time, within 32 MB and the greater of
 * 256 MB and half of what is alive; where even that means more than 25 % it goes up to a quarter of the device's memory.
 *
 * Without a synchronous collector owners are weakly held from the start, and their memory is released after collections
 * that the engine makes on its own. The engine does not see how much memory hangs on the small objects, so the heap shows it:
 * for each piece of the budget it allocates an (untouched) ArrayBuffer of that size or more, and drops it at the next collection.
 */
import { OutOfMemoryError, TorchError } from "../../base/errors.ts";
import type { Allocation, HostMemory, MemoryStats } from "../backend.ts";
import { type Collector, onCollection, synchronousCollector, Traceable } from "./collector.ts";
import { binCount, binOf, type ExtentKind, Extents, kept, large, roundUnits, slab } from "./extents.ts";
import { type Arena, ArenaViews, pageSize } from "./memory.ts";

const unitBits = 10;
const unit = 1 << unitBits;
/** Requests up to this size share slabs. */
export const smallBytes = 4096;
export const slabBytes = 65536;
const slabUnits = slabBytes / unit;

const megabyte = 2 ** 20;
const firstBudget = 128 * megabyte;
const minimumBudget = 32 * megabyte;
const ordinaryBudget = 256 * megabyte;
const leastYoungBudget = 16 * megabyte;
/** Milliseconds that may be spent to find a dead byte young: what it costs to write to memory instead of the cache. */
const worthPerByte = 0.025 / megabyte;
const leastTidy = 65536;
/** Bytes per millisecond. Programs that seem to allocate faster than memory can be written do not use what they allocate. */
const fastestAllocation = 4e6;
const growthStep = 16 * megabyte;
const leastKeptBytes = 64 * megabyte;

/** An average that one slow collection, on a busy machine, cannot raise much. */
function damped(average: number, time: number): number {
  if (average === 0) return time;
  return time > average ? Math.min(time, average * 1.25) : (average + time) / 2;
}

/** What `alloc` returns. A large piece is its own owner, a small one is owned by its slab, which is a piece too. */
class Piece extends Traceable implements Allocation {
  /** Negative once the memory is gone; only `free` makes it so while the piece can still be reached. */
  ptr: number;
  readonly owner: Piece;

  constructor(ptr: number, owner: Piece | null) {
    super();
    this.ptr = ptr;
    this.owner = owner ?? this;
  }
}

export interface HeapOptions {
  /** Finds the function that collects in the same job, or null where there is none. Called when first needed. */
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

  // Owners. New ones are held strongly until the next collection: most are then dead or were freed, and never need a
  // WeakRef. `aged` have lived through one young collection. `refs[i]` is the owner of the extent at unit `refUnits[i]`, or null; the table of the extents has i + 1 at u + 1.
  private fresh: Piece[] = [];
  private aged: Piece[] = [];
  private tidyAt = leastTidy;
  private refs: (WeakRef<Piece> | null)[] = [];
  private refUnits: number[] = [];

  /** What `free` took, for the next request of the same size; a list for each bin of the extents. */
  private readonly kept: Piece[][] = Array.from({ length: binCount }, () => []);
  private keptBytes = 0;

  private readonly findCollector: () => Collector | null;
  /** Undefined until first needed. */
  private collector: Collector | null | undefined = undefined;
  private ballast: ArrayBuffer[] = [];
  /** Held for its own sake. */
  private observer: object | null = null;

  // Bytes. `since`: allocated less freed since the last collection; `live`: what was alive then. Without the slab in use.
  private since = 0;
  private live = 0;
  private peak = 0;
  private budget = firstBudget;
  private youngBudget = leastYoungBudget;
  /** The next collection comes when `since` passes this. */
  private threshold = leastYoungBudget;

  private allocations = 0;
  private collections = 0;
  /** Milliseconds: of one collection, averaged, and the end of the last full one. */
  private fullTime = 0;
  private youngTime = 0;
  private lastCollection: number = performance.now();

  constructor(arena: Arena, options: HeapOptions = {}) {
    this.arena = arena;
    this.views = new ArenaViews(arena.buffer);
    this.host = this.views;
    this.findCollector = options.collector ?? synchronousCollector;
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
    const piece = this.kept[binOf(units)]?.pop();
    if (piece !== undefined) {
      const u = piece.ptr >>> unitBits;
      const bytes = this.extents.sizeOf(u) * unit;
      this.extents.setKind(u, large);
      this.keptBytes -= bytes;
      this.since += bytes;
      this.allocations++;
      return piece;
    }
    const u = this.takeExtent(units, large, nbytes, mayCollect);
    const fresh = new Piece(u * unit, null);
    this.track(fresh);
    this.since += this.extents.sizeOf(u) * unit;
    this.allocations++;
    return fresh;
  }

  /**
   * As `alloc`, but never collects: for a routine that needs room while it works on addresses whose owners may already
   * count as dead (Note [Pointers and collection]).
   */
  allocScratch(nbytes: number): Allocation {
    return this.allocLarge(Math.max(nbytes, smallBytes), false);
  }

  private openSlab(): void {
    const u = this.takeExtent(slabUnits, slab, slabBytes, true);
    const full = this.slab;
    if (full !== null) {
      const used = this.bump - full.ptr;
      this.extents.table[(full.ptr >>> unitBits) + 2] = used;
      this.since += used;
      this.track(full);
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
    const tag = (this.extents.table[u] as number) & 3;
    if (tag === slab) {
      if (piece === this.slab && allocation.ptr === this.last) {
        this.notePeak();
        this.bump = this.last;
        this.last = -1;
      }
      return;
    }
    if (piece.ptr < 0 || piece.ptr !== allocation.ptr || tag !== large)
      throw new TorchError("free: not allocated, or freed twice");
    this.notePeak();
    const bytes = this.extents.sizeOf(u) * unit;
    this.since -= bytes;
    this.extents.setKind(u, kept);
    this.kept[binOf(this.extents.table[u + 2] as number)]?.push(piece);
    this.keptBytes += bytes;
    if (this.keptBytes > leastKeptBytes && this.keptBytes * 4 > this.live + this.since) this.flushKept();
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
    const available = this.arena.maximumBytes - pageSize;
    if (units * unit > available) throw this.outOfMemory(nbytes);
    if (mayCollect && this.since > this.threshold) this.relieve();
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

  // Owners.

  private track(piece: Piece): void {
    if (this.collector === null) this.weaken(piece);
    else {
      this.fresh.push(piece);
      if (this.fresh.length >= this.tidyAt) this.tidy();
    }
  }

  /** Drops void entries, as a program that frees all it allocates never collects. */
  private tidy(): void {
    this.fresh = this.fresh.filter((piece) => piece.ptr >= 0);
    this.tidyAt = Math.max(leastTidy, 2 * this.fresh.length);
  }

  private weaken(piece: Piece): void {
    const u = piece.ptr >>> unitBits;
    this.refs.push(new WeakRef(piece));
    this.refUnits.push(u);
    this.extents.table[u + 1] = this.refs.length;
  }

  private weakenAll(): void {
    for (const list of [this.fresh, this.aged]) {
      for (const piece of list) if (piece.ptr >= 0) this.weaken(piece);
      list.length = 0;
    }
  }

  private flushKept(): void {
    if (this.keptBytes === 0) return;
    for (const list of this.kept) {
      for (const piece of list) {
        const u = piece.ptr >>> unitBits;
        const ref = this.extents.table[u + 1] as number;
        if (ref > 0) this.refs[ref - 1] = null;
        // The entry in `fresh`, if it has one, is thereby void.
        piece.ptr = -1;
        this.extents.release(u);
      }
      list.length = 0;
    }
    this.keptBytes = 0;
  }

  /** What the owner of an extent was asked for. */
  private bytesAt(u: number): number {
    const tag = this.extents.table[u] as number;
    return (tag & 3) === slab ? (this.extents.table[u + 2] as number) : (tag >>> 2) * unit;
  }

  /**
   * Releases what has died young. An owner that outlives two of these has left the nursery of the engine, where young
   * collections look: it waits, weakly held, for a full one.
   */
  private collectYoung(young: NonNullable<Collector["young"]>): void {
    const start = performance.now();
    this.notePeak();
    const { table } = this.extents;
    const units: number[] = [];
    let candidates = 0;
    for (const [list, mark] of [
      [this.fresh, -1],
      [this.aged, -2],
    ] as const) {
      for (const piece of list) {
        if (piece.ptr < 0) continue;
        const u = piece.ptr >>> unitBits;
        table[u + 1] = mark;
        candidates += this.bytesAt(u);
        units.push(u);
      }
    }
    const all = this.aged.length === 0 ? this.fresh : this.fresh.concat(this.aged);
    this.fresh = [];
    this.aged = [];
    for (const piece of young(all)) {
      if (piece.ptr < 0) continue;
      const u = piece.ptr >>> unitBits;
      const mark = table[u + 1];
      table[u + 1] = 0;
      if (mark === -1) this.aged.push(piece);
      else this.weaken(piece);
    }
    let dead = 0;
    for (const u of units) {
      if ((table[u + 1] as number) >= 0) continue;
      dead += this.bytesAt(u);
      this.extents.release(u);
    }
    this.since -= dead;
    this.collections++;
    this.youngTime = damped(this.youngTime, performance.now() - start);
    const yieldOf = Math.max(dead / Math.max(candidates, 1), 0.05);
    this.youngBudget = Math.min(Math.max(this.youngTime / (worthPerByte * yieldOf), leastYoungBudget), ordinaryBudget);
    this.threshold = Math.min(this.since + this.youngBudget, this.budget);
  }

  /** Releases the memory of all owners whose WeakRefs are cleared. */
  private sweep(): void {
    this.notePeak();
    const { refs, refUnits } = this;
    const { table } = this.extents;
    this.live += this.since;
    this.since = 0;
    let count = 0;
    for (let i = 0; i < refs.length; i++) {
      const ref = refs[i] as WeakRef<Piece> | null;
      if (ref === null) continue;
      const u = refUnits[i] as number;
      if (ref.deref() === undefined) {
        this.live -= this.bytesAt(u);
        this.extents.release(u);
      } else {
        refs[count] = ref;
        refUnits[count] = u;
        count++;
        table[u + 1] = count;
      }
    }
    refs.length = count;
    refUnits.length = count;
  }

  /** Releases what is dead, as far as that can be known now. */
  collect(): void {
    const collector = this.readyCollector();
    this.flushKept();
    if (collector === null) {
      this.sweep();
      return;
    }
    this.weakenAll();
    collector.full();
    this.sweep();
    this.collections++;
    this.threshold = Math.min(collector.young === null ? Infinity : this.youngBudget, this.budget);
  }

  private readyCollector(): Collector | null {
    if (this.collector === undefined) this.collector = this.findCollector();
    if (this.collector === null && this.observer === null) {
      this.weakenAll();
      this.observer = onCollection(() => {
        this.ballast = [];
        this.flushKept();
        this.sweep();
        this.collections++;
      });
    }
    return this.collector;
  }

  /** The budget is used up: see Note [Budget of the collector]. */
  private relieve(): void {
    const collector = this.readyCollector();
    if (collector === null) {
      if (this.since > this.budget) this.showPressure();
      else this.threshold = this.budget;
      return;
    }
    if (collector.young !== null) {
      this.collectYoung(collector.young);
      if (this.since <= this.budget) return;
    }
    const start = performance.now();
    const allocated = this.since;
    const runTime = Math.max(start - this.lastCollection, 0.01);
    this.collect();
    const end = performance.now();
    this.fullTime = damped(this.fullTime, end - start);
    this.lastCollection = end;
    // What will be allocated while the program runs as long as one collection takes.
    const perCollection = Math.min(allocated / runTime, fastestAllocation) * this.fullTime;
    const ordinary = Math.max(ordinaryBudget, this.live / 2);
    this.budget = Math.max(
      Math.min(Math.max(perCollection / 0.05, minimumBudget), ordinary),
      Math.min(perCollection / 0.25, this.arena.maximumBytes / 4),
    );
    this.threshold = Math.min(this.threshold, this.budget);
  }

  private showPressure(): void {
    // A collection that goes on beside the program may fall behind; past a size of its own choice V8 makes it wait.
    const urgency = Math.min(1 + this.ballast.length, 4);
    try {
      this.ballast.push(new ArrayBuffer(Math.min(this.since, ordinaryBudget) * urgency));
    } catch {
      // The system has nothing left: the engine has noticed.
    }
    this.live += this.since;
    this.since = 0;
    this.budget = minimumBudget;
    this.threshold = minimumBudget;
  }

  /** Throws if the heap contradicts itself; for tests. */
  verify(): void {
    let bytes = 0;
    let keptBytes = 0;
    for (const { unit: u, units, kind } of this.extents.verify()) {
      if (kind === large) bytes += units * unit;
      else if (kind === kept) keptBytes += units * unit;
      else if (kind === slab) {
        const used = this.slab?.ptr === u * unit ? this.bump - u * unit : (this.extents.table[u + 2] as number);
        bytes += used;
      }
    }
    if (bytes !== this.allocated()) throw new Error(`${this.allocated()} bytes counted, ${bytes} found`);
    if (keptBytes !== this.keptBytes) throw new Error(`${this.keptBytes} kept bytes counted, ${keptBytes} found`);
  }
}
