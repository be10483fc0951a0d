/**
 * One step of recurrent networks.
 */
import { TorchError, ValueError } from "../base/errors.ts";
import { linear } from "../ops/linear.ts";
import { zeros } from "../ops/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Args, type Arguments, Configured, ConstructorSignature, type FactoryOptions } from "./arguments.ts";
import { relu } from "./functional-activation.ts";
import { uniform_ } from "./init.ts";
import type { Parameter } from "./parameter.ts";
import { pythonText } from "./text.ts";

/** Weights of a step: of the input and of the hidden state, and of the projection if there is one. */
export interface CellWeights {
  readonly ih: Tensor;
  readonly hh: Tensor;
  readonly bih: Tensor | null;
  readonly bhh: Tensor | null;
  readonly hr: Tensor | null;
}

/** The hidden state, and for LSTM the cell state. */
export type CellState = readonly Tensor[];

/** A step from the gates of the input, already multiplied by their weights. */
export type Step = (gates: Tensor, state: CellState, w: CellWeights) => Tensor[];

/** `tanh` or another function of what comes in and what was. */
export const simpleStep =
  (activation: (x: Tensor) => Tensor): Step =>
  (gates, [h], w) => [activation(linear(h as Tensor, w.hh, w.bhh).add(gates))];

/** Long short-term memory (Hochreiter and Schmidhuber, 1997). */
export const lstmStep: Step = (gates, [h, c], w) => {
  const all = linear(h as Tensor, w.hh, w.bhh).add(gates);
  const [input, forget, cell, output] = all.chunk(4, 1) as [Tensor, Tensor, Tensor, Tensor];
  const next = forget
    .sigmoid()
    .mul(c as Tensor)
    .add(input.sigmoid().mul(cell.tanh()));
  const hidden = output.sigmoid().mul(next.tanh());
  return [w.hr === null ? hidden : linear(hidden, w.hr), next];
};

/** Gated recurrent units (Cho and others, 2014). */
export const gruStep: Step = (gates, [h], w) => {
  const before = h as Tensor;
  const [ir, iz, inew] = gates.chunk(3, 1) as [Tensor, Tensor, Tensor];
  const [hr, hz, hnew] = linear(before, w.hh, w.bhh).chunk(3, 1) as [Tensor, Tensor, Tensor];
  const reset = hr.add(ir).sigmoid();
  const update = hz.add(iz).sigmoid();
  const fresh = inew.add(hnew.mul(reset)).tanh();
  return [before.sub(fresh).mul(update).add(fresh)];
};

/** Options of the cells. */
export interface CellOptions extends FactoryOptions {
  bias?: boolean;
}

type CellArgs = Args<[input_size: number, hidden_size: number], [bias?: boolean], CellOptions>;

abstract class Cell extends Configured {
  declare readonly input_size: number;
  declare readonly hidden_size: number;
  declare readonly bias: boolean;
  declare weight_ih: Parameter;
  declare weight_hh: Parameter;
  declare bias_ih: Parameter | null;
  declare bias_hh: Parameter | null;

  constructor(signature: ConstructorSignature, args: readonly unknown[], gates: number) {
    super(signature, args);
    // Whatever is true counts, as in PyTorch.
    Reflect.set(this, "bias", Boolean(this.bias));
    const a: Arguments = this._arguments;
    const rows = gates * this.hidden_size;
    this.register_parameter("weight_ih", a.parameter(rows, this.input_size));
    this.register_parameter("weight_hh", a.parameter(rows, this.hidden_size));
    this.register_parameter("bias_ih", this.bias ? a.parameter(rows) : null);
    this.register_parameter("bias_hh", this.bias ? a.parameter(rows) : null);
    this.reset_parameters();
  }

  /** Draws new first values. */
  reset_parameters(): void {
    const bound = this.hidden_size > 0 ? 1 / Math.sqrt(this.hidden_size) : 0;
    for (const p of this.parameters()) uniform_(p, -bound, bound);
  }

  /** @internal One step, of a batch or of one sample. */
  protected run(step: Step, input: Tensor, given: readonly (Tensor | null)[], names: readonly string[]): Tensor[] {
    const kind = this._get_name();
    if (input.ndim !== 1 && input.ndim !== 2) {
      throw new ValueError(`${kind}: Expected input to be 1D or 2D, got ${input.ndim}D instead`);
    }
    given.forEach((state, i) => {
      if (state !== null && state.ndim !== 1 && state.ndim !== 2) {
        throw new ValueError(`${kind}: Expected ${names[i]} to be 1D or 2D, got ${state.ndim}D instead`);
      }
    });
    const single = input.ndim === 1;
    const x = single ? input.unsqueeze(0) : input;
    const rows = x.shape[0] as number;
    const state = given.map((t) => {
      if (t === null) return zeros([rows, this.hidden_size], { dtype: input.dtype });
      return single ? t.unsqueeze(0) : t;
    });
    this.#check(x, state);
    const weights = { ih: this.weight_ih, hh: this.weight_hh, bih: this.bias_ih, bhh: this.bias_hh, hr: null };
    const next = step(linear(x, this.weight_ih, this.bias_ih), state, weights);
    return single ? next.map((t) => t.squeeze(0)) : next;
  }

  #check(x: Tensor, state: readonly Tensor[]): void {
    if (x.shape[1] !== this.input_size) {
      throw new TorchError(`input has inconsistent input_size: got ${x.shape[1]} expected ${this.input_size}`);
    }
    state.forEach((t, i) => {
      if (x.shape[0] !== t.shape[0]) {
        throw new TorchError(`Input batch size ${x.shape[0]} doesn't match hidden${i} batch size ${t.shape[0]}`);
      }
      if (t.shape[1] !== this.hidden_size) {
        throw new TorchError(
          `hidden${i} has inconsistent hidden_size: got ${t.shape[1]}, expected ${this.hidden_size}`,
        );
      }
    });
  }

  override extra_repr(): string {
    const bias = this.bias ? "" : ", bias=False";
    return `${this.input_size}, ${this.hidden_size}${bias}`;
  }
}

const signatureOf = (name: string, more = ""): ConstructorSignature =>
  new ConstructorSignature(
    `${name}(int input_size, int hidden_size, any bias=True${more}, str? device=None, dtype? dtype=None)`,
  );

const rnnSignature = signatureOf("RNNCell", ", str nonlinearity='tanh'");

/** One step of an {@link RNN}. */
export class RNNCell extends Cell {
  declare readonly nonlinearity: string;

  constructor(
    ...args: Args<
      [input_size: number, hidden_size: number],
      [bias?: boolean, nonlinearity?: "tanh" | "relu"],
      CellOptions & { nonlinearity?: "tanh" | "relu" }
    >
  ) {
    super(rnnSignature, args, 1);
  }

  override forward(input: Tensor, hx: Tensor | null = null): Tensor {
    const kind = this.nonlinearity;
    if (kind !== "tanh" && kind !== "relu") throw new TorchError(`Unknown nonlinearity: ${pythonText(kind)}`);
    const step = simpleStep(kind === "tanh" ? (x) => x.tanh() : (x) => relu(x));
    return this.run(step, input, [hx], ["hidden"])[0] as Tensor;
  }

  override extra_repr(): string {
    return super.extra_repr() + (this.nonlinearity === "tanh" ? "" : `, nonlinearity=${this.nonlinearity}`);
  }
}

const lstmSignature = signatureOf("LSTMCell");

/** One step of an {@link LSTM}: gives hidden and cell state. */
export class LSTMCell extends Cell {
  constructor(...args: CellArgs) {
    super(lstmSignature, args, 4);
  }

  override forward(input: Tensor, hx: readonly [Tensor, Tensor] | null = null): [Tensor, Tensor] {
    return this.run(lstmStep, input, hx ?? [null, null], ["hx[0]", "hx[1]"]) as [Tensor, Tensor];
  }
}

const gruSignature = signatureOf("GRUCell");

/** One step of a {@link GRU}. */
export class GRUCell extends Cell {
  constructor(...args: CellArgs) {
    super(gruSignature, args, 3);
  }

  override forward(input: Tensor, hx: Tensor | null = null): Tensor {
    return this.run(gruStep, input, [hx], ["hidden"])[0] as Tensor;
  }
}
