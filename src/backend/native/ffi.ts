/**
 * Calling native libraries, through koffi where it is installed. It is an optional dependency: whatever goes wrong with it means
 * that there are no native libraries, and nothing more.
 */

/** A function of a native library. */
export type NativeFunction = (...args: (number | bigint)[]) => unknown;

/** An open library. */
export interface NativeLibrary {
  /** The function with this prototype in C, or null if the library has none of the name. */
  find(prototype: string): NativeFunction | null;
}

/** The parts of koffi that are used here. */
interface Koffi {
  load(path: string): { func(prototype: string): NativeFunction };
  address(view: Uint8Array): bigint;
}

interface Host {
  readonly process?: {
    getBuiltinModule?: (name: string) => unknown;
    readonly env?: Readonly<Record<string, string | undefined>>;
    readonly platform?: string;
  };
}

interface Require {
  (name: string): unknown;
  resolve(name: string): string;
}

interface FileSystem {
  readFileSync(path: string, encoding: "utf8"): string;
}

/** Node's `process`, where there is one. */
export function hostProcess(): NonNullable<Host["process"]> {
  return (globalThis as Host).process ?? {};
}

let koffi: Koffi | null | undefined;
/** The file of koffi, by which other threads find it. */
let koffiFile = "";

/** What another thread needs to open a library: see worker-source.ts. */
export interface LibraryDescription {
  readonly koffi: string;
  readonly library: string;
  readonly prototypes: readonly string[];
}

/** For other threads: functions of a library by their prototypes. */
export function describeLibrary(library: string, prototypes: readonly string[]): LibraryDescription {
  return { koffi: koffiFile, library, prototypes };
}

function findKoffi(): Koffi | null {
  if (koffi !== undefined) return koffi;
  koffi = null;
  try {
    const modules = hostProcess().getBuiltinModule?.("node:module") as
      | { createRequire(url: string): Require }
      | undefined;
    // Not an import, so that bundlers and browsers do not look for it.
    const require = modules?.createRequire(import.meta.url);
    if (require !== undefined) {
      koffiFile = require.resolve("koffi");
      koffi = require(koffiFile) as Koffi;
    }
  } catch {
    // Not installed, or not for this platform.
  }
  return koffi;
}

/** Opens a library by name or path; null if there is none, or none that can be opened. */
export function openLibrary(path: string): NativeLibrary | null {
  const ffi = findKoffi();
  if (ffi === null) return null;
  try {
    const library = ffi.load(path);
    return {
      find: (prototype) => {
        try {
          return library.func(prototype);
        } catch {
          return null;
        }
      },
    };
  } catch {
    return null;
  }
}

/**
 * Where a memory begins in the address space of the process. A shared memory stays there when it grows, as engines must
 * reserve all of its addresses from the start.
 */
export function addressOf(memory: WebAssembly.Memory): number {
  return Number(findKoffi()?.address(new Uint8Array(memory.buffer)) ?? 0n);
}

/** The file that an open library was read from, where the system says so, else the name that it was opened by. */
export function libraryFile(name: string): string {
  if (name.includes("/") || hostProcess().platform !== "linux") return name;
  try {
    const fs = hostProcess().getBuiltinModule?.("node:fs") as FileSystem;
    const stem = name.slice(0, name.indexOf(".so"));
    const paths = fs.readFileSync("/proc/self/maps", "utf8").matchAll(/ (\/\S+)$/gm);
    for (const [, path = ""] of paths) if (path.slice(path.lastIndexOf("/") + 1).startsWith(stem)) return path;
  } catch {
    // No such file: a Linux of another kind.
  }
  return name;
}
