/**
 * Starting a worker, in Node (and whatever else has its worker_threads) and in browsers.
 */
import { type WorkerStart, workerSource } from "./worker-source.ts";

/** A worker that runs. */
export interface WorkerHandle {
  terminate(): void;
}

/** The parts of Node's modules that are used here. */
interface WorkerThreads {
  readonly Worker: new (
    source: string,
    options: { eval: true; workerData: WorkerStart; name: string; execArgv: string[]; env: object },
  ) => NodeWorker;
}
interface NodeWorker {
  unref(): void;
  on(event: "exit" | "error", listener: (detail: unknown) => void): void;
  terminate(): unknown;
}
interface Os {
  availableParallelism?(): number;
  cpus(): readonly unknown[];
}

interface Host {
  readonly process?: {
    getBuiltinModule?: (name: string) => unknown;
    readonly env?: Readonly<Record<string, string | undefined>>;
  };
}
const host = (): Host["process"] => (globalThis as Host).process;

/**
 * Starts a worker that lasts as long as the program but does not keep it alive; null where that is impossible. `ended` is
 * called, in a later job, if it ends.
 */
export function startWorker(start: WorkerStart, ended: () => void): WorkerHandle | null {
  try {
    const threads = host()?.getBuiltinModule?.("node:worker_threads") as WorkerThreads | undefined;
    if (threads !== undefined) {
      const options = { eval: true, workerData: start, name: "flambeau", env: {} } as const;
      const worker = new threads.Worker(workerSource, { ...options, execArgv: [] });
      worker.on("error", ended);
      worker.on("exit", ended);
      worker.unref();
      return { terminate: () => void worker.terminate() };
    }
    if (typeof Worker !== "function" || typeof Blob !== "function") return null;
    const url = URL.createObjectURL(new Blob([workerSource], { type: "text/javascript" }));
    const worker = new Worker(url, { name: "flambeau" });
    worker.addEventListener("error", ended);
    worker.postMessage(start, []);
    return { terminate: () => worker.terminate() };
  } catch {
    return null;
  }
}

/** The number of threads to begin with: what the user wants of OpenMP programs, or one for each core. */
export function defaultThreads(): number {
  const wanted = Number.parseInt(host()?.env?.["OMP_NUM_THREADS"] ?? "", 10);
  if (wanted > 0) return wanted;
  const os = host()?.getBuiltinModule?.("node:os") as Os | undefined;
  if (os !== undefined) return os.availableParallelism?.() ?? os.cpus().length;
  return (globalThis as { navigator?: { hardwareConcurrency?: number } }).navigator?.hardwareConcurrency ?? 1;
}
