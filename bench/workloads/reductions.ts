/** Many numbers become few. */
import * as torch from "flambeau";
import type { Workload } from "../workload.ts";

export const reductions: readonly Workload[] = [
  {
    name: "sum_1m",
    prepare() {
      const a = torch.randn(1 << 20);
      return () => void a.sum();
    },
  },
  {
    name: "softmax_1m",
    prepare() {
      const m = torch.randn(1024, 1024);
      return () => void m.softmax(-1);
    },
  },
];
