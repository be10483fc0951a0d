import * as torch from "flambeau";
import { describe, expect, it } from "vitest";

const { gradcheck, gradgradcheck } = torch.autograd;

/** A small generator of random numbers, for reproducible cases. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

type Item =
  | { kind: "integer"; value: number }
  | { kind: "slice"; start: number | null; stop: number | null; step: number | null }
  | { kind: "new" }
  | { kind: "ellipsis" }
  | { kind: "list"; shape: number[]; values: number[] }
  | { kind: "mask"; shape: number[]; values: boolean[] };

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

function unravel(position: number, shape: readonly number[]): number[] {
  const out: number[] = [];
  let rest = position;
  for (let d = shape.length - 1; d >= 0; d--) {
    out.unshift(rest % (shape[d] as number));
    rest = Math.floor(rest / (shape[d] as number));
  }
  return out;
}

function ravel(index: readonly number[], shape: readonly number[]): number {
  return index.reduce((at, i, d) => at * (shape[d] as number) + i, 0);
}

/** The positions in a tensor of `shape` that an index selects, and the shape of the result: NumPy's rules, element by element. */
function reference(shape: readonly number[], items: readonly Item[]): { shape: number[]; positions: number[] } {
  const taken = items.reduce(
    (n, s) => n + (s.kind === "new" || s.kind === "ellipsis" ? 0 : s.kind === "mask" ? s.shape.length : 1),
    0,
  );
  /** Each dimension of the result: one of the tensor's, a new one, or (null) the place of the index arrays. */
  const basic: { dim: number | null; places: number[] }[] = [];
  const advanced: { dim: number; shape: number[]; values: number[] }[] = [];
  const fixed: [number, number][] = [];
  const order: ("basic" | "advanced")[] = [];
  let dim = 0;
  const whole = (): void => {
    basic.push({ dim, places: Array.from({ length: shape[dim] as number }, (_, i) => i) });
    order.push("basic");
    dim++;
  };
  for (const s of items) {
    if (s.kind === "integer") {
      fixed.push([dim, s.value < 0 ? s.value + (shape[dim] as number) : s.value]);
      dim++;
    } else if (s.kind === "slice") {
      const n = shape[dim] as number;
      const clamp = (i: number): number => Math.min(Math.max(i < 0 ? i + n : i, 0), n);
      const places: number[] = [];
      for (let i = clamp(s.start ?? 0); i < clamp(s.stop ?? n); i += s.step ?? 1) places.push(i);
      basic.push({ dim, places });
      order.push("basic");
      dim++;
    } else if (s.kind === "new") {
      basic.push({ dim: null, places: [0] });
      order.push("basic");
    } else if (s.kind === "ellipsis") {
      for (let k = shape.length - taken; k > 0; k--) whole();
    } else if (s.kind === "list") {
      const n = shape[dim] as number;
      advanced.push({ dim, shape: s.shape, values: s.values.map((v) => (v < 0 ? v + n : v)) });
      order.push("advanced");
      dim++;
    } else {
      const hits = s.values.flatMap((v, i) => (v ? [unravel(i, s.shape)] : []));
      s.shape.forEach((_, j) => {
        advanced.push({ dim: dim + j, shape: [hits.length], values: hits.map((h) => h[j] as number) });
        order.push("advanced");
      });
      dim += s.shape.length;
    }
  }
  while (dim < shape.length) whole();
  const rank = Math.max(0, ...advanced.map((a) => a.shape.length));
  const common = Array.from({ length: rank }, (_, d) => {
    const sizes = advanced.map((a) => a.shape[d - rank + a.shape.length] ?? 1);
    return sizes.find((n) => n !== 1) ?? 1;
  });
  const first = order.indexOf("advanced");
  const together = order.lastIndexOf("advanced") - first + 1 === advanced.length;
  const start = advanced.length > 0 && together ? first : 0;
  const sizes = basic.map((b) => b.places.length);
  const result = advanced.length === 0 ? sizes : [...sizes.slice(0, start), ...common, ...sizes.slice(start)];
  const positions = Array.from({ length: product(result) }, (_, k) => {
    const at = unravel(k, result);
    const own = advanced.length === 0 ? [] : at.slice(start, start + rank);
    const free = advanced.length === 0 ? at : [...at.slice(0, start), ...at.slice(start + rank)];
    const source = new Array<number>(shape.length).fill(0);
    for (const [d, i] of fixed) source[d] = i;
    basic.forEach((b, d) => {
      if (b.dim !== null) source[b.dim] = b.places[free[d] as number] as number;
    });
    for (const a of advanced) {
      const index = a.shape.map((n, d) => (n === 1 ? 0 : (own[d - a.shape.length + rank] as number)));
      source[a.dim] = a.values[ravel(index, a.shape)] as number;
    }
    return ravel(source, shape);
  });
  return { shape: result, positions };
}

/** A random index for a tensor of the given shape. */
function randomItems(shape: readonly number[], next: () => number): Item[] {
  const below = (n: number): number => Math.floor(next() * n);
  const items: Item[] = [];
  const common = [1 + below(3), 1 + below(2)];
  const lengths = 1 + below(3);
  let dim = 0;
  let ellipsis = false;
  const end = below(shape.length + 1);
  while (dim < end) {
    const skip = ellipsis ? shape.length - end : 0;
    const n = shape[dim + skip] as number;
    const choice = below(7);
    if (choice === 0) items.push({ kind: "new" });
    else if (choice === 1 && !ellipsis) {
      items.push({ kind: "ellipsis" });
      ellipsis = true;
    } else if (choice === 2) {
      items.push({ kind: "integer", value: below(2 * n) - n });
      dim++;
    } else if (choice === 3 && dim + 1 < end && lengths === 1) {
      const size = [n, shape[dim + skip + 1] as number];
      // Exactly one hit, which broadcasts with every list of one element.
      const hit = below(product(size));
      items.push({ kind: "mask", shape: size, values: Array.from({ length: product(size) }, (_, i) => i === hit) });
      dim += 2;
    } else if (choice <= 4) {
      const list = lengths === 1 ? [1] : next() < 0.3 ? [1] : common.slice(next() < 0.5 ? 1 : 0);
      items.push({ kind: "list", shape: list, values: Array.from({ length: product(list) }, () => below(2 * n) - n) });
      dim++;
    } else {
      const bound = (): number | null => (next() < 0.4 ? null : below(2 * n + 2) - n - 1);
      items.push({ kind: "slice", start: bound(), stop: bound(), step: next() < 0.5 ? null : 1 + below(3) });
      dim++;
    }
  }
  return items;
}

function subscript(s: Item): torch.Subscript {
  switch (s.kind) {
    case "integer":
      return s.value;
    case "new":
      return null;
    case "ellipsis":
      return "...";
    case "slice":
      return `${s.start ?? ""}:${s.stop ?? ""}${s.step === null ? "" : `:${s.step}`}`;
    case "list":
      return torch.tensor(s.values.map(BigInt)).view(s.shape);
    case "mask":
      return torch.tensor(s.values).view(s.shape);
  }
}

const counted = (shape: readonly number[]): torch.Tensor => torch.arange(product(shape)).view(shape);
const ints = (values: unknown): torch.Tensor => torch.tensor(values as number[], { dtype: torch.int64 });
const ramp = (...shape: number[]): torch.Tensor =>
  torch.arange(product(shape)).double().mul(0.37).sin().view(shape).detach().requires_grad_();

describe("x.at", () => {
  it("selects what NumPy's rules say, and set_at writes there", () => {
    const next = generator(7);
    const kinds = new Set<string>();
    for (let run = 0; run < 600; run++) {
      const shape = Array.from({ length: 1 + Math.floor(next() * 4) }, () => 1 + Math.floor(next() * 4));
      const items = randomItems(shape, next);
      if (items.length === 0) continue;
      for (const s of items) kinds.add(s.kind);
      const args = items.map(subscript);
      const expected = reference(shape, items);
      const x = counted(shape);
      const got = x.at(...args);
      const label = JSON.stringify({ shape, items });
      expect(got.shape, label).toEqual(expected.shape);
      expect(got.reshape(-1).tolist(), label).toEqual(expected.positions);
      const y = torch.zeros(shape);
      y.set_at(args, 1);
      const hit = new Set(expected.positions);
      expect(y.reshape(-1).tolist(), label).toEqual(
        Array.from({ length: product(shape) }, (_, i) => (hit.has(i) ? 1 : 0)),
      );
    }
    expect([...kinds].toSorted()).toEqual(["ellipsis", "integer", "list", "mask", "new", "slice"]);
  });

  it("takes several indices in one string, nested arrays, typed arrays and booleans", () => {
    const x = counted([2, 3, 4]);
    expect(x.at("1, ..., ::2").tolist()).toEqual(x.at(1, "...", "::2").tolist());
    expect(x.at("None, 0").shape).toEqual([1, 3, 4]);
    expect(x.at([1, 0], [2, 2]).tolist()).toEqual([
      [20, 21, 22, 23],
      [8, 9, 10, 11],
    ]);
    expect(x.at(0, 0, new Int32Array([3, -4])).tolist()).toEqual([3, 0]);
    expect(x.at(0, [true, false, true]).shape).toEqual([2, 4]);
    expect(x.at(true).shape).toEqual([1, 2, 3, 4]);
    expect(x.at(false).shape).toEqual([0, 2, 3, 4]);
    expect(x.at(x.gt(20)).tolist()).toEqual([21, 22, 23]);
    expect(x.__getitem__([0, "1:"]).tolist()).toEqual(x.at(0, "1:").tolist());
  });

  it("selects by masks of any layout, beside slices and integers", () => {
    const x = counted([3, 4, 5]);
    for (const t of [x, x.transpose(0, 2), x.transpose(0, 1), x.at("::2")]) {
      const [a, b, c] = t.shape as [number, number, number];
      const mask = t.at("...", 0).remainder(3).eq(1);
      const hits = mask.nonzero();
      const [i, j] = [hits.select(1, 0), hits.select(1, 1)];
      expect(t.at(mask).tolist()).toEqual(t.at(i, j).tolist());
      expect(t.at(mask, "1::2").tolist()).toEqual(t.at(i, j, "1::2").tolist());
      expect(t.at(mask, null, 0).shape).toEqual([hits.shape[0], 1]);
      const back = t.at(0).remainder(2).eq(0);
      expect(t.at(1, back).tolist()).toEqual(t.at(1).masked_select(back).tolist());
      expect(t.at(":", back).shape).toEqual([a, Number(back.sum().item())]);
      const copy = t.clone();
      copy.set_at([mask], torch.zeros(c, { dtype: torch.int64 }));
      expect(copy.tolist()).toEqual(t.masked_fill(mask.view(a, b, 1), 0).tolist());
    }
    expect(x.at(torch.zeros(3).gt(0)).shape).toEqual([0, 4, 5]);
    expect(gradcheck((t: torch.Tensor) => t.T.at(ramp(4, 3).gt(0)), [ramp(3, 4)])).toBe(true);
  });

  it("checks long index tensors as short ones", () => {
    const n = 5000;
    const x = torch.arange(100).mul(3);
    for (const dtype of [torch.int64, torch.int32]) {
      const index = torch.arange(n).mul(37).remainder(200).sub(100).to(dtype);
      const expected = (index.tolist() as number[]).map((i) => 3 * (i < 0 ? i + 100 : i));
      expect(x.at(index).tolist()).toEqual(expected);
      for (const bad of [100, -101, 2 ** 31 - 1]) {
        const wrong = index.clone().set_at([[1234, 4000]], bad);
        expect(() => x.at(wrong)).toThrow(`index ${bad} is out of bounds for dimension 0 with size 100`);
        expect(() => x.gather(0, wrong)).toThrow("out of bounds");
      }
      expect(() => x.gather(0, index)).toThrow("index -100 is out of bounds for dimension 0 with size 100");
    }
    const far = torch.zeros(n, { dtype: torch.int64 }).set_at([[77]], 2 ** 32);
    expect(() => x.index_select(0, far)).toThrow("index out of range in self");
  });

  it("gives views for integers and slices, copies for lists", () => {
    const x = torch.zeros(3, 4);
    x.at(1).fill_(5);
    x.at("::2", 0).add_(1);
    x.at([0]).fill_(9);
    expect(x.tolist()).toEqual([
      [1, 0, 0, 0],
      [5, 5, 5, 5],
      [1, 0, 0, 0],
    ]);
  });

  it("names its nodes as PyTorch does", () => {
    const x = torch.zeros(3, 4, { requires_grad: true });
    const name = (t: torch.Tensor): string | undefined => t.grad_fn?.name();
    expect(name(x.at(0))).toBe("SelectBackward0");
    expect(name(x.at(":"))).toBe("SliceBackward0");
    expect(name(x.at("..."))).toBe("AliasBackward0");
    expect(name(x.at(null))).toBe("UnsqueezeBackward0");
    expect(name(x.at([0]))).toBe("IndexBackward0");
    expect(name(x.at(ints(1)))).toBe("SelectBackward0");
  });

  it("refuses what does not fit, with PyTorch's messages", () => {
    const x = torch.zeros(3, 4);
    const cases: [torch.Subscript[], string, string][] = [
      [[5], "IndexError", "index 5 is out of bounds for dimension 0 with size 3"],
      [[":", -5], "IndexError", "index -5 is out of bounds for dimension 1 with size 4"],
      [[[5]], "IndexError", "index 5 is out of bounds for dimension 0 with size 3"],
      [[0, 0, 0], "IndexError", "too many indices for tensor of dimension 2"],
      [
        [
          [0, 1],
          [0, 1, 2],
        ],
        "IndexError",
        "shape mismatch: indexing tensors could not be broadcast together with shapes [2], [3]",
      ],
      [["::0"], "ValueError", "slice step cannot be zero"],
      [["::-1"], "ValueError", "step must be greater than zero"],
      [
        [torch.ones(4, 3).gt(0)],
        "IndexError",
        "The shape of the mask [4, 3] at index 0 does not match the shape of the indexed tensor [3, 4] at index 0",
      ],
    ];
    for (const [args, name, message] of cases) {
      expect(() => x.at(...args)).toThrow(expect.objectContaining({ name, message }));
    }
    expect(() => torch.tensor(1).at(0)).toThrow("invalid index of a 0-dim tensor");
    expect(() => x.at(1.5)).toThrow("only integers, slices");
  });

  it("has gradients of first and second order, also with repeated indices", () => {
    const x = ramp(3, 4, 2);
    expect(gradcheck((t: torch.Tensor) => t.at([0, 2, 2], ":", [1, 1, 0]), [x])).toBe(true);
    expect(gradgradcheck((t: torch.Tensor) => t.at([0, 2, 2], "1:", [1, 1, 0]).pow(2), [x])).toBe(true);
    expect(gradcheck((t: torch.Tensor) => t.at("::2", null, ints([[0], [3]])), [x])).toBe(true);
  });
});

describe("set_at", () => {
  it("broadcasts values and converts numbers", () => {
    const x = torch.zeros(2, 3);
    x.set_at([0], torch.tensor([1, 2, 3]));
    x.set_at([1, "1:"], torch.tensor([[[7]]]));
    x.set_at([[1], [0]], -1);
    expect(x.tolist()).toEqual([
      [1, 2, 3],
      [-1, 7, 7],
    ]);
    x.set_at([x.lt(3)], 0);
    expect(x.tolist()).toEqual([
      [0, 0, 3],
      [0, 7, 7],
    ]);
  });

  it("is recorded: gradients reach the values and skip what was overwritten", () => {
    const w = ramp(3, 2);
    const v = ramp(2);
    const f = (a: torch.Tensor, b: torch.Tensor): torch.Tensor => {
      const y = a.mul(2);
      y.set_at([[0, 2]], b);
      y.set_at([1, 0], b.at(1));
      return y.pow(2);
    };
    expect(gradcheck(f, [w, v])).toBe(true);
    expect(gradgradcheck(f, [w, v])).toBe(true);
  });

  it("writes nothing where an index is out of bounds", () => {
    const x = torch.zeros(4);
    expect(() => x.set_at([[0, 1, 9]], 5)).toThrow("index 9 is out of bounds");
    expect(() => x.scatter_(0, ints([1, 7]), torch.ones(2))).toThrow("index 7 is out of bounds");
    expect(() => x.index_add_(0, ints([1, 4]), torch.ones(2))).toThrow("index out of range in self");
    expect(() => x.put_(ints([2, 4]), torch.ones(2))).toThrow("out of range");
    expect(() => x.set_at([[0, 1]], torch.ones(3))).toThrow("shape mismatch: value tensor of shape [3]");
    expect(() => x.masked_scatter_(torch.ones(4).gt(0), torch.ones(3))).toThrow("Number of elements of source");
    expect(x.tolist()).toEqual([0, 0, 0, 0]);
    expect(x._version).toBe(0);
  });
});
