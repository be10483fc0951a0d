/** Replays the golden `repr()` texts. */

import type { Namespace } from "./python/bridge.ts";
import type { Interpreter } from "./python/evaluate.ts";
import { str } from "./python/values.ts";
import { attempt, checkRaises, shorten } from "./raised.ts";
import { type Tally, fail, pass } from "./tally.ts";
import { TensorIO, method } from "./tensors.ts";
import type { RaisedRecord } from "./format.ts";

export interface PrintCase {
  readonly id: string;
  readonly group: string;
  readonly source: string;
  readonly expected?: string;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly preamble?: string;
  readonly raises?: RaisedRecord | null;
}

/** `text` with the first place marked where it leaves `other`. */
function around(text: string, other: string): string {
  let at = 0;
  while (at < text.length && text[at] === other[at]) at++;
  return `${at > 60 ? "…" : ""}${shorten(text.slice(Math.max(0, at - 60)), 160)}`;
}

export class PrintReplay {
  readonly #python: Interpreter;
  readonly #torch: Namespace;
  readonly #io: TensorIO;
  readonly #tally: Tally;

  constructor(python: Interpreter, tally: Tally) {
    this.#python = python;
    this.#torch = python.bridge.torch;
    this.#io = new TensorIO(this.#torch);
    this.#tally = tally;
  }

  case(record: PrintCase): void {
    const outcome = attempt(() => {
      const { raises } = record;
      if (raises) return checkRaises(raises, () => this.#text(record));
      const text = this.#text(record);
      const expected = record.expected ?? "";
      return text === expected ? pass : fail(`got ${around(text, expected)} | expected ${around(expected, text)}`);
    });
    this.#tally.add("all", record.group, record.id, "repr", outcome);
  }

  #text({ source, preamble, options = {} }: PrintCase): string {
    const { default_dtype: dtype, ...printOptions } = options;
    const scope = this.#python.scope();
    try {
      if (typeof dtype === "string") method(this.#torch, "set_default_dtype", this.#io.dtype(dtype));
      if (Object.keys(printOptions).length > 0) method(this.#torch, "set_printoptions", printOptions);
      if (typeof this.#torch["manual_seed"] === "function") method(this.#torch, "manual_seed", 0);
      if (preamble !== undefined) this.#python.run(preamble, scope);
      const value = this.#python.evaluate(source, scope);
      return str(value);
    } finally {
      if (typeof dtype === "string") method(this.#torch, "set_default_dtype", this.#io.dtype("float32"));
      if (Object.keys(printOptions).length > 0)
        method(this.#torch, "set_printoptions", { profile: "default", sci_mode: null });
    }
  }
}
