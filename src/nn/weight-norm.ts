/**
 * Weights whose length and direction are stored apart, by hooks: the way before parametrizations.
 */
import { no_grad } from "../autograd/modes.ts";
import { TorchError, ValueError } from "../base/errors.ts";
import { apply1, primitive } from "../dispatch/primitive.ts";
import { Signature } from "../dispatch/signature.ts";
import { empty } from "../ops/create.ts";
import { linalg_vector_norm, normalize } from "../ops/norm.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Args } from "./arguments.ts";
import type { HookHandle } from "./hooks.ts";
import type { Module } from "./module.ts";
import { Parameter } from "./parameter.ts";
import { unregister } from "./registration.ts";

/** The norms of the parts along `dim`, or of all for -1; in a shape that broadcasts. */
export function normExceptDim(v: Tensor, dim: number): Tensor {
  if (dim === -1) return linalg_vector_norm(v);
  const at = dim < 0 ? dim + v.ndim : dim;
  const others = v.shape.flatMap((_, d) => (d === at ? [] : [d]));
  // Of no other dims the norm is the absolute value.
  return others.length === 0 ? v.abs() : linalg_vector_norm(v, 2, others, true);
}

const compose = (v: Tensor, g: Tensor, dim: number): Tensor => v.mul(g.div(normExceptDim(v, dim)));

const weightNorm = primitive<number>({
  name: "_weight_norm_interface",
  gradName: "WeightNormInterfaceBackward0",
  forward: ([v, g], dim) => no_grad(() => compose((v as Tensor).detach(), (g as Tensor).detach(), dim)),
  joint: {
    uses: () => [0, 1],
    vjp: (grads, ctx) => {
      const [v, g] = [ctx.input(0), ctx.input(1)];
      const grad = grads[0] as Tensor;
      const norm = normExceptDim(v, ctx.params);
      const unit = v.div(norm);
      const along = sumExcept(grad.mul(unit), ctx.params, norm);
      return [grad.sub(unit.mul(along)).mul(g.div(norm)), along.reshape(g.shape)];
    },
  },
});

/** The sum over all dims but one, in the shape of the norms. */
function sumExcept(t: Tensor, dim: number, like: Tensor): Tensor {
  if (dim === -1) return t.sum();
  const others = t.shape.flatMap((_, d) => (d === (dim < 0 ? dim + t.ndim : dim) ? [] : [d]));
  return others.length === 0 ? t : t.sum(others, true).reshape(like.shape);
}

/** `v * g / |v|`. */
export function weightFrom(v: Tensor, g: Tensor, dim: number): Tensor {
  const at = dim < 0 && dim !== -1 ? dim + v.ndim : dim;
  // PyTorch's own node is for the first and the last dim; others are composed.
  const direct = at === 0 || at === v.ndim - 1;
  return direct ? apply1(weightNorm, [v, g], at) : compose(v, g, at);
}

interface Hook {
  readonly name: string;
  readonly handle: HookHandle;
  readonly remove: () => void;
}

/** Hooks by module, of either kind. */
const weightHooks = new WeakMap<Module, Hook[]>();
const spectralHooks = new WeakMap<Module, Hook[]>();

function add(hooks: WeakMap<Module, Hook[]>, module: Module, hook: Hook): void {
  hooks.set(module, [...(hooks.get(module) ?? []), hook]);
}

function take(hooks: WeakMap<Module, Hook[]>, module: Module, name: string, what: string): Hook {
  const list = hooks.get(module) ?? [];
  const found = list.find((h) => h.name === name);
  if (found === undefined) throw new ValueError(`${what} of '${name}' not found in ${String(module)}`);
  hooks.set(
    module,
    list.filter((h) => h !== found),
  );
  return found;
}

const plainField = (module: Module, name: string, value: Tensor): boolean =>
  Reflect.defineProperty(module, name, { value, writable: true, configurable: true, enumerable: true });

/** Options of `weight_norm`. */
export interface WeightNormOptions {
  /** Which parameter. Default: `"weight"`. */
  name?: string;
  /** The dim along which each part has a length of its own; null for one of all. Default: 0. */
  dim?: number | null;
}

/** Options of `spectral_norm`. */
export interface SpectralNormOptions {
  /** Which parameter. Default: `"weight"`. */
  name?: string;
  /** How far the singular value is followed at each call. Default: 1. */
  n_power_iterations?: number;
  eps?: number;
  /** The dim that counts as the rows of the matrix. */
  dim?: number | null;
}

/** @internal */
export const weightSignature: Signature = new Signature("weight_norm(any module, str name='weight', int? dim=0)");
/** @internal */
export const spectralSignature: Signature = new Signature(
  "spectral_norm(any module, str name='weight', int n_power_iterations=1, float eps=1e-12, int? dim=None)",
);

/** Stores length (`weight_g`) and direction (`weight_v`) of a weight apart; it is computed before each call. */
export function weight_norm<M extends Module>(
  module: M,
  ...args: Args<[], [name?: string, dim?: number | null], WeightNormOptions>
): M {
  const [, name, dim] = weightSignature.bind([module, ...args], {}) as [M, string, number | null];
  if ((weightHooks.get(module) ?? []).some((h) => h.name === name)) {
    throw new TorchError(`Cannot register two weight_norm hooks on the same parameter ${name}`);
  }
  const along = dim ?? -1;
  const weight = unregister(module, name) as Tensor;
  const g = no_grad(() => normExceptDim(weight.detach(), along));
  module.register_parameter(`${name}_g`, new Parameter(g));
  module.register_parameter(`${name}_v`, new Parameter(weight.detach()));
  const compute = (): Tensor =>
    weightFrom(Reflect.get(module, `${name}_v`) as Tensor, Reflect.get(module, `${name}_g`) as Tensor, along);
  plainField(module, name, compute());
  const handle = module.register_forward_pre_hook(() => void plainField(module, name, compute()));
  const remove = (): void => {
    const value = compute().detach();
    Reflect.deleteProperty(module, name);
    unregister(module, `${name}_g`);
    unregister(module, `${name}_v`);
    module.register_parameter(name, new Parameter(value));
  };
  add(weightHooks, module, { name, handle, remove });
  return module;
}

/** Makes a weight an ordinary parameter again. */
export function remove_weight_norm<M extends Module>(module: M, name = "weight"): M {
  const hook = take(weightHooks, module, name, "weight_norm");
  hook.handle.remove();
  hook.remove();
  return module;
}

/** Divides a weight by its largest singular value, before each call. */
export function spectral_norm<M extends Module>(
  module: M,
  ...args: Args<
    [],
    [name?: string, n_power_iterations?: number, eps?: number, dim?: number | null],
    SpectralNormOptions
  >
): M {
  const bound = spectralSignature.bind([module, ...args], {});
  const [, name, n_power_iterations, eps, dim] = bound as [M, string, number, number, number | null];
  const across = dim ?? (module.constructor.name.startsWith("ConvTranspose") ? 1 : 0);
  if (n_power_iterations <= 0) {
    throw new ValueError(
      `Expected n_power_iterations to be positive, but got n_power_iterations=${n_power_iterations}`,
    );
  }
  const weight = unregister(module, name) as Tensor;
  const original = new Parameter(weight.detach());
  module.register_parameter(`${name}_orig`, original);
  const matrixOf = (w: Tensor): Tensor => {
    const order = [across, ...w.shape.flatMap((_, d) => (d === across ? [] : [d]))];
    const turned = across === 0 ? w : w.permute(order);
    return turned.reshape([turned.shape[0] as number, -1]);
  };
  const [rows, columns] = matrixOf(weight.detach()).shape as [number, number];
  const start = (n: number): Tensor => normalize(empty([n], { dtype: weight.dtype }).normal_(), { dim: 0, eps });
  module.register_buffer(`${name}_u`, start(rows));
  module.register_buffer(`${name}_v`, start(columns));
  const get = (suffix: string): Tensor => Reflect.get(module, `${name}${suffix}`) as Tensor;
  const compute = (iterates: boolean): Tensor => {
    const w = get("_orig");
    const matrix = matrixOf(w);
    if (iterates) {
      no_grad(() => {
        for (let i = 0; i < n_power_iterations; i++) {
          get("_v").copy_(normalize(matrix.t().mv(get("_u")), { dim: 0, eps }));
          get("_u").copy_(normalize(matrix.mv(get("_v")), { dim: 0, eps }));
        }
      });
    }
    const [u, v] = [get("_u").clone(), get("_v").clone()];
    return w.div(u.dot(matrix.mv(v)));
  };
  plainField(module, name, weight.detach());
  const handle = module.register_forward_pre_hook(() => void plainField(module, name, compute(module.training)));
  const remove = (): void => {
    const value = no_grad(() => compute(false)).detach();
    Reflect.deleteProperty(module, name);
    for (const suffix of ["_orig", "_u", "_v"]) unregister(module, `${name}${suffix}`);
    module.register_parameter(name, new Parameter(value));
  };
  add(spectralHooks, module, { name, handle, remove });
  return module;
}

/** Makes a weight an ordinary parameter again. */
export function remove_spectral_norm<M extends Module>(module: M, name = "weight"): M {
  const hook = take(spectralHooks, module, name, "spectral_norm");
  hook.handle.remove();
  hook.remove();
  return module;
}
