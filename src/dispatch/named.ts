/**
 * Results with several parts, such as those of `torch.max(x, dim)`: arrays whose entries also have names.
 */
import { formatReturnType } from "../tensor/format.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Two tensors that can be taken apart, `const [values, indices] = …`, or read by name. */
export type NamedPair<A extends string, B extends string> = { readonly [K in A | B]: Tensor } & {
  readonly 0: Tensor;
  readonly 1: Tensor;
  readonly length: 2;
  [Symbol.iterator](): IterableIterator<Tensor>;
  /** PyTorch's text of the result: `torch.return_types.max(…)`. */
  toString(): string;
};

/** Values, and where in the input they were found. */
export type ValuesIndices = NamedPair<"values", "indices">;

class NamedResult extends Array<Tensor> {
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }
}

/** A result from its parts in order. `name` is PyTorch's: `torch.return_types.<name>`. */
export function named<R>(name: string, fields: Readonly<Record<string, Tensor>>): R {
  const result = new NamedResult();
  for (const [field, value] of Object.entries(fields)) {
    result.push(value);
    Object.defineProperty(result, field, { value });
  }
  const text = (): string =>
    formatReturnType(name, Object.fromEntries(Object.entries(fields).map(([field, t]) => [field, String(t)])));
  Object.defineProperty(result, "toString", { value: text, configurable: true });
  Object.defineProperty(result, Symbol.for("nodejs.util.inspect.custom"), { value: () => String(result) });
  return result as unknown as R;
}
