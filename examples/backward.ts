/**
 * What `backward` does, and why it sometimes needs an argument: a small program everyone meets first, and the questions it raises.
 */
import * as torch from "flambeau";

/** Runs `f`, which is expected to throw, and gives its message. */
function complaint(f: () => unknown): string {
  try {
    f();
  } catch (error) {
    return (error as Error).message;
  }
  return "no error";
}

/** The graph of `y` as an indented list, from the last operation to the leaves. */
function printGraph(node: torch.autograd.Node | null, depth = 0): void {
  if (node === null) return;
  const leaf = node instanceof torch.autograd.AccumulateGrad ? ` of ${String(node.variable)}` : "";
  console.log(`${"  ".repeat(depth)}${node.name()}${leaf}`);
  for (const [next] of node.next_functions) printGraph(next, depth + 1);
}

/** The loop of the program: the graph has as many nodes as the loop has turns, so it depends on the data. */
function doubled(x: torch.Tensor): torch.Tensor {
  let y = x.mul(2);
  while (y.data.norm().item() < 1000) y = y.mul(2);
  return y;
}

/** The program itself. */
export function program(): void {
  const x = torch.tensor([2, 3, 4], { requires_grad: true });
  console.log(`${x}`);
  const y = doubled(x);
  console.log(`${y}`);
  y.backward(torch.ones_like(y));
  console.log(`${x.grad}`);
}

/** The questions, each with its answer. */
export function questions(): void {
  const x = torch.tensor([2, 3, 4], { requires_grad: true });

  console.log("\n# y has three elements: whose gradient would backward() compute?");
  console.log(complaint(() => doubled(x).backward()));

  console.log("\n# A scalar needs no argument: its gradient starts at 1.");
  x.mul(x).sum().backward();
  console.log(`${x.grad}`);

  console.log("\n# The argument says how much each element of y counts.");
  x.grad = null;
  const v = torch.tensor([0.1, 1.0, 0.0001]);
  doubled(x).backward(v);
  console.log(`${x.grad}`);

  console.log("\n# What backward(v) computes is the product of v with the Jacobian J of y, dy_i / dx_j.");
  const J = torch.autograd.functional.jacobian(doubled, x.detach());
  console.log(`${J}`);
  console.log(`${v.matmul(J)}`);

  console.log("\n# Of a scalar function the second derivatives form a matrix too: the Hessian.");
  const H = torch.autograd.functional.hessian((t) => t.pow(3).sum().add(t.prod()), x.detach());
  console.log(`${H}`);

  console.log("\n# A second backward() through the same graph fails: what it had saved is freed.");
  const z = x.mul(x).sum();
  z.backward();
  console.log(complaint(() => z.backward()));

  console.log("\n# With retain_graph it works; gradients accumulate in x.grad until it is cleared.");
  x.grad = null;
  const w = x.mul(x).sum();
  w.backward({ retain_graph: true });
  console.log(`${x.grad}`);
  w.backward();
  console.log(`${x.grad}`);

  console.log("\n# create_graph records the gradient's own computation, so that it can be differentiated again.");
  const f = x.pow(3).sum();
  const [first] = torch.autograd.grad(f, x, { create_graph: true });
  console.log(`${first}`);
  const [second] = torch.autograd.grad((first as torch.Tensor).sum(), x);
  console.log(`${second}`);

  console.log(
    "\n# The two are easily taken for the same, and it is an understandable slip: create_graph keeps the graph as well.\n" +
      "# But retain_graph alone only allows another pass; the gradient it gives has no history to differentiate.",
  );
  const g = x.pow(3).sum();
  const [kept] = torch.autograd.grad(g, x, { retain_graph: true });
  console.log(`${kept}`);
  console.log(complaint(() => torch.autograd.grad((kept as torch.Tensor).sum(), x)));

  console.log("\n# The graph, from the result to the leaf.");
  const a = torch.tensor([2, 3, 4], { requires_grad: true });
  printGraph(a.mul(2).exp().sum().grad_fn);
}

/** The program, then the questions. */
export function main(): void {
  program();
  questions();
}
