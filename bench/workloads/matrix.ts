/** Products of square matrices. */
import * as torch from "flambeau";
import type { Workload } from "../workload.ts";

export const matrix: readonly Workload[] = [64, 256, 1024].map((n) => ({
  name: `mm_${n}`,
  prepare() {
    const p = torch.randn(n, n);
    const q = torch.randn(n, n);
    return () => void p.mm(q);
  },
}));
