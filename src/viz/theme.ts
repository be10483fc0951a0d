/**
 * The look of all pictures. Colours are given by class, once for light and once for dark surroundings, in plain rules
 * rather than custom properties: SVG viewers outside browsers know the former and not the latter.
 */

/** The colours of series and classes, in order; [light, dark]. Neighbours differ in lightness as well as in hue. */
const SERIES: readonly (readonly [string, string])[] = [
  ["#2563eb", "#6ea8fe"],
  ["#d9730d", "#ffb454"],
  ["#0b8a5f", "#3fd39a"],
  ["#c026a3", "#f28bdc"],
  ["#6d28d9", "#b79cff"],
  ["#0e8ea8", "#45d3ee"],
  ["#c81e2e", "#ff8a8a"],
  ["#5c8a0a", "#b5e04b"],
  ["#8a4b1c", "#d9a27a"],
  ["#55606f", "#a8b3c2"],
];

/** How many distinct colours there are; more series than that start over. */
export const SERIES_COUNT: number = SERIES.length;

/** [class, property, light, dark] */
const ROLES: readonly (readonly [string, string, string, string])[] = [
  ["viz-ink", "fill", "#1c2230", "#e8ebf0"],
  ["viz-soft", "fill", "#5b6472", "#a2acba"],
  ["viz-axis", "stroke", "#98a1ae", "#697382"],
  ["viz-grid", "stroke", "#e5e8ed", "#2b323d"],
  ["viz-plot", "fill", "#ffffff", "#171b22"],
  ["viz-halo", "stroke", "#ffffff", "#171b22"],
  ["viz-ring", "stroke", "#1c2230", "#f4f6f9"],
  ["viz-edge", "stroke", "#8b95a3", "#75808f"],
  ["viz-tip", "fill", "#8b95a3", "#75808f"],
  ["viz-right", "fill", "#2563eb", "#4f8df7"],
  ["viz-wrong", "fill", "#d9480f", "#f08047"],
  ["viz-oncell", "fill", "#ffffff", "#0d1117"],
];

/** [class, fill, stroke, dark fill, dark stroke] of the boxes of a graph. */
const BOXES: readonly (readonly [string, string, string, string, string])[] = [
  ["viz-op", "#f1f4f8", "#aab4c2", "#232a34", "#566171"],
  ["viz-leaf", "#dcecff", "#5f9be6", "#173357", "#4d86cc"],
  ["viz-root", "#dff5e5", "#4fb274", "#16402a", "#45a26b"],
  ["viz-more", "#fff4dc", "#d8a53a", "#3d3015", "#b98d34"],
];

function rules(dark: boolean): string {
  const css: string[] = [];
  for (const [name, property, light, night] of ROLES) css.push(`.${name}{${property}:${dark ? night : light}}`);
  for (const [name, fill, stroke, nightFill, nightStroke] of BOXES) {
    css.push(`.${name}{fill:${dark ? nightFill : fill};stroke:${dark ? nightStroke : stroke}}`);
  }
  SERIES.forEach(([light, night], i) => {
    const colour = dark ? night : light;
    css.push(`.viz-f${i}{fill:${colour}}.viz-s${i}{stroke:${colour}}`);
  });
  return css.join("");
}

/** The style sheet that every picture carries. */
export const stylesheet: string =
  ".viz{font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;font-size:12px;max-width:100%;height:auto}" +
  ".viz text{stroke:none}.viz-title{font-size:14px;font-weight:600}.viz-line{fill:none;stroke-width:2;" +
  "stroke-linejoin:round;stroke-linecap:round}" +
  `${rules(false)}@media (prefers-color-scheme:dark){${rules(true)}}`;

/** The class that fills with the colour of series `i`. */
export function fillClass(i: number): string {
  return `viz-f${i % SERIES_COUNT}`;
}

/** The class that strokes with the colour of series `i`. */
export function strokeClass(i: number): string {
  return `viz-s${i % SERIES_COUNT}`;
}
