/**
 * `torch.nn.utils.parametrize`: parameters that are functions of others.
 */
import { no_grad } from "../autograd/modes.ts";
import { TorchError, ValueError } from "../base/errors.ts";
import { formatSize } from "../tensor/format.ts";
import { Tensor } from "../tensor/tensor.ts";
import { ModuleDict, ModuleList } from "./containers.ts";
import type { Module } from "./module.ts";
import { Buffer, Parameter } from "./parameter.ts";
import { registered, unregister } from "./registration.ts";

/** A parametrization: a module from the stored tensors to the parameter, with an inverse where it has one. */
export type Parametrization = Module & {
  right_inverse?(value: Tensor): Tensor | readonly Tensor[];
};

/** A value that is not computed again while parametrizations are cached; null where they are not. */
let cache: Map<ParametrizationList, Tensor> | null = null;

/** Computes each parametrized tensor once only, for the time of a function. */
export function cached<T>(body: () => T): T {
  const before = cache;
  cache ??= new Map();
  try {
    return body();
  } finally {
    cache = before;
  }
}

/** The parametrizations of one tensor, and what is stored instead of it. */
export class ParametrizationList extends ModuleList<Parametrization> {
  /** @internal The names of what is stored: `original`, or `original0` and further ones. */
  readonly _stored: string[] = [];

  constructor(modules: readonly Parametrization[], original: Tensor, unsafe = false) {
    super(modules);
    const inverse = no_grad(() => inverted(modules, original));
    const values = inverse instanceof Tensor ? [inverse] : [...inverse];
    const isParameter = original instanceof Parameter;
    values.forEach((value, i) => {
      const name = inverse instanceof Tensor ? "original" : `original${i}`;
      this._stored.push(name);
      if (!isParameter) this.register_buffer(name, value.detach());
      else if (inverse instanceof Tensor) {
        // The parameter itself stays, so that optimizers that hold it go on.
        if (value !== original) original.data = value.detach();
        this.register_parameter(name, original);
      } else this.register_parameter(name, new Parameter(value.detach(), original.requires_grad));
    });
    if (!unsafe) this.#check(original, values.length === 1 ? original.shape : null);
  }

  #check(original: Tensor, shape: readonly number[] | null): void {
    const value = no_grad(() => this.value());
    const expected = shape ?? value.shape;
    if (value.dtype !== original.dtype) {
      throw new ValueError(
        `Registering a parametrization may not change the dtype of the tensor. Found dtype ${String(value.dtype)} after, ${String(original.dtype)} before`,
      );
    }
    if (value.shape.length !== expected.length || value.shape.some((n, d) => n !== expected[d])) {
      throw new ValueError(
        `Registering a parametrization may not change the shape of the tensor. Found shape ${formatSize(value.shape)} after, ${formatSize(expected)} before`,
      );
    }
  }

  /** The parametrized tensor. */
  value(): Tensor {
    const known = cache?.get(this);
    if (known !== undefined) return known;
    const stored = this._stored.map((name) => Reflect.get(this, name) as Tensor);
    let x: Tensor | null = null;
    for (const m of this) x = x === null ? (m(...stored) as Tensor) : (m(x) as Tensor);
    cache?.set(this, x as Tensor);
    return x as Tensor;
  }

  override forward(): Tensor {
    return this.value();
  }

  /** Stores what gives `value`. */
  right_inverse(value: Tensor): void {
    no_grad(() => {
      const inverse = inverted([...this], value);
      const values = inverse instanceof Tensor ? [inverse] : [...inverse];
      values.forEach((v, i) => (Reflect.get(this, this._stored[i] as string) as Tensor).copy_(v));
    });
  }
}

/** Goes back through all parametrizations that say how. */
function inverted(modules: readonly Parametrization[], value: Tensor): Tensor | readonly Tensor[] {
  let x: Tensor | readonly Tensor[] = value;
  for (const m of modules.toReversed()) {
    if (typeof m.right_inverse !== "function") continue;
    if (!(x instanceof Tensor)) {
      throw new ValueError("only the first parametrization may store more than one tensor");
    }
    x = m.right_inverse(x);
  }
  return x;
}

/** The parametrizations of a module by the names of its tensors. */
export interface Parametrized {
  parametrizations: ModuleDict<ParametrizationList>;
}

/** Whether a module, or one tensor of it, is parametrized. */
export function is_parametrized(module: Module, tensor_name: string | null = null): module is Module & Parametrized {
  const lists: unknown = Reflect.get(module, "parametrizations");
  if (!(lists instanceof ModuleDict)) return false;
  return tensor_name === null ? lists.len > 0 : lists.has(tensor_name);
}

/** Gives a module a class of its own, as in PyTorch. */
function deriveClass(module: Module): void {
  const base = module.constructor as new (...args: never[]) => Module;
  const made = { [`Parametrized${base.name}`]: class extends base {} }[`Parametrized${base.name}`] as typeof base;
  Object.defineProperty(made, "name", { value: `Parametrized${base.name}` });
  Object.setPrototypeOf(module, made.prototype);
  Reflect.set(module, "parametrizations", new ModuleDict<ParametrizationList>());
}

/**
 * Makes a parameter or buffer of a module a function of what is stored instead: `parametrization` is called whenever the tensor
 * is read. Setting the tensor needs a method `right_inverse` of the parametrization.
 */
export function register_parametrization(
  module: Module,
  tensor_name: string,
  parametrization: Parametrization,
  options: { unsafe?: boolean } = {},
): Module {
  parametrization.train(module.training);
  if (is_parametrized(module, tensor_name)) {
    const list = module.parametrizations.get(tensor_name);
    const before = list.value();
    list.append(parametrization);
    list.right_inverse(before);
    return module;
  }
  const known = [...registered(module, "parameter"), ...registered(module, "buffer")].find(([n]) => n === tensor_name);
  if (known === undefined || known[1] === null) {
    throw new ValueError(
      `Module '${module._get_name()}' does not have a parameter, a buffer, or a parametrized element with name '${tensor_name}'`,
    );
  }
  const list = new ParametrizationList([parametrization], known[1] as Tensor, options.unsafe ?? false);
  if (!is_parametrized(module)) deriveClass(module);
  unregister(module, tensor_name);
  (module as unknown as Parametrized).parametrizations.set(tensor_name, list);
  // On the class of its own, so that copies of the module have it too.
  Object.defineProperty(Object.getPrototypeOf(module), tensor_name, {
    configurable: true,
    get(this: Module & Parametrized) {
      return this.parametrizations.get(tensor_name).value();
    },
    set(this: Module & Parametrized, value: Tensor) {
      this.parametrizations.get(tensor_name).right_inverse(value);
    },
  });
  return module;
}

/** Makes a parametrized tensor an ordinary one again: of its current value, or of what was stored. */
export function remove_parametrizations(
  module: Module,
  tensor_name: string,
  options: { leave_parametrized?: boolean } = {},
): Module {
  if (!is_parametrized(module, tensor_name)) {
    throw new ValueError(`Module ${module._get_name()} does not have a parametrization on ${tensor_name}`);
  }
  const list = module.parametrizations.get(tensor_name);
  const stored = [...registered(list, "parameter"), ...registered(list, "buffer")].map(([, t]) => t as Tensor);
  const isParameter = stored[0] instanceof Parameter;
  const leave = options.leave_parametrized ?? true;
  if (!leave && stored.length > 1) {
    throw new TorchError(
      "We cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a sequence of tensors.",
    );
  }
  const original = stored[0] as Tensor;
  const value = leave ? no_grad(() => list.value().detach()) : original.detach();
  Reflect.deleteProperty(Object.getPrototypeOf(module) as object, tensor_name);
  module.parametrizations.pop(tensor_name);
  if (isParameter && stored.length === 1) {
    original.data = value;
    module.register_parameter(tensor_name, original as Parameter);
  } else if (isParameter) {
    module.register_parameter(tensor_name, new Parameter(value, original.requires_grad));
  } else Reflect.set(module, tensor_name, new Buffer(value));
  if (module.parametrizations.len === 0) {
    unregister(module, "parametrizations");
    Object.setPrototypeOf(module, Object.getPrototypeOf(Object.getPrototypeOf(module)) as object);
  }
  return module;
}
