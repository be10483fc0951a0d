/** One pass, or a few, over a million numbers. */
import * as torch from "flambeau";
import type { Workload } from "../workload.ts";

const N = 1 << 20;

export const elementwise: readonly Workload[] = [
  {
    name: "add_1m",
    prepare() {
      const a = torch.randn(N);
      const b = torch.randn(N);
      return () => void a.add(b);
    },
  },
  {
    name: "exp_1m",
    prepare() {
      const a = torch.randn(N);
      return () => void a.exp();
    },
  },
  {
    name: "ln_gelu_chain",
    prepare() {
      const [a, b, c] = [torch.randn(N), torch.randn(N), torch.randn(N)];
      return () => void torch.nn.functional.gelu(a.mul(b).add(c)).mul(a).sum();
    },
  },
];
