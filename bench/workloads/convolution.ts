/** A convolution, forward and backward. */
import * as torch from "flambeau";
import type { Workload } from "../workload.ts";

export const convolution: readonly Workload[] = [
  {
    name: "conv_fb",
    prepare() {
      const conv = new torch.nn.Conv2d(32, 64, 3, { padding: 1 });
      const x = torch.randn(8, 32, 32, 32);
      return () => {
        conv.zero_grad();
        conv(x).sum().backward();
      };
    },
  },
];
