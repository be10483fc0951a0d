/**
 * The examples in the documents: each `ts` block is checked by the compiler and run, and what it prints is compared with the
 * comments behind or below its `console.log` calls.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { format } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

const root = resolve(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "flambeau-documents-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Block {
  readonly name: string;
  readonly code: string;
  /** Where the block is written to be run. */
  readonly file: string;
  /** The lines that it must print. */
  readonly expected: readonly string[];
}

/**
 * The lines after `// ` behind a statement with `console.log`, and in the comments that follow it directly. Elsewhere comments
 * explain.
 */
function expectedOutput(code: string): string[] {
  const lines: string[] = [];
  let printing = false;
  for (const line of code.split("\n")) {
    const [, statement = "", comment] = /^(.*?)(?:\s*\/\/ (.*))?$/.exec(line) as RegExpExecArray;
    if (statement.trim() !== "" || comment === undefined) printing = statement.includes("console.log(");
    if (printing && comment !== undefined) lines.push(comment);
  }
  return lines;
}

function blocksOf(document: string): Block[] {
  const text = readFileSync(join(root, document), "utf8");
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, given = ""], i) => {
    // Files of the library itself import their neighbours.
    const code = given.replaceAll(/from "\.\.\/([^"]+)"/g, `from "${root}/src/$1"`);
    const name = `${document}, example ${i + 1}`;
    return { name, code, file: join(folder, document, `${i + 1}.ts`), expected: expectedOutput(code) };
  });
}

const documents = [
  "README.md",
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];
const blocks = documents.flatMap(blocksOf);

beforeAll(() => {
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  for (const { file, code } of blocks) {
    mkdirSync(resolve(file, ".."), { recursive: true });
    // A module, even where nothing is imported.
    writeFileSync(file, `${code}\nexport {};\n`);
  }
});

describe("examples in the documents", () => {
  it("are there", () => {
    expect(blocks.filter(({ name }) => name.startsWith("README.md"))).not.toHaveLength(0);
    expect(blocks.filter(({ name }) => name.startsWith("docs/coming-from-pytorch.md"))).not.toHaveLength(0);
    expect(blocks.filter(({ name }) => name.startsWith("docs/adding-an-operator.md"))).not.toHaveLength(0);
  });

  it("are right to the compiler", () => {
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({
        extends: join(root, "tsconfig.json"),
        compilerOptions: {
          noUnusedLocals: false,
          typeRoots: [join(root, "node_modules", "@types")],
          paths: { flambeau: [join(root, "src/index.ts")], "flambeau/*": [join(root, "src/*/index.ts")] },
        },
        files: blocks.map(({ file }) => file),
        include: [],
      }),
    );
    const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
    const { stdout } = spawnSync(process.execPath, [compiler, "-p", folder], { cwd: folder, encoding: "utf8" });
    // What is wrong in the library itself is for others to say.
    expect(stdout.split("\n").filter((line) => /^(README\.md|docs)\//.test(line))).toEqual([]);
  });

  it.each(blocks.map((block) => [block.name, block] as const))("%s prints what it says", async (_name, block) => {
    const printed: string[] = [];
    const log = vi.spyOn(console, "log").mockImplementation((...values: unknown[]) => {
      printed.push(...format(...values).split("\n"));
    });
    try {
      await import(block.file);
    } finally {
      log.mockRestore();
    }
    expect(printed).toEqual(block.expected);
  });
});
