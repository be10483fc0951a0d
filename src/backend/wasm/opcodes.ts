/**
 * The WebAssembly instructions that the assembler knows: name, encoding and signature. A signature is written with one
 * letter per value: i = i32, l = i64, f = f32, d = f64, v = v128, operands before `>` and the result after.
 */

export type ValType = "i32" | "i64" | "f32" | "f64" | "v128";

export interface Instruction {
  readonly name: string;
  /** Prefix byte (0 when there is none) and number. */
  readonly prefix: number;
  readonly code: number;
  readonly operands: readonly ValType[];
  readonly result: ValType | null;
}

const letters: Readonly<Record<string, ValType>> = { i: "i32", l: "i64", f: "f32", d: "f64", v: "v128" };

/** Names of consecutive codes from `first`, all of one signature. `-` skips a code. */
type Group = readonly [signature: string, prefix: number, first: number, names: string];

const prefixed = (shape: string, names: string): string =>
  names
    .split(" ")
    .map((name) => (name === "-" ? "-" : `${shape}.${name}`))
    .join(" ");

const integerCompare = "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u";
const floatCompare = "eq ne lt gt le ge";
const integerBinary = "add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr";
const floatUnary = "abs neg ceil floor trunc nearest sqrt";
const floatBinary = "add sub mul div min max copysign";

const plain = 0;
const saturating = 0xfc;
const simd = 0xfd;

/** Instructions without immediates. */
const groups: readonly Group[] = [
  ["i>i", plain, 0x45, "i32.eqz"],
  ["ii>i", plain, 0x46, prefixed("i32", integerCompare)],
  ["l>i", plain, 0x50, "i64.eqz"],
  ["ll>i", plain, 0x51, prefixed("i64", integerCompare)],
  ["ff>i", plain, 0x5b, prefixed("f32", floatCompare)],
  ["dd>i", plain, 0x61, prefixed("f64", floatCompare)],
  ["i>i", plain, 0x67, prefixed("i32", "clz ctz popcnt")],
  ["ii>i", plain, 0x6a, prefixed("i32", integerBinary)],
  ["l>l", plain, 0x79, prefixed("i64", "clz ctz popcnt")],
  ["ll>l", plain, 0x7c, prefixed("i64", integerBinary)],
  ["f>f", plain, 0x8b, prefixed("f32", floatUnary)],
  ["ff>f", plain, 0x92, prefixed("f32", floatBinary)],
  ["d>d", plain, 0x99, prefixed("f64", floatUnary)],
  ["dd>d", plain, 0xa0, prefixed("f64", floatBinary)],
  ["l>i", plain, 0xa7, "i32.wrap_i64"],
  ["i>l", plain, 0xac, "i64.extend_i32_s i64.extend_i32_u"],
  ["i>f", plain, 0xb2, "f32.convert_i32_s f32.convert_i32_u"],
  ["l>f", plain, 0xb4, "f32.convert_i64_s f32.convert_i64_u"],
  ["d>f", plain, 0xb6, "f32.demote_f64"],
  ["i>d", plain, 0xb7, "f64.convert_i32_s f64.convert_i32_u"],
  ["l>d", plain, 0xb9, "f64.convert_i64_s f64.convert_i64_u"],
  ["f>d", plain, 0xbb, "f64.promote_f32"],
  ["f>i", plain, 0xbc, "i32.reinterpret_f32"],
  ["d>l", plain, 0xbd, "i64.reinterpret_f64"],
  ["i>f", plain, 0xbe, "f32.reinterpret_i32"],
  ["l>d", plain, 0xbf, "f64.reinterpret_i64"],
  ["i>i", plain, 0xc0, "i32.extend8_s i32.extend16_s"],

  ["f>i", saturating, 0, "i32.trunc_sat_f32_s i32.trunc_sat_f32_u"],
  ["d>i", saturating, 2, "i32.trunc_sat_f64_s i32.trunc_sat_f64_u"],
  ["f>l", saturating, 4, "i64.trunc_sat_f32_s i64.trunc_sat_f32_u"],
  ["d>l", saturating, 6, "i64.trunc_sat_f64_s i64.trunc_sat_f64_u"],

  ["vv>v", simd, 0x0e, "i8x16.swizzle"],
  ["i>v", simd, 0x0f, "i8x16.splat i16x8.splat i32x4.splat"],
  ["l>v", simd, 0x12, "i64x2.splat"],
  ["f>v", simd, 0x13, "f32x4.splat"],
  ["d>v", simd, 0x14, "f64x2.splat"],
  ["vv>v", simd, 0x23, prefixed("i8x16", integerCompare)],
  ["vv>v", simd, 0x2d, prefixed("i16x8", integerCompare)],
  ["vv>v", simd, 0x37, prefixed("i32x4", integerCompare)],
  ["vv>v", simd, 0x41, prefixed("f32x4", floatCompare)],
  ["vv>v", simd, 0x47, prefixed("f64x2", floatCompare)],
  ["v>v", simd, 0x4d, "v128.not"],
  ["vv>v", simd, 0x4e, prefixed("v128", "and andnot or xor")],
  ["vvv>v", simd, 0x52, "v128.bitselect"],
  ["v>i", simd, 0x53, "v128.any_true"],
  ["v>v", simd, 0x5e, "f32x4.demote_f64x2_zero f64x2.promote_low_f32x4"],
  ["v>v", simd, 0x60, prefixed("i8x16", "abs neg")],
  ["v>i", simd, 0x63, prefixed("i8x16", "all_true bitmask")],
  ["vv>v", simd, 0x65, prefixed("i8x16", "narrow_i16x8_s narrow_i16x8_u")],
  ["v>v", simd, 0x67, prefixed("f32x4", "ceil floor trunc nearest")],
  ["v>v", simd, 0x74, prefixed("f64x2", "ceil floor")],
  ["v>v", simd, 0x7a, "f64x2.trunc"],
  ["vv>v", simd, 0x85, prefixed("i16x8", "narrow_i32x4_s narrow_i32x4_u")],
  [
    "v>v",
    simd,
    0x87,
    prefixed("i16x8", "extend_low_i8x16_s extend_high_i8x16_s extend_low_i8x16_u extend_high_i8x16_u"),
  ],
  ["v>v", simd, 0x94, "f64x2.nearest"],
  ["v>v", simd, 0xa0, prefixed("i32x4", "abs neg")],
  ["v>i", simd, 0xa3, prefixed("i32x4", "all_true bitmask")],
  [
    "v>v",
    simd,
    0xa7,
    prefixed("i32x4", "extend_low_i16x8_s extend_high_i16x8_s extend_low_i16x8_u extend_high_i16x8_u"),
  ],
  ["vi>v", simd, 0xab, prefixed("i32x4", "shl shr_s shr_u")],
  ["vv>v", simd, 0xae, "i32x4.add"],
  ["vv>v", simd, 0xb1, "i32x4.sub"],
  ["vv>v", simd, 0xb5, prefixed("i32x4", "mul min_s min_u max_s max_u")],
  ["v>v", simd, 0xc0, prefixed("i64x2", "abs neg")],
  ["v>i", simd, 0xc3, prefixed("i64x2", "all_true bitmask")],
  [
    "v>v",
    simd,
    0xc7,
    prefixed("i64x2", "extend_low_i32x4_s extend_high_i32x4_s extend_low_i32x4_u extend_high_i32x4_u"),
  ],
  ["vi>v", simd, 0xcb, prefixed("i64x2", "shl shr_s shr_u")],
  ["vv>v", simd, 0xce, "i64x2.add"],
  ["vv>v", simd, 0xd1, "i64x2.sub"],
  ["vv>v", simd, 0xd5, prefixed("i64x2", "mul eq ne lt_s gt_s le_s ge_s")],
  ["v>v", simd, 0xe0, prefixed("f32x4", "abs neg - sqrt")],
  ["vv>v", simd, 0xe4, prefixed("f32x4", "add sub mul div min max pmin pmax")],
  ["v>v", simd, 0xec, prefixed("f64x2", "abs neg - sqrt")],
  ["vv>v", simd, 0xf0, prefixed("f64x2", "add sub mul div min max pmin pmax")],
  ["v>v", simd, 0xf8, "i32x4.trunc_sat_f32x4_s i32x4.trunc_sat_f32x4_u f32x4.convert_i32x4_s f32x4.convert_i32x4_u"],
  ["v>v", simd, 0xfc, "i32x4.trunc_sat_f64x2_s_zero i32x4.trunc_sat_f64x2_u_zero"],
  ["v>v", simd, 0xfe, "f64x2.convert_low_i32x4_s f64x2.convert_low_i32x4_u"],

  // relaxed SIMD
  ["vvv>v", simd, 0x105, "f32x4.relaxed_madd f32x4.relaxed_nmadd f64x2.relaxed_madd f64x2.relaxed_nmadd"],
  ["vvv>v", simd, 0x109, prefixed("i8x16", "relaxed_laneselect")],
  ["vvv>v", simd, 0x10b, "i32x4.relaxed_laneselect i64x2.relaxed_laneselect"],
];

/** Memory accesses: one immediate, the offset (alignment hints are all "none"). */
const accesses: readonly Group[] = [
  ["i>i", plain, 0x28, "i32.load"],
  ["i>l", plain, 0x29, "i64.load"],
  ["i>f", plain, 0x2a, "f32.load"],
  ["i>d", plain, 0x2b, "f64.load"],
  ["i>i", plain, 0x2c, prefixed("i32", "load8_s load8_u load16_s load16_u")],
  ["ii>", plain, 0x36, "i32.store"],
  ["il>", plain, 0x37, "i64.store"],
  ["if>", plain, 0x38, "f32.store"],
  ["id>", plain, 0x39, "f64.store"],
  ["ii>", plain, 0x3a, "i32.store8 i32.store16"],
  ["i>v", simd, 0x00, prefixed("v128", "load load8x8_s load8x8_u load16x4_s load16x4_u load32x2_s load32x2_u")],
  ["i>v", simd, 0x07, prefixed("v128", "load8_splat load16_splat load32_splat load64_splat")],
  ["iv>", simd, 0x0b, "v128.store"],
  ["i>v", simd, 0x5c, prefixed("v128", "load32_zero load64_zero")],
];

/** One immediate: the lane. */
const lanes: readonly Group[] = [
  ["v>i", simd, 0x1b, "i32x4.extract_lane"],
  ["vi>v", simd, 0x1c, "i32x4.replace_lane"],
  ["v>l", simd, 0x1d, "i64x2.extract_lane"],
  ["vl>v", simd, 0x1e, "i64x2.replace_lane"],
  ["v>f", simd, 0x1f, "f32x4.extract_lane"],
  ["vf>v", simd, 0x20, "f32x4.replace_lane"],
  ["v>d", simd, 0x21, "f64x2.extract_lane"],
  ["vd>v", simd, 0x22, "f64x2.replace_lane"],
];

/** Two immediates: offset and lane. */
const laneAccesses: readonly Group[] = [
  ["iv>v", simd, 0x54, prefixed("v128", "load8_lane load16_lane load32_lane load64_lane")],
  ["iv>", simd, 0x58, prefixed("v128", "store8_lane store16_lane store32_lane store64_lane")],
];

function table(list: readonly Group[]): ReadonlyMap<string, Instruction> {
  const found = new Map<string, Instruction>();
  for (const [signature, prefix, first, names] of list) {
    const [before = "", after = ""] = signature.split(">");
    const operands = [...before].map((letter) => letters[letter] ?? "i32");
    const result = letters[after] ?? null;
    names.split(" ").forEach((name, k) => {
      if (name !== "-") found.set(name, { name, prefix, code: first + k, operands, result });
    });
  }
  return found;
}

export const instructions: {
  readonly plain: ReadonlyMap<string, Instruction>;
  readonly access: ReadonlyMap<string, Instruction>;
  readonly lane: ReadonlyMap<string, Instruction>;
  readonly laneAccess: ReadonlyMap<string, Instruction>;
} = { plain: table(groups), access: table(accesses), lane: table(lanes), laneAccess: table(laneAccesses) };
