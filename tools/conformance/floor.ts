/** The floor: how much of a folder passed at best. It only rises. */

import { writeFileSync } from "node:fs";
import { readOptional } from "./data.ts";
import type { Summary } from "./report.ts";

/** kind → group → aspect → how many pass */
export type Floor = Record<string, Record<string, Record<string, number>>>;

/** Where a summary falls below the floor, in words. */
export function belowFloor(floor: Floor, summary: Summary): string[] {
  return Object.entries(floor).flatMap(([kind, groups]) =>
    Object.entries(groups).flatMap(([group, aspects]) =>
      Object.entries(aspects).flatMap(([aspect, least]) => {
        const passed = summary[kind as keyof Summary]?.[group]?.[aspect]?.passed ?? 0;
        return passed < least ? [`${kind} ${group} ${aspect}: ${passed} pass, ${least} did`] : [];
      }),
    ),
  );
}

/** The floor raised to what a summary reached. */
export function raiseFloor(floor: Floor, summary: Summary): Floor {
  const raised: Floor = structuredClone(floor);
  for (const [kind, groups] of Object.entries(summary)) {
    for (const [group, aspects] of Object.entries(groups)) {
      const row = ((raised[kind] ??= {})[group] ??= {});
      for (const [aspect, { passed }] of Object.entries(aspects)) row[aspect] = Math.max(row[aspect] ?? 0, passed);
    }
  }
  return raised;
}

/** Raises the floor in a file. */
export function recordFloor(path: string, summary: Summary): void {
  writeFileSync(path, `${JSON.stringify(raiseFloor(readOptional<Floor>(path) ?? {}, summary), null, 2)}\n`);
}
