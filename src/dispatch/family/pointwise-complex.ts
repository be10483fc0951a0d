/**
 * Pointwise operators over complex numbers.
 *
 * Note [Complex gradients]
 * The gradient of a real loss is taken with respect to the conjugate, as PyTorch does: for an analytic f with derivative f', a
 * gradient g of the result becomes g · conj(f') of the operand. A backward formula G(g, x) that is linear in g and states
 * g · f' over reals therefore means conj(G(conj(g), x)) over complex numbers. Its own gradients have the same form, with other
 * conjugations: for a value c0(F(c1(x1), …)), where each c conjugates or not, the gradient of x_i is
 * c_i(conj(F_i(conj(c0(h)), c1(x1), …))). So a rule carries one flag for its value and one for each operand.
 */
import type { DType } from "../../base/dtype.ts";
import { NotImplementedError } from "../../base/errors.ts";
import { complexValue, conjugate, NotComplexError, type Pair } from "../../ir/complex.ts";
import { E, type Expr } from "../../ir/expr.ts";
import { computeType } from "../../ir/kernel.ts";
import { castExpr, Elementwise } from "../elementwise.ts";

/** Which values are conjugated; see Note [Complex gradients]. */
export interface Conjugations {
  readonly out: boolean;
  readonly tensors: readonly boolean[];
}

export const noConjugations: Conjugations = { out: false, tensors: [] };

/** The conjugations of the gradient of operand i, whose operands are the gradient, then `used`, then the result. */
export function derivedConjugations(
  c: Conjugations,
  i: number,
  used: readonly number[],
  result: boolean,
): Conjugations {
  const of = (t: number): boolean => c.tensors[t] === true;
  return { out: !of(i), tensors: [!c.out, ...used.map(of), ...(result ? [c.out] : [])] };
}

interface Rule {
  readonly name: string;
  readonly nTensors: number;
  readonly nScalars: number;
  readonly options: { readonly complexOrder?: boolean };
}

/** The kernel of a rule's expression for complex computation. Throws where the expression has no complex meaning. */
export function complexKernel(
  rule: Rule,
  key: string,
  ins: readonly DType[],
  out: DType,
  compute: DType,
  build: (tensors: readonly Expr[], scalars: readonly Expr[]) => Expr,
  conjugations: Conjugations,
): Elementwise {
  const type = computeType(compute);
  const vars = (from: number, n: number): Expr[] => Array.from({ length: n }, (_, i) => E.var(type, from + i));
  const values = (loads: readonly Expr[], params: readonly Expr[]): readonly Expr[] => {
    const rest = [...loads];
    const part = (): Expr => E.cast(type, rest.shift() as Expr);
    const pairs: Pair[] = ins.map((dtype, i) => {
      const re = part();
      const z = { re, im: dtype.is_complex ? part() : E.const(type, 0) };
      return conjugations.tensors[i] === true ? conjugate(z) : z;
    });
    for (let i = 0; i < rule.nScalars; i++) pairs.push({ re: params[2 * i] as Expr, im: params[2 * i + 1] as Expr });
    const expr = build(vars(0, rule.nTensors), vars(rule.nTensors, rule.nScalars));
    const value = complexValue(expr, (id) => pairs[id] as Pair, type, rule.options.complexOrder);
    const z = conjugations.out ? conjugate(value) : value;
    return out.is_complex ? [castExpr(z.re, out), castExpr(z.im, out)] : [castExpr(z.re, out)];
  };
  try {
    // Now rather than when the kernel is first run, so that an operator without complex meaning fails before anything else.
    values(
      ins.flatMap((dtype) => (dtype.is_complex ? [E.const(type, 1), E.const(type, 1)] : [E.const(type, 1)])),
      Array.from({ length: 2 * rule.nScalars }, () => E.const(type, 1)),
    );
  } catch (error) {
    if (!(error instanceof NotComplexError)) throw error;
    throw new NotImplementedError(`"${rule.name}" not implemented for '${compute.scalarName}'`);
  }
  return new Elementwise({
    name: rule.name,
    key,
    outs: [out],
    ins,
    scalars: Array.from({ length: 2 * rule.nScalars }, () => type),
    build: values,
  });
}
