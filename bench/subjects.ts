/** Which libraries there are on this machine. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { SubjectCommand } from "./process.ts";

/** The folder `bench/` of the checkout, seen from `build/bench/`. */
const folder = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..", "bench");

/** The npm libraries: the name in the table, the package, and its adapter. */
const peers = [
  ["tensorflow.js", "@tensorflow/tfjs", "tensorflow.mjs"],
  ["jax-js", "@jax-js/jax", "jax.mjs"],
] as const;

export interface Found {
  readonly commands: readonly SubjectCommand[];
  /** A line for each library that is not there. */
  readonly skipped: readonly string[];
}

/** A Python that has PyTorch. */
function pythonWithTorch(): string | undefined {
  return ["python3", "/usr/bin/python3"].find(
    (python) => spawnSync(python, ["-c", "import torch"], { stdio: "ignore" }).status === 0,
  );
}

export function findSubjects(): Found {
  const built = dirname(fileURLToPath(import.meta.url));
  const commands: SubjectCommand[] = [
    { name: "flambeau", command: process.execPath, args: [join(built, "flambeau.js")] },
    // WebAssembly alone: what a page without cross-origin isolation has.
    {
      name: "flambeau 1 thread",
      command: process.execPath,
      args: [join(built, "flambeau.js"), "1"],
      env: { FLAMBEAU_BLAS: "off" },
    },
  ];
  const skipped: string[] = [];
  const python = pythonWithTorch();
  if (python === undefined) {
    skipped.push("PyTorch: no python3 with torch");
  } else {
    for (const threads of ["1", "2"]) {
      const env = { OMP_NUM_THREADS: threads };
      const args = [join(folder, "pytorch.py"), threads];
      commands.push({ name: `pytorch ${threads} thread${threads === "1" ? "" : "s"}`, command: python, args, env });
    }
  }
  for (const [name, dependency, adapter] of peers) {
    if (existsSync(join(folder, "peers", "node_modules", dependency))) {
      commands.push({ name, command: process.execPath, args: [join(folder, "peers", adapter)] });
    } else {
      skipped.push(`${name}: not installed (npm ci --prefix bench/peers)`);
    }
  }
  return { commands, skipped };
}
