/** The page of coverage: what passes of PyTorch's golden cases, kind by kind and name by name, as Markdown. */

import type { Kind } from "./replay.ts";
import { type Aspects, type Count, type Tally, total } from "./tally.ts";

const titles: Readonly<Record<Kind, string>> = {
  ops: "Operators",
  modules: "Modules",
  optim: "Optimizers and schedulers",
  rng: "Random numbers",
  print: "Printing",
};

const size = ({ passed, failed, missing }: Count): number => passed + failed + missing;

function percent(count: Count): string {
  const all = size(count);
  return all === 0 ? "–" : `${((100 * count.passed) / all).toFixed(1)} %`;
}

const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [row(head), row(head.map((_, i) => (i === 0 ? "---" : "---:"))), ...rows.map(row)];
}

/** The totals of the groups, by aspect. */
function totals(tally: Tally): string[] {
  const groups = Object.entries(tally.groups).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const aspects = [...new Set(groups.flatMap(([, counts]) => Object.keys(counts)))];
  const none: Count = { passed: 0, failed: 0, missing: 0 };
  return table(
    ["", "cases", ...aspects],
    groups.map(([name, counts]) => {
      const all = Object.values(counts).map(size);
      return [name, String(Math.max(...all)), ...aspects.map((a) => percent(counts[a] ?? none))];
    }),
  );
}

/** What is not whole: how much of it passes, and which aspects fail or are missing. */
function imperfect(names: ReadonlyMap<string, Aspects>): string[] {
  const rows: string[][] = [];
  for (const [name, aspects] of [...names].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const sum = total(Object.values(aspects));
    if (sum.failed + sum.missing === 0) continue;
    const of = (key: "failed" | "missing"): string =>
      Object.entries(aspects)
        .filter(([, count]) => count[key] > 0)
        .map(([aspect, count]) => `${aspect} ${count[key]}`)
        .join(", ") || "–";
    rows.push([`\`${name}\``, percent(sum), of("failed"), of("missing")]);
  }
  return rows.length === 0 ? ["Nothing is missing."] : table(["name", "passes", "fails", "missing"], rows);
}

/** The whole page. */
export function coverage(results: ReadonlyMap<Kind, Tally>): string {
  const lines = [
    "# Coverage",
    "",
    "What passes of cases recorded with a real PyTorch 2.13: each is replayed through the public API, and values, layouts, gradients,",
    "second gradients, forward mode, the method and in-place forms, the names of graph nodes and error messages are compared.",
    "Tier 1 is what everyday models need, tier 2 what is common, tier 3 what is rare. This page is generated:",
    "`npm run conformance -- --data DIR --coverage docs/coverage.md`.",
    "",
  ];
  for (const [kind, tally] of results) {
    const whole = [...tally.names.values()].filter((a) => {
      const sum = total(Object.values(a));
      return sum.failed + sum.missing === 0;
    });
    lines.push(
      `## ${titles[kind]}`,
      "",
      ...totals(tally),
      "",
      `${whole.length} of ${tally.names.size} names pass in everything. The others:`,
      "",
    );
    lines.push(...imperfect(tally.names), "");
    if (kind === "ops") {
      const names = [...tally.names].filter(
        ([, a]) => total(Object.values(a)).passed === size(total(Object.values(a))),
      );
      lines.push(
        "Whole:",
        "",
        names
          .map(([name]) => `\`${name}\``)
          .toSorted()
          .join(", "),
        "",
      );
    }
  }
  return `${lines.join("\n").trimEnd()}\n`;
}
