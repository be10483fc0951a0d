/**
 * The vocabulary in which the matrix kernels are written: typed expressions over one element type, and the few statements
 * that the kernels need. An expression is code that leaves one value on the stack; it may be used any number of times.
 */
import type { FunctionBuilder, Local } from "./assembler.ts";

/** The element types that there are matrix kernels for. */
export type ElementName = "float32" | "float64";

/** What the kernels must know of an element type. */
export interface Element {
  readonly scalar: "f32" | "f64";
  readonly bytes: 4 | 8;
  /** Elements in one vector of 16 bytes. */
  readonly lanes: 4 | 2;
}

export const elements: Readonly<Record<ElementName, Element>> = {
  float32: { scalar: "f32", bytes: 4, lanes: 4 },
  float64: { scalar: "f64", bytes: 8, lanes: 2 },
};

type Kind = "i32" | "scalar" | "v128";

/** Code that leaves one value on the stack. */
export interface Code<K extends Kind> {
  readonly kind: K;
  readonly emit: () => void;
}

export interface Variable<K extends Kind> extends Code<K> {
  readonly local: Local;
}

export type Int = Code<"i32">;
export type Scalar = Code<"scalar">;
export type Vector = Code<"v128">;
export type IntVariable = Variable<"i32">;
export type ScalarVariable = Variable<"scalar">;
export type VectorVariable = Variable<"v128">;

/** As many integer variables as the number says. */
export type Variables<N extends number, T extends IntVariable[] = []> = T["length"] extends N
  ? T
  : Variables<N, [...T, IntVariable]>;

/** Writes one function of the module. */
export class Emitter {
  readonly element: Element;
  /** Whether a*b + c may be one instruction with one rounding; see Note [Summation order]. */
  readonly relaxed: boolean;
  private readonly f: FunctionBuilder;

  constructor(f: FunctionBuilder, element: Element, relaxed: boolean) {
    this.f = f;
    this.element = element;
    this.relaxed = relaxed;
  }

  private code<K extends Kind>(kind: K, emit: () => void): Code<K> {
    return { kind, emit };
  }

  private variable<K extends Kind>(kind: K, local: Local): Variable<K> {
    return { kind, local, emit: () => this.f.get(local) };
  }

  /** A parameter of the function by its place. */
  parameter<K extends Kind>(kind: K, place: number): Variable<K> {
    const local = this.f.params[place];
    if (local === undefined) throw new RangeError(`${this.f.name} has no parameter ${place}`);
    return this.variable(kind, local);
  }

  /** The first `count` parameters of the function, all integers. */
  parameters<N extends number>(count: N): Variables<N> {
    return Array.from({ length: count }, (_, place) => this.parameter("i32", place)) as Variables<N>;
  }

  int(): IntVariable {
    return this.variable("i32", this.f.local("i32"));
  }

  /** A vector variable, zero at the start of the function. */
  vector(): VectorVariable {
    return this.variable("v128", this.f.local("v128"));
  }

  vectors(count: number): VectorVariable[] {
    return Array.from({ length: count }, () => this.vector());
  }

  set<K extends Kind>(to: Variable<K>, value: Code<K>): void {
    value.emit();
    this.f.set(to.local);
  }

  // Integers.

  constant(value: number): Int {
    return this.code("i32", () => this.f.i32(value));
  }

  constantScalar(value: 0 | 1): Scalar {
    return this.code("scalar", () => this.f[this.element.scalar](value));
  }

  private binary(op: string, x: Int, y: Int | number): Int {
    const right = typeof y === "number" ? this.constant(y) : y;
    return this.code("i32", () => {
      x.emit();
      right.emit();
      this.f.op(op);
    });
  }

  add(x: Int, y: Int | number): Int {
    return y === 0 ? x : this.binary("i32.add", x, y);
  }

  sub(x: Int, y: Int | number): Int {
    return this.binary("i32.sub", x, y);
  }

  mul(x: Int, y: Int | number): Int {
    return this.binary("i32.mul", x, y);
  }

  and(x: Int, y: Int | number): Int {
    return this.binary("i32.and", x, y);
  }

  /** Unsigned comparison, as sizes and addresses are unsigned. */
  atLeast(x: Int, y: Int | number): Int {
    return this.binary("i32.ge_u", x, y);
  }

  lessThan(x: Int, y: Int | number): Int {
    return this.binary("i32.lt_u", x, y);
  }

  equal(x: Int, y: Int | number): Int {
    return this.binary("i32.eq", x, y);
  }

  isNonZero(x: Scalar): Int {
    return this.code("i32", () => {
      x.emit();
      this.f[this.element.scalar](0);
      this.f.op(`${this.element.scalar}.ne`);
    });
  }

  increment(x: IntVariable, by: Int | number): void {
    this.set(x, this.add(x, by));
  }

  decrement(x: IntVariable, by: Int | number): void {
    this.set(x, this.sub(x, by));
  }

  // Statements.

  when(condition: Int, then: () => void, otherwise?: () => void): void {
    condition.emit();
    this.f.if(then, otherwise);
  }

  whileTrue(condition: Int, body: () => void): void {
    this.when(condition, () => this.doWhile(body, condition));
  }

  /** Runs the body, and again as long as the condition holds. */
  doWhile(body: () => void, condition: Int): void {
    this.f.loop((again) => {
      body();
      condition.emit();
      this.f.branchIf(again);
    });
  }

  /** Runs the body, and again until the count, at least 1, is used up. */
  countDown(count: IntVariable, by: number, body: () => void): void {
    this.doWhile(() => {
      body();
      this.decrement(count, by);
    }, count);
  }

  /** Runs `body`; within it, `leave(condition)` jumps behind it. */
  breakable(body: (leave: (condition: Int) => void) => void): void {
    this.f.block((exit) => {
      body((condition) => {
        condition.emit();
        this.f.branchIf(exit);
      });
    });
  }

  call(callee: FunctionBuilder, args: readonly Code<Kind>[]): void {
    for (const arg of args) arg.emit();
    this.f.call(callee);
  }

  // Memory. Addresses are a variable part and a constant number of bytes.

  private memoryRead(op: string, at: Int, offset: number): Vector {
    return this.code("v128", () => {
      at.emit();
      this.f.access(op, offset);
    });
  }

  load(at: Int, offset = 0): Vector {
    return this.memoryRead("v128.load", at, offset);
  }

  /** One element into every lane. */
  loadSplat(at: Int, offset = 0): Vector {
    return this.memoryRead(this.element.bytes === 4 ? "v128.load32_splat" : "v128.load64_splat", at, offset);
  }

  /** The first `count` lanes (1, or 2 of 4); zero in the others. */
  loadFirst(count: 1 | 2, at: Int, offset = 0): Vector {
    return this.memoryRead(this.element.bytes * count === 4 ? "v128.load32_zero" : "v128.load64_zero", at, offset);
  }

  store(at: Int, offset: number, value: Vector): void {
    at.emit();
    value.emit();
    this.f.access("v128.store", offset);
  }

  /** Stores one lane. */
  storeLane(at: Int, offset: number, value: Vector, lane: number): void {
    at.emit();
    value.emit();
    this.f.laneAccess(this.element.bytes === 4 ? "v128.store32_lane" : "v128.store64_lane", lane, offset);
  }

  // Vectors.

  splat(x: Scalar): Vector {
    return this.code("v128", () => {
      x.emit();
      this.f.op(`${this.shape}.splat`);
    });
  }

  zero(): Vector {
    return this.code("v128", () => this.f.v128(Array.from({ length: 16 }, () => 0)));
  }

  private get shape(): string {
    return this.element.bytes === 4 ? "f32x4" : "f64x2";
  }

  private lanewise(op: string, x: Vector, y: Vector): Vector {
    return this.code("v128", () => {
      x.emit();
      y.emit();
      this.f.op(`${this.shape}.${op}`);
    });
  }

  vectorAdd(x: Vector, y: Vector): Vector {
    return this.lanewise("add", x, y);
  }

  vectorMul(x: Vector, y: Vector): Vector {
    return this.lanewise("mul", x, y);
  }

  /** x*y + z, every multiplication with addition in the kernels. */
  mulAdd(x: Vector, y: Vector, z: Vector): Vector {
    if (!this.relaxed) return this.vectorAdd(z, this.vectorMul(x, y));
    return this.code("v128", () => {
      x.emit();
      y.emit();
      z.emit();
      this.f.op(`${this.shape}.relaxed_madd`);
    });
  }

  /** Picks bytes of x (0 to 15) and y (16 to 31). */
  private shuffle(x: Vector, y: Vector, bytes: readonly number[]): Vector {
    return this.code("v128", () => {
      x.emit();
      y.emit();
      this.f.shuffle(bytes);
    });
  }

  /** Lanes of x and y in turn: x0 y0 x1 y1 for the low halves, x2 y2 x3 y3 for the high ones, in units of `width` bytes. */
  interleave(half: "low" | "high", x: Vector, y: Vector, width: number = this.element.bytes): Vector {
    const from = half === "low" ? 0 : 8;
    const bytes: number[] = [];
    for (let unit = from; unit < from + 8; unit += width) {
      for (const operand of [0, 16]) for (let i = 0; i < width; i++) bytes.push(operand + unit + i);
    }
    return this.shuffle(x, y, bytes);
  }

  /** The bytes of x turned round, so that lane 0 is the one that starts at byte `by`. */
  rotate(x: Vector, by: number): Vector {
    const bytes = Array.from({ length: 16 }, (_, i) => (i + by) % 16);
    return this.shuffle(x, x, bytes);
  }
}
