/**
 * Elementwise functions that run in plain JavaScript over the device's memory: those whose work depends on the data (iterations
 * until convergence, recurrences of variable length), which no kernel expresses well. They are computed in double precision, or in
 * integers of any size, and converted at the end.
 */
import { type DType, float64, int64 } from "../../base/dtype.ts";
import { ArgumentTypeError, NotImplementedError } from "../../base/errors.ts";
import { resultTypeOf, type Scalar, toFloat, type Typed } from "../../base/promote.ts";
import { broadcastAll, type Shape } from "../../base/shape.ts";
import { viewElements } from "../../tensor/data.ts";
import { allocate, Tensor } from "../../tensor/tensor.ts";
import { allocateLike, castRaw, cloneRaw, copyRaw, fillRaw } from "../elementwise.ts";
import { describe, type InplaceOpInfo, type Operator, withOut } from "../op.ts";
import { apply1, applyInplace, checkStorable, type InputGrad, primitive } from "../primitive.ts";
import { PyFloat, Signature } from "../signature.ts";

/** What a host function computes from its dtypes. */
interface HostParams {
  readonly out: DType;
  readonly shape: Shape;
}

export interface HostFunction {
  /** Over floating point numbers. The result is floating, also for integers. */
  readonly numbers?: (...x: number[]) => number;
  /** Over integers. */
  readonly integers?: (...x: bigint[]) => bigint;
  /** Throws if the operator does not take operands of this (promoted) dtype. */
  readonly check?: (dtype: DType) => void;
  readonly gradName?: string;
  /** Default: the result never requires grad. */
  readonly grads?: readonly (InputGrad<HostParams> | null)[];
  readonly method?: boolean;
  readonly namespace?: boolean;
}

/** All elements of a tensor as the promoted dtype has them, broadcast to `shape` and converted, in memory of their own. */
function spread(t: Tensor, shape: Shape, dtype: DType, promoted: DType): Tensor {
  const out = allocate(shape, dtype, t._backend);
  copyRaw(out, promoted.category === 1 ? castRaw(t, promoted) : t);
  return out;
}

function evaluate(definition: HostFunction, inputs: readonly Tensor[], { out: dtype, shape }: HostParams): Tensor {
  const { numbers, integers } = definition;
  const work = numbers === undefined ? int64 : float64;
  const first = inputs[0] as Tensor;
  const out = allocateLike(shape, dtype, inputs);
  const result = allocate(shape, work, first._backend);
  const operands = inputs.map((t) => spread(t, shape, work, dtype));
  // Views of memory are taken after the last allocation.
  const target = viewElements(result);
  const values = operands.map((t) => viewElements(t));
  if (numbers !== undefined) compute(numbers, target as Float64Array, values as Float64Array[]);
  else if (integers !== undefined) compute(integers, target as BigInt64Array, values as BigInt64Array[]);
  copyRaw(out, result);
  return out;
}

function compute<T extends number | bigint>(
  f: (...x: T[]) => T,
  target: { [i: number]: T; readonly length: number },
  values: readonly { readonly [i: number]: T }[],
): void {
  const [x, y] = values as [{ readonly [i: number]: T }, { readonly [i: number]: T } | undefined];
  for (let i = 0; i < target.length; i++) {
    target[i] = y === undefined ? f(x[i] as T) : f(x[i] as T, y[i] as T);
  }
}

/** Defines an operator of one or two operands by a function of their elements. */
export function hostPointwise<F>(text: string, definition: HostFunction): F & { readonly op: InplaceOpInfo } {
  const signature = new Signature(text);
  const { name } = signature;
  const rule = primitive<HostParams>({
    name,
    gradName: definition.gradName,
    forward: (inputs, params) => evaluate(definition, inputs, params),
    ...(definition.grads === undefined ? {} : { grads: definition.grads }),
  });
  const prepare = (bound: readonly unknown[]): { inputs: Tensor[]; params: HostParams } => {
    const operands = bound.map((x) => (x instanceof PyFloat ? x.value : x) as Tensor | Scalar);
    const like = operands.find((x) => x instanceof Tensor);
    if (like === undefined) {
      throw new ArgumentTypeError(`${name}(): at least one operand must be a Tensor; expected ${signature.text}`);
    }
    const typed = bound.map((x): Typed | Scalar => (x instanceof PyFloat ? 0.5 : (x as Tensor | Scalar)));
    const promoted = resultTypeOf(typed);
    definition.check?.(promoted);
    if (promoted.is_complex) throw new NotImplementedError(`"${name}" not implemented for '${promoted.scalarName}'`);
    const out = definition.numbers === undefined ? promoted : toFloat(promoted);
    const inputs = operands.map((x) => {
      if (x instanceof Tensor) return x;
      const number = allocate([], out, like._backend);
      fillRaw(number, x);
      return number;
    });
    return { inputs, params: { out, shape: broadcastAll(inputs.map((t) => t.shape)) } };
  };
  const call = (...args: unknown[]): Tensor => {
    const extra: Record<string, unknown> = {};
    const bound = signature.bind(args, extra);
    const run = (): Tensor => {
      const { inputs, params } = prepare(bound);
      return apply1(rule, inputs, params);
    };
    return extra["out"] == null ? run() : (withOut(name, bound, extra["out"], run) as Tensor);
  };
  const inplaceSignature = new Signature(text.replace("(", "_("));
  const inplace = (...args: unknown[]): Tensor => {
    const { inputs, params } = prepare(inplaceSignature.bind(args, {}));
    checkStorable(inputs[0] as Tensor, params.shape, params.out);
    const write = (target: Tensor): void => copyRaw(target, evaluate(definition, inputs, params));
    return applyInplace(rule, inputs, params, write, cloneRaw);
  };
  return describe(call as F, signature, {
    method: definition.method ?? true,
    namespace: definition.namespace ?? true,
    inplace: describe(inplace, inplaceSignature) as Operator,
  });
}
