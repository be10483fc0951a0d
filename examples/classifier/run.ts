/** The program behind `npm start`, apart from its process: arguments in, text and an exit status out. */

import { accessSync, constants, statSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import * as torch from "flambeau";
import type { ProgressStream } from "flambeau/data";
import { DataError, describeFileError, readTable } from "./csv.ts";
import type { Dataset } from "./dataset.ts";
import { datasetOf, spirals } from "./dataset.ts";
import type { Options } from "./options.ts";
import { help, parseOptions, UsageError } from "./options.ts";
import { percent, reportPage } from "./report.ts";
import { train } from "./train.ts";

/** What the program touches of the process it runs in. */
export interface Surroundings {
  /** Writes a line of the output. */
  readonly print: (line: string) => void;
  /** Writes a line about an error. */
  readonly complain: (line: string) => void;
  /** Where the progress bar is drawn. */
  readonly progress: ProgressStream;
  /** The article's program, which comes first. */
  readonly article: () => void | Promise<void>;
}

/** Runs the program and returns its exit status; whatever is wrong with the input takes one line and status 1. */
export async function run(argv: readonly string[], around: Surroundings): Promise<number> {
  try {
    const options = parseOptions(argv);
    if (options === "help") {
      around.print(help.trimEnd());
      return 0;
    }
    // Whatever can be wrong with the input is found out before anything is run.
    checkWritable(options);
    torch.manual_seed(options.seed);
    const dataset = load(options);
    await around.article();
    classify(dataset, options, around);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof DataError)) throw error;
    around.complain(`error: ${error.message.replaceAll(/\s*[\r\n]+\s*/g, " ")}`);
    return 1;
  }
}

function classify(dataset: Dataset, options: Options, { print, progress }: Surroundings): void {
  // Again, so that the run does not depend on the random numbers that others drew.
  torch.manual_seed(options.seed);
  const { train: learned, test, columns, classes } = dataset;
  print("");
  print(`data: ${dataset.name}; ${columns} features, ${classes.length} classes`);
  print(`${learned.count} samples to learn from, ${test.count} to test on`);
  const result = train(dataset, options, progress);
  print(String(result.model));
  const loss = result.history.train.at(-1) ?? Number.NaN;
  print(
    `${result.parameters} parameters, ${result.epochs} ${result.epochs === 1 ? "epoch" : "epochs"} in ${result.seconds.toFixed(1)} s, loss ${loss.toPrecision(3)}`,
  );
  const page = reportPage(dataset, options, result);
  try {
    writeFileSync(options.out, page);
  } catch (error) {
    throw new DataError(`${options.out}: ${describeFileError(error)}`);
  }
  print(`report: ${resolve(options.out)}`);
  print(`test accuracy ${percent(result.accuracy)}`);
}

function load(options: Options): Dataset {
  if (options.data === undefined) return spirals();
  const table = readTable(options.data);
  return datasetOf(table, options.test === undefined ? undefined : readTable(options.test));
}

/** Fails now rather than after the training when the report cannot be written. */
function checkWritable({ out: path, data, test }: Options): void {
  for (const input of [data, test]) {
    if (input !== undefined && resolve(input) === resolve(path)) {
      throw new DataError(`${path}: the report would overwrite the data`);
    }
  }
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory() === true) throw new DataError(`${path}: is a directory`);
    accessSync(found === undefined ? dirname(resolve(path)) : path, constants.W_OK);
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${path}: the report cannot be written (${describeFileError(error)})`);
  }
}
