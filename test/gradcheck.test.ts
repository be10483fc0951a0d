import * as torch from "flambeau";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { Decoder } from "../tools/conformance/arguments.ts";
import { resolveCall, type Call } from "../tools/conformance/call.ts";
import { tolerance } from "../tools/conformance/compare.ts";
import { caseFiles } from "../tools/conformance/data.ts";
import { Derivatives } from "../tools/conformance/derivatives.ts";
import type { OpFile, SampleRecord } from "../tools/conformance/format.ts";
import { Interpreter } from "../tools/conformance/python/evaluate.ts";
import { collect, tensorsOf } from "../tools/conformance/structure.ts";
import { TensorIO } from "../tools/conformance/tensors.ts";

const folder = new URL("fixtures/conformance/ops", import.meta.url).pathname;

/** Operators that finite differences cannot judge, and why. */
const exceptions: Readonly<Record<string, string>> = {
  nn_functional_max_unpool1d:
    "indices repeat in the samples, and the gradient adds up what the value keeps once, as in PyTorch",
  nn_functional_max_unpool2d: "the same",
  nn_functional_max_unpool3d: "the same",
  float: "the result has fewer digits than the step needs",
  half: "the result has fewer digits than the step needs",
  bfloat16: "the result has fewer digits than the step needs",
  chalf: "the result has fewer digits than the step needs",
  cfloat: "the result has fewer digits than the step needs",
};

const python = new Interpreter(torch, { nn: torch.nn, F: torch.nn.functional });
const decoder = new Decoder(python);
const derivatives = new Derivatives(python, new TensorIO(torch), decoder, null);

/** Elements of the inputs that are varied: the checks take a run for each. */
const size = (sample: SampleRecord): number =>
  sample.tensors.reduce((n, t) => n + (t.grad === true ? t.shape.reduce((a, b) => a * b, 1) : 0), 0);

const suitable = (sample: SampleRecord): boolean =>
  (sample.dtype === "float64" || sample.dtype === "complex128") &&
  sample.grad != null &&
  sample.cond === undefined &&
  Reflect.get(sample, "nonfinite") !== true &&
  Reflect.get(sample.grad, "grad_error") === undefined &&
  size(sample) > 0 &&
  size(sample) <= 40;

/** The differentiated outputs of a sample as a function of its tensors. */
function functionOf(call: Call, sample: SampleRecord): (...tensors: torch.Tensor[]) => torch.Tensor[] {
  return (...tensors) => {
    const outs: unknown[] = [];
    const value = derivatives.forward(call, sample, tensors);
    if (sample.grad?.wrapper === undefined && sample.grad?.post === undefined) {
      const reason = collect(python, sample.out, value, outs, tolerance("float64", "value", "", sample, null));
      if (reason !== null) throw new Error(reason);
    } else if (sample.grad.post === undefined) outs.push(...tensorsOf(value));
    const all = derivatives.differentiated(sample, value, outs) as torch.Tensor[];
    return (sample.grad?.diff_outs ?? []).map((k) => all[k] as torch.Tensor);
  };
}

const exists = (error: unknown): boolean =>
  !(
    error instanceof Error &&
    (error.name === "NotImplementedError" || error.name === "Missing" || /does not exist/.test(error.message))
  );

/** <J u, v> and <u, Jᵀ v> for directions u and v. */
function products(f: (...tensors: torch.Tensor[]) => torch.Tensor[], tensors: torch.Tensor[]): [number, number] {
  const inputs = tensors.filter((t) => t.requires_grad);
  const us = inputs.map((t, i) => direction(t, 0.3, i));
  const outs = f(...tensors);
  const vs = outs.map((t, k) => direction(t, 0.7, k));
  const back = torch.autograd.grad(outs, inputs, { grad_outputs: vs, allow_unused: true });
  const { forward_ad } = torch.autograd;
  const forward = forward_ad.dual_level(() => {
    let at = 0;
    const duals = tensors.map((t) =>
      t.requires_grad ? forward_ad.make_dual(t.detach(), us[at++] as torch.Tensor) : t,
    );
    return f(...duals).map((t) => forward_ad.unpack_dual(t).tangent);
  });
  const inner = (a: torch.Tensor | null, b: torch.Tensor | undefined): number =>
    a === null || b === undefined ? 0 : a.detach().conj().mul(b).sum().real.item();
  return [forward.reduce((s, t, k) => s + inner(t, vs[k]), 0), back.reduce((s, g, i) => s + inner(g, us[i]), 0)];
}

function direction(like: torch.Tensor, a: number, k: number): torch.Tensor {
  if (like.dtype.is_complex) {
    return torch.complex(direction(like.real, a, k), direction(like.real, a, k + 2));
  }
  return torch
    .arange(like.numel(), { dtype: torch.float64 })
    .mul(a)
    .add(k)
    .cos()
    .view([...like.shape]);
}

beforeAll(() => {
  vi.spyOn(console, "warn").mockImplementation(() => {});
});

describe("gradients against finite differences, forward against reverse", () => {
  for (const file of caseFiles<OpFile>(folder)) {
    const op = file.read();
    if (Reflect.get(op, "supports_autograd") === false || op.full_name in exceptions) continue;
    const samples = op.samples.filter(suitable).slice(0, 3);
    if (samples.length === 0) continue;
    it(op.full_name, (context) => {
      let call: Call;
      try {
        call = resolveCall(python, op.call);
      } catch {
        context.skip();
        return;
      }
      for (const sample of samples) {
        const f = functionOf(call, sample);
        const tensors = derivatives.leaves(sample) as torch.Tensor[];
        try {
          torch.no_grad(() => f(...tensors));
        } catch (error) {
          if (exists(error)) throw error;
          context.skip();
          return;
        }
        expect(torch.autograd.gradcheck(f, tensors), `gradcheck ${sample.id}`).toBe(true);
        if (sample.grad?.gg != null && sample.grad.gg_error === undefined && size(sample) <= 20) {
          expect(torch.autograd.gradgradcheck(f, tensors), `gradgradcheck ${sample.id}`).toBe(true);
        }
        if (Reflect.get(op, "supports_forward_ad") === false) continue;
        const [forward, reverse] = products(f, tensors);
        if (!Number.isFinite(reverse)) continue;
        expect(Math.abs(forward - reverse), `jvp against vjp ${sample.id}`).toBeLessThanOrEqual(
          1e-9 * Math.max(1, Math.abs(reverse)),
        );
      }
    });
  }
});
