/**
 * An assembler for WebAssembly modules. It follows the types on the operand stack while code is written, so that a
 * wrong type fails where it is emitted, with the name of the instruction, and not later in the engine's validator.
 */
import { instructions } from "./opcodes.ts";
import type { Instruction, ValType } from "./opcodes.ts";

export type { ValType } from "./opcodes.ts";

/** Code was emitted that could not be valid: a fault of the emitter, never of its input. */
export class AssemblerError extends Error {
  override readonly name = "AssemblerError";
}

const typeCodes: Readonly<Record<ValType, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

const scratch = new DataView(new ArrayBuffer(8));

/** Bytes that grow. */
class Bytes {
  #data = new Uint8Array(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  view(): Uint8Array {
    return this.#data.subarray(0, this.#length);
  }

  byte(value: number): void {
    if (this.#length === this.#data.length) this.#reserve(1);
    this.#data[this.#length++] = value;
  }

  #reserve(extra: number): void {
    const grown = new Uint8Array(Math.max(2 * this.#data.length, this.#length + extra));
    grown.set(this.view());
    this.#data = grown;
  }

  append(bytes: Uint8Array): void {
    if (this.#length + bytes.length > this.#data.length) this.#reserve(bytes.length);
    this.#data.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** LEB128, unsigned. */
  unsigned(value: number): void {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  /** LEB128, signed. */
  signed(value: bigint): void {
    let rest = value;
    for (;;) {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      if ((rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)) return this.byte(low);
      this.byte(low | 0x80);
    }
  }

  signed32(value: number): void {
    let rest = value | 0;
    for (;;) {
      const low = rest & 0x7f;
      rest >>= 7;
      if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) return this.byte(low);
      this.byte(low | 0x80);
    }
  }

  text(value: string): void {
    const bytes = new TextEncoder().encode(value);
    this.unsigned(bytes.length);
    this.append(bytes);
  }

  /** A length-prefixed run of bytes. */
  sized(content: Bytes): void {
    this.unsigned(content.length);
    this.append(content.view());
  }
}

/** A local variable or parameter of a function. */
export interface Local {
  readonly index: number;
  readonly type: ValType;
}

/** The target of a branch: the end of a block, or the start of a loop. */
export interface Label {
  readonly depth: number;
}

/** What can be called: a function of the module, or one that it imports. */
export interface Callable {
  readonly name: string;
  readonly index: number;
  readonly params: readonly Local[];
  readonly result: ValType | null;
}

const numbered = (types: readonly ValType[]): Local[] => types.map((type, index) => ({ index, type }));

/** Writes the body of one function. */
export class FunctionBuilder implements Callable {
  readonly name: string;
  readonly params: readonly Local[];
  readonly result: ValType | null;
  readonly index: number;
  readonly #localTypes: ValType[] = [];
  readonly #free = new Map<ValType, Local[]>();
  readonly #prologue: Bytes = new Bytes();
  readonly #body: Bytes = new Bytes();
  #code: Bytes = this.#body;
  #stack: ValType[] = [];
  /** Height of the stack where the current block began: its code may not pop below. */
  #floor = 0;
  #depth = 0;
  #unreachable = false;

  constructor(name: string, index: number, params: readonly ValType[], result: ValType | null) {
    this.name = name;
    this.index = index;
    this.params = numbered(params);
    this.result = result;
  }

  #fail(what: string): never {
    throw new AssemblerError(`${what} (in function ${this.name}; stack: ${this.#stack.join(" ") || "empty"})`);
  }

  #pop(type: ValType, by: string): void {
    if (this.#stack.length === this.#floor) {
      if (!this.#unreachable) this.#fail(`${by} needs ${type} but nothing is on the stack`);
      return;
    }
    const found = this.#stack.pop();
    if (found !== type) this.#fail(`${by} needs ${type} but finds ${String(found)}`);
  }

  #push(type: ValType): void {
    this.#stack.push(type);
  }

  #instruction(map: ReadonlyMap<string, Instruction>, name: string): void {
    const found = map.get(name);
    if (found === undefined) this.#fail(`no such instruction: ${name}`);
    for (let k = found.operands.length - 1; k >= 0; k--) this.#pop(found.operands[k] ?? "i32", name);
    if (found.prefix !== 0) {
      this.#code.byte(found.prefix);
      this.#code.unsigned(found.code);
    } else {
      this.#code.byte(found.code);
    }
    if (found.result !== null) this.#push(found.result);
  }

  /** A local that keeps its value until `release`; it may have been another's before. */
  local(type: ValType): Local {
    return this.#free.get(type)?.pop() ?? this.ownLocal(type);
  }

  /** A local that nothing else has used: what `atStart` sets must be one, or code in between could overwrite it. */
  ownLocal(type: ValType): Local {
    this.#localTypes.push(type);
    return { index: this.params.length + this.#localTypes.length - 1, type };
  }

  /** Lets a later `local` take this one's place. */
  release(local: Local): void {
    const free = this.#free.get(local.type);
    if (free === undefined) this.#free.set(local.type, [local]);
    else free.push(local);
  }

  /** Code that runs once, at the start of the function, whatever surrounds the present place. */
  atStart(write: () => void): void {
    const [code, stack, floor, unreachable] = [this.#code, this.#stack, this.#floor, this.#unreachable];
    this.#code = this.#prologue;
    this.#stack = [];
    this.#floor = 0;
    this.#unreachable = false;
    write();
    if (this.#stack.length > 0) this.#fail("values left at the start");
    [this.#code, this.#stack, this.#floor, this.#unreachable] = [code, stack, floor, unreachable];
  }

  op(name: string): void {
    this.#instruction(instructions.plain, name);
  }

  /** A load or store; an effective address is the popped one plus `offset`, without wrapping. */
  access(name: string, offset = 0): void {
    this.#instruction(instructions.access, name);
    this.#code.byte(0);
    this.#code.unsigned(offset);
  }

  /** Extracts or replaces a lane. */
  lane(name: string, lane: number): void {
    this.#instruction(instructions.lane, name);
    this.#code.byte(lane);
  }

  /** Loads or stores one lane. */
  laneAccess(name: string, lane: number, offset = 0): void {
    this.#instruction(instructions.laneAccess, name);
    this.#code.byte(0);
    this.#code.unsigned(offset);
    this.#code.byte(lane);
  }

  /** Chooses 16 bytes out of the 32 of two vectors. */
  shuffle(bytes: readonly number[]): void {
    if (bytes.length !== 16) this.#fail("i8x16.shuffle needs 16 lanes");
    this.#pop("v128", "i8x16.shuffle");
    this.#pop("v128", "i8x16.shuffle");
    this.#code.byte(0xfd);
    this.#code.unsigned(0x0d);
    for (const byte of bytes) this.#code.byte(byte);
    this.#push("v128");
  }

  i32(value: number): void {
    this.#code.byte(0x41);
    this.#code.signed32(value);
    this.#push("i32");
  }

  i64(value: bigint): void {
    this.#code.byte(0x42);
    this.#code.signed(BigInt.asIntN(64, value));
    this.#push("i64");
  }

  f32(value: number): void {
    this.#code.byte(0x43);
    scratch.setFloat32(0, value, true);
    for (let k = 0; k < 4; k++) this.#code.byte(scratch.getUint8(k));
    this.#push("f32");
  }

  f64(value: number): void {
    this.#code.byte(0x44);
    scratch.setFloat64(0, value, true);
    for (let k = 0; k < 8; k++) this.#code.byte(scratch.getUint8(k));
    this.#push("f64");
  }

  v128(bytes: readonly number[]): void {
    if (bytes.length !== 16) this.#fail("v128.const needs 16 bytes");
    this.#code.byte(0xfd);
    this.#code.unsigned(0x0c);
    for (const byte of bytes) this.#code.byte(byte);
    this.#push("v128");
  }

  get(local: Local): void {
    this.#code.byte(0x20);
    this.#code.unsigned(local.index);
    this.#push(local.type);
  }

  set(local: Local): void {
    this.#pop(local.type, `local.set ${local.index}`);
    this.#code.byte(0x21);
    this.#code.unsigned(local.index);
  }

  tee(local: Local): void {
    this.#pop(local.type, `local.tee ${local.index}`);
    this.#code.byte(0x22);
    this.#code.unsigned(local.index);
    this.#push(local.type);
  }

  /** Takes a, b and an i32 condition; leaves a where the condition holds, else b. */
  select(type: ValType): void {
    this.#pop("i32", "select");
    this.#pop(type, "select");
    this.#pop(type, "select");
    if (type === "v128") {
      this.#code.byte(0x1c);
      this.#code.byte(1);
      this.#code.byte(typeCodes.v128);
    } else {
      this.#code.byte(0x1b);
    }
    this.#push(type);
  }

  #nested(opcode: number, write: (label: Label) => void): void {
    this.#code.byte(opcode);
    this.#code.byte(0x40);
    this.#depth++;
    const floor = this.#floor;
    const unreachable = this.#unreachable;
    this.#floor = this.#stack.length;
    this.#unreachable = false;
    write({ depth: this.#depth });
    this.#leave();
    this.#floor = floor;
    this.#unreachable = unreachable;
    this.#depth--;
    this.#code.byte(0x0b);
  }

  #leave(): void {
    if (this.#unreachable) this.#stack.length = this.#floor;
    if (this.#stack.length !== this.#floor) this.#fail("values left at the end of a block");
  }

  /** A block; branching to its label leaves it. */
  block(write: (exit: Label) => void): void {
    this.#nested(0x02, write);
  }

  /** A loop; branching to its label starts it again, falling through leaves it. */
  loop(write: (again: Label) => void): void {
    this.#nested(0x03, write);
  }

  /** Runs `then` if the popped i32 is not zero, else `otherwise`. */
  if(then: () => void, otherwise?: () => void): void {
    this.#pop("i32", "if");
    this.#nested(0x04, () => {
      then();
      if (otherwise === undefined) return;
      this.#leave();
      this.#unreachable = false;
      this.#code.byte(0x05);
      otherwise();
    });
  }

  branchIf(label: Label): void {
    this.#pop("i32", "br_if");
    this.#code.byte(0x0d);
    this.#code.unsigned(this.#depth - label.depth);
  }

  return(): void {
    if (this.result !== null) this.#pop(this.result, "return");
    this.#code.byte(0x0f);
    this.#unreachable = true;
  }

  call(callee: Callable): void {
    for (let k = callee.params.length - 1; k >= 0; k--) {
      this.#pop(callee.params[k]?.type ?? "i32", `call ${callee.name}`);
    }
    this.#code.byte(0x10);
    this.#code.unsigned(callee.index);
    if (callee.result !== null) this.#push(callee.result);
  }

  /** The function's entry in the code section. */
  encode(into: Uint8Array[]): void {
    if (this.#depth !== 0) this.#fail("open blocks at the end");
    if (this.result !== null) this.#pop(this.result, "the end of the function");
    if (this.#stack.length > 0) this.#fail("values left at the end");
    const head = new Bytes();
    const runs: [ValType, number][] = [];
    for (const type of this.#localTypes) {
      const last = runs.at(-1);
      if (last !== undefined && last[0] === type) last[1]++;
      else runs.push([type, 1]);
    }
    head.unsigned(runs.length);
    for (const [type, count] of runs) {
      head.unsigned(count);
      head.byte(typeCodes[type]);
    }
    const entry = new Bytes();
    entry.unsigned(head.length + this.#prologue.length + this.#body.length + 1);
    entry.append(head.view());
    entry.append(this.#prologue.view());
    entry.append(this.#body.view());
    entry.byte(0x0b);
    into.push(entry.view());
  }
}

/** Writes a module that imports one memory (`env.memory`), and functions if it wishes, and exports functions. */
export class ModuleBuilder {
  readonly #sharedMemory: boolean;
  readonly #imports: Callable[] = [];
  readonly #functions: FunctionBuilder[] = [];
  readonly #exports: FunctionBuilder[] = [];

  constructor(options: { readonly sharedMemory: boolean }) {
    this.#sharedMemory = options.sharedMemory;
  }

  /** A function that is imported as `env.<name>`. To be called before the first own function is made. */
  import(name: string, params: readonly ValType[], result: ValType | null): Callable {
    if (this.#functions.length > 0) throw new AssemblerError(`${name} must be imported before functions are made`);
    const made = { name, index: this.#imports.length, params: numbered(params), result };
    this.#imports.push(made);
    return made;
  }

  /** A new function; callees must be made before their callers are encoded, in any order. */
  function(name: string, params: readonly ValType[], result: ValType | null): FunctionBuilder {
    const made = new FunctionBuilder(name, this.#imports.length + this.#functions.length, params, result);
    this.#functions.push(made);
    return made;
  }

  /** Exports a function under its name. */
  export(made: FunctionBuilder): void {
    this.#exports.push(made);
  }

  encode(): Uint8Array {
    const out = new Bytes();
    for (const byte of [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]) out.byte(byte);
    const section = (id: number, write: (content: Bytes) => void): void => {
      const content = new Bytes();
      write(content);
      out.byte(id);
      out.sized(content);
    };
    section(1, (types) => {
      types.unsigned(this.#imports.length + this.#functions.length);
      for (const f of [...this.#imports, ...this.#functions]) {
        types.byte(0x60);
        types.unsigned(f.params.length);
        for (const param of f.params) types.byte(typeCodes[param.type]);
        types.unsigned(f.result === null ? 0 : 1);
        if (f.result !== null) types.byte(typeCodes[f.result]);
      }
    });
    section(2, (imports) => {
      imports.unsigned(1 + this.#imports.length);
      imports.text("env");
      imports.text("memory");
      imports.byte(0x02);
      // A shared memory must name its maximum, and an importer may allow more than the memory has.
      imports.byte(this.#sharedMemory ? 0x03 : 0x00);
      imports.unsigned(0);
      if (this.#sharedMemory) imports.unsigned(65536);
      this.#imports.forEach((f, k) => {
        imports.text("env");
        imports.text(f.name);
        imports.byte(0x00);
        imports.unsigned(k);
      });
    });
    section(3, (functions) => {
      functions.unsigned(this.#functions.length);
      for (const f of this.#functions) functions.unsigned(f.index);
    });
    section(7, (exports) => {
      exports.unsigned(this.#exports.length);
      for (const f of this.#exports) {
        exports.text(f.name);
        exports.byte(0x00);
        exports.unsigned(f.index);
      }
    });
    section(10, (code) => {
      const entries: Uint8Array[] = [];
      for (const f of this.#functions) f.encode(entries);
      code.unsigned(entries.length);
      for (const entry of entries) code.append(entry);
    });
    return out.view().slice();
  }
}
