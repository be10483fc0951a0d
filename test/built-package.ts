/** The package as it would be published, built and packed apart from the working tree. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");

/** What a command prints; throws with all of its output if it fails. */
export function output(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${error?.message ?? `${stdout}${stderr}`}`);
  return stdout;
}

/** Compiles the package's sources into `folder`/dist; types are checked on the way. */
function build(folder: string): void {
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  output(process.execPath, [compiler, "-p", "tsconfig.build.json", "--outDir", join(folder, "dist")], root);
  for (const file of ["package.json", "README.md", "CHANGELOG.md", "LICENSE"]) {
    cpSync(join(root, file), join(folder, file));
  }
}

export interface BuiltPackage {
  /** The tarball. */
  readonly tarball: string;
  /** The paths in the tarball. */
  readonly files: readonly string[];
  /** A project that has the tarball and its dependencies installed. */
  readonly project: string;
  /** The unpacked package in that project. */
  readonly installed: string;
  remove(): void;
}

/** Builds, packs and installs the package in a new folder. */
export function buildPackage(): BuiltPackage {
  const folder = mkdtempSync(join(tmpdir(), "flambeau-package-"));
  const source = join(folder, "source");
  const project = join(folder, "project");
  const installed = join(project, "node_modules", "flambeau");
  for (const made of [source, installed]) mkdirSync(made, { recursive: true });
  build(source);
  const packed = output("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], source);
  const report: unknown = JSON.parse(packed);
  // An array up to npm 11, later an object by package name.
  const [entry] = Object.values(report as Record<string, { filename: string; files: { path: string }[] }>);
  if (entry === undefined) throw new Error("npm pack has packed nothing");
  const tarball = join(folder, entry.filename);
  output("tar", ["-xzf", tarball, "-C", installed, "--strip-components=1"], folder);
  symlinkSync(join(root, "node_modules", "@dagrejs"), join(project, "node_modules", "@dagrejs"));
  return {
    tarball,
    files: entry.files.map(({ path }) => path),
    project,
    installed,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
