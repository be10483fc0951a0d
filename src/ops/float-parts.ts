/**
 * Numbers taken apart: mantissas and exponents, and the neighbours of a number.
 */
import { bfloat16, type DType, float16, int32 } from "../base/dtype.ts";
import { TorchError } from "../base/errors.ts";
import { resultType } from "../base/promote.ts";
import { allocateLike, Elementwise } from "../dispatch/elementwise.ts";
import { pointwise } from "../dispatch/family/pointwise.ts";
import { type Chosen, variants } from "../dispatch/family/variants.ts";
import { named, type NamedPair } from "../dispatch/named.ts";
import { operator } from "../dispatch/op.ts";
import { apply, primitive } from "../dispatch/primitive.ts";
import { onlyFloat } from "../dispatch/refuse.ts";
import { E, type Expr } from "../ir/expr.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { div } from "./arithmetic.ts";
import type { TensorBinary } from "./compare.ts";
import { exp2 } from "./functions.ts";
import type { Op } from "./view.ts";

// --- parts of numbers ------------------------------------------------------------------------------------------------

/** The bits of a float that hold its exponent, and their place. */
const layouts = {
  f32: { int: "i32", fraction: 23, bias: 126, mask: 0xff, tiny: 2 ** -126 },
  f64: { int: "i64", fraction: 52, bias: 1022, mask: 0x7ff, tiny: 2 ** -1022 },
} as const;

/** The mantissa in [1/2, 1) and the exponent of a number; a number without them (0, infinite, NaN) and 0. */
function splitNumber(x: Expr): [mantissa: Expr, exponent: Expr] {
  const { int, fraction, bias, mask, tiny } = layouts[x.type as "f32" | "f64"];
  const a = E.abs(x);
  // Numbers below the normal range are brought into it.
  const subnormal = E.lt(a, tiny);
  const scaled = E.select(subnormal, E.mul(x, 2 ** (fraction + 1)), x);
  const bits = E.bitcast(int, scaled);
  const field = E.and(E.shr(bits, fraction), mask);
  const rest = E.and(bits, E.not(E.shl(E.const(int, mask), fraction)));
  const mantissa = E.bitcast(x.type, E.or(rest, E.shl(E.const(int, bias), fraction)));
  const shift = E.select(subnormal, E.const(int, bias + fraction + 1), E.const(int, bias));
  const regular = E.and(E.gt(a, 0), E.lt(a, Infinity));
  return [E.select(regular, mantissa, x), E.select(regular, E.cast("i32", E.sub(field, shift)), E.const("i32", 0))];
}

const splitters = new Map<DType, Elementwise>();

const frexpPrimitive = primitive<null>({
  name: "frexp",
  forward: ([input]) => {
    const x = input as Tensor;
    const { dtype } = x;
    let kernel = splitters.get(dtype);
    if (kernel === undefined) {
      kernel = new Elementwise({
        name: "frexp",
        key: `frexp:${dtype.name}`,
        outs: [dtype, int32],
        ins: [dtype],
        scalars: [],
        build: ([value]) => splitNumber(value as Expr),
      });
      splitters.set(dtype, kernel);
    }
    const mantissa = allocateLike(x.shape, dtype, [x]);
    const exponent = allocateLike(x.shape, int32, [x]);
    kernel.run([mantissa, exponent], [x], []);
    return [mantissa, exponent];
  },
  grads: [{ uses: ["out1"], vjp: (g, ctx) => div(g, exp2(ctx.output(1).detach())) }],
  nonDifferentiable: [1],
});

/** Splits numbers into a mantissa in [1/2, 1) and a power of two: `input = mantissa * 2 ** exponent`. */
export const frexp: Op<
  (input: Tensor, options?: { out?: readonly [Tensor, Tensor] | null }) => NamedPair<"mantissa", "exponent">
> = operator("frexp(Tensor input)", (x: Tensor) => {
  if (!x.dtype.is_floating_point) {
    throw new TorchError("torch.frexp() only supports floating-point dtypes");
  }
  const [mantissa, exponent] = apply(frexpPrimitive, [x], null) as [Tensor, Tensor];
  return named("frexp", { mantissa, exponent });
});

// --- neighbours ------------------------------------------------------------------------------------------------------

const neighbour = (name: string, next: (x: Expr, y: Expr) => Expr): TensorBinary =>
  pointwise(
    `${name}(Tensor input, Tensor other)`,
    (x, y) => {
      const nan = E.or(E.isnan(x), E.isnan(y));
      return E.select(nan, E.const(x.type, NaN), E.select(E.eq(x, y), y, next(x, y)));
    },
    { check: onlyFloat("nextafter_cpu"), gradName: "NextafterBackward0", grad: (g) => [g, null] },
  );

/** One step of `bits` in the pattern of a float32 that is not 0, away from 0 or towards it. */
function stepBits(x: Expr, y: Expr, bits: number): Expr {
  const inward = E.xor(E.lt(x, y), E.gt(x, 0));
  const step = E.select(inward, E.const("i32", -bits), E.const("i32", bits));
  return E.bitcast("f32", E.add(E.bitcast("i32", x), step));
}

const wideNeighbour = neighbour("nextafter", (x, y) => E.nextafter(x, y));
/** The 16-bit types have the exponents of float32 and fewer bits after the point; float16 below 2^-14 steps evenly. */
const bfloatNeighbour = neighbour("nextafter_bfloat16", (x, y) =>
  E.select(E.eq(x, 0), E.copysign(E.const("f32", 2 ** -133), y), stepBits(x, y, 1 << 16)),
);
const halfNeighbour = neighbour("nextafter_float16", (x, y) => {
  const even = E.add(x, E.copysign(E.const("f32", 2 ** -24), E.sub(y, x)));
  return E.select(E.le(E.abs(x), 2 ** -14), even, stepBits(x, y, 1 << 13));
});

/** The next number after `input` in the direction of `other`. */
export const nextafter: TensorBinary = variants(
  "nextafter(Tensor input, Tensor other)",
  (x: Tensor, y: Tensor): Chosen => {
    const dtype = resultType(x, y);
    return [dtype === float16 ? halfNeighbour : dtype === bfloat16 ? bfloatNeighbour : wideNeighbour, x, y];
  },
);
