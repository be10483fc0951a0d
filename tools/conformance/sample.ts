/**
 * Takes a small, fixed selection out of a folder of golden cases, for a test that needs no other data:
 * `node build/tools/conformance/sample.js --data DIR --out DIR [--every N]`.
 *
 * Every N-th sample of the operators of tiers 1 and 2 and every N-th module case (at least one of each), small error inputs,
 * some optimizer trajectories, and all random numbers and printed texts. Each kind becomes one packed file.
 */

import { copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { type Pack, caseFiles } from "./data.ts";
import type { OpFile } from "./format.ts";
import type { Kind } from "./replay.ts";

/** Cases with more text than this are left out where others remain. */
const largest: Readonly<Record<"ops" | "modules" | "optim", number>> = { ops: 12_000, modules: 6_000, optim: 40_000 };

function size(value: unknown): number {
  return JSON.stringify(value).length;
}

/** Every N-th of the cases up to a size, the first always; where all are larger, the smallest. */
function thin<T>(items: readonly T[], every: number, limit: number): T[] {
  const small = items.filter((item) => size(item) <= limit);
  if (small.length === 0) return items.toSorted((a, b) => size(a) - size(b)).slice(0, 1);
  return small.filter((_, i) => i % every === 0);
}

interface Cases {
  readonly cases: readonly unknown[];
}

type Thin = (name: string, content: unknown, every: number) => unknown;

const thinners: Readonly<Record<Kind, Thin>> = {
  ops(_name, content, every) {
    const file = content as OpFile;
    if (file.tier > 2) return null;
    const errors = file.errors.filter((error) => size(error) <= 2000);
    return { ...file, samples: thin(file.samples, every, largest.ops), errors };
  },
  modules(name, content, every) {
    const file = content as Cases;
    return { ...file, cases: name === "_errors" ? file.cases : thin(file.cases, every, largest.modules) };
  },
  optim(name, content, every) {
    const file = content as Cases;
    return {
      ...file,
      cases: name === "optimizers" ? thin(file.cases, Math.ceil(every / 2), largest.optim) : file.cases,
    };
  },
  rng: (_name, content) => content,
  print: (_name, content) => content,
};

const { values } = parseArgs({
  options: { data: { type: "string" }, out: { type: "string" }, every: { type: "string", default: "10" } },
});
const { data, out } = values;
if (data === undefined || out === undefined) throw new Error("--data DIR --out DIR [--every N]");
let total = 0;
for (const [kind, thinner] of Object.entries(thinners)) {
  const files: Record<string, unknown> = {};
  for (const { name, read } of caseFiles(join(data, kind))) {
    const kept = thinner(name, read(), Number(values.every));
    if (kept !== null) files[name] = kept;
  }
  if (Object.keys(files).length === 0) continue;
  mkdirSync(join(out, kind), { recursive: true });
  const pack: Pack = { files };
  const bytes = gzipSync(JSON.stringify(pack), { level: 9 });
  writeFileSync(join(out, kind, "pack.json.gz"), bytes);
  total += bytes.length;
  console.log(`${kind}: ${Object.keys(files).length} files, ${bytes.length} bytes`);
}
for (const name of ["tolerance.json", "tolerance.json.gz"]) {
  const path = join(data, "ops", name);
  if (existsSync(path)) copyFileSync(path, join(out, "ops", name));
}
console.log(`${total} bytes`);
