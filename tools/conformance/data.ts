/** Reading golden files, plain or compressed, one to a file or packed. Node only. */

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

export function readJson<T>(path: string): T {
  const bytes = readFileSync(path);
  const text = path.endsWith(".gz") ? gunzipSync(bytes).toString("utf8") : bytes.toString("utf8");
  return JSON.parse(text) as T;
}

/** A file that may be stored compressed or not; null if it is there in neither form. */
export function readOptional<T>(path: string): T | null {
  for (const name of [path, `${path}.gz`]) if (existsSync(name)) return readJson<T>(name);
  return null;
}

/** A golden file: its name without endings, and its content when asked for. */
export interface CaseFile<T> {
  readonly name: string;
  readonly read: () => T;
}

/** Many golden files in one, by name. */
export interface Pack {
  readonly files: Readonly<Record<string, unknown>>;
}

/** The golden files of a folder in order of their names; `index` and `tolerance` hold no cases. */
export function caseFiles<T>(folder: string): CaseFile<T>[] {
  if (!existsSync(folder)) return [];
  const pack = readOptional<Pack>(join(folder, "pack.json"));
  if (pack) return Object.entries(pack.files).map(([name, content]) => ({ name, read: () => content as T }));
  return readdirSync(folder)
    .filter((file) => /\.json(\.gz)?$/.test(file) && !/^(index|tolerance)\./.test(file))
    .toSorted()
    .map((file) => ({
      name: file.replace(/\.json(\.gz)?$/, ""),
      read: () => readJson<T>(join(folder, file)),
    }));
}
