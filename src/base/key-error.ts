/**
 * The error of a missing or unusable name.
 */
import { TorchError } from "./errors.ts";

/** Python's `repr` of a string. */
export function stringRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text
    .replaceAll("\\", "\\\\")
    .replaceAll("\n", "\\n")
    .replaceAll("\t", "\\t")
    .replaceAll("\r", "\\r")
    .replaceAll(quote, `\\${quote}`);
  return quote + escaped + quote;
}

/** A name that is not there, or cannot be used: Python's `KeyError`, which shows its message in quotes. */
export class KeyError extends TorchError {
  override name = "KeyError";

  constructor(message: string) {
    super(stringRepr(message));
  }
}
