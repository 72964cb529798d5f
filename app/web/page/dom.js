/** Elements by code. Text is always text: nothing here, or on the page, makes markup of a string. */

/**
 * Make an element.
 * @param {string} tag
 * @param {Record<string, any>} [properties] DOM properties; names with a dash are attributes; false and null are left out
 * @param {...(Node | string | number | null | undefined | false)} children
 * @returns {any} the element
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.includes("-") || name === "role") element.setAttribute(name, String(value));
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false).map(node));
  return element;
}

/** @param {Node | string | number} child */
function node(child) {
  return typeof child === "number" ? String(child) : child;
}

/**
 * @param {string} id
 * @returns {any}
 */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * Let the browser save some bytes as a file.
 * @param {Blob} blob
 * @param {string} name
 */
export function download(blob, name) {
  const url = URL.createObjectURL(blob);
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
