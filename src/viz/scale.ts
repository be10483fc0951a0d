/** From data to pixels: ranges, round tick values and their labels. */

/** A marked value of an axis. */
export interface Tick {
  readonly value: number;
  readonly text: string;
}

/** One axis: where a value lies on the page. Finite for every finite value. */
export interface Scale {
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly Tick[];
  /** Whether `value` has a place on the axis at all (NaN has none, nor has 0 on a logarithmic one). */
  has(value: number): boolean;
  /** The pixel of `value`. */
  at(value: number): number;
}

/** Differences of doubles beyond this overflow; nobody reads such an axis by its last digits. */
const LARGEST = 1e300;

/** The smallest and largest finite value among `values`, or undefined when there is none. */
export function extent(values: Iterable<number>, positive = false): [number, number] | undefined {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value) || (positive && value <= 0)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return undefined;
  const least = positive ? 1 / LARGEST : -LARGEST;
  return [Math.max(low, least), Math.max(least, Math.min(high, LARGEST))];
}

/**
 * A linear axis over `range` that runs from pixel `from` to pixel `to`; a range of no width is widened. An axis of counts
 * (`leastStep` 1) has no ticks between them.
 */
export function linearScale(
  range: readonly [number, number],
  from: number,
  to: number,
  tickCount = 6,
  leastStep = 0,
): Scale {
  let [low, high] = range;
  if (!(high - low > Math.max(Math.abs(low), Math.abs(high)) * 1e-12)) {
    const margin = low === 0 ? 1 : Math.abs(low) * 0.1;
    low -= margin;
    high += margin;
  }
  const step = Math.max(leastStep, roundStep((high - low) / Math.max(1, tickCount)));
  const ticks: Tick[] = [];
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  for (let i = Math.ceil(low / step - 1e-9); i <= high / step + 1e-9 && ticks.length < 50; i++) {
    ticks.push({ value: i * step, text: tickText(i * step, decimals) });
  }
  return {
    low,
    high,
    ticks,
    has: (value) => Number.isFinite(value),
    at: (value) => from + ((clamp(value, -LARGEST) - low) / (high - low)) * (to - from),
  };
}

/** A logarithmic axis over the positive `range`. */
export function logScale(range: readonly [number, number], from: number, to: number, tickCount = 6): Scale {
  let low = Math.log10(range[0]);
  let high = Math.log10(range[1]);
  if (!(high - low > 1e-9)) {
    low -= 0.5;
    high += 0.5;
  }
  const ticks: Tick[] = [];
  // Few decades show 1, 2 and 5 of each; many show every nth power of ten.
  const factors = high - low < 3 ? [1, 2, 5] : [1];
  const every = Math.max(1, Math.ceil((high - low) / tickCount));
  for (let power = Math.floor(low); power <= Math.ceil(high); power++) {
    if (power % every !== 0) continue;
    for (const factor of factors) {
      const exponent = power + Math.log10(factor);
      if (exponent < low - 1e-9 || exponent > high + 1e-9) continue;
      const value = factor * 10 ** power;
      ticks.push({ value, text: tickText(value, Math.max(0, -power)) });
    }
  }
  return {
    low: 10 ** low,
    high: 10 ** high,
    ticks,
    has: (value) => Number.isFinite(value) && value > 0,
    at: (value) => from + ((Math.log10(clamp(value, 1 / LARGEST)) - low) / (high - low)) * (to - from),
  };
}

/** The round number (1, 2 or 5 times a power of ten) at or above `step`. */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  const digit = step / power;
  const rounded = digit <= 1 + 1e-9 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10;
  return rounded * power;
}

function tickText(value: number, decimals: number): string {
  const size = Math.abs(value);
  if (size < 1e-300) return "0";
  const text =
    size >= 1e6 || decimals > 5
      ? Number(value.toPrecision(6)).toExponential().replace("e+", "e")
      : value.toFixed(decimals);
  return text.replace("-", "\u2212").replace("e-", "e\u2212");
}

function clamp(value: number, least: number): number {
  return Math.max(least, Math.min(LARGEST, value));
}
