import * as torch from "flambeau";
import { describe, expect, it } from "vitest";

const { linalg } = torch;
const { gradcheck, gradgradcheck } = torch.autograd;
type Tensor = torch.Tensor;

const f64 = { dtype: torch.float64 };

/** Numbers without pattern, the same in every run. */
function numbers(n: number, seed: number): number[] {
  return Array.from({ length: n }, (_, i) => {
    const x = Math.sin((i + 1) * 12.9898 + seed * 78.233) * 43758.5453;
    return 2 * (x - Math.floor(x)) - 1;
  });
}

function random(shape: readonly number[], seed: number, complex = false): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  const re = torch.tensor(numbers(n, seed), f64).view(shape);
  return complex ? torch.complex(re, torch.tensor(numbers(n, seed + 50), f64).view(shape)) : re;
}

/** A positive-definite matrix that a general one makes. */
const positive = (a: Tensor): Tensor => a.matmul(a.mH).add(torch.eye(a.shape.at(-1) as number, { dtype: a.dtype }));
const hermitian = (a: Tensor): Tensor => a.add(a.mH);

const close = (a: Tensor, b: Tensor): void => {
  expect(a.shape).toEqual(b.shape);
  expect(Number(a.sub(b).abs().amax().item())).toBeLessThan(1e-11);
};

/** First and second derivatives against finite differences. */
function checkDerivatives(f: (...x: Tensor[]) => Tensor | Tensor[], ...inputs: Tensor[]): void {
  const leaves = inputs.map((x) => x.detach().requires_grad_());
  expect(gradcheck(f as never, leaves)).toBe(true);
  expect(gradgradcheck(f as never, leaves)).toBe(true);
}

for (const complex of [false, true]) {
  describe(complex ? "complex" : "real", () => {
    const square = random([2, 3, 3], 1, complex);
    it("equations", () => {
      const a = square;
      const b = random([3, 2], 2, complex);
      close(a.matmul(linalg.solve(a, b)), b.expand([2, 3, 2]));
      const c = random([2, 4, 3], 3, complex);
      close(linalg.solve(a, c, { left: false }).matmul(a), c);
      close(a.matmul(linalg.inv(a)), torch.eye(3, { dtype: a.dtype }).expand([2, 3, 3]));
      close(
        a.matmul(linalg.solve(a, random([2, 3], 4, complex)).unsqueeze(-1)).squeeze(-1),
        random([2, 3], 4, complex),
      );
      const { LU, pivots } = linalg.lu_factor(a);
      close(a.mH.matmul(linalg.lu_solve(LU, pivots, b, { adjoint: true })), b.expand([2, 3, 2]));
      const { P, L, U } = linalg.lu(random([4, 3], 5, complex));
      close(P.matmul(L).matmul(U), random([4, 3], 5, complex));
    });
    it("derivatives of equations", () => {
      const b = random([2, 3, 2], 6, complex);
      checkDerivatives((a, x) => linalg.solve(a as Tensor, x as Tensor), square, b);
      checkDerivatives((a) => linalg.inv(a as Tensor), square);
      checkDerivatives((a, x) => linalg.solve(a as Tensor, x as Tensor, { left: false }), square, b.mT);
      checkDerivatives(
        (a, x) => linalg.solve_triangular((a as Tensor).triu(), x as Tensor, { upper: true }),
        square.add(torch.eye(3, f64).mul(3)),
        b,
      );
      for (const [m, n] of [
        [3, 3],
        [4, 2],
        [2, 4],
      ] as const) {
        checkDerivatives((a) => [...linalg.lu(a as Tensor)].slice(1), random([m, n], 7, complex));
        checkDerivatives((a) => linalg.lu_factor(a as Tensor)[0] as Tensor, random([m, n], 8, complex));
      }
      for (const left of [true, false]) {
        for (const adjoint of [true, false]) {
          checkDerivatives(
            (a, x) => {
              const { LU, pivots } = linalg.lu_factor(a as Tensor);
              return linalg.lu_solve(LU, pivots, x as Tensor, { left, adjoint });
            },
            random([3, 3], 9, complex),
            random(left ? [3, 2] : [2, 3], 10, complex),
          );
        }
      }
    });
    it("determinants", () => {
      const a = square;
      const { sign, logabsdet } = linalg.slogdet(a);
      close(sign.mul(logabsdet.exp().to(a.dtype)), linalg.det(a));
      checkDerivatives((x) => linalg.det(x as Tensor), a);
      checkDerivatives((x) => [...linalg.slogdet(x as Tensor)], a);
      checkDerivatives((x) => torch.logdet(positive(x as Tensor)).real, a);
    });
    it("Cholesky", () => {
      const p = positive(square);
      const l = linalg.cholesky(p);
      close(l.matmul(l.mH), p);
      close(torch.cholesky_inverse(l), linalg.inv(p));
      const b = random([2, 3, 2], 11, complex);
      close(p.matmul(torch.cholesky_solve(b, l)), b);
      for (const upper of [false, true]) {
        checkDerivatives((x) => linalg.cholesky(positive(x as Tensor), { upper }), square);
        const factor = (x: Tensor): Tensor => linalg.cholesky(positive(x), { upper });
        checkDerivatives((x) => torch.cholesky_inverse(factor(x as Tensor), upper), square);
        checkDerivatives((x, y) => torch.cholesky_solve(y as Tensor, factor(x as Tensor), upper), square, b);
      }
    });
    it("QR", () => {
      for (const [m, n] of [
        [4, 3],
        [3, 4],
        [3, 3],
      ] as const) {
        const a = random([m, n], 12, complex);
        const { Q, R } = linalg.qr(a);
        close(Q.matmul(R), a);
        checkDerivatives((x) => [...linalg.qr(x as Tensor)], a);
        const { a: packed, tau } = torch.geqrf(a);
        const k = Math.min(m, n);
        close(linalg.householder_product(packed.narrow(1, 0, k), tau), Q);
        const c = random([m, 2], 13, complex);
        const whole = linalg.qr(a, "complete").Q;
        close(torch.ormqr(packed, tau, c, true, true), whole.mH.matmul(c));
        close(torch.ormqr(packed, tau, c.mT, false, false), c.mT.matmul(whole));
      }
      checkDerivatives(
        (x, t) => linalg.householder_product(x as Tensor, t as Tensor),
        random([4, 2], 14, complex),
        random([2], 15, complex),
      );
      checkDerivatives(
        (x, t, c) => torch.ormqr(x as Tensor, t as Tensor, c as Tensor, true, true),
        random([3, 2], 16, complex),
        random([2], 17, complex),
        random([3, 2], 18, complex),
      );
    });
    it("eigenvalues", () => {
      const h = hermitian(square);
      const { eigenvalues, eigenvectors: v } = linalg.eigh(h);
      close(h.matmul(v), v.mul(eigenvalues.to(v.dtype).unsqueeze(-2)));
      close(linalg.eigvalsh(h), eigenvalues);
      checkDerivatives((x) => {
        const [l, w] = [...linalg.eigh(hermitian(x as Tensor))] as [Tensor, Tensor];
        return [l, w.abs()];
      }, square);
      const { eigenvalues: l, eigenvectors: w } = linalg.eig(square);
      close(square.to(torch.complex128).matmul(w), w.mul(l.unsqueeze(-2)));
      checkDerivatives((x) => {
        const [values, vectors] = [...linalg.eig(x as Tensor)] as [Tensor, Tensor];
        return [values, vectors.abs()];
      }, square);
      checkDerivatives((x) => linalg.eigvals(x as Tensor), square);
    });
    it("singular values", () => {
      for (const [m, n] of [
        [4, 3],
        [3, 4],
        [3, 3],
      ] as const) {
        const a = random([m, n], 19, complex);
        const { U, S, Vh } = linalg.svd(a, false);
        close(U.mul(S.to(U.dtype)).matmul(Vh), a);
        close(linalg.svdvals(a), S);
        checkDerivatives((x) => linalg.svdvals(x as Tensor), a);
        checkDerivatives((x) => {
          const { U: u, S: s, Vh: vh } = linalg.svd(x as Tensor, false);
          return [u.matmul(vh), s, u.abs(), vh.abs()];
        }, a);
        close(a.matmul(linalg.pinv(a)).matmul(a), a);
        checkDerivatives((x) => linalg.pinv(x as Tensor), a);
        checkDerivatives((x) => linalg.matrix_norm(x as Tensor, "nuc"), a);
        expect(linalg.matrix_rank(a).item()).toBe(3);
      }
    });
    it("least squares", () => {
      for (const driver of ["gels", "gelsy", "gelsd", "gelss"] as const) {
        const a = random([4, 3], 20, complex);
        const b = random([4, 2], 21, complex);
        const { solution, residuals } = linalg.lstsq(a, b, null, { driver });
        close(solution, linalg.pinv(a).matmul(b));
        if (driver !== "gelsy") close(residuals, a.matmul(solution).sub(b).abs().pow(2).sum(0));
        const wide = random([2, 3], 22, complex);
        close(
          linalg.lstsq(wide, random([2, 2], 23, complex), null, { driver }).solution,
          linalg.pinv(wide).matmul(random([2, 2], 23, complex)),
        );
      }
      checkDerivatives(
        (x, y) => [...linalg.lstsq(x as Tensor, y as Tensor, null, { driver: "gels" })].slice(0, 2),
        random([4, 2], 24, complex),
        random([4, 2], 25, complex),
      );
    });
    it("the exponential, powers and products", () => {
      close(
        linalg.matrix_exp(square).matmul(linalg.matrix_exp(square.neg())),
        torch.eye(3, { dtype: square.dtype }).expand([2, 3, 3]),
      );
      checkDerivatives((x) => torch.matrix_exp(x as Tensor), square);
      close(linalg.matrix_power(square, 5), square.matmul(square).matmul(square).matmul(square).matmul(square));
      close(linalg.matrix_power(square, -2), linalg.inv(square.matmul(square)));
      const chain = [random([2, 5], 26, complex), random([5, 3], 27, complex), random([3, 4], 28, complex)] as const;
      close(linalg.multi_dot(chain), chain[0].matmul(chain[1]).matmul(chain[2]));
    });
  });
}

describe("corners", () => {
  it("the determinant of a singular matrix has a gradient, and a second one", () => {
    const a = torch.tensor(
      [
        [1, 2, 3],
        [2, 4, 6],
        [1, 0, 1],
      ],
      { ...f64, requires_grad: true },
    );
    const [plain] = torch.autograd.grad(linalg.det(a), [a]) as [Tensor];
    const expected = torch.tensor(
      [
        [4, 4, -4],
        [-2, -2, 2],
        [0, 0, 0],
      ],
      f64,
    );
    close(plain, expected);
    const [recorded] = torch.autograd.grad(linalg.det(a), [a], { create_graph: true }) as [Tensor];
    close(recorded.detach(), expected);
    const both = torch.stack([a.detach(), random([3, 3], 29)]).requires_grad_();
    const [mixed] = torch.autograd.grad(linalg.det(both).sum(), [both]) as [Tensor];
    close(mixed.select(0, 0), expected);
    const other = both.detach().select(0, 1);
    close(mixed.select(0, 1), linalg.inv(other).mT.mul(linalg.det(other)));
  });
  it("empty batches and empty matrices", () => {
    expect(linalg.inv(torch.zeros(0, 3, 3)).shape).toEqual([0, 3, 3]);
    expect(linalg.det(torch.zeros(2, 0, 0)).tolist()).toEqual([1, 1]);
    expect(linalg.svd(torch.zeros(0, 3)).Vh.tolist()).toEqual(torch.eye(3).tolist());
    expect(linalg.eigh(torch.zeros(0, 0)).eigenvalues.shape).toEqual([0]);
  });
  it("single precision is the double precision result rounded", () => {
    const a = random([5, 5], 30);
    const s = linalg.svdvals(a.float());
    expect(s.dtype).toBe(torch.float32);
    expect(Number(s.double().sub(linalg.svdvals(a.float().double())).abs().amax().item())).toBeLessThan(1e-6);
  });
  it("results are stored by columns, as LAPACK writes them", () => {
    expect(linalg.inv(random([2, 3, 3], 31)).stride()).toEqual([9, 1, 3]);
    expect(linalg.cholesky(positive(random([3, 3], 32))).stride()).toEqual([1, 3]);
  });
  it("powers of vectors as matrices", () => {
    const x = torch.tensor([2, 3], f64);
    expect(linalg.vander(x, { N: 3 }).tolist()).toEqual([
      [1, 2, 4],
      [1, 3, 9],
    ]);
    expect(torch.vander(x, 3).tolist()).toEqual([
      [4, 2, 1],
      [9, 3, 1],
    ]);
  });
  it("condition numbers", () => {
    const a = torch.tensor([4, 2], f64).diag();
    expect(linalg.cond(a).item()).toBeCloseTo(2, 12);
    expect(linalg.cond(a, 1).item()).toBeCloseTo(2, 12);
    expect(linalg.cond(torch.ones(2, 2), "fro").item()).toBe(Infinity);
    expect(linalg.matrix_norm(a, 2).item()).toBeCloseTo(4, 12);
    expect(linalg.matrix_norm(a, -2, [-2, -1], true).shape).toEqual([1, 1]);
  });
  it("LDL factors solve equations", () => {
    const a = hermitian(random([4, 4], 34));
    const b = random([4, 2], 35);
    const { LD, pivots } = linalg.ldl_factor(a);
    close(a.matmul(linalg.ldl_solve(LD, pivots, b)), b);
  });
  it("equations of tensors", () => {
    const a = random([2, 3, 6], 36);
    const b = random([2, 3], 37);
    close(torch.tensordot(a, linalg.tensorsolve(a, b), 1), b);
    close(torch.tensordot(linalg.tensorinv(a), b, 2), linalg.tensorsolve(a, b));
  });
  it("names the parts of results", () => {
    const result = linalg.slogdet(torch.eye(2));
    expect(String(result)).toContain("torch.return_types.linalg_slogdet(");
    const [sign] = result;
    expect(sign).toBe(result.sign);
  });
  it("nodes are named as in PyTorch", () => {
    const a = positive(random([3, 3], 33)).requires_grad_();
    const names = [
      linalg.cholesky(a),
      linalg.inv(a),
      linalg.solve(a, a.detach()),
      linalg.eigvalsh(a),
      linalg.svdvals(a),
      linalg.det(a),
      linalg.pinv(a),
      linalg.matrix_exp(a),
    ].map((t) => t.grad_fn?.name());
    expect(names).toEqual([
      "LinalgCholeskyExBackward0",
      "LinalgInvExBackward0",
      "LinalgSolveExBackward0",
      "LinalgEighBackward0",
      "LinalgSvdBackward0",
      "LinalgDetBackward0",
      "LinalgPinvBackward0",
      "LinalgMatrixExpBackward0",
    ]);
  });
});

describe("errors", () => {
  const thrown = (f: () => unknown): string => {
    try {
      f();
    } catch (error) {
      return `${(error as Error).name}: ${(error as Error).message}`;
    }
    return "nothing";
  };
  const singular = torch.tensor([
    [1, 2],
    [2, 4],
  ]);
  const batch = torch.stack([torch.eye(2), singular]);
  it("singular and indefinite matrices", () => {
    expect(thrown(() => linalg.inv(singular))).toBe(
      "LinAlgError: linalg.inv: The diagonal element 2 is zero, the inversion could not be completed because the input matrix is singular.",
    );
    expect(thrown(() => linalg.inv(batch))).toContain("linalg.inv: (Batch element 1): The diagonal element 2 is zero");
    expect(thrown(() => linalg.solve(batch, batch))).toBe(
      "LinAlgError: torch.linalg.solve: (Batch element 1): The solver failed because the input matrix is singular.",
    );
    expect(
      thrown(() =>
        linalg.cholesky(
          torch.tensor([
            [1, 2],
            [2, 1],
          ]),
        ),
      ),
    ).toBe(
      "LinAlgError: linalg.cholesky: The factorization could not be completed because the input is not positive-definite (the leading minor of order 2 is not positive-definite).",
    );
    expect(thrown(() => linalg.svd(torch.full([2, 2], NaN)))).toBe(
      "LinAlgError: linalg.svd: The algorithm failed to converge because the input matrix contained non-finite values.",
    );
    expect(
      linalg
        .cholesky_ex(
          torch.tensor([
            [1, 2],
            [2, 1],
          ]),
        )
        .info.item(),
    ).toBe(2);
    expect(linalg.inv_ex(singular).info.item()).toBe(2);
  });
  it("shapes and dtypes", () => {
    expect(thrown(() => linalg.inv(torch.ones(2, 3)))).toBe(
      "RuntimeError: linalg.inv: A must be batches of square matrices, but they are 2 by 3 matrices",
    );
    expect(thrown(() => linalg.qr(torch.ones(3)))).toBe(
      "RuntimeError: linalg.qr: The input tensor A must have at least 2 dimensions.",
    );
    expect(thrown(() => linalg.det(torch.ones([2, 2], { dtype: torch.int64 })))).toBe(
      "RuntimeError: linalg.det: Expected a floating point or complex tensor as input. Got Long",
    );
    expect(thrown(() => linalg.solve(torch.eye(2), torch.ones(3, 1)))).toBe(
      "RuntimeError: linalg.solve: Incompatible shapes of A and B for the equation AX = B (2x2 and 3x1)",
    );
    expect(thrown(() => linalg.eigh(torch.eye(2), "X" as "L"))).toBe(
      "RuntimeError: Expected UPLO argument to be 'L' or 'U', but got X",
    );
    expect(thrown(() => linalg.multi_dot([torch.ones(2, 3), torch.ones(2, 2)]))).toBe(
      "RuntimeError: multi_dot(): tensors 0 and 1 with shapes [2, 3] and [2, 2] cannot be multiplied",
    );
  });
});
