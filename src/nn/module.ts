/**
 * Modules: functions with parameters.
 *
 * Note [Modules are functions]
 * `model(x)` runs hooks and `forward`, as in PyTorch. So an instance is a function: the base constructor returns one that
 * carries the prototype of the class instead of `Function.prototype`, and fields of subclasses, private ones included, are
 * set on it. Its own `name` and `length` are removed, so that these are free for fields.
 */
import { type DType, dtypes } from "../base/dtype.ts";
import { ArgumentTypeError, AttributeError, NotImplementedError, TorchError, ValueError } from "../base/errors.ts";
import { showAsText } from "../base/inspect.ts";
import { Tensor } from "../tensor/tensor.ts";
import { BackwardHooks, type FullBackwardHook, type FullBackwardPreHook } from "./backward-hooks.ts";
import {
  type ForwardHook,
  type ForwardHookWithKeywords,
  type ForwardPreHook,
  type ForwardPreHookWithKeywords,
  type HookHandle,
  type HookOptions,
  Hooks,
} from "./hooks.ts";
import { Parameter } from "./parameter.ts";
import { checkName, type FieldKind, isModule, register, registered, typename } from "./registration.ts";
import { type LoadResult, loadStateDict, type StateDict, type StateDictLike, stateDict } from "./state-dict.ts";
import { moduleText } from "./text.ts";
import { clearGrad, locate, named, namedModules, type NamedOptions, submodule, withOptions } from "./traversal.ts";

/** @internal What a module keeps beside its fields. */
export interface ModuleInternals {
  readonly kinds: Map<string, FieldKind>;
  /** Buffers that are not part of the `state_dict`. */
  readonly nonPersistent: Set<string>;
  hooks: Hooks | null;
  backward: BackwardHooks | null;
}

/** Calls a module: its hooks, and `forward`. See Note [Modules are functions]. */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- instances are functions
export interface Module {
  (...args: Parameters<this["forward"]>): ReturnType<this["forward"]>;
}

/**
 * The base of all modules. A subclass calls `super()`, sets its parameters and modules as fields, and has a method `forward`.
 *
 * @example
 * ```ts
 * class Net extends nn.Module {
 *   fc = new nn.Linear(2, 1);
 *   forward(x: torch.Tensor): torch.Tensor {
 *     return this.fc(x).sigmoid();
 *   }
 * }
 * const net = new Net();
 * net(torch.zeros(1, 2));
 * ```
 */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- instances are functions
export class Module {
  /** Whether the module is being trained, which some modules compute differently. Set by {@link train} and {@link eval}. */
  declare training: boolean;
  /** @internal */ declare readonly _internals: ModuleInternals;

  constructor() {
    const self = callable(new.target.prototype);
    self.training = true;
    return self;
  }

  /** What the module computes. Call the module itself rather than this, so that hooks run. */
  // oxlint-disable-next-line typescript/no-explicit-any -- a module of which nothing is known takes and gives anything, as in PyTorch
  forward(..._args: any[]): any {
    throw new NotImplementedError(`Module [${this._get_name()}] is missing the required "forward" function`);
  }

  // --- registration --------------------------------------------------------------------------------------------------

  /** Adds a parameter; it is then a field of that name. Null reserves the name. */
  register_parameter(name: string, param: Parameter | null): void {
    checkName(this, "parameter", name, "parameter");
    if (param !== null && !(param instanceof Parameter)) {
      throw new ArgumentTypeError(
        `cannot assign '${typename(param)}' object to parameter '${name}' (torch.nn.Parameter or None required)`,
      );
    }
    if (param !== null && param._node !== null) {
      throw new TorchError(
        `Cannot assign non-leaf Tensor to parameter '${name}'. Model parameters must be created explicitly. To express '${name}' as a function of another Tensor, compute the value in the forward() method.`,
      );
    }
    register(this, name, "parameter", param);
  }

  /** Adds a tensor that is part of the state but not learned; it is then a field of that name. */
  register_buffer(name: string, tensor: Tensor | null, persistent: boolean | { persistent?: boolean } = true): void {
    checkName(this, "buffer", name, "buffer");
    if (tensor !== null && !(tensor instanceof Tensor)) {
      throw new ArgumentTypeError(
        `cannot assign '${typename(tensor)}' object to buffer '${name}' (torch Tensor or None required)`,
      );
    }
    const { nonPersistent } = this._internals;
    register(this, name, "buffer", tensor);
    if (typeof persistent === "boolean" ? persistent : (persistent.persistent ?? true)) nonPersistent.delete(name);
    else nonPersistent.add(name);
  }

  /** Adds a module; it is then a field of that name. */
  add_module(name: string, module: Module | null): void {
    if (module !== null && !isModule(module)) {
      throw new ArgumentTypeError(`${typename(module)} is not a Module subclass`);
    }
    checkName(this, "module", name, "module");
    register(this, name, "module", module);
  }

  /** As {@link add_module}. */
  register_module(name: string, module: Module | null): void {
    this.add_module(name, module);
  }

  // --- what is inside ------------------------------------------------------------------------------------------------

  /** @internal The modules directly inside by name, also those that are null. Containers keep their own. */
  _children(): [string, Module | null][] {
    return registered(this, "module") as [string, Module | null][];
  }

  /** @internal */
  _parameterEntries(): [string, Parameter | null][] {
    return registered(this, "parameter") as [string, Parameter | null][];
  }

  /** @internal */
  _bufferEntries(): [string, Tensor | null][] {
    return registered(this, "buffer") as [string, Tensor | null][];
  }

  /** The parameters with their names, such as `"0.weight"`; shared ones once. */
  named_parameters(options?: NamedOptions): Generator<[string, Parameter]>;
  named_parameters(prefix?: string, recurse?: boolean): Generator<[string, Parameter]>;
  named_parameters(first?: string | NamedOptions, recurse?: boolean): Generator<[string, Parameter]> {
    return named(this, (m) => m._parameterEntries(), withOptions(first, recurse));
  }

  /** The parameters, as an optimizer takes them. */
  *parameters(recurse: boolean | { recurse?: boolean } = true): Generator<Parameter> {
    const all = typeof recurse === "boolean" ? recurse : (recurse.recurse ?? true);
    for (const [, parameter] of this.named_parameters("", all)) yield parameter;
  }

  /** The buffers with their names. */
  named_buffers(options?: NamedOptions): Generator<[string, Tensor]>;
  named_buffers(prefix?: string, recurse?: boolean): Generator<[string, Tensor]>;
  named_buffers(first?: string | NamedOptions, recurse?: boolean): Generator<[string, Tensor]> {
    return named(this, (m) => m._bufferEntries(), withOptions(first, recurse));
  }

  /** The buffers. */
  *buffers(recurse: boolean | { recurse?: boolean } = true): Generator<Tensor> {
    const all = typeof recurse === "boolean" ? recurse : (recurse.recurse ?? true);
    for (const [, buffer] of this.named_buffers("", all)) yield buffer;
  }

  /** The modules directly inside, with their names. */
  *named_children(): Generator<[string, Module]> {
    const seen = new Set<Module>();
    for (const [name, module] of this._children()) {
      if (module === null || seen.has(module)) continue;
      seen.add(module);
      yield [name, module];
    }
  }

  /** The modules directly inside. */
  *children(): Generator<Module> {
    for (const [, module] of this.named_children()) yield module;
  }

  /** The module itself (its name is empty) and all modules inside, each once, with their names. */
  named_modules(options: Omit<NamedOptions, "recurse"> = {}): Generator<[string, Module]> {
    return namedModules(this, new Set(), options.prefix ?? "", options.remove_duplicate ?? true);
  }

  /** The module itself and all modules inside, each once. */
  *modules(): Generator<Module> {
    for (const [, module] of this.named_modules()) yield module;
  }

  /** The module at a path such as `"layers.0"`. */
  get_submodule(target: string): Module {
    return submodule(this, target);
  }

  /** The parameter at a path such as `"layers.0.weight"`. */
  get_parameter(target: string): Parameter {
    const [module, name] = locate(this, target);
    const found = module._parameterEntries().find(([key]) => key === name);
    if (found === undefined || found[1] === null) {
      const exists = name in module;
      throw new AttributeError(
        exists ? `\`${name}\` is not an nn.Parameter` : `${module._get_name()} has no attribute \`${name}\``,
      );
    }
    return found[1];
  }

  /** The buffer at a path such as `"norm.running_mean"`. */
  get_buffer(target: string): Tensor {
    const [module, name] = locate(this, target);
    const found = module._bufferEntries().find(([key]) => key === name);
    if (found === undefined || found[1] === null) {
      const exists = name in module;
      throw new AttributeError(
        exists ? `\`${name}\` is not a buffer` : `${module._get_name()} has no attribute \`${name}\``,
      );
    }
    return found[1];
  }

  // --- modes, gradients, conversion ----------------------------------------------------------------------------------

  /** Sets the module and those inside to training, or not. Returns the module. */
  train(mode = true): this {
    if (typeof mode !== "boolean") throw new ValueError("training mode is expected to be boolean");
    this.training = mode;
    for (const module of this.children()) module.train(mode);
    return this;
  }

  /** Sets the module and those inside to evaluation. Returns the module. */
  eval(): this {
    return this.train(false);
  }

  /** Whether gradients are computed for the parameters. Returns the module. */
  requires_grad_(requires_grad = true): this {
    for (const parameter of this.parameters()) parameter.requires_grad_(requires_grad);
    return this;
  }

  /** Forgets the gradients of the parameters, or with `set_to_none` false sets them to zero. */
  zero_grad(set_to_none: boolean | { set_to_none?: boolean } = true): void {
    const forget = typeof set_to_none === "boolean" ? set_to_none : (set_to_none.set_to_none ?? true);
    for (const parameter of this.parameters()) clearGrad(parameter, forget);
  }

  /** Calls a function with every module inside, and last with the module itself. Returns the module. */
  apply(fn: (module: Module) => void): this {
    for (const module of this.children()) module.apply(fn);
    fn(this);
    return this;
  }

  /** @internal Replaces the values of parameters, their gradients and buffers. */
  _apply(fn: (t: Tensor) => Tensor): this {
    for (const module of this.children()) module._apply(fn);
    for (const [, parameter] of this._parameterEntries()) {
      if (parameter === null) continue;
      const { grad } = parameter;
      const before = parameter.dtype;
      if (grad !== null) parameter.grad = null;
      parameter.data = fn(parameter.data);
      // It accumulates gradients of the former dtype.
      if (parameter.dtype !== before && parameter._extra !== null) parameter._extra.accumulator = null;
      if (grad !== null) parameter.grad = fn(grad.detach());
    }
    for (const [name, buffer] of this._bufferEntries()) {
      if (buffer !== null) Reflect.set(this, name, fn(buffer));
    }
    return this;
  }

  /** Converts parameters and buffers of floating point: `m.to(torch.float64)`, `m.to("cpu")`. Returns the module. */
  to(...args: (DType | string | Tensor | { dtype?: DType | null; device?: string | null } | boolean | null)[]): this {
    let dtype: DType | null = null;
    for (const arg of args) {
      if (typeof arg !== "object" || arg === null) continue;
      if (arg instanceof Tensor) dtype = arg.dtype;
      else dtype = "itemsize" in arg ? arg : (arg.dtype ?? dtype);
    }
    if (dtype !== null && dtype.category < 2) {
      throw new ArgumentTypeError(
        `nn.Module.to only accepts floating point or complex dtypes, but got desired dtype=${String(dtype)}`,
      );
    }
    const target = dtype;
    return this._apply((t) => (target !== null && t.dtype.category >= 2 ? t.to(target) : t));
  }

  /** Converts to float32. */
  float(): this {
    return convert(this, dtypes.float32);
  }
  /** Converts to float64. */
  double(): this {
    return convert(this, dtypes.float64);
  }
  /** Converts to float16. */
  half(): this {
    return convert(this, dtypes.float16);
  }
  /** Converts to bfloat16. */
  bfloat16(): this {
    return convert(this, dtypes.bfloat16);
  }
  /** Moves to the CPU. */
  cpu(): this {
    return this;
  }

  // --- state ---------------------------------------------------------------------------------------------------------

  /** Parameters and buffers by name; they share memory with the module. */
  state_dict(options: { prefix?: string; keep_vars?: boolean } = {}): StateDict {
    return stateDict(this, options.prefix ?? "", options.keep_vars ?? false);
  }

  /**
   * Copies values into the parameters and buffers of the same names. With `strict` (the default) the names must be the same;
   * otherwise the result tells how they differ.
   */
  load_state_dict(
    state_dict: StateDictLike,
    strict: boolean | { strict?: boolean; assign?: boolean } = true,
    assign = false,
  ): LoadResult {
    const o = typeof strict === "boolean" ? { strict, assign } : strict;
    return loadStateDict(this, state_dict, o.strict ?? true, o.assign ?? false);
  }

  /** @internal Names of buffers outside the `state_dict`. */
  get _non_persistent_buffers_set(): ReadonlySet<string> {
    return this._internals.nonPersistent;
  }

  /** @internal Names of buffers that states of old versions lack. */
  get _younger_buffers(): readonly string[] {
    return [];
  }

  // --- hooks ---------------------------------------------------------------------------------------------------------

  /** Calls `hook(module, args)` before `forward`; what it returns replaces the arguments. */
  register_forward_pre_hook(hook: ForwardPreHook, options?: HookOptions & { with_kwargs?: false }): HookHandle;
  register_forward_pre_hook(hook: ForwardPreHookWithKeywords, options: HookOptions & { with_kwargs: true }): HookHandle;
  register_forward_pre_hook(hook: ForwardPreHook | ForwardPreHookWithKeywords, options: HookOptions = {}): HookHandle {
    return hooksOf(this).addPre(hook, options);
  }

  /** Calls `hook(module, args, output)` after `forward`; what it returns replaces the output. */
  register_forward_hook(hook: ForwardHook, options?: HookOptions & { with_kwargs?: false }): HookHandle;
  register_forward_hook(hook: ForwardHookWithKeywords, options: HookOptions & { with_kwargs: true }): HookHandle;
  register_forward_hook(hook: ForwardHook | ForwardHookWithKeywords, options: HookOptions = {}): HookHandle {
    return hooksOf(this).addPost(hook, options);
  }

  /**
   * Calls `hook(module, grad_input, grad_output)` when the gradients of the inputs are known; what it returns replaces them.
   */
  register_full_backward_hook(hook: FullBackwardHook, options: { prepend?: boolean } = {}): HookHandle {
    return backwardHooksOf(this).add(hook, options.prepend ?? false);
  }

  /** Calls `hook(module, grad_output)` when the gradients of the outputs are known; what it returns replaces them. */
  register_full_backward_pre_hook(hook: FullBackwardPreHook, options: { prepend?: boolean } = {}): HookHandle {
    return backwardHooksOf(this).addPre(hook, options.prepend ?? false);
  }

  // --- copies --------------------------------------------------------------------------------------------------------

  /** @internal An instance of the same class without fields. */
  _blank(): Module {
    return callable(Object.getPrototypeOf(this) as object);
  }

  /** @internal Gives a blank instance the fields of this one, as `copy` makes them. Hooks stay behind. */
  _copyInto(target: Module, copy: (value: unknown) => unknown): void {
    registered(this, "module");
    const { kinds, nonPersistent } = this._internals;
    for (const name of nonPersistent) target._internals.nonPersistent.add(name);
    for (const name of Object.getOwnPropertyNames(this)) {
      if (name === "_internals") continue;
      const value = copy(Reflect.get(this, name));
      const kind = kinds.get(name);
      if (kind !== undefined) register(target, name, kind, value);
      else {
        const enumerable = Object.prototype.propertyIsEnumerable.call(this, name);
        Object.defineProperty(target, name, { value, enumerable, writable: true, configurable: true });
      }
    }
  }

  // --- text ----------------------------------------------------------------------------------------------------------

  /** @internal The name of the class. */
  _get_name(): string {
    return this.constructor.name;
  }

  /** What stands between the parentheses of the text, before the modules inside. */
  extra_repr(): string {
    return "";
  }

  /** PyTorch's text of the module. */
  toString(): string {
    return moduleText(this);
  }
}
showAsText(Module.prototype);

/** A function that is an instance of the class of `prototype`, with no fields yet. See Note [Modules are functions]. */
function callable(prototype: object): Module {
  const self = ((...args: unknown[]) => callModule(self, args)) as unknown as Module;
  Object.setPrototypeOf(self, prototype);
  Reflect.deleteProperty(self, "name");
  Reflect.deleteProperty(self, "length");
  const internals: ModuleInternals = { kinds: new Map(), nonPersistent: new Set(), hooks: null, backward: null };
  Object.defineProperty(self, "_internals", { value: internals });
  return self;
}

// The base class has no private methods: they would be on the object that the constructor throws away.

function convert<M extends Module>(self: M, dtype: DType): M {
  return self._apply((t) => (t.dtype.is_floating_point ? t.to(dtype) : t));
}

function hooksOf(self: Module): Hooks {
  self._internals.hooks ??= new Hooks();
  return self._internals.hooks;
}

function backwardHooksOf(self: Module): BackwardHooks {
  self._internals.backward ??= new BackwardHooks();
  return self._internals.backward;
}

function callModule(self: Module, args: unknown[]): unknown {
  const { hooks, backward } = self._internals;
  if (hooks === null && backward === null) return self.forward(...args);
  const run = (given: unknown[]): unknown =>
    backward === null ? self.forward(...given) : backward.around(self, given, (x) => self.forward(...x) as unknown);
  return hooks === null ? run(args) : hooks.around(self, args, run);
}
