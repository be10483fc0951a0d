// TensorFlow.js on its WebAssembly backend as a subject of the benchmark.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { serve } from "../../build/bench/subject.js";

// Its notices go to the stream of the replies.
console.log = console.info = console.warn = console.error;

const require = createRequire(import.meta.url);
const tf = require("@tensorflow/tfjs");
const { setWasmPaths } = require("@tensorflow/tfjs-backend-wasm");
setWasmPaths(`${dirname(require.resolve("@tensorflow/tfjs-backend-wasm"))}/`);
// It fetches its module, and Node's fetch knows no files.
globalThis.fetch = async (url) =>
  new Response(readFileSync(String(url).replace("file://", "")), { headers: { "content-type": "application/wasm" } });
await tf.setBackend("wasm");
await tf.ready();

const N = 1 << 20;
/** Runs and drops what was made, the result too: `tidy` keeps what its function returns. */
const tidy = (work) => () => tf.tidy(() => void work());

const workloads = {
  add_small() {
    const [x, y] = [tf.randomNormal([4]), tf.randomNormal([4])];
    return tidy(() => x.add(y));
  },
  chain_small() {
    const x = tf.randomNormal([4]);
    const gradient = tf.grad((x) => x.mul(2).add(1).tanh().mul(x).sum());
    return tidy(() => gradient(x));
  },
  add_1m() {
    const [a, b] = [tf.randomNormal([N]), tf.randomNormal([N])];
    return tidy(() => a.add(b));
  },
  exp_1m() {
    const a = tf.randomNormal([N]);
    return tidy(() => a.exp());
  },
  sum_1m() {
    const a = tf.randomNormal([N]);
    return tidy(() => a.sum());
  },
  softmax_1m() {
    const m = tf.randomNormal([1024, 1024]);
    return tidy(() => m.softmax());
  },
  ln_gelu_chain() {
    const [a, b, c] = [tf.randomNormal([N]), tf.randomNormal([N]), tf.randomNormal([N])];
    return tidy(() => {
      const u = a.mul(b).add(c);
      return u.mul(u.mul(Math.SQRT1_2).erf().add(1).mul(0.5)).mul(a).sum();
    });
  },
  mlp_step() {
    const layers = [
      [784, 256],
      [256, 256],
      [256, 10],
    ].map(([n, m]) => ({ w: tf.variable(tf.randomNormal([n, m]).mul(0.05)), b: tf.variable(tf.zeros([m])) }));
    const x = tf.randomNormal([64, 784]);
    const y = tf.oneHot(tf.randomUniform([64], 0, 10, "int32"), 10);
    const optimizer = tf.train.adam(1e-3);
    return () =>
      optimizer.minimize(() => {
        const logits = layers.reduce((h, { w, b }, i) => (i === 0 ? h : h.relu()).matMul(w).add(b), x);
        return tf.losses.softmaxCrossEntropy(y, logits);
      });
  },
  conv_fb() {
    const [x, w, b] = [tf.randomNormal([8, 32, 32, 32]), tf.randomNormal([3, 3, 32, 64]), tf.zeros([64])];
    const gradients = tf.grads((w, b) => tf.conv2d(x, w, 1, "same").add(b).sum());
    return tidy(() => gradients([w, b]));
  },
};
for (const n of [64, 256, 1024]) {
  workloads[`mm_${n}`] = () => {
    const [p, q] = [tf.randomNormal([n, n]), tf.randomNormal([n, n])];
    return tidy(() => p.matMul(q));
  };
}

await serve(
  tf.version.tfjs,
  Object.entries(workloads).map(([name, prepare]) => ({ name, prepare })),
);
