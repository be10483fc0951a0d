/**
 * How objects show in consoles: as their text, not as their fields.
 */

/** Makes `console.log` in Node show instances of a class as `String(instance)`. */
export function showAsText(prototype: object): void {
  Object.defineProperty(prototype, Symbol.for("nodejs.util.inspect.custom"), {
    value(this: object) {
      return String(this);
    },
    configurable: true,
  });
}
