/**
 * In-place forms of views: the tensor itself takes another geometry.
 */
import { checkInplace, markView, requiresGrad } from "../autograd/views.ts";
import { describe, type OpInfo, type Operator } from "../dispatch/op.ts";
import { Signature } from "../dispatch/signature.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { t, transpose } from "./permute.ts";
import { as_strided } from "./slice.ts";
import { squeeze, unsqueeze } from "./view.ts";

/** A method that gives the tensor the geometry, and the history, of a view of itself. */
function inplaceOf(name: string, view: Operator): InplaceView {
  const text = view.op.signature.text.replace(/^\w+/, name);
  return describe(
    (x: Tensor, ...args: unknown[]): Tensor => {
      checkInplace(x, requiresGrad(x));
      const out = view(x, ...args) as Tensor;
      const history = { node: out._node, nr: out._outputNr };
      Object.assign(x as object, {
        shape: out.shape,
        _strides: out._strides,
        _offset: out._offset,
        _numel: out._numel,
        _contiguous: out._contiguous,
      });
      x._counter.version++;
      if (history.node !== null) {
        x._node = history.node;
        x._outputNr = history.nr;
      }
      const base = x._view?.base;
      if (base !== undefined) markView(base, x, "default");
      return x;
    },
    new Signature(text),
    { namespace: false },
  );
}

type InplaceView = ((input: Tensor, ...args: (number | readonly number[] | null)[]) => Tensor) & {
  readonly op: OpInfo;
};

/** {@link squeeze} of the tensor itself. */
export const squeeze_: InplaceView = inplaceOf("squeeze_", squeeze as unknown as Operator);
/** {@link unsqueeze} of the tensor itself. */
export const unsqueeze_: InplaceView = inplaceOf("unsqueeze_", unsqueeze as unknown as Operator);
/** {@link transpose} of the tensor itself. */
export const transpose_: InplaceView = inplaceOf("transpose_", transpose as unknown as Operator);
/** {@link transpose_} under NumPy's name. */
export const swapaxes_: InplaceView = transpose_;
/** {@link transpose_} under another name. */
export const swapdims_: InplaceView = transpose_;
/** {@link t} of the tensor itself. */
export const t_: InplaceView = inplaceOf("t_", t as unknown as Operator);
/** {@link as_strided} of the tensor itself. */
export const as_strided_: InplaceView = inplaceOf("as_strided_", as_strided as unknown as Operator);
