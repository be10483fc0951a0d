/** Which parts of an address range are taken. */
import { describe, expect, it } from "vitest";
import { Extents, large, roundUnits } from "../src/backend/wasm/extents.ts";

/** xorshift32: the same run every time. */
function random(seed: number): (n: number) => number {
  let x = seed;
  return (n) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return Math.floor(((x >>> 0) / 2 ** 32) * n);
  };
}

describe("extents", () => {
  it("rounds requests up to the sizes of bins, by 1/32 at most", () => {
    let last = 0;
    for (let units = 1; units < 200_000; units = Math.ceil(units * 1.01)) {
      const rounded = roundUnits(units);
      expect(rounded).toBeGreaterThanOrEqual(Math.max(units, last));
      expect(rounded).toBeLessThanOrEqual(Math.max(4, units * (1 + 1 / 32)));
      expect(roundUnits(rounded)).toBe(rounded);
      last = rounded;
    }
  });

  it("keeps its tables consistent and merges all neighbours, under random requests", () => {
    const below = random(7);
    const extents = new Extents(64);
    extents.extend(5000);
    extents.extend(5002); // too little to be an extent: added with the next
    extents.extend(20_000);
    const taken: number[] = [];
    let failures = 0;
    for (let step = 0; step < 20_000; step++) {
      if (taken.length > 0 && below(100) < 48) {
        const i = below(taken.length);
        extents.release(taken[i] as number);
        taken[i] = taken[taken.length - 1] as number;
        taken.pop();
      } else {
        const units = roundUnits(1 + below(2 ** below(12)));
        const unit = extents.take(units, large);
        if (unit < 0) failures++;
        else {
          expect(extents.sizeOf(unit)).toBeGreaterThanOrEqual(units);
          expect(extents.sizeOf(unit)).toBeLessThan(units + 4);
          taken.push(unit);
        }
      }
      if (step % 200 === 0) {
        const used = extents.verify().filter((e) => e.kind !== 0);
        expect(used.map((e) => e.unit)).toEqual(taken.toSorted((a, b) => a - b));
      }
    }
    expect(failures).toBeGreaterThan(0);
    for (const unit of taken) extents.release(unit);
    expect(extents.verify()).toEqual([{ unit: 64, units: 20_000 - 64, kind: 0 }]);
    expect(extents.freeAtEnd()).toBe(20_000 - 64);
  });
});
