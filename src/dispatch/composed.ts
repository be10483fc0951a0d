/**
 * Operators made of others that autograd sees as one node. The gradient is that of the formula, which is computed again in
 * backward: nothing between is kept, and it is differentiable in turn.
 */
import { grad } from "../autograd/backward.ts";
import { enable_grad, modes } from "../autograd/modes.ts";
import type { MaybeTensor } from "../autograd/node.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { apply1, type Primitive, primitive, untracked } from "./primitive.ts";

export interface ComposedDefinition<P> {
  /** PyTorch's name of the operation. */
  readonly name: string;
  readonly gradName?: string;
  /** The result by differentiable operators. */
  readonly formula: (inputs: readonly Tensor[], params: P) => Tensor;
}

/** A tensor over the same memory that is a leaf of its own. */
function leaf(t: Tensor): Tensor {
  const out = untracked(t);
  out._requiresGrad = true;
  return out;
}

/** Defines an operator of one node by a formula. */
export function composed<P>(definition: ComposedDefinition<P>): (inputs: readonly Tensor[], params: P) => Tensor {
  const { formula } = definition;
  type Rule = Primitive<P>;
  const forCount = new Map<number, Rule>();
  const ruleFor = (count: number): Rule => {
    let rule = forCount.get(count);
    if (rule === undefined) {
      const all = Array.from({ length: count }, (_, i) => i);
      rule = primitive<P>({
        name: definition.name,
        gradName: definition.gradName,
        forward: (inputs, params) => formula(inputs.map(untracked), params),
        joint: {
          uses: () => all,
          vjp: ([g], ctx) => {
            const out = new Array<MaybeTensor>(count).fill(null);
            if (g == null) return out;
            const wanted = all.filter((i) => ctx.needs(i));
            // Each operand gets a node of its own, so that one that is given twice has two gradients.
            const operands = all.map((i) => {
              const t = ctx.input(i);
              if (!wanted.includes(i)) return untracked(t);
              return modes.grad ? t.view(t.shape) : leaf(t);
            });
            const y = enable_grad(() => formula(operands, ctx.params));
            const found = grad(
              [y],
              wanted.map((i) => operands[i] as Tensor),
              { grad_outputs: [g], create_graph: modes.grad, allow_unused: true },
            );
            wanted.forEach((i, k) => (out[i] = found[k] ?? null));
            return out;
          },
        },
      });
      forCount.set(count, rule);
    }
    return rule;
  };
  return (inputs, params) => apply1(ruleFor(inputs.length), inputs, params);
}
