/** Flambeau as a subject of the benchmark. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { serve } from "./subject.ts";
import { elementwise } from "./workloads/elementwise.ts";
import { matrix } from "./workloads/matrix.ts";
import { networks } from "./workloads/networks.ts";
import { reductions } from "./workloads/reductions.ts";
import { small } from "./workloads/small.ts";

const manifest = createRequire(import.meta.url).resolve("flambeau/package.json");
const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
await serve(version, [...small, ...elementwise, ...reductions, ...matrix, ...networks]);
