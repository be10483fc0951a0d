/** The report: counts in tables, failures one to a line, and the machine-readable summary. */

import type { Kind } from "./replay.ts";
import { type Aspects, type Count, type Problem, type Tally, type Verdict, total } from "./tally.ts";

function cell({ passed, failed, missing }: Count): string {
  if (passed + failed + missing === 0) return "-";
  return `${passed}/${passed + failed + missing}${failed > 0 ? ` ✗${failed}` : ""}${missing > 0 ? ` ∅${missing}` : ""}`;
}

function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) for (const [i, text] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, text.length);
  return rows
    .map((row) =>
      row.map((text, i) => (i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))).join("  "),
    )
    .join("\n");
}

const none: Count = { passed: 0, failed: 0, missing: 0 };

function aspectTable(title: string, counts: Iterable<readonly [string, Aspects]>): string {
  const entries = [...counts];
  const aspects = [...new Set(entries.flatMap(([, row]) => Object.keys(row)))];
  const rows = entries.map(([name, row]) => [
    name,
    ...aspects.map((a) => cell(row[a] ?? none)),
    cell(total(Object.values(row))),
  ]);
  return table([[title, ...aspects, "all"], ...rows]);
}

/** Operators with something wrong or missing, worst first, then the totals per group. */
export function summary(kind: Kind, tally: Tally, details: boolean): string {
  const lines: string[] = [];
  const imperfect = [...tally.names].filter(([, row]) => total(Object.values(row)).passed !== size(row));
  if (details && imperfect.length > 0) {
    lines.push(aspectTable(kind, imperfect), "");
  }
  const perfect = tally.names.size - imperfect.length;
  lines.push(
    aspectTable(
      kind,
      Object.entries(tally.groups).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    ),
  );
  lines.push(`${perfect} of ${tally.names.size} names without a miss (passed/all, ✗ failed, ∅ not implemented)`);
  return lines.join("\n");
}

function size(row: Aspects): number {
  const { passed, failed, missing } = total(Object.values(row));
  return passed + failed + missing;
}

function problemLine({ id, aspect, reason, verdict }: Problem): string {
  return `${verdict === "failed" ? "✗" : "∅"} ${id} ${aspect}: ${reason}`;
}

/** Failures one to a line, then what is missing, one line to a reason; at most `limit` of each. */
export function problems(tally: Tally, limit: number): string {
  const failed = tally.problems.filter((problem) => problem.verdict === "failed").map(problemLine);
  const absent = new Map<string, Problem[]>();
  for (const problem of tally.problems) {
    if (problem.verdict === "missing") absent.set(problem.reason, [...(absent.get(problem.reason) ?? []), problem]);
  }
  const missing = [...absent.values()].map((all) => {
    const [first] = all;
    if (!first) return "";
    return problemLine(first) + (all.length > 1 ? ` (and ${all.length - 1} more)` : "");
  });
  return [failed, missing]
    .flatMap((lines) =>
      lines.length > limit ? [...lines.slice(0, limit), `… and ${lines.length - limit} more`] : lines,
    )
    .join("\n");
}

/** A reason without its particulars, so that like reasons count together. */
function kindOf({ reason }: Problem): string {
  return reason
    .replaceAll(/\b(?:outs\[\d+\]|input \d+|grad_output \d+) ?/g, "")
    .replace(/^(\[\d*(?:,\d+)*\]: )?got .*|^\[[\d,]*\]: got .*/, "wrong values")
    .replaceAll(/(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?!\w)/g, "#")
    .slice(0, 160);
}

interface Frequency {
  count: number;
  readonly names: Set<string>;
  readonly aspects: Set<string>;
}

/** The most frequent reasons, with where they occur: what failed, then what is missing. */
export function reasons(tally: Tally, limit: number): string {
  return (["failed", "missing"] as const).flatMap((verdict) => frequencies(tally, verdict).slice(0, limit)).join("\n");
}

function frequencies(tally: Tally, verdict: Verdict): string[] {
  const counts = new Map<string, Frequency>();
  for (const problem of tally.problems) {
    if (problem.verdict !== verdict) continue;
    const key = kindOf(problem);
    const entry = counts.get(key) ?? { count: 0, names: new Set(), aspects: new Set() };
    entry.count++;
    entry.names.add(problem.name);
    entry.aspects.add(problem.aspect);
    counts.set(key, entry);
  }
  const mark = verdict === "failed" ? "✗" : "∅";
  return [...counts]
    .toSorted(([, a], [, b]) => b.count - a.count)
    .map(([key, { count, names, aspects }]) => {
      const more = names.size > 6 ? `, … ${names.size} names` : "";
      const where = `${[...aspects].join("/")}: ${[...names].slice(0, 6).join(", ")}${more}`;
      return `${mark}${String(count).padStart(5)} ${key}  [${where}]`;
    });
}

/** kind → group → aspect → counts */
export type Summary = Partial<Record<Kind, Record<string, Aspects>>>;

export function toSummary(results: ReadonlyMap<Kind, Tally>): Summary {
  return Object.fromEntries([...results].map(([kind, tally]) => [kind, tally.groups]));
}
