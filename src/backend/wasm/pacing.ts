/**
 * When to collect.
 *
 * Note [Pace of collection]: What is dead and not yet found is bounded by budgets, which follow what collections cost and
 * bring here and now.
 *
 * A minor collection pays for each dead byte that it finds what writing a byte to main memory costs more than writing it
 * to the cache, as memory that is reused soon is still in the cache. From 16 to 64 MB of large pieces lie between two.
 *
 * A full collection comes when the bytes that have survived minor ones pass a budget at which collections take 5 % of the run
 * time, but not less than 32 MB nor more than 256 MB or half of what is alive; where even that means more than 25 %,
 * the budget goes on up to a quarter of the memory.
 */
const megabyte = 2 ** 20;
const leastMinorBudget = 16 * megabyte;
const mostMinorBudget = 64 * megabyte;
/** Milliseconds per byte: see above. Measured: 20 µs to write 1 MB in the L3 cache, 44 µs outside. */
const worthOfDeadByte = 0.025 / megabyte;

const firstFullBudget = 128 * megabyte;
const leastFullBudget = 32 * megabyte;
const ordinaryFullBudget = 256 * megabyte;
/** Bytes per millisecond. Programs that seem to allocate faster than memory can be written do not use what they allocate. */
const fastestAllocation = 4e6;

/** An estimate of the time that collections take when nothing else disturbs: falls at once, rises slowly. */
function estimate(before: number, time: number): number {
  return before === 0 ? time : Math.min(time, before * 1.125);
}

export class Pacer {
  /** Bytes until the next minor collection, and until the next full one. */
  minorBudget: number = leastMinorBudget;
  fullBudget: number = firstFullBudget;
  private readonly maximumBytes: number;
  /** Milliseconds. */
  private minorTime = 0;
  private fullTime = 0;
  private lastFull: number = performance.now();

  constructor(maximumBytes: number) {
    this.maximumBytes = maximumBytes;
  }

  /** A minor collection has begun at time `start` and found `dead` bytes among `candidates` new ones (and older ones). */
  afterMinor(start: number, dead: number, candidates: number): void {
    this.minorTime = estimate(this.minorTime, performance.now() - start);
    const share = Math.min(Math.max(dead / Math.max(candidates, 1), 0.05), 1);
    const budget = this.minorTime / (worthOfDeadByte * share);
    this.minorBudget = Math.min(Math.max(budget, leastMinorBudget), mostMinorBudget);
  }

  /** A full collection has begun at time `start`, after `allocated` more bytes, and left `live` ones. */
  afterFull(start: number, allocated: number, live: number): void {
    const end = performance.now();
    const runTime = Math.max(start - this.lastFull, 0.01);
    this.lastFull = end;
    this.fullTime = estimate(this.fullTime, end - start);
    // What the program will allocate in as long as one collection takes.
    const meanwhile = Math.min(allocated / runTime, fastestAllocation) * this.fullTime;
    const ordinary = Math.max(ordinaryFullBudget, live / 2);
    this.fullBudget = Math.max(
      Math.min(Math.max(meanwhile / 0.05, leastFullBudget), ordinary),
      Math.min(meanwhile / 0.25, this.maximumBytes / 4),
    );
  }
}
