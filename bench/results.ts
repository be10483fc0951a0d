/** What was measured, and the table of it. */
import { workloadNames } from "./names.ts";

/** One subject on one workload, in microseconds. */
export interface Measured {
  /** The median of the best round: what else runs on the machine only ever makes a round slower. */
  readonly best: number;
  /** The median over the rounds of the medians of each round. */
  readonly median: number;
  /** The median over the rounds of the means of each round. */
  readonly mean: number;
  /** The median of each round. */
  readonly rounds: readonly number[];
}

export interface Results {
  readonly date: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly node: string };
  /** Name to version. */
  readonly subjects: Readonly<Record<string, string>>;
  /** Workload to subject to figures, or the reason why there are none. */
  readonly workloads: Readonly<Record<string, Readonly<Record<string, Measured | { readonly missing: string }>>>>;
}

/** The figures of one subject on one workload, if it has them. */
export function measured(results: Results, workload: string, subject: string): Measured | undefined {
  const entry = results.workloads[workload]?.[subject];
  return entry !== undefined && "best" in entry ? entry : undefined;
}

/** Microseconds as people read them. */
export function duration(us: number): string {
  if (us >= 1e6) return `${(us / 1e6).toPrecision(3)} s`;
  if (us >= 1000) return `${(us / 1000).toPrecision(3)} ms`;
  return `${us >= 100 ? us.toFixed(0) : us.toPrecision(2)} µs`;
}

/** Rows of workloads, columns of subjects: the time, and behind it how many times Flambeau's it is. */
export function table(results: Results): string {
  const subjects = Object.keys(results.subjects);
  const header = ["workload", ...subjects];
  const rows = Object.keys(results.workloads).map((workload) => {
    const own = measured(results, workload, "flambeau");
    return [
      workload,
      ...subjects.map((subject) => {
        const figures = measured(results, workload, subject);
        if (figures === undefined) return "-";
        const ratio = own === undefined || subject === "flambeau" ? "" : ` (${(figures.best / own.best).toFixed(2)})`;
        return duration(figures.best) + ratio;
      }),
    ];
  });
  const widths = header.map((_, i) => Math.max(...[header, ...rows].map((row) => (row[i] as string).length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number))).join(" | ")} |`;
  const rule = `| ${widths.map((width, i) => (i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)).join(" | ")} |`;
  return [line(header), rule, ...rows.map(line)].join("\n");
}

/** A line for each subject that could not do a workload that another could. */
export function missing(results: Results): string[] {
  return Object.entries(results.workloads).flatMap(([workload, entries]) =>
    Object.entries(entries).flatMap(([subject, entry]) =>
      "missing" in entry ? [`${workload}, ${subject}: ${entry.missing} (${workloadNames[workload] ?? ""})`] : [],
    ),
  );
}
