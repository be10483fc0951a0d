/**
 * What a pointwise operator does with its operands: an expression over some tensors and numbers, compiled for the dtypes that it
 * meets, and the backward formula that follows from it by differentiation (`calculus`), again pointwise and so differentiable in
 * turn.
 */
import { bool, type DType, get_default_dtype } from "../../base/dtype.ts";
import { NotImplementedError } from "../../base/errors.ts";
import { resultTypeOf, type Scalar, toFloat, type Typed } from "../../base/promote.ts";
import { broadcast, broadcastAll, sameShape } from "../../base/shape.ts";
import { modes } from "../../autograd/modes.ts";
import type { MaybeTensor, OpNode } from "../../autograd/node.ts";
import { requiresGrad } from "../../autograd/views.ts";
import { freeVars, gradient, substitute } from "../../ir/calculus.ts";
import { E, type Expr, rewrite, type Type } from "../../ir/expr.ts";
import { computeType } from "../../ir/kernel.ts";
import { allocate, type Tensor } from "../../tensor/tensor.ts";
import { allocateLike, asArgument, castExpr, cloneRaw, complexArgument, Elementwise, fillRaw } from "../elementwise.ts";
import { anyTangent, carryTangents } from "../forward.ts";
import { applyInplace, checkStorable, record, type Recordable, type Use } from "../primitive.ts";
import { asOperand, operandExpr } from "./operands.ts";
import { complexKernel, type Conjugations, derivedConjugations, noConjugations } from "./pointwise-complex.ts";

/** How the dtype of the result follows from the promoted dtype of the operands. */
export type DTypeRule = "promote" | "float" | "bool" | ((promoted: DType) => DType);

export interface PointwiseOptions {
  readonly dtype?: DTypeRule;
  /** The dtype to compute in, from the promoted one; default: the result's (`promote`, `float`), or the promoted one (`bool`). */
  readonly compute?: (promoted: DType) => DType;
  /** The value for boolean operands, where the expression is for numbers. Default: the expression over 0 and 1. */
  readonly bool?: (...args: Expr[]) => Expr;
  /**
   * The gradients of the operands from that of the result (`g`), the result (`y`) and the arguments; null for one that
   * has none. Only for numerical stability or for PyTorch's choice at corners: by default the expression is differentiated.
   */
  readonly grad?: (g: Expr, y: Expr, ...args: Expr[]) => readonly (Expr | null)[];
  /** False where no gradient is defined. */
  readonly differentiable?: boolean;
  /** Where PyTorch has not written the derivative: backward throws. */
  readonly derivative?: "not implemented";
  /** Where the result is always row-major, rather than laid out as the input. */
  readonly layout?: "contiguous";
  /** The node's name; a function where it depends on which parameters are plain numbers (PyTorch's overloads). */
  readonly gradName?: string | ((isNumber: readonly boolean[]) => string);
  readonly method?: boolean;
  readonly namespace?: boolean;
  /** False where there is no in-place form. */
  readonly inplace?: boolean;
  /** Throws if the operator does not take operands of this (promoted) dtype. */
  readonly check?: (dtype: DType) => void;
  /** Throws if the operator does not take these arguments, in the order of the parameters; seen unless all are tensors. */
  readonly checkArguments?: (args: readonly unknown[]) => void;
  /** Throws if the operator does not take these values (all operands in order); looked at before anything is computed. */
  readonly checkValues?: (operands: readonly (Tensor | Scalar)[], compute: DType) => void;
  /** The operator for complex operands, where it is not the analytic continuation of the expression. */
  readonly complex?: (...args: Tensor[]) => Tensor;
  /** Whether comparisons of complex operands look at their real parts, and `abs` is the modulus; else they have no meaning. */
  readonly complexOrder?: boolean;
  /** Whether numbers keep their precision beside tensors of a 16-bit floating type, as in PyTorch's basic arithmetic. */
  readonly preciseNumbers?: boolean;
}

interface PointwiseParams {
  readonly scalars: readonly Scalar[];
  /** What it was computed in. */
  readonly compute: DType;
  /** Whether a number stood in the place of a tensor: it counts as saved. */
  readonly numeric: boolean;
}

/** The gradient of one operand. */
interface OperandGrad {
  readonly kind: "none" | "zero" | "identity" | "formula";
  /** Tensor operands that the formula uses. */
  readonly tensors: readonly number[];
  readonly result: boolean;
  readonly scalars: boolean;
}

const gId = 1000;
const yId = 1001;

/** One compiled plan: the kernel for given dtypes. */
interface Plan {
  readonly kernel: Elementwise;
  readonly out: DType;
  readonly compute: DType;
  readonly type: Type;
  /** A number that stands for an operand, as the kernel takes it: converted to the dtype that is computed in. */
  readonly operand: (value: Scalar) => number | bigint;
}

type Build = (tensors: readonly Expr[], scalars: readonly Expr[]) => Expr;
type BuildGrad = (g: Expr, y: Expr, tensors: readonly Expr[], scalars: readonly Expr[]) => readonly (Expr | null)[];

/** A pointwise computation over a fixed number of tensors and uniform numbers, with its derivative. */
export class PointwiseRule implements Recordable<PointwiseParams> {
  readonly name: string;
  readonly gradName: string;
  readonly key: string;
  readonly nTensors: number;
  readonly nScalars: number;
  readonly options: PointwiseOptions;
  readonly differentiable: boolean;
  readonly #build: Build;
  readonly #bool: Build | null;
  readonly #grad: BuildGrad | null;
  readonly #plans: (Plan | undefined)[] = [];
  readonly #numberPlans: (Plan | undefined)[] = [];
  readonly #morePlans: Map<string, Plan> = new Map();
  readonly #fused: Map<string, Elementwise> = new Map();
  readonly #derived: (PointwiseRule | undefined)[] = [];
  /** Of each number: whether it stands for an operand, rather than being an argument beside them. */
  readonly #operandNumbers: readonly boolean[];
  readonly #conjugations: Conjugations;
  #zeroGradient: ZeroGradient | null = null;
  #grads: readonly OperandGrad[] | null = null;

  constructor(
    name: string,
    gradName: string,
    key: string,
    nTensors: number,
    nScalars: number,
    build: Build,
    options: PointwiseOptions,
    boolean: Build | null,
    grad: BuildGrad | null,
    operandNumbers: readonly boolean[],
    conjugations: Conjugations = noConjugations,
  ) {
    this.name = name;
    this.gradName = options.derivative === undefined ? gradName : "NotImplemented";
    this.key = key;
    this.nTensors = nTensors;
    this.nScalars = nScalars;
    this.options = options;
    this.differentiable = options.dtype !== "bool" && options.differentiable !== false;
    this.#build = build;
    this.#bool = boolean;
    this.#grad = grad;
    this.#operandNumbers = operandNumbers;
    this.#conjugations = conjugations;
  }

  // --- forward -------------------------------------------------------------------------------------------------------

  #resolve(promoted: DType): { out: DType; compute: DType } {
    const rule = this.options.dtype ?? "promote";
    const out =
      rule === "promote" ? promoted : rule === "float" ? toFloat(promoted) : rule === "bool" ? bool : rule(promoted);
    const compute = this.options.compute?.(promoted) ?? (rule === "bool" ? promoted : out);
    return { out, compute };
  }

  #makePlan(ins: readonly DType[], out: DType, compute: DType): Plan {
    const key = `${this.key}/${ins.map((d) => d.name).join(",")}>${compute.name}>${out.name}`;
    if (compute.is_complex) {
      const kernel = complexKernel(this, key, ins, out, compute, (t, s) => this.#build(t, s), this.#conjugations);
      return { kernel, out, compute, type: computeType(compute), operand: Number };
    }
    const isBool = compute === bool;
    const type: Type = isBool ? (this.#bool === null ? "i32" : "bool") : computeType(compute);
    const build = isBool && this.#bool !== null ? this.#bool : this.#build;
    const kernel = new Elementwise({
      name: this.name,
      key,
      outs: [out],
      ins,
      scalars: Array.from({ length: this.nScalars }, () => type),
      build: (loads, scalars) => [
        castExpr(
          build(
            loads.map((x, i) => operandExpr(x, ins[i] as DType, compute, type)),
            scalars,
          ),
          out,
        ),
      ],
    });
    const precise = this.options.preciseNumbers === true;
    return { kernel, out, compute, type, operand: (value) => asOperand(value, compute, type, precise) };
  }

  /** The uniform numbers as the kernel takes them. */
  #numbers(scalars: readonly Scalar[], plan: Plan): readonly (number | bigint)[] {
    if (scalars.length === 0) return noScalars;
    if (plan.compute.is_complex) return scalars.flatMap(complexArgument);
    return scalars.map((s, i) => (this.#operandNumbers[i] === true ? plan.operand(s) : asArgument(s, plan.type)));
  }

  /** The plan for operands of these dtypes; `operands` includes the plain numbers, which take part in promotion. */
  #plan(tensors: readonly Tensor[], operands: readonly (Typed | Scalar)[]): Plan {
    const promoted = resultTypeOf(operands);
    this.options.check?.(promoted);
    const { out, compute } = this.#resolve(promoted);
    return this.#typed(
      tensors.map((t) => t.dtype),
      out,
      compute,
    );
  }

  #typed(ins: readonly DType[], out: DType, compute: DType): Plan {
    let key = `${out.code}/${compute.code}`;
    for (const d of ins) key += `/${d.code}`;
    let plan = this.#morePlans.get(key);
    if (plan === undefined) {
      plan = this.#makePlan(ins, out, compute);
      this.#morePlans.set(key, plan);
    }
    return plan;
  }

  /** The fast path of one tensor. */
  call1(x: Tensor): Tensor {
    const at = (x.dtype.code << 4) | get_default_dtype().code;
    const plan = (this.#plans[at] ??= this.#plan([x], [x]));
    const ins = [x];
    const out =
      x._isContiguous || this.options.layout === "contiguous"
        ? allocate(x.shape, plan.out, x._storage.backend)
        : allocateLike(x.shape, plan.out, ins);
    plan.kernel.run([out], ins, noScalars);
    if (modes.grad && this.differentiable && requiresGrad(x)) {
      record(this, ins, { scalars: noScalars, compute: plan.compute, numeric: false }, [out]);
    }
    if (modes.dual !== null) this.#carry(ins, { scalars: noScalars, compute: plan.compute, numeric: false }, out);
    return out;
  }

  /** The fast path of two tensors. */
  call2(a: Tensor, b: Tensor): Tensor {
    const ranks = (a.shape.length > 0 ? 2 : 0) | (b.shape.length > 0 ? 1 : 0);
    const at = (a.dtype.code << 10) | (b.dtype.code << 6) | (get_default_dtype().code << 2) | ranks;
    const ins = [a, b];
    const plan = (this.#plans[at] ??= this.#plan(ins, ins));
    this.options.checkValues?.(ins, plan.compute);
    const same = sameShape(a.shape, b.shape);
    const out =
      same && a._isContiguous && b._isContiguous
        ? allocate(a.shape, plan.out, a._storage.backend)
        : allocateLike(broadcastAll([a.shape, b.shape]), plan.out, ins);
    plan.kernel.run([out], ins, noScalars);
    if (modes.grad && this.differentiable && (requiresGrad(a) || requiresGrad(b))) {
      record(this, ins, { scalars: noScalars, compute: plan.compute, numeric: false }, [out]);
    }
    if (modes.dual !== null) this.#carry(ins, { scalars: noScalars, compute: plan.compute, numeric: false }, out);
    return out;
  }

  /** The fast path of a tensor and a plain number. */
  callNumber(x: Tensor, value: number): Tensor {
    const at = (x.dtype.code << 5) | (get_default_dtype().code << 1) | (Number.isInteger(value) ? 1 : 0);
    const plan = (this.#numberPlans[at] ??= this.#plan([x], [x, value]));
    this.options.checkValues?.([x, value], plan.compute);
    const ins = [x];
    const out = x._isContiguous
      ? allocate(x.shape, plan.out, x._storage.backend)
      : allocateLike(x.shape, plan.out, ins);
    plan.kernel.run([out], ins, plan.compute.is_complex ? [value, 0] : [plan.operand(value)]);
    if (modes.grad && this.differentiable && requiresGrad(x)) {
      record(this, ins, { scalars: [value], compute: plan.compute, numeric: true }, [out]);
    }
    if (modes.dual !== null) this.#carry(ins, { scalars: [value], compute: plan.compute, numeric: true }, out);
    return out;
  }

  /** Any number of tensors and numbers. `operands`: those of both that take part in promotion. */
  call(
    tensors: readonly Tensor[],
    scalars: readonly Scalar[],
    operands: readonly (Typed | Scalar)[],
    numeric: boolean,
    values: readonly (Tensor | Scalar)[] | null = null,
  ): Tensor {
    const plan = this.#plan(tensors, operands);
    if (values !== null) this.options.checkValues?.(values, plan.compute);
    const shape = tensors.length === 1 ? (tensors[0] as Tensor).shape : broadcastAll(tensors.map((t) => t.shape));
    const out = allocateLike(shape, plan.out, tensors);
    plan.kernel.run([out], tensors, this.#numbers(scalars, plan));
    if (modes.grad && this.differentiable) {
      for (const t of tensors) {
        if (requiresGrad(t)) {
          record(this, tensors, { scalars, compute: plan.compute, numeric }, [out]);
          break;
        }
      }
    }
    if (modes.dual !== null) this.#carry(tensors, { scalars, compute: plan.compute, numeric }, out);
    return out;
  }

  #carry(ins: readonly Tensor[], params: PointwiseParams, out: Tensor): void {
    if (this.differentiable && anyTangent(ins)) carryTangents(this, ins, params, [out]);
  }

  /** Changes the first tensor. */
  callInplace(
    tensors: readonly Tensor[],
    scalars: readonly Scalar[],
    operands: readonly (Typed | Scalar)[],
    numeric: boolean,
    values: readonly (Tensor | Scalar)[],
  ): Tensor {
    const target = tensors[0] as Tensor;
    const promoted = resultTypeOf(operands);
    const { out, compute } = this.#resolve(promoted);
    this.options.checkValues?.(values, compute);
    let shape = target.shape;
    for (let i = 1; i < tensors.length; i++) shape = broadcast(shape, (tensors[i] as Tensor).shape);
    checkStorable(target, shape, out);
    this.options.check?.(promoted);
    const ins = tensors.map((t, i) => (i > 0 && overlaps(target, t) ? cloneRaw(t) : t));
    const plan = this.#typed(
      ins.map((t) => t.dtype),
      target.dtype,
      compute,
    );
    const write = (t: Tensor): void => void plan.kernel.run([t], ins, this.#numbers(scalars, plan));
    const params = { scalars, compute, numeric };
    if (this.differentiable) return applyInplace(this, tensors, params, write, cloneRaw);
    this.#zeroGradient ??= new ZeroGradient(this.name, this.gradName);
    return applyInplace(this.#zeroGradient, tensors, params, write, cloneRaw);
  }

  // --- backward ------------------------------------------------------------------------------------------------------

  /** The gradients as expressions over variables: operand i is var i, then the numbers, `g`, and the result `y`. */
  #gradExprs(type: Type): readonly (Expr | null)[] {
    const tensors = Array.from({ length: this.nTensors }, (_, i) => E.var(type, i));
    const scalars = Array.from({ length: this.nScalars }, (_, i) => E.var(type, this.nTensors + i));
    const g = E.var(type, gId);
    const y = E.var(type, yId);
    if (this.#grad !== null) return this.#grad(g, y, tensors, scalars);
    const value = this.#build(tensors, scalars);
    return gradient(value, tensors, g).map((e) => (e === null ? null : substitute(e, value, y)));
  }

  #operandGrads(): readonly OperandGrad[] {
    this.#grads ??= this.#gradExprs("f64").map((e): OperandGrad => {
      if (e === null) return { kind: "zero", tensors: [], result: false, scalars: false };
      if (e.kind === "var" && e.id === gId) return { kind: "identity", tensors: [], result: false, scalars: false };
      const free = freeVars(e);
      const tensors: number[] = [];
      for (let i = 0; i < this.nTensors; i++) if (free.has(i)) tensors.push(i);
      let scalars = false;
      for (let i = 0; i < this.nScalars; i++) if (free.has(this.nTensors + i)) scalars = true;
      const kind = e.kind === "const" && Number(e.value) === 0 ? "zero" : "formula";
      return { kind, tensors, result: free.has(yId), scalars };
    });
    return this.#grads;
  }

  usesFor(count: number, needs: (i: number) => boolean): readonly Use[] {
    if (this.options.derivative !== undefined) return [];
    const uses: Use[] = [];
    const grads = this.#operandGrads();
    for (let i = 0; i < count; i++) {
      if (!needs(i)) continue;
      const grad = grads[i] as OperandGrad;
      for (const t of grad.tensors) if (!uses.includes(t)) uses.push(t);
      if (grad.result && !uses.includes("out")) uses.push("out");
    }
    return uses;
  }

  /** PyTorch wraps the number of `a * 2` in a tensor and saves that, so running the node again after release is an error. */
  savesNumbers(needs: (i: number) => boolean, params: PointwiseParams): boolean {
    if (!params.numeric || this.options.derivative !== undefined) return false;
    return this.#operandGrads().some((g, i) => needs(i) && g.scalars);
  }

  backward(node: OpNode, grads: MaybeTensor[]): MaybeTensor[] {
    const n = this.nTensors;
    const out = new Array<MaybeTensor>(n).fill(null);
    const g = grads[0] ?? null;
    if (g === null) return out;
    if (this.options.derivative !== undefined) {
      throw new NotImplementedError(`the derivative for '${this.name}' is not implemented.`);
    }
    const rules = this.#operandGrads();
    const wanted: number[] = [];
    for (let i = 0; i < n; i++) {
      if (!node.needs(i)) continue;
      const kind = (rules[i] as OperandGrad).kind;
      if (kind === "identity") out[i] = g;
      else if (kind === "zero") out[i] = zerosRaw(g);
      else if (kind === "formula") wanted.push(i);
    }
    const params = node.params as PointwiseParams;
    if (wanted.length > 1 && !modes.grad && !params.compute.is_complex)
      this.#backwardFused(node, g, wanted, out, params);
    else for (const i of wanted) out[i] = this.#backwardOne(node, g, i, params);
    return out;
  }

  #backwardOne(node: OpNode, g: Tensor, i: number, params: PointwiseParams): Tensor {
    const grad = (this.#operandGrads() as OperandGrad[])[i] as OperandGrad;
    const rule = (this.#derived[i] ??= this.#derive(i, grad));
    const tensors = [g];
    for (const t of grad.tensors) tensors.push(node.unpack(t));
    if (grad.result) tensors.push(node.unpack(this.nTensors));
    if (tensors.length === 2 && params.scalars.length === 0) return rule.call2(g, tensors[1] as Tensor);
    return rule.call(tensors, params.scalars, [{ dtype: params.compute, shape: g.shape }, ...tensors], false);
  }

  /** The gradient of operand i as an operator of its own, over g, the operands it uses, and the result. */
  #derive(i: number, grad: OperandGrad): PointwiseRule {
    const build: Build = (tensors, scalars) => {
      const type = (tensors[0] as Expr).type;
      const values = new Map<number, Expr>([[gId, tensors[0] as Expr]]);
      grad.tensors.forEach((t, k) => values.set(t, tensors[k + 1] as Expr));
      if (grad.result) values.set(yId, tensors[grad.tensors.length + 1] as Expr);
      scalars.forEach((s, k) => values.set(this.nTensors + k, s));
      return bindVars(this.#gradExprs(type)[i] as Expr, values);
    };
    const root = this.#gradExprs("f64")[i] as Expr;
    return new PointwiseRule(
      `${this.name}_backward`,
      derivedName(root, this.gradName),
      `${this.key}'${i}`,
      1 + grad.tensors.length + (grad.result ? 1 : 0),
      this.nScalars,
      build,
      { preciseNumbers: this.options.preciseNumbers ?? false, complexOrder: this.options.complexOrder ?? false },
      null,
      null,
      this.#operandNumbers,
      derivedConjugations(this.#conjugations, i, grad.tensors, grad.result),
    );
  }

  /** Several gradients in one pass over memory. */
  #backwardFused(
    node: OpNode,
    g: Tensor,
    wanted: readonly number[],
    out: MaybeTensor[],
    params: PointwiseParams,
  ): void {
    const rules = this.#operandGrads();
    const used: number[] = [];
    let result = false;
    for (const i of wanted) {
      const rule = rules[i] as OperandGrad;
      for (const t of rule.tensors) if (!used.includes(t)) used.push(t);
      if (rule.result) result = true;
    }
    const tensors = [g, ...used.map((t) => node.unpack(t))];
    if (result) tensors.push(node.unpack(this.nTensors));
    const dtype = params.compute;
    const type = computeType(dtype);
    let key = `${wanted.join(",")}:${dtype.name}`;
    for (const t of tensors) key += `,${t.dtype.code}`;
    let kernel = this.#fused.get(key);
    if (kernel === undefined) {
      kernel = new Elementwise({
        name: `${this.name}_backward`,
        key: `${this.key}''${key}`,
        outs: wanted.map(() => dtype),
        ins: tensors.map((t) => t.dtype),
        scalars: Array.from({ length: this.nScalars }, () => type),
        build: (loads, scalars) => {
          const values = new Map<number, Expr>([[gId, E.cast(type, loads[0] as Expr)]]);
          used.forEach((t, k) => values.set(t, E.cast(type, loads[k + 1] as Expr)));
          if (result) values.set(yId, E.cast(type, loads[used.length + 1] as Expr));
          scalars.forEach((s, k) => values.set(this.nTensors + k, s));
          const exprs = this.#gradExprs(type);
          return wanted.map((i) => bindVars(exprs[i] as Expr, values));
        },
      });
      this.#fused.set(key, kernel);
    }
    const outs = wanted.map(() => allocateLike(g.shape, dtype, [g]));
    const precise = this.options.preciseNumbers === true;
    const numbers = params.scalars.map((s, i) =>
      this.#operandNumbers[i] === true ? asOperand(s, dtype, type, precise) : asArgument(s, type),
    );
    kernel.run(outs, tensors, numbers);
    wanted.forEach((i, k) => (out[i] = outs[k] as Tensor));
  }
}

export const noScalars: readonly never[] = [];

/** What a comparison done in place passes back: the new value does not depend on the old one. */
class ZeroGradient implements Recordable<PointwiseParams> {
  readonly name: string;
  readonly gradName: string;
  readonly differentiable = true;

  constructor(name: string, gradName: string) {
    this.name = name;
    this.gradName = gradName;
  }

  usesFor(): readonly Use[] {
    return [];
  }

  backward(node: OpNode, grads: MaybeTensor[]): MaybeTensor[] {
    const g = grads[0] ?? null;
    return node.inputShapes.map((_, i) => (g !== null && node.needs(i) ? zerosRaw(g) : null));
  }
}

function zerosRaw(like: Tensor): Tensor {
  const out = allocate(like.shape, like.dtype, like._backend);
  fillRaw(out, 0);
  return out;
}

/** Replaces variables by values; shared subtrees stay shared. */
function bindVars(e: Expr, values: ReadonlyMap<number, Expr>): Expr {
  return rewrite(e, (x) => (x.kind === "var" ? (values.get(x.id) ?? x) : x));
}

/** A derivative's node is named after its outermost operation, which is what PyTorch's formulas mostly show. */
function derivedName(root: Expr, parent: string): string {
  if (root.kind === "binary" && (root.op === "mul" || root.op === "div"))
    return root.op === "mul" ? "MulBackward0" : "DivBackward0";
  if (root.kind === "unary" && root.op === "neg") return "NegBackward0";
  // PyTorch writes the derivative of a power as a product, also where ours is a sum or a choice.
  if (parent.startsWith("PowBackward")) return "MulBackward0";
  if (root.kind === "select") return "WhereBackward0";
  return parent.replace(/Backward(\d+)$/, "BackwardBackward$1");
}

/** Whether writing to `target` element by element could change what is still to be read from `t`. */
function overlaps(target: Tensor, t: Tensor): boolean {
  if (t._storage !== target._storage) return false;
  return t._offset !== target._offset || !sameShape(t.shape, target.shape) || !sameShape(t._strides, target._strides);
}
