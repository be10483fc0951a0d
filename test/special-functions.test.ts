/** Special functions against values from an arbitrary-precision library, and against closed forms. */
import { describe, expect, it } from "vitest";
import * as torch from "flambeau";

type T = torch.Tensor;
const S = torch.special;

const f64 = (data: unknown): T => torch.tensor(data as number[], { dtype: torch.float64 });

/** Values to 16 digits from an arbitrary-precision library. */
const references: [string, [number, number][]][] = [
  [
    "i0",
    [
      [0, 1],
      [0.5, 1.0634833707413236],
      [-3, 4.8807925858650245],
      [7.9, 389.406283282158],
      [8.1, 469.5006067101215],
      [40, 1.48947747934199e16],
    ],
  ],
  [
    "i0e",
    [
      [0, 1],
      [-2.5, 0.27004644161220276],
      [9, 0.134959524581723],
      [500, 0.017845706500153168],
    ],
  ],
  [
    "i1",
    [
      [0.5, 0.2578943053908963],
      [-3, -3.9533702174026093],
      [8.1, 439.48430891035844],
      [40, 1.4707396163259352e16],
    ],
  ],
  [
    "i1e",
    [
      [-2.5, -0.20658464953126657],
      [9, 0.1272249839358912],
      [500, 0.017827851852898056],
    ],
  ],
  [
    "erfcx",
    [
      [-3, 16205.988853999586],
      [0, 1],
      [0.5, 0.6156903441929259],
      [4, 0.13699945762506138],
      [100, 0.005641613782989433],
      [1e10, 5.641895835477563e-11],
    ],
  ],
  [
    "log_ndtr",
    [
      [-30, -454.3212439563432],
      [-1.5, -2.7059444008238898],
      [-0.5, -1.1759117615936185],
      [0, -Math.LN2],
      [3, -0.0013508099647481938],
    ],
  ],
  [
    "ndtri",
    [
      [0.001, -3.0902323061678136],
      [0.05, -1.6448536269514726],
      [0.2, -0.8416212335729142],
      [0.5, 0],
      [0.95, 1.6448536269514722],
      [0, -Infinity],
      [1, Infinity],
      [2, NaN],
    ],
  ],
  [
    "entr",
    [
      [0.25, 0.34657359027997264],
      [3, -3.295836866004329],
      [0, 0],
      [-1, -Infinity],
    ],
  ],
  [
    "bessel_j0",
    [
      [0, 1],
      [0.1, 0.99750156206604],
      [2.4, 0.002507683297243859],
      [-5, -0.1775967713143383],
      [24.9, 0.0832459683530155],
      [25.1, 0.10827567149994945],
      [1000, 0.024786686152420176],
    ],
  ],
  [
    "bessel_j1",
    [
      [0, 0],
      [0.1, 0.049937526036242],
      [3.8, 0.0128210029267317],
      [-5, 0.32757913759146523],
      [24.9, -0.13485569953140886],
      [25.1, -0.11463478413442257],
      [1000, 0.004728311907089524],
    ],
  ],
  [
    "bessel_y0",
    [
      [0, -Infinity],
      [-1, NaN],
      [0.1, -1.5342386513503667],
      [2.4, 0.5104147486657438],
      [24.9, -0.13649918399676522],
      [25.1, -0.11676770763803694],
      [1000, 0.0047159179776228135],
    ],
  ],
  [
    "bessel_y1",
    [
      [0.1, -6.4589510947020266],
      [2.4, 0.10048893833108442],
      [24.9, -0.08600255759555425],
      [25.1, -0.11062223322783099],
      [1000, -0.024784331292351778],
    ],
  ],
  [
    "modified_bessel_k0",
    [
      [0, Infinity],
      [-1, NaN],
      [0.001, 7.023688800562382],
      [1, 0.42102443824070834],
      [20, 5.741237815336525e-10],
      [600, 1.3558285309948523e-262],
    ],
  ],
  [
    "modified_bessel_k1",
    [
      [0.001, 999.9962381560856],
      [1, 0.6019072301972346],
      [20, 5.883057969557038e-10],
      [600, 1.356957918112806e-262],
    ],
  ],
  [
    "scaled_modified_bessel_k0",
    [
      [0.1, 2.6823261022628944],
      [50, 0.17680715585742934],
      [2000, 0.02802320501460432],
    ],
  ],
  [
    "scaled_modified_bessel_k1",
    [
      [0.1, 10.890182683049696],
      [50, 0.17856655855881556],
      [2000, 0.028030209940570337],
    ],
  ],
  [
    "airy_ai",
    [
      [-20, -0.1764061270779847],
      [-9.5, 0.3191032477191282],
      [-8.7, -0.2692045407005097],
      [-3, -0.37881429367765806],
      [-0.5, 0.4757280916105396],
      [0, 0.3550280538878172],
      [0.7, 0.18916240039815008],
      [1.2, 0.10612576226331255],
      [6, 9.947694360252889e-6],
      [30, 3.2082175915504954e-49],
    ],
  ],
  [
    "spherical_bessel_j0",
    [
      [0, 1],
      [0.3, 0.9850673555377986],
      [-7, 0.09385522838839844],
      [Infinity, 0],
    ],
  ],
];

describe("special functions have their values", () => {
  for (const [name, table] of references) {
    it(name, () => {
      const f = (S as unknown as Record<string, (x: T) => T>)[name]!;
      const got = f(f64(table.map(([x]) => x))).tolist() as number[];
      const single = f(torch.tensor(table.map(([x]) => x))).tolist() as number[];
      table.forEach(([x, value], i) => {
        if (!Number.isFinite(value)) return expect([x, got[i]]).toEqual([x, value]);
        expect(Math.abs(got[i]! - value)).toBeLessThan(2e-13 * Math.abs(value) + 1e-15);
        if (Math.abs(value) > 1e-30 && x !== 0.001) {
          expect(Math.abs(single[i]! - value)).toBeLessThan(2e-5 * Math.abs(value) + 1e-6);
        }
      });
    });
  }

  it("the incomplete gamma functions add up to 1", () => {
    const a = f64([0.5, 3, 3, 120, 1e4]);
    const x = f64([0.2, 2.5, 9, 100, 1.01e4]);
    const lower = torch.igamma(a, x).tolist() as number[];
    const expected = [
      0.4729107431344619, 0.45618688411667047, 0.9937678048936227, 0.028230393964865694, 0.8413487504471796,
    ];
    lower.forEach((v, i) => expect(Math.abs(v / expected[i]! - 1)).toBeLessThan(1e-10));
    expect(
      torch.allclose(torch.igamma(a, x).add(torch.igammac(a, x)), torch.ones(5, { dtype: torch.float64 }), 0, 1e-12),
    ).toBe(true);
    expect(torch.igamma(f64([0, 1, -1, 2]), f64([1, 0, 1, Infinity])).tolist()).toEqual([1, 0, NaN, 1]);
  });

  it("zeta and polygamma", () => {
    const z = S.zeta(f64([2, 3.5, 1.1, 20, 1, 0.5]), f64([1, 0.2, 30, 2, 1, 1])).tolist() as number[];
    [1.6449340668482264, 280.13196083873333, 7.128784913990909, 9.539620338727962e-7].forEach((v, i) =>
      expect(Math.abs(z[i]! / v - 1)).toBeLessThan(1e-13),
    );
    expect(z.slice(4)).toEqual([Infinity, NaN]);
    // PyTorch's series for the first derivative, which is followed here, has nine digits.
    expect(torch.polygamma(1, f64([0.3])).item()).toBeCloseTo(12.245364546107732, 7);
    expect(torch.polygamma(3, f64([4])).item()).toBeCloseTo(0.04486532819275507, 12);
    expect(f64([-1.5]).polygamma(2).item()).toBeCloseTo(-0.2362040516417274, 11);
  });

  it("orthogonal polynomials", () => {
    const x = f64([-1, -0.5, 0.3, 1, 1.5]);
    const at = (f: (x: number) => number): number[] => (x.tolist() as number[]).map(f);
    const close = (t: T, expected: readonly number[]): void =>
      (t.tolist() as number[]).forEach((v, i) => expect(v).toBeCloseTo(expected[i]!, 12));
    close(
      S.chebyshev_polynomial_t(x, 4),
      at((t) => 8 * t ** 4 - 8 * t ** 2 + 1),
    );
    close(
      S.chebyshev_polynomial_u(x, 3),
      at((t) => 8 * t ** 3 - 4 * t),
    );
    close(
      S.chebyshev_polynomial_v(x, 2),
      at((t) => 4 * t ** 2 - 2 * t - 1),
    );
    close(
      S.chebyshev_polynomial_w(x, 2),
      at((t) => 4 * t ** 2 + 2 * t - 1),
    );
    close(
      S.shifted_chebyshev_polynomial_t(x, 2),
      at((t) => 8 * t ** 2 - 8 * t + 1),
    );
    close(
      S.hermite_polynomial_h(x, 3),
      at((t) => 8 * t ** 3 - 12 * t),
    );
    close(
      S.hermite_polynomial_he(x, 3),
      at((t) => t ** 3 - 3 * t),
    );
    close(
      S.laguerre_polynomial_l(x, 2),
      at((t) => (t * t) / 2 - 2 * t + 1),
    );
    close(
      S.legendre_polynomial_p(x, 3),
      at((t) => (5 * t ** 3 - 3 * t) / 2),
    );
    close(S.legendre_polynomial_p(x, torch.tensor([0n, 1n, 2n, 9n, -1n])), [1, -0.5, (3 * 0.09 - 1) / 2, 1, 0]);
    // By recurrence and by cosines.
    close(S.chebyshev_polynomial_t(f64([0.3]), 20), [Math.cos(20 * Math.acos(0.3))]);
  });
});
