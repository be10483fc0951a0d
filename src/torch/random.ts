/**
 * `torch.random`: the default generator.
 */
export {
  default_generator,
  fork_rng,
  get_rng_state,
  initial_seed,
  manual_seed,
  type RngFork,
  seed,
  set_rng_state,
} from "../ops/generator.ts";
