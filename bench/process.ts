/** The driver's side of a subject: its process, and the lines that go to and fro. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Reply, Request } from "./subject.ts";

export interface SubjectCommand {
  /** The name in the table. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A running subject. */
export class Subject {
  readonly name: string;
  readonly version: string;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(name: string, version: string, child: ChildProcess, lines: AsyncIterator<string>) {
    this.name = name;
    this.version = version;
    this.#child = child;
    this.#lines = lines;
  }

  /** Starts a subject; null, with a reason, if it does not come up. */
  static async start({ name, command, args, env }: SubjectCommand): Promise<Subject | { readonly reason: string }> {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } });
    let complaints = "";
    child.stderr.on("data", (data: Buffer) => (complaints = (complaints + data.toString()).slice(-4000)));
    const failure = new Promise<string>((resolve) => {
      child.on("error", (error) => resolve(error.message));
      child.on("close", () => resolve(complaints.trim().split("\n").at(-1) || "it ended at once"));
    });
    // A subject that ends early must not end the driver when it is written to.
    child.stdin.on("error", () => {});
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const first = await lines.next();
    if (first.done === true) return { reason: await failure };
    const { version } = JSON.parse(first.value) as { version: string };
    return new Subject(name, version, child, lines);
  }

  async measure(workload: string, milliseconds: number): Promise<Reply> {
    const request: Request = { workload, milliseconds };
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    const line = await this.#lines.next();
    return line.done === true ? { missing: "the process ended" } : (JSON.parse(line.value) as Reply);
  }

  stop(): void {
    this.#child.stdin?.end();
    this.#child.kill();
  }
}
