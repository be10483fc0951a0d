/**
 * Vector loads: whole parts where lanes are neighbours in memory, lane by lane elsewhere.
 */
import { constant, E, type Expr, type Type } from "../../ir/expr.ts";
import { type Context, shapes, type Width } from "./emit-context.ts";
import { loadOp, pushAddress, pushScalar } from "./emit-scalar.ts";
import { type Storage, storageShift } from "./emit-storage.ts";

const isOne = (e: Expr): boolean => e.kind === "const" && e.value === 1;

/** Whether neighbouring lanes find neighbouring elements. */
export function isContiguous(c: Context, index: Expr): boolean {
  const stride = c.laneStride(index);
  return stride !== null && isOne(stride);
}

/** Lanes of a part. */
export const lanesOf = (width: Width): number => 128 / width;

/** Pushes one lane of the block, given by its number there, as a scalar. */
export type PushLane = (c: Context, e: Expr, lane: number) => void;

/** Builds a part lane by lane, for what vectors cannot do; `push` gets the lane's number in the block. */
export function pushByLane(c: Context, type: Exclude<Type, "bool">, part: number, push: (lane: number) => void): void {
  const each = lanesOf(c.widthOf(type));
  push(part * each);
  c.f.op(`${shapes[type]}.splat`);
  for (let k = 1; k < each; k++) {
    push(part * each + k);
    c.f.lane(`${shapes[type]}.replace_lane`, k);
  }
}

export function pushVectorLoad(
  c: Context,
  e: Extract<Expr, { kind: "load" }>,
  part: number,
  width: Width,
  pushLane: PushLane,
): void {
  const storage = c.storage(e.buffer);
  if (!isContiguous(c, e.index)) return pushGather(c, e, storage, part, width, pushLane);
  pushAddress(c, e.buffer, e.index);
  const offset = (part * lanesOf(width)) << storageShift[storage];
  const { f } = c;
  switch (storage) {
    case "i32":
    case "i64":
    case "f32":
    case "f64":
      return f.access("v128.load", offset);
    case "i16":
      return f.access("v128.load16x4_s", offset);
    case "u16":
      return f.access("v128.load16x4_u", offset);
    case "i8":
    case "u8": {
      const sign = storage === "i8" ? "s" : "u";
      f.access("v128.load32_zero", offset);
      f.op(`i16x8.extend_low_i8x16_${sign}`);
      return f.op(`i32x4.extend_low_i16x8_${sign}`);
    }
    case "bool":
      if (width === 32) {
        f.access("v128.load32_zero", offset);
      } else {
        f.access("i32.load16_u", offset);
        f.op("i32x4.splat");
      }
      f.op("i16x8.extend_low_i8x16_u");
      f.op("i32x4.extend_low_i16x8_u");
      if (width === 64) f.op("i64x2.extend_low_i32x4_u");
      return maskOfNumbers(c, width);
  }
}

function maskOfNumbers(c: Context, width: Width): void {
  c.f.get(
    c.constantVector("i32 0", () => {
      c.f.i32(0);
      c.f.op("i32x4.splat");
    }),
  );
  c.f.op(width === 32 ? "i32x4.ne" : "i64x2.ne");
}

/**
 * Pushes the address of a lane of the block. An affine index advances by one step per lane; any other is computed in
 * lanes and taken out one by one.
 */
export function pushLaneAddress(
  c: Context,
  buffer: number,
  index: Expr,
  stride: Expr | null,
  lane: number,
  pushLane: PushLane,
): void {
  const { f } = c;
  const shift = storageShift[c.storage(buffer)];
  if (stride !== null) {
    pushAddress(c, buffer, index);
    if (lane === 0) return;
    pushScalar(c, c.graph.intern(E.shl(E.mul(stride, constant("i32", lane)), shift)));
    return f.op("i32.add");
  }
  pushLane(c, index, lane);
  if (shift > 0) {
    f.i32(shift);
    f.op("i32.shl");
  }
  f.get(c.scalarBinding(-1 - buffer));
  f.op("i32.add");
}

function pushGather(
  c: Context,
  e: Extract<Expr, { kind: "load" }>,
  storage: Storage,
  part: number,
  width: Width,
  pushLane: PushLane,
): void {
  const { f } = c;
  const stride = c.laneStride(e.index);
  const first = part * lanesOf(width);
  if (storage === "bool") {
    pushByLane(c, width === 32 ? "i32" : "i64", part, (lane) => {
      pushLaneAddress(c, e.buffer, e.index, stride, lane, pushLane);
      f.access("i32.load8_u");
      if (width === 64) f.op("i64.extend_i32_u");
    });
    return maskOfNumbers(c, width);
  }
  if (storageShift[storage] < 2) {
    return pushByLane(c, "i32", part, (lane) => {
      pushLaneAddress(c, e.buffer, e.index, stride, lane, pushLane);
      loadOp(c, storage);
    });
  }
  const made = f.local("v128");
  pushLaneAddress(c, e.buffer, e.index, stride, first, pushLane);
  f.access(`v128.load${width}_zero`);
  for (let k = 1; k < lanesOf(width); k++) {
    f.set(made);
    pushLaneAddress(c, e.buffer, e.index, stride, first + k, pushLane);
    f.get(made);
    f.laneAccess(`v128.load${width}_lane`, k);
  }
  f.release(made);
}
