/**
 * Packing: copies a block of a matrix into panels, in the order in which the tiles read it.
 *
 * A panel holds `width` vectors for each step of k, one step after the other: for B the columns of a tile, for A its rows.
 * In the matrix those elements are either consecutive (B as it is, A transposed), and packing copies, or a leading dimension
 * apart (B transposed, A as it is), and packing transposes. The last panel is padded with zeros, which come out
 * in columns that nobody looks at: what the room held before could be subnormal numbers, slow on some machines.
 */
import type { Emitter, Int, IntVariable, Vector, VectorVariable } from "./gemm-emitter.ts";

function copyElement(e: Emitter, to: Int, toOffset: number, from: Int, fromOffset = 0): void {
  e.storeLane(to, toOffset, e.loadFirst(1, from, fromOffset), 0);
}

/**
 * Panels of elements that are consecutive in the matrix. Parameters: from, stride between steps of k in bytes, to,
 * number of elements n, k.
 */
export function emitPackCopy(e: Emitter, width: number): void {
  const { bytes, lanes } = e.element;
  const [from, stride, to, n, k] = e.parameters(5);
  const [at, left, panelBytes, i] = [e.int(), e.int(), e.int(), e.int()];
  e.set(panelBytes, e.mul(k, 16 * width));

  // Four vectors side by side are a cache line: as many panels at once, so that each line is read once.
  const copyPanels = (panels: number): void => {
    const perPass = panels * width;
    const targets: IntVariable[] = [to];
    for (let p = 1; p < panels; p++) targets.push(e.int());
    const values = e.vectors(perPass);
    e.whileTrue(e.atLeast(n, perPass * lanes), () => {
      e.set(at, from);
      e.set(left, k);
      for (let p = 1; p < panels; p++) {
        e.set(targets[p] as IntVariable, e.add(targets[p - 1] as IntVariable, panelBytes));
      }
      e.countDown(left, 1, () => {
        values.forEach((value, v) => e.set(value, e.load(at, 16 * v)));
        values.forEach((value, v) => {
          e.store(targets[Math.floor(v / width)] as IntVariable, 16 * (v % width), value);
        });
        e.increment(at, stride);
        for (const target of targets) e.increment(target, 16 * width);
      });
      // The first pointer has gone through its panel; skip the others.
      e.increment(to, e.mul(panelBytes, panels - 1));
      e.increment(from, 16 * perPass);
      e.decrement(n, perPass * lanes);
    });
  };
  copyPanels(4 / width);
  if (width < 4) copyPanels(1);

  e.when(e.atLeast(n, 1), () => {
    const source = e.int();
    const target = e.int();
    e.countDown(k, 1, () => {
      for (let v = 0; v < width; v++) e.store(to, 16 * v, e.zero());
      e.set(source, from);
      e.set(target, to);
      e.set(i, n);
      e.countDown(i, 1, () => {
        copyElement(e, target, 0, source);
        e.increment(source, bytes);
        e.increment(target, bytes);
      });
      e.increment(from, stride);
      e.increment(to, 16 * width);
    });
  });
}

/** The rows of a square of `rows.length` lanes become its columns. */
function transpose(e: Emitter, rows: readonly VectorVariable[]): Vector[] {
  const [r0, r1, r2, r3] = rows as [VectorVariable, VectorVariable, VectorVariable, VectorVariable];
  if (rows.length === 2) return [e.interleave("low", r0, r1), e.interleave("high", r0, r1)];
  const pairs = e.vectors(4) as [VectorVariable, VectorVariable, VectorVariable, VectorVariable];
  e.set(pairs[0], e.interleave("low", r0, r1));
  e.set(pairs[1], e.interleave("low", r2, r3));
  e.set(pairs[2], e.interleave("high", r0, r1));
  e.set(pairs[3], e.interleave("high", r2, r3));
  return [
    e.interleave("low", pairs[0], pairs[1], 8),
    e.interleave("high", pairs[0], pairs[1], 8),
    e.interleave("low", pairs[2], pairs[3], 8),
    e.interleave("high", pairs[2], pairs[3], 8),
  ];
}

/**
 * Panels of elements that are a stride apart in the matrix, where steps of k are consecutive. Parameters: from, stride
 * between elements in bytes, to, number of elements n, k.
 */
export function emitPackTranspose(e: Emitter, width: number): void {
  const { bytes, lanes } = e.element;
  const [from, stride, to, n, k] = e.parameters(5);
  const [target, left, i, source] = [e.int(), e.int(), e.int(), e.int()];
  const pointers = Array.from({ length: lanes }, () => e.int());
  const rows = e.vectors(lanes);
  const step = 16 * width;

  /** One vector of the panel for all k. */
  const slot = (v: number): void => {
    pointers.forEach((pointer, r) => {
      e.set(pointer, r === 0 ? from : e.add(pointers[r - 1] as IntVariable, stride));
    });
    e.set(target, e.add(to, 16 * v));
    e.set(left, k);
    e.whileTrue(e.atLeast(left, lanes), () => {
      rows.forEach((row, r) => e.set(row, e.load(pointers[r] as IntVariable)));
      transpose(e, rows).forEach((column, c) => e.store(target, step * c, column));
      for (const pointer of pointers) e.increment(pointer, 16);
      e.increment(target, step * lanes);
      e.decrement(left, lanes);
    });
    e.whileTrue(e.atLeast(left, 1), () => {
      pointers.forEach((pointer, r) => {
        copyElement(e, target, bytes * r, pointer);
        e.increment(pointer, bytes);
      });
      e.increment(target, step);
      e.decrement(left, 1);
    });
    e.set(from, e.add(pointers[lanes - 1] as IntVariable, e.sub(stride, e.mul(k, bytes))));
    e.decrement(n, lanes);
  };

  /** The same with the n < lanes elements that are left, perhaps none. */
  const partialSlot = (v: number): void => {
    e.set(source, from);
    e.set(target, e.add(to, 16 * v));
    e.set(left, k);
    e.countDown(left, 1, () => {
      e.store(target, 0, e.zero());
      const [element, lane] = [pointers[0] as IntVariable, pointers[1] as IntVariable];
      e.set(element, source);
      e.set(lane, target);
      e.set(i, n);
      e.whileTrue(e.atLeast(i, 1), () => {
        copyElement(e, lane, 0, element);
        e.increment(element, stride);
        e.increment(lane, bytes);
        e.decrement(i, 1);
      });
      e.increment(source, bytes);
      e.increment(target, step);
    });
    e.set(n, e.constant(0));
  };

  e.whileTrue(e.atLeast(n, 1), () => {
    for (let v = 0; v < width; v++) {
      e.when(
        e.atLeast(n, lanes),
        () => slot(v),
        () => partialSlot(v),
      );
    }
    e.increment(to, e.mul(k, step));
  });
}
