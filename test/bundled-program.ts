/** Programs on the library, bundled into one file and run by a process of their own. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { rolldown } from "rolldown";

const root = resolve(import.meta.dirname, "..");

export interface BundledProgram {
  /** What it prints, in both streams; throws if it fails or does not end. */
  run(env?: Readonly<Record<string, string>>): { stdout: string; stderr: string };
  remove(): void;
}

/** Bundles a program that says `import * as torch from "flambeau"`. `packages` are installed beside it. */
export async function bundleProgram(source: string, packages: readonly string[]): Promise<BundledProgram> {
  const folder = mkdtempSync(join(tmpdir(), "flambeau-bundle-"));
  const entry = join(folder, "entry.js");
  const file = join(folder, "program.mjs");
  writeFileSync(entry, source);
  const bundle = await rolldown({
    input: entry,
    platform: "node",
    // package.json says which files of dist/ have effects, not those of src/.
    treeshake: { moduleSideEffects: () => true },
    resolve: { alias: { flambeau: join(root, "src", "index.ts") } },
  });
  await bundle.write({ file, format: "esm" });
  await bundle.close();
  mkdirSync(join(folder, "node_modules"));
  for (const name of packages) symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name));
  return {
    run: (env = {}) => {
      const { status, stdout, stderr, error } = spawnSync(process.execPath, [file], {
        encoding: "utf8",
        env: { ...process.env, ...env },
        timeout: 60_000,
      });
      if (status !== 0) throw new Error(`the program failed: ${error?.message ?? stderr}`);
      return { stdout, stderr };
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
