/**
 * What all optimizers share: groups of parameters with their options, state by parameter, and how both are saved.
 */
import { enable_grad, no_grad } from "../autograd/modes.ts";
import { isLeaf } from "../autograd/views.ts";
import { formatRepr } from "../base/decimal.ts";
import { dtypes, get_default_dtype } from "../base/dtype.ts";
import { ArgumentTypeError, NotImplementedError, TorchError, ValueError } from "../base/errors.ts";
import { showAsText } from "../base/inspect.ts";
import { isOptions, pythonTypeOf } from "../dispatch/signature.ts";
import { clearGrad } from "../nn/traversal.ts";
import { pythonText } from "../nn/text.ts";
import { tensor } from "../ops/create.ts";
import { formatTuple } from "../tensor/format.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type Options, plainOptions } from "./options.ts";

/** Parameters that are optimized with the same options. */
export interface ParamGroup {
  params: Tensor[];
  /** The learning rate. */
  lr: number;
  [option: string]: unknown;
}

/** A group as a constructor takes it: parameters, and the options that are its own. */
export interface ParamGroupInit {
  params: Tensor | Iterable<Tensor | readonly [string, Tensor]>;
  [option: string]: unknown;
}

/** What an optimizer is to optimize: parameters, parameters with names, or groups. */
export type Params = Iterable<Tensor | readonly [string, Tensor] | ParamGroupInit>;

/** What an optimizer remembers of a parameter. */
export type ParamState = Record<string, unknown>;

/** What `state_dict` gives: states by the number of the parameter, and groups with numbers instead of parameters. */
export interface OptimizerStateDict {
  state: Record<string, ParamState>;
  param_groups: (Record<string, unknown> & { params: number[] })[];
}

/** Removes a hook. */
export interface StepHookHandle {
  remove(): void;
}

/** Called before or after a step. */
export type StepHook = (optimizer: Optimizer, args: readonly unknown[], keywords: object) => void;

/** A function that computes the loss and its gradients anew, and returns the loss. */
export type Closure = () => Tensor;

/** The base of all optimizers. */
export abstract class Optimizer<G extends ParamGroup = ParamGroup> {
  /** The options of groups that do not say otherwise. */
  readonly defaults: Record<string, unknown>;
  /** The groups; options may be changed between steps. */
  readonly param_groups: G[] = [];
  /** What is remembered of each parameter. */
  readonly state: Map<Tensor, ParamState> = new Map();
  /** @internal Whether a step was made; schedulers look at it. */ _opt_called = false;
  readonly #floats: Set<string>;
  readonly #before: StepHook[] = [];
  readonly #after: StepHook[] = [];

  protected constructor(params: Params, options: Options) {
    this.defaults = options.values;
    this.#floats = new Set(options.floats);
    if (params instanceof Tensor) {
      throw new ArgumentTypeError(
        `params argument given to the optimizer should be an iterable of Tensors or dicts, but got ${(params as Tensor).type()}`,
      );
    }
    const list = [...params];
    if (list.length === 0) throw new ValueError("optimizer got an empty parameter list");
    const groups = isOptions(list[0]) ? (list as ParamGroupInit[]) : [{ params: list as Tensor[] }];
    for (const group of groups) this.add_param_group(group);
  }

  /** Adds a group, such as layers that are to be trained from now on. */
  add_param_group(param_group: ParamGroupInit): void {
    if (!isOptions(param_group)) {
      throw new ArgumentTypeError(`param_group must be a dict, but got <class '${pythonTypeOf(param_group)}'>`);
    }
    const { params: given, ...rest } = param_group;
    if (given instanceof Set) {
      throw new ArgumentTypeError(
        "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets will change between runs. Please use a list instead.",
      );
    }
    const entries = given instanceof Tensor ? [given] : [...given];
    const names: string[] = [];
    const params = entries.map((entry): Tensor => {
      if (!Array.isArray(entry)) return entry as Tensor;
      names.push(entry[0] as string);
      return entry[1] as Tensor;
    });
    if (names.length > 0 && names.length !== params.length) {
      throw new ValueError("all optimizer params should be with/without names. Some param names are missing");
    }
    for (const p of params) {
      if (!(p instanceof Tensor)) {
        throw new ArgumentTypeError(`optimizer can only optimize Tensors, but one of the params is ${pythonTypeOf(p)}`);
      }
      if (this.defaults["differentiable"] !== true && !isLeaf(p) && p._extra?.retainsGrad !== true) {
        throw new ValueError("can't optimize a non-leaf Tensor");
      }
    }
    const own = plainOptions(rest);
    for (const name of own.floats) this.#floats.add(name);
    const named = names.length > 0 ? { param_names: names } : {};
    const group = { params, ...this.defaults, ...own.values, ...named } as unknown as G;
    if (new Set(params).size !== params.length) {
      console.warn(
        "UserWarning: optimizer contains a parameter group with duplicate parameters; in future, this will cause an error; see github.com/pytorch/pytorch/issues/40967 for more information",
      );
    }
    const known = new Set(this.param_groups.flatMap((g) => g.params));
    if (params.some((p) => known.has(p))) {
      throw new ValueError("some parameters appear in more than one parameter group");
    }
    if (this.param_groups.length > 0 && this.param_groups.some((g) => "param_names" in g) !== names.length > 0) {
      throw new ValueError(
        `all optimizer param groups should be with/without names. cannot add param group with names to the optimizer`,
      );
    }
    this.checkGroup(group);
    this.param_groups.push(group);
  }

  /** @internal Throws if a group cannot be optimized. */
  protected checkGroup(_group: G): void {}

  /** @internal One step of one group, without recording. */
  protected abstract update(group: G): void;

  /**
   * Changes the parameters once, by their gradients. A `closure` computes them first: it is called while operations are
   * recorded, and its loss is returned.
   */
  step(): null;
  step(closure: Closure): Tensor;
  step(closure?: Closure): Tensor | null;
  step(closure?: Closure): Tensor | null {
    this._opt_called = true;
    for (const hook of [...this.#before]) hook(this, closure === undefined ? [] : [closure], {});
    const loss = closure === undefined ? null : enable_grad(closure);
    no_grad(() => {
      for (const group of this.param_groups) this.update(group);
    });
    for (const hook of [...this.#after]) hook(this, closure === undefined ? [] : [closure], {});
    return loss;
  }

  /** Forgets the gradients of all parameters, or with `set_to_none` false sets them to zero. */
  zero_grad(set_to_none: boolean | { set_to_none?: boolean } = true): void {
    const forget = typeof set_to_none === "boolean" ? set_to_none : (set_to_none.set_to_none ?? true);
    for (const group of this.param_groups) for (const p of group.params) clearGrad(p, forget);
  }

  /** Calls `hook(optimizer, args)` before each step. */
  register_step_pre_hook(hook: StepHook): StepHookHandle {
    return listed(this.#before, hook);
  }

  /** Calls `hook(optimizer, args)` after each step. */
  register_step_post_hook(hook: StepHook): StepHookHandle {
    return listed(this.#after, hook);
  }

  /** The state and the groups, with numbers in place of parameters. The tensors are not copies. */
  state_dict(): OptimizerStateDict {
    const numbers = new Map<Tensor, number>();
    const param_groups = this.param_groups.map(({ params, ...options }) => {
      for (const p of params) if (!numbers.has(p)) numbers.set(p, numbers.size);
      return { ...options, params: params.map((p) => numbers.get(p) as number) };
    });
    const state: Record<string, ParamState> = {};
    for (const [p, s] of this.state) state[String(numbers.get(p))] = { ...s };
    return { state, param_groups };
  }

  /** Continues from what {@link state_dict} gave, of an optimizer with groups of the same sizes. */
  load_state_dict(state_dict: OptimizerStateDict): void {
    const saved = state_dict.param_groups;
    if (saved.length !== this.param_groups.length) {
      throw new ValueError("loaded state dict has a different number of parameter groups");
    }
    if (saved.some((g, i) => g.params.length !== this.param_groups[i]?.params.length)) {
      throw new ValueError(
        "loaded state dict contains a parameter group that doesn't match the size of optimizer's group",
      );
    }
    const byNumber = new Map<string, Tensor>();
    saved.forEach((g, i) => {
      g.params.forEach((n, k) => byNumber.set(String(n), (this.param_groups[i] as G).params[k] as Tensor));
    });
    const state = new Map<Tensor, ParamState>();
    for (const [n, s] of Object.entries(state_dict.state)) {
      const p = byNumber.get(n);
      if (p === undefined) continue;
      const own: ParamState = {};
      for (const [key, value] of Object.entries(s)) own[key] = copied(value, key, p);
      state.set(p, own);
    }
    saved.forEach((g, i) => {
      const group = this.param_groups[i] as G;
      const { params: _params, ...options } = g;
      for (const key of Object.keys(group))
        if (key !== "params" && key !== "param_names") Reflect.deleteProperty(group, key);
      Object.assign(group, structured(options));
    });
    this.state.clear();
    for (const [p, s] of state) this.state.set(p, s);
  }

  /** PyTorch's text of the optimizer: the options of its groups. */
  toString(): string {
    let out = `${this.constructor.name} (`;
    this.param_groups.forEach((group, i) => {
      out += `\nParameter Group ${i}\n`;
      for (const key of Object.keys(group).toSorted()) {
        if (key !== "params") out += `    ${key}: ${this.#text(key, group[key])}\n`;
      }
    });
    return `${out})`;
  }

  #text(key: string, value: unknown): string {
    if (typeof value === "string") return value;
    if (typeof value === "number" && this.#floats.has(key)) return formatRepr(value);
    if (key === "param_names") return `[${(value as string[]).map((n) => `'${n}'`).join(", ")}]`;
    if (Array.isArray(value)) return formatTuple(value.map((x: unknown, i) => this.#text(`${key}.${i}`, x)));
    return pythonText(value);
  }
}
showAsText(Optimizer.prototype);

function listed<T>(list: T[], item: T): StepHookHandle {
  list.push(item);
  return {
    remove() {
      const at = list.indexOf(item);
      if (at >= 0) list.splice(at, 1);
    },
  };
}

/** A saved value as the state of a parameter: of its dtype if it is a number per element; steps keep theirs. */
function copied(value: unknown, key: string, p: Tensor): unknown {
  if (value instanceof Tensor) {
    if (key === "step" || !p.dtype.is_floating_point) return value.detach().clone();
    return value.detach().to(p.dtype, { copy: true });
  }
  if (Array.isArray(value)) return value.map((x: unknown) => copied(x, key, p));
  return structured(value);
}

/** A copy of plain data; tensors and functions in it stay what they are. */
function structured<T>(value: T): T {
  if (Array.isArray(value)) return value.map((x: unknown) => structured(x)) as T;
  if (isOptions(value)) return Object.fromEntries(Object.entries(value).map(([k, x]) => [k, structured(x)])) as T;
  return value;
}

/** @internal The gradient that a parameter has, or null. */
export function gradOf(p: Tensor): Tensor | null {
  const grad = p._extra?.grad ?? null;
  if (grad !== null && grad.dtype.is_complex) {
    throw new NotImplementedError("optimizers of complex parameters are not implemented");
  }
  return grad;
}

/** @internal A count of steps, as PyTorch keeps it: a tensor. */
export function newStep(): Tensor {
  return tensor(0, { dtype: get_default_dtype() === dtypes.float64 ? dtypes.float64 : dtypes.float32 });
}

/** @internal Counts one step, and returns how many there were. */
export function countStep(state: ParamState): number {
  const step = state["step"];
  // A state from another source may hold a number.
  if (typeof step === "number") {
    state["step"] = tensor(step + 1);
    return step + 1;
  }
  const t = step as Tensor;
  const { host } = t._backend;
  if (host === null) throw new TorchError("the count of steps must be on a device that can be read synchronously");
  const list = t.dtype === dtypes.float64 ? host.f64 : host.f32;
  const at = t._ptr / t.dtype.itemsize;
  const next = (list[at] as number) + 1;
  list[at] = next;
  t._counter.version++;
  return next;
}

/** @internal The learning rate as a number, also where it is a tensor. */
export function rateOf(lr: unknown): number {
  return lr instanceof Tensor ? Number(lr.item()) : (lr as number);
}

/** @internal A number that PyTorch keeps as a tensor beside {@link newStep}. */
export function scalarState(value: number): Tensor {
  return newStep().fill_(value);
}

/** @internal The value of a {@link scalarState}. */
export function scalarValue(state: ParamState, name: string): number {
  const value = state[name];
  return value instanceof Tensor ? Number(value.item()) : (value as number);
}
