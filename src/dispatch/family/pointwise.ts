/**
 * Pointwise operators: a scalar expression applied to every element. The expression is all an operator states; from it follow
 * shapes, dtypes, kernels, the in-place form and the derivative (see `pointwise-rule.ts`).
 */
import { ArgumentTypeError } from "../../base/errors.ts";
import type { Scalar, Typed } from "../../base/promote.ts";
import { E, type Expr } from "../../ir/expr.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { describe, type InplaceOpInfo, type Operator, withOut } from "../op.ts";
import { gradNameOf } from "../primitive.ts";
import { PyFloat, type ScalarLike, Signature } from "../signature.ts";
import { noScalars, type PointwiseOptions, PointwiseRule } from "./pointwise-rule.ts";

/** Keyword arguments of every operator. */
export interface OutOption {
  /** A tensor to write the result into; nothing then requires grad. */
  out?: Tensor | null;
}

/** A pointwise operator of one tensor. */
export type UnaryOperator = ((input: Tensor, options?: OutOption) => Tensor) & { readonly op: InplaceOpInfo };
/** A pointwise operator of two operands, which broadcast and are promoted. */
export type BinaryOperator = ((
  input: Tensor | ScalarLike,
  other: Tensor | ScalarLike,
  options?: OutOption,
) => Tensor) & {
  readonly op: InplaceOpInfo;
};

/** How an argument takes part: as a tensor, as a uniform number, or as a constant equal to its default. */
type Role = "tensor" | "number" | "constant";

class PointwiseOperator {
  readonly signature: Signature;
  readonly #expr: (...args: Expr[]) => Expr;
  readonly #options: PointwiseOptions;
  readonly #gradName: string | ((isNumber: readonly boolean[]) => string);
  readonly #rules: Map<string, PointwiseRule> = new Map();
  /** Of each parameter: whether it is an operand (and takes part in promotion) or only a number. */
  readonly #operand: readonly boolean[];
  /** All operands tensors, all else at its default. */
  readonly allTensors: PointwiseRule;
  /** Whether the only argument is a tensor. */
  readonly unary: boolean;
  /** For two operands, the second of which may be a number: the rule of a tensor and a number. */
  readonly binary: PointwiseRule | null;

  constructor(text: string, expr: (...args: Expr[]) => Expr, options: PointwiseOptions) {
    const signature = new Signature(text);
    this.signature = signature;
    this.#expr = expr;
    this.#options = options;
    this.#gradName = options.gradName ?? gradNameOf(signature.name);
    this.#operand = signature.params.map((p) => p.type.includes("Tensor"));
    const rest = signature.params.map((p): Role => (p.hasDefault ? "constant" : "number"));
    this.allTensors = this.#rule(rest.map((role, i) => (this.#operand[i] === true ? "tensor" : role)));
    this.unary = signature.params.length === 1;
    const two = this.#operand[0] === true && this.#operand[1] === true && rest.slice(2).every((r) => r === "constant");
    const takesNumber = signature.params[1]?.type.includes("Scalar") === true;
    this.binary = two && takesNumber ? this.#rule(["tensor", "number", ...rest.slice(2)]) : null;
  }

  #rule(roles: readonly Role[]): PointwiseRule {
    const key = roles.map((r) => r[0]).join("");
    const known = this.#rules.get(key);
    if (known !== undefined) return known;
    const { params } = this.signature;
    const arrange = (tensors: readonly Expr[], scalars: readonly Expr[]): Expr[] => {
      let t = 0;
      let s = 0;
      const type = (tensors[0] ?? (scalars[0] as Expr)).type;
      return roles.map((role, i) => {
        if (role === "tensor") return tensors[t++] as Expr;
        if (role === "number") return scalars[s++] as Expr;
        return E.const(type, (params[i] as { default: unknown }).default as number);
      });
    };
    const { grad, bool: boolean } = this.#options;
    const rule = new PointwiseRule(
      this.signature.name,
      typeof this.#gradName === "string" ? this.#gradName : this.#gradName(roles.map((r) => r === "number")),
      `${this.signature.name}:${key}`,
      roles.filter((r) => r === "tensor").length,
      roles.filter((r) => r === "number").length,
      (tensors, scalars) => this.#expr(...arrange(tensors, scalars)),
      this.#options,
      boolean === undefined ? null : (tensors, scalars) => boolean(...arrange(tensors, scalars)),
      grad === undefined
        ? null
        : (g, y, tensors, scalars) => {
            const all = grad(g, y, ...arrange(tensors, scalars));
            return all.filter((_, i) => roles[i] === "tensor");
          },
      roles.flatMap((r, i) => (r === "number" ? [this.#operand[i] === true] : [])),
    );
    this.#rules.set(key, rule);
    return rule;
  }

  /** Sorts bound arguments into tensors and numbers. */
  split(bound: readonly unknown[]): {
    rule: PointwiseRule;
    tensors: Tensor[];
    scalars: Scalar[];
    operands: (Typed | Scalar)[];
    numeric: boolean;
    /** All operands, in the order of the parameters. */
    values: (Tensor | Scalar)[];
  } {
    this.#options.checkArguments?.(bound);
    const values: (Tensor | Scalar)[] = [];
    const roles: Role[] = [];
    const tensors: Tensor[] = [];
    const scalars: Scalar[] = [];
    const operands: (Typed | Scalar)[] = [];
    let numeric = false;
    bound.forEach((value, i) => {
      const isOperand = this.#operand[i] === true;
      if (value instanceof Tensor) {
        roles.push("tensor");
        tensors.push(value);
        operands.push(value);
        values.push(value);
        return;
      }
      const p = this.signature.params[i] as { default: unknown; hasDefault: boolean };
      if (!isOperand && p.hasDefault && value === p.default) {
        roles.push("constant");
        return;
      }
      roles.push("number");
      const number = value instanceof PyFloat ? value.value : (value as Scalar);
      scalars.push(number);
      if (isOperand) {
        values.push(number);
        numeric = true;
        // Promotion looks at numbers only to tell ints from floats; any fraction stands for an explicit float.
        operands.push(value instanceof PyFloat ? 0.5 : number);
      }
    });
    return { rule: this.#rule(roles), tensors, scalars, operands, numeric, values };
  }
}

/**
 * Defines a pointwise operator: its signature (or just its name, for one or two operands) and its expression.
 *
 * @example
 * ```ts
 * export const exp: UnaryOperator = pointwise("exp", (x) => E.exp(x), { dtype: "float" });
 * ```
 */
export function pointwise<F = UnaryOperator>(
  text: string,
  expr: (...args: Expr[]) => Expr,
  options: PointwiseOptions = {},
): F & { readonly op: InplaceOpInfo } {
  const full = text.includes("(")
    ? text
    : expr.length === 1
      ? `${text}(Tensor input)`
      : `${text}(Tensor|Scalar input, Tensor|Scalar other)`;
  const op = new PointwiseOperator(full, expr, options);
  const { signature } = op;
  const run = (args: readonly unknown[]): unknown => {
    const extra: Record<string, unknown> = {};
    const bound = signature.bind(args, extra);
    const compute = (): Tensor => {
      if (options.complex !== undefined && bound.some((x) => x instanceof Tensor && x.dtype.is_complex)) {
        return options.complex(...(bound as Tensor[]));
      }
      const { rule, tensors, scalars, operands, numeric, values } = op.split(bound);
      if (tensors.length === 0) {
        throw new ArgumentTypeError(
          `${signature.name}(): at least one operand must be a Tensor; expected ${signature.text}`,
        );
      }
      return rule.call(tensors, scalars, operands, numeric, values);
    };
    if (extra["out"] == null) return compute();
    return withOut(signature.name, bound, extra["out"], compute);
  };
  const { complex } = options;
  const fn = op.unary
    ? (x: unknown, options?: unknown): unknown => {
        if (options !== undefined || !(x instanceof Tensor)) return run([x, options]);
        return complex !== undefined && x.dtype.is_complex ? complex(x) : op.allTensors.call1(x);
      }
    : op.binary === null
      ? (...args: unknown[]): unknown => run(args)
      : (a: unknown, b: unknown, c?: unknown, d?: unknown, e?: unknown): unknown => {
          if (c === undefined && a instanceof Tensor) {
            if (b instanceof Tensor) return op.allTensors.call2(a, b);
            if (typeof b === "number") return (op.binary as PointwiseRule).callNumber(a, b);
          }
          return run([a, b, c, d, e]);
        };
  const form = (...args: unknown[]): unknown => {
    if (args.length === 2 && op.binary !== null && args[0] instanceof Tensor && args[1] instanceof Tensor) {
      return op.allTensors.callInplace(args as Tensor[], noScalars, args as Tensor[], false, args as Tensor[]);
    }
    const bound = signature.bind(args, {});
    const { rule, tensors, scalars, operands, numeric, values } = op.split(bound);
    return rule.callInplace(tensors, scalars, operands, numeric, values);
  };
  const inplace =
    options.inplace === false ? null : (describe(form, new Signature(full.replace("(", "_("))) as Operator);
  return describe(fn as F, signature, {
    method: options.method ?? true,
    namespace: options.namespace ?? true,
    inplace,
  }) as F & { readonly op: InplaceOpInfo };
}
