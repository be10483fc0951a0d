/**
 * The 16-bit floating types as bit patterns. Narrowing rounds to nearest, ties to even, in one step from the given number,
 * so it is exact for any float32 or float64 value.
 */

const word = new Uint32Array(1);
const single = new Float32Array(word.buffer);

function singleOf(bits: number): number {
  word[0] = bits;
  return single[0] as number;
}

function bitsOf(x: number): number {
  single[0] = x;
  return word[0] as number;
}

/** Rounds to an integer, ties to even. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0);
  const y = up ? floor + 1 : floor;
  return y === 0 ? (x < 0 || Object.is(x, -0) ? -0 : 0) : y;
}

/** The value of a float16 bit pattern. */
export function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The float16 bit pattern nearest to a number. */
export function float16Bits(x: number): number {
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const a = Math.abs(x);
  if (!(a < 65520)) return Number.isNaN(x) ? 0x7e00 : sign | 0x7c00;
  if (a < 2 ** -14) return sign | roundHalfEven(a * 2 ** 24);
  // For a normal number below 65520 the exponent of its float32 neighbour toward zero is its own; the carry of the
  // rounding runs from the fraction into the exponent by itself.
  let exponent = (bitsOf(a) >>> 23) - 127;
  if (2 ** exponent > a) exponent -= 1;
  return sign | (((exponent + 14) << 10) + roundHalfEven(a * 2 ** (10 - exponent)));
}

/** The value of a bfloat16 bit pattern. */
export function bfloat16Value(bits: number): number {
  return singleOf(bits << 16);
}

/** The bfloat16 bit pattern nearest to a number. */
export function bfloat16Bits(x: number): number {
  if (Number.isNaN(x)) return 0x7fc0;
  let bits = bitsOf(x);
  // Rounding in two steps is wrong only where the first lands exactly on a tie: there, look at what it dropped.
  if ((bits & 0xffff) === 0x8000 && Math.abs(x) !== Math.abs(singleOf(bits))) {
    return Math.abs(x) > Math.abs(singleOf(bits)) ? (bits >>> 16) + 1 : bits >>> 16;
  }
  bits += 0x7fff + ((bits >>> 16) & 1);
  return (bits >>> 16) & 0xffff;
}
