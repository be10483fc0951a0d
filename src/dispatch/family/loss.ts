/**
 * Losses: a scalar expression of the input, the target and what else counts for one element, then the mean or the sum. A loss
 * states its expression; the reduction is fused with it, and the gradients follow by differentiation, as for pointwise operators.
 */
import type { DType } from "../../base/dtype.ts";
import { NotImplementedError } from "../../base/errors.ts";
import { promote_types, toFloat } from "../../base/promote.ts";
import { numel } from "../../base/shape.ts";
import { freeVars, gradient } from "../../ir/calculus.ts";
import { E, type Expr, rewrite } from "../../ir/expr.ts";
import { computeType } from "../../ir/kernel.ts";
import { allocate, type Tensor } from "../../tensor/tensor.ts";
import { allocateLike, castExpr, contiguousRaw, Elementwise, fillRaw } from "../elementwise.ts";
import { apply1, gradNameOf, type InputGrad, type Primitive, primitive } from "../primitive.ts";
import { PointwiseRule } from "./pointwise-rule.ts";
import { RowsKernel } from "./rows.ts";

/** What becomes of the losses of single elements. */
export type LossReduction = "mean" | "sum" | "none";

export interface LossDefinition {
  /** PyTorch's name of the operation. */
  readonly name: string;
  /** How many tensors the expression takes. */
  readonly tensors: number;
  /** How many numbers it takes after them. */
  readonly numbers?: number;
  /** The loss of one element. */
  readonly value: (...args: Expr[]) => Expr;
  /** The derivatives of the value by the tensors; default: by differentiation. Null where there is none. */
  readonly grad?: (...args: Expr[]) => readonly (Expr | null)[];
  /** The derivatives of derivative i by the tensors, for stability at the corners; default: by differentiation. */
  readonly second?: (i: number, ...args: Expr[]) => readonly Expr[] | null;
}

interface LossParams {
  readonly reduction: LossReduction;
  readonly numbers: readonly number[];
}

/** The loss over tensors of one shape. */
export type Loss = (tensors: readonly Tensor[], reduction: LossReduction, ...numbers: number[]) => Tensor;

function floatType(name: string, tensors: readonly Tensor[]): DType {
  const dtype = tensors.map((t) => t.dtype).reduce((a, b) => promote_types(a, b));
  if (dtype.is_complex) throw new NotImplementedError(`"${name}" not implemented for '${dtype.scalarName}'`);
  return toFloat(dtype);
}

/** Defines a loss by its expression. */
export function lossOf(definition: LossDefinition): Loss {
  const { name, tensors: count, value } = definition;
  const nNumbers = definition.numbers ?? 0;
  const rows = new RowsKernel({
    name,
    ins: Array.from({ length: count }, () => "element" as const),
    outs: ["row"],
    params: nNumbers + 1,
    build: (r) => {
      const total = r.sum((j) => value(...Array.from({ length: count }, (_, i) => r.at(i, j)), ...r.params.slice(1)));
      return [E.mul(total, r.params[0] as Expr)];
    },
  });
  const elementwise = new Map<string, Elementwise>();

  const forward = (ins: readonly Tensor[], { reduction, numbers }: LossParams): Tensor => {
    const dtype = floatType(name, ins);
    const first = ins[0] as Tensor;
    const n = first._numel;
    if (reduction === "none") {
      const key = `${dtype.name}<${ins.map((t) => t.dtype.name).join(",")}`;
      let kernel = elementwise.get(key);
      if (kernel === undefined) {
        const type = computeType(dtype);
        kernel = new Elementwise({
          name,
          key: `${name}/${key}`,
          outs: [dtype],
          ins: ins.map((t) => t.dtype),
          scalars: numbers.map(() => type),
          build: (loads, scalars) => [castExpr(value(...loads.map((x) => E.cast(type, x)), ...scalars), dtype)],
        });
        elementwise.set(key, kernel);
      }
      const out = allocateLike(first.shape, dtype, ins);
      kernel.run([out], ins, numbers);
      return out;
    }
    const out = allocate([], dtype, first._backend);
    if (n === 0) {
      fillRaw(out, reduction === "sum" ? 0 : Number.NaN);
      return out;
    }
    const scale = reduction === "sum" ? 1 : 1 / n;
    rows.run([out], ins.map(contiguousRaw), 1, n, dtype, [scale, ...numbers]);
    return out;
  };

  /** The derivatives over variables: the tensors, then the numbers. */
  const derivatives = (args: readonly Expr[]): readonly (Expr | null)[] => {
    if (definition.grad !== undefined) return definition.grad(...args);
    const { type } = args[0] as Expr;
    const free = args.map((_, k) => E.var(type, 2000 + k));
    const derived = gradient(value(...free), free.slice(0, count), E.const(type, 1));
    return derived.map((e) => rewrite(e, (x) => (x.kind === "var" ? (args[x.id - 2000] ?? x) : x)));
  };
  /** The operands of the expression among those of a gradient: its own come after the incoming gradient. */
  const argumentsOf = (operands: readonly Expr[], numbers: readonly Expr[], uses: readonly number[]): Expr[] => {
    const { type } = operands[0] as Expr;
    const args = Array.from({ length: count }, (_, k) => E.var(type, 3000 + k));
    uses.forEach((k, at) => (args[k] = operands[at + 1] as Expr));
    return [...args, ...numbers.slice(1)];
  };

  // The gradient of operand i: a pointwise operation over g and the operands it uses, scaled by one more number.
  const vars = Array.from({ length: count + nNumbers }, (_, i) => E.var("f64", i));
  const gradName = gradNameOf(name);
  const rules = derivatives(vars).map((root, i): { rule: PointwiseRule; uses: number[] } | null => {
    if (root === null) return null;
    const free = freeVars(root);
    const second = definition.second?.(i, ...vars) ?? null;
    const uses = Array.from({ length: count }, (_, k) => k).filter((k) => second !== null || free.has(k));
    const rule = new PointwiseRule(
      `${name}_backward`,
      gradName.replace(/Backward0$/, "BackwardBackward0"),
      `${name}'${i}`,
      1 + uses.length,
      nNumbers + 1,
      (operands, numbers) => {
        const args = argumentsOf(operands, numbers, uses);
        return E.mul(E.mul(operands[0] as Expr, numbers[0] as Expr), derivatives(args)[i] as Expr);
      },
      {},
      null,
      second === null
        ? null
        : (g, _y, operands, numbers) => {
            const args = argumentsOf(operands, numbers, uses);
            const scaled = E.mul(g, numbers[0] as Expr);
            const twice = E.mul(scaled, operands[0] as Expr);
            const by = definition.second?.(i, ...args) ?? [];
            return [E.mul(scaled, derivatives(args)[i] as Expr), ...by.map((e) => E.mul(twice, e))];
          },
      Array.from({ length: nNumbers + 1 }, () => false),
    );
    return { rule, uses };
  });

  const prim: Primitive<LossParams> = primitive<LossParams>({
    name,
    forward,
    grads: rules.map((found): InputGrad<LossParams> | null => {
      if (found === null) return null;
      const { rule, uses } = found;
      return {
        uses,
        vjp: (g, ctx) => {
          const { reduction, numbers } = ctx.params;
          const scale = reduction === "mean" ? 1 / numel(ctx.shape(0)) : 1;
          const shape = ctx.shape(0);
          const spread = g.shape.length === shape.length ? g : g.expand(shape);
          const tensors = [spread, ...uses.map((k) => ctx.input(k))];
          return rule.call(tensors, [scale, ...numbers], tensors, false);
        },
      };
    }),
  });
  return (tensors, reduction, ...numbers) => apply1(prim, tensors, { reduction, numbers });
}
