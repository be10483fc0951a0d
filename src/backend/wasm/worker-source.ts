/**
 * The program of a worker thread, as text. It is text because a worker must start from anywhere: from the package's files, from
 * its sources in a test, and from a bundle that knows nothing of further files. So it is small, plain JavaScript that needs
 * nothing but the memory; what it computes are modules and calls that it finds there (task-list.ts). A module is WebAssembly, or
 * as JSON the names of functions in a native library.
 */

/** 32-bit words of the control block. Those that are written often have cache lines of their own. */
export const words = {
  /** Counts up twice for each job: even while a job is open to workers, odd while there is none. */
  gate: 0,
  /** Workers inside the gate: they may read the job and have tasks. */
  active: 16,
  /** The next task that nobody has taken. */
  next: 32,
  /** The number of tasks. */
  tasks: 48,
  /** Where the task list is, in bytes. */
  list: 49,
  /** Number of the module, and where its bytes are. */
  unit: 50,
  code: 51,
  codeBytes: 52,
  /** Where the status of each task goes, in bytes; one 32-bit word each. */
  statuses: 53,
  /** How many workers may take part, by their number. */
  limit: 54,
  /** Workers that sleep, waiting for the gate. */
  sleepers: 55,
  /** 1 while the main thread sleeps until `active` changes. */
  waiting: 56,
  /** 1 once a task has thrown, 2 once a worker could not compile a module; the message is in bytes 512 and up. */
  failed: 57,
  failedBytes: 58,
} as const;

/** Bytes of the control block, of the message in it, and where that begins. */
export const controlBytes = 4096;
export const messageStart = 512;

/** What a worker is started with. */
export interface WorkerStart {
  readonly memory: WebAssembly.Memory;
  /** Address of the control block. */
  readonly control: number;
  /** The number of the worker, from 0. */
  readonly index: number;
  /** Milliseconds for which a worker looks for the next job before it sleeps. */
  readonly spin: number;
}

export const workerSource: string = `"use strict";
const start = ({ memory, control, index, spin }) => {
  const words = ${JSON.stringify(words)};
  const c = new Int32Array(memory.buffer, control, ${controlBytes} / 4);
  const units = new Map();
  let numbers = new Float64Array(memory.buffer);
  let bigints = new BigInt64Array(memory.buffer);
  const parallel = () => { throw new Error("a task of a worker thread wanted threads"); };

  // The memory may have grown; growing by nothing shows it all.
  const reach = (end) => {
    if (end <= numbers.byteLength) return;
    memory.grow(0);
    numbers = new Float64Array(memory.buffer);
    bigints = new BigInt64Array(memory.buffer);
  };

  const fail = (code, error) => {
    if (Atomics.compareExchange(c, words.failed, 0, code) !== 0 && code !== 1) return;
    const text = new TextEncoder().encode(String(error)).subarray(0, ${controlBytes - messageStart});
    new Uint8Array(memory.buffer, control + ${messageStart}, text.length).set(text);
    Atomics.store(c, words.failedBytes, text.length);
    Atomics.store(c, words.failed, code);
  };

  const exportsOf = (bytes) =>
    Object.values(new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory, parallel } }).exports);

  // Functions of a native library.
  const open = ({ koffi, library, prototypes }) => {
    const loaded = process.getBuiltinModule("node:module").createRequire(koffi)(koffi).load(library);
    return prototypes.map((prototype) => loaded.func(prototype));
  };

  const compile = (id, bytes) => {
    let found = null;
    try {
      found = bytes[0] === 0 ? exportsOf(bytes) : open(JSON.parse(new TextDecoder().decode(bytes)));
    } catch (error) {
      fail(2, error);
    }
    units.set(id, found);
  };

  const perform = (functions, task) => {
    const list = (c[words.list] >>> 0) / 8;
    let at = list + numbers[list + task];
    for (let calls = numbers[at++]; calls > 0; calls--) {
      const f = functions[numbers[at]];
      const n = numbers[at + 1];
      const typed = numbers[at + 2];
      at += 3;
      const args = new Array(n);
      const tags = at;
      if (typed) at += n;
      for (let k = 0; k < n; k++) args[k] = typed && numbers[tags + k] ? bigints[at + k] : numbers[at + k];
      at += n;
      const status = f(...args);
      if (status) return status;
    }
    return 0;
  };

  const leave = () => {
    if (Atomics.sub(c, words.active, 1) === 1 && Atomics.load(c, words.waiting) !== 0) Atomics.notify(c, words.active);
  };

  /** One job, from inside the gate. Returns false if the worker has to come again. */
  const work = () => {
    const id = c[words.unit];
    const functions = units.get(id);
    if (functions === undefined) {
      reach((c[words.code] >>> 0) + c[words.codeBytes]);
      const bytes = new Uint8Array(memory.buffer, c[words.code] >>> 0, c[words.codeBytes]).slice();
      leave();
      compile(id, bytes);
      return false;
    }
    if (functions !== null) {
      const tasks = c[words.tasks];
      const statuses = c[words.statuses] >>> 0;
      reach(statuses + 4 * tasks);
      for (;;) {
        const task = Atomics.add(c, words.next, 1);
        if (task >= tasks) break;
        try {
          const status = perform(functions, task);
          if (status !== 0) new Int32Array(memory.buffer, statuses, tasks)[task] = status;
        } catch (error) {
          fail(1, error);
          break;
        }
      }
    }
    leave();
    return true;
  };

  // How long to look for the next job: not long if the last one did not come soon, as this may be all the processor there is.
  let patience = spin;
  let seen = -1;
  for (;;) {
    const limit = Atomics.load(c, words.limit);
    if (index >= limit) {
      Atomics.wait(c, words.limit, limit);
      continue;
    }
    const gate = Atomics.load(c, words.gate);
    if (gate !== seen && (gate & 1) === 0) {
      Atomics.add(c, words.active, 1);
      if (Atomics.load(c, words.gate) !== gate) leave();
      else if (work()) seen = gate;
      continue;
    }
    const idle = performance.now();
    let now = idle;
    let turns = 0;
    while (Atomics.load(c, words.gate) === gate) {
      if ((++turns & 127) !== 0 || (now = performance.now()) < idle + patience) continue;
      Atomics.add(c, words.sleepers, 1);
      Atomics.wait(c, words.gate, gate);
      Atomics.sub(c, words.sleepers, 1);
      now = performance.now();
      break;
    }
    if ((gate & 1) !== 0) patience = now - idle < spin ? spin : spin / 16;
  }
};
const host = typeof process === "object" ? process.getBuiltinModule?.("node:worker_threads") : undefined;
if (host?.workerData) start(host.workerData);
else onmessage = (event) => start(event.data);
`;
