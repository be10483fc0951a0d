import { execFileSync, spawnSync } from "node:child_process";
import type { SpawnSyncReturns } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import * as torch from "flambeau";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { parseTable } from "../examples/classifier/csv.ts";
import { datasetOf, spirals } from "../examples/classifier/dataset.ts";
import { run } from "../examples/classifier/run.ts";

const folder = mkdtempSync(join(tmpdir(), "flambeau-start-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  torch.manual_seed(0);
});

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** Three separate heaps of points in four columns, the last of them constant. */
function heaps(rows: number, start = 0): string {
  let text = "";
  for (let i = start; i < start + rows; i++) {
    const heap = i % 3;
    const spread = (k: number): number => Math.sin(i * 12.9898 + k * 78.233) * 0.5;
    const numbers = [heap * 3 + spread(1), heap === 1 ? 4 + spread(2) : spread(2), 1000 * (heap + spread(3)), 7];
    text += `${numbers.join(",")},${["ash & oak", "<birch>", "cedar"][heap]}\r\n`;
  }
  return text;
}

interface Outcome {
  status: number;
  lines: string[];
  errors: string[];
  progress: string;
}

async function start(...argv: string[]): Promise<Outcome> {
  const outcome: Outcome = { status: -1, lines: [], errors: [], progress: "" };
  outcome.status = await run(argv, {
    print: (line) => outcome.lines.push(...line.split("\n")),
    complain: (line) => outcome.errors.push(...line.split("\n")),
    progress: { write: (text) => (outcome.progress += text) },
    article: () => {
      outcome.lines.push("the article's program");
    },
  });
  return outcome;
}

/** The classes, in their order, of a file with two rows of each of `names`. */
function classesOf(names: readonly string[]): readonly string[] {
  const text = [...names, ...names].map((name, i) => `${i},1,${name}\n`).join("");
  return datasetOf(parseTable(text, "t")).classes;
}

describe("a dataset", () => {
  it("numbers the classes by value when they are numbers, and by letters otherwise", () => {
    expect(classesOf(["10", "9", "-1"])).toEqual(["-1", "9", "10"]);
    expect(classesOf(["b", "10", "9"])).toEqual(["10", "9", "b"]);
  });

  it("is standardised by its training rows alone; constant columns become zero", () => {
    const train = parseTable("0,0.1,a\n10,0.1,b\n0,0.1,a\n10,0.1,b\n", "train");
    const { train: learned, test } = datasetOf(train, parseTable("5,0.1,a\n20,3,b\n", "test"));
    expect([...learned.features]).toEqual([-1, 0, 1, 0, -1, 0, 1, 0]);
    expect([...test.features]).toEqual([0, 0, 3, 0]);
    expect([...test.targets]).toEqual([0, 1]);
  });

  it("holds for numbers at the ends of the range", () => {
    const train = parseTable("1e308,1e-308,a\n-1e308,2e-308,b\n", "train");
    const { train: learned, test } = datasetOf(train, parseTable("1e308,1e308,a\n", "test"));
    for (const value of [...learned.features, ...test.features]) expect(Number.isFinite(value)).toBe(true);
    expect([...learned.features].map((value) => Math.round(value))).toEqual([1, -1, -1, 1]);
  });

  it("holds back a fifth, no row twice, of every class about the same share, the same rows for the same seed", () => {
    const text = Array.from({ length: 200 }, (_, i) => `${i},0,${i < 150 ? "many" : "few"}\n`).join("");
    const table = parseTable(text, "t");
    const data = datasetOf(table);
    expect([data.train.count, data.test.count]).toEqual([160, 40]);
    const ids = [...data.train.raw, ...data.test.raw].filter((_, i) => i % 2 === 0).toSorted((a, b) => a - b);
    expect(ids).toEqual(Array.from({ length: 200 }, (_, i) => i));
    const few = data.test.targets.filter((target) => data.classes[target] === "few").length;
    expect(few).toBeGreaterThanOrEqual(9);
    expect(few).toBeLessThanOrEqual(11);
    torch.manual_seed(0);
    expect([...datasetOf(table).test.raw]).toEqual([...data.test.raw]);
    torch.manual_seed(1);
    expect([...datasetOf(table).test.raw]).not.toEqual([...data.test.raw]);
  });

  it("never holds back the only row of a class", () => {
    const text = Array.from({ length: 30 }, (_, i) => `${i},0,${i < 20 ? "common" : `rare ${i}`}\n`).join("");
    const { classes, train } = datasetOf(parseTable(text, "t"));
    expect(new Set(train.targets).size).toBe(classes.length);
  });

  it("can be generated: spirals that a seed determines", () => {
    const data = spirals(50);
    expect([data.columns, data.classes.length, data.train.count + data.test.count]).toEqual([2, 3, 150]);
    torch.manual_seed(0);
    expect([...spirals(50).train.raw]).toEqual([...data.train.raw]);
  });
});

describe("npm start", () => {
  it("prints the article's program, trains, writes a report, and says the accuracy last", async () => {
    const data = file("heaps.csv", heaps(150));
    const test = file("heaps-test.csv.gz", gzipSync(heaps(60, 150)));
    const out = join(folder, "report.html");
    const { status, lines, errors, progress } = await start(
      "--data",
      data,
      "--test",
      test,
      "--epochs",
      "20",
      "--out",
      out,
    );
    expect(errors).toEqual([]);
    expect(status).toBe(0);
    expect(lines[0]).toBe("the article's program");
    expect(lines.at(-1)).toMatch(/^test accuracy \d+\.\d\d %$/);
    expect(Number(lines.at(-1)?.split(" ")[2])).toBeGreaterThan(95);
    expect(lines).toContain("150 samples to learn from, 60 to test on");
    const loss = Number(lines.find((line) => line.includes(" epochs in "))?.split("loss ")[1]);
    expect(loss).toBeGreaterThan(0);
    expect(loss).toBeLessThan(0.2);
    expect(
      progress.split("\n").filter((line) => /^training: +\d+% \d+\/60 \[.*steps\/s, epoch=\d+, loss=/.test(line)),
    ).toHaveLength(10);
    const page = readFileSync(out, "utf8");
    expect(page.length).toBeLessThan(200_000);
    expect(page.match(/<svg /g)).toHaveLength(3);
    for (const text of ["ash &amp; oak", "&lt;birch&gt;", "AddmmBackward0", "NllLossBackward0", "0.weight (256, 4)"]) {
      expect(page).toContain(text);
    }
    expect(page).not.toMatch(/<birch>|NaN|undefined|<script|src=|href=|url\(/);
    expect(page).toContain(`<td>${lines.at(-1)?.replace("test accuracy ", "")}</td>`);
  });

  it("draws decisions for two features, and repeats itself for the same seed", async () => {
    const out = join(folder, "spirals.html");
    const first = await start("--epochs", "3", "--hidden", "16", "--batch", "100", "--out", out);
    expect(first.status).toBe(0);
    const page = readFileSync(out, "utf8");
    expect(page.match(/<svg /g)).toHaveLength(4);
    expect(page).toContain("crispEdges");
    expect(page.length).toBeLessThan(600_000);
    const again = await start("--epochs", "3", "--hidden", "16", "--batch", "100", "--out", out);
    expect(again.lines.at(-1)).toBe(first.lines.at(-1));
    const other = await start("--epochs", "3", "--hidden", "16", "--batch", "100", "--out", out, "--seed", "5");
    expect(other.status).toBe(0);
  });

  it("learns the spirals, which no straight line parts", async () => {
    const out = join(folder, "learned.html");
    const learned = await start("--out", out, "--epochs", "150", "--hidden", "64,64");
    expect(Number(learned.lines.at(-1)?.split(" ")[2])).toBeGreaterThan(90);
    const linear = await start("--out", out, "--epochs", "50", "--hidden", "none");
    expect(Number(linear.lines.at(-1)?.split(" ")[2])).toBeLessThan(75);
  });

  it("explains itself", async () => {
    const { status, lines } = await start("--help");
    expect(status).toBe(0);
    expect(lines[0]).toMatch(/^Usage: npm start/);
    expect(lines).not.toContain("the article's program");
  });
});

describe("whatever is wrong takes one line and exit status 1, before anything is run", () => {
  const good = "1,2,a\n2,3,b\n3,4,a\n4,5,b\n5,6,a\n6,7,b\n";
  const cases: [string, () => string[], RegExp][] = [
    ["an unknown option", () => ["--colour", "red"], /^error: Unknown option '--colour' \(--help lists the options\)$/],
    ["a missing file", () => ["--data", join(folder, "missing.csv")], /missing\.csv: no such file$/],
    [
      "a missing test file",
      () => ["--data", file("good.csv", good), "--test", join(folder, "no.csv")],
      /no\.csv: no such file$/,
    ],
    [
      "ragged rows",
      () => ["--data", file("ragged.csv", `${good}1,b\n`)],
      /ragged\.csv:7: 2 columns, but the rows before have 3$/,
    ],
    [
      "text in a number column",
      () => ["--data", file("text.csv", `${good}1,two,b\n`)],
      /text\.csv:7: column 2: "two" is not a number$/,
    ],
    [
      "a single class",
      () => ["--data", file("single.csv", "1,2,a\n3,4,a\n")],
      /single\.csv: all rows are of the class "a"; at least two classes are needed$/,
    ],
    [
      "too few rows",
      () => ["--data", file("few.csv", "1,2,a\n3,4,b\n")],
      /few\.csv: 2 rows are too few to hold back a fifth/,
    ],
    [
      "numbers where classes should be",
      () => ["--data", file("target.csv", Array.from({ length: 300 }, (_, i) => `${i},${i * 1.5}\n`).join(""))],
      /target\.csv: 300 different values in the last column of 300 rows; it must hold the class$/,
    ],
    [
      "a test file of another width",
      () => ["--data", file("good.csv", good), "--test", file("wide.csv", "\n1,2,3,a\n")],
      /wide\.csv:2: 4 columns, but .*good\.csv has 3$/,
    ],
    [
      "a class that only the test file has",
      () => ["--data", file("good.csv", good), "--test", file("new.csv", "1,2,a\n1,2,z\n")],
      /new\.csv:2: class "z" does not occur in .*good\.csv$/,
    ],
    [
      "a report in a missing folder",
      () => ["--out", join(folder, "none", "r.html")],
      /r\.html: the report cannot be written \(no such file\)$/,
    ],
    [
      "a report over the data",
      () => ["--data", file("good.csv", good), "--out", join(folder, "x", "..", "good.csv")],
      /good\.csv: the report would overwrite the data$/,
    ],
    ["a report that is a folder", () => ["--out", folder], /: is a directory$/],
  ];
  for (const [name, argv, message] of cases) {
    it(name, async () => {
      const out = join(folder, "unwritten.html");
      const given = argv();
      const { status, lines, errors, progress } = await start(
        ...(given.includes("--out") ? given : [...given, "--out", out]),
      );
      expect(status).toBe(1);
      expect(errors).toHaveLength(1);
      expect(errors[0]).toMatch(message);
      expect(lines).toEqual([]);
      expect(progress).toBe("");
      expect(existsSync(out)).toBe(false);
    });
  }
});

describe("the built program", () => {
  const root = new URL("..", import.meta.url).pathname;
  const place = join(folder, "package");

  // Builds as `npm run build` does, but apart from the working tree; types are checked elsewhere.
  beforeAll(() => {
    mkdirSync(place);
    symlinkSync(join(root, "node_modules"), join(place, "node_modules"), "dir");
    writeFileSync(join(place, "package.json"), readFileSync(join(root, "package.json")));
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
    for (const [project, output] of [
      ["tsconfig.build.json", "dist"],
      ["tsconfig.programs.json", "build"],
    ] as const) {
      execFileSync(process.execPath, [tsc, "-p", join(root, project), "--noCheck", "--outDir", join(place, output)]);
    }
  });

  const program = (...argv: string[]): SpawnSyncReturns<string> =>
    spawnSync(process.execPath, [join(place, "build", "examples", "start.js"), ...argv], {
      cwd: place,
      encoding: "utf8",
    });

  it("runs from start to end, with the result as the last line and the progress apart from it", () => {
    const { status, stdout, stderr } = program("--epochs", "10", "--hidden", "16");
    expect(stderr).toMatch(/^training: +10% /);
    expect(status).toBe(0);
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toBe("tensor([2., 3., 4.], requires_grad=True)");
    expect(lines.at(-1)).toMatch(/^test accuracy \d+\.\d\d %$/);
    expect(lines.at(-2)).toBe(`report: ${join(place, "report.html")}`);
    expect(existsSync(join(place, "report.html"))).toBe(true);
  });

  it("ends with status 1 and one line when the input is wrong", () => {
    const { status, stdout, stderr } = program("--data", "missing.csv");
    expect([status, stdout, stderr]).toEqual([1, "", "error: missing.csv: no such file\n"]);
  });
});
