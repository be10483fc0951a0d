/**
 * Who owns which extent, without holding the owners.
 *
 * With a collector that works within a job: a new owner is a key of a WeakMap, the nursery, where minor collections find most of the dead. An owner that has outlived
 * two of them has left the young generation of the engine; it gets a WeakRef, which only full collections clear. Where
 * there are no minor collections, owners get their WeakRefs at once. The table of the extents has at u + 1, for the extent at unit u: 1 + the index of its WeakRef, or -1 - the index in the list of
 * the nursery.
 *
 * Without one: a FinalizationRegistry. WeakRefs would not do, as reading one keeps its target alive for the collection
 * that goes on beside the program.
 */
import { type Collector, Traceable } from "./collector.ts";
import { type Extents, unitBits } from "./extents.ts";

/** What owns an extent at `ptr`. */
export class Owner extends Traceable {
  /** Negative once the memory was given back although the owner can still be reached. */
  ptr: number;

  constructor(ptr: number) {
    super();
    this.ptr = ptr;
  }
}

/** Calls back for the extent of an owner that is dead. */
export type Release = (u: number) => void;

export interface Owners {
  /** Adds a new owner. */
  add(owner: Owner): void;
  /** Adds an owner that has long existed. */
  addOld(owner: Owner): void;
  /** The extent is about to be released although its owner can be reached. */
  remove(owner: Owner): void;
}

/** Owners whose deaths the engine reports when it pleases, between jobs. */
export class ReportedOwners implements Owners {
  private readonly registry: FinalizationRegistry<{ u: number }>;
  private readonly entries: Map<number, { u: number }> = new Map();

  constructor(release: Release) {
    this.registry = new FinalizationRegistry((entry) => {
      if (entry.u < 0) return;
      this.entries.delete(entry.u);
      release(entry.u);
    });
  }

  add(owner: Owner): void {
    const entry = { u: owner.ptr >>> unitBits };
    this.entries.set(entry.u, entry);
    this.registry.register(owner, entry);
  }

  addOld(owner: Owner): void {
    this.add(owner);
  }

  remove(owner: Owner): void {
    const u = owner.ptr >>> unitBits;
    const entry = this.entries.get(u);
    if (entry !== undefined) entry.u = -1;
    this.entries.delete(u);
    owner.ptr = -1;
  }
}

const leastTidy = 65536;

/** Owners whose deaths a {@link Collector} brings to light. */
export class TracedOwners implements Owners {
  private readonly extents: Extents;
  private readonly collector: Collector;

  // `refs[i]` is the owner of the extent at `refUnits[i]`, or null.
  private refs: (WeakRef<Owner> | null)[] = [];
  private refUnits: number[] = [];

  private readonly nursery: WeakMap<Owner, true> = new WeakMap();
  /** The extents of the nursery's owners, or -1; the first `aged` have outlived one minor collection. */
  private units: number[] = [];
  private aged = 0;
  private tidyAt = leastTidy;
  private readonly witness: Owner = new Owner(0);

  constructor(extents: Extents, collector: Collector) {
    this.extents = extents;
    this.collector = collector;
    this.nursery.set(this.witness, true);
  }

  add(owner: Owner): void {
    if (this.collector.minor === null) {
      this.addOld(owner);
      return;
    }
    const u = owner.ptr >>> unitBits;
    this.nursery.set(owner, true);
    this.units.push(u);
    this.extents.table[u + 1] = -this.units.length;
    if (this.units.length >= this.tidyAt) this.tidy();
  }

  addOld(owner: Owner): void {
    const u = owner.ptr >>> unitBits;
    this.refs.push(new WeakRef(owner));
    this.refUnits.push(u);
    this.extents.table[u + 1] = this.refs.length;
  }

  remove(owner: Owner): void {
    const entry = this.extents.table[(owner.ptr >>> unitBits) + 1] as number;
    if (entry > 0) this.refs[entry - 1] = null;
    else this.units[-entry - 1] = -1;
    owner.ptr = -1;
  }

  /** Calls `release` for the extent of each owner that is known to be dead. */
  sweep(release: Release): void {
    const { refs, refUnits } = this;
    const { table } = this.extents;
    let count = 0;
    for (let i = 0; i < refs.length; i++) {
      const ref = refs[i] as WeakRef<Owner> | null;
      if (ref === null) continue;
      const u = refUnits[i] as number;
      if (ref.deref() === undefined) release(u);
      else {
        refs[count] = ref;
        refUnits[count] = u;
        count++;
        table[u + 1] = count;
      }
    }
    refs.length = count;
    refUnits.length = count;
    this.sweepNursery(release);
  }

  /** {@link sweep} for the nursery alone: all that a minor collection can change. */
  sweepNursery(release: Release): void {
    if (this.units.length === 0) return;
    const { table } = this.extents;
    const alive = this.collector.keys(this.nursery);
    // Whoever is not among them counts as dead: believe no list without the one who is always there.
    if (alive === null || !alive.includes(this.witness)) return;
    for (const owner of alive) {
      if (owner === this.witness) continue;
      if (owner.ptr < 0) {
        this.nursery.delete(owner);
        continue;
      }
      const u = owner.ptr >>> unitBits;
      if (-(table[u + 1] as number) <= this.aged) {
        this.nursery.delete(owner);
        this.addOld(owner);
      } else table[u + 1] = 0;
    }
    const units: number[] = [];
    for (const u of this.units) {
      if (u < 0) continue;
      const entry = table[u + 1] as number;
      if (entry < 0) release(u);
      else if (entry === 0) {
        units.push(u);
        table[u + 1] = -units.length;
      }
    }
    this.units = units;
    this.aged = units.length;
  }

  /** Forgets removed owners, as a program that frees all it allocates never collects. */
  private tidy(): void {
    const units: number[] = [];
    let aged = 0;
    this.units.forEach((u, i) => {
      if (u < 0) return;
      units.push(u);
      this.extents.table[u + 1] = -units.length;
      if (i < this.aged) aged++;
    });
    this.units = units;
    this.aged = aged;
    this.tidyAt = Math.max(leastTidy, 2 * units.length);
  }
}
