/**
 * The library in a browser: headless Chromium loads a page from a server in this process, and the page reports. Once with
 * cross-origin isolation, where memory may be shared with workers, and once without.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { rolldown } from "rolldown";
import { beforeAll, describe, expect, it } from "vitest";
import type { Report } from "./browser/page.ts";

const root = resolve(import.meta.dirname, "..");

const chromium = [
  process.env["CHROMIUM"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
].find((path) => path !== undefined && existsSync(path));

// Where tests run unattended a browser is installed, and one that is missing is a fault.
const skipped = chromium === undefined && process.env["CI"] !== "true";
if (skipped) console.log("skipped: the browser tests, as there is no Chromium");

const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
];

const html = `<!doctype html><meta charset="utf-8"><title>Flambeau</title>
<script>
  globalThis.memories = [];
  WebAssembly.Memory = class extends WebAssembly.Memory {
    constructor(descriptor) {
      super(descriptor);
      memories.push(this);
    }
  };
</script>
<script type="module" src="/page.js"></script>`;

async function bundlePage(): Promise<string> {
  const bundle = await rolldown({
    input: join(root, "test", "browser", "page.ts"),
    platform: "browser",
    resolve: { alias: { flambeau: join(root, "src", "index.ts") } },
    // The page awaits at the top.
    transform: { target: "es2022" },
  });
  const { output } = await bundle.generate({ format: "esm", minify: true });
  await bundle.close();
  return output[0].code;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const part of request) body += String(part);
  return body;
}

/** Serves the page, opens it, and waits for its report. */
async function visit(code: string, isolated: boolean): Promise<Report> {
  const profile = mkdtempSync(join(tmpdir(), "flambeau-browser-"));
  let browser: ChildProcess | undefined;
  const server = createServer();
  try {
    return await new Promise<Report>((done, fail) => {
      const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
        if (isolated) {
          response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
          response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
        }
        if (request.url === "/report") {
          const { result, error } = JSON.parse(await bodyOf(request)) as { result?: Report; error?: string };
          response.end();
          if (result === undefined) fail(new Error(`in the page: ${error}`));
          else done(result);
        } else if (request.url === "/page.js") {
          response.setHeader("Content-Type", "text/javascript").end(code);
        } else if (request.url === "/") {
          response.setHeader("Content-Type", "text/html").end(html);
        } else {
          response.writeHead(404).end();
        }
      };
      server.on("request", (request, response) => void answer(request, response).catch(fail));
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo;
        browser = spawn(chromium ?? "chromium", [...flags, `--user-data-dir=${profile}`, `http://127.0.0.1:${port}/`], {
          stdio: ["ignore", "ignore", "pipe"],
        });
        let complaints = "";
        browser.stderr?.on("data", (data: Buffer) => (complaints = (complaints + data.toString()).slice(-2000)));
        browser.on("error", fail);
        browser.on("close", (status) => fail(new Error(`Chromium ended with status ${status}: ${complaints}`)));
      });
    });
  } finally {
    const ended = new Promise((resolve) => browser?.once("close", resolve) ?? resolve(null));
    browser?.kill("SIGKILL");
    await ended;
    server.closeAllConnections();
    server.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

describe.skipIf(skipped)("in Chromium", () => {
  let code: string;
  beforeAll(async () => {
    code = await bundlePage();
  });

  it.each([
    ["with", true],
    ["without", false],
  ])("differentiates, learns and reclaims memory, %s cross-origin isolation", async (_name, isolated) => {
    const report = await visit(code, isolated);
    expect(report.isolated).toBe(isolated);
    expect(report.shared).toBe(isolated);
    expect(report.text).toBe("tensor([ 512.,  768., 1024.], grad_fn=<MulBackward0>)");
    expect(report.gradient).toEqual([256, 256, 256]);
    expect(report.losses.at(-1)).toBeLessThan(0.1);
    expect(report.accuracy).toBeGreaterThan(0.97);
    expect(report.wrong).toBe(0);
    expect(report.threads).toBe(isolated ? availableParallelism() : 1);
    console.log(`at most ${report.megabytes.toFixed(0)} MB were taken while 2000 MB were allocated`);
    expect(report.megabytes).toBeLessThan(1000);
  });
});
