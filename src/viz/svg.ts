/** SVG as text: elements, escaping, numbers and the frame of an accessible picture. */

import { stylesheet } from "./theme.ts";

/** What every picture takes. */
export interface PictureOptions {
  /** The headline; also the name that a screen reader says. */
  title?: string;
  /** A sentence for screen readers; each picture has a fitting one of its own. */
  description?: string;
  /** Width in CSS pixels. */
  width?: number;
  /** Height in CSS pixels. */
  height?: number;
}

/** Attributes of an element; undefined ones are left out, numbers are rounded to hundredths. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** `text` made safe for element content and attribute values; characters that XML forbids are replaced. */
export function escapeText(text: string): string {
  let safe = "";
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (character === "&") safe += "&amp;";
    else if (character === "<") safe += "&lt;";
    else if (character === ">") safe += "&gt;";
    else if (character === '"') safe += "&quot;";
    else if (character === "'") safe += "&#39;";
    else if (isForbidden(code)) safe += "\ufffd";
    else safe += character;
  }
  return safe;
}

/** Control characters, lone surrogates and the two non-characters: no XML document may hold them, even escaped. */
function isForbidden(code: number): boolean {
  if (code < 32) return code !== 9 && code !== 10 && code !== 13;
  return (code >= 0xd800 && code <= 0xdfff) || code === 0xfffe || code === 0xffff;
}

/** A coordinate as text, to a hundredth of a pixel. A picture never holds NaN or an infinity: that is an error here. */
export function coordinate(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`a picture cannot hold the coordinate ${value}`);
  const rounded = Math.round(value * 100) / 100;
  return String(Object.is(rounded, -0) ? 0 : rounded);
}

/** The element `name`; children are markup already (texts go through {@link escapeText}). */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  let tag = `<${name}`;
  for (const key in attributes) {
    const value = attributes[key];
    if (value !== undefined) tag += ` ${key}="${typeof value === "number" ? coordinate(value) : escapeText(value)}"`;
  }
  return children.length === 0 ? `${tag}/>` : `${tag}>${children.join("")}</${name}>`;
}

/** A text element at (x, y). */
export function label(x: number, y: number, text: string, attributes: Attributes = {}): string {
  return element("text", { x, y, ...attributes }, escapeText(text));
}

/** The outermost element: sizes, style sheet, and the names that assistive technology reads. */
export function picture(
  width: number,
  height: number,
  title: string,
  description: string,
  ...children: readonly string[]
): string {
  return element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      class: "viz",
      role: "img",
      "aria-label": title === "" ? description : `${title}. ${description}`,
      width,
      height,
      viewBox: `0 0 ${coordinate(width)} ${coordinate(height)}`,
    },
    element("title", {}, escapeText(title === "" ? description : title)),
    element("desc", {}, escapeText(description)),
    element("style", {}, stylesheet),
    ...children,
  );
}

/** About how wide `text` is drawn at `size` pixels in a sans-serif face; wide scripts count double. */
export function textWidth(text: string, size: number): number {
  let units = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code >= 0x1100 && (code <= 0x115f || (code >= 0x2e80 && code <= 0xd7a3) || code >= 0xf900)) units += 1;
    else if ("iljtf.,:;'|!()[] ".includes(character)) units += 0.33;
    else if (code >= 65 && code <= 90) units += 0.68;
    else units += 0.6;
  }
  return units * size;
}

/** `text` cut to at most `limit` characters, with an ellipsis when something is missing. */
export function shorten(text: string, limit: number): string {
  const characters = Array.from(text);
  return characters.length <= limit ? text : `${characters.slice(0, Math.max(1, limit - 1)).join("")}…`;
}
