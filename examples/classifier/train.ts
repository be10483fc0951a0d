/** Trains a multilayer perceptron on a dataset and measures it. */

import * as torch from "flambeau";
import { progress } from "flambeau/data";
import type { ProgressStream } from "flambeau/data";
import type { Dataset, Samples } from "./dataset.ts";
import type { Options } from "./options.ts";

/** What came out of a training run. */
export interface Result {
  readonly model: torch.nn.Sequential;
  /** How many numbers were learned. */
  readonly parameters: number;
  readonly epochs: number;
  readonly seconds: number;
  /** Mean losses at the ends of these epochs. */
  readonly history: { readonly epoch: number[]; readonly train: number[]; readonly test: number[] };
  /** `counts[i][j]`: how many test samples of class i were taken for class j. */
  readonly counts: readonly (readonly number[])[];
  /** The share of the test samples that are classified correctly. */
  readonly accuracy: number;
}

/** Without `--epochs`, about this many steps are made. */
const STEPS = 3000;
/** The loss curve has at most about this many points: the test loss costs time. */
const CURVE_POINTS = 100;
/** Samples that go through the network at once when nothing is learned. */
const CHUNK = 4096;

/** A multilayer perceptron: linear layers with rectifiers between them. */
export function perceptron(columns: number, hidden: readonly number[], classes: number): torch.nn.Sequential {
  const layers: torch.nn.Module[] = [];
  let width = columns;
  for (const next of hidden) {
    layers.push(new torch.nn.Linear(width, next), new torch.nn.ReLU());
    width = next;
  }
  layers.push(new torch.nn.Linear(width, classes));
  return new torch.nn.Sequential(...layers);
}

/** Trains on the training samples alone; the test samples are only ever measured. */
export function train(dataset: Dataset, options: Options, file: ProgressStream): Result {
  const { columns, classes } = dataset;
  const x = matrix(dataset.train.features, columns);
  const y = torch.tensor([...dataset.train.targets], { dtype: torch.int64 });
  const model = perceptron(columns, options.hidden, classes.length);
  const optimizer = new torch.optim.Adam(model.parameters(), { lr: options.lr });
  const { count } = dataset.train;
  const stepsPerEpoch = Math.ceil(count / options.batch);
  const epochs = options.epochs ?? Math.min(400, Math.max(5, Math.round(STEPS / stepsPerEpoch)));
  const total = epochs * stepsPerEpoch;
  const every = Math.max(1, Math.round(epochs / CURVE_POINTS));
  // See Note [Jitter].
  const noise = jitter(dataset.train, columns);
  const history: Result["history"] = { epoch: [], train: [], test: [] };
  const started = performance.now();
  const bar = progress(null, { total, desc: "training", unit: "steps", file });
  try {
    for (let epoch = 1; epoch <= epochs; epoch++) {
      const order = torch.randperm(count);
      let sum = 0;
      for (let start = 0; start < count; start += options.batch) {
        setLearningRate(optimizer, options.lr * 0.5 * (1 + Math.cos((Math.PI * bar.n) / total)));
        const rows = order.narrow(0, start, Math.min(options.batch, count - start));
        const inputs = x.index_select(0, rows);
        const loss = torch.nn.functional.cross_entropy(
          model(inputs.add(torch.randn_like(inputs).mul(noise))),
          y.index_select(0, rows),
        );
        optimizer.zero_grad();
        loss.backward();
        optimizer.step();
        const value = loss.item() as number;
        sum += value * rows.numel();
        bar.set_postfix({ epoch, loss: value });
        bar.update();
      }
      if (epoch % every !== 0 && epoch !== epochs) continue;
      history.epoch.push(epoch);
      history.train.push(sum / count);
      history.test.push(meanLoss(model, dataset.test, columns));
    }
  } finally {
    bar.close();
  }
  const seconds = (performance.now() - started) / 1000;
  const found = predict(model, dataset.test.features, columns);
  const counts = classes.map(() => classes.map(() => 0));
  let right = 0;
  dataset.test.targets.forEach((target, i) => {
    const prediction = found[i] ?? 0;
    const row = counts[target];
    if (row !== undefined) row[prediction] = (row[prediction] ?? 0) + 1;
    if (prediction === target) right++;
  });
  let parameters = 0;
  for (const parameter of model.parameters()) parameters += parameter.numel();
  return { model, parameters, epochs, seconds, history, counts, accuracy: right / dataset.test.count };
}

/** The number of the class that the network gives each sample. */
export function predict(model: torch.nn.Sequential, features: Float32Array, columns: number): number[] {
  return torch.no_grad(() => {
    const found: number[] = [];
    for (let start = 0; start < features.length; start += CHUNK * columns) {
      const part = matrix(features.subarray(start, start + CHUNK * columns), columns);
      found.push(...(model(part).argmax(1).tolist() as number[]));
    }
    return found;
  });
}

/** The loss of the first few training samples, with its graph: what the report draws. */
export function lossOfFew(model: torch.nn.Sequential, dataset: Dataset): torch.Tensor {
  const few = Math.min(4, dataset.train.count);
  const inputs = matrix(dataset.train.features.subarray(0, few * dataset.columns), dataset.columns);
  const targets = torch.tensor(dataset.train.targets.slice(0, few), { dtype: torch.int64 });
  return torch.nn.functional.cross_entropy(model(inputs), targets);
}

function matrix(features: Float32Array, columns: number): torch.Tensor {
  return torch.tensor(features).view(-1, columns);
}

function meanLoss(model: torch.nn.Sequential, samples: Samples, columns: number): number {
  return torch.no_grad(() => {
    let sum = 0;
    for (let start = 0; start < samples.count; start += CHUNK) {
      const part = matrix(samples.features.subarray(start * columns, (start + CHUNK) * columns), columns);
      const targets = torch.tensor(samples.targets.slice(start, start + CHUNK), { dtype: torch.int64 });
      sum += (torch.nn.functional.cross_entropy(model(part), targets).item() as number) * targets.numel();
    }
    return sum / samples.count;
  });
}

function setLearningRate(optimizer: torch.optim.Adam, lr: number): void {
  for (const group of optimizer.param_groups) group.lr = lr;
}

/**
 * Note [Jitter]
 * Every training input is shaken by Gaussian noise before each step, which keeps the network from learning the samples by
 * heart. How much noise helps depends on the data: what smooths 64 pixels would blur two spirals into one. A measure that
 * fits both is the distance to the nearest other sample, spread over the features: half as much again as its median over
 * some samples.
 */
function jitter(samples: Samples, columns: number): number {
  const { features, count } = samples;
  const probes = Math.min(count, 200);
  const others = Math.min(count, 4000);
  const nearest: number[] = [];
  for (let p = 0; p < probes; p++) {
    const i = Math.floor((p * count) / probes);
    let least = Infinity;
    for (let o = 0; o < others; o++) {
      const j = Math.floor((o * count) / others);
      if (i === j) continue;
      let squares = 0;
      for (let c = 0; c < columns && squares < least; c++) {
        squares += ((features[i * columns + c] ?? 0) - (features[j * columns + c] ?? 0)) ** 2;
      }
      least = Math.min(least, squares);
    }
    nearest.push(least);
  }
  const median = nearest.toSorted((a, b) => a - b)[Math.floor(probes / 2)] ?? 0;
  return Number.isFinite(median) ? 1.5 * Math.sqrt(median / columns) : 0;
}
