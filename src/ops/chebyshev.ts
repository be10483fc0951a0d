/**
 * Functions that kernels compute by a Chebyshev series: the modified Bessel functions of the first kind, and the scaled
 * complementary error function. The coefficients are those of the functions to 17 digits, cut where they fall below 2e-17.
 */
import { E, type Expr } from "../ir/expr.ts";

/** The sum of c[k] T_k(t) by Clenshaw's recurrence, for t in [-1, 1]. */
function series(t: Expr, c: readonly number[]): Expr {
  const twice = E.add(t, t);
  let b1 = E.const(t.type, 0);
  let b2 = b1;
  for (let k = c.length - 1; k > 0; k--) {
    const b0 = E.add(E.sub(E.mul(twice, b1), b2), c[k] as number);
    b2 = b1;
    b1 = b0;
  }
  return E.add(E.sub(E.mul(t, b1), b2), c[0] as number);
}

/** exp(-|x|) I(x) for the even I0 and the odd I1: on [0, 8] a series in x (I1 is divided by x), beyond in 1/x. */
function scaledBessel(x: Expr, small: readonly number[], large: readonly number[], odd: boolean): Expr {
  const a = E.abs(x);
  // Each side stays in its range where it is not taken, so that its derivative is finite there.
  const near = series(E.sub(E.mul(E.min(a, 8), 0.25), 1), small);
  const far = E.max(a, 8);
  const tail = E.div(series(E.sub(E.div(16, far), 1), large), E.sqrt(far));
  const within = E.le(a, 8);
  return odd ? E.select(within, E.mul(near, x), E.copysign(tail, x)) : E.select(within, near, tail);
}

/** exp(-|x|) I0(x). */
export const i0eExpr = (x: Expr): Expr => scaledBessel(x, i0Small, i0Large, false);
/** exp(-|x|) I1(x). */
export const i1eExpr = (x: Expr): Expr => scaledBessel(x, i1Small, i1Large, true);
/** I0(x). */
export const i0Expr = (x: Expr): Expr => E.mul(E.exp(E.abs(x)), i0eExpr(x));
/** I1(x). */
export const i1Expr = (x: Expr): Expr => E.mul(E.exp(E.abs(x)), i1eExpr(x));

/** exp(x²) erfc(x): for x >= 0 a series over (1 + 2x) in (x - k) / (x + k), which maps the half line to [-1, 1). */
export function erfcxExpr(x: Expr): Expr {
  // Not |x|, whose slope at 0 is 0.
  const a = E.select(E.lt(x, 0), E.neg(x), x);
  const t = E.sub(1, E.div(7.5, E.add(a, 3.75)));
  const positive = E.div(series(t, erfcxPositive), E.add(E.add(a, a), 1));
  const growth = E.exp(E.mul(E.min(x, 0), E.min(x, 0)));
  return E.select(E.lt(x, 0), E.sub(E.add(growth, growth), positive), positive);
}

const i0Small: readonly number[] = [
  0.33839763720473803, -0.3046826723431984, 0.17162090152220877, -0.09490109704804764, 0.04930528423967071,
  -0.02373741480589947, 0.010546460394594998, -0.004324309995050576, 0.0016394756169413357, -0.0005763755745385824,
  0.00018850288509584165, -5.754195010082104e-5, 1.6448448070728896e-5, -4.4167383584587505e-6, 1.1173875391201037e-6,
  -2.670793853940612e-7, 6.046995022541919e-8, -1.300025009986248e-8, 2.6598237246823866e-9, -5.189795601635263e-10,
  9.675809035373237e-11, -1.726826291441556e-11, 2.95505266312964e-12, -4.856446783111929e-13, 7.676185498604936e-14,
  -1.1685332877993451e-14, 1.715391285555133e-15, -2.431279846547955e-16, 3.3307945188222384e-17,
];
const i0Large: readonly number[] = [
  0.4022452055070544, 0.0033691164782556943, 6.889758346916825e-5, 2.8913705208347567e-6, 2.0489185894690638e-7,
  2.266668990498178e-8, 3.3962320257083865e-9, 4.94060238822497e-10, 1.1889147107846439e-11, -3.1499165279632416e-11,
  -1.3215811840447713e-11, -1.7941785315068062e-12, 7.180124451383666e-13, 3.8527783827421426e-13, 1.54008621752141e-14,
  -4.150569347287222e-14, -9.554846698828307e-15, 3.8116806693526224e-15, 1.7725601330565263e-15,
  -3.425485619677219e-16, -2.8276239805165836e-16, 3.461222867697461e-17, 4.46562142029676e-17,
];
const i1Small: readonly number[] = [
  0.12629359322181682, -0.17641651835783406, 0.1026436586898471, -0.05294598120809499, 0.024726449030626516,
  -0.010564084894626197, 0.004156422944312888, -0.0015135724506312532, 0.0005122859561685758, -0.00016176081582589674,
  4.781565107550054e-5, -1.3273163656039436e-5, 3.4702513081376785e-6, -8.568720264695455e-7, 2.0032947535521353e-7,
  -4.445059128796328e-8, 9.381537386495773e-9, -1.8872497517228294e-9, 3.625590281552117e-10, -6.663489723502027e-11,
  1.1736186298890901e-11, -1.9839743977649436e-12, 3.223793365945575e-13, -5.042185504727912e-14, 7.600684294735408e-15,
  -1.1055969477353862e-15, 1.5536319577362005e-16, -2.111421214358166e-17,
];
const i1Large: readonly number[] = [
  0.38928811750914005, -0.009761097491361469, -0.00011058893876262371, -3.882564808877691e-6, -2.512236237870209e-7,
  -2.6314688468895196e-8, -3.835380385964237e-9, -5.589743462196584e-10, -1.8974958123505413e-11,
  3.2526035830154884e-11, 1.4125807436613782e-11, 2.0356285441470896e-12, -7.198551776245908e-13,
  -4.0835511110921974e-13, -2.1015418427726643e-14, 4.272440016711951e-14, 1.0420276984128802e-14,
  -3.8144030724370075e-15, -1.8803547755107825e-15, 3.3082023109209285e-16, 2.96262899764595e-16,
  -3.209525921993424e-17, -4.6503053684893586e-17,
];
const erfcxPositive: readonly number[] = [
  1.1775789345674017, -0.004590054580646478, -0.08424913336651792, 0.05920993999819189, -0.026658668435305753,
  0.009074997670705265, -0.002413163540417608, 0.0004907758365258086, -6.916973302501207e-5, 4.13902798607301e-6,
  7.74038306619849e-7, -2.1886401049234397e-7, 1.076499946567091e-8, 4.521959811218287e-9, -7.754400208831351e-10,
  -6.318088340886684e-11, 2.86879501093067e-11, 1.9455868545777347e-13, -9.65469674843344e-13, 3.25254814814874e-14,
  3.3478119482868056e-14, -1.864562880419313e-15, -1.2507950530688648e-15, 7.418235256624044e-17, 5.068148904796111e-17,
];
