/**
 * The namespace `torch.backends`.
 */
import { cpu } from "../backend/wasm/index.ts";

/** The native BLAS library that computes matrix products. */
export interface BlasBackend {
  /** Whether one is in use. */
  is_available(): boolean;
  /** "OpenBLAS", "MKL", "Accelerate", "BLIS" or the like; null if none is in use. */
  readonly name: string | null;
  /** The file it was read from; null if none is in use. */
  readonly path: string | null;
}

/**
 * The native BLAS library that computes matrix products, found when first needed or asked for: OpenBLAS, MKL, Accelerate or
 * BLIS, whatever the machine has, where the package koffi is installed. The environment variable `FLAMBEAU_BLAS` names another
 * one by its file, or is `off`.
 */
export const blas: BlasBackend = {
  is_available: () => cpu.blas !== null,
  get name() {
    return cpu.blas?.name ?? null;
  },
  get path() {
    return cpu.blas?.path ?? null;
  },
};
