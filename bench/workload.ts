/** What is measured: a piece of work, prepared once and called many times. */

export interface Workload {
  readonly name: string;
  /** Makes the operands and returns the work itself. */
  prepare(): () => void;
}

/** Times of one call, in microseconds. */
export interface Times {
  /** Of the batches of calls: what a call takes when nothing comes between. */
  readonly median: number;
  /** Over all calls: with garbage collections, and whatever else the machine did. */
  readonly mean: number;
}

/** Calls for about `milliseconds`. */
export function measure(work: () => void, milliseconds: number): Times {
  const batch = batchSize(work);
  const times: number[] = [];
  const end = performance.now() + milliseconds;
  do {
    const start = performance.now();
    for (let i = 0; i < batch; i++) work();
    times.push((performance.now() - start) / batch);
  } while (performance.now() < end || times.length < 3);
  return { median: median(times) * 1000, mean: (times.reduce((a, b) => a + b) / times.length) * 1000 };
}

/** How many calls take about half a millisecond: the clock is too coarse for one call of a microsecond. */
function batchSize(work: () => void): number {
  for (let batch = 1; ; batch *= 2) {
    const start = performance.now();
    for (let i = 0; i < batch; i++) work();
    if (performance.now() - start >= 0.5) return batch;
  }
}

/** The middle value; of an even count the mean of the two middle ones. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
