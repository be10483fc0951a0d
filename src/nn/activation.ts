/**
 * Activations.
 */
import type { Tensor } from "../tensor/tensor.ts";
import { relu, tanh } from "./functional-activation.ts";
import { Module } from "./module.ts";

/** `max(x, 0)`. */
export class ReLU extends Module {
  readonly inplace: boolean;

  constructor(inplace: boolean | { inplace?: boolean } = false) {
    super();
    this.inplace = typeof inplace === "boolean" ? inplace : (inplace.inplace ?? false);
  }

  override forward(input: Tensor): Tensor {
    return relu(input, this.inplace);
  }

  override extra_repr(): string {
    return this.inplace ? "inplace=True" : "";
  }
}

/** Hyperbolic tangent. */
export class Tanh extends Module {
  override forward(input: Tensor): Tensor {
    return tanh(input);
  }
}
