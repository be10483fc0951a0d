import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { DataError, parseTable, readTable } from "../examples/classifier/csv.ts";
import { parseOptions, UsageError } from "../examples/classifier/options.ts";

const folder = mkdtempSync(join(tmpdir(), "flambeau-csv-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** The message of the error that `run` throws, which must be a DataError of one line. */
function complaint(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    const { message } = error as DataError;
    expect(message).not.toMatch(/[\r\n]/);
    return message;
  }
  throw new Error("nothing was thrown");
}

describe("a table", () => {
  it("has its numbers, its classes and the line of each row", () => {
    const table = parseTable("1,2.5,cat\n-3e2,.5,dog\n", "t.csv");
    expect(table.columns).toBe(2);
    expect([...table.features]).toEqual([1, 2.5, -300, 0.5]);
    expect(table.classes).toEqual(["cat", "dog"]);
    expect(table.lines).toEqual([1, 2]);
  });

  it("may have blank lines, CRLF, mixed line ends, spaces, a byte order mark, and no line end at its end", () => {
    const table = parseTable("\ufeff1,2,a\r\n\r\n  \n 3 , 4 , b \n5,6,a", "t.csv");
    expect([...table.features]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(table.classes).toEqual(["a", "b", "a"]);
    expect(table.lines).toEqual([1, 4, 5]);
  });

  it("may have quoted fields, with commas and quotation marks in them", () => {
    const table = parseTable('"1",2,"a, b"\n3,4,"say ""hi"""\n', "t.csv");
    expect([...table.features]).toEqual([1, 2, 3, 4]);
    expect(table.classes).toEqual(["a, b", 'say "hi"']);
  });

  it("is read from plain and from gzipped files, whatever they are called", () => {
    const text = "1,2,a\n3,4,b\n";
    for (const path of [file("plain.gz", text), file("packed.csv", gzipSync(text))]) {
      const table = readTable(path);
      expect(table.source).toBe(path);
      expect([...table.features]).toEqual([1, 2, 3, 4]);
    }
  });
});

describe("what is wrong with a table is said in one line", () => {
  const cases: [string, string, string][] = [
    ["ragged rows, too short", "1,2,a\n\n3,b\n", "t.csv:3: 2 columns, but the rows before have 3"],
    ["ragged rows, too long", "1,2,a\n3,4,5,b\n", "t.csv:2: 4 columns, but the rows before have 3"],
    ["ragged rows, one column", "1,2,a\nb\n", "t.csv:2: 1 column, but the rows before have 3"],
    ["text in a number column", "1,2,a\n3,four,b\n", 't.csv:2: column 2: "four" is not a number'],
    ["a header", "x,y,class\n1,2,a\n", 't.csv:1: column 1: "x" is not a number (a header line is not expected)'],
    ["hexadecimal", "1,2,a\n0x10,2,a\n", 't.csv:2: column 1: "0x10" is not a number'],
    ["an empty number", "1,2,a\n1,,b\n", "t.csv:2: column 2 is empty"],
    ["nan", "1,2,a\nNaN,2,b\n", 't.csv:2: column 1: "NaN" is not a finite number'],
    ["infinity", "1,2,a\n1,-inf,b\n", 't.csv:2: column 2: "-inf" is not a finite number'],
    ["overflow", "1,2,a\n1,1e999,b\n", 't.csv:2: column 2: "1e999" is not a finite number'],
    ["an empty class", "1,2,a\n3,4,\n", "t.csv:2: the class (column 3) is empty"],
    ["one column", "1\n2\n", "t.csv:1: only one column; expected numbers and a class, separated by commas"],
    ["no rows", "\n \r\n\n", "t.csv: the file holds no rows"],
    ["an open quote", '1,2,a\n3,"4,b\n', "t.csv:2: a quotation mark is opened here and never closed"],
    ["a quote inside", '1,2,a\n3,4"5,b\n', "t.csv:2: a quotation mark in the middle of a field"],
    ["text after a quote", '1,2,a\n3,"4"5,b\n', "t.csv:2: text after a closing quotation mark"],
    ["a line break in a field", '1,"two\nlines",a\n', 't.csv:2: column 2: "two\\nlines" is not a number'],
  ];
  for (const [name, text, message] of cases) {
    it(name, () => expect(complaint(() => parseTable(text, "t.csv"))).toBe(message));
  }

  it("a long field is cut", () => {
    expect(complaint(() => parseTable(`1,2,a\n${"z".repeat(1000)},2,a\n`, "t.csv")).length).toBeLessThan(120);
  });
});

describe("what is wrong with a file is said in one line", () => {
  it("a missing file", () => {
    const path = join(folder, "missing.csv");
    expect(complaint(() => readTable(path))).toBe(`${path}: no such file`);
  });

  it("a folder", () => {
    const path = join(folder, "folder.csv");
    mkdirSync(path);
    expect(complaint(() => readTable(path))).toBe(`${path}: is a directory`);
  });

  it("a file below a file", () => {
    const path = join(file("leaf.csv", "1,2,a\n"), "x.csv");
    expect(complaint(() => readTable(path))).toBe(`${path}: a part of the path is not a directory`);
  });

  it("an empty file, also when it is gzipped", () => {
    for (const path of [file("empty.csv", ""), file("empty.csv.gz", gzipSync(""))]) {
      expect(complaint(() => readTable(path))).toBe(`${path}: the file is empty`);
    }
  });

  it("gzip data that are cut off, or damaged", () => {
    const whole = gzipSync("1,2,a\n3,4,b\n".repeat(100));
    const cut = file("cut.gz", whole.subarray(0, whole.length - 12));
    expect(complaint(() => readTable(cut))).toBe(`${cut}: the gzip data cannot be unpacked (unexpected end of file)`);
    const damaged = Uint8Array.from(whole);
    damaged.fill(0xff, 10, 20);
    const path = file("damaged.gz", damaged);
    expect(complaint(() => readTable(path))).toMatch(/: the gzip data cannot be unpacked \(.+\)$/);
  });

  it("bytes that are not UTF-8", () => {
    const path = file("latin.csv", Uint8Array.of(0x31, 0x2c, 0xe9, 0x0a));
    expect(complaint(() => readTable(path))).toBe(`${path}: the file is not UTF-8 text`);
  });
});

/** The message about a command line that makes no sense. */
function misuse(...argv: string[]): string {
  try {
    parseOptions(argv);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as UsageError).message;
  }
  throw new Error("nothing was thrown");
}

describe("the command line", () => {
  it("has defaults, and reads every option", () => {
    expect(parseOptions([])).toMatchObject({ data: undefined, epochs: undefined, seed: 0, out: "report.html" });
    const given = ["--data", "a", "--test=b", "--epochs", "3", "--lr", "1e-2", "--hidden", "8, 4", "--batch", "5"];
    expect(parseOptions([...given, "--seed", "7", "--out", "r"])).toEqual({
      data: "a",
      test: "b",
      epochs: 3,
      lr: 0.01,
      hidden: [8, 4],
      batch: 5,
      seed: 7,
      out: "r",
    });
    expect(parseOptions(["--hidden", "none"])).toMatchObject({ hidden: [] });
    expect(parseOptions(["--help"])).toBe("help");
    expect(parseOptions(["-h"])).toBe("help");
  });

  const cases: [string[], string][] = [
    [["--colour"], "Unknown option '--colour'"],
    [["-x"], "Unknown option '-x'"],
    [["extra"], "Unexpected argument 'extra'"],
    [["--data"], "Option '--data <value>' argument missing"],
    [["--data="], "--data needs the name of a file"],
    [["--test", "b.csv"], "--test needs --data"],
    [["--epochs", "0"], '--epochs must be a whole number from 1 to 1000000, not "0"'],
    [["--epochs", "2.5"], '--epochs must be a whole number from 1 to 1000000, not "2.5"'],
    [["--lr", "fast"], '--lr must be a positive number, not "fast"'],
    [["--lr", "Infinity"], '--lr must be a positive number, not "Infinity"'],
    [["--hidden", "8,,4"], '--hidden must be a whole number from 1 to 65536, not ""'],
    [["--batch", "-1"], "Option '--batch' argument is ambiguous"],
    [["--seed", "abc"], `--seed must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}, not "abc"`],
  ];
  for (const [argv, message] of cases) {
    it(`refuses ${argv.join(" ")}`, () => expect(misuse(...argv)).toBe(`${message} (--help lists the options)`));
  }
});
