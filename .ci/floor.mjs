// Compares the totals of the golden cases, JSON on standard input, with the recorded floor; --record raises the floor.
import { readFileSync, writeFileSync } from "node:fs";
import { belowFloor, raiseFloor } from "../build/tools/conformance/floor.js";

const path = new URL("floor.json", import.meta.url);
const floor = JSON.parse(readFileSync(path, "utf8"));
const summary = JSON.parse(readFileSync(0, "utf8"));
if (process.argv.includes("--record")) {
  writeFileSync(path, `${JSON.stringify(raiseFloor(floor, summary), null, 2)}\n`);
} else {
  const fallen = belowFloor(floor, summary);
  for (const line of fallen) console.log(`below the floor: ${line}`);
  process.exitCode = fallen.length > 0 ? 1 : 0;
}
