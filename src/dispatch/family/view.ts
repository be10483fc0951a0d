/**
 * Views: other geometry over the same memory. An operator states the new geometry; the family marks the result as a view (so
 * that in-place operations work, see Note [In-place on views]) and derives the gradient.
 */
import { numel } from "../../base/shape.ts";
import { alias, allocate, type Tensor } from "../../tensor/tensor.ts";
import { copyRaw, fillRaw } from "../elementwise.ts";
import { apply1, type GradContext, type Primitive, primitive } from "../primitive.ts";

/** Sizes, strides and the position of the first element, in elements. */
export interface Geometry {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

export interface ViewDefinition<P> {
  readonly name: string;
  readonly gradName?: string;
  /** The geometry of the view of a tensor. */
  readonly geometry: (x: Tensor, params: P) => Geometry;
  /**
   * The gradient of the input. Default: zeros into which the gradient is written through the same geometry, right for views
   * that show each element at most once.
   */
  readonly vjp?: (g: Tensor, ctx: GradContext<P>) => Tensor;
}

function viewRaw(x: Tensor, geometry: Geometry): Tensor {
  return alias(x, geometry.shape, geometry.strides, geometry.offset);
}

interface EmbedParams {
  readonly shape: readonly number[];
  readonly geometry: (x: Tensor) => Geometry;
}

/** @internal Zeros of a shape with a tensor written into the part that a view shows; the transpose of the view. */
export function embedder(
  name: string,
  view: (x: Tensor, geometry: (x: Tensor) => Geometry) => Tensor,
): Primitive<EmbedParams> {
  return primitive<EmbedParams>({
    name,
    forward: ([g], { shape, geometry }) => {
      const out = allocate(shape, (g as Tensor).dtype, (g as Tensor)._backend);
      fillRaw(out, 0);
      if (numel(shape) > 0) copyRaw(viewRaw(out, geometry(out)), g as Tensor);
      return out;
    },
    grads: [{ vjp: (gg, { params }) => view(gg, params.geometry) }],
  });
}

/** Defines a view of one result. */
export function viewOf<P>(definition: ViewDefinition<P>): (x: Tensor, params: P) => Tensor {
  const { name, geometry } = definition;
  const embed = embedder(`${name}_backward`, (x, g) => apply1(again, [x], g));
  const again = primitive<(x: Tensor) => Geometry>({
    name,
    view: "view",
    forward: ([x], g) => viewRaw(x as Tensor, g(x as Tensor)),
    grads: [{ vjp: (g, ctx) => apply1(embed, [g], { shape: ctx.shape(0), geometry: ctx.params }) }],
  });
  const prim = primitive<P>({
    name,
    gradName: definition.gradName,
    view: "view",
    forward: ([x], params) => viewRaw(x as Tensor, geometry(x as Tensor, params)),
    grads: [
      {
        vjp:
          definition.vjp ??
          ((g, ctx) => apply1(embed, [g], { shape: ctx.shape(0), geometry: (t) => geometry(t, ctx.params) })),
      },
    ],
  });
  return (x, params) => apply1(prim, [x], params);
}
