/**
 * What is done once before a loop: invariant values are computed, and addresses that move by a fixed step get pointers.
 */
import { E, type Expr, operands } from "../../ir/expr.ts";
import type { Stmt } from "../../ir/kernel.ts";
import type { Context, Stream } from "./emit-context.ts";
import { pushScalar, scalarLocal } from "./emit-scalar.ts";
import { storageShift } from "./emit-storage.ts";
import { vectorLocal } from "./emit-vector.ts";

interface Access {
  readonly buffer: number;
  readonly index: Expr;
}

function expressionsOf(s: Stmt): readonly Expr[] {
  switch (s.kind) {
    case "loop":
      return [s.extent];
    case "let":
    case "var":
    case "assign":
      return [s.value];
    case "reduce":
      return [s.extent, s.init, s.value];
    case "store":
      return [s.index, s.value];
    case "if":
      return [s.cond];
    case "guard":
      return [s.cond, s.status];
  }
}

/** The loads and stores in a body without inner loops, or null if it has any. */
function directAccesses(body: readonly Stmt[]): readonly Access[] | null {
  const found: Access[] = [];
  const seen = new Set<Expr>();
  const visit = (e: Expr): void => {
    if (seen.has(e)) return;
    seen.add(e);
    if (e.kind === "load") found.push(e);
    operands(e).forEach(visit);
  };
  const statements = (list: readonly Stmt[]): boolean =>
    list.every((s) => {
      if (s.kind === "loop" || s.kind === "reduce") return false;
      expressionsOf(s).forEach(visit);
      if (s.kind === "store") found.push(s);
      return s.kind !== "if" || (statements(s.then) && statements(s.else ?? []));
    });
  return statements(body) ? found : null;
}

/**
 * Gives each access of an innermost loop that moves by a fixed step a pointer of its own, while `write` runs. `advance` moves
 * them all by a number of iterations.
 */
export function withStreams(
  c: Context,
  loop: number,
  body: readonly Stmt[],
  variant: bigint,
  write: (advance: (iterations: number) => void) => void,
): void {
  const { f, graph } = c;
  const streams = new Map<Expr, Stream>();
  for (const { buffer, index } of directAccesses(body) ?? []) {
    const address = c.address(buffer, index);
    if (streams.has(address)) continue;
    const stride = graph.stride(index, loop, (e) => (graph.deps(e) & variant) === 0n);
    if (stride === null || (stride.kind === "const" && stride.value === 0)) continue;
    if (c.varies(stride) || (c.lanes !== null && c.laneStride(index) === null)) continue;
    const pointer = c.local("i32");
    const bytes = graph.intern(E.shl(stride, storageShift[c.storage(buffer)]));
    const step = bytes.kind === "const" ? Number(bytes.value) : scalarLocal(c, bytes);
    // In a scope of its own: what is computed here holds for the first iteration only.
    c.scoped(() => {
      pushScalar(c, address);
      f.set(pointer);
    });
    streams.set(address, { pointer, step });
  }
  const outer = c.streams;
  c.streams = streams;
  write((iterations) => {
    for (const { pointer, step } of streams.values()) {
      f.get(pointer);
      if (typeof step === "number") {
        f.i32(step * iterations);
      } else {
        f.get(step);
        if (iterations > 1) {
          f.i32(iterations);
          f.op("i32.mul");
        }
      }
      f.op("i32.add");
      f.set(pointer);
    }
  });
  c.streams = outer;
}

/**
 * Computes, before a loop whose iterations change `variant`, what its body uses that does not change. Loads are hoisted only
 * from where every iteration runs them: a loop inside may run no iteration, and then an address may be out of range.
 * (No other operation can fail; see Note [Integer division].)
 */
export function hoist(c: Context, body: readonly Stmt[], variant: bigint): void {
  const { graph } = c;
  const seen = new Set<Expr>();

  const compute = (e: Expr, inLanes: boolean): void => {
    if (inLanes && c.varies(e)) {
      for (let part = 0; part < c.parts(c.widthOf(e.type)); part++) vectorLocal(c, e, part);
      return;
    }
    if (operands(e).length > 0) scalarLocal(c, e);
    if (inLanes) vectorLocal(c, e, 0);
  };

  const visit = (e: Expr, inLanes: boolean, certain: boolean): void => {
    if (e.kind === "const") return;
    if ((graph.deps(e) & variant) === 0n) {
      if (e.kind === "var" && c.varies(e)) return;
      if (certain || !graph.loads(e)) return compute(e, inLanes);
    }
    if (seen.has(e)) return;
    seen.add(e);
    if (e.kind === "load") return access(e, certain);
    const varies = inLanes && c.varies(e);
    if (e.kind === "binary" && (e.op === "shl" || e.op === "shr" || e.op === "shru")) {
      visit(e.a, varies, certain);
      return visit(e.b, varies && c.varies(e.b), certain);
    }
    for (const x of operands(e)) visit(x, varies, certain);
  };

  const access = ({ buffer, index }: Access, certain: boolean): void => {
    const address = c.address(buffer, index);
    if (c.streams.has(address)) return;
    if (c.lanes === null || !c.varies(index)) return visit(address, false, certain);
    const stride = c.laneStride(index);
    if (stride === null) return visit(index, true, certain);
    visit(address, false, certain);
    visit(stride, false, certain);
  };

  const statements = (list: readonly Stmt[], from: boolean): void => {
    let certain = from;
    for (const s of list) {
      switch (s.kind) {
        case "loop":
          visit(s.extent, false, certain);
          statements(s.body, false);
          break;
        case "reduce":
          visit(s.extent, false, certain);
          visit(s.init, c.varies(s.init), certain);
          visit(s.value, c.lanes !== null, false);
          break;
        case "let":
        case "var":
        case "assign":
          visit(s.value, c.lanes !== null && (c.lanes.varying & graph.varBit(s.id)) !== 0n, certain);
          break;
        case "store":
          visit(s.value, c.varies(s.index), certain);
          access(s, certain);
          break;
        case "if":
          visit(s.cond, false, certain);
          statements(s.then, false);
          statements(s.else ?? [], false);
          break;
        case "guard":
          visit(s.cond, false, certain);
          visit(s.status, false, certain);
          // What follows runs only where the guard holds.
          certain = false;
          break;
      }
    }
  };
  statements(body, true);
}
