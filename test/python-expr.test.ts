import { describe, expect, it } from "vitest";
import { Interpreter } from "../tools/conformance/python/evaluate.ts";
import { format } from "../tools/conformance/python/format.ts";
import { parseExpression } from "../tools/conformance/python/expressions.ts";
import { Missing, PyComplex, PyFunction, PyTuple, floatRepr, repr } from "../tools/conformance/python/values.ts";

/** A stand-in for the library: records the calls that reach it. */
class Tensor {
  readonly label: string;
  readonly shape: readonly number[] = [2, 3];
  readonly dtype: { is_floating_point: boolean } = { is_floating_point: true };

  constructor(label: string) {
    this.label = label;
  }

  toString(): string {
    return this.label;
  }

  #made(name: string, args: readonly unknown[]): Tensor {
    return new Tensor(`${this.label}.${name}(${args.map((arg) => show(arg)).join(", ")})`);
  }

  add(...args: unknown[]): Tensor {
    return this.#made("add", args);
  }

  mul(...args: unknown[]): Tensor {
    return this.#made("mul", args);
  }

  rsub(...args: unknown[]): Tensor {
    return this.#made("rsub", args);
  }

  reciprocal(): Tensor {
    return this.#made("reciprocal", []);
  }

  neg(): Tensor {
    return this.#made("neg", []);
  }

  gt(...args: unknown[]): Tensor {
    return this.#made("gt", args);
  }

  at(...args: unknown[]): Tensor {
    return this.#made("at", args);
  }

  sum(...args: unknown[]): Tensor {
    return this.#made("sum", args);
  }

  item(): number {
    return 2;
  }
}

function show(value: unknown): string {
  if (value instanceof Tensor) return value.label;
  if (typeof value === "bigint") return `${value}n`;
  if (Array.isArray(value)) return `[${value.map(show).join(",")}]`;
  return value instanceof PyFloat ? `float(${value.value})` : JSON.stringify(value);
}

class PyFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

class Module {
  readonly parts: Record<string, unknown> = {};
}

const torch = {
  Tensor,
  pyfloat: (value: number) => new PyFloat(value),
  tensor: (...args: unknown[]) => new Tensor(`tensor(${args.map((arg) => show(arg)).join(", ")})`),
  pow: (...args: unknown[]) => new Tensor(`pow(${args.map((arg) => show(arg)).join(", ")})`),
  zeros: (...args: unknown[]) => new Tensor(`zeros(${args.map((arg) => show(arg)).join(", ")})`),
  topk: () => [new Tensor("values"), new Tensor("indices")],
  map: (f: (x: number) => unknown, x: number) => f(x),
  nn: { Module },
};
const python = new Interpreter(torch, { x: new Tensor("x"), y: new Tensor("y") });

const evaluate = (source: string): string => repr(python.evaluate(source));

/** The exception that a program ends with. */
function raised(source: string): string {
  try {
    python.run(source);
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
  return "none";
}

describe("Python's own values", () => {
  it.each([
    ["2 ** 40", "1099511627776"],
    ["-2 ** 2", "-4"],
    ["2 ** -1", "0.5"],
    ["7 // 2, -7 // 2, -7 % 3, 7.5 // 2", "(3, -4, 2, 3.0)"],
    ["1 / 3", "0.3333333333333333"],
    ["4 / 2", "2.0"],
    ["1e-3, 1e16, 1e22, 12345678901234567.0, .5, 5.", "(0.001, 1e+16, 1e+22, 1.2345678901234568e+16, 0.5, 5.0)"],
    ["0x10 + 0b11 + 1_000", "1019"],
    ["-0.0", "-0.0"],
    ["1 + 2j, 3j, 1.5-4j, (1+2j) * 1j", "((1+2j), 3j, (1.5-4j), (-2+1j))"],
    ["not 1 == 2 and 3", "3"],
    ["1 < 2 < 3, 1 < 3 < 2, 1 if 0 else 2", "(True, False, 2)"],
    ["[1, 2] + [3] * 2", "[1, 2, 3, 3]"],
    ["(1,), (), (1, 2)[::-1], [0, 1, 2, 3][1:-1]", "((1,), (), (2, 1), [1, 2])"],
    ["{'a': 1, 2: (3, 4)}", "{'a': 1, 2: (3, 4)}"],
    ["[i * j for i in range(4) if i % 2 for j in (1, 10)]", "[1, 10, 3, 30]"],
    ["{k: v for k, v in [('a', 1)]}, sum(i for i in range(5))", "({'a': 1}, 10)"],
    ["(lambda a, *r, k=2, **kw: (a, r, k, kw))(1, 2, 3, z=4)", "(1, (2, 3), 2, {'z': 4})"],
    ["(lambda a, b: a - b)(*[5, 3]), (lambda a, b: a - b)(**{'b': 1, 'a': 0})", "(2, -1)"],
    ["'a' 'b' + 'c' * 2, \"it's\", 'x\\n'", "('abcc', \"it's\", 'x\\n')"],
    ["f'{1 + 1}{2.5:.2f}{\"s\"!r} {{}}'", "\"22.50's' {}\""],
    ["'%d of %.3f %s' % (3, 2.5, [1])", "'3 of 2.500 [1]'"],
    ["'{:>5d}|{:<4}|{x:+.1e}'.format(7, 'a', x=1234.5)", "'    7|a   |+1.2e+03'"],
    ["None is None, 3 in [1, 3], 'z' not in 'abc', 1 is not None", "(True, True, True, True)"],
    ["max(1, 2.5), min([3, 1]), sorted([3, 1, 2], reverse=True), abs(-3), len('abc')", "(2.5, 1, [3, 2, 1], 3, 3)"],
    [
      "list(zip([1, 2], 'ab')), list(enumerate('a')), tuple(range(2, 8, 3))",
      "([(1, 'a'), (2, 'b')], [(0, 'a')], (2, 5))",
    ],
    ["dict(a=1)['a'], {1: 2}.get(5, 0), isinstance(3, int), isinstance(2.0, (int, str))", "(1, 0, True, False)"],
    ["float('inf'), -float('nan'), int(2.9), bool([]), str(1.0)", "(inf, nan, 2, False, '1.0')"],
    ["[*range(2), *(5,)], (y := 3) + 1", "([0, 1, 5], 4)"],
  ])("%s", (source, expected) => {
    expect(evaluate(source)).toBe(expected);
  });

  it("keeps ints and floats apart", () => {
    expect(python.evaluate("2")).toBe(2n);
    expect(python.evaluate("2.0")).toBe(2);
    expect(python.evaluate("2 * 1.0")).toBe(2);
    expect(python.evaluate("1j ** 2")).toBeInstanceOf(PyComplex);
    expect(python.evaluate("...")).toBeTypeOf("symbol");
  });

  it("raises Python's errors", () => {
    expect(raised("nope")).toBe("NameError: name 'nope' is not defined");
    expect(raised("1 / 0")).toBe("ZeroDivisionError: division by zero");
    expect(raised("(lambda a: a)()")).toBe("TypeError: <lambda>() missing 1 required positional argument: 'a'");
    expect(raised("[1][2]")).toBe("IndexError: list index out of range");
    expect(raised("raise ValueError('no')")).toBe("ValueError: no");
    expect(raised("a, b = 1, 2, 3")).toBe("ValueError: too many values to unpack (expected 2)");
    expect(raised("1 +")).toContain("SyntaxError");
    expect(raised("def f(:\n  pass")).toContain("SyntaxError");
  });
});

describe("formatting", () => {
  it.each([
    [0.1, "0.1"],
    [1e-5, "1e-05"],
    [123456789012345680, "1.2345678901234568e+17"],
    [100, "100.0"],
    [5e-324, "5e-324"],
  ])("repr of %d", (value, expected) => {
    expect(floatRepr(value)).toBe(expected);
  });

  it.each([
    [2.25, "5.1f", "  2.2"],
    [0.000123456, "g", "0.000123456"],
    [1234567, "g", "1.23457e+06"],
    [0.5, "%", "50.000000%"],
    [-3.25159, "08.2f", "-0003.25"],
    [7n, "d", "7"],
    [255n, "x", "ff"],
    [1234567n, ",", "1,234,567"],
    ["ab", "^6", "  ab  "],
  ])("format(%s, %s)", (value, spec, expected) => {
    expect(format(value, spec)).toBe(expected);
  });
});

describe("programs", () => {
  it("runs statements, loops and functions", () => {
    const source = [
      "def fib(n, memo={}):",
      "    # a comment",
      "    if n < 2:",
      "        return n",
      "    elif n in memo: return memo[n]",
      "    else:",
      "        memo[n] = fib(n - 1) + fib(n - 2)",
      "    return memo[n]",
      "",
      "total, xs = 0, []",
      "for i, (a, b) in enumerate([(1, 2), (3, 4)]):",
      "    total += a * b; xs.append(i)",
      "while total < 100:",
      "    total *= 2",
      "    if total == 56: continue",
      "    if total > 60: break",
      "first, *rest = [1, 2, 3]",
      "fib(50), total, xs, rest",
    ].join("\n");
    expect(repr(python.run(source))).toBe("(12586269025, 112, [0, 1], [2, 3])");
  });

  it("defines classes, over its own and over the library's", () => {
    const source = [
      "class A:",
      "    kind = 'a'",
      "    def __init__(self, n=1):",
      "        self.n = n",
      "    def twice(self):",
      "        return self.n * 2",
      "class B(A):",
      "    def __init__(self, n):",
      "        super().__init__(n + 1)",
      "    def twice(self):",
      "        return super().twice() + 1",
      "class M(torch.nn.Module):",
      "    def __init__(self, n):",
      "        super().__init__()",
      "        self.size = n",
      "    def forward(self, x):",
      "        return x * self.size",
      "A().twice(), B(4).twice(), B(0).kind, M(3).forward(x), isinstance(B(1), A), type(M(1)).__name__",
    ].join("\n");
    expect(repr(python.run(source))).toBe("(2, 11, 'a', x.mul(3), True, 'M')");
  });

  it("takes the last definition as the function", () => {
    const f = python.callable("def f(*args, k=()):\n    return len(args), k");
    expect(repr(python.apply(f, { positional: [1n, 2n], keywords: new Map() }))).toBe("(2, ())");
  });
});

describe("the border to the library", () => {
  it.each([
    ["x + 1", "x.add(1)"],
    ["x + 1.0", "x.add(float(1))"],
    ["x * 2.5 + y", "x.mul(2.5).add(y)"],
    ["2 - x", "x.rsub(2)"],
    ["1 / -x", "x.neg().reciprocal().mul(1)"],
    ["2 ** x", "pow(2, x)"],
    ["1 < x", "x.gt(1)"],
    ["x[0, 1:, ..., None, [0, 2], ::2]", 'x.at(0, "1:", "...", null, [0,2], "::2")'],
    ["x.sum(dim=(0, 1), keepdim=True)", 'x.sum({"dim":[0,1],"keepdim":true})'],
    ["torch.tensor([1, 2]), torch.tensor([1, 2.5])", "(tensor([1n,2n]), tensor([1,2.5]))"],
    ["torch.zeros(2, 3)", "zeros(2, 3)"],
    ["x.shape, x.shape[1], x.item(), len(x)", "(torch.Size([2, 3]), 3, 2.0, 2)"],
    ["torch.topk(x)[1]", "indices"],
    ["torch.map(lambda v: v + 1, 41)", "42"],
    ["torch.Tensor.add(x, 3)", "x.add(3)"],
  ])("%s", (source, expected) => {
    const shown = python.evaluate(source);
    const text = (value: unknown): string =>
      value instanceof PyTuple && value.type === "tuple" ? `(${value.items.map(text).join(", ")})` : repr(value);
    expect(text(shown)).toBe(expected);
  });

  it("tells what is missing", () => {
    expect(() => python.evaluate("torch.nope(x)")).toThrow(Missing);
    expect(() => python.evaluate("x.nope()")).toThrow("Tensor.nope does not exist");
    expect(() => python.evaluate("x @ y")).toThrow("Tensor.matmul does not exist");
  });

  it("gives Python callables to the library", () => {
    expect(python.evaluate("lambda: 1")).toBeInstanceOf(PyFunction);
    expect(parseExpression("a.b(c, *d, e=1, **f)[g]").kind).toBe("subscript");
  });
});
