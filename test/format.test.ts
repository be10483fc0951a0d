import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { formatExponential, formatFixed, formatGeneral, formatRepr } from "../src/base/decimal.ts";
import { DType, type DTypeName, dtypes, float32, set_default_dtype } from "../src/base/dtype.ts";
import {
  formatParameter,
  formatReturnType,
  formatSize,
  formatTensor,
  formatTuple,
  formatWrapped,
  get_printoptions,
  type Printable,
  set_printoptions,
} from "../src/tensor/format.ts";

type Encoded = number | "nan" | "inf" | "-inf" | `${number}`;

interface Case {
  id: string;
  group: string;
  source: string;
  expected: string;
  options?: Parameters<typeof set_printoptions>[0] & { default_dtype?: DTypeName };
  tensor?: { dtype: DTypeName; shape: number[]; data: Encoded[] };
  shape?: number[];
  dtype?: DTypeName;
  requires_grad: boolean;
  grad_fn: string | null;
}

const fixture = new URL("fixtures/print.json.gz", import.meta.url);
const cases = JSON.parse(gunzipSync(readFileSync(fixture)).toString()) as Case[];

/** To the nearest number of `digits` significant bits: what a narrow float type holds (no subnormals are printed here). */
function roundTo(x: number, digits: number): number {
  if (x === 0 || !Number.isFinite(x)) return x;
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(x))) - digits + 1);
  const scaled = x / unit;
  const floor = Math.floor(scaled);
  const up = scaled - floor > 0.5 || (scaled - floor === 0.5 && floor % 2 !== 0);
  return (floor + (up ? 1 : 0)) * unit;
}

function decode(value: Encoded, dtype: DType): number | bigint {
  const named: Record<string, number> = { nan: NaN, inf: Infinity, "-inf": -Infinity };
  if (typeof value === "string" && !(value in named)) return BigInt(value);
  const x = typeof value === "string" ? (named[value] as number) : value;
  switch (dtype.name) {
    case "float32":
    case "complex64":
      return Math.fround(x);
    case "float16":
    case "complex32":
      return roundTo(x, 11);
    case "bfloat16":
      return roundTo(x, 8);
    case "int64":
      return BigInt(x);
    default:
      return x;
  }
}

/** What the cases without data print, as a function of the row-major position. */
const generated: Record<string, (i: number) => number> = {
  "torch.arange(1100.) * 0.37 - 50": (i) => Math.fround(Math.fround(i * Math.fround(0.37)) - 50),
  "torch.ones(1200, requires_grad=True) * 2": () => 2,
  "torch.cat([torch.full((5,), 1e6), torch.zeros(1500), torch.tensor([0.5])])": (i) =>
    i < 5 ? 1e6 : i < 1505 ? 0 : 0.5,
  "torch.cat([torch.zeros(700), torch.tensor([12345.678]), torch.zeros(700)])": (i) => (i === 700 ? 12345.678 : 0),
};

function valuesOf(source: string): (i: number) => number {
  const known = generated[source];
  if (known !== undefined) return known;
  const plain = /^torch\.(arange|zeros|ones)\([^()]*\)(\.reshape\([^()]*\))?$/.exec(source);
  if (plain === null) throw new Error(`no values for ${source}`);
  return plain[1] === "arange" ? (i) => i : plain[1] === "ones" ? () => 1 : () => 0;
}

/** By name; those that PyTorch has beside ours print by the same rules. */
function dtypeOf(name: DTypeName): DType {
  return dtypes[name] ?? new DType(name, -1, 8, name, 1, false);
}

function printable(c: Case): Printable {
  const dtype = dtypeOf((c.tensor?.dtype ?? c.dtype) as DTypeName);
  const stride = dtype.is_complex ? 2 : 1;
  const data = c.tensor?.data;
  const value = data === undefined ? valuesOf(c.source) : (i: number) => decode(data[i] as Encoded, dtype);
  return {
    shape: c.tensor?.shape ?? (c.shape as number[]),
    dtype,
    requires_grad: c.requires_grad,
    gradFnName: c.grad_fn,
    device: "cpu",
    readElements: (positions) =>
      positions.flatMap((p) => Array.from({ length: stride }, (_, part) => value(p * stride + part))),
  };
}

function float(shape: number[], values: number[], more: Partial<Printable> = {}): Printable {
  return {
    shape,
    dtype: float32,
    requires_grad: false,
    gradFnName: null,
    device: "cpu",
    readElements: (positions) => positions.map((p) => values[p] as number),
    ...more,
  };
}

afterEach(() => {
  set_printoptions({ profile: "default" });
  set_default_dtype(float32);
});

describe("repr as PyTorch prints it", () => {
  const tensors = cases.filter((c) => c.tensor !== undefined || c.shape !== undefined);

  it.each(tensors.map((c) => [c.id, c] as const))("%s", (_, c) => {
    const { default_dtype, ...options } = c.options ?? {};
    set_printoptions(options);
    if (default_dtype !== undefined) set_default_dtype(dtypes[default_dtype]);
    const print = c.expected.startsWith("Parameter") ? formatParameter : formatTensor;
    expect(print(printable(c))).toBe(c.expected);
  });

  it.each(cases.filter((c) => c.group === "size").map((c) => [c.id, c] as const))("%s", (_, c) => {
    const numbers = (c.source.endsWith("stride()") ? "3, 1" : /\d[\d, ]*/.exec(c.source)?.[0])?.split(", ") as string[];
    const text = c.source.endsWith("stride()") ? formatTuple(numbers) : formatSize(numbers.map(Number));
    expect(text).toBe(c.expected);
  });
});

describe("reading", () => {
  it("touches only what a summary shows", () => {
    const seen: number[] = [];
    const t = float([1000, 1000, 10], [], {
      readElements: (positions) => {
        seen.push(...positions);
        return positions.map(() => 1);
      },
    });
    expect(formatTensor(t).split("\n").length).toBe(49);
    expect(seen.length).toBe(6 ** 3);
    expect(seen[0]).toBe(0);
    expect(seen.at(-1)).toBe(1e7 - 1);
    expect(seen.every((p, i) => i === 0 || p > (seen[i - 1] as number))).toBe(true);
  });

  it("judges the notation by the summarised elements only", () => {
    const values = Array.from({ length: 2000 }, (_, i) => (i === 1000 ? 1e20 : 0.5));
    expect(formatTensor(float([2000], values))).toBe("tensor([0.5000, 0.5000, 0.5000,  ..., 0.5000, 0.5000, 0.5000])");
  });
});

describe("what surrounds the elements", () => {
  it("names a device that is not the CPU", () => {
    const t = float([2], [1, 2], { device: "webgpu:0", dtype: dtypes.float64, requires_grad: true });
    expect(formatTensor(t)).toBe("tensor([1., 2.], device='webgpu:0', dtype=torch.float64, requires_grad=True)");
  });

  it("has no values to show on meta", () => {
    const t = float([2, 3], [], { device: "meta", readElements: null });
    expect(formatTensor(t)).toBe("tensor(..., device='meta', size=(2, 3))");
  });

  it("breaks before a suffix that does not fit, and indents it", () => {
    const t = float([9], new Array<number>(9).fill(1.5), { gradFnName: "LinalgVectorNormBackward0" });
    expect(formatTensor(t)).toBe(
      "tensor([1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000],\n" +
        "       grad_fn=<LinalgVectorNormBackward0>)",
    );
  });

  it("writes subclasses, duals, wrapped tensors and named results", () => {
    expect(formatTensor(float([1], [2]), { className: "MyTensor" })).toBe("MyTensor([2.])");
    expect(formatTensor(float([1], [2]), { tangent: float([1], [3]) })).toBe("tensor([2.], tangent=tensor([3.]))");
    expect(formatWrapped("GradTrackingTensor", { lvl: 1 }, formatTensor(float([2, 1], [2, 3])))).toBe(
      "GradTrackingTensor(lvl=1, value=\n    tensor([[2.],\n            [3.]])\n)",
    );
    expect(formatReturnType("max", { values: "tensor(3.)", indices: "tensor(0)" })).toBe(
      "torch.return_types.max(\nvalues=tensor(3.),\nindices=tensor(0))",
    );
    expect(formatTuple(["tensor(1)"])).toBe("(tensor(1),)");
  });
});

describe("options", () => {
  it("start at PyTorch's defaults, keep what is not given and reset sci_mode", () => {
    expect(get_printoptions()).toEqual({ precision: 4, threshold: 1000, edgeitems: 3, linewidth: 80, sci_mode: null });
    set_printoptions({ precision: 2, sci_mode: true });
    set_printoptions({ linewidth: 40 });
    expect(get_printoptions()).toEqual({ precision: 2, threshold: 1000, edgeitems: 3, linewidth: 40, sci_mode: null });
  });

  it("can be given for one call", () => {
    expect(formatTensor(float([1], [0.125]), { options: { precision: 2 } })).toBe("tensor([0.12])");
    expect(formatTensor(float([1], [0.125]))).toBe("tensor([0.1250])");
  });

  it("refuse a name that does not exist", () => {
    expect(() => set_printoptions({ width: 3 } as object)).toThrow(
      "set_printoptions() got an unexpected keyword argument 'width'",
    );
  });

  it("show no element with edgeitems 0", () => {
    const t = float([20], new Array<number>(20).fill(1));
    expect(formatTensor(t, { options: { edgeitems: 0, threshold: 5 } })).toBe("tensor([...], size=(20,))");
  });
});

describe("numbers as Python writes them", () => {
  it.each([
    [0.03125, 4, "0.0312"],
    [0.09375, 4, "0.0938"],
    [-2.5, 0, "-2"],
    [2.25, 1, "2.2"],
    [0.5, 0, "0"],
    [-0, 2, "-0.00"],
    [-0.001, 2, "-0.00"],
    [1e22, 1, "10000000000000000000000.0"],
    [0.1, 25, "0.1000000000000000055511151"],
    [NaN, 3, "nan"],
    [-Infinity, 3, "-inf"],
  ])("%d to %d places: %s", (x, digits, text) => expect(formatFixed(x, digits)).toBe(text));

  it.each([
    [2.5, 0, "2e+00"],
    [3.5, 0, "4e+00"],
    [1.00005e5, 4, "1.0000e+05"],
    [9.99995, 5, "9.99995e+00"],
    [99999.5, 4, "1.0000e+05"],
    [0, 2, "0.00e+00"],
    [5e-324, 4, "4.9407e-324"],
    [1e300, 2, "1.00e+300"],
  ])("%d with %d digits: %s", (x, digits, text) => expect(formatExponential(x, digits)).toBe(text));

  it.each([
    [1, "1"],
    [-1, "-1"],
    [0.1, "0.1"],
    [1e-5, "1e-05"],
    [123456789, "1.23457e+08"],
    [1 / 3, "0.333333"],
    [3.4028234663852886e38, "3.40282e+38"],
  ])("%d in a C++ stream: %s", (x, text) => expect(formatGeneral(x)).toBe(text));

  it.each([
    [1, "1.0"],
    [1e-5, "1e-05"],
    [0.0001, "0.0001"],
    [1e16, "1e+16"],
    [1e15, "1000000000000000.0"],
    [0.10000000149011612, "0.10000000149011612"],
    [-0, "-0.0"],
    [Infinity, "inf"],
  ])("repr of %d: %s", (x, text) => expect(formatRepr(x)).toBe(text));
});
