/** Samples of handwriting whose labels are known, and what the model makes of them. */

import { el } from "./dom.js";
import { ofDataUri } from "./picture.js";
import { because, percent } from "./words.js";

const COUNT = 25;

/**
 * @typedef {object} Desk what the grid needs of the page
 * @property {import("./api.js").Api} api
 * @property {string} path that asks the model that is chosen
 * @property {(picture: import("./picture.js").Picture) => void} pick
 */

/**
 * Fetch samples and read them all in one request.
 * @param {HTMLElement} root
 * @param {Desk} desk
 * @param {AbortSignal} signal
 * @returns {Promise<import("./picture.js").Picture[]>}
 */
export async function showGrid(root, desk, signal) {
  const { origin, samples } = await desk.api.ask(`v1/samples?count=${COUNT}`, { signal });
  const pictures = samples.map(({ image, label }, /** @type {number} */ index) => ofDataUri(image, `sample-${index}.png`, label));
  const tiles = samples.map(({ image }, /** @type {number} */ index) => tile(image, pictures[index], desk));
  const score = el("p", { className: "score", role: "status" }, "Reading…");
  const hint = el("p", {}, "Each corner shows the answer: green is right, red is wrong, amber is not sure. Pick one to look closer.");
  const about = el("div", {}, score, hint, el("p", { className: "hint" }, `From ${origin}.`));
  root.replaceChildren(el("ul", { className: "grid" }, ...tiles), about);
  const { predictions } = await desk.api.send(desk.path, pictures, { signal, unasked: true });
  predictions.forEach((/** @type {any} */ result, /** @type {number} */ index) => judge(tiles[index], pictures[index], result));
  const count = (/** @type {string} */ verdict) => tiles.filter((item) => item.className === verdict).length;
  score.textContent = `${count("right")} of ${tiles.length} right, ${count("wrong")} wrong, ${count("unsure")} not sure`;
  return pictures;
}

/**
 * @param {string} image
 * @param {import("./picture.js").Picture} picture
 * @param {Desk} desk
 */
function tile(image, picture, desk) {
  const shown = el("img", { src: image, alt: `A handwritten ${picture.truth}` });
  return el("li", {}, el("button", { type: "button", onclick: () => desk.pick(picture) }, shown));
}

/**
 * @param {HTMLElement} item
 * @param {import("./picture.js").Picture} picture
 * @param {any} result
 */
function judge(item, picture, result) {
  const refused = result.status === "error";
  const verdict = refused || result.abstained ? "unsure" : result.label === picture.truth ? "right" : "wrong";
  const words = refused ? result.problem.title : result.abstained ? because(result.reason) : percent(result.probability);
  const label = refused ? "–" : (result.label ?? "?");
  item.className = verdict;
  const mark = { right: "✓", wrong: "✗", unsure: "?" }[verdict];
  item.firstElementChild?.append(el("span", { className: "mark" }, verdict === "unsure" ? "?" : `${label} ${mark}`));
  item.title = `Read as ${label}: ${words}`;
}
