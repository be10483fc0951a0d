/**
 * Matrix products by a BLAS library that the machine has. It reads and writes the tensors' memory itself, so nothing is copied.
 */
import type { Gemm } from "../backend.ts";
import {
  addressOf,
  describeLibrary,
  hostProcess,
  libraryFile,
  type LibraryDescription,
  type NativeFunction,
  openLibrary,
} from "./ffi.ts";

/** A kind of library, and the names under which it is found. */
interface Vendor {
  readonly name: string;
  readonly files: Readonly<Partial<Record<string, readonly string[]>>>;
  /** Whether it has threads of its own that nobody can forbid it. */
  readonly ownThreads?: boolean;
  /** Whether a library of this name may be a plain, slow one. */
  readonly doubtful?: boolean;
}

const vendors: readonly Vendor[] = [
  {
    name: "Accelerate",
    files: { darwin: ["/System/Library/Frameworks/Accelerate.framework/Accelerate"] },
    ownThreads: true,
  },
  {
    name: "OpenBLAS",
    files: {
      linux: ["libopenblas.so.0", "libopenblas.so"],
      darwin: ["/opt/homebrew/opt/openblas/lib/libopenblas.dylib", "libopenblas.dylib"],
      win32: ["libopenblas.dll", "openblas.dll"],
    },
  },
  {
    name: "MKL",
    files: {
      linux: ["libmkl_rt.so.2", "libmkl_rt.so.3", "libmkl_rt.so"],
      darwin: ["libmkl_rt.dylib"],
      win32: ["mkl_rt.2.dll"],
    },
  },
  {
    name: "BLIS",
    files: { linux: ["libblis.so.4", "libblis.so.3", "libblis.so"], darwin: ["libblis.4.dylib"] },
  },
  {
    name: "CBLAS",
    files: { linux: ["libcblas.so.3", "libblas.so.3"], freebsd: ["libcblas.so"] },
    doubtful: true,
  },
];

/** Of whichever library has them. Threads are ours: one pool of them, which all kernels share, is faster than two that compete. */
const threadSetters = [
  "void openblas_set_num_threads(int n)",
  "void MKL_Set_Num_Threads(int n)",
  "void bli_thread_set_num_threads(intptr_t n)",
];

const prototypes = (["s", "d"] as const).flatMap((letter) => {
  const type = letter === "s" ? "float" : "double";
  return [
    `void cblas_${letter}gemm(int order, int ta, int tb, int m, int n, int k, ${type} alpha, uintptr_t a, int lda, uintptr_t b, int ldb, ${type} beta, uintptr_t c, int ldc)`,
    `void cblas_${letter}gemv(int order, int ta, int m, int n, ${type} alpha, uintptr_t a, int lda, uintptr_t x, int incx, ${type} beta, uintptr_t y, int incy)`,
  ];
});

const rowMajor = 101;
const plain = 111;
const transposed = 112;

/** The functions of one element type, or what notes the calls of them. */
export interface BlasFunctions {
  gemm(
    order: number,
    ta: number,
    tb: number,
    m: number,
    n: number,
    k: number,
    alpha: number,
    a: number,
    lda: number,
    b: number,
    ldb: number,
    beta: number,
    c: number,
    ldc: number,
  ): void;
  gemv(
    order: number,
    ta: number,
    m: number,
    n: number,
    alpha: number,
    a: number,
    lda: number,
    x: number,
    incx: number,
    beta: number,
    y: number,
    incy: number,
  ): void;
}

/** A BLAS library in use on one memory. Addresses in products are those in the memory. */
export class Blas {
  readonly name: string;
  readonly ownThreads: boolean;
  /** For other threads. */
  readonly description: LibraryDescription;
  readonly #file: string;
  readonly #memory: WebAssembly.Memory;
  readonly #base: number;
  readonly #float32: BlasFunctions;
  readonly #float64: BlasFunctions;

  private constructor(vendor: Vendor, file: string, memory: WebAssembly.Memory, functions: readonly NativeFunction[]) {
    this.name = vendor.name;
    this.ownThreads = vendor.ownThreads === true;
    this.description = describeLibrary(file, prototypes);
    this.#file = file;
    this.#memory = memory;
    this.#base = addressOf(memory);
    const [sgemm, sgemv, dgemm, dgemv] = functions as readonly unknown[];
    this.#float32 = { gemm: sgemm, gemv: sgemv } as BlasFunctions;
    this.#float64 = { gemm: dgemm, gemv: dgemv } as BlasFunctions;
  }

  /** The library in the file of this name, or null. `scratch` is room for a trial. */
  static open(vendor: Vendor, file: string, memory: WebAssembly.Memory, scratch: number): Blas | null {
    const library = openLibrary(file);
    if (library === null) return null;
    const functions = prototypes.map((prototype) => library.find(prototype)).filter((f) => f !== null);
    if (functions.length < prototypes.length) return null;
    for (const setter of threadSetters) library.find(setter)?.(1);
    const blas = new Blas(vendor, file, memory, functions);
    return blas.#base > 0 && blas.#works(scratch, vendor.doubtful === true) ? blas : null;
  }

  /** Where the library is. */
  get path(): string {
    return libraryFile(this.#file);
  }

  /** Whether the leading dimensions are such as BLAS allows, and the sizes such as its integers hold. */
  takes(p: Gemm): boolean {
    return (
      p.lda >= (p.transA ? p.m : p.k) &&
      p.ldb >= (p.transB ? p.k : p.n) &&
      p.ldc >= p.n &&
      Math.max(p.lda, p.ldb, p.ldc, p.m, p.n, p.k) < 2 ** 31
    );
  }

  /** Rows `i0` to `i1` and columns `j0` to `j1` of C, computed here, or noted by `into`. */
  part(p: Gemm, i0: number, i1: number, j0: number, j1: number, into: BlasFunctions | null = null): void {
    const { k, transA, transB, alpha, lda, ldb, beta, ldc } = p;
    const m = i1 - i0;
    const n = j1 - j0;
    const wide = p.dtype === "float64";
    const functions = into ?? (wide ? this.#float64 : this.#float32);
    const bytes = wide ? 8 : 4;
    const a = this.#base + p.a + i0 * (transA ? 1 : lda) * bytes;
    const b = this.#base + p.b + j0 * (transB ? ldb : 1) * bytes;
    const at = p.c + (i0 * ldc + j0) * bytes;
    const c = this.#base + at;
    if (p.n === 1) {
      // A column: op(A) b.
      if (beta === 0) this.#clear(wide, at, ldc, m);
      const incb = transB ? 1 : ldb;
      if (transA) functions.gemv(rowMajor, transposed, k, m, alpha, a, lda, b, incb, beta, c, ldc);
      else functions.gemv(rowMajor, plain, m, k, alpha, a, lda, b, incb, beta, c, ldc);
    } else if (p.m === 1) {
      // A row; as a column it is op(B)' a.
      if (beta === 0) this.#clear(wide, at, 1, n);
      const inca = transA ? lda : 1;
      if (transB) functions.gemv(rowMajor, plain, n, k, alpha, b, ldb, a, inca, beta, c, 1);
      else functions.gemv(rowMajor, transposed, k, n, alpha, b, ldb, a, inca, beta, c, 1);
    } else {
      const ta = transA ? transposed : plain;
      const tb = transB ? transposed : plain;
      functions.gemm(rowMajor, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    }
  }

  /** Some versions multiply a vector by beta = 0, and so keep NaN in memory that nobody has set. */
  #clear(wide: boolean, at: number, step: number, size: number): void {
    const length = (size - 1) * step + 1;
    const { buffer } = this.#memory;
    const y = wide ? new Float64Array(buffer, at, length) : new Float32Array(buffer, at, length);
    if (step === 1) y.fill(0);
    else for (let i = 0; i < length; i += step) y[i] = 0;
  }

  /** Tries a product of each type, at the size of tens of microseconds; where in doubt, whether it is fast, too. */
  #works(scratch: number, timed: boolean): boolean {
    const n = 128;
    try {
      for (const [dtype, bytes] of [["float32", 4] as const, ["float64", 8] as const]) {
        const [a, b, c] = [scratch, scratch + n * n * bytes, scratch + 2 * n * n * bytes] as const;
        const make = (at: number): Float32Array | Float64Array =>
          dtype === "float32"
            ? new Float32Array(this.#memory.buffer, at, n * n)
            : new Float64Array(this.#memory.buffer, at, n * n);
        const [x, y, z] = [make(a), make(b), make(c)];
        for (let i = 0; i < n * n; i++) {
          x[i] = (i % 7) - 3;
          y[i] = (i % 5) - 2;
        }
        z.fill(NaN);
        const p: Gemm = {
          dtype,
          transA: false,
          transB: true,
          m: n,
          n,
          k: n,
          alpha: 1,
          a,
          lda: n,
          b,
          ldb: n,
          beta: 0,
          c,
          ldc: n,
        };
        let best = Infinity;
        for (let round = 0; round < (timed ? 3 : 1); round++) {
          const start = performance.now();
          this.part(p, 0, n, 0, n);
          best = Math.min(best, performance.now() - start);
        }
        // 20 billion operations in a second, or 10 of double precision: no library in vector code is slower.
        if (timed && best > (2 * n ** 3) / (dtype === "float32" ? 20e6 : 10e6)) return false;
        for (const [i, j] of [
          [0, 0],
          [5, 77],
          [n - 1, n - 1],
        ] as const) {
          let sum = 0;
          for (let q = 0; q < n; q++) sum += (x[i * n + q] as number) * (y[j * n + q] as number);
          if (z[i * n + j] !== sum) return false;
        }
      }
      return true;
    } catch {
      return false;
    }
  }
}

/** Bytes of scratch memory for {@link findBlas}. */
export const trialBytes: number = 3 * 128 * 128 * 8;

/** `FLAMBEAU_BLAS`: "off", or the library to use and no other. */
function wish(): string {
  return hostProcess().env?.["FLAMBEAU_BLAS"] ?? "";
}

function vendorOf(file: string): Vendor {
  const named = vendors.find(({ name }) => file.toLowerCase().includes(name.toLowerCase()));
  return named ?? { name: "BLAS", files: {} };
}

/** The BLAS library of this machine, for products on a shared memory; null if there is none or the user wants none. */
export function findBlas(memory: WebAssembly.Memory, scratch: number): Blas | null {
  const wanted = wish();
  if (wanted === "off" || wanted === "0") return null;
  if (wanted !== "") {
    const blas = Blas.open(vendorOf(wanted), wanted, memory, scratch);
    if (blas === null)
      console.warn(`flambeau: FLAMBEAU_BLAS: ${wanted} cannot be used; going on without a BLAS library`);
    return blas;
  }
  const platform = hostProcess().platform ?? "";
  for (const vendor of vendors) {
    for (const file of vendor.files[platform] ?? []) {
      const blas = Blas.open(vendor, file, memory, scratch);
      if (blas !== null) return blas;
    }
  }
  return null;
}
