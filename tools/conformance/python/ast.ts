/** The syntax tree of the Python subset: expressions and statements. */

export type Expr =
  | { readonly kind: "int"; readonly value: bigint }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "imaginary"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "fstring"; readonly parts: readonly FStringNode[] }
  | { readonly kind: "constant"; readonly value: null | boolean | "..." }
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "tuple" | "list" | "set"; readonly items: readonly Expr[] }
  | { readonly kind: "dict"; readonly entries: readonly DictEntry[] }
  | { readonly kind: "starred"; readonly value: Expr }
  | {
      readonly kind: "comprehension";
      readonly result: "list" | "set" | "dict" | "generator";
      readonly element: Expr;
      readonly value: Expr | null;
      readonly clauses: readonly Clause[];
    }
  | { readonly kind: "lambda"; readonly parameters: Parameters; readonly body: Expr }
  | { readonly kind: "conditional"; readonly test: Expr; readonly consequent: Expr; readonly alternate: Expr }
  | { readonly kind: "bool"; readonly op: "and" | "or"; readonly left: Expr; readonly right: Expr }
  | { readonly kind: "unary"; readonly op: UnaryOp; readonly operand: Expr }
  | { readonly kind: "binary"; readonly op: BinaryOp; readonly left: Expr; readonly right: Expr }
  | { readonly kind: "compare"; readonly first: Expr; readonly rest: readonly { op: CompareOp; operand: Expr }[] }
  | {
      readonly kind: "call";
      readonly callee: Expr;
      readonly args: readonly Expr[];
      readonly keywords: readonly Keyword[];
    }
  | { readonly kind: "attribute"; readonly object: Expr; readonly name: string }
  | { readonly kind: "subscript"; readonly object: Expr; readonly index: Expr }
  | { readonly kind: "slice"; readonly start: Expr | null; readonly stop: Expr | null; readonly step: Expr | null }
  | { readonly kind: "walrus"; readonly name: string; readonly value: Expr };

export type FStringNode =
  | { readonly text: string }
  | { readonly value: Expr; readonly conversion: string; readonly spec: string };

/** A `key: value` pair, or `**value` when the key is null. */
export interface DictEntry {
  readonly key: Expr | null;
  readonly value: Expr;
}

/** A keyword argument, or `**value` when the name is null. */
export interface Keyword {
  readonly name: string | null;
  readonly value: Expr;
}

export interface Clause {
  readonly target: Expr;
  readonly iterable: Expr;
  readonly conditions: readonly Expr[];
}

export type UnaryOp = "+" | "-" | "~" | "not";
export type BinaryOp = "+" | "-" | "*" | "/" | "//" | "%" | "**" | "@" | "&" | "|" | "^" | "<<" | ">>";
export type CompareOp = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in" | "is" | "is not";

export interface Parameter {
  readonly name: string;
  readonly fallback: Expr | null;
}

/** The parameters of a function: positional, the name of `*args`, keyword-only, the name of `**kwargs`. */
export interface Parameters {
  readonly positional: readonly Parameter[];
  readonly rest: string | null;
  readonly keywordOnly: readonly Parameter[];
  readonly keywords: string | null;
}

export type Statement =
  | { readonly kind: "expression"; readonly value: Expr }
  | { readonly kind: "assign"; readonly targets: readonly Expr[]; readonly value: Expr }
  | { readonly kind: "augmented"; readonly target: Expr; readonly op: BinaryOp; readonly value: Expr }
  | { readonly kind: "return"; readonly value: Expr | null }
  | { readonly kind: "pass" | "break" | "continue" }
  | { readonly kind: "delete"; readonly targets: readonly Expr[] }
  | { readonly kind: "assert"; readonly test: Expr; readonly message: Expr | null }
  | { readonly kind: "raise"; readonly value: Expr | null }
  | {
      readonly kind: "if";
      readonly test: Expr;
      readonly consequent: readonly Statement[];
      readonly alternate: readonly Statement[];
    }
  | { readonly kind: "while"; readonly test: Expr; readonly body: readonly Statement[] }
  | { readonly kind: "for"; readonly target: Expr; readonly iterable: Expr; readonly body: readonly Statement[] }
  | {
      readonly kind: "def";
      readonly name: string;
      readonly parameters: Parameters;
      readonly body: readonly Statement[];
      readonly decorators: readonly Expr[];
    }
  | {
      readonly kind: "class";
      readonly name: string;
      readonly bases: readonly Expr[];
      readonly body: readonly Statement[];
    };
