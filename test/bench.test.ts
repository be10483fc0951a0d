/** The benchmark: its figures, tables and pictures, and the program as a whole on the smallest workloads. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chart } from "../bench/chart.ts";
import { workloadNames } from "../bench/names.ts";
import { duration, missing, type Results, table } from "../bench/results.ts";
import { measure, median } from "../bench/workload.ts";
import { output } from "./built-package.ts";

const root = resolve(import.meta.dirname, "..");

const results: Results = {
  date: "2026-01-02T03:04:05.678Z",
  machine: { cpu: "a <processor>", cores: 2, node: "20.0.0" },
  subjects: { flambeau: "0.1.0", other: "1.0" },
  workloads: {
    add_small: {
      flambeau: { best: 0.25, median: 0.26, mean: 0.3, rounds: [0.25] },
      other: { best: 1, median: 1, mean: 1, rounds: [1] },
    },
    mm_64: { flambeau: { best: 1500, median: 1500, mean: 1600, rounds: [1500] }, other: { missing: "no such thing" } },
  },
};

describe("figures", () => {
  it("are medians", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  it("measure what work takes", () => {
    const start = performance.now();
    const busy = (): void => {
      const end = performance.now() + 2;
      while (performance.now() < end);
    };
    const times = measure(busy, 20);
    expect(times.median).toBeGreaterThanOrEqual(2000);
    expect(times.mean).toBeGreaterThanOrEqual(2000);
    expect(times.median).toBeLessThan((performance.now() - start) * 1000);
  });

  it("read as people write them", () => {
    expect([0.123, 12.3, 123.4, 1234, 1.5e6].map(duration)).toEqual([
      "0.12 µs",
      "12 µs",
      "123 µs",
      "1.23 ms",
      "1.50 s",
    ]);
  });

  it("stand in a table, with multiples", () => {
    expect(table(results).split("\n")).toEqual([
      "| workload  | flambeau |         other |",
      "| --------- | -------: | ------------: |",
      "| add_small |  0.25 µs | 1.0 µs (4.00) |",
      "| mm_64     |  1.50 ms |             - |",
    ]);
    expect(missing(results)).toEqual([`mm_64, other: no such thing (${workloadNames["mm_64"]})`]);
  });

  it("stand in a picture", () => {
    const svg = chart(results);
    expect(svg.match(/<rect x="130"/g)).toHaveLength(3 + 1);
    expect(svg).toContain("a &lt;processor>, 2 cores, Node 20.0.0, 2026-01-02");
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });
});

describe("the program", () => {
  const folder = mkdtempSync(join(tmpdir(), "flambeau-bench-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  beforeAll(() => {
    mkdirSync(join(folder, "place"));
    symlinkSync(join(root, "node_modules"), join(folder, "place", "node_modules"), "dir");
    symlinkSync(join(root, "package.json"), join(folder, "place", "package.json"));
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
    for (const [project, place] of [
      ["tsconfig.build.json", "dist"],
      ["tsconfig.programs.json", "build"],
    ] as const) {
      output(process.execPath, [tsc, "-p", project, "--noCheck", "--outDir", join(folder, "place", place)], root);
    }
  });

  const run = (...args: string[]) =>
    spawnSync(process.execPath, [join(folder, "place", "build", "bench", "main.js"), ...args], { encoding: "utf8" });

  it("measures small tensors, which are as fast as they must be", () => {
    const json = join(folder, "results.json");
    const svg = join(folder, "results.svg");
    const options = ["--rounds", "5", "--milliseconds", "40", "--json", json, "--svg", svg];
    const { status, stdout } = run("--only", "add_small,chain_small", "--subjects", "flambeau", ...options);
    expect(status).toBe(0);
    expect(stdout).toContain("| add_small ");
    const { workloads } = JSON.parse(readFileSync(json, "utf8")) as Results;
    const best = (name: string): number => {
      const figures = workloads[name]?.["flambeau"];
      if (figures === undefined || "missing" in figures) throw new Error(`${name} was not measured`);
      expect(figures.rounds).toHaveLength(5);
      expect(figures.best).toBe(Math.min(...figures.rounds));
      return figures.best;
    };
    console.log(`add_small ${duration(best("add_small"))}, chain_small ${duration(best("chain_small"))}`);
    expect(best("add_small")).toBeLessThan(1);
    expect(best("chain_small")).toBeLessThan(25);
    expect(readFileSync(svg, "utf8")).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
  });

  it("says which workloads there are", () => {
    const { status, stderr } = run("--only", "add_smal");
    expect(status).toBe(1);
    expect(stderr).toMatch(/^no workload named add_smal; there are add_small, /);
  });
});
