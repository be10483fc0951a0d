/**
 * Operators with several forms, PyTorch's overloads: the arguments decide which pointwise operator computes, everything else
 * (names, `out=`, the in-place form) is shared.
 */
import { describe, type InplaceOpInfo, type Operator, type OpOptions, withOut } from "../op.ts";
import { Signature } from "../signature.ts";

/** The form to use, and its arguments. */
export type Chosen = readonly [form: unknown, ...args: unknown[]];

/** Defines an operator by a function from its bound arguments to the form that computes it. */
export function variants<F>(
  text: string,
  // oxlint-disable-next-line typescript/no-explicit-any -- the signature converts and checks the arguments
  choose: (...args: any[]) => Chosen,
  options: Omit<OpOptions, "inplace"> = {},
): F & { readonly op: InplaceOpInfo } {
  const signature = new Signature(text);
  const call = (...args: unknown[]): unknown => {
    const extra: Record<string, unknown> = {};
    const bound = signature.bind(args, extra);
    const [form, ...rest] = choose(...bound);
    const run = (): unknown => (form as Operator)(...rest);
    return extra["out"] == null ? run() : withOut(signature.name, bound, extra["out"], run);
  };
  const inplaceSignature = new Signature(text.replace("(", "_("));
  const inplace = (...args: unknown[]): unknown => {
    const [form, ...rest] = choose(...inplaceSignature.bind(args, {}));
    return ((form as Operator).op.inplace as Operator)(...rest);
  };
  return describe(call as F, signature, {
    ...options,
    inplace: describe(inplace, inplaceSignature) as Operator,
  });
}
