/**
 * The tasks of a job as numbers, for threads that have nothing in common but memory. A task is a list of calls to exports of one
 * module. In slots of 8 bytes: where each task begins; then for each task the number of its calls and, for each call, the
 * number of the export, the number of arguments, 1 if some are bigints, then 1 or 0 for each argument if so, and the arguments.
 */

/** Gathers tasks. */
export class TaskList {
  #bytes: ArrayBuffer = new ArrayBuffer(4096);
  #numbers: Float64Array = new Float64Array(this.#bytes);
  #bigints: BigInt64Array = new BigInt64Array(this.#bytes);
  #length = 0;
  #task = -1;
  /** Where the number of calls of the present task stands. */
  #calls = 0;

  /** Begins a list of so many tasks. */
  reset(tasks: number): void {
    this.#reserve(tasks);
    this.#length = tasks;
    this.#task = -1;
  }

  /** The calls that follow belong to the next task. */
  begin(): void {
    this.#reserve(1);
    this.#numbers[++this.#task] = this.#length;
    this.#calls = this.#length;
    this.#numbers[this.#length++] = 0;
  }

  call(index: number, args: readonly (number | bigint)[]): void {
    const n = args.length;
    this.#reserve(3 + 2 * n);
    let typed = false;
    for (let k = 0; k < n; k++) if (typeof args[k] === "bigint") typed = true;
    const numbers = this.#numbers;
    let at = this.#length;
    numbers[this.#calls] = (numbers[this.#calls] as number) + 1;
    numbers[at++] = index;
    numbers[at++] = n;
    numbers[at++] = typed ? 1 : 0;
    if (typed) for (let k = 0; k < n; k++) numbers[at++] = typeof args[k] === "bigint" ? 1 : 0;
    for (let k = 0; k < n; k++) {
      const x = args[k] as number | bigint;
      if (typeof x === "bigint") this.#bigints[at++] = x;
      else numbers[at++] = x;
    }
    this.#length = at;
  }

  #reserve(slots: number): void {
    if (this.#length + slots <= this.#numbers.length) return;
    const bytes = new ArrayBuffer(8 * Math.max(this.#length + slots, 2 * this.#numbers.length));
    new Uint8Array(bytes).set(new Uint8Array(this.#bytes));
    this.#bytes = bytes;
    this.#numbers = new Float64Array(bytes);
    this.#bigints = new BigInt64Array(bytes);
  }

  /** The list as bytes, good until the next change. */
  view(): Uint8Array {
    return new Uint8Array(this.#bytes, 0, 8 * this.#length);
  }
}
