// jax-js on its WebAssembly backend as a subject of the benchmark. It computes lazily: each piece of work reads its result.
import { readFileSync } from "node:fs";
import { serve } from "../../build/bench/subject.js";

globalThis.navigator ??= {};
const { init, defaultDevice, grad, jit, lax, nn, numpy: np, valueAndGrad } = await import("@jax-js/jax");
await init("wasm");
defaultDevice("wasm");

const N = 1 << 20;
const random = (...shape) => {
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.random() - 0.5);
  return np.array(values).reshape(shape);
};
const read = (array) => void array.dataSync();

const workloads = {
  add_small() {
    const [x, y] = [random(4), random(4)];
    return () => read(np.add(x.ref, y.ref));
  },
  chain_small() {
    const x = random(4);
    const gradient = jit(grad((x) => np.tanh(x.ref.mul(2).add(1)).mul(x).sum()));
    return () => read(gradient(x.ref));
  },
  add_1m() {
    const [a, b] = [random(N), random(N)];
    return () => read(np.add(a.ref, b.ref));
  },
  exp_1m() {
    const a = random(N);
    return () => read(np.exp(a.ref));
  },
  sum_1m() {
    const a = random(N);
    return () => read(a.ref.sum());
  },
  softmax_1m() {
    const m = random(1024, 1024);
    return () => read(nn.softmax(m.ref));
  },
  ln_gelu_chain() {
    const [a, b, c] = [random(N), random(N), random(N)];
    const chain = jit((a, b, c) => nn.gelu(a.ref.mul(b).add(c), { approximate: false }).mul(a).sum());
    return () => read(chain(a.ref, b.ref, c.ref));
  },
  conv_fb() {
    const [x, w] = [random(8, 32, 32, 32), random(64, 32, 3, 3)];
    const gradient = jit(grad((w, x) => lax.convGeneralDilated(x, w, [1, 1], "SAME").sum()));
    return () => read(gradient(w.ref, x.ref));
  },
  // With plain gradient descent: the library itself has no Adam.
  mlp_step() {
    const x = random(64, 784);
    const y = np.array(Float32Array.from({ length: 640 }, (_, i) => (i % 10 === Math.floor(i / 10) % 10 ? 1 : 0)));
    const target = y.reshape([64, 10]);
    const loss = (w1, b1, w2, b2, w3, b3) => {
      const h = nn.relu(np.matmul(nn.relu(np.matmul(x.ref, w1).add(b1)), w2).add(b2));
      return nn
        .logSoftmax(np.matmul(h, w3).add(b3))
        .mul(target.ref)
        .sum()
        .mul(-1 / 64);
    };
    const step = jit(valueAndGrad(loss, { argnums: [0, 1, 2, 3, 4, 5] }));
    let weights = [random(784, 256), random(256), random(256, 256), random(256), random(256, 10), random(10)];
    return () => {
      const [value, gradients] = step(...weights.map((w) => w.ref));
      weights = weights.map((w, i) => w.sub(gradients[i].mul(1e-3)));
      read(value);
      for (const w of weights) read(w.ref);
    };
  },
};
for (const n of [64, 256, 1024]) {
  workloads[`mm_${n}`] = () => {
    const [p, q] = [random(n, n), random(n, n)];
    return () => read(np.matmul(p.ref, q.ref));
  };
}

const manifest = new URL("./node_modules/@jax-js/jax/package.json", import.meta.url);
await serve(
  JSON.parse(readFileSync(manifest, "utf8")).version,
  Object.entries(workloads).map(([name, prepare]) => ({ name, prepare })),
);
