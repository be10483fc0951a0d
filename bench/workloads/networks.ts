/** Training steps. */
import * as torch from "flambeau";
import type { Workload } from "../workload.ts";

const { nn, optim } = torch;

/** 784-256-256-10 with rectifiers, a batch of 64, cross entropy, Adam. */
const mlpStep: Workload = {
  name: "mlp_step",
  prepare() {
    const net = new nn.Sequential(
      new nn.Linear(784, 256),
      new nn.ReLU(),
      new nn.Linear(256, 256),
      new nn.ReLU(),
      new nn.Linear(256, 10),
    );
    const optimizer = new optim.Adam(net.parameters(), { lr: 1e-3 });
    const x = torch.randn(64, 784);
    const y = torch.randint(0, 10, [64]);
    return () => {
      optimizer.zero_grad();
      nn.functional.cross_entropy(net(x), y).backward();
      optimizer.step();
    };
  },
};

export const networks: readonly Workload[] = [mlpStep];
