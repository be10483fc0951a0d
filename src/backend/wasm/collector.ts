/**
 * Learning which objects are dead, where the JavaScript engine allows it.
 *
 * Note [Collection in synchronous code]: ECMAScript keeps the target of a WeakRef alive until the end of the job that
 * created or read it, and runs the callbacks of a FinalizationRegistry in jobs of their own. A training loop that never
 * awaits is one job, so by the book it never learns that a tensor is dead. V8 clears its list of kept targets whenever a
 * microtask queue has been drained, and a vm context with a queue of its own drains that one after each script, without
 * touching the program's microtasks. A full collection right after that clears every WeakRef whose target is unreachable,
 * at once. The side effect is that a program's own WeakRefs may turn undefined between two reads in one job.
 *
 * `gc` must then be called without arguments: V8 11 (Node 20) takes any argument for a request of a minor collection,
 * which looks at young objects alone and takes a fraction of a millisecond. A minor collection clears no WeakRef, but it
 * does drop dead young keys from a WeakMap, and util.inspect shows what keys a WeakMap has left.
 *
 * The modules come from process.getBuiltinModule, as a static import would break in browsers and module loading is
 * asynchronous: Node >= 20.16 or >= 22.3. Older ones are treated as browsers are.
 */

/** The parts of Node's modules that are used here. */
interface V8 {
  setFlagsFromString(flags: string): void;
}
interface Vm {
  runInNewContext(code: string): unknown;
  createContext(global: object, options: { microtaskMode: "afterEvaluate" }): object;
  Script: new (code: string) => { runInContext(context: object): unknown };
}
interface Util {
  inspect(value: unknown, options: { showHidden: boolean; maxArrayLength: number; depth: number }): string;
}

export interface Collector {
  /** Afterwards every WeakRef to an unreachable object derefs to undefined. Costs some ms, more for a large program. */
  full(): void;
  /**
   * Empties `objects` and returns those that live on, in any order. Finds only what died young, and costs some 0.3 ms
   * however large the program is. Null where there is no way.
   */
  readonly young: (<T extends Traceable>(objects: T[]) => T[]) | null;
}

/** A module built into Node, or null. */
export function builtinModule(name: string): unknown {
  const host: { process?: { getBuiltinModule?: (name: string) => unknown } } = globalThis;
  return host.process?.getBuiltinModule?.(name) ?? null;
}

let found: Traceable[] | null = null;

/** An object that a young collection can report. */
export class Traceable {
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    found?.push(this);
    return "[memory]";
  }
}

/**
 * A collector that works within one job, or null where there is no way. See Note [Collection in synchronous code].
 */
export function synchronousCollector(): Collector | null {
  const v8 = builtinModule("node:v8") as V8 | null;
  const vm = builtinModule("node:vm") as Vm | null;
  const util = builtinModule("node:util") as Util | null;
  if (v8 === null || vm === null || util === null) return null;
  try {
    v8.setFlagsFromString("--expose-gc");
    const gc = vm.runInNewContext("gc") as (options?: { type: "minor" }) => void;
    v8.setFlagsFromString("--no-expose-gc");
    if (typeof gc !== "function") return null;
    const context = vm.createContext({}, { microtaskMode: "afterEvaluate" });
    const script = new vm.Script("0");
    const full = (): void => {
      script.runInContext(context);
      gc();
    };
    const young = <T extends Traceable>(objects: T[]): T[] => {
      const map = weakly(objects);
      objects.length = 0;
      gc({ type: "minor" });
      const alive: T[] = [];
      found = alive;
      try {
        util.inspect(map, { showHidden: true, maxArrayLength: Infinity, depth: 0 });
      } finally {
        found = null;
      }
      return alive;
    };
    return clearsWeakRefs(full) ? { full, young: findsTheYoung(young) ? young : null } : null;
  } catch {
    return null;
  }
}

// These are functions of their own so that no register of a caller's frame still holds one of the objects.

function weakly(objects: readonly Traceable[]): WeakMap<Traceable, boolean> {
  const map = new WeakMap<Traceable, boolean>();
  for (const object of objects) map.set(object, true);
  return map;
}

function probe(): WeakRef<object> {
  return new WeakRef({});
}

function probes(): { one: Traceable; both: Traceable[] } {
  const one = new Traceable();
  return { one, both: [one, new Traceable()] };
}

/** Engines other than V8 may offer all of the above and still keep the targets. */
function clearsWeakRefs(full: () => void): boolean {
  const ref = probe();
  full();
  return ref.deref() === undefined;
}

function findsTheYoung(young: (objects: Traceable[]) => Traceable[]): boolean {
  const { one, both } = probes();
  const alive = young(both);
  return alive.length === 1 && alive[0] === one;
}

/**
 * Calls `listener`, in a job of its own, after each collection that the engine makes by itself and that clears WeakRefs.
 * A registry that nobody holds is collected with all its callbacks: keep what is returned.
 */
export function onCollection(listener: () => void): object {
  const registry = new FinalizationRegistry(() => {
    registry.register({}, 0);
    listener();
  });
  registry.register({}, 0);
  return registry;
}
