/**
 * The values of a module by name, out and in.
 */
import { TorchError, ArgumentTypeError } from "../base/errors.ts";
import { sameShape } from "../base/shape.ts";
import { no_grad } from "../autograd/modes.ts";
import { pythonTypeOf } from "../dispatch/signature.ts";
import { formatSize } from "../tensor/format.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Module } from "./module.ts";
import { Parameter } from "./parameter.ts";

/** Parameters and buffers by name. */
export type StateDict = Record<string, Tensor>;
/** What can be loaded: an object or a Map. */
export type StateDictLike = Readonly<Record<string, unknown>> | ReadonlyMap<string, unknown>;

/** How the names in a state and in a module differed. */
export interface LoadResult {
  readonly missing_keys: string[];
  readonly unexpected_keys: string[];
}

class IncompatibleKeys implements LoadResult {
  readonly missing_keys: string[];
  readonly unexpected_keys: string[];

  constructor(missing: string[], unexpected: string[]) {
    this.missing_keys = missing;
    this.unexpected_keys = unexpected;
  }

  toString(): string {
    if (this.missing_keys.length === 0 && this.unexpected_keys.length === 0) return "<All keys matched successfully>";
    const list = (names: readonly string[]): string => `[${names.map((n) => `'${n}'`).join(", ")}]`;
    return `_IncompatibleKeys(missing_keys=${list(this.missing_keys)}, unexpected_keys=${list(this.unexpected_keys)})`;
  }
}

interface Slot {
  readonly module: Module;
  readonly field: string;
  readonly value: Tensor;
}

/** Everything that a state holds, in PyTorch's order: of each module first parameters, then buffers, then what is inside. */
function slots(module: Module, prefix: string, out: Map<string, Slot>): Map<string, Slot> {
  for (const [field, value] of module._parameterEntries()) {
    if (value !== null) out.set(prefix + field, { module, field, value });
  }
  for (const [field, value] of module._bufferEntries()) {
    if (value !== null && !module._non_persistent_buffers_set.has(field))
      out.set(prefix + field, { module, field, value });
  }
  for (const [name, child] of module._children()) if (child !== null) slots(child, `${prefix}${name}.`, out);
  return out;
}

/** The state of a module. */
export function stateDict(module: Module, prefix: string, keepVars: boolean): StateDict {
  const out: StateDict = {};
  for (const [key, { value }] of slots(module, prefix, new Map())) out[key] = keepVars ? value : value.detach();
  return out;
}

/** Puts a state into a module; checks all of it before anything changes. */
export function loadStateDict(module: Module, state: StateDictLike, strict: boolean, assign: boolean): LoadResult {
  if (typeof state !== "object" || state === null || state instanceof Tensor) {
    throw new ArgumentTypeError(`Expected state_dict to be dict-like, got <class '${pythonTypeOf(state)}'>.`);
  }
  const given: ReadonlyMap<string, unknown> = state instanceof Map ? state : new Map(Object.entries(state));
  const targets = slots(module, "", new Map());
  const missing: string[] = [];
  const errors: string[] = [];
  const copies: [Slot, Tensor][] = [];
  for (const [key, slot] of targets) {
    if (!given.has(key)) {
      if (!slot.module._younger_buffers.includes(slot.field)) missing.push(key);
      continue;
    }
    let value = given.get(key);
    if (!(value instanceof Tensor)) {
      errors.push(
        `While copying the parameter named "${key}", expected torch.Tensor or Tensor-like object from checkpoint but received ${pythonTypeOf(value)}`,
      );
      continue;
    }
    // Scalars were once saved as vectors of one element.
    if (slot.value.ndim === 0 && value.ndim === 1 && value._numel > 0) value = value.detach().select(0, 0);
    const tensor = value as Tensor;
    if (!sameShape(tensor.shape, slot.value.shape)) {
      errors.push(
        `size mismatch for ${key}: copying a param with shape ${formatSize(tensor.shape)} from checkpoint, the shape in current model is ${formatSize(slot.value.shape)}.`,
      );
      continue;
    }
    copies.push([slot, tensor]);
  }
  const unexpected = [...given.keys()].filter((key) => !targets.has(key));
  if (strict) {
    const quoted = (names: readonly string[]): string => names.map((n) => `"${n}"`).join(", ");
    if (unexpected.length > 0) errors.unshift(`Unexpected key(s) in state_dict: ${quoted(unexpected)}. `);
    if (missing.length > 0) errors.unshift(`Missing key(s) in state_dict: ${quoted(missing)}. `);
  }
  if (errors.length > 0) {
    throw new TorchError(`Error(s) in loading state_dict for ${module._get_name()}:\n\t${errors.join("\n\t")}`);
  }
  no_grad(() => {
    for (const [slot, value] of copies) put(slot, value, assign);
  });
  return new IncompatibleKeys(missing, unexpected);
}

function put(slot: Slot, value: Tensor, assign: boolean): void {
  if (!assign) {
    slot.value.copy_(value);
    return;
  }
  const isParameter = slot.value instanceof Parameter;
  const next = isParameter && !(value instanceof Parameter) ? new Parameter(value, slot.value.requires_grad) : value;
  Reflect.set(slot.module, slot.field, next);
}
