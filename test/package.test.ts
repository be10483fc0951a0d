/** The package that would be published: what is in it, how it resolves, what it weighs, what its types say. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { checkPackage, createPackageFromTarballData, type Problem } from "@arethetypeswrong/core";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { rolldown } from "rolldown";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BuiltPackage, buildPackage, output } from "./built-package.ts";

const root = resolve(import.meta.dirname, "..");

/**
 * The weight of `import * as torch from "flambeau"` in a page, minified and compressed. Methods are installed on tensors, so a
 * bundler cannot leave out operators; on the other hand all of WebAssembly is made at run time. 400 kB pass through a line of 4 Mbit/s
 * in 0.8 s; TensorFlow.js 4.22 with its WebAssembly backend weighs 537 kB.
 */
const budget = 400_000;

let built: BuiltPackage;
beforeAll(() => {
  built = buildPackage();
});
afterAll(() => built?.remove());

/** The files of the package that end in `ending`. */
function filesEnding(ending: string): string[] {
  return readdirSync(built.installed, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(ending));
}

describe("the tarball", () => {
  it("holds the compiled code, its types, and the texts that belong to a package", () => {
    const others = built.files.filter((path) => !/^dist\/.+\.(js|d\.ts)$/.test(path));
    expect(others.toSorted()).toEqual(["CHANGELOG.md", "LICENSE", "README.md", "package.json"]);
    expect(built.files).toContain("dist/index.js");
    expect(built.files).toContain("dist/index.d.ts");
  });

  it("passes publint", async () => {
    const tarball = readFileSync(built.tarball);
    const { messages, pkg } = await publint({
      pack: { tarball: tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.byteLength) },
      strict: true,
    });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  it("has types that resolve as the code does", async () => {
    const result = await checkPackage(createPackageFromTarballData(readFileSync(built.tarball)));
    if (result.types === false) throw new Error("the package has no types");
    // An ESM-only package cannot be required by old Node versions, nor found by resolution that knows no `exports`.
    const concerns = (problem: Problem): boolean =>
      !("resolutionKind" in problem && ["node10", "node16-cjs"].includes(problem.resolutionKind)) &&
      !("resolutionOption" in problem && problem.resolutionOption === "node10");
    expect(result.problems.filter(concerns)).toEqual([]);
    expect(Object.keys(result.entrypoints).toSorted()).toEqual([".", "./data", "./package.json", "./viz"]);
  });
});

describe("in a project", () => {
  it("runs in Node", () => {
    const code = `
      import * as torch from "flambeau";
      const x = torch.tensor([2, 3, 4], { requires_grad: true });
      x.mul(x).sum().backward();
      console.log(String(x.grad));`;
    expect(output(process.execPath, ["--input-type=module", "-e", code], built.project)).toBe("tensor([4., 6., 8.])\n");
  });

  it.each(["flambeau", "flambeau/data", "flambeau/viz"])("imports %s", (name) => {
    const code = `import * as it from "${name}"; console.log(Object.keys(it).length > 0);`;
    expect(output(process.execPath, ["--input-type=module", "-e", code], built.project)).toBe("true\n");
  });

  it.each([
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ])("has types that check strictly, module %s", (module, moduleResolution) => {
    const compilerOptions = {
      target: "es2022",
      lib: ["es2022", "dom"],
      module,
      moduleResolution,
      types: [],
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      noEmit: true,
    };
    writeFileSync(join(built.project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["program.ts"] }));
    writeFileSync(join(built.project, "package.json"), JSON.stringify({ type: "module" }));
    writeFileSync(
      join(built.project, "program.ts"),
      `import * as torch from "flambeau";
       import { progress } from "flambeau/data";
       import { lineChart } from "flambeau/viz";
       const y: torch.Tensor = torch.randn(2, 3).add(1).sum({ dim: 0 });
       export const all: [readonly number[], string, unknown] = [y.shape, lineChart([{ name: "y", y: [1] }]), progress];`,
    );
    const { stdout } = spawnSync(
      process.execPath,
      [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", built.project],
      { encoding: "utf8" },
    );
    expect(stdout).toBe("");
  });
});

describe("the types", () => {
  /**
   * Where `any` stands in declarations. As the type of parameters of a function that is passed in, it says that any function
   * will do, and nothing of type `any` comes out. What else there is has its reason here.
   */
  const reasons: Readonly<Record<string, string>> = {
    "dist/nn/module.d.ts: forward(): any;": "a module of which nothing is known takes and gives anything",
    "dist/nn/containers.d.ts: forward(input: any): any;":
      "the first module of a Sequential decides what it takes, the last what it gives",
  };

  it("give no any to the user", () => {
    const found = filesEnding(".d.ts").flatMap((path) => {
      const code = readFileSync(join(built.installed, path), "utf8")
        .replace(/\/\*[\s\S]*?\*\//g, "")
        .replace(/\.\.\.\w+: any\[\]/g, "");
      return [...code.matchAll(/^.*[:<|&=,(]\s*any\b(?!\s*\().*$/gm)].map(([line]) => `${path}: ${line.trim()}`);
    });
    expect(found.filter((line) => !(line in reasons))).toEqual([]);
  });
});

describe("bundled for a page", () => {
  it("fits into the budget and needs nothing from outside", async () => {
    const warnings: string[] = [];
    const bundle = await rolldown({
      input: join(built.installed, "dist", "index.js"),
      platform: "browser",
      onLog: (_level, log) => void warnings.push(log.message),
    });
    const { output: chunks } = await bundle.generate({ format: "esm", minify: true });
    await bundle.close();
    expect(warnings).toEqual([]);
    expect(chunks).toHaveLength(1);
    expect([...chunks[0].imports, ...chunks[0].dynamicImports]).toEqual([]);
    const weight = gzipSync(chunks[0].code, { level: 9 }).byteLength;
    console.log(`the bundle weighs ${(weight / 1000).toFixed(0)} kB of ${budget / 1000} kB`);
    expect(weight).toBeLessThan(budget);
    // The graph layout belongs to flambeau/viz alone.
    expect(chunks[0].code).not.toContain("dagre");
  });
});

describe("the lock file", () => {
  it.each(["package-lock.json", "bench/peers/package-lock.json"])("%s names no hosts", (path) => {
    expect(readFileSync(join(root, path), "utf8")).not.toMatch(/"resolved"|https?:\/\/[^"]*\.tgz/);
  });
});
