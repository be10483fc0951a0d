/**
 * The WebAssembly module with the matrix kernels of one element type.
 */
import { type FunctionBuilder, ModuleBuilder, type ValType } from "./assembler.ts";
import { type ElementName, elements, Emitter } from "./gemm-emitter.ts";
import { emitPackCopy, emitPackTranspose } from "./gemm-packing.ts";
import {
  emitBlock,
  emitScale,
  emitTile,
  emitUpdate,
  type Layout,
  tileColumns,
  tileRows,
  tileVectors,
} from "./gemm-tile.ts";
import { emitCombine, emitDot, emitGather } from "./gemm-vector.ts";

type Routine = (...args: number[]) => void;

/** What the module exports; the parameters stand with the function of the same name that emits it. */
export interface GemmKernels {
  readonly blockRows: Routine;
  readonly blockColumns: Routine;
  readonly packCopyA: Routine;
  readonly packCopyB: Routine;
  readonly packTransposeA: Routine;
  readonly packTransposeB: Routine;
  readonly update: Routine;
  readonly scale: Routine;
  readonly dot: Routine;
  readonly combine: Routine;
  readonly gather: Routine;
}

export interface ModuleOptions {
  readonly relaxedSimd: boolean;
  /** Whether the memory is shared with other threads. */
  readonly shared: boolean;
}

const ints = (count: number): readonly [number, ValType] => [count, "i32"];

/** The bytes of the module. It imports the memory as `env.memory`. */
export function assembleGemm(name: ElementName, options: ModuleOptions): Uint8Array {
  const element = elements[name];
  const module = new ModuleBuilder({ sharedMemory: options.shared });
  /** A function of so many integers and then so many scalars. */
  const define = (
    title: string,
    types: readonly (readonly [count: number, type: ValType])[],
    emit: (e: Emitter) => void,
  ): FunctionBuilder => {
    const params = types.flatMap(([count, type]) => Array.from({ length: count }, () => type));
    const f = module.function(title, params, null);
    emit(new Emitter(f, element, options.relaxedSimd));
    return f;
  };
  const scalars = (count: number): readonly [number, ValType] => [count, element.scalar];

  const update = define("update", [ints(4), scalars(2)], emitUpdate);
  module.export(update);

  for (const layout of ["rows", "columns"] satisfies Layout[]) {
    const tiles = Array.from({ length: tileRows }, (_, r) =>
      Array.from({ length: tileVectors }, (_, v) =>
        define(`${layout}${r + 1}x${v + 1}`, [ints(7), scalars(2)], (e) => emitTile(e, layout, r + 1, v + 1)),
      ),
    );
    const block = layout === "rows" ? "blockRows" : "blockColumns";
    module.export(define(block, [ints(11), scalars(2), ints(1)], (e) => emitBlock(e, { tiles, update })));
  }

  const widths = { A: tileRows / element.lanes, B: tileColumns(element) / element.lanes };
  for (const operand of ["A", "B"] as const) {
    module.export(define(`packCopy${operand}`, [ints(5)], (e) => emitPackCopy(e, widths[operand])));
    module.export(define(`packTranspose${operand}`, [ints(5)], (e) => emitPackTranspose(e, widths[operand])));
  }

  module.export(define("scale", [ints(4), scalars(1)], emitScale));
  module.export(define("dot", [ints(6)], emitDot));
  module.export(define("combine", [ints(7)], emitCombine));
  module.export(define("gather", [ints(4)], emitGather));
  return module.encode();
}

/** The kernels of one element type over one memory. */
export function instantiateGemm(name: ElementName, memory: WebAssembly.Memory, options: ModuleOptions): GemmKernels {
  const module = new WebAssembly.Module(assembleGemm(name, options) as Uint8Array<ArrayBuffer>);
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as GemmKernels;
}
