/** The command line of the classifier. */

import { parseArgs } from "node:util";

/** What was asked for on the command line. */
export interface Options {
  /** A file of samples; generated spirals without it. */
  readonly data: string | undefined;
  /** A file of samples to test on; a fifth of the data without it. */
  readonly test: string | undefined;
  /** Passes over the training data; chosen by their number without it. */
  readonly epochs: number | undefined;
  readonly lr: number;
  /** The widths of the hidden layers. */
  readonly hidden: readonly number[];
  readonly batch: number;
  readonly seed: number;
  /** Where the report is written. */
  readonly out: string;
}

/** A command line that makes no sense; the message is one line. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** The text of `--help`. */
export const help: string = `Usage: npm start -- [options]

Runs the article's program, then trains a classifier and writes a report page.

  --data FILE     samples to learn from: CSV or gzipped CSV without a header, numbers and, in the last column, the class
                  (default: generated spirals)
  --test FILE     samples to test on, in the same form (default: a fifth of the data is held back)
  --epochs N      passes over the training samples (default: as many as make about 3000 steps)
  --lr X          learning rate at the start; it falls to zero along a cosine (default: 0.003)
  --hidden LIST   widths of the hidden layers, such as 256,128, or "none" (default: 256,128)
  --batch N       samples per step (default: 64)
  --seed N        seed of all random numbers (default: 0)
  --out FILE      where to write the report (default: report.html)
  --help          this text
`;

/** The options in `argv`, or "help" when that is asked for; throws {@link UsageError}. */
export function parseOptions(argv: readonly string[]): Options | "help" {
  const values = read(argv);
  if (values.help === true) return "help";
  if (values.test !== undefined && values.data === undefined) throw usage("--test needs --data");
  for (const name of ["data", "test", "out"] as const) {
    if (values[name] === "") throw usage(`--${name} needs the name of a file`);
  }
  return {
    data: values.data,
    test: values.test,
    epochs: values.epochs === undefined ? undefined : whole("--epochs", values.epochs, 1, 1e6),
    lr: positive("--lr", values.lr ?? "0.003"),
    hidden: widths(values.hidden ?? "256,128"),
    batch: whole("--batch", values.batch ?? "64", 1, 1e6),
    seed: whole("--seed", values.seed ?? "0", 0, Number.MAX_SAFE_INTEGER),
    out: values.out ?? "report.html",
  };
}

function read(argv: readonly string[]): Partial<
  Record<"data" | "test" | "epochs" | "lr" | "hidden" | "batch" | "seed" | "out", string>
> & {
  help?: boolean;
} {
  const text = { type: "string" } as const;
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        data: text,
        test: text,
        epochs: text,
        lr: text,
        hidden: text,
        batch: text,
        seed: text,
        out: text,
        help: { type: "boolean", short: "h" },
      },
    });
    return { ...values };
  } catch (error) {
    // The first sentence says what is wrong; the rest is advice on positional arguments, of which there are none.
    const message = error instanceof Error ? error.message : String(error);
    throw usage((message.split(/\. |\n/)[0] ?? message).replace(/\.$/, ""));
  }
}

function usage(message: string): UsageError {
  return new UsageError(`${message} (--help lists the options)`);
}

function whole(name: string, text: string, low: number, high: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < low || value > high) {
    throw usage(`${name} must be a whole number from ${low} to ${high}, not ${JSON.stringify(text)}`);
  }
  return value;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value <= 0) {
    throw usage(`${name} must be a positive number, not ${JSON.stringify(text)}`);
  }
  return value;
}

function widths(text: string): number[] {
  if (text === "none") return [];
  return text.split(",").map((part) => whole("--hidden", part.trim(), 1, 65_536));
}
