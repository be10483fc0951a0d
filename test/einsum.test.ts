import * as torch from "flambeau";
import { describe, expect, it } from "vitest";

const { gradcheck, gradgradcheck } = torch.autograd;
type Tensor = torch.Tensor;

function random(shape: readonly number[], seed: number): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  const values = Array.from({ length: n }, (_, i) => {
    const x = Math.sin((i + 1) * 12.9898 + seed * 78.233) * 43758.5453;
    return 2 * (x - Math.floor(x)) - 1;
  });
  return torch.tensor(values, { dtype: torch.float64 }).view(shape);
}

const close = (a: Tensor, b: Tensor): void => {
  expect(a.shape).toEqual(b.shape);
  expect(Number(a.sub(b).abs().amax().item())).toBeLessThan(1e-12);
};

/** einsum by loops over all letters, for equations with an arrow and without ellipsis. */
function slowly(equation: string, ...tensors: Tensor[]): Tensor {
  const [left, result] = equation.split("->") as [string, string];
  const operands = left.split(",");
  const sizes = new Map<string, number>();
  operands.forEach((labels, k) =>
    [...labels].forEach((l, d) => sizes.set(l, Math.max(sizes.get(l) ?? 1, tensors[k]?.shape[d] as number))),
  );
  const letters = [...sizes.keys()];
  const shape = [...result].map((l) => sizes.get(l) as number);
  const out = torch.zeros(shape, { dtype: torch.float64 });
  const index = new Map<string, number>();
  const at = (t: Tensor, labels: string): Tensor =>
    [...labels].reduce((x, l) => x.select(0, x.shape[0] === 1 ? 0 : (index.get(l) as number)), t);
  const loop = (depth: number): void => {
    const letter = letters[depth];
    if (letter === undefined) {
      const product = operands.reduce((p, labels, k) => p * Number(at(tensors[k] as Tensor, labels).item()), 1);
      const target = at(out, result);
      target.add_(product);
      return;
    }
    for (let i = 0; i < (sizes.get(letter) as number); i++) {
      index.set(letter, i);
      loop(depth + 1);
    }
  };
  loop(0);
  return out;
}

describe("einsum", () => {
  it("agrees with loops over the letters", () => {
    const cases: [string, ...number[][]][] = [
      ["i->", [3]],
      ["ij->ji", [2, 3]],
      ["ii->", [3, 3]],
      ["ii->i", [3, 3]],
      ["iji->j", [3, 2, 3]],
      ["i,i->", [4], [4]],
      ["i,j->ij", [2], [3]],
      ["ij,jk->ik", [2, 3], [3, 4]],
      ["ij,jk->ki", [2, 3], [3, 4]],
      ["bij,bjk->bik", [2, 2, 3], [2, 3, 2]],
      ["bij,bkj->ibk", [2, 2, 3], [2, 4, 3]],
      ["ij,ij->", [2, 3], [2, 3]],
      ["ij,k->j", [2, 3], [4]],
      ["ij,jk,kl->il", [2, 3], [3, 2], [2, 4]],
      ["ij,j,i->", [2, 3], [3], [2]],
      ["ij,jk->ik", [2, 1], [3, 4]],
    ];
    cases.forEach(([equation, ...shapes], seed) => {
      const tensors = shapes.map((shape, k) => random(shape, seed * 5 + k));
      close(torch.einsum(equation, ...tensors), slowly(equation, ...tensors));
    });
  });
  it("ellipsis, implicit results and lists of numbers", () => {
    const a = random([2, 3, 4], 1);
    const b = random([4, 5], 2);
    close(torch.einsum("...ij,jk", a, b), a.matmul(b));
    close(torch.einsum("b...->...b", a), a.permute(1, 2, 0));
    close(torch.einsum("ji", b), b.mT);
    close(torch.einsum(a, [0, 1, 2], b, [2, 3], [0, 3, 1]), torch.einsum("abc,cd->adb", a, b));
    close(torch.einsum("...i->...", a), a.sum(-1));
    close(torch.einsum("ij,kj", [b.mT, b.mT]), b.mT.matmul(b));
    expect(torch.einsum("ij,jk->ik", torch.ones(2, 2).long(), torch.ones(2, 2).long()).tolist()).toEqual([
      [2, 2],
      [2, 2],
    ]);
  });
  it("derivatives", () => {
    const leaves = [random([2, 3], 3), random([3, 2], 4), random([2], 5)].map((t) => t.requires_grad_());
    const f = (a: Tensor, b: Tensor, c: Tensor): Tensor => torch.einsum("ij,jk,k->i", a, b, c);
    expect(gradcheck(f as never, leaves)).toBe(true);
    expect(gradgradcheck(f as never, leaves)).toBe(true);
  });
  it("messages", () => {
    const s = torch.ones(2, 2);
    const v = torch.ones(3);
    expect(() => torch.einsum("ij,jk", s)).toThrow("fewer operands were provided than specified in the equation");
    expect(() => torch.einsum("ij", s, s)).toThrow("more operands were provided than specified in the equation");
    expect(() => torch.einsum("ij,j", s, v)).toThrow(
      "subscript j has size 3 for operand 1 which does not broadcast with previously seen size 2",
    );
    expect(() => torch.einsum("ij->k", s)).toThrow(
      "output subscript k does not appear in the equation for any input operand",
    );
    expect(() => torch.einsum("ij->ii", s)).toThrow("output subscript i appears more than once in the output");
    expect(() => torch.einsum("i", s)).toThrow(
      "the number of subscripts in the equation (1) does not match the number of dimensions (2) for operand 0 and no ellipsis was given",
    );
    expect(() => torch.einsum("i1", s)).toThrow(
      "invalid subscript given at index 1 in the equation string, subscripts must be in [a-zA-Z]",
    );
    expect(() => torch.einsum("..ij", s)).toThrow("found '.' for operand 0 that is not part of any ellipsis");
    expect(() => torch.einsum("ii", torch.ones(2, 3))).toThrow(
      "subscript i is repeated for operand 0 but the sizes don't match, 3 != 2",
    );
  });
});

describe("products of tensors", () => {
  it("tensordot and inner", () => {
    const a = random([2, 3, 4], 6);
    const b = random([3, 4, 5], 7);
    close(torch.tensordot(a, b), torch.einsum("abc,bcd->ad", a, b));
    close(torch.tensordot(a, b, [[1], [0]]), torch.einsum("abc,bde->acde", a, b));
    close(torch.inner(a, random([5, 4], 8)), a.matmul(random([5, 4], 8).mT));
    expect(() => torch.tensordot(a, b, 1)).toThrow(
      "contracted dimensions need to match, but first has size 4 in dim -1 and second has size 3 in dim 0",
    );
  });
  it("Kronecker and cross products", () => {
    const a = random([2, 2], 9);
    const b = random([3, 2], 10);
    close(torch.kron(a, b), torch.einsum("ij,kl->ikjl", a, b).reshape(6, 4));
    const u = random([2, 3], 11);
    const v = random([2, 3], 12);
    const w = torch.cross(u, v, -1);
    close(w.mul(u).sum(-1), torch.zeros(2, { dtype: torch.float64 }));
    close(torch.linalg.cross(v, u), w.neg());
    expect(torch.cross(torch.tensor([1, 0, 0]), torch.tensor([0, 1, 0])).tolist()).toEqual([0, 0, 1]);
    const leaves = [u.requires_grad_(), v.requires_grad_()];
    const f = (x: Tensor, y: Tensor): Tensor => torch.linalg.cross(x, y);
    expect(gradcheck(f as never, leaves)).toBe(true);
    expect(gradgradcheck(f as never, leaves)).toBe(true);
  });
  it("covariances", () => {
    const x = random([3, 7], 13);
    const centred = x.sub(x.mean(1, true));
    close(torch.cov(x), centred.matmul(centred.mT).div(6));
    close(torch.cov(x, { correction: 0 }).diagonal(), x.var(1, false));
    close(torch.corrcoef(x).diagonal(), torch.ones(3, { dtype: torch.float64 }));
    const counts = torch.tensor([1, 2, 1, 1, 1, 1, 1].map(BigInt));
    close(torch.cov(x, { fweights: counts }), torch.cov(torch.cat([x, x.narrow(1, 1, 1)], 1)));
  });
});
