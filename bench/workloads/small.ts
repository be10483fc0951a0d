/** Tensors so small that only the way to the kernel counts. */
import * as torch from "flambeau";
import type { Workload } from "../workload.ts";

export const small: readonly Workload[] = [
  {
    name: "add_small",
    prepare() {
      const x = torch.randn(4);
      const y = torch.randn(4);
      return () => void x.add(y);
    },
  },
  {
    name: "chain_small",
    prepare() {
      const x = torch.randn(4, { requires_grad: true });
      return () => x.mul(2).add(1).tanh().mul(x).sum().backward();
    },
  },
];
