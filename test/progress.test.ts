import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { progress } from "flambeau/data";
import type { ProgressStream } from "flambeau/data";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Lets `seconds` pass on the clock that the bar reads. */
function pass(seconds: number): void {
  vi.advanceTimersByTime(seconds * 1000);
}

function stream(isTTY: boolean, columns = 72): ProgressStream & { text: string } {
  return {
    text: "",
    isTTY,
    columns,
    write(text: string) {
      this.text += text;
    },
  };
}

/** What a terminal of one line shows after each carriage return. */
function drawings(text: string): string[] {
  return text
    .split("\r")
    .slice(1)
    .map((line) => line.replace("\x1b[K", "").replace("\n", ""));
}

function* two(): Iterable<number> {
  yield 1;
  yield 2;
}

async function* slow(): AsyncIterable<number> {
  yield* two();
}

describe("on a terminal", () => {
  it("is one live line with bar, percentage, count, times, rate and what else is asked for", () => {
    const file = stream(true);
    const bar = progress(null, { total: 40, desc: "training", unit: "steps", file });
    pass(2);
    bar.set_postfix({ loss: 0.123456 });
    bar.update(10);
    bar.update(30);
    bar.close();
    const lines = drawings(file.text);
    expect(lines[0]).toBe("training:   0%|                             | 0/40 [00:00<?, ? steps/s]");
    expect(lines[1]).toBe("training:  25%|██▎      | 10/40 [00:02<00:06, 5.00 steps/s, loss=0.123]");
    expect(lines[2]).toMatch(/^training: 100%\|█+\| 40\/40 \[00:02<00:00, .*loss=0\.123\]$/);
    expect(lines).toHaveLength(3);
    expect(file.text.match(/\n/g)).toHaveLength(1);
    expect(file.text.endsWith("\n")).toBe(true);
    for (const line of lines) expect(line.length).toBe(71);
  });

  it("is drawn at most ten times a second", () => {
    const file = stream(true);
    const bar = progress(null, { total: 1000, file });
    for (let i = 0; i < 1000; i++) {
      pass(0.001);
      bar.update();
    }
    const drawn = drawings(file.text).length;
    expect(drawn).toBeGreaterThan(5);
    expect(drawn).toBeLessThanOrEqual(11);
  });

  it("never outgrows a narrow terminal", () => {
    const file = stream(true, 20);
    const bar = progress(null, { total: 10, desc: "a long description of the work", file });
    pass(1);
    bar.update(5);
    bar.close();
    for (const line of drawings(file.text)) expect(line.length).toBeLessThanOrEqual(19);
  });

  it("goes away with leave: false, stays silent with disable: true, draws with # on demand", () => {
    const gone = stream(true);
    const bar = progress(null, { total: 2, leave: false, file: gone });
    bar.update(2);
    bar.close();
    bar.close();
    expect(gone.text.endsWith("\r\x1b[K")).toBe(true);
    expect(gone.text).not.toContain("\n");
    const silent = stream(true);
    for (const _ of progress([1, 2, 3], { file: silent, disable: true })) pass(1);
    expect(silent.text).toBe("");
    const plain = stream(true);
    progress(null, { total: 2, ascii: true, file: plain, initial: 1 }).close();
    expect(plain.text).toContain("|####");
  });

  it("lets a line be written above it", () => {
    const file = stream(true);
    const bar = progress(null, { total: 2, file });
    bar.write("note");
    expect(file.text).toContain("\r\x1b[Knote\n\r  0%|");
  });
});

describe("in a file or a pipe", () => {
  it("is a plain line about every tenth of the way", () => {
    const file = stream(false);
    for (const i of progress(1000, { desc: "work", file })) {
      expect(i).toBeLessThan(1000);
      pass(0.01);
    }
    const lines = file.text.trimEnd().split("\n");
    expect(lines).toHaveLength(10);
    expect(lines[0]).toBe("work:  10% 100/1000 [00:01<00:09, 100 it/s]");
    expect(lines[9]).toBe("work: 100% 1000/1000 [00:10<00:00, 100 it/s]");
    expect(file.text).not.toContain("\r");
  });

  it("ends with a line that says how far a broken loop came", () => {
    const file = stream(false);
    for (const i of progress([..."abcdefghijklmnopqrst"], { file })) {
      pass(1);
      if (i === "d") break;
    }
    expect(file.text.trimEnd().split("\n").at(-1)).toMatch(/^ 15% 3\/20 /);
  });

  it("counts where the length is not known, and says long times and slow rates readably", () => {
    const file = stream(false);
    for (const _ of progress(two(), { file })) pass(3700);
    expect(file.text.trimEnd().split("\n").at(-1)).toBe("2 it [2:03:20, 3700 s/it]");
  });

  it("ends also when there was nothing to do, or more than announced", () => {
    const file = stream(false);
    for (const _ of progress([], { file })) throw new Error("there is nothing");
    expect(file.text).toBe("0 it [00:00, ? it/s]\n");
    const more = stream(false);
    const bar = progress(null, { total: 2, file: more });
    bar.update(5);
    bar.close();
    expect(more.text.trimEnd().split("\n").at(-1)).toMatch(/^5 it /);
  });
});

describe("iteration", () => {
  it("passes every item on, with for await as well, and closes when the loop throws", async () => {
    const file = stream(true);
    expect([...progress(new Set(["a", "b"]), { file })]).toEqual(["a", "b"]);
    const seen: number[] = [];
    for await (const value of progress(slow(), { file })) seen.push(value);
    expect(seen).toEqual([1, 2]);
    const before = file.text.length;
    expect(() => {
      for (const _ of progress(3, { file })) throw new Error("stop");
    }).toThrow("stop");
    expect(file.text.slice(before)).toMatch(/\n$/);
    expect(() => [...progress(null, { file })]).toThrow(TypeError);
  });

  it("writes to the console where there are no streams, as in a browser", () => {
    const info = vi.spyOn(console, "info").mockImplementation(() => {});
    vi.stubGlobal("process", undefined);
    try {
      for (const _ of progress(20)) pass(0.1);
    } finally {
      vi.unstubAllGlobals();
    }
    expect(info.mock.calls).toHaveLength(10);
    expect(info.mock.calls[0]?.[0]).toBe(" 10% 2/20 [00:00<00:01, 10.0 it/s]");
    info.mockRestore();
  });
});
