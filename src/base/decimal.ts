/**
 * The text of numbers as Python and C++ write it. JavaScript's own conversions round exact ties away from zero, where the others
 * round to the even digit (`0.03125` to four digits is 0.0312), drop the sign of -0, and give up beyond 1e21 or 100 digits.
 */

const bits = new DataView(new ArrayBuffer(8));

/** A finite |x| as an exact fraction of integers. */
function fraction(x: number): [num: bigint, den: bigint] {
  bits.setFloat64(0, Math.abs(x));
  const word = bits.getBigUint64(0);
  const biased = Number(word >> 52n);
  const mantissa = biased === 0 ? word : (word & 0xfffffffffffffn) | 0x10000000000000n;
  const exponent = Math.max(biased, 1) - 1075;
  return exponent >= 0 ? [mantissa << BigInt(exponent), 1n] : [mantissa, 1n << BigInt(-exponent)];
}

/** num/den to the nearest integer, ties to even. */
function roundHalfEven(num: bigint, den: bigint): bigint {
  const q = num / den;
  const twice = (num - q * den) * 2n;
  return twice > den || (twice === den && (q & 1n) === 1n) ? q + 1n : q;
}

/** |x| * 10^digits, rounded to an integer. */
function scaled(x: number, digits: number): bigint {
  const [num, den] = fraction(x);
  return digits >= 0
    ? roundHalfEven(num * 10n ** BigInt(digits), den)
    : roundHalfEven(num, den * 10n ** BigInt(-digits));
}

function isNegative(x: number): boolean {
  return x < 0 || Object.is(x, -0);
}

function special(x: number): string {
  return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
}

/** Python's `f"{x:.{digits}f}"`. */
export function formatFixed(x: number, digits: number): string {
  if (!Number.isFinite(x)) return special(x);
  const ax = Math.abs(x);
  const sign = isNegative(x) ? "-" : "";
  // x lies midway between two candidates exactly when it is an odd multiple of 2^-(digits+1) (scaling by 2 is exact).
  if (ax < 1e21 && digits <= 100 && (ax * 2 ** (digits + 1)) % 2 !== 1) return sign + ax.toFixed(digits);
  const text = scaled(x, digits)
    .toString()
    .padStart(digits + 1, "0");
  const point = text.length - digits;
  return sign + text.slice(0, point) + (digits > 0 ? `.${text.slice(point)}` : "");
}

/** Digits without the point, and the decimal exponent of the first, of `|x|` rounded to `digits` after the first. */
function scientific(x: number, digits: number): [digits: string, exponent: number] {
  if (x === 0) return ["0".repeat(digits + 1), 0];
  const shortest = Math.abs(x).toExponential();
  const e = shortest.indexOf("e");
  const exponent = Number(shortest.slice(e + 1));
  const length = e === 1 ? 1 : e - 1;
  // A tie has exactly digits + 2 significant digits, the last one a 5; up to 15 of them the shortest text shows them all.
  if (digits <= 100 && !(digits > 13 || (length === digits + 2 && shortest[e - 1] === "5"))) {
    const text = Math.abs(x).toExponential(digits);
    const at = text.indexOf("e");
    return [text.slice(0, at).replace(".", ""), Number(text.slice(at + 1))];
  }
  const text = scaled(x, digits - exponent).toString();
  return text.length > digits + 1 ? [text.slice(0, -1), exponent + 1] : [text, exponent];
}

function join(digits: string, exponent: number): string {
  const point = digits.length > 1 ? `${digits[0]}.${digits.slice(1)}` : digits;
  return `${point}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** Python's `f"{x:.{digits}e}"`. */
export function formatExponential(x: number, digits: number): string {
  if (!Number.isFinite(x)) return special(x);
  return (isNegative(x) ? "-" : "") + join(...scientific(x, digits));
}

/** C's `%g`: what a C++ stream writes of a number (`digits` = 6), and so PyTorch's messages. */
export function formatGeneral(x: number, digits = 6): string {
  if (!Number.isFinite(x)) return special(x);
  const sign = isNegative(x) ? "-" : "";
  const [all, exponent] = scientific(x, digits - 1);
  const significant = all.replace(/0+$/, "") || "0";
  if (exponent < -4 || exponent >= digits) return sign + join(significant, exponent);
  return sign + placePoint(significant, exponent);
}

/** Python's `repr` of a float: the shortest text that reads back as `x`, always with a point or an exponent. */
export function formatRepr(x: number): string {
  if (!Number.isFinite(x)) return special(x);
  const sign = isNegative(x) ? "-" : "";
  const shortest = Math.abs(x).toExponential();
  const e = shortest.indexOf("e");
  const digits = shortest.slice(0, e).replace(".", "");
  const exponent = Number(shortest.slice(e + 1));
  if (exponent < -4 || exponent >= 16) return sign + join(digits, exponent);
  const text = placePoint(digits, exponent);
  return sign + (text.includes(".") ? text : `${text}.0`);
}

function placePoint(digits: string, exponent: number): string {
  if (exponent < 0) return `0.${"0".repeat(-exponent - 1)}${digits}`;
  if (digits.length <= exponent + 1) return digits.padEnd(exponent + 1, "0");
  return `${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`;
}
