import { readFileSync } from "node:fs";
import * as torch from "flambeau";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { difference, roundTo, strideDifference, tolerance } from "../tools/conformance/compare.ts";
import { type Floor, belowFloor, raiseFloor } from "../tools/conformance/floor.ts";
import type { OpFile, SampleRecord } from "../tools/conformance/format.ts";
import { factorDifference } from "../tools/conformance/freedom.ts";
import { OpReplay } from "../tools/conformance/ops.ts";
import { Interpreter } from "../tools/conformance/python/evaluate.ts";
import { attempt, checkRaises } from "../tools/conformance/raised.ts";
import { replay } from "../tools/conformance/replay.ts";
import { toSummary } from "../tools/conformance/report.ts";
import { Tally, fail, pass } from "../tools/conformance/tally.ts";
import type { Reading } from "../tools/conformance/tensors.ts";

const folder = new URL("fixtures/conformance", import.meta.url).pathname;

beforeAll(() => {
  vi.spyOn(console, "warn").mockImplementation(() => {});
});

describe("golden cases", () => {
  it("pass no less than they did", () => {
    const floor = JSON.parse(readFileSync(`${folder}/floor.json`, "utf8")) as Floor;
    const results = replay(torch, folder);
    const summary = toSummary(results);
    expect(Object.keys(summary).toSorted()).toEqual(["modules", "ops", "optim", "print", "rng"]);
    expect(belowFloor(floor, summary)).toEqual([]);
  });
});

const reading = (data: readonly number[], dtype = "float64", shape: readonly number[] = [data.length]): Reading => ({
  dtype,
  shape,
  strides: shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1)),
  data,
});
const plain = { dtype: "float64" };

/** Compares one number of a dtype. */
const scalar = (dtype: string, got: number, expected: number): string | null =>
  difference(
    reading([got], dtype),
    { dtype, shape: [1], data: [expected] },
    tolerance(dtype, "value", "op", plain, null),
  );

const raise = (name: string, message: string) => (): never => {
  throw Object.assign(new Error(message), { name });
};

const counts = (passed: number): { passed: number; failed: number; missing: number } => ({
  passed,
  failed: 0,
  missing: 0,
});

/** The verdict on every aspect of an op with one sample. */
const verdicts = (file: OpFile): Record<string, string> => {
  const tally = new Tally();
  new OpReplay(new Interpreter(torch), null, tally).file(file, () => true);
  return Object.fromEntries(
    Object.entries(tally.groups["tier1"] ?? {}).map(([aspect, { passed, failed }]) => [
      aspect,
      passed ? "passed" : failed ? "failed" : "missing",
    ]),
  );
};

describe("the comparison", () => {
  it("holds values to the tolerance of their dtype", () => {
    expect(scalar("float64", 1 + 9e-11, 1)).toBeNull();
    expect(scalar("float64", 1 + 2e-10, 1)).toContain("expected 1");
    expect(scalar("float32", 1 + 9e-6, 1)).toBeNull();
    expect(scalar("float32", 1 + 3e-5, 1)).not.toBeNull();
    expect(scalar("int64", 2, 3)).not.toBeNull();
    expect(scalar("float16", 14.04, 14.04)).toBeNull();
    expect(scalar("float64", Number.NaN, 0)).not.toBeNull();
    expect(scalar("float64", Infinity, -Infinity)).not.toBeNull();
  });

  it("tells dtype, shape and special values apart", () => {
    const record = { dtype: "float64", shape: [2], data: ["nan", "-inf"] };
    const exactly = tolerance("float64", "value", "op", plain, null);
    expect(difference(reading([Number.NaN, -Infinity]), record, exactly)).toBeNull();
    expect(difference(reading([Number.NaN, -Infinity], "float32"), record, exactly)).toContain("dtype");
    expect(difference(reading([Number.NaN, -Infinity], "float64", [2, 1]), record, exactly)).toContain("shape");
  });

  it("compares 64-bit integers whole, complex numbers by modulus, non-contiguous records in logical order", () => {
    const exactly = tolerance("int64", "value", "op", plain, null);
    const big: Reading = { ...reading([0], "int64"), data: [9007199254740993n] };
    expect(difference(big, { dtype: "int64", shape: [1], data: ["9007199254740993"] }, exactly)).toBeNull();
    expect(difference(big, { dtype: "int64", shape: [1], data: ["9007199254740992"] }, exactly)).not.toBeNull();
    const limit = tolerance("complex128", "value", "op", plain, null);
    const complex = { dtype: "complex128", shape: [1], data: [1e6, 0] };
    expect(difference({ ...reading([1e6, 5e-5], "complex128"), shape: [1] }, complex, limit)).toBeNull();
    expect(difference({ ...reading([1e6, 5e-4], "complex128"), shape: [1] }, complex, limit)).not.toBeNull();
    const transposed = { dtype: "float64", shape: [2, 2], storage: [1, 2, 3, 4], strides: [1, 2], offset: 0 };
    expect(difference(reading([1, 3, 2, 4], "float64", [2, 2]), transposed, limit)).toBeNull();
  });

  it("widens for conditioning and measured distances, not for changes of behaviour", () => {
    const table = { above_threshold: { a: { float32: { value: 4e-4 } }, b: { float32: { value: 1.5 } } } };
    const sample = { dtype: "float32" };
    expect(tolerance("float32", "value", "a", sample, table).rtol).toBeCloseTo(1.6e-3);
    expect(tolerance("float32", "value", "b", sample, table).rtol).toBe(1e-5);
    expect(tolerance("float64", "value", "c", { dtype: "float64", cond: 5000 }, table).rtol).toBeCloseTo(5e-10, 15);
    expect(tolerance("float64", "second", "c", plain, table).rtol).toBe(1e-9);
  });

  it("ignores the strides of dimensions of size 1 only", () => {
    const record = { dtype: "float64", shape: [2, 1], data: [1, 2] };
    expect(strideDifference({ ...reading([1, 2]), shape: [2, 1], strides: [1, 7] }, record)).toBeNull();
    expect(strideDifference({ ...reading([1, 2]), shape: [2, 1], strides: [2, 1] }, record)).toContain("strides");
  });

  it("rounds recorded decimals to their dtype", () => {
    expect(roundTo("float16", 14.04)).toBe(14.0390625);
    expect(roundTo("float16", 65520)).toBe(Infinity);
    expect(roundTo("bfloat16", 0.1)).toBe(0.10009765625);
    expect(roundTo("float32", 0.1)).toBe(Math.fround(0.1));
  });

  it("allows signs and phases of factors, and nothing else", () => {
    const r = Math.SQRT1_2;
    const sample = {
      args: [],
      kwargs: {},
      tensors: [],
      id: "",
      dtype: "float64",
      outs: [
        { dtype: "float64", shape: [2], data: [1, 3] },
        { dtype: "float64", shape: [2, 2], data: [-r, r, r, r] },
      ],
    } satisfies SampleRecord;
    const input = reading([2, 1, 1, 2], "float64", [2, 2]);
    const limit = tolerance("float64", "value", "op", plain, null);
    const outs = (values: readonly number[], vectors: readonly number[]): Reading[] => [
      reading(values),
      reading(vectors, "float64", [2, 2]),
    ];
    const check = (o: readonly Reading[]): string | null =>
      factorDifference("linalg_eigh", sample, input, o, [limit, limit]);
    expect(check(outs([1, 3], [r, -r, -r, -r]))).toBeNull();
    expect(check(outs([1, 3], [r, r, r, -r]))).toContain("off by");
    expect(check(outs([1, 3.1], [r, -r, -r, -r]))).toContain("expected 3");
  });
});

describe("exceptions", () => {
  const expected = { type: "IndexError", message: "Dimension out of range" };

  it("count when type and message are PyTorch's", () => {
    expect(checkRaises(expected, raise("IndexError", "Dimension out of range"))).toBe(pass);
    expect(checkRaises(expected, raise("ValueError", "Dimension out of range")).verdict).toBe("failed");
    expect(checkRaises(expected, raise("IndexError", "out of range")).verdict).toBe("failed");
    expect(checkRaises(expected, () => 1).verdict).toBe("failed");
    expect(checkRaises(null, raise("IndexError", "")).verdict).toBe("failed");
    expect(checkRaises(null, () => 1)).toBe(pass);
  });

  it("of Python's own making count by being raised", () => {
    const python = { type: "TypeError", message: "sum() received an invalid combination of arguments - got (int)" };
    expect(checkRaises(python, raise("TypeError", "whatever"))).toBe(pass);
    expect(checkRaises(python, raise("NotImplementedError", "sum"))).toMatchObject({ verdict: "missing" });
  });

  it("of something that is not implemented count as missing", () => {
    expect(attempt(raise("NotImplementedError", "x"))).toMatchObject({ verdict: "missing" });
    expect(attempt(raise("RuntimeError", "x"))).toMatchObject({ verdict: "failed" });
    expect(attempt(() => fail("no"))).toMatchObject({ verdict: "failed" });
  });
});

describe("the replay", () => {
  const x = { dtype: "float64", shape: [2], data: [1, -2], grad: true };
  const sample = {
    id: "mul/float64/s0",
    dtype: "float64",
    args: [{ $t: 0 }, { $t: 0 }],
    kwargs: {},
    tensors: [x],
    out: { $t: 0 },
    outs: [{ dtype: "float64", shape: [2], data: [1, 4] }],
    method: true,
    inplace: true,
    grad_fn_full: ["MulBackward0"],
    out_requires_grad: [true],
    grad: {
      inputs: [0],
      diff_outs: [0],
      // 2 x cos(j)
      vjp: [{ dtype: "float64", shape: [2], data: [2, -4 * Math.cos(1)] }],
    },
  } satisfies SampleRecord;
  const op = (call: string, changes: Partial<SampleRecord> = {}): OpFile => ({
    name: "mul",
    full_name: "mul",
    tier: 1,
    call,
    samples: [{ ...sample, ...changes }],
    errors: [],
  });

  it("passes what is right", () => {
    const right = { value: "passed", method: "passed", inplace: "passed", grad_fn: "passed", vjp: "passed" };
    expect(verdicts(op("torch.mul"))).toEqual({ ...right, layout: "passed" });
    expect(verdicts(op("lambda a, b: a * b"))).toEqual({ ...right, layout: "passed" });
  });

  it("fails what is wrong, aspect by aspect", () => {
    expect(verdicts(op("lambda a, b: a * b + 1"))).toMatchObject({ value: "failed", vjp: "passed", grad_fn: "failed" });
    const vjp = [{ dtype: "float64", shape: [2], data: [2, 4] }];
    expect(verdicts(op("torch.mul", { grad: { ...sample.grad, vjp } }))).toMatchObject({
      value: "passed",
      vjp: "failed",
    });
    const outs = [{ dtype: "float64", shape: [2], data: [1, 5] }];
    expect(verdicts(op("torch.mul", { outs }))).toMatchObject({ value: "failed", method: "failed", inplace: "failed" });
    expect(verdicts(op("torch.mul", { alias: [0] }))).toMatchObject({ value: "passed", layout: "failed" });
  });

  it("counts what is not there as missing", () => {
    expect(verdicts(op("torch.no_such_function"))).toMatchObject({
      value: "missing",
      vjp: "missing",
      method: "passed",
    });
  });
});

describe("the floor", () => {
  it("only rises", () => {
    const floor: Floor = { ops: { tier1: { value: 5 } } };
    expect(belowFloor(floor, { ops: { tier1: { value: counts(4) } } })).toEqual(["ops tier1 value: 4 pass, 5 did"]);
    expect(belowFloor(floor, {})).toHaveLength(1);
    const raised = raiseFloor(floor, { ops: { tier1: { value: counts(3), vjp: counts(2) } } });
    expect(raised).toEqual({ ops: { tier1: { value: 5, vjp: 2 } } });
  });
});
