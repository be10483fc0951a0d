/** Exceptions: what they mean for a verdict, and how one is compared with PyTorch's. */

import type { RaisedRecord } from "./format.ts";
import { Missing } from "./python/values.ts";
import { type Outcome, fail, missing, pass } from "./tally.ts";

/** The library lacks what a case needs. */
export function isMissing(error: unknown): boolean {
  return error instanceof Missing || (error instanceof Error && error.name === "NotImplementedError");
}

const engineErrors: ReadonlySet<unknown> = new Set([TypeError, RangeError, ReferenceError, SyntaxError]);

/** The first frame of a crash that lies in the library. */
function frame(error: Error): string {
  const line = error.stack?.split("\n").find((text) => /\b(?:src|dist)\//.test(text) && !text.includes("conformance"));
  const at = line === undefined ? null : /((?:src|dist)\/[^\s)]*)/.exec(line);
  return at ? ` at ${at[1] ?? ""}` : "";
}

/** An exception in one line; a crash of the JavaScript engine tells where it happened. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return `threw ${String(error)}`;
  const where = engineErrors.has(error.constructor) ? frame(error) : "";
  return `threw ${error.name}: ${shorten(error.message)}${where}`;
}

export function shorten(text: string, size = 220): string {
  const line = text.replaceAll("\n", "\\n");
  return line.length > size ? `${line.slice(0, size)}…` : line;
}

/** Runs a check: what it throws becomes a verdict. */
export function attempt(check: () => Outcome): Outcome {
  try {
    return check();
  } catch (error) {
    return isMissing(error) ? missing((error as Error).message) : fail(explain(error));
  }
}

/** Messages that Python's argument parser or object model makes: only the fact of failing can be the same elsewhere. */
const pythonMade: readonly RegExp[] = [
  /received an invalid combination of arguments/,
  /argument '.*' (?:\(position \d+\) )?must be/,
  /missing \d+ required (?:positional|keyword)/,
  /unexpected keyword argument/,
  /takes .* positional arguments? but/,
  /^descriptor '.*' for '.*' objects doesn't apply/,
  /^'.*' object has no attribute/,
  /got multiple values for argument/,
  /object is not (?:callable|iterable|subscriptable)/,
  /unsupported operand type/,
];

/** Whether a message was made by Python rather than by PyTorch. */
export function isPythonMade({ type, message }: RaisedRecord): boolean {
  return (type === "TypeError" || type === "AttributeError") && pythonMade.some((pattern) => pattern.test(message));
}

/** Compares what `run` throws with what PyTorch raised; `null` means that it must not throw. */
export function checkRaises(expected: RaisedRecord | null, run: () => unknown): Outcome {
  try {
    run();
  } catch (error) {
    if (error instanceof Missing) return missing(error.message);
    if (expected === null) return isMissing(error) ? missing((error as Error).message) : fail(explain(error));
    if (!(error instanceof Error)) return fail(explain(error));
    if (isMissing(error) && expected.type !== "NotImplementedError") return missing(error.message);
    if (isPythonMade(expected)) return pass;
    if (error.name === expected.type && sameMessage(error.message, expected.message)) return pass;
    return fail(`${explain(error)} | expected ${expected.type}: ${shorten(expected.message)}`);
  }
  return expected === null ? pass : fail(`did not throw | expected ${expected.type}: ${shorten(expected.message)}`);
}

/** The lists of backends in "Could not run 'aten::...'" messages are cut in the files. */
function sameMessage(got: string, expected: string): boolean {
  if (got === expected) return true;
  const cut = /^Could not run 'aten::.*?(?=\.\.\.|…)/.exec(expected);
  return cut !== null && got.startsWith(cut[0]);
}
