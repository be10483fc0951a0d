/**
 * Operations that change part of a tensor: `x.index_add(...)` copies and changes the copy, `x.index_add_(...)` the tensor itself.
 */
import { cloneRaw, copyRaw } from "./elementwise.ts";
import { describe, type InplaceOpInfo, operator, type OpOptions } from "./op.ts";
import { apply1, applyInplace, type Primitive, primitive, type PrimitiveDefinition } from "./primitive.ts";
import { Signature } from "./signature.ts";
import { allocate, type Tensor } from "../tensor/tensor.ts";

/** An operator's function, with its in-place form. */
export type InplaceOp<F> = F & { readonly op: InplaceOpInfo };

export interface ModifyDefinition<P> extends Omit<PrimitiveDefinition<P>, "forward" | "into" | "view"> {
  /** The layout of the copy: that of the tensor (default), or row-major. */
  readonly layout?: "preserve" | "contiguous";
  /** Changes `target`; `inputs` do not overlap it. Throws before it writes anything. */
  readonly write: (target: Tensor, inputs: readonly Tensor[], params: P) => void;
}

/** Both forms of an operation that changes its first input. */
export class Modify<P> {
  readonly #primitive: Primitive<P>;
  readonly #write: ModifyDefinition<P>["write"];

  constructor(definition: ModifyDefinition<P>) {
    const { layout, write, ...rest } = definition;
    this.#write = write;
    this.#primitive = primitive<P>({
      ...rest,
      forward: (inputs, params) => {
        const x = inputs[0] as Tensor;
        const out = layout === "contiguous" ? denseCopy(x) : cloneRaw(x);
        write(out, inputs, params);
        return out;
      },
    });
  }

  /** A changed copy. */
  copy(inputs: readonly Tensor[], params: P): Tensor {
    return apply1(this.#primitive, inputs, params);
  }

  /** Changes the first input itself. */
  inplace(inputs: readonly Tensor[], params: P): Tensor {
    const target = inputs[0] as Tensor;
    const apart = inputs.map((t, i) => (i > 0 && t._storage === target._storage ? cloneRaw(t) : t));
    return applyInplace(this.#primitive, inputs, params, (t) => this.#write(t, apart, params), cloneRaw);
  }

  run(inputs: readonly Tensor[], params: P, inplace: boolean): Tensor {
    return inplace ? this.inplace(inputs, params) : this.copy(inputs, params);
  }
}

function denseCopy(x: Tensor): Tensor {
  const out = allocate(x.shape, x.dtype, x._backend);
  copyRaw(out, x);
  return out;
}

/**
 * An operator of both forms from one function, which is told whether to work in place. `prepare` may rewrite the arguments
 * before they are bound.
 */
export function modifying<F>(
  text: string,
  // oxlint-disable-next-line typescript/no-explicit-any -- the signature converts and checks the arguments
  run: (inplace: boolean, ...args: any[]) => Tensor,
  options: Omit<OpOptions, "inplace"> & { readonly prepare?: (args: readonly unknown[]) => unknown[] } = {},
): F & { readonly op: InplaceOpInfo } {
  const { prepare, ...rest } = options;
  const signature = new Signature(text.replace("(", "_("));
  const form = (...args: unknown[]): Tensor => run(true, ...signature.bind(prepare?.(args) ?? args, {}));
  const inplace = describe(form, signature);
  const copy = operator<(...args: unknown[]) => Tensor>(text, (...args: unknown[]) => run(false, ...args), {
    ...rest,
    inplace,
  });
  if (prepare === undefined) return copy as F & { readonly op: InplaceOpInfo };
  return Object.assign((...args: unknown[]): Tensor => copy(...prepare(args)), { op: copy.op }) as F & {
    readonly op: InplaceOpInfo;
  };
}
