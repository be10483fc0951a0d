/**
 * Threads: jobs of independent tasks, done by the calling thread together with workers that share its memory.
 *
 * Note [Hand-over]: Nothing is sent to a worker after its start. A job lies in shared memory (task-list.ts), and the word
 * `gate` says which one; workers watch it for some tens of microseconds and sleep on it afterwards. Whoever is there takes
 * tasks one by one by counting `next` up. The caller takes tasks too, and waits for those workers only that are inside (`active`): a worker
 * that still sleeps, has not started yet, or is not given a processor costs nothing, as the caller does it all. So `active` and
 * `gate` exclude each other: a worker counts itself in and then looks at the gate again; the caller closes the gate and then
 * waits until nobody is in, and only then may change the job.
 *
 * The result does not depend on who did which task: tasks write different elements, and the order of summation in each element
 * does not depend on how a job is cut.
 */
import { TorchError } from "../../base/errors.ts";
import { needStack } from "../../base/stack.ts";
import type { Allocation } from "../backend.ts";
import { TaskList } from "./task-list.ts";
import { controlBytes, messageStart, words } from "./worker-source.ts";
import { startWorker, type WorkerHandle } from "./worker.ts";

/** Milliseconds for which a worker looks for more to do before it sleeps. */
const workerSpin = 0.1;
/** Milliseconds after a job within which another one counts as following. */
const following = 0.2;
/** Milliseconds for which the caller spins for the last tasks before it sleeps, where it may. */
const callerSpin = 0.2;
/** Milliseconds after which workers that make no progress count as lost; no task takes so long. */
const ordinaryPatience = 60_000;
/** Workers may end so often before no more are started. */
const mostDeaths = 8;

/** A module whose exports tasks call. Its bytes lie in shared memory for as long as the pool exists. */
export interface Unit {
  readonly id: number;
  readonly ptr: number;
  readonly bytes: number;
}

export interface PoolOptions {
  readonly memory: WebAssembly.Memory;
  /** Memory that no collection moves or takes, got without collecting. */
  readonly allocate: (nbytes: number) => Allocation;
  /** The address of room for so many bytes, good until the next call. */
  readonly scratch: (nbytes: number) => number;
  /** What the whole pool is told of; default: `console.warn`. */
  readonly warn?: (message: string) => void;
  /** Milliseconds after which workers that make no progress count as lost. */
  readonly patience?: number;
}

export class ThreadPool {
  readonly #options: PoolOptions;
  readonly #tasks: TaskList = new TaskList();
  #threads = 1;
  #control: Int32Array = new Int32Array(0);
  #controlAddress = 0;
  readonly #held: Allocation[] = [];
  #units = 0;
  #workers: (WorkerHandle | null)[] = [];
  /** Nanoseconds that a job lasts for which alone workers are woken; tests want them for less. */
  worthWaking = 60_000;
  /** When a job was last considered. */
  #last = -Infinity;
  #mayWait = true;
  #broken = false;
  #deaths = 0;
  #warned = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** The number of threads, the caller included. */
  get threads(): number {
    return this.#threads;
  }

  set threads(count: number) {
    this.#threads = count;
    if (this.#control.length === 0) return;
    Atomics.store(this.#control, words.limit, count - 1);
    Atomics.notify(this.#control, words.limit);
  }

  /**
   * Whether a job that takes so many nanoseconds should go to several threads. Waking a worker costs some microseconds and
   * takes longer than a short job lasts, so that one alone is not worth it; but where one has come, often many follow.
   */
  wants(time: number): boolean {
    if (this.#threads < 2 || this.#broken) return false;
    const now = performance.now();
    const follows = now - this.#last < following;
    this.#last = now;
    if (follows || time > this.worthWaking) return true;
    return this.#control.length > 0 && Atomics.load(this.#control, words.sleepers) < this.#threads - 1;
  }

  /** The workers that have been started and not ended; for tests. */
  get workers(): readonly WorkerHandle[] {
    return this.#workers.filter((worker) => worker !== null);
  }

  /** A module that tasks can call. */
  unit(bytes: Uint8Array): Unit {
    const room = this.#options.allocate(bytes.length);
    this.#held.push(room);
    new Uint8Array(this.#options.memory.buffer).set(bytes, room.ptr);
    return { id: ++this.#units, ptr: room.ptr, bytes: bytes.length };
  }

  /**
   * Runs `count` tasks. `write` describes them, each by `begin` and `call`, to other threads; `local(t)` does one here. Both may
   * give a status; returns the status of the first task, by number, whose status is not 0.
   */
  run(unit: Unit, count: number, write: (list: TaskList) => void, local: (task: number) => number): number {
    needStack(24);
    const list = this.#tasks;
    list.reset(count);
    write(list);
    this.#startWorkers();
    const bytes = list.view();
    const at = this.#options.scratch(bytes.length + 4 * count);
    const memory = new Uint8Array(this.#options.memory.buffer);
    memory.set(bytes, at);
    const statuses = new Int32Array(memory.buffer, at + bytes.length, count).fill(0);

    const c = this.#control;
    c[words.list] = at;
    c[words.statuses] = at + bytes.length;
    c[words.tasks] = count;
    c[words.unit] = unit.id;
    c[words.code] = unit.ptr;
    c[words.codeBytes] = unit.bytes;
    Atomics.store(c, words.next, 0);
    Atomics.add(c, words.gate, 1);
    let finished = false;
    try {
      if (Atomics.load(c, words.sleepers) > 0) Atomics.notify(c, words.gate);
      for (let task; (task = Atomics.add(c, words.next, 1)) < count;) {
        const status = local(task);
        if (status !== 0) statuses[task] = status;
      }
      finished = true;
    } finally {
      // After an error here nobody shall begin another task.
      Atomics.store(c, words.next, count);
      Atomics.add(c, words.gate, 1);
      this.#awaitWorkers();
      // One error is thrown already.
      if (!finished) Atomics.store(c, words.failed, 0);
    }
    if (Atomics.load(c, words.failed) !== 0) this.#report();
    for (let task = 0; task < count; task++) if (statuses[task] !== 0) return statuses[task] as number;
    return 0;
  }

  /** Until no worker is inside the gate, which is closed. */
  #awaitWorkers(): void {
    const c = this.#control;
    const patience = this.#options.patience ?? ordinaryPatience;
    let turns = 0;
    let start = 0;
    let before = 0;
    for (let active; (active = Atomics.load(c, words.active)) !== 0;) {
      if (++turns < 256) continue;
      turns = 0;
      const now = performance.now();
      if (start === 0 || active !== before) start = now;
      before = active;
      if (now - start > patience) return this.#abandon(patience);
      if (now - start > callerSpin && this.#mayWait) this.#sleep(active);
    }
  }

  #sleep(active: number): void {
    const c = this.#control;
    Atomics.store(c, words.waiting, 1);
    try {
      Atomics.wait(c, words.active, active, 1);
    } catch {
      // The main thread of a page may not sleep.
      this.#mayWait = false;
    }
    Atomics.store(c, words.waiting, 0);
  }

  #report(): void {
    const c = this.#control;
    const code = Atomics.exchange(c, words.failed, 0);
    const text = new Uint8Array(
      this.#options.memory.buffer,
      this.#controlAddress + messageStart,
      Atomics.load(c, words.failedBytes),
    ).slice();
    const message = new TextDecoder().decode(text);
    if (code === 1) throw new TorchError(`a kernel failed on a worker thread: ${message}`);
    this.#warn(`flambeau: worker threads could not compile a kernel, which goes on with one thread: ${message}`);
  }

  #warn(message: string): void {
    if (this.#warned) return;
    this.#warned = true;
    (this.#options.warn ?? ((text) => console.warn(text)))(message);
  }

  /** Gives up workers that hold tasks which never end. What of the job has been done cannot be known. */
  #abandon(patience: number): void {
    this.close();
    throw new TorchError(`a worker thread has not answered for ${patience / 1000} s; the job is lost`);
  }

  #startWorkers(): void {
    if (this.#control.length === 0) {
      const room = this.#options.allocate(controlBytes);
      this.#held.push(room);
      this.#controlAddress = room.ptr;
      this.#control = new Int32Array(this.#options.memory.buffer, room.ptr, controlBytes / 4).fill(0);
      this.#control[words.gate] = 1;
      this.#control[words.limit] = this.#threads - 1;
    }
    for (let index = 0; index < this.#threads - 1; index++) {
      if (this.#workers[index] != null) continue;
      // Where this fails for want of stack it shall not look as if there were no threads.
      needStack(1000);
      const start = { memory: this.#options.memory, control: this.#controlAddress, index, spin: workerSpin };
      const worker = startWorker(start, () => {
        // Ended by somebody else: the next job starts another.
        if (this.#workers[index] !== worker) return;
        this.#workers[index] = null;
        this.#deaths++;
      });
      if (worker === null || this.#deaths >= mostDeaths) {
        this.#broken = true;
        this.#warn("flambeau: no worker threads can be started here; one thread is used");
        return;
      }
      this.#workers[index] = worker;
    }
  }

  /** Ends the workers. The next job starts others, in a control block of their own. */
  close(): void {
    const ended = this.#workers;
    this.#workers = [];
    this.#control = new Int32Array(0);
    for (const worker of ended) worker?.terminate();
  }
}
