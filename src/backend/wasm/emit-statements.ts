/**
 * Statements, in scalar code and in the lanes of a block, and the loops around them.
 */
import type { Expr, Type } from "../../ir/expr.ts";
import type { Combine, Stmt } from "../../ir/kernel.ts";
import type { Local } from "./assembler.ts";
import { bitsOf, type Context, shapes, valType } from "./emit-context.ts";
import { hoist, withStreams } from "./emit-hoist.ts";
import { binaryOp, pushAddress, pushScalar, storeOp } from "./emit-scalar.ts";
import { storeVector } from "./emit-store.ts";
import { combineVectors, pushVector, vectorLocal } from "./emit-vector.ts";
import { type Plan, planLoop, planReduction } from "./vectorize.ts";

type Of<K extends Stmt["kind"]> = Extract<Stmt, { kind: K }>;

/** The part of a parallel loop to run, where it is not the whole. */
export interface Range {
  readonly low: Local;
  readonly high: Local;
}

export function emitStatements(c: Context, body: readonly Stmt[], range?: Range): void {
  for (const s of body) emitStatement(c, s, range);
}

function emitStatement(c: Context, s: Stmt, range?: Range): void {
  const { f } = c;
  switch (s.kind) {
    case "loop":
      return emitLoop(c, s, range);
    case "reduce":
      return emitReduction(c, s);
    case "let":
    case "var":
      return declare(c, s.id, s.value);
    case "assign":
      return assign(c, s);
    case "store":
      emitStore(c, s);
      return c.invalidate(c.graph.bufferBit(s.buffer));
    case "if":
      pushScalar(c, s.cond);
      return f.if(
        () => c.scoped(() => emitStatements(c, s.then)),
        s.else === undefined ? undefined : () => c.scoped(() => emitStatements(c, s.else ?? [])),
      );
    case "guard":
      pushScalar(c, s.cond);
      f.op("i32.eqz");
      return f.if(() => {
        c.scoped(() => pushScalar(c, s.status));
        f.return();
      });
  }
}

/** Whether a variable holds a value per lane. */
const inLanes = (c: Context, id: number): boolean => c.lanes !== null && (c.lanes.varying & c.graph.varBit(id)) !== 0n;

function declare(c: Context, id: number, value: Expr): void {
  const { f } = c;
  c.invalidate(c.graph.varBit(id));
  if (!inLanes(c, id)) {
    pushScalar(c, value);
    const local = c.local(valType(value.type));
    f.set(local);
    c.bindings.set(id, local);
    return;
  }
  const parts: Local[] = [];
  for (let part = 0; part < c.parts(c.widthOf(value.type)); part++) {
    pushVector(c, value, part);
    const local = c.local("v128");
    f.set(local);
    parts.push(local);
  }
  c.bindings.set(id, parts);
}

function assign(c: Context, s: Of<"assign">): void {
  const { f } = c;
  const bound = c.bindings.get(s.id);
  if (bound === undefined) throw new ReferenceError(`ir: variable ${s.id} has no value here`);
  if ("index" in bound) {
    pushScalar(c, s.value);
    f.set(bound);
  } else {
    bound.forEach((local, part) => {
      pushVector(c, s.value, part);
      f.set(local);
    });
  }
  c.invalidate(c.graph.varBit(s.id));
}

function emitStore(c: Context, s: Of<"store">): void {
  if (!c.varies(s.index)) {
    pushAddress(c, s.buffer, s.index);
    pushScalar(c, s.value);
    return storeOp(c, c.storage(s.buffer));
  }
  const width = c.widthOf(s.value.type);
  for (let part = 0; part < c.parts(width); part++) storeVector(c, s.buffer, s.index, s.value, part, width);
}

/** The counter of a loop. */
interface Counter {
  readonly index: Local;
  readonly end: Local;
}

function emitLoop(c: Context, s: Of<"loop">, range?: Range): void {
  const variant = c.graph.effects([s]);
  withCounter(c, s.loop, s.extent, variant, range, (counter) => {
    const plan = s.mode === "serial" || c.lanes !== null ? null : planLoop(c.graph, s.loop, s.body);
    const write = (): void => emitStatements(c, s.body);
    if (plan === null) return serialLoop(c, counter, s.loop, s.body, variant, write);
    c.lanes = { loop: s.loop, count: plan.tail, ...plan };
    withStreams(c, s.loop, s.body, variant, (advance) => {
      hoist(c, s.body, variant);
      if (plan.main > plan.tail) blocks(c, counter, s.loop, plan, plan.main, advance, write);
      blocks(c, counter, s.loop, plan, plan.tail, advance, write);
      c.lanes = null;
      iterate(c, counter, 1, counter.end, advance, write);
    });
  });
}

/** Sets up the index of a loop, and runs `write` where at least one iteration is to do. */
function withCounter(
  c: Context,
  loop: number,
  extent: Expr,
  variant: bigint,
  range: Range | undefined,
  write: (counter: Counter) => void,
): void {
  const { f } = c;
  c.scoped(() => {
    const counter = { index: c.local("i32"), end: c.local("i32") };
    if (range === undefined) {
      f.i32(0);
      f.set(counter.index);
      pushScalar(c, extent);
    } else {
      f.get(range.low);
      f.set(counter.index);
      f.get(range.high);
    }
    f.set(counter.end);
    // Values known before the loop hold in it only if no iteration changes them.
    c.invalidate(variant);
    c.indexes.set(loop, counter.index);
    f.block((exit) => {
      f.get(counter.index);
      f.get(counter.end);
      f.op("i32.ge_s");
      f.branchIf(exit);
      c.scoped(() => write(counter));
    });
    c.indexes.delete(loop);
  });
}

function serialLoop(
  c: Context,
  counter: Counter,
  loop: number,
  body: readonly Stmt[],
  variant: bigint,
  write: () => void,
): void {
  withStreams(c, loop, body, variant, (advance) => {
    hoist(c, body, variant);
    again(c, counter, 1, counter.end, advance, write);
  });
}

/** Runs `write` for the blocks of `count` iterations that are left. */
function blocks(
  c: Context,
  counter: Counter,
  loop: number,
  plan: Plan,
  count: number,
  advance: (iterations: number) => void,
  write: () => void,
): void {
  const { f } = c;
  c.lanes = { loop, count, maskWidth: plan.maskWidth, varying: plan.varying };
  const limit = f.local("i32");
  f.get(counter.end);
  f.get(counter.index);
  f.op("i32.sub");
  f.i32(-count);
  f.op("i32.and");
  f.get(counter.index);
  f.op("i32.add");
  f.set(limit);
  iterate(c, counter, count, limit, advance, write);
  f.release(limit);
}

/** Runs `write` while the index is below the limit, also not at all. */
function iterate(
  c: Context,
  counter: Counter,
  step: number,
  limit: Local,
  advance: (iterations: number) => void,
  write: () => void,
): void {
  const { f } = c;
  f.block((exit) => {
    f.get(counter.index);
    f.get(limit);
    f.op("i32.ge_s");
    f.branchIf(exit);
    again(c, counter, step, limit, advance, write);
  });
}

/** Runs `write` at least once. */
function again(
  c: Context,
  { index }: Counter,
  step: number,
  limit: Local,
  advance: (iterations: number) => void,
  write: () => void,
): void {
  const { f } = c;
  f.loop((start) => {
    c.scoped(write);
    advance(step);
    f.get(index);
    f.i32(step);
    f.op("i32.add");
    f.tee(index);
    f.get(limit);
    f.op("i32.lt_s");
    f.branchIf(start);
  });
}

/**
 * Note [Order of a reduction]: in vector code iteration k of a block of `main` goes to partial result k mod `main`; these are
 * combined in halves, down to one vector, which takes the blocks of `tail` iterations that are left; its lanes are combined
 * in halves, and the last iterations follow one by one. In scalar code iterations follow one by one. So the order depends on
 * the kernel and the extent, never on addresses or threads.
 */
function emitReduction(c: Context, s: Of<"reduce">): void {
  const { f, graph } = c;
  c.invalidate(graph.varBit(s.id));
  const variant = graph.effects([s]);
  if (inLanes(c, s.id)) return reduceInLanes(c, s, variant);
  const { lanes } = c;
  c.lanes = null;
  const type = s.init.type;
  const result = c.local(valType(type));
  pushScalar(c, s.init);
  f.set(result);
  const value: readonly Stmt[] = [{ kind: "let", id: s.id, value: s.value }];
  const scalarStep = (): void => {
    f.get(result);
    pushScalar(c, s.value);
    binaryOp(c, s.combine, type);
    f.set(result);
  };
  withCounter(c, s.loop, s.extent, variant, undefined, (counter) => {
    const plan = planReduction(graph, s);
    if (plan === null) return serialLoop(c, counter, s.loop, value, variant, scalarStep);
    c.lanes = { loop: s.loop, count: plan.tail, ...plan };
    withStreams(c, s.loop, value, variant, (advance) => {
      hoist(c, value, variant);
      vectorReduction(c, s, plan, counter, advance, result);
      c.lanes = null;
      iterate(c, counter, 1, counter.end, advance, scalarStep);
    });
  });
  c.bindings.set(s.id, result);
  c.lanes = lanes;
}

function vectorReduction(
  c: Context,
  s: Of<"reduce">,
  plan: Plan,
  counter: Counter,
  advance: (iterations: number) => void,
  result: Local,
): void {
  const { f } = c;
  const type = s.init.type;
  const width = type === "bool" ? plan.maskWidth : bitsOf(type);
  const count = (iterations: number): number => (iterations * width) / 128;
  const partial: Local[] = [];
  for (let part = 0; part < count(plan.main); part++) {
    const local = c.local("v128");
    pushVector(c, s.init, 0);
    f.set(local);
    partial.push(local);
  }
  // Note [Extrema of floats]: of the instructions for min and max, those that pass NaN on are slow. So the fast ones run, and
  // what was NaN is gathered in a mask.
  const watched = (s.combine === "min" || s.combine === "max") && (type === "f32" || type === "f64") ? type : null;
  const combine = watched === null ? s.combine : s.combine === "min" ? "pmin" : "pmax";
  const unordered = watched === null ? null : c.local("v128");
  if (unordered !== null) {
    f.get(c.constantVector("i32 0", () => splatZero(c)));
    f.set(unordered);
  }
  const step = (parts: number) => (): void => {
    partial.slice(0, parts).forEach((local, part) => {
      if (unordered === null) {
        combineVectors(c, combine, type, local, () => pushVector(c, s.value, part, width));
      } else {
        const value = vectorLocal(c, s.value, part, width);
        f.get(value);
        f.get(value);
        f.op(`${type === "f32" ? "f32x4" : "f64x2"}.ne`);
        f.get(unordered);
        f.op("v128.or");
        f.set(unordered);
        combineVectors(c, combine, type, local, () => f.get(value));
      }
      f.set(local);
    });
  };
  const fold = (to: number): void => {
    while (partial.length > to) {
      const half = partial.length / 2;
      partial.splice(half).forEach((upper, k) => {
        const lower = partial[k];
        if (lower === undefined) return;
        combineVectors(c, combine, type, lower, () => f.get(upper));
        f.set(lower);
      });
    }
  };
  if (plan.main > plan.tail) {
    blocks(c, counter, s.loop, plan, plan.main, advance, step(count(plan.main)));
    fold(count(plan.tail));
  }
  blocks(c, counter, s.loop, plan, plan.tail, advance, step(count(plan.tail)));
  fold(1);
  const [last] = partial;
  if (last !== undefined) combineLanes(c, combine, type, last, result);
  if (watched === null || unordered === null) return;
  if (watched === "f32") f.f32(NaN);
  else f.f64(NaN);
  f.get(result);
  f.get(unordered);
  f.op("v128.any_true");
  f.select(watched);
  f.set(result);
}

function splatZero(c: Context): void {
  c.f.i32(0);
  c.f.op("i32x4.splat");
}

/** Combines the lanes of a vector into a scalar local. */
function combineLanes(c: Context, combine: Combine, type: Type, vector: Local, result: Local): void {
  const { f } = c;
  if (type === "bool") {
    const every = combine === "and" || combine === "mul" || combine === "min" || combine === "pmin";
    f.get(vector);
    f.op(every ? "i8x16.all_true" : "v128.any_true");
    return f.set(result);
  }
  for (let lanes = 128 / bitsOf(type) / 2; lanes >= 1; lanes /= 2) {
    const bytes = (lanes * bitsOf(type)) / 8;
    combineVectors(c, combine, type, vector, () => {
      f.get(vector);
      f.get(vector);
      f.shuffle(Array.from({ length: 16 }, (_, k) => (k + bytes) % 16));
    });
    f.set(vector);
  }
  f.get(vector);
  f.lane(`${shapes[type]}.extract_lane`, 0);
  f.set(result);
}

/** A reduction for every lane of the block around it: each part has a partial result of its own. */
function reduceInLanes(c: Context, s: Of<"reduce">, variant: bigint): void {
  const { f } = c;
  const type = s.init.type;
  const width = c.widthOf(type);
  const results: Local[] = [];
  for (let part = 0; part < c.parts(width); part++) {
    pushVector(c, s.init, part);
    const local = c.local("v128");
    f.set(local);
    results.push(local);
  }
  const value: readonly Stmt[] = [{ kind: "let", id: s.id, value: s.value }];
  withCounter(c, s.loop, s.extent, variant, undefined, (counter) => {
    serialLoop(c, counter, s.loop, value, variant, () => {
      results.forEach((local, part) => {
        combineVectors(c, s.combine, type, local, () => pushVector(c, s.value, part));
        f.set(local);
      });
    });
  });
  c.bindings.set(s.id, results);
}
