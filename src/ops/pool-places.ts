/**
 * Elements put back to where pooling took them from.
 */
import { placeRaw, type PlanePlaces, takeRaw } from "../dispatch/family/pooling.ts";
import { apply1, type Primitive, primitive } from "../dispatch/primitive.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { inFormatOf } from "./pool-windows.ts";

export interface PlaceParams {
  readonly indices: Tensor;
  /** The shape of what is written to. */
  readonly shape: readonly number[];
  readonly places: PlanePlaces;
  /** Whether that lies with its channels last. */
  readonly last?: boolean;
}

/** Gradients back to the places that maxima were taken from, and the transpose of that. */
export function placing(gradName: string): Primitive<PlaceParams> {
  const take: Primitive<PlaceParams> = primitive<PlaceParams>({
    name: "gather",
    forward: ([x], { indices, places }) => takeRaw(x as Tensor, indices, places),
    grads: [{ vjp: (g, ctx) => apply1(place, [g], ctx.params) }],
  });
  const place: Primitive<PlaceParams> = primitive<PlaceParams>({
    name: "max_pool_backward",
    gradName,
    forward: ([g], { indices, shape, places, last }) =>
      inFormatOf(placeRaw(g as Tensor, indices, shape, places, false), last === true),
    grads: [{ vjp: (g, ctx) => apply1(take, [g], ctx.params) }],
  });
  return place;
}
