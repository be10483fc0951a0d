/**
 * Recurrent networks over sequences.
 */
import { ArgumentTypeError, TorchError, ValueError } from "../base/errors.ts";
import { sameShape } from "../base/shape.ts";
import { pythonTypeOf } from "../dispatch/signature.ts";
import { zeros } from "../ops/create.ts";
import { cat, stack } from "../ops/join.ts";
import { linear } from "../ops/linear.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Args, Configured, ConstructorSignature, type FactoryOptions } from "./arguments.ts";
import { relu } from "./functional-activation.ts";
import { dropout } from "./functional-dropout.ts";
import { uniform_ } from "./init.ts";
import { PackedSequence } from "./packed.ts";
import type { Parameter } from "./parameter.ts";
import { type CellState, type CellWeights, gruStep, lstmStep, simpleStep, type Step } from "./recurrent-cells.ts";
import { pythonText } from "./text.ts";

/** Options of the recurrent networks. */
export interface RecurrentOptions extends FactoryOptions {
  /** How many layers, each of which gets what the one before gives. Default: 1. */
  num_layers?: number;
  bias?: boolean;
  /** Whether inputs are (batch, time, features) rather than (time, batch, features). Default: false. */
  batch_first?: boolean;
  /** Dropout between the layers. Default: 0. */
  dropout?: number;
  /** Whether a second network runs from the end to the start. Default: false. */
  bidirectional?: boolean;
}

const rest = "any bias=True, any batch_first=False, Scalar dropout=0.0, bool bidirectional=False";
const factory = "str? device=None, dtype? dtype=None";

/** Runs a layer in one direction. */
function runLayer(
  input: Tensor,
  start: CellState,
  w: CellWeights,
  step: Step,
  backwards: boolean,
): { output: Tensor; state: CellState } {
  // What does not depend on the state is computed for all times at once.
  const gates = linear(input, w.ih, w.bih).unbind(0) as Tensor[];
  if (backwards) gates.reverse();
  const outputs: Tensor[] = [];
  let state = start;
  for (const g of gates) {
    state = step(g, state, w);
    outputs.push(state[0] as Tensor);
  }
  if (backwards) outputs.reverse();
  return { output: stack(outputs, 0), state };
}

/** Runs a layer in one direction over packed sequences. */
function runPacked(
  data: Tensor,
  sizes: readonly number[],
  start: CellState,
  w: CellWeights,
  step: Step,
  backwards: boolean,
): { output: Tensor; state: CellState } {
  const gates = linear(data, w.ih, w.bih).split(sizes as number[], 0) as Tensor[];
  const outputs = new Array<Tensor>(sizes.length);
  const rows = (state: CellState, from: number, to: number): CellState =>
    state.map((t) => t.narrow(0, from, to - from));
  const join = (parts: readonly CellState[]): CellState =>
    (parts[0] as CellState).map((_, i) =>
      cat(
        parts.map((p) => p[i] as Tensor),
        0,
      ),
    );
  const run = (t: number, state: CellState): CellState => {
    const next = step(gates[t] as Tensor, state, w);
    outputs[t] = next[0] as Tensor;
    return next;
  };
  if (backwards) {
    let live = sizes.at(-1) as number;
    let state = rows(start, 0, live);
    for (let t = sizes.length - 1; t >= 0; t--) {
      const size = sizes[t] as number;
      // Shorter sequences begin, from their end, later.
      if (size > live) state = join([state, rows(start, live, size)]);
      live = size;
      state = run(t, state);
    }
    return { output: cat(outputs, 0), state };
  }
  const ended: CellState[] = [];
  let state = start;
  let live = sizes[0] as number;
  for (let t = 0; t < sizes.length; t++) {
    const size = sizes[t] as number;
    if (size < live) {
      ended.unshift(rows(state, size, live));
      state = rows(state, 0, size);
    }
    live = size;
    state = run(t, state);
  }
  return { output: cat(outputs, 0), state: ended.length === 0 ? state : join([state, ...ended]) };
}

abstract class Recurrent extends Configured {
  declare readonly input_size: number;
  declare readonly hidden_size: number;
  declare readonly num_layers: number;
  declare readonly bias: boolean;
  declare readonly batch_first: boolean;
  declare readonly dropout: number;
  declare readonly bidirectional: boolean;
  declare readonly proj_size: number;
  declare readonly mode: string;

  constructor(
    signature: ConstructorSignature,
    args: readonly unknown[],
    mode: (m: Recurrent) => string,
    gates: number,
  ) {
    super(signature, args, ["nonlinearity"]);
    Reflect.set(this, "mode", mode(this));
    if (this._arguments.get("proj_size") === undefined) Reflect.set(this, "proj_size", 0);
    this.#check();
    const { hidden_size: hidden, proj_size: projected } = this;
    const directions = this.bidirectional ? 2 : 1;
    const carried = projected > 0 ? projected : hidden;
    for (let layer = 0; layer < this.num_layers; layer++) {
      for (let d = 0; d < directions; d++) {
        const input = layer === 0 ? this.input_size : carried * directions;
        const add = (name: string, ...shape: number[]): void =>
          this.register_parameter(`${name}_l${layer}${d === 1 ? "_reverse" : ""}`, this._arguments.parameter(...shape));
        add("weight_ih", gates * hidden, input);
        add("weight_hh", gates * hidden, carried);
        if (this.bias) {
          add("bias_ih", gates * hidden);
          add("bias_hh", gates * hidden);
        }
        if (projected > 0) add("weight_hr", projected, hidden);
      }
    }
    this.reset_parameters();
  }

  #check(): void {
    const type = (name: string, expected: "int" | "bool"): void => {
      const got = pythonTypeOf(this._arguments.written(name));
      if (got !== expected) throw new ArgumentTypeError(`${name} should be of type ${expected}, got: ${got}`);
    };
    const positive = (name: string): void => {
      if ((Reflect.get(this, name) as number) <= 0) throw new ValueError(`${name} must be greater than zero`);
    };
    if (!(this.dropout >= 0 && this.dropout <= 1)) {
      throw new ValueError(
        "dropout should be a number in range [0, 1] representing the probability of an element being zeroed",
      );
    }
    if (this.dropout > 0 && this.num_layers === 1) {
      console.warn(
        `UserWarning: dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers greater than 1, but got dropout=${this.dropout} and num_layers=1`,
      );
    }
    type("input_size", "int");
    positive("input_size");
    type("hidden_size", "int");
    positive("hidden_size");
    positive("num_layers");
    if (this.proj_size < 0) {
      throw new ValueError("proj_size should be a positive integer or zero to disable projections");
    }
    if (this.proj_size >= this.hidden_size) throw new ValueError("proj_size has to be smaller than hidden_size");
    type("bias", "bool");
    type("batch_first", "bool");
  }

  /** Draws new first values. */
  reset_parameters(): void {
    const bound = this.hidden_size > 0 ? 1 / Math.sqrt(this.hidden_size) : 0;
    for (const p of this.parameters()) uniform_(p, -bound, bound);
  }

  #weights(layer: number, direction: number): CellWeights {
    const of = (name: string): Parameter | null =>
      (Reflect.get(this, `${name}_l${layer}${direction === 1 ? "_reverse" : ""}`) as Parameter | undefined) ?? null;
    const [ih, hh] = [of("weight_ih"), of("weight_hh")] as [Parameter, Parameter];
    return { ih, hh, bih: of("bias_ih"), bhh: of("bias_hh"), hr: of("weight_hr") };
  }

  /** @internal Runs all layers. `states`: hidden state, and cell state if there is one, each of all layers; null for zeros. */
  protected run<T extends Tensor | PackedSequence>(
    input: T,
    step: Step,
    states: readonly Tensor[] | null,
    parts: 1 | 2,
  ): { output: T; states: Tensor[] } {
    if (input instanceof PackedSequence) {
      return this.#runPacked(input, step, states, parts) as { output: T; states: Tensor[] };
    }
    return this.#runPadded(input, step, states, parts) as { output: T; states: Tensor[] };
  }

  #runPacked(
    input: PackedSequence,
    step: Step,
    states: readonly Tensor[] | null,
    parts: 1 | 2,
  ): { output: PackedSequence; states: Tensor[] } {
    const sizes = input._sizes;
    const { sorted_indices: sorted, unsorted_indices: unsorted } = input;
    const given = states === null || sorted === null ? states : states.map((t) => t.index_select(1, sorted));
    const initial = this.#initial(input.data, given, sizes[0] as number, true, parts);
    const { x, states: last } = this.#layers(input.data, initial, (data, start, w, backwards) =>
      runPacked(data, sizes, start, w, step, backwards),
    );
    return {
      output: input._with(x),
      states: unsorted === null ? last : last.map((t) => t.index_select(1, unsorted)),
    };
  }

  #runPadded(
    input: Tensor,
    step: Step,
    states: readonly Tensor[] | null,
    parts: 1 | 2,
  ): { output: Tensor; states: Tensor[] } {
    if (input.ndim !== 2 && input.ndim !== 3) {
      throw new ValueError(`${this.#name}: Expected input to be 2D or 3D, got ${input.ndim}D instead`);
    }
    const batched = input.ndim === 3;
    const given = batched ? input : input.unsqueeze(this.batch_first ? 0 : 1);
    const rows = given.shape[this.batch_first ? 0 : 1] as number;
    const initial = this.#initial(given, states, rows, batched, parts);
    const timed = this.batch_first ? given.transpose(0, 1) : given;
    const { x, states: last } = this.#layers(timed, initial, (data, start, w, backwards) =>
      runLayer(data, start, w, step, backwards),
    );
    const output = this.batch_first ? x.transpose(0, 1) : x;
    if (batched) return { output, states: last };
    return { output: output.squeeze(this.batch_first ? 0 : 1), states: last.map((t) => t.squeeze(1)) };
  }

  /** The states at the start, checked. */
  #initial(x: Tensor, states: readonly Tensor[] | null, rows: number, batched: boolean, parts: number): Tensor[] {
    const count = this.num_layers * (this.bidirectional ? 2 : 1);
    const sizes = [this.proj_size > 0 ? this.proj_size : this.hidden_size, this.hidden_size];
    const initial = states === null ? this.#zeros(x, count, rows, sizes, parts) : this.#given(states, batched);
    this.#checkInput(x);
    initial.forEach((t, i) => {
      const expected = [count, rows, sizes[i] as number];
      if (!sameShape(t.shape, expected)) {
        const what = parts === 1 ? "hidden" : `hidden[${i}]`;
        throw new TorchError(`Expected ${what} size (${expected.join(", ")}), got [${t.shape.join(", ")}]`);
      }
    });
    return initial;
  }

  /** Runs one layer after the other, in both directions if wanted. */
  #layers(
    input: Tensor,
    initial: readonly Tensor[],
    layerOf: (x: Tensor, start: CellState, w: CellWeights, backwards: boolean) => { output: Tensor; state: CellState },
  ): { x: Tensor; states: Tensor[] } {
    let x = input;
    const directions = this.bidirectional ? 2 : 1;
    const parted = initial.map((t) => t.unbind(0) as Tensor[]);
    const finals: Tensor[][] = initial.map(() => []);
    for (let layer = 0; layer < this.num_layers; layer++) {
      const outputs: Tensor[] = [];
      for (let d = 0; d < directions; d++) {
        const start = parted.map((list) => list[layer * directions + d] as Tensor);
        const { output, state } = layerOf(x, start, this.#weights(layer, d), d === 1);
        outputs.push(output);
        state.forEach((t, i) => (finals[i] as Tensor[]).push(t));
      }
      x = outputs.length === 1 ? (outputs[0] as Tensor) : cat(outputs, -1);
      if (this.dropout > 0 && this.training && layer < this.num_layers - 1) x = dropout(x, this.dropout, true);
    }
    return { x, states: finals.map((list) => stack(list, 0)) };
  }

  get #name(): string {
    return this.mode.startsWith("RNN") ? "RNN" : this.mode;
  }

  #zeros(x: Tensor, count: number, rows: number, sizes: readonly number[], parts: number): Tensor[] {
    return sizes.slice(0, parts).map((size) => zeros([count, rows, size], { dtype: x.dtype }));
  }

  #given(states: readonly Tensor[], batched: boolean): Tensor[] {
    const dims = batched ? 3 : 2;
    if (states.some((t) => t.ndim !== dims)) {
      const input = batched ? "batched 3-D" : "unbatched 2-D";
      throw new TorchError(
        states.length === 1
          ? `For ${input} input, hx should also be ${dims}-D but got ${states[0]?.ndim}-D tensor`
          : `For ${input} input, hx and cx should also be ${dims}-D but got (${states.map((t) => `${t.ndim}-D`).join(", ")}) tensors`,
      );
    }
    return batched ? [...states] : states.map((t) => t.unsqueeze(1));
  }

  #checkInput(x: Tensor): void {
    const weight = (Reflect.get(this, "weight_ih_l0") as Parameter).dtype;
    if (x.dtype !== weight) {
      throw new ValueError(
        `RNN input dtype (${String(x.dtype)}) does not match weight dtype (${String(weight)}). Convert input: input.to(${String(weight)}), or convert model: model.to(${String(x.dtype)})`,
      );
    }
    if (x.shape.at(-1) !== this.input_size) {
      throw new TorchError(
        `input.size(-1) must be equal to input_size. Expected ${this.input_size}, got ${x.shape.at(-1)}`,
      );
    }
  }

  override extra_repr(): string {
    const parts = [`${this.input_size}`, `${this.hidden_size}`];
    if (this.proj_size !== 0) parts.push(this._list("proj_size"));
    if (this.num_layers !== 1) parts.push(this._list("num_layers"));
    if (!this.bias) parts.push("bias=False");
    if (this.batch_first) parts.push("batch_first=True");
    if (this.dropout !== 0) parts.push(this._list("dropout"));
    if (this.bidirectional) parts.push("bidirectional=True");
    return parts.join(", ");
  }
}

const rnnSignature = new ConstructorSignature(
  `RNN(any input_size, any hidden_size, int num_layers=1, str nonlinearity='tanh', ${rest}, ${factory})`,
);

/** Takes packed sequences too. */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- another way to call it
export interface RNN {
  (input: PackedSequence, hx?: Tensor | null): [PackedSequence, Tensor];
}

/** A simple recurrent network: `h = tanh(W x + U h)`. Gives all outputs, and the last hidden state of each layer. */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- another way to call it
export class RNN extends Recurrent {
  declare readonly nonlinearity: "tanh" | "relu";

  constructor(
    ...args: Args<
      [input_size: number, hidden_size: number],
      [num_layers?: number, nonlinearity?: "tanh" | "relu", bias?: boolean, batch_first?: boolean, dropout?: number],
      RecurrentOptions & { nonlinearity?: "tanh" | "relu" }
    >
  ) {
    super(rnnSignature, args, modeOf, 1);
    Object.defineProperty(this, "nonlinearity", { value: this._arguments.get("nonlinearity"), enumerable: false });
  }

  override forward(input: Tensor, hx: Tensor | null = null): [Tensor, Tensor] {
    const activation = this.mode === "RNN_RELU" ? (x: Tensor) => relu(x) : (x: Tensor) => x.tanh();
    const { output, states } = this.run(input, simpleStep(activation), hx === null ? null : [hx], 1);
    return [output, states[0] as Tensor];
  }
}

function modeOf(m: Configured): string {
  const kind = m._arguments.get<string>("nonlinearity");
  if (kind !== "tanh" && kind !== "relu") {
    throw new ValueError(`Unknown nonlinearity ${pythonText(kind)}. Select from 'tanh' or 'relu'.`);
  }
  return kind === "tanh" ? "RNN_TANH" : "RNN_RELU";
}

type GatedArgs<O> = Args<
  [input_size: number, hidden_size: number],
  [num_layers?: number, bias?: boolean, batch_first?: boolean, dropout?: number, bidirectional?: boolean],
  O
>;

const lstmSignature = new ConstructorSignature(
  `LSTM(any input_size, any hidden_size, int num_layers=1, ${rest}, int proj_size=0, ${factory})`,
);

/** Takes packed sequences too. */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- another way to call it
export interface LSTM {
  (input: PackedSequence, hx?: readonly [Tensor, Tensor] | null): [PackedSequence, [Tensor, Tensor]];
}

/** Long short-term memory. Gives all outputs, and `[hidden, cell]`: the last states of each layer. */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- another way to call it
export class LSTM extends Recurrent {
  constructor(...args: GatedArgs<RecurrentOptions & { proj_size?: number }>) {
    super(lstmSignature, args, () => "LSTM", 4);
  }

  override forward(input: Tensor, hx: readonly [Tensor, Tensor] | null = null): [Tensor, [Tensor, Tensor]] {
    const { output, states } = this.run(input, lstmStep, hx, 2);
    return [output, states as [Tensor, Tensor]];
  }
}

const gruSignature = new ConstructorSignature(
  `GRU(any input_size, any hidden_size, int num_layers=1, ${rest}, ${factory})`,
);

/** Takes packed sequences too. */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- another way to call it
export interface GRU {
  (input: PackedSequence, hx?: Tensor | null): [PackedSequence, Tensor];
}

/** Gated recurrent units. Gives all outputs, and the last hidden state of each layer. */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- another way to call it
export class GRU extends Recurrent {
  constructor(...args: GatedArgs<RecurrentOptions>) {
    super(gruSignature, args, () => "GRU", 3);
  }

  override forward(input: Tensor, hx: Tensor | null = null): [Tensor, Tensor] {
    const { output, states } = this.run(input, gruStep, hx === null ? null : [hx], 1);
    return [output, states[0] as Tensor];
  }
}
