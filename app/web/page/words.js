/** How numbers and reasons are said. */

/** @type {Record<string, string>} */
const REASONS = {
  not_a_digit: "This does not look like a digit.",
  ambiguous: "This could be either of two digits.",
  several_digits: "There are several digits here. “Read a number” reads them all.",
};

/** @type {Record<string, string>} */
export const STAGES = { decode: "decode", preprocess: "frame", queue: "queue", inference: "inference" };

/**
 * Why a model abstained, in words.
 * @param {string} reason
 */
export function because(reason) {
  return REASONS[reason] ?? reason;
}

/**
 * A share as people read it: never 100 % unless it is all.
 * @param {number} share 0 to 1
 */
export function percent(share) {
  const digits = share > 0.9995 ? 2 : 1;
  const shown = share < 1 ? Math.min(share * 100, 99.99) : 100;
  return `${shown.toFixed(digits)} %`;
}

/** @param {number} ms */
export function milliseconds(ms) {
  return `${ms < 10 ? ms.toFixed(ms < 1 ? 2 : 1) : Math.round(ms)} ms`;
}

/** @param {number} bytes */
export function bytes(bytes) {
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/**
 * @param {number} count
 * @param {string} noun
 */
export function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
