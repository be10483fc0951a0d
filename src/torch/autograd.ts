/**
 * The namespace `torch.autograd`.
 */
export * from "../autograd/index.ts";
export * as forward_ad from "./forward-ad.ts";
export * as functional from "../func/functional.ts";
export { gradcheck, GradcheckError, gradgradcheck, type GradcheckOptions } from "../func/gradcheck.ts";
