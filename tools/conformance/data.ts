/** Reading golden files, plain or compressed. Node only. */

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

export function readJson<T>(path: string): T {
  const bytes = readFileSync(path);
  const text = path.endsWith(".gz") ? gunzipSync(bytes).toString("utf8") : bytes.toString("utf8");
  return JSON.parse(text) as T;
}

/** The case files of a folder, sorted; `index` and `tolerance` are not cases. Empty if there is no such folder. */
export function caseFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /\.json(\.gz)?$/.test(name) && !/^(index|tolerance)\./.test(name))
    .toSorted()
    .map((name) => join(folder, name));
}

/** The name of a case file without its endings. */
export function caseName(path: string): string {
  return (path.split("/").at(-1) ?? path).replace(/\.json(\.gz)?$/, "").replace(/__upper$/, "");
}

/** A file that may be stored compressed or not; null if it is there in neither form. */
export function readOptional<T>(path: string): T | null {
  for (const name of [path, `${path}.gz`]) if (existsSync(name)) return readJson<T>(name);
  return null;
}
