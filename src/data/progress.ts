/**
 * A progress bar for any loop, in the manner of Python's tqdm: the same names, the same line. A terminal gets one live
 * line; a file or a pipe gets a plain line about every tenth of the way; a browser gets those lines on its console.
 */

/** Where a progress bar writes: any stream of Node, or an object with a `write` of its own. */
export interface ProgressStream {
  write(text: string): unknown;
  /** True for a terminal: the bar is then one line that rewrites itself. */
  readonly isTTY?: boolean | undefined;
  /** The width of the terminal in characters. */
  readonly columns?: number | undefined;
}

/** The options of {@link progress}; the names are tqdm's. */
export interface ProgressOptions {
  /** A word or two in front of the bar. */
  desc?: string;
  /** How many steps there are; taken from the iterable's `length` or `size` when it has one. */
  total?: number;
  /** What one step is called in the rate. Default `it`. */
  unit?: string;
  /** Where to write. Default: the standard error stream, or the console where there is none. */
  file?: ProgressStream;
  /** Whether the finished bar stays on the terminal. Default true. */
  leave?: boolean;
  /** Writes nothing at all. */
  disable?: boolean;
  /** The count to start from. */
  initial?: number;
  /** The least time between two drawings, in seconds. Default 0.1. */
  mininterval?: number;
  /** The weight of the latest interval in the rate: 0 is the average over all, 1 the latest alone. Default 0.3. */
  smoothing?: number;
  /** Draws with `#` instead of block characters. */
  ascii?: boolean;
  /** The width of the line; otherwise the terminal's. */
  ncols?: number;
}

const BLOCKS = " ▏▎▍▌▋▊▉█";
/** Seconds between the plain lines of a loop whose length is not known. */
const PLAIN_INTERVAL = 10;

/** A running progress bar; {@link progress} makes one. Iterate over it, or call `update` and, at the end, `close`. */
export class Progress<T> implements Iterable<T>, AsyncIterable<T> {
  /** The steps done so far. */
  n: number;
  /** The number of steps, or undefined when it is not known. */
  total: number | undefined;
  /** The words in front of the bar. */
  desc: string;
  private readonly iterable: Iterable<T> | AsyncIterable<T> | null;
  private readonly options: ProgressOptions;
  private readonly file: ProgressStream;
  private readonly live: boolean;
  private readonly initial: number;
  private readonly started: number;
  private readonly interval: number;
  private postfix = "";
  private rate: number | undefined;
  private drawnAt: number;
  private drawnCount: number;
  private tenths = 0;
  private closed = false;

  constructor(iterable: Iterable<T> | AsyncIterable<T> | null, options: ProgressOptions = {}) {
    this.iterable = iterable;
    this.options = options;
    this.total = options.total ?? sizeOf(iterable);
    this.desc = options.desc ?? "";
    this.initial = options.initial ?? 0;
    this.n = this.initial;
    this.file = options.file ?? standardError();
    this.live = this.file.isTTY === true;
    this.interval = (options.mininterval ?? 0.1) * 1000;
    this.started = performance.now();
    this.drawnAt = this.started;
    this.drawnCount = this.n;
    if (this.live) this.draw();
  }

  /** The seconds since the start. */
  get elapsed(): number {
    return (performance.now() - this.started) / 1000;
  }

  /** Counts `n` more steps as done; draws when the last drawing is old enough. */
  update(n: number = 1): void {
    this.n += n;
    if (this.closed || this.options.disable === true) return;
    const now = performance.now();
    if (this.live) {
      if (now - this.drawnAt < this.interval) return;
    } else if (!this.plainLineDue(now)) {
      return;
    }
    this.measure(now);
    this.draw();
  }

  /** Shows `values` behind the rate, from the next drawing on: `bar.set_postfix({ loss: 0.25 })`. */
  set_postfix(values: Readonly<Record<string, number | string>>): void {
    const shown: string[] = [];
    for (const key in values) {
      const value = values[key];
      shown.push(`${key}=${typeof value === "number" ? shortNumber(value) : value}`);
    }
    this.postfix = shown.join(", ");
  }

  /** Changes the words in front of the bar, from the next drawing on. */
  set_description(desc: string): void {
    this.desc = desc;
  }

  /** Writes a line of text above the bar without disturbing it. */
  write(text: string): void {
    this.file.write(this.live ? `\r\x1b[K${text}\n` : `${text}\n`);
    if (this.live && !this.closed) this.draw();
  }

  /** Draws now. */
  refresh(): void {
    this.measure(performance.now());
    this.draw();
  }

  /** Draws for the last time and ends the line. A loop over the bar closes it by itself. */
  close(): void {
    if (this.closed) return;
    if (this.options.disable !== true) {
      if (this.live) {
        this.refresh();
        this.file.write(this.options.leave === false ? "\r\x1b[K" : "\n");
      } else if (this.n !== this.drawnCount || this.n === this.initial) {
        this.refresh();
      }
    }
    this.closed = true;
  }

  *[Symbol.iterator](): Iterator<T> {
    const iterable = this.iterable;
    if (iterable === null || !(Symbol.iterator in iterable))
      throw new TypeError("this progress bar has nothing to iterate over");
    try {
      for (const item of iterable) {
        yield item;
        this.update();
      }
    } finally {
      this.close();
    }
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    if (this.iterable === null) throw new TypeError("this progress bar has nothing to iterate over");
    try {
      for await (const item of this.iterable) {
        yield item;
        this.update();
      }
    } finally {
      this.close();
    }
  }

  /** The line as it stands, for a terminal `columns` characters wide; without `columns`, the line without the bar. */
  format(columns?: number): string {
    const { n, total } = this;
    const elapsed = this.elapsed;
    const rate = this.rate ?? (elapsed > 0 && n > this.initial ? (n - this.initial) / elapsed : undefined);
    const unit = this.options.unit ?? "it";
    const head = this.desc === "" ? "" : `${this.desc.replaceAll(/\s+/g, " ")}: `;
    const speed = [formatRate(rate, unit), this.postfix].filter((part) => part !== "").join(", ");
    if (total === undefined || !(total > 0) || n > total) {
      return fit(`${head}${n} ${unit} [${formatInterval(elapsed)}, ${speed}]`, columns);
    }
    const share = n / total;
    const left = rate === undefined || rate <= 0 ? "?" : formatInterval((total - n) / rate);
    const percent = `${Math.floor(share * 100)}%`.padStart(4);
    const tail = `${n}/${total} [${formatInterval(elapsed)}<${left}, ${speed}]`;
    if (columns === undefined) return `${head}${percent} ${tail}`;
    const width = columns - head.length - percent.length - tail.length - 3;
    if (width < 4) return fit(`${head}${percent} ${tail}`, columns);
    return `${head}${percent}|${drawBar(share, width, this.options.ascii ?? false)}| ${tail}`;
  }

  private draw(): void {
    if (this.closed || this.options.disable === true) return;
    if (this.live) {
      // One column stays free: some terminals wrap as soon as the last one is filled.
      const columns = (this.options.ncols ?? this.file.columns ?? 80) - 1;
      this.file.write(`\r${this.format(columns)}\x1b[K`);
    } else {
      this.file.write(`${this.format()}\n`);
    }
    this.drawnCount = this.n;
  }

  /** Brings the rate up to date with the steps since the last drawing. */
  private measure(now: number): void {
    const seconds = (now - this.drawnAt) / 1000;
    const steps = this.n - this.drawnCount;
    if (seconds <= 0 || steps <= 0) return;
    const weight = this.options.smoothing ?? 0.3;
    if (weight > 0) {
      const latest = steps / seconds;
      this.rate = this.rate === undefined ? latest : weight * latest + (1 - weight) * this.rate;
    }
    this.drawnAt = now;
  }

  private plainLineDue(now: number): boolean {
    if (this.total === undefined || !(this.total > 0)) return now - this.drawnAt >= PLAIN_INTERVAL * 1000;
    const tenths = Math.floor((this.n / this.total) * 10);
    if (tenths <= this.tenths) return false;
    this.tenths = tenths;
    return true;
  }
}

/**
 * Shows how far a loop has come: `for (const batch of progress(loader, { desc: "epoch 1" })) …`, also with `for await`.
 * A number stands for the range from 0; `null`, with a `total`, gives a bar to be moved by hand with `update` and `close`.
 */
export function progress(count: number, options?: ProgressOptions): Progress<number>;
export function progress<T>(iterable: Iterable<T> | AsyncIterable<T> | null, options?: ProgressOptions): Progress<T>;
export function progress<T>(
  iterable: number | Iterable<T> | AsyncIterable<T> | null,
  options?: ProgressOptions,
): Progress<T> | Progress<number> {
  if (typeof iterable === "number") return new Progress(range(iterable), { total: iterable, ...options });
  return new Progress(iterable, options);
}

function* range(end: number): Iterable<number> {
  for (let i = 0; i < end; i++) yield i;
}

function sizeOf(iterable: unknown): number | undefined {
  if (typeof iterable !== "object" || iterable === null) return undefined;
  if ("length" in iterable && typeof iterable.length === "number") return iterable.length;
  if ("size" in iterable && typeof iterable.size === "number") return iterable.size;
  return undefined;
}

/** The standard error stream where there is one; in a browser, the console. */
function standardError(): ProgressStream {
  if (typeof process !== "undefined" && typeof process.stderr?.write === "function") return process.stderr;
  return { write: (text: string) => console.info(text.trimEnd()) };
}

function drawBar(share: number, width: number, ascii: boolean): string {
  const filled = Math.max(0, Math.min(1, share)) * width;
  const whole = Math.floor(filled);
  if (ascii) return "#".repeat(whole).padEnd(width);
  const part = whole < width ? BLOCKS[Math.floor((filled - whole) * 8)] : "";
  return ("█".repeat(whole) + part).padEnd(width);
}

function fit(line: string, columns: number | undefined): string {
  return columns === undefined || line.length <= columns ? line : line.slice(0, Math.max(0, columns));
}

function formatInterval(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const hours = Math.floor(whole / 3600);
  const clock = `${twoDigits(Math.floor(whole / 60) % 60)}:${twoDigits(whole % 60)}`;
  return hours > 0 ? `${hours}:${clock}` : clock;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}

function formatRate(rate: number | undefined, unit: string): string {
  if (rate === undefined) return `? ${unit}/s`;
  return rate >= 1 || rate <= 0 ? `${threeDigits(rate)} ${unit}/s` : `${threeDigits(1 / rate)} s/${unit}`;
}

function threeDigits(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(3);
}

function shortNumber(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}
