/**
 * Learning which objects are dead, where the JavaScript engine allows it.
 *
 * Note [Collection in synchronous code]: ECMAScript keeps the target of a WeakRef alive until the end of the job that
 * created or read it, and runs the callbacks of a FinalizationRegistry in jobs of their own. A training loop that never
 * awaits is one job, so by the book it never learns that a tensor is dead. Two properties of V8 help:
 *
 * - It clears its list of kept targets whenever a microtask queue has been drained, and a vm context with a queue of its
 *   own drains that one after each script, without touching the program's microtasks. A full collection right after that
 *   clears every WeakRef whose target is unreachable, at once. The side effect is that a program's own WeakRefs may turn
 *   undefined between two reads in one job. A full collection takes some milliseconds, more in a large program.
 * - A minor collection looks at young objects alone and takes a fraction of a millisecond however large the program is. It
 *   clears no WeakRef, but it drops dead young keys from WeakMaps, and util.inspect visits the keys that are left.
 *
 * For a full collection `gc` must be called without arguments: V8 11 (Node 20) takes any argument for the wish for a minor
 * one.
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
  inspect(
    value: unknown,
    options: { showHidden: boolean; maxArrayLength: number; depth: number; customInspect: boolean },
  ): string;
}

/** Collects within the running job. */
export interface Collector {
  /** Afterwards every WeakRef to an unreachable object derefs to undefined. */
  full(): void;
  /** Afterwards a WeakMap has lost the keys that died young. Null where that cannot be seen. */
  readonly minor: (() => void) | null;
  /** The keys of a WeakMap, all of them or null; only where there are minor collections. */
  keys<T extends Traceable>(map: WeakMap<T, unknown>): T[] | null;
}

/** A module built into Node, or null. */
function builtinModule(name: string): unknown {
  const host: { process?: { getBuiltinModule?: (name: string) => unknown } } = globalThis;
  return host.process?.getBuiltinModule?.(name) ?? null;
}

let visited: Traceable[] | null = null;

/** An object that {@link Collector.keys} can find. */
// oxlint-disable-next-line typescript/no-extraneous-class -- it has a method whose name no declaration file can hold
export class Traceable {}

Object.defineProperty(Traceable.prototype, Symbol.for("nodejs.util.inspect.custom"), {
  value(this: Traceable) {
    visited?.push(this);
    return "[memory]";
  },
});

/** The collector of this engine, or null where there is none. See Note [Collection in synchronous code]. */
export function synchronousCollector(): Collector | null {
  const v8 = builtinModule("node:v8") as V8 | null;
  const vm = builtinModule("node:vm") as Vm | null;
  const util = builtinModule("node:util") as Util | null;
  if (v8 === null || vm === null || util === null) return null;
  try {
    v8.setFlagsFromString("--expose-gc");
    const gc = vm.runInNewContext("gc") as (options?: { type: "minor" }) => void;
    v8.setFlagsFromString("--no-expose-gc");
    const context = vm.createContext({}, { microtaskMode: "afterEvaluate" });
    const script = new vm.Script("0");
    const full = (): void => {
      script.runInContext(context);
      gc();
    };
    const minor = (): void => gc({ type: "minor" });
    const keys = <T extends Traceable>(map: WeakMap<T, unknown>): T[] | null => {
      const found: T[] = [];
      visited = found;
      try {
        const text = util.inspect(map, { showHidden: true, maxArrayLength: Infinity, depth: 0, customInspect: true });
        // Where the stack is nearly used up, inspect stops halfway and says so instead.
        return text.startsWith("WeakMap {") ? found : null;
      } finally {
        visited = null;
      }
    };
    // Engines other than V8 may offer all of the above with another effect.
    const collector = { full, minor: findsTheYoung(minor, keys) ? minor : null, keys };
    return clearsWeakRefs(full) ? collector : null;
  } catch {
    return null;
  }
}

// Functions of their own make the objects, so that no register of the frame that collects still holds one.

function probe(): WeakRef<object> {
  return new WeakRef({});
}

function clearsWeakRefs(full: () => void): boolean {
  const ref = probe();
  full();
  return ref.deref() === undefined;
}

function probes(map: WeakMap<Traceable, boolean>): Traceable {
  const one = new Traceable();
  map.set(one, true);
  map.set(new Traceable(), true);
  return one;
}

function findsTheYoung(minor: () => void, keys: Collector["keys"]): boolean {
  const map = new WeakMap<Traceable, boolean>();
  const one = probes(map);
  minor();
  const left = keys(map);
  return left?.length === 1 && left[0] === one;
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
