/**
 * The Box-Muller transform of blocks of 16 uniform numbers: element j gives the radius of a pair and element j + 8 its angle.
 *
 * Note [Normal numbers bit by bit]: for float32 PyTorch uses single-precision polynomials (those of the Cephes library,
 * S. Moshier) on vectors, with fused multiply-adds. The same polynomials in the same order, each fused step rounded once, give
 * the same bits; a product of two float32 is exact in a double, so `Math.fround(a * b + c)` is a fused step. It is also
 * faster than `Math.log`, `Math.sin` and `Math.cos` in double precision.
 */

const f = Math.fround;

const twoPi = f(2 * Math.PI);
const fourOverPi = f(1.27323954473516);
/** sqrt(1/2), as a mantissa of [2^24, 2^25). */
const sqrtHalf = f(Math.SQRT1_2) * 2 ** 25;

// log(1 + x) = x - x^2/2 + x^3 P(x) for 1 + x in [sqrt(1/2), sqrt(2)).
const l0 = f(7.0376836292e-2);
const l1 = f(-1.151461031e-1);
const l2 = f(1.167699874e-1);
const l3 = f(-1.2420140846e-1);
const l4 = f(1.4249322787e-1);
const l5 = f(-1.6668057665e-1);
const l6 = f(2.0000714765e-1);
const l7 = f(-2.4999993993e-1);
const l8 = f(3.3333331174e-1);
/** log(2) in two parts, of which the high one is exact in few bits. */
const log2Low = f(-2.1219444e-4);
const log2High = f(0.693359375);

/** -pi/4 in three parts. */
const quarter1 = f(-0.78515625);
const quarter2 = f(-2.4187564849853515625e-4);
const quarter3 = f(-3.774894977445941e-8);
const s0 = f(-1.9515295891e-4);
const s1 = f(8.3321608736e-3);
const s2 = f(-1.6666654611e-1);
const c0 = f(2.443315711809948e-5);
const c1 = f(-1.388731625493765e-3);
const c2 = f(4.166664568298827e-2);

/** Turns the uniform numbers from `start` up to `end` (a multiple of 16 away) into normal ones, in place. */
export function fillNormalBlocks(
  data: Float32Array | Float64Array,
  start: number,
  end: number,
  mean: number,
  std: number,
): void {
  if (data instanceof Float32Array) fillFloatBlocks(data, start, end, f(mean), f(std));
  else fillDoubleBlocks(data, start, end, mean, std);
}

function fillDoubleBlocks(data: Float64Array, start: number, end: number, mean: number, std: number): void {
  for (let block = start; block < end; block += 16) {
    for (let i = block; i < block + 8; i++) {
      const radius = Math.sqrt(-2 * Math.log(1 - (data[i] as number)));
      const theta = 2 * Math.PI * (data[i + 8] as number);
      data[i] = radius * Math.cos(theta) * std + mean;
      data[i + 8] = radius * Math.sin(theta) * std + mean;
    }
  }
}

function fillFloatBlocks(data: Float32Array, start: number, end: number, mean: number, std: number): void {
  // The two polynomials are chosen from by index: a branch on random bits would be mispredicted every other time.
  const near = new Float64Array(2);
  for (let block = start; block < end; block += 16) {
    for (let i = block; i < block + 8; i++) {
      // The uniform number has 24 bits, so its complement to one is an integer of 1 to 2^24, scaled. Shifted into
      // [2^24, 2^25) it is the mantissa; below sqrt(1/2) that is doubled.
      const integer = 0x1000000 - (data[i] as number) * 0x1000000;
      const bit = 31 - Math.clz32(integer);
      const mantissa = integer << (24 - bit);
      const low = (mantissa - sqrtHalf) >>> 31;
      const exponent = bit - 23 - low;
      const x = (mantissa << low) * 2 ** -25 - 1;
      const xx = f(x * x);
      let log = f(l0 * x + l1);
      log = f(log * x + l2);
      log = f(log * x + l3);
      log = f(log * x + l4);
      log = f(log * x + l5);
      log = f(log * x + l6);
      log = f(log * x + l7);
      log = f(log * x + l8);
      log = f(log * x);
      log = f(log * xx + f(exponent * log2Low));
      log = f(xx * -0.5 + log);
      log = f(x + log);
      log = f(exponent * log2High + log);
      const radius = f(Math.sqrt(-2 * log));

      const theta = f(twoPi * (data[i + 8] as number));
      // The octant, rounded up to an even one: the angle is reduced to [-pi/4, pi/4].
      const octant = (f(theta * fourOverPi) + 1) & ~1;
      let a = f(octant * quarter1 + theta);
      a = f(octant * quarter2 + a);
      a = f(octant * quarter3 + a);
      const aa = f(a * a);
      let cos = f(c0 * aa + c1);
      cos = f(cos * aa + c2);
      cos = f(cos * aa);
      cos = f(cos * aa - aa * 0.5);
      let sin = f(s0 * aa + s1);
      sin = f(sin * aa + s2);
      sin = f(sin * aa);
      near[0] = f(cos + 1);
      near[1] = f(sin * a + a);
      const crossed = (octant >> 1) & 1;
      data[i] = f(radius * (near[crossed] as number)) * (1 - (((octant + 2) & 4) >> 1)) * std + mean;
      data[i + 8] = f(radius * (near[crossed ^ 1] as number)) * (1 - ((octant & 4) >> 1)) * std + mean;
    }
  }
}
