/**
 * Copies of modules, as Python's `copy.deepcopy` makes them.
 */
import { no_grad } from "../autograd/modes.ts";
import { isLeaf } from "../autograd/views.ts";
import { TorchError } from "../base/errors.ts";
import { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";
import { Buffer, Parameter } from "./parameter.ts";

function copyTensor(t: Tensor): Tensor {
  if (!isLeaf(t)) {
    throw new TorchError(
      "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  If you were attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, see https://github.com/pytorch/pytorch/pull/103001",
    );
  }
  const values = no_grad(() => t.detach().clone());
  if (t instanceof Parameter) return new Parameter(values, t.requires_grad);
  if (t instanceof Buffer) return new Buffer(values, { persistent: t.persistent });
  return values.requires_grad_(t.requires_grad);
}

/** Copies tensors, modules, arrays and plain objects; all else is shared. */
function copyValue(value: unknown, done: Map<unknown, unknown>): unknown {
  const known = done.get(value);
  if (known !== undefined) return known;
  let copy: unknown = value;
  if (value instanceof Tensor) copy = copyTensor(value);
  else if (value instanceof Module) return copyOf(value, done);
  else if (Array.isArray(value)) copy = value.map((x: unknown) => copyValue(x, done));
  else if (value instanceof Map) copy = new Map([...value].map(([k, x]) => [k, copyValue(x, done)] as const));
  done.set(value, copy);
  return copy;
}

function copyOf<M extends Module>(module: M, done: Map<unknown, unknown>): M {
  const known = done.get(module);
  if (known !== undefined) return known as M;
  const copy = module._blank() as M;
  done.set(module, copy);
  module._copyInto(copy, (value) => copyValue(value, done));
  return copy;
}

/**
 * A copy of a module with parameters, buffers and modules of its own; what is shared inside is shared in the copy too. Private
 * (`#`) fields of the module cannot be copied.
 */
export function copyModule<M extends Module>(module: M): M {
  return copyOf(module, new Map());
}
