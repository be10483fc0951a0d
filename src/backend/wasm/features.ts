/**
 * What the engine can do.
 */
import { ModuleBuilder } from "./assembler.ts";

function understandsRelaxedSimd(): boolean {
  const module = new ModuleBuilder({ sharedMemory: false });
  const f = module.function("probe", ["f32"], "f32");
  for (let k = 0; k < 3; k++) {
    f.get({ index: 0, type: "f32" });
    f.op("f32x4.splat");
  }
  f.op("f32x4.relaxed_madd");
  f.lane("f32x4.extract_lane", 0);
  return WebAssembly.validate(module.encode() as BufferSource);
}

interface V8 {
  setFlagsFromString?: (flag: string) => void;
}

let known: boolean | undefined;

/**
 * Whether relaxed SIMD (fused multiply-add) can be used. Node 20 has it behind a flag, which may be set at run time
 * before the first module that uses it is compiled: this sets it, on the thread that asks.
 */
export function hasRelaxedSimd(): boolean {
  if (known !== undefined) return known;
  known = understandsRelaxedSimd();
  const host = (globalThis as { process?: { getBuiltinModule?: (id: string) => unknown } }).process;
  if (!known && host?.getBuiltinModule !== undefined) {
    const v8 = host.getBuiltinModule("node:v8") as V8 | undefined;
    v8?.setFlagsFromString?.("--experimental-wasm-relaxed-simd");
    known = understandsRelaxedSimd();
  }
  return known;
}
