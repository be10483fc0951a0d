/** Reads a table of numbers whose last column is a class, from CSV text, plain or gzipped, without a header. */

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { parse } from "csv-parse/sync";

/** Data that cannot be used; the message is one line that names the file and, where there is one, the line. */
export class DataError extends Error {
  override name = "DataError";
}

/** The rows of one file. */
export interface Table {
  /** The file, as it was named. */
  readonly source: string;
  /** How many numbers each row has before its class. */
  readonly columns: number;
  /** The numbers, row after row. */
  readonly features: Float64Array;
  /** The class of each row, as it was written. */
  readonly classes: readonly string[];
  /** The line of each row in the file. */
  readonly lines: readonly number[];
}

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const NOT_FINITE = /^[+-]?(?:nan|inf|infinity)$/i;

/** The table in the file at `path`; throws {@link DataError} for whatever is wrong with it. */
export function readTable(path: string): Table {
  return parseTable(decode(path), path);
}

/** The table in `text`; `source` is what messages call it. */
export function parseTable(text: string, source: string): Table {
  const numbers: number[] = [];
  const classes: string[] = [];
  const lines: number[] = [];
  let width = 0;
  const take = (fields: readonly string[], line: number): void => {
    if (lines.length === 0) {
      width = fields.length;
      if (width < 2) {
        throw new DataError(`${source}:${line}: only one column; expected numbers and a class, separated by commas`);
      }
    } else if (fields.length !== width) {
      throw new DataError(`${source}:${line}: ${columnCount(fields.length)}, but the rows before have ${width}`);
    }
    for (let i = 0; i < width - 1; i++)
      numbers.push(toNumber(fields[i] ?? "", `${source}:${line}: column ${i + 1}`, line));
    const name = fields[width - 1] ?? "";
    if (name === "") throw new DataError(`${source}:${line}: the class (column ${width}) is empty`);
    classes.push(name);
    lines.push(line);
  };
  try {
    parse(text, {
      bom: true,
      trim: true,
      skip_empty_lines: true,
      // Named one by one, since a file may mix them; ragged rows are reported here, in words of our own.
      record_delimiter: ["\r\n", "\n", "\r"],
      relax_column_count: true,
      on_record: (fields: string[], { lines: line }) => {
        take(fields, line);
        return null;
      },
    });
  } catch (error) {
    throw error instanceof DataError ? error : new DataError(`${source}${describeCsvError(error)}`);
  }
  if (lines.length === 0) throw new DataError(`${source}: the file holds no rows`);
  return { source, columns: width - 1, features: Float64Array.from(numbers), classes, lines };
}

function columnCount(count: number): string {
  return count === 1 ? "1 column" : `${count} columns`;
}

function toNumber(field: string, place: string, line: number): number {
  if (NUMBER.test(field)) {
    const value = Number(field);
    if (Number.isFinite(value)) return value;
  }
  if (field === "") throw new DataError(`${place} is empty`);
  const shown = JSON.stringify(field.length > 40 ? `${field.slice(0, 40)}…` : field);
  if (NUMBER.test(field) || NOT_FINITE.test(field)) throw new DataError(`${place}: ${shown} is not a finite number`);
  throw new DataError(`${place}: ${shown} is not a number${line === 1 ? " (a header line is not expected)" : ""}`);
}

/** The text of a file; gzip is told by its first two bytes, whatever the name says. */
function decode(path: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new DataError(`${path}: ${describeFileError(error)}`);
  }
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    try {
      bytes = gunzipSync(bytes);
    } catch (error) {
      throw new DataError(`${path}: the gzip data cannot be unpacked (${firstLine(error)})`);
    }
  }
  if (bytes.length === 0) throw new DataError(`${path}: the file is empty`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new DataError(`${path}: the file is not UTF-8 text`);
  }
}

/** What went wrong with a file, in words. */
export function describeFileError(error: unknown): string {
  switch (codeOf(error)) {
    case "ENOENT":
      return "no such file";
    case "EISDIR":
      return "is a directory";
    case "ENOTDIR":
      return "a part of the path is not a directory";
    case "EACCES":
    case "EPERM":
      return "permission denied";
    default:
      return `cannot be opened (${firstLine(error)})`;
  }
}

function describeCsvError(error: unknown): string {
  const line = typeof error === "object" && error !== null && "lines" in error ? `:${String(error.lines)}` : "";
  switch (codeOf(error)) {
    case "CSV_QUOTE_NOT_CLOSED":
      return `${line}: a quotation mark is opened here and never closed`;
    case "INVALID_OPENING_QUOTE":
      return `${line}: a quotation mark in the middle of a field`;
    case "CSV_INVALID_CLOSING_QUOTE":
      return `${line}: text after a closing quotation mark`;
    default:
      return `${line}: cannot be read as CSV (${firstLine(error)})`;
  }
}

function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}
