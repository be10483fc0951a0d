/**
 * Kernels as text, for people: what `torch.debug.kernels()` shows.
 */
import { type BinaryOp, type Expr, operands, type Type } from "./expr.ts";
import type { Kernel, Stmt } from "./kernel.ts";

const infix: Readonly<Partial<Record<BinaryOp, string>>> = {
  add: "+",
  sub: "-",
  mul: "*",
  div: "/",
  rem: "%",
  and: "&",
  or: "|",
  xor: "^",
  shl: "<<",
  shr: ">>",
  shru: ">>>",
  eq: "==",
  ne: "!=",
  lt: "<",
  le: "<=",
  gt: ">",
  ge: ">=",
};

/** Binding strength of the operators, weak to strong. */
const levels: readonly (readonly string[])[] = [
  ["|"],
  ["^"],
  ["&"],
  ["==", "!=", "<", "<=", ">", ">="],
  ["<<", ">>", ">>>"],
  ["+", "-"],
  ["*", "/", "%"],
];
const strongest = levels.length + 1;

interface Text {
  readonly text: string;
  readonly level: number;
}

const atom = (text: string): Text => ({ text, level: strongest });

function constantText(e: Extract<Expr, { kind: "const" }>): string {
  if (e.type === "i64") return `${e.value}L`;
  if (e.type === "bool" || e.type === "i32") return String(e.value);
  const value = Number(e.value);
  const digits = Object.is(value, -0) ? "-0" : e.type === "f32" ? shortest(value) : String(value);
  const number = /^-?\d+$/.test(digits) ? `${digits}.0` : digits;
  return e.type === "f32" && Number.isFinite(value) ? `${number}f` : number;
}

/** The shortest decimal that is this float32. */
function shortest(value: number): string {
  for (let digits = 1; digits < 9; digits++) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return String(Number(text));
  }
  return String(value);
}

class Printer {
  readonly #kernel: Kernel | null;
  readonly #lines: string[] = [];
  #indent = 0;
  #temporaries = 0;

  constructor(kernel: Kernel | null) {
    this.#kernel = kernel;
  }

  line(text: string): void {
    this.#lines.push("  ".repeat(this.#indent) + text);
  }

  toString(): string {
    return this.#lines.join("\n");
  }

  #buffer(buffer: number): string {
    return this.#kernel?.buffers[buffer]?.name ?? `buffer${buffer}`;
  }

  /**
   * The text of an expression. Nodes with several users are named on lines of their own before, in the order of evaluation: as a
   * tree a graph may be exponentially larger.
   */
  expression(root: Expr): string {
    const users = new Map<Expr, number>();
    const count = (e: Expr): void => {
      const n = users.get(e) ?? 0;
      users.set(e, n + 1);
      if (n === 0) operands(e).forEach(count);
    };
    count(root);
    const texts = new Map<Expr, Text>();
    const go = (e: Expr): Text => {
      const known = texts.get(e);
      if (known !== undefined) return known;
      let text = this.#node(e, go);
      if ((users.get(e) ?? 0) > 1 && operands(e).length > 0) {
        const name = `t${this.#temporaries++}`;
        this.line(`${name}: ${e.type} = ${text.text}`);
        text = atom(name);
      }
      texts.set(e, text);
      return text;
    };
    return go(root).text;
  }

  #node(e: Expr, go: (e: Expr) => Text): Text {
    const call = (name: string, ...args: readonly Expr[]): Text =>
      atom(`${name}(${args.map((x) => go(x).text).join(", ")})`);
    switch (e.kind) {
      case "const":
        return atom(constantText(e));
      case "scalar":
        return atom(this.#kernel?.scalars[e.slot]?.name ?? `scalar${e.slot}`);
      case "index":
        return atom(`i${e.loop}`);
      case "var":
        return atom(`v${e.id}`);
      case "load":
        return atom(`${this.#buffer(e.buffer)}[${go(e.index).text}]`);
      case "unary":
        return call(e.op === "bitcast" ? `bitcast<${e.type}>` : e.op, e.a);
      case "binary": {
        const operator = infix[e.op];
        if (operator === undefined) return call(e.op, e.a, e.b);
        const level = levels.findIndex((list) => list.includes(operator)) + 1;
        const side = (x: Expr, least: number): string => {
          const { text, level: found } = go(x);
          return found < least ? `(${text})` : text;
        };
        return { text: `${side(e.a, level)} ${operator} ${side(e.b, level + 1)}`, level };
      }
      case "select":
        return call("select", e.cond, e.a, e.b);
      case "fma":
        return call("fma", e.a, e.b, e.c);
      case "cast":
        return call(e.type, e.a);
    }
  }

  statements(body: readonly Stmt[]): void {
    this.#indent++;
    for (const s of body) this.#statement(s);
    this.#indent--;
  }

  #binding(word: string, id: number, type: Type, value: Expr): void {
    const text = this.expression(value);
    this.line(`${word}v${id}: ${type} = ${text}`);
  }

  #statement(s: Stmt): void {
    switch (s.kind) {
      case "loop":
        this.line(`${s.mode} i${s.loop} < ${this.expression(s.extent)}:`);
        return this.statements(s.body);
      case "let":
        return this.#binding("let ", s.id, s.value.type, s.value);
      case "var":
        return this.#binding("var ", s.id, s.value.type, s.value);
      case "assign":
        return this.line(`v${s.id} = ${this.expression(s.value)}`);
      case "reduce": {
        const init = this.expression(s.init);
        this.line(`let v${s.id}: ${s.init.type} = ${init}`);
        this.line(`reduce i${s.loop} < ${this.expression(s.extent)}:`);
        this.#indent++;
        const value = this.expression(s.value);
        const operator = s.combine in infix ? infix[s.combine] : undefined;
        this.line(
          operator === undefined ? `v${s.id} = ${s.combine}(v${s.id}, ${value})` : `v${s.id} ${operator}= ${value}`,
        );
        this.#indent--;
        return;
      }
      case "store": {
        const index = this.expression(s.index);
        return this.line(`${this.#buffer(s.buffer)}[${index}] = ${this.expression(s.value)}`);
      }
      case "if":
        this.line(`if ${this.expression(s.cond)}:`);
        this.statements(s.then);
        if (s.else === undefined) return;
        this.line("else:");
        return this.statements(s.else);
      case "guard":
        return this.line(`guard ${this.expression(s.cond)} else status ${this.expression(s.status)}`);
    }
  }
}

/** One expression on one line, preceded by lines that name its shared parts. */
export function printExpression(e: Expr): string {
  const printer = new Printer(null);
  const text = printer.expression(e);
  printer.line(text);
  return printer.toString();
}

/** A kernel, one statement on a line. */
export function printKernel(kernel: Kernel): string {
  const printer = new Printer(kernel);
  const buffers = kernel.buffers.map((b) => `${b.access} ${b.name}: ${b.dtype.name}`);
  const scalars = kernel.scalars.map((s) => `${s.name}: ${s.type}`);
  printer.line(`kernel ${kernel.name}(${[...buffers, ...scalars].join(", ")})`);
  printer.statements(kernel.body);
  return printer.toString();
}
