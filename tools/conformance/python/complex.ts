/** Complex numbers: arithmetic, and how the library represents one as an argument or a result. */

import { Missing, PyComplex } from "./values.ts";

/** The names under which the library may make a complex number from its parts. */
const makers: readonly string[] = ["pycomplex", "complexNumber", "Complex"];

export function isComplexLike(value: object): boolean {
  return typeof Reflect.get(value, "re") === "number" && typeof Reflect.get(value, "im") === "number";
}

export function fromComplex(value: object): PyComplex {
  return new PyComplex(Number(Reflect.get(value, "re")), Number(Reflect.get(value, "im")));
}

export function toComplex(torch: Readonly<Record<string, unknown>>, value: PyComplex): unknown {
  for (const name of makers) {
    const make = torch[name];
    if (typeof make !== "function") continue;
    const args = [value.re, value.im];
    return /^class\b/.test(Function.prototype.toString.call(make))
      ? Reflect.construct(make, args)
      : Reflect.apply(make, undefined, args);
  }
  throw new Missing("complex numbers as arguments");
}

export function asComplex(value: number | bigint | boolean | PyComplex): PyComplex {
  return value instanceof PyComplex ? value : new PyComplex(Number(value), 0);
}

export function complexBinary(op: string, a: PyComplex, b: PyComplex): PyComplex | null {
  switch (op) {
    case "+":
      return new PyComplex(a.re + b.re, a.im + b.im);
    case "-":
      return new PyComplex(a.re - b.re, a.im - b.im);
    case "*":
      return new PyComplex(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re);
    case "/": {
      const d = b.re * b.re + b.im * b.im;
      return new PyComplex((a.re * b.re + a.im * b.im) / d, (a.im * b.re - a.re * b.im) / d);
    }
    case "**": {
      const r = Math.hypot(a.re, a.im);
      if (r === 0) return new PyComplex(b.re === 0 ? 1 : 0, 0);
      const angle = Math.atan2(a.im, a.re);
      const size = Math.exp(b.re * Math.log(r) - b.im * angle);
      const turn = b.im * Math.log(r) + b.re * angle;
      return new PyComplex(size * Math.cos(turn), size * Math.sin(turn));
    }
    default:
      return null;
  }
}
