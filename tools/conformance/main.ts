/**
 * The conformance runner: replays golden cases of PyTorch through the public API and reports what passed, failed, and is
 * missing. See `usage`.
 */

import * as torch from "flambeau";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { coverage } from "./coverage.ts";
import { recordFloor } from "./floor.ts";
import { type Kind, type Progress, kinds, replay } from "./replay.ts";
import { problems, reasons, summary, toSummary } from "./report.ts";

const usage = `npm run conformance -- --data DIR [options]

  --data DIR      a folder of golden cases (ops/, modules/, optim/, rng/, print/)
  --kind KIND     only this kind (comma list): ${kinds.join(", ")}
  --only NAME     only these operators, modules, optimizers or groups (comma list, * as a wildcard); lists failing samples
  --tier N        only operators of these tiers (comma list)
  --dtype NAME    only samples drawn for these dtypes (comma list)
  --failures N    how many failing samples to list (default 40 with --only, else 0)
  --reasons N     how many of the most frequent reasons to list (default 25 without --only)
  --quiet         no table per name
  --record        raises DIR/floor.json to what passes now
  --coverage FILE writes a page of what passes and what is missing, as Markdown
  --json          ends with one line of JSON: kind, group, aspect, {passed, failed, missing}`;

/** A test of names against a comma list with wildcards; no list lets all pass. */
function matcher(list: string | undefined): (name: string) => boolean {
  if (list === undefined) return () => true;
  const patterns = list.split(",").map((text) => {
    const escaped = text
      .trim()
      .replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&")
      .replaceAll("*", ".*");
    return new RegExp(`^${escaped}$`);
  });
  return (name) => patterns.some((pattern) => pattern.test(name));
}

/** A line on the terminal that tells how far the replay has come, and how fast. */
function progressLine(): Progress {
  if (!process.stderr.isTTY) return () => {};
  const start = performance.now();
  let last = 0;
  return (done, name) => {
    const now = performance.now();
    if (now - last < 100) return;
    last = now;
    const rate = Math.round((done / (now - start)) * 1000);
    process.stderr.write(`\r\u001b[K${done} cases, ${rate}/s  ${name}`);
  };
}

function main(): number {
  const { values } = parseArgs({
    options: {
      data: { type: "string" },
      kind: { type: "string" },
      only: { type: "string" },
      tier: { type: "string" },
      dtype: { type: "string" },
      failures: { type: "string" },
      reasons: { type: "string" },
      quiet: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      record: { type: "boolean", default: false },
      coverage: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const { data } = values;
  if (values.help || data === undefined) {
    console.log(usage);
    return values.help ? 0 : 2;
  }
  const wanted = matcher(values.kind);
  const chosen = kinds.filter((kind) => wanted(kind));
  for (const kind of chosen) if (!existsSync(join(data, kind))) console.log(`${kind}: no folder, skipped`);
  const tier = matcher(values.tier);
  const selection = {
    kinds: chosen,
    only: matcher(values.only),
    dtype: matcher(values.dtype),
    tier: (n: number) => tier(String(n)),
  };
  // Warnings are part of PyTorch's behaviour, but not of these cases.
  console.warn = () => {};
  const start = performance.now();
  const results = replay(torch, data, selection, progressLine());
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  const focused = values.only !== undefined;
  for (const [kind, tally] of results) report(kind, tally);
  console.log(`${((performance.now() - start) / 1000).toFixed(1)} s`);
  if (values.coverage !== undefined) writeFileSync(values.coverage, coverage(results));
  if (values.record) recordFloor(join(data, "floor.json"), toSummary(results));
  if (values.json) console.log(JSON.stringify(toSummary(results)));
  return 0;

  function report(kind: Kind, tally: Parameters<typeof summary>[1]): void {
    const failures = Number(values.failures ?? (focused ? 40 : 0));
    const frequent = Number(values.reasons ?? (focused ? 0 : 25));
    if (failures > 0 && tally.problems.length > 0) console.log(`${problems(tally, failures)}\n`);
    console.log(summary(kind, tally, !values.quiet));
    if (frequent > 0 && tally.problems.length > 0) console.log(`\nmost frequent reasons\n${reasons(tally, frequent)}`);
    console.log("");
  }
}

process.exitCode = main();
