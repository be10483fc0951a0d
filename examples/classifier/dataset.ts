/** From tables to what a classifier is trained and tested on: numbered classes, a split, standardised features. */

import * as torch from "flambeau";
import type { Table } from "./csv.ts";
import { DataError } from "./csv.ts";

/** Samples, as the network sees them. */
export interface Samples {
  readonly count: number;
  /** The features as they were given, row after row. */
  readonly raw: Float64Array;
  /** The features standardised, row after row. */
  readonly features: Float32Array;
  /** The number of each sample's class. */
  readonly targets: readonly number[];
}

/** A problem of classification. */
export interface Dataset {
  /** What it is called in the report. */
  readonly name: string;
  readonly columns: number;
  /** The names of the classes, by number. */
  readonly classes: readonly string[];
  readonly train: Samples;
  readonly test: Samples;
  /** Brings features into the form that the network was trained on. */
  readonly standardise: (raw: Float64Array) => Float32Array;
}

/** Standardised values beyond this are cut off, so that a freak value cannot overflow to infinity in float32. */
const LARGEST = 1e4;

/** Rows by number: what is left of a table once classes are numbers. */
interface Numbered {
  readonly raw: Float64Array;
  readonly targets: readonly number[];
}

/** The dataset of one table, of which a fifth is held back for testing, or of two. */
export function datasetOf(table: Table, test?: Table): Dataset {
  const classes = sortedClasses(table);
  const train = numbered(table, classes, table.source);
  if (test === undefined) {
    const { kept, held } = split(train.targets);
    if (held.length === 0) {
      throw new DataError(
        `${table.source}: ${table.lines.length} rows are too few to hold back a fifth for testing (use --test)`,
      );
    }
    return assemble(
      table.source,
      table.columns,
      classes,
      pick(train, kept, table.columns),
      pick(train, held, table.columns),
    );
  }
  if (test.columns !== table.columns) {
    throw new DataError(
      `${test.source}:${test.lines[0] ?? 1}: ${test.columns + 1} columns, but ${table.source} has ${table.columns + 1}`,
    );
  }
  return assemble(table.source, table.columns, classes, train, numbered(test, classes, table.source));
}

/** Three spiral arms of two turns' thirds each, with noise: the classes touch nowhere and no line parts them. */
export function spirals(perClass: number = 250, arms: number = 3): Dataset {
  const count = perClass * arms;
  const noise = torch.randn([count]).tolist() as number[];
  const raw = new Float64Array(count * 2);
  const targets: number[] = [];
  for (let i = 0; i < count; i++) {
    const arm = i % arms;
    const along = (Math.floor(i / arms) + 1) / perClass;
    const angle = (arm / arms + along * 0.75) * 2 * Math.PI + (noise[i] ?? 0) * 0.16;
    raw[2 * i] = along * Math.cos(angle);
    raw[2 * i + 1] = along * Math.sin(angle);
    targets.push(arm);
  }
  const all = { raw, targets };
  const { kept, held } = split(targets);
  const names = Array.from({ length: arms }, (_, i) => `arm ${i + 1}`);
  return assemble(`${arms} spirals, generated`, 2, names, pick(all, kept, 2), pick(all, held, 2));
}

/** The classes in order: by value when all are numbers, otherwise by letters. */
function sortedClasses(table: Table): string[] {
  const classes = Array.from(new Set(table.classes));
  if (classes.length < 2) {
    throw new DataError(
      `${table.source}: all rows are of the class ${JSON.stringify(classes[0])}; at least two classes are needed`,
    );
  }
  if (classes.length > 100 && classes.length * 2 > table.classes.length) {
    throw new DataError(
      `${table.source}: ${classes.length} different values in the last column of ${table.classes.length} rows; it must hold the class`,
    );
  }
  const numeric = classes.every((name) => Number.isFinite(Number(name)));
  return classes.toSorted((a, b) => (numeric ? Number(a) - Number(b) : 0) || (a < b ? -1 : 1));
}

function numbered(table: Table, classes: readonly string[], trainSource: string): Numbered {
  const numbers = new Map(classes.map((name, i) => [name, i]));
  const targets = table.classes.map((name, row) => {
    const number = numbers.get(name);
    if (number === undefined) {
      throw new DataError(
        `${table.source}:${table.lines[row] ?? 0}: class ${JSON.stringify(name)} does not occur in ${trainSource}`,
      );
    }
    return number;
  });
  return { raw: table.features, targets };
}

/**
 * Holds back every fifth row of a random order sorted by class: each class is then split in about the same proportion,
 * and every class keeps at least one row to learn from.
 */
function split(targets: readonly number[]): { kept: number[]; held: number[] } {
  const byClass = new Map<number, number[]>();
  for (const row of torch.randperm(targets.length).tolist() as number[]) {
    const target = targets[row] ?? 0;
    const rows = byClass.get(target);
    if (rows === undefined) byClass.set(target, [row]);
    else rows.push(row);
  }
  const kept: number[] = [];
  const held: number[] = [];
  let place = 0;
  for (const rows of byClass.values()) {
    for (const row of rows) {
      // A run of two or more consecutive places always holds one that stays; the only row of a class must stay.
      if (rows.length > 1 && place++ % 5 === 2) held.push(row);
      else kept.push(row);
    }
  }
  return { kept, held };
}

function pick(from: Numbered, rows: readonly number[], columns: number): Numbered {
  const raw = new Float64Array(rows.length * columns);
  rows.forEach((row, i) => raw.set(from.raw.subarray(row * columns, (row + 1) * columns), i * columns));
  return { raw, targets: rows.map((row) => from.targets[row] ?? 0) };
}

function assemble(name: string, columns: number, classes: readonly string[], train: Numbered, test: Numbered): Dataset {
  const standardise = standardiser(train.raw, columns);
  const samples = ({ raw, targets }: Numbered): Samples => ({
    count: targets.length,
    raw,
    features: standardise(raw),
    targets,
  });
  return { name, columns, classes, train: samples(train), test: samples(test), standardise };
}

/** Subtracts the mean and divides by the standard deviation of each column of the training rows, and of no others. */
function standardiser(train: Float64Array, columns: number): (raw: Float64Array) => Float32Array {
  const rows = train.length / columns;
  const unit = new Float64Array(columns);
  const mean = new Float64Array(columns);
  const factor = new Float64Array(columns);
  for (let c = 0; c < columns; c++) {
    let low = Infinity;
    let high = -Infinity;
    for (let i = c; i < train.length; i += columns) {
      low = Math.min(low, train[i] ?? 0);
      high = Math.max(high, train[i] ?? 0);
    }
    // In units of the largest value, sums and squares neither overflow nor vanish.
    const largest = Math.max(Math.abs(low), Math.abs(high)) || 1;
    let sum = 0;
    for (let i = c; i < train.length; i += columns) sum += (train[i] ?? 0) / largest;
    const middle = sum / rows;
    let squares = 0;
    for (let i = c; i < train.length; i += columns) squares += ((train[i] ?? 0) / largest - middle) ** 2;
    unit[c] = largest;
    mean[c] = middle;
    // A constant column carries nothing: its factor stays 0, also where rounding makes the deviation not quite zero.
    if (high > low && squares > 0) factor[c] = 1 / Math.sqrt(squares / rows);
  }
  return (raw) =>
    Float32Array.from(raw, (value, i) => {
      const c = i % columns;
      const standard = (value / (unit[c] ?? 1) - (mean[c] ?? 0)) * (factor[c] ?? 0);
      return Math.max(-LARGEST, Math.min(LARGEST, standard));
    });
}
