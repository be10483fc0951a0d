/**
 * `torch.optim.lr_scheduler`.
 */
export {
  ChainedScheduler,
  ReduceLROnPlateau,
  type ReduceLROnPlateauOptions,
  type Scheduler,
  SequentialLR,
} from "./composed-scheduler.ts";
export {
  CosineAnnealingLR,
  CosineAnnealingWarmRestarts,
  CyclicLR,
  type CyclicLROptions,
  OneCycleLR,
  type OneCycleLROptions,
} from "./cyclic-scheduler.ts";
export {
  ConstantLR,
  ExponentialLR,
  LambdaLR,
  LinearLR,
  LRScheduler,
  MultiplicativeLR,
  MultiStepLR,
  PolynomialLR,
  type SchedulerState,
  StepLR,
} from "./lr-scheduler.ts";
