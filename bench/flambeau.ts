/** Flambeau as a subject of the benchmark. An argument is the number of threads; else it is as many as by default. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import * as torch from "flambeau";
import { serve } from "./subject.ts";
import { convolution } from "./workloads/convolution.ts";
import { elementwise } from "./workloads/elementwise.ts";
import { matrix } from "./workloads/matrix.ts";
import { networks } from "./workloads/networks.ts";
import { reductions } from "./workloads/reductions.ts";
import { small } from "./workloads/small.ts";
import { transformer } from "./workloads/transformer.ts";

const [, , threads] = process.argv;
if (threads !== undefined) torch.set_num_threads(Number(threads));

const manifest = createRequire(import.meta.url).resolve("flambeau/package.json");
const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
await serve(version, [...small, ...elementwise, ...reductions, ...matrix, ...networks, ...convolution, ...transformer]);
