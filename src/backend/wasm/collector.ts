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
 * `gc` must be called without arguments: V8 11 (Node 20) takes any argument for a request of a minor collection, which
 * clears no WeakRef.
 *
 * The modules come from process.getBuiltinModule, as a static import would break in browsers and module loading is
 * asynchronous: Node >= 20.16 or >= 22.3. Older ones are treated as browsers are.
 */

/** The part of Node's modules that is used here. */
interface V8 {
  setFlagsFromString(flags: string): void;
}
interface Vm {
  runInNewContext(code: string): unknown;
  createContext(global: object, options: { microtaskMode: "afterEvaluate" }): object;
  Script: new (code: string) => { runInContext(context: object): unknown };
}

/** A module built into Node, or null. */
export function builtinModule(name: string): unknown {
  const host: { process?: { getBuiltinModule?: (name: string) => unknown } } = globalThis;
  return host.process?.getBuiltinModule?.(name) ?? null;
}

/**
 * A function after which every WeakRef to an unreachable object derefs to undefined, in the same job; null where there is
 * no way. See Note [Collection in synchronous code].
 */
export function synchronousCollector(): (() => void) | null {
  const v8 = builtinModule("node:v8") as V8 | null;
  const vm = builtinModule("node:vm") as Vm | null;
  if (v8 === null || vm === null) return null;
  try {
    v8.setFlagsFromString("--expose-gc");
    const gc = vm.runInNewContext("gc");
    v8.setFlagsFromString("--no-expose-gc");
    if (typeof gc !== "function") return null;
    const context = vm.createContext({}, { microtaskMode: "afterEvaluate" });
    const script = new vm.Script("0");
    const collect = (): void => {
      script.runInContext(context);
      gc();
    };
    return works(collect) ? collect : null;
  } catch {
    return null;
  }
}

/** Engines other than V8 may offer all of the above and still keep the targets. */
function works(collect: () => void): boolean {
  const probe = weakObject();
  collect();
  return probe.deref() === undefined;
}

function weakObject(): WeakRef<object> {
  return new WeakRef({});
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
