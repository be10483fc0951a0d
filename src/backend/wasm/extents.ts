/**
 * Which parts of an address range are taken: a two-level segregated-fit allocator (TLSF) that counts in units of 1 KB and never
 * touches the memory it manages. Taking and releasing cost the same at any size of the heap, neighbours that are free
 * are always merged.
 *
 * The boundary tags of an extent of n units that starts at unit u lie in a side table, so that a kernel that writes out of
 * bounds cannot destroy the heap, and that taking memory pulls no cold cache line:
 *
 *     table[u]          n * 4 + kind
 *     table[u + 1]      free: next of the same bin (-1: none); taken: its owner's, at first 0
 *     table[u + 2]      free: previous of the same bin (-1: none); taken: its owner's, at first the units asked for
 *     table[u + n - 1]  n * 4 + kind, so that the extent that follows finds the start of this one
 */

/** What an extent is in use for. `kept`: given back, and put aside for the next request of the same size. */
export type ExtentKind = 1 | 2 | 3;

export const unitBits = 10;
/** Bytes. */
export const unit: number = 1 << unitBits;

const free = 0;
export const large: ExtentKind = 1;
export const slab: ExtentKind = 2;
export const kept: ExtentKind = 3;

/** Four table entries per extent. */
const minimumUnits = 4;

/** Bins per power of two: a request is rounded up by 1/32 at most. */
const splitBits = 5;
const split = 1 << splitBits;
/** 2^26 units of 1 KB are more than any memory. */
const rows = 26 - splitBits + 2;
/** Bins are numbered below this. */
export const binCount: number = rows * split;

/** Sizes below `split` have a bin each; above, a bin is a 32nd of a power of two. */
export function binOf(units: number): number {
  if (units < split) return units;
  const log = 31 - Math.clz32(units);
  return ((log - splitBits + 1) << splitBits) + ((units >>> (log - splitBits)) & (split - 1));
}

/** Rounds up to the least size of a bin, so that every extent in the bin of a request fits it. */
export function roundUnits(units: number): number {
  if (units <= minimumUnits) return minimumUnits;
  if (units < split) return units;
  const granule = 1 << (31 - Math.clz32(units) - splitBits);
  return Math.ceil(units / granule) * granule;
}

const lowestBit = (bits: number): number => 31 - Math.clz32(bits & -bits);

export class Extents {
  /** See the top of this file. */
  table: Int32Array = new Int32Array(1024);
  private readonly bins: Int32Array = new Int32Array(binCount).fill(-1);
  /** Bit s of `columns[r]`: bin r * split + s is not empty. Bit r of `rowBits`: `columns[r]` is not zero. */
  private readonly columns: Int32Array = new Int32Array(rows);
  private rowBits = 0;
  private start: number;
  private end: number;
  /** In free extents. */
  freeUnits = 0;

  /** Manages nothing yet; units below `start` will never be. */
  constructor(start: number) {
    this.start = start;
    this.end = start;
  }

  /** Adds the units up to `end` as free ones. */
  extend(end: number): void {
    const unit = this.end;
    if (end - unit < minimumUnits) return;
    if (this.table.length < end) {
      const table = new Int32Array(Math.max(end, Math.ceil(this.table.length * 1.5)));
      table.set(this.table);
      this.table = table;
    }
    this.end = end;
    this.mark(unit, end - unit, large);
    this.release(unit);
  }

  /** How many units before the end of the range are free. */
  freeAtEnd(): number {
    if (this.end === this.start) return 0;
    const tag = this.table[this.end - 1] as number;
    return (tag & 3) === free ? tag >>> 2 : 0;
  }

  /** Finds `units` (as given by {@link roundUnits}) adjacent units; -1 if there are none. */
  take(units: number, kind: ExtentKind): number {
    const bin = binOf(units);
    let row = bin >>> splitBits;
    let bits = (this.columns[row] as number) & (-1 << (bin & (split - 1)));
    if (bits === 0) {
      const above = this.rowBits & (-1 << (row + 1));
      if (above === 0) return -1;
      row = lowestBit(above);
      bits = this.columns[row] as number;
    }
    const unit = this.bins[(row << splitBits) + lowestBit(bits)] as number;
    this.unlink(unit);
    const whole = (this.table[unit] as number) >>> 2;
    const rest = whole - units;
    if (rest >= minimumUnits) {
      this.mark(unit, units, kind);
      this.link(unit + units, rest);
    } else this.mark(unit, whole, kind);
    this.table[unit + 1] = 0;
    this.table[unit + 2] = units;
    return unit;
  }

  /** Makes an extent free and merges it with its free neighbours. */
  release(unit: number): void {
    const table = this.table;
    let start = unit;
    let units = (table[unit] as number) >>> 2;
    if (start > this.start) {
      const before = table[start - 1] as number;
      if ((before & 3) === free) {
        start -= before >>> 2;
        units += before >>> 2;
        this.unlink(start);
      }
    }
    const next = start + units;
    if (next < this.end) {
      const after = table[next] as number;
      if ((after & 3) === free) {
        units += after >>> 2;
        this.unlink(next);
      }
    }
    this.link(start, units);
  }

  /** The size of the extent that starts at `unit`. */
  sizeOf(unit: number): number {
    return (this.table[unit] as number) >>> 2;
  }

  setKind(unit: number, kind: ExtentKind): void {
    this.mark(unit, (this.table[unit] as number) >>> 2, kind);
  }

  private mark(unit: number, units: number, kind: number): void {
    const tag = units * 4 + kind;
    this.table[unit] = tag;
    this.table[unit + units - 1] = tag;
  }

  private link(unit: number, units: number): void {
    const bin = binOf(units);
    const head = this.bins[bin] as number;
    this.mark(unit, units, free);
    this.table[unit + 1] = head;
    this.table[unit + 2] = -1;
    if (head >= 0) this.table[head + 2] = unit;
    this.bins[bin] = unit;
    const row = bin >>> splitBits;
    this.columns[row] = (this.columns[row] as number) | (1 << (bin & (split - 1)));
    this.rowBits |= 1 << row;
    this.freeUnits += units;
  }

  private unlink(unit: number): void {
    const table = this.table;
    const units = (table[unit] as number) >>> 2;
    const next = table[unit + 1] as number;
    const previous = table[unit + 2] as number;
    if (next >= 0) table[next + 2] = previous;
    if (previous >= 0) table[previous + 1] = next;
    else {
      const bin = binOf(units);
      this.bins[bin] = next;
      if (next < 0) {
        const row = bin >>> splitBits;
        const columns = (this.columns[row] as number) & ~(1 << (bin & (split - 1)));
        this.columns[row] = columns;
        if (columns === 0) this.rowBits &= ~(1 << row);
      }
    }
    this.freeUnits -= units;
  }

  /** Throws if the tables contradict each other; for tests. Returns the extents in order. */
  verify(): { unit: number; units: number; kind: number }[] {
    const extents = [];
    const listed = new Set<number>();
    for (let bin = 0; bin < this.bins.length; bin++) {
      const bit = ((this.columns[bin >>> splitBits] as number) >>> (bin & (split - 1))) & 1;
      if ((bit === 1) !== (this.bins[bin] as number) >= 0) throw new Error(`bin ${bin}: wrong bit`);
      for (let u = this.bins[bin] as number; u >= 0; u = this.table[u + 1] as number) {
        if (binOf(this.sizeOf(u)) !== bin || listed.has(u)) throw new Error(`unit ${u}: wrong bin`);
        listed.add(u);
      }
    }
    for (let r = 0; r < rows; r++) {
      if (((this.rowBits >>> r) & 1) !== Number(this.columns[r] !== 0)) throw new Error(`row ${r}: wrong bit`);
    }
    let freeBefore = false;
    let freeUnits = 0;
    for (let unit = this.start; unit < this.end;) {
      const tag = this.table[unit] as number;
      const units = tag >>> 2;
      const kind = tag & 3;
      if (units < minimumUnits || this.table[unit + units - 1] !== tag) throw new Error(`unit ${unit}: bad tags`);
      if ((kind === free) !== listed.has(unit)) throw new Error(`unit ${unit}: free, not listed, or listed, not free`);
      if (kind === free && freeBefore) throw new Error(`unit ${unit}: not merged`);
      freeBefore = kind === free;
      if (freeBefore) freeUnits += units;
      extents.push({ unit, units, kind });
      unit += units;
    }
    if (freeUnits !== this.freeUnits) throw new Error("wrong count of free units");
    return extents;
  }
}
