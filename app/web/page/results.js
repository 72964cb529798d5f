/** Many pictures: sent a few at a time, each with a result of its own. */

import { el } from "./dom.js";
import { bitmapOf, paint } from "./picture.js";
import { because, counted, percent } from "./words.js";

const MOST_FILES = 8;
const MOST_BYTES = 8e6;
const THUMB_SIDE = 112;

/**
 * Pictures in groups that one request may carry; what is too large by itself goes alone and hears so.
 * @param {import("./picture.js").Picture[]} pictures
 */
export function* groups(pictures) {
  let group = [];
  let bytes = 0;
  for (const picture of pictures) {
    if (group.length && (group.length === MOST_FILES || bytes + picture.blob.size > MOST_BYTES)) {
      yield group;
      [group, bytes] = [[], 0];
    }
    group.push(picture);
    bytes += picture.blob.size;
  }
  if (group.length) yield group;
}

/**
 * Results in the order of the pictures.
 * @param {import("./api.js").Api} api
 * @param {string} path
 * @param {import("./picture.js").Picture[]} pictures
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<{ picture: import("./picture.js").Picture, result: any, answer: any }>} ``result`` as in a batch
 */
export async function* resultsOf(api, path, pictures, signal) {
  for (const group of groups(pictures)) {
    let answer;
    let results;
    try {
      answer = await api.send(path, group, { signal });
      results = answer.predictions;
    } catch (problem) {
      if (signal.aborted) throw problem;
      results = group.map(() => ({ status: "error", problem }));
    }
    for (const [index, picture] of group.entries()) yield { picture, result: results[index], answer };
  }
}

/**
 * Show them as they come.
 * @param {HTMLElement} root
 * @param {import("./picture.js").Picture[]} pictures
 * @param {AsyncIterable<{ picture: import("./picture.js").Picture, result: any }>} results
 * @param {(picture: import("./picture.js").Picture) => void} onPick
 */
export async function showResults(root, pictures, results, onPick) {
  const progress = el("progress", { max: pictures.length, value: 0, "aria-label": "Pictures that have their result" });
  const summary = el("p", { role: "status" }, `Reading ${counted(pictures.length, "picture")}…`);
  const list = el("ul", { className: "results" });
  root.replaceChildren(el("h2", {}, "Results"), summary, progress, list);
  root.hidden = false;
  const counts = { read: 0, unsure: 0, refused: 0 };
  for await (const { picture, result } of results) {
    counts[result.status === "error" ? "refused" : result.abstained ? "unsure" : "read"] += 1;
    list.append(await row(picture, result, onPick));
    progress.value += 1;
  }
  progress.remove();
  summary.textContent = `${counts.read} read, ${counts.unsure} not sure, ${counts.refused} refused.`;
}

/**
 * @param {import("./picture.js").Picture} picture
 * @param {any} result
 * @param {(picture: import("./picture.js").Picture) => void} onPick
 */
async function row(picture, result, onPick) {
  const refused = result.status === "error";
  const name = el("span", { className: "name" }, picture.name);
  const words = refused
    ? el("span", { className: "bad" }, result.problem.title)
    : el("span", {}, result.abstained ? because(result.reason) : `${percent(result.probability)} sure`);
  const digit = el("span", { className: "digit" }, refused ? "–" : (result.label ?? "?"));
  const title = refused ? result.problem.detail : "Show this picture";
  const button = { type: "button", title, onclick: () => onPick(picture) };
  return el("li", {}, el("button", button, await thumb(picture), digit, el("span", { className: "words" }, name, words)));
}

/** @param {import("./picture.js").Picture} picture */
async function thumb(picture) {
  const canvas = el("canvas", { className: "thumb", "aria-hidden": "true", width: THUMB_SIDE, height: THUMB_SIDE });
  const bitmap = await bitmapOf(picture);
  if (bitmap) paint(canvas, bitmap, THUMB_SIDE);
  bitmap?.close();
  return canvas;
}
