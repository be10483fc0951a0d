/** The programs that the random-number file describes in prose, by their id. */

import type { Interpreter } from "./python/evaluate.ts";
import { PyTuple } from "./python/values.ts";
import { type TensorIO, method } from "./tensors.ts";

/** Gives what the file calls the result: plain JSON. */
export type GeneratorProgram = (python: Interpreter, io: TensorIO, seed: number) => unknown;

/** A Python value as the file writes it: ints as numbers, seeds as decimal strings. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof PyTuple) return value.items.map(plain);
  return value;
}

/** A program in Python whose last expression is the result. */
function program(source: string): GeneratorProgram {
  return (python) => plain(python.run(source));
}

/** A program whose result is an int, which the file holds as a string. */
function integer(source: string): GeneratorProgram {
  return (python) => String(python.run(source));
}

function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}

/** PyTorch's legacy generator state: seed, counters, 624 words of 8 bytes, and the cached normal. */
function decode(state: readonly number[]): unknown {
  const bytes = Uint8Array.from(state);
  const view = new DataView(bytes.buffer);
  const words = Array.from({ length: 624 }, (_, i) => view.getUint32(24 + 8 * i, true));
  const packed = new Uint8Array(Uint32Array.from(words).buffer);
  const end = 24 + 8 * 624;
  return {
    bytes: bytes.length,
    the_initial_seed: String(view.getBigUint64(0, true)),
    left: view.getInt32(8, true),
    seeded: view.getInt32(12, true),
    next: Number(view.getBigUint64(16, true)),
    state_first8: words.slice(0, 8),
    state_last4: words.slice(-4),
    state_crc32: crc32(packed),
    normal_x: view.getFloat64(end, true),
    normal_y: view.getFloat64(end + 8, true),
    normal_rho: view.getFloat64(end + 16, true),
    normal_is_valid: view.getInt32(end + 24, true),
    next_float_normal_sample: view.getFloat32(end + 32, true),
    is_next_float_normal_sample_valid: view.getUint8(end + 36) !== 0,
  };
}

/** The decoded state after seeding and a draw. */
function stateAfter(draw: string): GeneratorProgram {
  return (python, io, seed) => {
    python.run(`torch.manual_seed(${seed}); ${draw}`);
    return decode(io.read(method(python.bridge.torch, "get_rng_state")).data.map(Number));
  };
}

const fork = `torch.manual_seed(11)
a = torch.rand(2)
def inner():
    torch.manual_seed(0)
    torch.rand(5)
torch.random.fork_rng(inner)
b = torch.rand(2)
torch.manual_seed(11)
whole = torch.rand(4)
torch.equal(torch.cat([a, b]), whole), whole.tolist()`;

export const generatorPrograms: Readonly<Record<string, GeneratorProgram>> = {
  "default-seed": integer("torch.Generator().initial_seed()"),
  initial_seed: integer("g = torch.Generator(); g.manual_seed(5); g.initial_seed()"),
  "negative-seed": integer("g = torch.Generator(); g.manual_seed(-1); g.initial_seed()"),
  "manual_seed-returns-self": program("g = torch.Generator(); g.manual_seed(5) is g"),
  "global-manual_seed-returns": program("g = torch.manual_seed(5); (type(g).__name__, g is torch.default_generator)"),
  "torch.initial_seed": integer("torch.manual_seed(9); torch.initial_seed()"),
  "state-type": program("s = torch.Generator().get_state(); (str(s.dtype)[6:], s.shape)"),
  "state-after": stateAfter("None"),
  "state-after-rand1": stateAfter("torch.rand(1)"),
  "state-after-randn1": stateAfter("torch.randn(1)"),
  "state-after-randn16": stateAfter("torch.randn(16)"),
  "state-after-randn17": stateAfter("torch.randn(17)"),
  "state-after-rand1-f64": stateAfter("torch.rand(1, dtype=torch.float64)"),
  "state-after-randperm10": stateAfter("torch.randperm(10)"),
  "set-state-restores-cached-normal": program(
    "torch.manual_seed(3); torch.randn(1); s = torch.get_rng_state(); a = torch.randn(3)\n" +
      "torch.set_rng_state(s); b = torch.randn(3); (torch.equal(a, b), a.tolist())",
  ),
  "manual_seed-clears-cached-normal": program(
    "torch.manual_seed(3); a = torch.randn(1); torch.manual_seed(3); torch.equal(torch.randn(1), a)",
  ),
  "get_state-is-a-copy": program(
    "s = torch.get_rng_state(); t = s.clone(); torch.rand(1); torch.randn(3); torch.equal(s, t)",
  ),
  "independent-generators": program(
    "a = torch.Generator().manual_seed(7); b = torch.Generator().manual_seed(7)\n" +
      "[torch.rand(2, generator=a).tolist(), torch.rand(2, generator=b).tolist()]",
  ),
  "generator-equals-global": program(
    "torch.manual_seed(7); a = torch.rand(2); b = torch.rand(2, generator=torch.Generator().manual_seed(7))\n" +
      "a.tolist() if torch.equal(a, b) else None",
  ),
  "generator-set_state": program(
    "a = torch.Generator().manual_seed(7); torch.rand(2, generator=a); b = torch.Generator(); b.set_state(a.get_state())\n" +
      "[torch.rand(2, generator=a).tolist(), torch.rand(2, generator=b).tolist()]",
  ),
  fork_rng: program(fork),
  "rand-concatenates": program(
    "torch.manual_seed(0); a = torch.rand(6); torch.manual_seed(0); b = torch.rand(2); c = torch.rand(4)\n" +
      "torch.equal(a, torch.cat([b, c]))",
  ),
  "randn-does-not-concatenate": program(
    "torch.manual_seed(0); a = torch.randn(20); torch.manual_seed(0); b = torch.randn(8); c = torch.randn(12)\n" +
      "torch.equal(a, torch.cat([b, c]))",
  ),
  "dropout-is-bernoulli": program(
    "torch.manual_seed(0); a = nn.Dropout(0.5)(torch.ones(10)); torch.manual_seed(0)\n" +
      "torch.equal(a, torch.empty(10).bernoulli_(0.5) / 0.5)",
  ),
  "rand-f64-is-53-bits": (python) => {
    const low = plain(python.run("torch.manual_seed(0); torch.rand(6).tolist()")) as number[];
    const wide = plain(python.run("torch.manual_seed(0); torch.rand(3, dtype=torch.float64).tolist()")) as number[];
    return {
      words_low24: low.map((x) => x * 2 ** 24),
      "rand_times_2^53": wide.map((x) => String(BigInt(x * 2 ** 53))),
    };
  },
  "dataloader-shuffle-global": program(
    "torch.manual_seed(1); d = torch.utils.data.DataLoader(range(10), batch_size=5, shuffle=True)\n" +
      "[[b.tolist() for b in d] for _ in range(2)]",
  ),
  random_split: program(
    "[list(part) for part in torch.utils.data.random_split(range(10), [6, 4], generator=torch.Generator().manual_seed(2))]",
  ),
};
