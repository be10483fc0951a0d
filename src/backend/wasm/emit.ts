/**
 * From a kernel to a WebAssembly module. The module imports the memory and exports
 *
 * - `run(buffer addresses..., scalars...)`: runs the kernel and returns 0 or the status of the guard that failed; where
 *   the kernel is one parallel loop, `run` takes two more numbers, the range of iterations to run;
 * - in that case also `whole`, which runs all iterations, and `extent`, which returns their number; both take the
 *   arguments of `run` without the range.
 *
 * Note [Threads]: with the option `threads`, the module of a parallel loop also imports `parallel(buffer addresses..., scalars...,
 * extent, work)`, which `whole` calls instead of `run` where there is enough to do. The decision is taken in WebAssembly since it
 * then costs small tensors one comparison; any wrapper of JavaScript would cost more than the kernel.
 */
import { lower } from "../../ir/math.ts";
import type { Kernel, Stmt } from "../../ir/kernel.ts";
import { verify } from "../../ir/verify.ts";
import { type FunctionBuilder, ModuleBuilder, type ValType } from "./assembler.ts";
import { Context, type EmitOptions, valType } from "./emit-context.ts";
import { Graph } from "./emit-graph.ts";
import { pushScalar } from "./emit-scalar.ts";
import { emitStatements } from "./emit-statements.ts";
import { prepareStatements } from "./emit-storage.ts";
import { operationsPerNanosecond, workOf } from "./emit-work.ts";

export type { EmitOptions } from "./emit-context.ts";

type Loop = Extract<Stmt, { kind: "loop" }>;

/** The parallel loop that is the whole of a kernel, if it is. */
export function parallelLoop(kernel: Kernel): Loop | null {
  const [first, ...rest] = kernel.body;
  return first?.kind === "loop" && first.mode === "parallel" && rest.length === 0 ? first : null;
}

/**
 * Operations from which threads pay: some 10 µs. Measured: a hand-over costs 1 to 2 µs where the other thread is awake.
 */
const threadedWork = 10_000 * operationsPerNanosecond;

/** The module's bytes. */
export function emitKernel(kernel: Kernel, options: EmitOptions): Uint8Array {
  verify(kernel);
  const module = new ModuleBuilder(options);
  const parallel = parallelLoop(kernel) !== null;
  const addresses: ValType[] = kernel.buffers.map(() => "i32");
  const scalars = kernel.scalars.map(({ type }) => valType(type));
  const params = [...addresses, ...scalars];

  const share =
    parallel && options.threads === true ? module.import("parallel", [...params, "i32", "f64"], "i32") : null;
  const run = module.function("run", parallel ? [...params, "i32", "i32"] : params, "i32");
  const graph = new Graph();
  const statements = prepareStatements(kernel, graph, lower);
  const c = new Context(kernel, graph, run, options);
  const [low, high] = run.params.slice(params.length);
  const range = low === undefined || high === undefined ? undefined : { low, high };
  c.scoped(() => emitStatements(c, statements, range));
  run.i32(0);
  module.export(run);

  const [loop] = statements;
  if (parallel && loop?.kind === "loop") {
    const pushExtent = (f: FunctionBuilder): void => {
      const outside = new Context(kernel, graph, f, options);
      outside.scoped(() => pushScalar(outside, loop.extent));
    };
    const whole = module.function("whole", params, "i32");
    const n = whole.local("i32");
    const work = whole.local("f64");
    pushExtent(whole);
    whole.set(n);
    if (share !== null) {
      whole.get(n);
      whole.i32(1);
      whole.op("i32.gt_s");
      whole.if(() => {
        const outside = new Context(kernel, graph, whole, options);
        outside.scoped(() => pushScalar(outside, graph.intern(workOf(loop))));
        whole.tee(work);
        whole.f64(threadedWork);
        whole.op("f64.ge");
        whole.if(() => {
          for (const param of whole.params) whole.get(param);
          whole.get(n);
          whole.get(work);
          whole.call(share);
          whole.return();
        });
      });
    }
    for (const param of whole.params) whole.get(param);
    whole.i32(0);
    whole.get(n);
    whole.call(run);
    module.export(whole);
    const extent = module.function("extent", params, "i32");
    pushExtent(extent);
    module.export(extent);
  }
  return module.encode();
}
