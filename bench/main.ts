/**
 * `npm run bench`: Flambeau beside PyTorch and others, each in a process of its own, by turns.
 *
 *     npm run bench -- [--only add_small,mm_64] [--subjects flambeau,jax-js] [--rounds 5] [--milliseconds 200]
 *                      [--json FILE] [--svg FILE]
 */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { chart } from "./chart.ts";
import { workloadNames } from "./names.ts";
import { Subject } from "./process.ts";
import { type Measured, missing, type Results, table } from "./results.ts";
import { findSubjects } from "./subjects.ts";
import { median, type Times } from "./workload.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    subjects: { type: "string" },
    rounds: { type: "string", default: "5" },
    milliseconds: { type: "string", default: "200" },
    json: { type: "string" },
    svg: { type: "string" },
  },
});
const rounds = Number(values.rounds);
const milliseconds = Number(values.milliseconds);
const names = values.only?.split(",") ?? Object.keys(workloadNames);
const unknown = names.filter((name) => !(name in workloadNames));
if (unknown.length > 0 || !(rounds >= 1) || !(milliseconds > 0)) {
  console.error(
    unknown.length > 0
      ? `no workload named ${unknown.join(", ")}; there are ${Object.keys(workloadNames).join(", ")}`
      : "--rounds and --milliseconds take positive numbers",
  );
  process.exit(1);
}

const { commands, skipped } = findSubjects();
for (const line of skipped) console.log(`skipped: ${line}`);
const wanted = values.subjects?.split(",");
const subjects: Subject[] = [];
for (const command of commands) {
  if (wanted !== undefined && !wanted.some((name) => command.name.startsWith(name))) continue;
  const subject = await Subject.start(command);
  if (subject instanceof Subject) subjects.push(subject);
  else console.log(`skipped: ${command.name}: ${subject.reason}`);
}

const workloads: Record<string, Record<string, Measured | { missing: string }>> = {};
for (const name of names) workloads[name] = await compare(name);
for (const subject of subjects) subject.stop();

const results: Results = {
  date: new Date().toISOString(),
  machine: { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, node: process.versions.node },
  subjects: Object.fromEntries(subjects.map(({ name, version }) => [name, version])),
  workloads,
};
say("");
console.log(table(results));
console.log("Median time of one call in the best round; in brackets, as a multiple of Flambeau's.");
for (const line of missing(results)) console.log(`not measured: ${line}`);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
if (values.svg !== undefined) writeFileSync(values.svg, chart(results));

/** Where the benchmark is, on a terminal. */
function say(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
}

/** All subjects on one workload, by turns, so that a slow spell of the machine meets them all. */
async function compare(workload: string): Promise<Record<string, Measured | { missing: string }>> {
  const times = new Map<Subject, Times[]>(subjects.map((subject) => [subject, []]));
  const entries: Record<string, Measured | { missing: string }> = {};
  for (let round = 0; round < rounds; round++) {
    for (const [subject, list] of times) {
      say(`${workload}, round ${round + 1} of ${rounds}, ${subject.name}`);
      const reply = await subject.measure(workload, milliseconds);
      if ("missing" in reply) {
        entries[subject.name] = reply;
        times.delete(subject);
      } else {
        list.push(reply);
      }
    }
  }
  for (const [subject, list] of times) {
    const medians = list.map((reply) => reply.median);
    const means = list.map((reply) => reply.mean);
    entries[subject.name] = {
      best: Math.min(...medians),
      median: median(medians),
      mean: median(means),
      rounds: medians,
    };
  }
  return entries;
}
