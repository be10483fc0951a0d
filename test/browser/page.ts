/** What test/browser.test.ts runs in a page: it learns something, and reports what came out. */
import * as torch from "flambeau";

declare global {
  /** All memories of WebAssembly; the page notes them before the library is loaded. */
  var memories: WebAssembly.Memory[];
}

export interface Report {
  readonly isolated: boolean;
  readonly shared: boolean;
  readonly text: string;
  readonly gradient: readonly number[];
  readonly losses: readonly number[];
  readonly accuracy: number;
  readonly threads: number;
  /** Of large products and sums, taken again and again by all threads: the wrong elements. */
  readonly wrong: number;
  /** The most memory that was taken at once, while 2 GB were allocated in pieces, in megabytes. */
  readonly megabytes: number;
}

const { nn, optim } = torch;

function differentiate(): Pick<Report, "text" | "gradient"> {
  const x = torch.tensor([2, 3, 4], { requires_grad: true });
  let y = x.mul(2);
  while ((y.data.square().sum().item() as number) < 1e6) y = y.mul(2);
  y.backward(torch.ones_like(y));
  return { text: String(y), gradient: x.grad?.tolist() as number[] };
}

/** Whether two numbers have the same sign: not linear, so the hidden layer is needed. */
function train(): Pick<Report, "losses" | "accuracy"> {
  torch.manual_seed(0);
  const x = torch.randn(256, 2);
  const y = x.prod(1).gt(0).long();
  const model = new nn.Sequential(new nn.Linear(2, 16), new nn.Tanh(), new nn.Linear(16, 2));
  const optimizer = new optim.Adam(model.parameters(), { lr: 0.03 });
  const losses: number[] = [];
  for (let step = 0; step < 300; step++) {
    const loss = nn.functional.cross_entropy(model(x), y);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    losses.push(loss.item() as number);
  }
  const scores = model(x);
  const right = scores.select(1, 1).gt(scores.select(1, 0)).eq(y.eq(1));
  return { losses, accuracy: right.float().mean().item() as number };
}

/** Work enough for workers, which start while the page goes on. */
async function share(): Promise<Pick<Report, "threads" | "wrong">> {
  const a = torch.full([384, 384], 0.5);
  const b = torch.full([384, 384], 2);
  let wrong = 0;
  for (let i = 0; i < 50; i++) {
    const product = a.mm(b).add(1);
    wrong += product.ne(385).sum().item() as number;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return { threads: torch.get_num_threads(), wrong };
}

/** Drops 400 tensors of 5 MB, and lets the page breathe now and then. */
async function allocate(): Promise<Pick<Report, "megabytes">> {
  let most = 0;
  for (let i = 0; i < 400; i++) {
    torch.ones(1_250_000);
    if (i % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 0));
    const taken = globalThis.memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
    most = Math.max(most, taken);
  }
  return { megabytes: most / 2 ** 20 };
}

async function report(): Promise<Report> {
  const results = { ...differentiate(), ...train(), ...(await share()), ...(await allocate()) };
  const shared = globalThis.memories.some(({ buffer }) => !(buffer instanceof ArrayBuffer));
  return { isolated: globalThis.crossOriginIsolated, shared, ...results };
}

const body = await report().then(
  (result) => JSON.stringify({ result }),
  (error: unknown) =>
    JSON.stringify({ error: error instanceof Error ? `${error.message}\n${error.stack}` : String(error) }),
);
await fetch("/report", { method: "POST", body });
