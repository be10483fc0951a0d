/**
 * The expressions of Python, by precedence climbing (Pratt).
 */

import type {
  BinaryOp,
  Clause,
  CompareOp,
  DictEntry,
  Expr,
  FStringNode,
  Keyword,
  Parameter,
  Parameters,
} from "./ast.ts";
import type { Token } from "./tokens.ts";
import { PythonSyntaxError, tokenize } from "./tokens.ts";

const keywords: ReadonlySet<string> = new Set(
  (
    "and as assert break class continue def del elif else for from if import in is lambda not or pass raise return " +
    "while"
  ).split(" "),
);

/** How tightly a binary operator binds; comparison stands between `not` (3) and `|` (5). */
const binaryPrecedence: Readonly<Record<string, number>> = {
  "|": 5,
  "^": 6,
  "&": 7,
  "<<": 8,
  ">>": 8,
  "+": 9,
  "-": 9,
  "*": 10,
  "/": 10,
  "//": 10,
  "%": 10,
  "@": 10,
};
/** The comparisons that are symbols; `in` and `is` are words. */
const comparisons: ReadonlySet<string> = new Set(["==", "!=", "<", "<=", ">", ">="]);

/** Reads tokens and parses the expressions among them; the parser of statements builds on it. */
export class ExpressionParser {
  private readonly tokens: readonly Token[];
  protected position = 0;

  constructor(source: string) {
    this.tokens = tokenize(source);
  }

  protected get token(): Token {
    return this.tokens[this.position] ?? { kind: "end" };
  }

  protected isOp(text: string): boolean {
    const token = this.token;
    return token.kind === "op" && token.text === text;
  }

  protected isWord(text: string): boolean {
    const token = this.token;
    return token.kind === "name" && token.text === text;
  }

  protected takeOp(text: string): boolean {
    if (!this.isOp(text)) return false;
    this.position++;
    return true;
  }

  protected takeWord(text: string): boolean {
    if (!this.isWord(text)) return false;
    this.position++;
    return true;
  }

  protected expectOp(text: string): void {
    if (!this.takeOp(text)) throw new PythonSyntaxError(`expected '${text}', found ${this.describe()}`);
  }

  protected describe(): string {
    const token = this.token;
    if (token.kind === "op" || token.kind === "name") return `'${token.text}'`;
    return token.kind;
  }

  protected endOfStatement(): boolean {
    return this.token.kind === "newline" || this.token.kind === "end" || this.isOp(";");
  }

  protected identifier(): string {
    const token = this.token;
    if (token.kind !== "name" || keywords.has(token.text)) {
      throw new PythonSyntaxError(`expected a name, found ${this.describe()}`);
    }
    this.position++;
    return token.text;
  }

  /** A single expression (tuples without parentheses included) up to the end. */
  wholeExpression(): Expr {
    const value = this.expressionList();
    while (this.token.kind === "newline") this.position++;
    if (this.token.kind !== "end") throw new PythonSyntaxError(`unexpected ${this.describe()}`);
    return value;
  }

  // Expressions

  /** One expression, or a tuple written without parentheses. */
  protected expressionList(): Expr {
    const first = this.starredOrExpression();
    if (!this.isOp(",")) return first;
    const items = [first];
    while (this.takeOp(",")) {
      if (this.endOfStatement() || this.isOp("=") || this.isOp(")") || this.isOp("]") || this.isOp(":")) break;
      items.push(this.starredOrExpression());
    }
    return { kind: "tuple", items };
  }

  protected starredOrExpression(): Expr {
    return this.takeOp("*") ? { kind: "starred", value: this.binary(5) } : this.expression();
  }

  expression(): Expr {
    if (this.takeWord("lambda")) {
      const parameters = this.parameters(":");
      this.expectOp(":");
      return { kind: "lambda", parameters, body: this.expression() };
    }
    const value = this.or();
    if (this.takeOp(":=")) {
      if (value.kind !== "name") throw new PythonSyntaxError("cannot use assignment expressions here");
      return { kind: "walrus", name: value.name, value: this.expression() };
    }
    if (!this.takeWord("if")) return value;
    const test = this.or();
    if (!this.takeWord("else")) throw new PythonSyntaxError("expected 'else' after 'if' expression");
    return { kind: "conditional", test, consequent: value, alternate: this.expression() };
  }

  protected or(): Expr {
    let left = this.and();
    while (this.takeWord("or")) left = { kind: "bool", op: "or", left, right: this.and() };
    return left;
  }

  protected and(): Expr {
    let left = this.not();
    while (this.takeWord("and")) left = { kind: "bool", op: "and", left, right: this.not() };
    return left;
  }

  protected not(): Expr {
    return this.takeWord("not") ? { kind: "unary", op: "not", operand: this.not() } : this.comparison();
  }

  protected compareOp(): CompareOp | null {
    const token = this.token;
    if (token.kind === "op" && comparisons.has(token.text)) {
      this.position++;
      return token.text as CompareOp;
    }
    if (this.takeWord("in")) return "in";
    if (this.takeWord("is")) return this.takeWord("not") ? "is not" : "is";
    const next = this.tokens[this.position + 1];
    if (this.isWord("not") && next?.kind === "name" && next.text === "in") {
      this.position += 2;
      return "not in";
    }
    return null;
  }

  protected comparison(): Expr {
    const first = this.binary(5);
    const rest: { op: CompareOp; operand: Expr }[] = [];
    for (let op = this.compareOp(); op !== null; op = this.compareOp()) rest.push({ op, operand: this.binary(5) });
    return rest.length === 0 ? first : { kind: "compare", first, rest };
  }

  protected binary(minimum: number): Expr {
    let left = this.unary();
    for (;;) {
      const token = this.token;
      const precedence = token.kind === "op" ? binaryPrecedence[token.text] : undefined;
      if (token.kind !== "op" || precedence === undefined || precedence < minimum) return left;
      this.position++;
      left = { kind: "binary", op: token.text as BinaryOp, left, right: this.binary(precedence + 1) };
    }
  }

  protected unary(): Expr {
    for (const op of ["-", "+", "~"] as const) {
      if (this.takeOp(op)) return { kind: "unary", op, operand: this.unary() };
    }
    return this.power();
  }

  /** `**` binds tighter than a unary operator on its left, and looser than one on its right. */
  protected power(): Expr {
    const base = this.postfix();
    return this.takeOp("**") ? { kind: "binary", op: "**", left: base, right: this.unary() } : base;
  }

  protected postfix(): Expr {
    let value = this.atom();
    for (;;) {
      if (this.takeOp(".")) {
        value = { kind: "attribute", object: value, name: this.attributeName() };
      } else if (this.takeOp("(")) {
        value = this.call(value);
      } else if (this.takeOp("[")) {
        const index = this.subscript();
        this.expectOp("]");
        value = { kind: "subscript", object: value, index };
      } else {
        return value;
      }
    }
  }

  protected attributeName(): string {
    const token = this.token;
    if (token.kind !== "name") throw new PythonSyntaxError(`expected an attribute name, found ${this.describe()}`);
    this.position++;
    return token.text;
  }

  protected call(callee: Expr): Expr {
    const args: Expr[] = [];
    const named: Keyword[] = [];
    while (!this.isOp(")")) {
      const next = this.tokens[this.position + 1];
      const token = this.token;
      if (this.takeOp("**")) {
        named.push({ name: null, value: this.expression() });
      } else if (token.kind === "name" && next?.kind === "op" && next.text === "=") {
        this.position += 2;
        named.push({ name: token.text, value: this.expression() });
      } else {
        const value = this.starredOrExpression();
        args.push(this.isWord("for") ? this.comprehension("generator", value, null) : value);
      }
      if (!this.takeOp(",")) break;
    }
    this.expectOp(")");
    return { kind: "call", callee, args, keywords: named };
  }

  protected subscript(): Expr {
    const first = this.sliceOrExpression();
    if (!this.isOp(",")) return first;
    const items = [first];
    while (this.takeOp(",")) {
      if (this.isOp("]")) break;
      items.push(this.sliceOrExpression());
    }
    return { kind: "tuple", items };
  }

  protected sliceOrExpression(): Expr {
    const bound = (): Expr | null => (this.isOp(":") || this.isOp(",") || this.isOp("]") ? null : this.expression());
    const start = this.isOp("*") ? this.starredOrExpression() : bound();
    if (!this.takeOp(":")) {
      if (start === null) throw new PythonSyntaxError("empty subscript");
      return start;
    }
    const stop = bound();
    const step = this.takeOp(":") ? bound() : null;
    return { kind: "slice", start, stop, step };
  }

  protected atom(): Expr {
    const token = this.token;
    switch (token.kind) {
      case "int":
        this.position++;
        return { kind: "int", value: token.value };
      case "float":
        this.position++;
        return { kind: "float", value: token.value };
      case "imaginary":
        this.position++;
        return { kind: "imaginary", value: token.value };
      case "string":
      case "fstring":
        return this.strings();
      case "name":
        if (token.text === "None" || token.text === "True" || token.text === "False") {
          this.position++;
          return { kind: "constant", value: token.text === "None" ? null : token.text === "True" };
        }
        return { kind: "name", name: this.identifier() };
      case "op":
        if (this.takeOp("...")) return { kind: "constant", value: "..." };
        if (this.takeOp("(")) return this.parenthesised();
        if (this.takeOp("[")) return this.list();
        if (this.takeOp("{")) return this.braces();
        break;
      default:
    }
    throw new PythonSyntaxError(`unexpected ${this.describe()}`);
  }

  /** Adjacent literals join; with an f-string among them the whole is one. */
  protected strings(): Expr {
    const parts: FStringNode[] = [];
    let formatted = false;
    for (let token = this.token; token.kind === "string" || token.kind === "fstring"; token = this.token) {
      this.position++;
      if (token.kind === "string") {
        parts.push({ text: token.value });
        continue;
      }
      formatted = true;
      for (const part of token.parts) {
        if ("text" in part) parts.push(part);
        else parts.push({ value: parseExpression(part.source), conversion: part.conversion, spec: part.spec });
      }
    }
    if (formatted) return { kind: "fstring", parts };
    return { kind: "string", value: parts.map((part) => ("text" in part ? part.text : "")).join("") };
  }

  protected parenthesised(): Expr {
    if (this.takeOp(")")) return { kind: "tuple", items: [] };
    const first = this.starredOrExpression();
    if (this.isWord("for")) {
      const generator = this.comprehension("generator", first, null);
      this.expectOp(")");
      return generator;
    }
    if (!this.isOp(",")) {
      this.expectOp(")");
      return first;
    }
    const items = this.items(first, ")");
    return { kind: "tuple", items };
  }

  /** The rest of a display that began with `first`, through its closing bracket. */
  protected items(first: Expr, close: string): Expr[] {
    const items = [first];
    while (this.takeOp(",")) {
      if (this.isOp(close)) break;
      items.push(this.starredOrExpression());
    }
    this.expectOp(close);
    return items;
  }

  protected list(): Expr {
    if (this.takeOp("]")) return { kind: "list", items: [] };
    const first = this.starredOrExpression();
    if (this.isWord("for")) {
      const list = this.comprehension("list", first, null);
      this.expectOp("]");
      return list;
    }
    return { kind: "list", items: this.items(first, "]") };
  }

  protected braces(): Expr {
    if (this.takeOp("}")) return { kind: "dict", entries: [] };
    if (!this.isOp("**")) {
      const first = this.starredOrExpression();
      if (!this.takeOp(":")) {
        if (!this.isWord("for")) return { kind: "set", items: this.items(first, "}") };
        const set = this.comprehension("set", first, null);
        this.expectOp("}");
        return set;
      }
      const value = this.expression();
      if (this.isWord("for")) {
        const dict = this.comprehension("dict", first, value);
        this.expectOp("}");
        return dict;
      }
      return { kind: "dict", entries: this.entries([{ key: first, value }]) };
    }
    return { kind: "dict", entries: this.entries([]) };
  }

  protected entries(entries: DictEntry[]): DictEntry[] {
    if (entries.length > 0 && !this.takeOp(",")) {
      this.expectOp("}");
      return entries;
    }
    while (!this.isOp("}")) {
      if (this.takeOp("**")) {
        entries.push({ key: null, value: this.binary(5) });
      } else {
        const key = this.expression();
        this.expectOp(":");
        entries.push({ key, value: this.expression() });
      }
      if (!this.takeOp(",")) break;
    }
    this.expectOp("}");
    return entries;
  }

  protected comprehension(result: "list" | "set" | "dict" | "generator", element: Expr, value: Expr | null): Expr {
    const clauses: Clause[] = [];
    while (this.takeWord("for")) {
      const target = this.targetList();
      if (!this.takeWord("in")) throw new PythonSyntaxError("expected 'in'");
      const iterable = this.or();
      const conditions: Expr[] = [];
      while (this.takeWord("if")) conditions.push(this.or());
      clauses.push({ target, iterable, conditions });
    }
    return { kind: "comprehension", result, element, value, clauses };
  }

  /** Loop targets: parsed above `in`, which would else be read as a comparison. */
  protected targetList(): Expr {
    const first = this.binary(5);
    if (!this.isOp(",")) return first;
    const items = [first];
    while (this.takeOp(",")) {
      if (this.isWord("in")) break;
      items.push(this.binary(5));
    }
    return { kind: "tuple", items };
  }

  protected parameters(close: string): Parameters {
    const positional: Parameter[] = [];
    const keywordOnly: Parameter[] = [];
    let rest: string | null = null;
    let named: string | null = null;
    let starred = false;
    while (!this.isOp(close)) {
      if (this.takeOp("**")) {
        named = this.identifier();
      } else if (this.takeOp("*")) {
        starred = true;
        if (!this.isOp(",")) rest = this.identifier();
      } else if (!this.takeOp("/")) {
        const name = this.identifier();
        if (close === ")" && this.takeOp(":")) this.expression();
        const fallback = this.takeOp("=") ? this.expression() : null;
        (starred ? keywordOnly : positional).push({ name, fallback });
      }
      if (!this.takeOp(",")) break;
    }
    return { positional, rest, keywordOnly, keywords: named };
  }
}

/** Parses one expression. */
export function parseExpression(source: string): Expr {
  return new ExpressionParser(source.trim()).wholeExpression();
}
