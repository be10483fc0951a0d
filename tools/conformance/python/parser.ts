/**
 * The statements of Python, by recursive descent.
 */

import type { BinaryOp, Expr, Statement } from "./ast.ts";
import { ExpressionParser } from "./expressions.ts";
import { PythonSyntaxError } from "./tokens.ts";

const augmented: ReadonlySet<string> = new Set("+= -= *= /= //= %= **= @= &= |= ^= <<= >>=".split(" "));

class Parser extends ExpressionParser {
  /** A whole program: statements up to the end. */
  program(): Statement[] {
    const statements: Statement[] = [];
    while (this.token.kind !== "end") {
      if (this.token.kind === "newline") this.position++;
      else this.statement(statements);
    }
    return statements;
  }

  protected statement(into: Statement[]): void {
    const token = this.token;
    if (token.kind === "op" && token.text === "@") {
      into.push(this.decorated());
      return;
    }
    if (token.kind === "name") {
      switch (token.text) {
        case "if":
          this.position++;
          into.push(this.if());
          return;
        case "while": {
          this.position++;
          const test = this.expression();
          into.push({ kind: "while", test, body: this.block() });
          return;
        }
        case "for": {
          this.position++;
          const target = this.targetList();
          if (!this.takeWord("in")) throw new PythonSyntaxError("expected 'in'");
          const iterable = this.expressionList();
          into.push({ kind: "for", target, iterable, body: this.block() });
          return;
        }
        case "def":
          into.push(this.def([]));
          return;
        case "class":
          into.push(this.class());
          return;
        default:
      }
    }
    this.simpleLine(into);
  }

  protected decorated(): Statement {
    const decorators: Expr[] = [];
    while (this.takeOp("@")) {
      decorators.push(this.expression());
      if (this.token.kind === "newline") this.position++;
    }
    return this.isWord("class") ? this.class() : this.def(decorators);
  }

  protected if(): Statement {
    const test = this.expression();
    const consequent = this.block();
    if (this.takeWord("elif")) return { kind: "if", test, consequent, alternate: [this.if()] };
    return { kind: "if", test, consequent, alternate: this.takeWord("else") ? this.block() : [] };
  }

  protected def(decorators: readonly Expr[]): Statement {
    this.position++;
    const name = this.identifier();
    this.expectOp("(");
    const parameters = this.parameters(")");
    this.expectOp(")");
    if (this.takeOp("->")) this.expression();
    return { kind: "def", name, parameters, body: this.block(), decorators };
  }

  protected class(): Statement {
    this.position++;
    const name = this.identifier();
    const bases: Expr[] = [];
    if (this.takeOp("(")) {
      while (!this.isOp(")")) {
        bases.push(this.expression());
        if (!this.takeOp(",")) break;
      }
      this.expectOp(")");
    }
    return { kind: "class", name, bases, body: this.block() };
  }

  protected block(): Statement[] {
    this.expectOp(":");
    const body: Statement[] = [];
    if (this.token.kind !== "newline") {
      this.simpleLine(body);
      return body;
    }
    while (this.token.kind === "newline") this.position++;
    if (this.token.kind !== "indent") throw new PythonSyntaxError("expected an indented block");
    this.position++;
    while (this.token.kind !== "dedent" && this.token.kind !== "end") {
      if (this.token.kind === "newline") this.position++;
      else this.statement(body);
    }
    if (this.token.kind === "dedent") this.position++;
    return body;
  }

  protected simpleLine(into: Statement[]): void {
    do {
      if (this.token.kind === "newline") break;
      into.push(this.simpleStatement());
    } while (this.takeOp(";"));
    if (this.token.kind === "newline") this.position++;
    else if (this.token.kind !== "end") throw new PythonSyntaxError(`unexpected ${this.describe()}`);
  }

  protected simpleStatement(): Statement {
    if (this.takeWord("pass")) return { kind: "pass" };
    if (this.takeWord("break")) return { kind: "break" };
    if (this.takeWord("continue")) return { kind: "continue" };
    if (this.takeWord("return")) {
      return { kind: "return", value: this.endOfStatement() ? null : this.expressionList() };
    }
    if (this.takeWord("raise")) return { kind: "raise", value: this.endOfStatement() ? null : this.expression() };
    if (this.takeWord("assert")) {
      const test = this.expression();
      return { kind: "assert", test, message: this.takeOp(",") ? this.expression() : null };
    }
    if (this.takeWord("del")) {
      const target = this.expressionList();
      return { kind: "delete", targets: target.kind === "tuple" ? target.items : [target] };
    }
    const value = this.expressionList();
    const token = this.token;
    if (token.kind === "op" && augmented.has(token.text)) {
      this.position++;
      return {
        kind: "augmented",
        target: value,
        op: token.text.slice(0, -1) as BinaryOp,
        value: this.expressionList(),
      };
    }
    if (this.takeOp(":")) {
      this.expression();
      if (!this.isOp("=")) return { kind: "pass" };
    }
    if (!this.isOp("=")) return { kind: "expression", value };
    const chain = [value];
    while (this.takeOp("=")) chain.push(this.expressionList());
    const last = chain.pop() ?? value;
    return { kind: "assign", targets: chain, value: last };
  }
}

/** Parses a program: statements separated by newlines or `;`. */
export function parseProgram(source: string): Statement[] {
  return new Parser(source).program();
}
