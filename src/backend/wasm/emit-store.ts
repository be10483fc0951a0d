/**
 * Vector stores: whole parts where lanes are neighbours in memory, lane by lane elsewhere.
 */
import type { Expr } from "../../ir/expr.ts";
import type { Context, Width } from "./emit-context.ts";
import { isContiguous, lanesOf, pushLaneAddress } from "./emit-load.ts";
import { pushAddress, storeOp } from "./emit-scalar.ts";
import { storageShift } from "./emit-storage.ts";
import { pushLane, pushVector } from "./emit-vector.ts";

/** Stores a part of a value, varying or not, at an index that varies. */
export function storeVector(c: Context, buffer: number, index: Expr, value: Expr, part: number, width: Width): void {
  const { f } = c;
  const storage = c.storage(buffer);
  if (!isContiguous(c, index)) return scatter(c, buffer, index, value, part, width);
  pushAddress(c, buffer, index);
  pushVector(c, value, part, width);
  const offset = (part * lanesOf(width)) << storageShift[storage];
  switch (storage) {
    case "i32":
    case "i64":
    case "f32":
    case "f64":
      return f.access("v128.store", offset);
    case "i16":
    case "u16":
      andEach(c, 0xffff);
      narrowPair(c, "i16x8.narrow_i32x4_u");
      return f.laneAccess("v128.store64_lane", 0, offset);
    case "i8":
    case "u8":
      andEach(c, 0xff);
      narrowPair(c, "i16x8.narrow_i32x4_u");
      narrowPair(c, "i8x16.narrow_i16x8_u");
      return f.laneAccess("v128.store32_lane", 0, offset);
    case "bool":
      // Narrowing with signs keeps masks.
      if (width === 64) narrowPair(c, "i32x4");
      narrowPair(c, "i16x8.narrow_i32x4_s");
      narrowPair(c, "i8x16.narrow_i16x8_s");
      andEach(c, 0x01010101);
      return f.laneAccess(width === 64 ? "v128.store16_lane" : "v128.store32_lane", 0, offset);
  }
}

function andEach(c: Context, mask: number): void {
  c.f.get(
    c.constantVector(`i32 ${mask}`, () => {
      c.f.i32(mask);
      c.f.op("i32x4.splat");
    }),
  );
  c.f.op("v128.and");
}

/** Narrows the vector on the stack, in both halves of the result. */
function narrowPair(c: Context, op: string): void {
  const { f } = c;
  const wide = f.local("v128");
  f.tee(wide);
  f.get(wide);
  f.release(wide);
  if (op === "i32x4") f.shuffle([0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11]);
  else f.op(op);
}

function scatter(c: Context, buffer: number, index: Expr, value: Expr, part: number, width: Width): void {
  const storage = c.storage(buffer);
  const stride = c.laneStride(index);
  const each = lanesOf(width);
  for (let k = 0; k < each; k++) {
    const lane = part * each + k;
    pushLaneAddress(c, buffer, index, stride, lane, pushLane);
    pushLane(c, value, lane);
    storeOp(c, storage);
  }
}
