/**
 * The tokenizer of Python text: names, numbers, strings, operators, and the indentation that delimits blocks.
 */

/** Text that is not Python, or Python that this subset does not cover. */
export class PythonSyntaxError extends Error {
  override name = "SyntaxError";
}

/** A literal part of an f-string, or the source of an expression inside one. */
export type FStringPart =
  | { readonly text: string }
  | { readonly source: string; readonly conversion: string; readonly spec: string };

export type Token =
  | { readonly kind: "name"; readonly text: string }
  | { readonly kind: "int"; readonly value: bigint }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "imaginary"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "fstring"; readonly parts: readonly FStringPart[] }
  | { readonly kind: "op"; readonly text: string }
  | { readonly kind: "newline" | "indent" | "dedent" | "end" };

/** Longest first, so that `**=` is not read as `**`, `=`. */
const operators: readonly string[] = (
  "**= //= <<= >>= ... ** // << >> <= >= == != -> := += -= *= /= %= @= &= |= ^= " +
  "+ - * / % @ & | ^ ~ < > ( ) [ ] { } , : . ; ="
).split(" ");

const numberPattern =
  /(?:0[xX][\da-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?[jJ]?)/y;
const namePattern = /[\p{L}_][\p{L}\p{N}_]*/uy;
const stringPattern = /([rRbBuUfF]{0,2})("""|'''|"|')/y;
const blank = /^\s*(?:#.*)?$/;

function matchAt(pattern: RegExp, source: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(source);
}

const escapes: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  "0": "\0",
  "\\": "\\",
  "'": "'",
  '"': '"',
  a: "\u0007",
  b: "\b",
  f: "\f",
  v: "\v",
  "\n": "",
};

function unescape(text: string): string {
  return text.replace(/\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|([\s\S]))/g, (whole, hex, unicode, char: string) => {
    const code: unknown = hex ?? unicode;
    if (typeof code === "string") return String.fromCharCode(Number.parseInt(code, 16));
    return escapes[char] ?? whole;
  });
}

/** Splits the body of an f-string at its replacement fields. */
function splitFString(body: string, raw: boolean): FStringPart[] {
  const parts: FStringPart[] = [];
  let text = "";
  const flush = (): void => {
    if (text !== "") parts.push({ text: raw ? text : unescape(text) });
    text = "";
  };
  for (let i = 0; i < body.length; i++) {
    const c = body[i];
    if ((c === "{" || c === "}") && body[i + 1] === c) {
      text += c;
      i++;
    } else if (c === "{") {
      flush();
      let depth = 1;
      let end = i + 1;
      while (end < body.length && depth > 0) {
        if (body[end] === "{" || body[end] === "[" || body[end] === "(") depth++;
        else if (body[end] === "}" || body[end] === "]" || body[end] === ")") depth--;
        end++;
      }
      const field = body.slice(i + 1, end - 1);
      const [, source = "", conversion = "", spec = ""] =
        /^([\s\S]*?)(?:!([rsa]))?(?::((?:[^:[\](){}]|\{[^}]*\})*))?$/.exec(field) ?? [];
      parts.push({ source, conversion, spec });
      i = end - 1;
    } else {
      text += c;
    }
  }
  flush();
  return parts;
}

function numberToken(text: string): Token {
  const digits = text.replaceAll("_", "");
  if (/[jJ]$/.test(digits)) return { kind: "imaginary", value: Number(digits.slice(0, -1)) };
  if (/^0[xXbBoO]/.test(digits) || /^\d+$/.test(digits)) return { kind: "int", value: BigInt(digits) };
  return { kind: "float", value: Number(digits) };
}

/** Reads one string literal at `at`; returns its token and the position behind it, or null if there is none. */
function readString(source: string, at: number): { token: Token; end: number } | null {
  const open = matchAt(stringPattern, source, at);
  if (!open) return null;
  const prefix = (open[1] ?? "").toLowerCase();
  const quote = open[2] ?? "";
  const start = at + open[0].length;
  let end = start;
  while (end < source.length && !source.startsWith(quote, end)) {
    if (source[end] === "\\") end++;
    else if (source[end] === "\n" && quote.length === 1) throw new PythonSyntaxError("unterminated string literal");
    end++;
  }
  if (end >= source.length) throw new PythonSyntaxError("unterminated string literal");
  const body = source.slice(start, end);
  const raw = prefix.includes("r");
  const token: Token = prefix.includes("f")
    ? { kind: "fstring", parts: splitFString(body, raw) }
    : { kind: "string", value: raw ? body : unescape(body) };
  return { token, end: end + quote.length };
}

/** The tokens of a Python program or expression, with newline, indent and dedent tokens as in Python's own grammar. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  const indents = [0];
  let depth = 0;
  let at = 0;
  let lineStart = true;
  while (at < source.length) {
    if (lineStart && depth === 0) {
      const lineEnd = source.indexOf("\n", at);
      const line = source.slice(at, lineEnd < 0 ? source.length : lineEnd);
      if (blank.test(line)) {
        at = lineEnd < 0 ? source.length : lineEnd + 1;
        continue;
      }
      const indent = line.length - line.trimStart().length;
      at += indent;
      if (indent > (indents.at(-1) ?? 0)) {
        indents.push(indent);
        tokens.push({ kind: "indent" });
      }
      while (indent < (indents.at(-1) ?? 0)) {
        indents.pop();
        tokens.push({ kind: "dedent" });
      }
      lineStart = false;
    }
    const c = source[at] ?? "";
    if (c === "\n") {
      at++;
      if (depth === 0) {
        tokens.push({ kind: "newline" });
        lineStart = true;
      }
      continue;
    }
    if (c === "#") {
      const lineEnd = source.indexOf("\n", at);
      at = lineEnd < 0 ? source.length : lineEnd;
      continue;
    }
    if (/\s/.test(c)) {
      at++;
      continue;
    }
    if (c === "\\" && source[at + 1] === "\n") {
      at += 2;
      continue;
    }
    const string = readString(source, at);
    if (string) {
      tokens.push(string.token);
      at = string.end;
      continue;
    }
    const name = matchAt(namePattern, source, at);
    if (name) {
      tokens.push({ kind: "name", text: name[0] });
      at += name[0].length;
      continue;
    }
    const number = /[\d.]/.test(c) && !source.startsWith("...", at) ? matchAt(numberPattern, source, at) : null;
    if (number && number[0] !== ".") {
      tokens.push(numberToken(number[0]));
      at += number[0].length;
      continue;
    }
    const op = operators.find((o) => source.startsWith(o, at));
    if (op === undefined) throw new PythonSyntaxError(`invalid character '${c}'`);
    if ("([{".includes(op)) depth++;
    if (")]}".includes(op)) depth--;
    tokens.push({ kind: "op", text: op });
    at += op.length;
  }
  if (tokens.length > 0 && tokens.at(-1)?.kind !== "newline") tokens.push({ kind: "newline" });
  while (indents.length > 1) {
    indents.pop();
    tokens.push({ kind: "dedent" });
  }
  tokens.push({ kind: "end" });
  return tokens;
}
