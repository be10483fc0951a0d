/**
 * A complex number as a plain value: an operand beside tensors, and what `item()` gives of a complex tensor.
 */
import { formatRepr } from "./decimal.ts";
import { showAsText } from "./inspect.ts";

/** A complex number, as Python's `complex`. */
export class Complex {
  readonly re: number;
  readonly im: number;

  constructor(re: number, im = 0) {
    this.re = re;
    this.im = im;
  }

  /** Python's text: `(1+2j)`. */
  toString(): string {
    const part = (x: number): string => formatRepr(x).replace(/\.0$/, "");
    const sign = this.im < 0 || Object.is(this.im, -0) ? "" : "+";
    return Object.is(this.re, 0) ? `${part(this.im)}j` : `(${part(this.re)}${sign}${part(this.im)}j)`;
  }
}
showAsText(Complex.prototype);

/** A complex number from its parts (Python's `complex(re, im)`). */
export function pycomplex(re: number, im = 0): Complex {
  return new Complex(re, im);
}
