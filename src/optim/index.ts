/**
 * `torch.optim`: algorithms that change parameters by their gradients.
 */
export * as lr_scheduler from "./schedulers.ts";
export * as swa_utils from "./swa.ts";
export {
  type Closure,
  Optimizer,
  type OptimizerStateDict,
  type ParamGroup,
  type ParamGroupInit,
  type Params,
  type ParamState,
  type StepHook,
} from "./optimizer.ts";
export {
  Adafactor,
  type AdafactorGroup,
  type AdafactorOptions,
  Muon,
  type MuonGroup,
  type MuonOptions,
} from "./adafactor.ts";
export {
  Adadelta,
  type AdadeltaGroup,
  type AdadeltaOptions,
  Adagrad,
  type AdagradGroup,
  type AdagradOptions,
} from "./adagrad.ts";
export { Adam, type AdamGroup, type AdamOptions, AdamW } from "./adam.ts";
export { Adamax, type AdamaxOptions, NAdam, type NAdamOptions, RAdam, type RAdamOptions } from "./adam-variants.ts";
export { LBFGS, type LBFGSGroup, type LBFGSOptions } from "./lbfgs.ts";
export { RMSprop, type RMSpropGroup, type RMSpropOptions } from "./rmsprop.ts";
export { ASGD, type ASGDGroup, type ASGDOptions, Rprop, type RpropGroup, type RpropOptions } from "./rprop.ts";
export { SGD, type SGDGroup, type SGDOptions } from "./sgd.ts";
