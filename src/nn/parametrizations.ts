/**
 * `torch.nn.utils.parametrizations`: weights of a given norm, and orthogonal ones.
 */
import { no_grad } from "../autograd/modes.ts";
import { NotImplementedError, ValueError } from "../base/errors.ts";
import { Signature } from "../dispatch/signature.ts";
import { empty } from "../ops/create.ts";
import { matrix_exp } from "../ops/linalg/matrix-exp.ts";
import { geqrf, linalg_householder_product } from "../ops/linalg/qr.ts";
import { normalize } from "../ops/norm.ts";
import { cat } from "../ops/join.ts";
import { randn } from "../ops/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Args } from "./arguments.ts";
import { Module } from "./module.ts";
import { register_parametrization } from "./parametrize.ts";
import {
  normExceptDim,
  spectralSignature,
  type SpectralNormOptions,
  weightFrom,
  type WeightNormOptions,
  weightSignature,
} from "./weight-norm.ts";

// --- weight norm -----------------------------------------------------------------------------------------------------

class _WeightNorm extends Module {
  readonly dim: number;

  constructor(dim: number | null) {
    super();
    this.dim = dim ?? -1;
  }

  override forward(weight_g: Tensor, weight_v: Tensor): Tensor {
    return weightFrom(weight_v, weight_g, this.dim);
  }

  right_inverse(weight: Tensor): [Tensor, Tensor] {
    return [normExceptDim(weight, this.dim), weight];
  }
}

/** Stores length and direction of a weight apart (Salimans and Kingma, 2016). */
export function weight_norm<M extends Module>(
  module: M,
  ...args: Args<[], [name?: string, dim?: number | null], WeightNormOptions>
): M {
  const [, name, dim] = weightSignature.bind([module, ...args], {}) as [M, string, number | null];
  register_parametrization(module, name, new _WeightNorm(dim), { unsafe: true });
  return module;
}

// --- spectral norm ---------------------------------------------------------------------------------------------------

class _SpectralNorm extends Module {
  readonly n_power_iterations: number;
  readonly dim: number;
  readonly eps: number;
  declare _u: Tensor;
  declare _v: Tensor;

  constructor(weight: Tensor, iterations: number, dim: number, eps: number) {
    super();
    this.n_power_iterations = iterations;
    this.eps = eps;
    this.dim = dim >= 0 ? dim : dim + weight.ndim;
    if (iterations <= 0) {
      throw new ValueError(`Expected n_power_iterations to be positive, but got n_power_iterations=${iterations}`);
    }
    if (weight.ndim < 2) return;
    const matrix = this.#matrix(weight.detach());
    const [rows, columns] = matrix.shape as [number, number];
    const start = (n: number): Tensor => normalize(empty([n], { dtype: weight.dtype }).normal_(), { dim: 0, eps });
    this.register_buffer("_u", start(rows));
    this.register_buffer("_v", start(columns));
    this.#iterate(matrix, 15);
  }

  /** The weight as a matrix, whose rows go along `dim`. */
  #matrix(weight: Tensor): Tensor {
    const order = [this.dim, ...weight.shape.flatMap((_, d) => (d === this.dim ? [] : [d]))];
    return weight.permute(order).flatten(1);
  }

  /** Moves the singular vectors towards those of the largest singular value. */
  #iterate(matrix: Tensor, count: number): void {
    no_grad(() => {
      for (let i = 0; i < count; i++) {
        this._u.copy_(normalize(matrix.mv(this._v), { dim: 0, eps: this.eps }));
        this._v.copy_(normalize(matrix.t().mv(this._u), { dim: 0, eps: this.eps }));
      }
    });
  }

  override forward(weight: Tensor): Tensor {
    if (weight.ndim === 1) return normalize(weight, { dim: 0, eps: this.eps });
    const matrix = this.#matrix(weight);
    if (this.training) this.#iterate(matrix.detach(), this.n_power_iterations);
    const [u, v] = [this._u.clone(), this._v.clone()];
    return weight.div(u.vdot(matrix.mv(v)));
  }

  right_inverse(value: Tensor): Tensor {
    return value;
  }
}

/** Divides a weight by its largest singular value (Miyato and others, 2018). */
export function spectral_norm<M extends Module>(
  module: M,
  ...args: Args<
    [],
    [name?: string, n_power_iterations?: number, eps?: number, dim?: number | null],
    SpectralNormOptions
  >
): M {
  const bound = spectralSignature.bind([module, ...args], {});
  const [, name, n_power_iterations, eps, dim] = bound as [M, string, number, number, number | null];
  const weight = Reflect.get(module, name) as Tensor;
  const across = dim ?? (module.constructor.name.startsWith("ConvTranspose") ? 1 : 0);
  register_parametrization(module, name, new _SpectralNorm(weight, n_power_iterations, across, eps));
  return module;
}

// --- orthogonal ------------------------------------------------------------------------------------------------------

type OrthogonalMap = "matrix_exp" | "cayley" | "householder";

/** The Q of a QR decomposition whose R has a positive diagonal. */
function orthonormal(a: Tensor): Tensor {
  const { a: reflectors, tau } = geqrf(a);
  const q = linalg_householder_product(reflectors, tau);
  return q.mul(reflectors.diagonal(0, -2, -1).sgn().unsqueeze(-2));
}

class _Orthogonal extends Module {
  readonly shape: readonly number[];
  readonly orthogonal_map: OrthogonalMap;
  readonly #trivial: boolean;
  declare base: Tensor | null;

  constructor(weight: Tensor, map: OrthogonalMap, trivial: boolean) {
    super();
    if (map === "cayley") {
      throw new NotImplementedError("orthogonal(): orthogonal_map 'cayley' is not implemented; use 'matrix_exp'");
    }
    if (map === "householder" && weight.dtype.is_complex) {
      throw new ValueError("The householder parametrization does not support complex tensors.");
    }
    this.shape = weight.shape.slice(-2);
    this.orthogonal_map = map;
    this.#trivial = trivial;
    if (trivial) this.register_buffer("base", null);
  }

  override forward(x: Tensor): Tensor {
    const [rows, columns] = x.shape.slice(-2) as [number, number];
    const transposed = rows < columns;
    let a = transposed ? x.mT : x;
    const [n, k] = transposed ? [columns, rows] : [rows, columns];
    let q: Tensor;
    if (this.orthogonal_map === "householder") {
      const lower = a.tril(-1);
      const tau = lower.mul(lower).sum(-2).add(1).reciprocal().mul(2);
      q = linalg_householder_product(lower, tau);
      q = q.mul(a.diagonal(0, -2, -1).sgn().unsqueeze(-2));
    } else {
      a = a.tril();
      if (n !== k) {
        const zeros = a.new_zeros([...a.shape.slice(0, -2), n, n - k]);
        a = cat([a, zeros], -1);
      }
      q = matrix_exp(a.sub(a.mH));
      if (n !== k) q = q.narrow(-1, 0, k);
    }
    if (this.#trivial && this.base !== null) q = this.base.matmul(q);
    return transposed ? q.mT : q;
  }

  right_inverse(given: Tensor): Tensor {
    const transposed = (given.shape.at(-2) as number) < (given.shape.at(-1) as number);
    const q = transposed ? given.mT : given;
    const [n, k] = q.shape.slice(-2) as [number, number];
    if (!this.#trivial) {
      if (this.orthogonal_map !== "householder") {
        throw new NotImplementedError(
          "It is not possible to assign to the matrix exponential or the Cayley parametrizations when use_trivialization=False.",
        );
      }
      const { a } = geqrf(q);
      const diagonal = a.diagonal(0, -2, -1);
      diagonal.copy_(diagonal.sgn().add(diagonal.eq(0).to(diagonal.dtype)));
      return transposed ? a.mT : a;
    }
    if (n === k) this.base = orthonormal(q);
    else {
      const more = randn([...q.shape.slice(0, -2), n, n - k], { dtype: q.dtype });
      this.base = orthonormal(cat([q, more], -1));
    }
    // With this the map gives the identity, up to a sign that the base makes up for.
    const negative = given.new_zeros(given.shape);
    negative.diagonal(0, -2, -1).fill_(-1);
    return negative;
  }
}

/** Options of {@link orthogonal}. */
export interface OrthogonalOptions {
  /** Which parameter. Default: `"weight"`. */
  name?: string;
  /** How a matrix becomes an orthogonal one. Default: by its shape. */
  orthogonal_map?: OrthogonalMap | null;
  /** Whether the weight may be set. Default: true. */
  use_trivialization?: boolean;
}

const orthogonalSignature = new Signature(
  "orthogonal(any module, str name='weight', str? orthogonal_map=None, *, bool use_trivialization=True)",
);

/** Keeps the rows or columns of a matrix orthonormal. */
export function orthogonal<M extends Module>(
  module: M,
  ...args: Args<[], [name?: string, orthogonal_map?: OrthogonalMap | null], OrthogonalOptions>
): M {
  const bound = orthogonalSignature.bind([module, ...args], {});
  const [, name, orthogonal_map, trivial] = bound as [M, string, OrthogonalMap | null, boolean];
  const weight: unknown = Reflect.get(module, name);
  const tensor = weight as Tensor;
  if (tensor.ndim < 2) {
    throw new ValueError(`Expected a matrix or batch of matrices. Got a tensor of ${tensor.ndim} dimensions.`);
  }
  const square = tensor.shape.at(-2) === tensor.shape.at(-1);
  const map = orthogonal_map ?? (square || tensor.dtype.is_complex ? "matrix_exp" : "householder");
  const made = new _Orthogonal(tensor, map, trivial);
  register_parametrization(module, name, made, { unsafe: true });
  return module;
}
