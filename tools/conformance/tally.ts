/** Counts of what passed, failed and is missing, and the failures themselves. */

export type Verdict = "passed" | "failed" | "missing";

export interface Count {
  passed: number;
  failed: number;
  missing: number;
}

/** What a check found; `reason` is null when it passed. */
export interface Outcome {
  readonly verdict: Verdict;
  readonly reason: string | null;
}

export const pass: Outcome = { verdict: "passed", reason: null };

export function fail(reason: string): Outcome {
  return { verdict: "failed", reason };
}

export function missing(reason: string): Outcome {
  return { verdict: "missing", reason };
}

export interface Problem {
  readonly group: string;
  readonly name: string;
  readonly id: string;
  readonly aspect: string;
  readonly verdict: Verdict;
  readonly reason: string;
}

/** Counts by aspect. */
export type Aspects = Record<string, Count>;

/** The results of one kind of golden cases. */
export class Tally {
  /** group → aspect → counts */
  readonly groups: Record<string, Aspects> = {};
  /** operator, module or optimizer → aspect → counts */
  readonly names: Map<string, Aspects> = new Map();
  readonly problems: Problem[] = [];

  add(group: string, name: string, id: string, aspect: string, { verdict, reason }: Outcome): void {
    count((this.groups[group] ??= {}), aspect)[verdict]++;
    let aspects = this.names.get(name);
    if (!aspects) this.names.set(name, (aspects = {}));
    count(aspects, aspect)[verdict]++;
    if (reason !== null) this.problems.push({ group, name, id, aspect, verdict, reason });
  }
}

function count(aspects: Aspects, aspect: string): Count {
  return (aspects[aspect] ??= { passed: 0, failed: 0, missing: 0 });
}

/** The sum over all aspects, or over all groups. */
export function total(counts: Iterable<Count>): Count {
  const sum: Count = { passed: 0, failed: 0, missing: 0 };
  for (const { passed, failed, missing: absent } of counts) {
    sum.passed += passed;
    sum.failed += failed;
    sum.missing += absent;
  }
  return sum;
}
