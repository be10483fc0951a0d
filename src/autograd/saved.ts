/**
 * Tensors that a node keeps for its backward formula, with the version at which they were saved.
 */
import { formatShape } from "../base/shape.ts";
import { TorchError } from "../base/errors.ts";
import type { Storage } from "../tensor/storage.ts";
import { alias, type Tensor } from "../tensor/tensor.ts";
import { opNameOf, type Node } from "./node.ts";

/**
 * A saved tensor. An output of the node itself is kept without its `grad_fn`, as otherwise the node would hold itself;
 * it gets the node back when it is unpacked.
 */
export class SavedTensor {
  readonly #tensor: Tensor;
  readonly #version: number;
  /** -1 for an input, else the number of the node's output. */
  readonly #outputNr: number;

  constructor(tensor: Tensor, outputNr: number) {
    this.#outputNr = outputNr;
    this.#version = tensor._counter.version;
    this.#tensor = outputNr < 0 ? tensor : alias(tensor, tensor.shape, tensor._strides, tensor._offset);
  }

  /** Whether it shares memory with a storage. */
  uses(storage: Storage): boolean {
    return this.#tensor._storage === storage;
  }

  /** The tensor, for the node that saved it. Throws if it was modified in place since. */
  unpack(node: Node): Tensor {
    const saved = this.#tensor;
    if (saved._counter.version !== this.#version) this.#modified(node);
    if (this.#outputNr < 0) return saved;
    const out = alias(saved, saved.shape, saved._strides, saved._offset);
    out._node = node;
    out._outputNr = this.#outputNr;
    return out;
  }

  #modified(node: Node): never {
    const t = this.#tensor;
    const kind = `${t._backend.type === "cpu" ? "torch." : `torch.${t._backend.type}.`}${t.dtype.scalarName}Tensor`;
    const source = this.#outputNr >= 0 ? node : t._node;
    const nr = this.#outputNr >= 0 ? this.#outputNr : t._outputNr;
    const which = source === null ? "" : `, which is output ${nr} of ${opNameOf(source)},`;
    throw new TorchError(
      `one of the variables needed for gradient computation has been modified by an inplace operation: [${kind} ${formatShape(t.shape)}]${which} is at version ${t._counter.version}; expected version ${this.#version} instead. Hint: enable anomaly detection to find the operation that failed to compute its gradient, with torch.autograd.set_detect_anomaly(True, check_nan=False).`,
    );
  }
}
