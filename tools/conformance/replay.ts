/** Replays a folder of golden cases, kind by kind. */

import { join } from "node:path";
import { type CaseFile, caseFiles, readOptional } from "./data.ts";
import type { ModuleCase, ModuleErrorCase, OpFile, ToleranceFile } from "./format.ts";
import { ModuleReplay } from "./modules.ts";
import { OpReplay, type SampleFilter } from "./ops.ts";
import {
  type ClipCase,
  OptimReplay,
  type OptimizerErrorCase,
  type OptimizerFile,
  type SchedulerCase,
} from "./optim.ts";
import { type PrintCase, PrintReplay } from "./print.ts";
import { type Namespace, isObject } from "./python/bridge.ts";
import { Interpreter } from "./python/evaluate.ts";
import { Missing } from "./python/values.ts";
import { type RngCase, RngReplay } from "./rng.ts";
import { Tally } from "./tally.ts";

export type Kind = "ops" | "modules" | "optim" | "rng" | "print";

export const kinds: readonly Kind[] = ["ops", "modules", "optim", "rng", "print"];

/** What to replay. */
export interface Selection {
  readonly kinds: readonly Kind[];
  /** Whether an operator, module, optimizer or group takes part. */
  readonly only: (name: string) => boolean;
  /** Whether samples drawn for this dtype take part. */
  readonly dtype: (name: string) => boolean;
  readonly tier: (tier: number) => boolean;
}

export const everything: Selection = { kinds, only: () => true, dtype: () => true, tier: () => true };

/** Called now and then with the number of cases done and the name at hand. */
export type Progress = (done: number, name: string) => void;

/** Stands for a part of the library that is not there: any use of it is missing. */
function absent(path: string): object {
  return new Proxy(
    {},
    {
      get() {
        throw new Missing(`${path} does not exist`);
      },
    },
  );
}

/** The names that evaluated Python sees besides `torch`: the usual imports and dtypes without their prefix. */
function usualNames(torch: Namespace): Record<string, unknown> {
  const { nn } = torch;
  const part = (name: string): unknown =>
    (isObject(nn) ? Reflect.get(nn, name) : undefined) ?? absent(`torch.nn.${name}`);
  const names: Record<string, unknown> = {
    nan: Number.NaN,
    inf: Infinity,
    nn: nn ?? absent("torch.nn"),
    F: part("functional"),
    I: part("init"),
  };
  for (const dtype of ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8"]) {
    names[dtype] = torch[dtype] ?? absent(`torch.${dtype}`);
  }
  return names;
}

/** Replays `folder` through the library `torch`; gives the counts of each kind that the folder holds. */
export function replay(
  torch: Namespace,
  folder: string,
  selection: Selection = everything,
  progress: Progress = () => {},
): Map<Kind, Tally> {
  const python = new Interpreter(torch, usualNames(torch));
  const results = new Map<Kind, Tally>();
  let done = 0;
  const step = (name: string, count = 1): void => {
    done += count;
    progress(done, name);
  };
  for (const kind of selection.kinds) {
    const files = caseFiles<unknown>(join(folder, kind));
    if (files.length === 0) continue;
    const tally = new Tally();
    results.set(kind, tally);
    replayers[kind]({ python, folder, files, selection, tally, step });
  }
  return results;
}

interface Job {
  readonly python: Interpreter;
  readonly folder: string;
  readonly files: readonly CaseFile<unknown>[];
  readonly selection: Selection;
  readonly tally: Tally;
  readonly step: (name: string, count?: number) => void;
}

const replayers: Readonly<Record<Kind, (job: Job) => void>> = {
  ops({ python, folder, files, selection, tally, step }) {
    const runner = new OpReplay(python, readOptional<ToleranceFile>(join(folder, "ops", "tolerance.json")), tally);
    const filter: SampleFilter = ({ dtype }) =>
      dtype === undefined ? selection.dtype("errors") : selection.dtype(dtype);
    for (const { name, read } of files) {
      if (!selection.only(name.replace(/__upper$/, ""))) continue;
      const file = read() as OpFile;
      if (selection.tier(file.tier)) step(file.full_name, runner.file(file, filter));
    }
  },

  modules({ python, files, selection, tally, step }) {
    const runner = new ModuleReplay(python, tally);
    for (const { name, read } of files) {
      const errors = name === "_errors";
      if (!errors && !selection.only(name)) continue;
      const { cases } = read() as { cases: readonly (ModuleCase & ModuleErrorCase)[] };
      for (const record of cases) {
        if (!selection.only(record.class)) continue;
        if (errors) runner.error(record);
        else runner.case(record);
        step(record.class);
      }
    }
  },

  optim({ python, files, selection, tally, step }) {
    const runner = new OptimReplay(python, tally);
    for (const { name: part, read } of files) {
      const file = read() as { cases: readonly unknown[] };
      for (const record of file.cases) {
        const { id, optimizer, scheduler } = record as { id: string; optimizer?: string; scheduler?: string };
        const name = optimizer ?? scheduler ?? id.split("/")[0] ?? id;
        if (!selection.only(name)) continue;
        switch (part) {
          case "optimizers":
            runner.optimizer(file as OptimizerFile, record as OptimizerFile["cases"][number]);
            break;
          case "schedulers":
            runner.scheduler(record as SchedulerCase);
            break;
          case "optimizer_errors":
            runner.error(record as OptimizerErrorCase);
            break;
          case "clip":
            runner.clip(record as ClipCase);
            break;
          default:
        }
        step(name);
      }
    }
  },

  rng({ python, files, selection, tally, step }) {
    const runner = new RngReplay(python, tally);
    for (const { read } of files) {
      for (const record of (read() as { cases: readonly RngCase[] }).cases) {
        if (!selection.only(record.group)) continue;
        runner.case(record);
        step(record.group);
      }
    }
  },

  print({ python, files, selection, tally, step }) {
    const runner = new PrintReplay(python, tally);
    for (const { read } of files) {
      for (const record of (read() as { cases: readonly PrintCase[] }).cases) {
        if (!selection.only(record.group)) continue;
        runner.case(record);
        step(record.group);
      }
    }
  },
};
