/**
 * `torch.autograd.gradcheck`: gradients against finite differences.
 */
import { grad } from "../autograd/backward.ts";
import { enable_grad, no_grad } from "../autograd/modes.ts";
import type { MaybeTensor } from "../autograd/node.ts";
import { TorchError, ValueError } from "../base/errors.ts";
import { forEachPosition, hostOf } from "../tensor/data.ts";
import { Tensor } from "../tensor/tensor.ts";
import { view_as_real } from "../ops/complex.ts";
import { zeros_like } from "../ops/create.ts";

/** A gradient that does not agree with finite differences. */
export class GradcheckError extends TorchError {
  override name = "GradcheckError";
}

/** Options of {@link gradcheck}. */
export interface GradcheckOptions {
  /** The step of the finite differences. Default: 1e-6. */
  eps?: number;
  /** Absolute tolerance. Default: 1e-5. */
  atol?: number;
  /** Relative tolerance. Default: 1e-3. */
  rtol?: number;
  /** Whether a failure throws or returns false. Default: true. */
  raise_exception?: boolean;
}

// oxlint-disable-next-line typescript/no-explicit-any -- called with the inputs as given
type Func = (...inputs: any[]) => Tensor | readonly Tensor[];

const listOf = (x: Tensor | readonly Tensor[]): Tensor[] => (x instanceof Tensor ? [x] : [...x]);

const differentiable = (t: Tensor): boolean => t.dtype.category >= 2;

/** A complex tensor counts as its real and imaginary parts. */
const parts = (t: Tensor): Tensor => (t.dtype.is_complex ? view_as_real(t) : t);

/** How many numbers a tensor holds. */
const count = (t: Tensor): number => t.numel() * (t.dtype.is_complex ? 2 : 1);

/** Reads all numbers, in row-major order. */
const numbers = (t: Tensor): number[] => parts(t.detach()).reshape(-1).tolist() as number[];

/** Changes each element of `x` in turn by ±eps, and collects how the outputs change: [element][output][element]. */
function numericalColumns(fn: Func, inputs: readonly unknown[], x: Tensor, eps: number): number[][][] {
  const columns: number[][][] = [];
  const positions: number[] = [];
  const varied = parts(x.detach());
  forEachPosition(varied, (at) => positions.push(at));
  const evaluate = (): number[][] =>
    listOf(no_grad(() => fn(...inputs)))
      .filter(differentiable)
      .map(numbers);
  for (const at of positions) {
    const before = read(varied, at);
    write(varied, at, before + eps);
    const up = evaluate();
    write(varied, at, before - eps);
    const down = evaluate();
    write(varied, at, before);
    columns.push(up.map((o, k) => o.map((v, i) => (v - ((down[k] as number[])[i] as number)) / (2 * eps))));
  }
  return columns;
}

// The host's views are replaced when memory grows, so they are looked up each time.
function read(x: Tensor, at: number): number {
  const host = hostOf(x._backend, "gradcheck");
  return (x.dtype.name === "float32" ? host.f32[at] : host.f64[at]) as number;
}

function write(x: Tensor, at: number, value: number): void {
  const host = hostOf(x._backend, "gradcheck");
  if (x.dtype.name === "float32") host.f32[at] = value;
  else host.f64[at] = value;
}

function table(rows: readonly (readonly number[])[]): string {
  return `[${rows.map((r) => `[${r.map((v) => v.toPrecision(5)).join(", ")}]`).join(",\n ")}]`;
}

/**
 * Checks the gradients of `fn` at `inputs` against central differences (`torch.autograd.gradcheck`).
 *
 * @param fn takes the inputs and returns a tensor or tensors
 * @param inputs those that require grad are varied; they should be float64
 * @returns true; a mismatch throws {@link GradcheckError}, or returns false without `raise_exception`
 */
export function gradcheck(fn: Func, inputs: Tensor | readonly unknown[], options: GradcheckOptions = {}): boolean {
  const { eps = 1e-6, atol = 1e-5, rtol = 1e-3, raise_exception = true } = options;
  const all = inputs instanceof Tensor ? [inputs] : [...inputs];
  const varied = all.filter((x): x is Tensor => x instanceof Tensor && x.requires_grad);
  if (varied.length === 0) {
    throw new ValueError(
      "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True.",
    );
  }
  varied.forEach((x, i) => {
    if (x.dtype.name !== "float64" && x.dtype.name !== "complex128") {
      console.warn(
        `UserWarning: Input #${i} requires gradient and is not a double precision floating point or complex. This check will likely fail if all the inputs are not of double precision floating point or complex. `,
      );
    }
  });
  try {
    check(fn, all, varied, eps, atol, rtol);
    return true;
  } catch (error) {
    if (error instanceof GradcheckError && !raise_exception) return false;
    throw error;
  }
}

function check(
  fn: Func,
  all: readonly unknown[],
  varied: readonly Tensor[],
  eps: number,
  atol: number,
  rtol: number,
): void {
  const outs = listOf(enable_grad(() => fn(...all)))
    .filter(differentiable)
    .map(parts);
  varied.forEach((x, i) => {
    const numerical = numericalColumns(fn, all, x, eps);
    outs.forEach((out, k) => {
      const analytical = analyticalRows(out, x);
      const expected = numerical.map((column) => column[k] as number[]);
      for (let r = 0; r < out.numel(); r++) {
        for (let c = 0; c < count(x); c++) {
          const a = (analytical[r] as number[])[c] as number;
          const n = (expected[c] as number[])[r] as number;
          if (Math.abs(a - n) <= atol + rtol * Math.abs(n) || Object.is(a, n)) continue;
          const byInput = analytical[0]?.map((_, col) => analytical.map((row) => row[col] as number)) ?? [];
          throw new GradcheckError(
            `Jacobian mismatch for output ${k} with respect to input ${i},\nnumerical:${table(expected)}\nanalytical:${table(byInput)}\n`,
          );
        }
      }
    });
  });
}

/** The Jacobian by one backward pass for each element of the output. */
function analyticalRows(out: Tensor, x: Tensor): number[][] {
  const rows: number[][] = [];
  for (let r = 0; r < out.numel(); r++) {
    let g: MaybeTensor = null;
    if (out.requires_grad) {
      const seed = zeros_like(out.detach()).contiguous();
      seed.view(-1).select(0, r).fill_(1);
      [g] = grad(out, x, { grad_outputs: seed, retain_graph: true, allow_unused: true }) as [MaybeTensor];
    }
    rows.push(g === null ? new Array<number>(count(x)).fill(0) : numbers(g));
  }
  return rows;
}

/** {@link gradcheck} of the gradients of `fn`: second derivatives against finite differences. */
export function gradgradcheck(
  fn: Func,
  inputs: Tensor | readonly unknown[],
  grad_outputs?: Tensor | readonly Tensor[] | null,
  options: GradcheckOptions = {},
): boolean {
  const all = inputs instanceof Tensor ? [inputs] : [...inputs];
  const outs = listOf(fn(...all)).filter((o) => differentiable(o) && o.requires_grad);
  const given = grad_outputs === null || grad_outputs === undefined ? null : listOf(grad_outputs);
  // Without gradients given, smooth and different ones: results must not be right by symmetry alone.
  const seeds =
    given ??
    outs.map((o, k) => {
      const g = zeros_like(o.detach()).contiguous();
      const flat = g.view(-1);
      for (let i = 0; i < g.numel(); i++) flat.select(0, i).fill_(Math.cos(i + k + 0.5));
      return g.requires_grad_();
    });
  const gradients = (...args: unknown[]): Tensor[] => {
    const values = args.slice(0, all.length);
    const vectors = args.slice(all.length) as Tensor[];
    const outputs = enable_grad(() => listOf(fn(...values)).filter((o) => differentiable(o) && o.requires_grad));
    const wrt = values.filter((x): x is Tensor => x instanceof Tensor && x.requires_grad);
    const found = enable_grad(
      () => grad(outputs, wrt, { grad_outputs: vectors, create_graph: true, allow_unused: true }) as MaybeTensor[],
    );
    return found.map((g, i) => g ?? zeros_like(wrt[i] as Tensor));
  };
  return gradcheck(gradients, [...all, ...seeds], options);
}
