/**
 * The side of a subject, the library that is measured. It lives in a process of its own and speaks in lines of JSON: it
 * introduces itself with `{"version"}`, and answers each `{"workload", "milliseconds"}` with `{"median", "mean"}`
 * in microseconds or `{"missing"}`.
 */
import { createInterface } from "node:readline";
import { measure, type Times, type Workload } from "./workload.ts";

export interface Request {
  readonly workload: string;
  readonly milliseconds: number;
}

export type Reply = Times | { readonly missing: string };

/** Calls before anything is measured: kernels are made, the engine compiles what is hot. */
const WARM_MILLISECONDS = 300;

/** Answers requests until standard input ends. */
export async function serve(version: string, workloads: readonly Workload[]): Promise<void> {
  const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
  const prepared = new Map<string, () => void>();
  say({ version });
  for await (const line of createInterface({ input: process.stdin })) {
    say(answer(JSON.parse(line) as Request));
  }

  function answer({ workload: name, milliseconds }: Request): Reply {
    const workload = workloads.find((candidate) => candidate.name === name);
    if (workload === undefined) return { missing: "not written for this library" };
    try {
      let work = prepared.get(name);
      if (work === undefined) {
        work = workload.prepare();
        measure(work, WARM_MILLISECONDS);
        prepared.set(name, work);
      }
      return measure(work, milliseconds);
    } catch (error) {
      return { missing: String(error instanceof Error ? error.message : error).split("\n")[0] as string };
    }
  }
}
