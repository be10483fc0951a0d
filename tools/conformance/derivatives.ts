/** The derivative runs of an op sample: reverse mode, double backward, forward mode. */

import type { Decoder } from "./arguments.ts";
import type { Call } from "./call.ts";
import { type Tolerance, difference, tolerance } from "./compare.ts";
import type { GradRecord, SampleRecord, TensorRecord, ToleranceFile } from "./format.ts";
import { isObject } from "./python/bridge.ts";
import type { Interpreter } from "./python/evaluate.ts";
import { type Args, Missing } from "./python/values.ts";
import { collect, tensorsOf } from "./structure.ts";
import { type Outcome, fail, pass } from "./tally.ts";
import { type TensorIO, isComplexType, method } from "./tensors.ts";

/** The deterministic direction D(shape, a, k); `conjugate` negates imaginary parts. */
export function direction(io: TensorIO, like: TensorRecord | object, a: number, k: number, conjugate = false): object {
  const shape = Reflect.get(like, "shape") as readonly number[];
  const dtype = String(Reflect.get(like, "dtype")).replace(/^torch\./, "");
  const complex = isComplexType(dtype);
  const size = shape.reduce((n, d) => n * d, complex ? 2 : 1);
  const flat = Array.from(
    { length: size },
    (_, j) => Math.cos(a * j + k) * (conjugate && complex && j % 2 === 1 ? -1 : 1),
  );
  return io.fromFlat(flat, shape, dtype);
}

/** What a gradient function of the library gives: tensors, null where there is none. */
type MaybeTensor = object | null | undefined;

export class Derivatives {
  readonly #python: Interpreter;
  readonly #io: TensorIO;
  readonly #decoder: Decoder;
  readonly #table: ToleranceFile | null;

  constructor(python: Interpreter, io: TensorIO, decoder: Decoder, table: ToleranceFile | null) {
    this.#python = python;
    this.#io = io;
    this.#decoder = decoder;
    this.#table = table;
  }

  /** The inputs of a sample as leaves; `grad` marks those that require grad. */
  leaves(sample: SampleRecord): object[] {
    return sample.tensors.map((record) => {
      const tensor = this.#io.make(record);
      return record.grad ? (method(tensor, "requires_grad_") as object) : tensor;
    });
  }

  /** Calls the differentiated function: the op, inside the wrapper that its samples name. */
  forward(call: Call, sample: SampleRecord, tensors: readonly object[]): unknown {
    const args = {
      positional: this.#decoder.list(sample.args, tensors),
      keywords: this.#decoder.keywords(sample.kwargs, tensors),
    };
    const { wrapper, wrapper_text: text } = sample.grad ?? {};
    return call(wrapper === undefined ? args : this.#wrapped(wrapper, text ?? "", args));
  }

  #wrapped(wrapper: string, text: string, { positional, keywords }: Args): Args {
    const [x, ...rest] = positional;
    switch (wrapper) {
      case "gradcheck_wrapper_hermitian_input":
        return { positional: [method(x, "add", this.#python.attribute(x, "mH")), ...rest], keywords };
      case "gradcheck_wrapper_ctc_loss":
        return { positional: [method(x, "log_softmax", 2), ...rest], keywords };
      case "gradcheck_wrapper_triangular_input":
        return this.#triangular(positional, keywords, text.includes("idx=1") ? 1 : 0, false);
      case "gradcheck_wrapper_triangular_input_real_positive_diagonal":
        return this.#triangular(positional, keywords, 0, true);
      default:
        throw new Missing(wrapper);
    }
  }

  /** `upper` chooses the triangle that is kept, and is passed on by position. */
  #triangular(given: readonly unknown[], named: ReadonlyMap<string, unknown>, index: number, identity: boolean): Args {
    const keywords = new Map(named);
    const upper = keywords.get("upper") === true;
    keywords.delete("upper");
    const positional = [...given];
    let x = positional[index];
    if (identity) {
      const diagonal = method(x, "diagonal", 0, -2, -1);
      const size = (Reflect.get(Object(x), "shape") as readonly number[]).at(-1) ?? 0;
      const eye = method(this.#python.bridge.torch, "eye", size, { dtype: Reflect.get(Object(x), "dtype") });
      x = method(method(x, "sub", method(diagonal, "diag_embed")), "add", eye);
    }
    positional[index] = method(x, upper ? "triu" : "tril");
    return { positional: [...positional, upper], keywords };
  }

  /** The tensors that are differentiated: the outputs, or what `post` makes of them. */
  differentiated(sample: SampleRecord, value: unknown, outs: readonly unknown[]): readonly unknown[] {
    const { post } = sample.grad ?? {};
    return post === undefined ? outs : tensorsOf(this.#python.evaluate(post, this.#python.scope({ o: value })));
  }

  /** Names of grad_fn and requires_grad of the outputs. */
  gradFn(sample: SampleRecord, outs: readonly unknown[]): Outcome {
    for (const [k, expected] of (sample.grad_fn_full ?? []).entries()) {
      const out = Object(outs[k]) as object;
      const node: unknown = Reflect.get(out, "grad_fn");
      const name = isObject(node) ? method(node, "name") : null;
      if (name !== expected) return fail(`grad_fn of outs[${k}] is ${String(name)}, expected ${String(expected)}`);
      const requires: unknown = Reflect.get(out, "requires_grad");
      const wanted = sample.out_requires_grad?.[k];
      if (wanted !== undefined && requires !== wanted) {
        return fail(`outs[${k}].requires_grad is ${String(requires)}, expected ${String(wanted)}`);
      }
    }
    return pass;
  }

  grad(
    outputs: readonly unknown[],
    inputs: readonly unknown[],
    seeds: readonly unknown[],
    options: Readonly<Record<string, unknown>>,
  ): readonly MaybeTensor[] {
    const autograd = this.#python.bridge.torch["autograd"];
    const all = { grad_outputs: seeds, allow_unused: true, ...options };
    return method(autograd, "grad", outputs, inputs, all) as readonly MaybeTensor[];
  }

  vjp(
    op: string,
    sample: SampleRecord,
    record: GradRecord,
    tensors: readonly object[],
    outs: readonly unknown[],
  ): Outcome {
    const inputs = record.inputs.map((i) => tensors[i]);
    const chosen = record.diff_outs.map((k) => outs[k]);
    const seeds = record.diff_outs.map((k) => direction(this.#io, Object(outs[k]) as object, 1, k));
    const grads = this.grad(chosen, inputs, seeds, { retain_graph: true });
    for (const [j, expected] of (record.vjp ?? []).entries()) {
      const tol = this.#tolerance("vjp", op, sample, expected);
      const reason = this.#compare(grads[j], expected, tol, false);
      if (reason !== null) return fail(`input ${String(record.inputs[j])} ${reason}`);
    }
    return pass;
  }

  doubleBackward(
    op: string,
    sample: SampleRecord,
    record: GradRecord,
    tensors: readonly object[],
    outs: readonly unknown[],
  ): Outcome {
    const inputs = record.inputs.map((i) => tensors[i]);
    const chosen = record.diff_outs.map((k) => outs[k]);
    const seeds = record.diff_outs.map((k) =>
      method(direction(this.#io, Object(outs[k]) as object, 1, k), "requires_grad_"),
    );
    const grads = this.grad(chosen, inputs, seeds, { create_graph: true });
    // L = sum of Re(sum(g * D)): its derivative by g is the conjugate of D, which serves as the seed.
    const live = grads.flatMap((g, j) =>
      isObject(g) && Reflect.get(g, "requires_grad") === true
        ? [{ g, seed: direction(this.#io, g, 0.5, j, true) }]
        : [],
    );
    const { gg } = record;
    if (!gg) return live.length === 0 ? pass : fail("first-order gradients require grad, in PyTorch they do not");
    if (live.length === 0) return fail("no first-order gradient requires grad");
    const second = this.grad(
      live.map(({ g }) => g),
      [...inputs, ...seeds],
      live.map(({ seed }) => seed),
      {},
    );
    for (const [j, expected] of [...gg.inputs, ...gg.grad_outputs].entries()) {
      const reason = this.#compare(second[j], expected, this.#tolerance("second", op, sample, expected), true);
      const label = j < inputs.length ? `input ${String(record.inputs[j])}` : `grad_output ${j - inputs.length}`;
      if (reason !== null) return fail(`${label} ${reason}`);
    }
    return pass;
  }

  forwardMode(op: string, sample: SampleRecord, record: GradRecord, call: Call): Outcome {
    const tangents = this.#tangents(sample, record, call);
    for (const [k, expected] of (record.jvp ?? []).entries()) {
      const reason = this.#compare(tangents[k], expected, this.#tolerance("second", op, sample, expected), true);
      if (reason !== null) return fail(`outs[${k}] ${reason}`);
    }
    return pass;
  }

  /** The tangents of the differentiated tensors: by dual numbers, or by `torch.func.jvp` where there are none. */
  #tangents(sample: SampleRecord, record: GradRecord, call: Call): readonly MaybeTensor[] {
    const { torch } = this.#python.bridge;
    const tensors: object[] = sample.tensors.map((r) => this.#io.make(r));
    const inputs = record.inputs.map((i) => tensors[i] as object);
    const directions = record.inputs.map((i) => direction(this.#io, tensors[i] as object, 0.25, i));
    const results = (given: readonly object[]): readonly unknown[] => {
      const replaced = tensors.map((t, i) => given[record.inputs.indexOf(i)] ?? t);
      const value = this.forward(call, sample, replaced);
      const outs: unknown[] = [];
      const structure = collect(this.#python, sample.out, value, outs, { rtol: 1, atol: 1 });
      if (structure !== null) throw new TypeError(structure);
      return this.differentiated(sample, value, outs);
    };
    const autograd: unknown = torch["autograd"];
    const fwAD: unknown = isObject(autograd) ? Reflect.get(autograd, "forward_ad") : undefined;
    if (isObject(fwAD)) {
      const level = method(fwAD, "enter_dual_level");
      try {
        const duals = inputs.map((t, j) => method(fwAD, "make_dual", t, directions[j]) as object);
        return results(duals).map((out) => {
          const dual = method(fwAD, "unpack_dual", out) as object;
          return (Array.isArray(dual) ? dual[1] : Reflect.get(dual, "tangent")) as MaybeTensor;
        });
      } finally {
        method(fwAD, "exit_dual_level", isObject(level) ? { level } : {});
      }
    }
    const { func } = torch;
    if (!isObject(func)) throw new Missing("torch.autograd.forward_ad does not exist");
    const pair = method(func, "jvp", (...given: object[]) => results(given), inputs, directions);
    return Reflect.get(Object(pair), 1) as readonly MaybeTensor[];
  }

  #tolerance(kind: "vjp" | "second", op: string, sample: SampleRecord, expected: TensorRecord | null): Tolerance {
    // Second-order results of the narrow types have no tolerance of their own.
    const dtype = expected?.dtype ?? sample.dtype;
    return tolerance(dtype, kind, op, sample, this.#table);
  }

  /** `zeros`: an absent gradient and one of zeros are the same. */
  #compare(got: MaybeTensor, expected: TensorRecord | null, tol: Tolerance, zeros: boolean): string | null {
    if (expected === null) {
      if (!isObject(got)) return null;
      return zeros && this.#io.read(got).data.every((x) => Number(x) === 0) ? null : "is a tensor, expected None";
    }
    if (!isObject(got)) {
      return zeros && expected.data?.every((x) => Number(x) === 0) ? null : "is None, expected a tensor";
    }
    return difference(this.#io.read(got), expected, tol);
  }
}
