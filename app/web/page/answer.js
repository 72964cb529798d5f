/** The answer to one picture, and what led to it. */

import { bars } from "./bars.js";
import { el } from "./dom.js";
import { bitmapOf, paint } from "./picture.js";
import { STAGES, because, milliseconds, percent } from "./words.js";

const PICTURE_SIDE = 360;
// What a spot must take from a probability for its map to show a colour.
const NOTICED = 0.01;

/**
 * @typedef {object} Asked
 * @property {import("./picture.js").Picture} picture
 * @property {any} answer of /v1/predict
 * @property {any} prediction its result for the picture
 * @property {string[]} labels of the model
 * @property {import("./api.js").Api} api
 */

/** What is shown before there is anything to answer. */
export function nothingYet() {
  return el(
    "div",
    { className: "empty" },
    el("h2", {}, "The answer appears here"),
    el("p", {}, "Write a digit, drop a picture, or pick one of the samples below. The answer comes with its probability,",
      " what the model saw, and which pixels decided. Where a model is not sure, it says so."),
  );
}

/** @param {import("./api.js").Problem} problem */
export function refusal(problem) {
  return el("div", { className: "refusal", role: "alert" }, el("h2", {}, problem.title), el("p", {}, problem.detail));
}

/**
 * @param {Asked} asked
 * @returns {Promise<HTMLElement>}
 */
export async function answerOf(asked) {
  const { prediction, labels, answer } = asked;
  const why = el("figure", { className: "why", hidden: true });
  return el(
    "div",
    { className: "answer" },
    verdict(asked),
    el("div", { className: "ranking" }, bars(labels, prediction.top_k, (label) => explain(asked, label, why)),
      el("p", { className: "hint" }, "Pick a digit to see which pixels speak for it.")),
    el("div", { className: "figures" }, await original(asked), seen(prediction.preview), why),
    timings(answer.timings_ms),
  );
}

/** @param {Asked} asked */
function verdict({ prediction, answer, picture }) {
  const [best] = prediction.top_k;
  const { name, version } = answer.model;
  const judged = picture.truth && !prediction.abstained ? (picture.truth === best.label ? " right" : " wrong") : "";
  return el(
    "div",
    { className: `verdict${judged}` },
    el("p", { className: prediction.abstained ? "digit unsure" : "digit", id: "digit" }, prediction.label ?? "?"),
    el(
      "div",
      { role: "status" },
      prediction.abstained
        ? el("p", { className: "sure", id: "reason" }, because(prediction.reason))
        : el("p", { className: "sure" }, el("strong", { id: "probability" }, percent(best.probability)), " sure"),
      prediction.abstained && el("p", {}, `The best guess would be ${best.label}, with ${percent(best.probability)}.`),
      picture.truth && el("p", { className: "truth" }, `It was written as ${picture.truth}.`),
      el("p", { className: "by" }, `${name} version ${version} · ${milliseconds(answer.timings_ms.total)}`),
    ),
  );
}

/**
 * The picture as it came, and where in it the ink was found.
 * @param {Asked} asked
 */
async function original({ picture, prediction }) {
  const bitmap = await bitmapOf(picture);
  if (!bitmap) return null;
  const canvas = el("canvas", { role: "img", "aria-label": "The picture, with a box around the ink that was found" });
  const scale = paint(canvas, bitmap, PICTURE_SIDE);
  const context = canvas.getContext("2d");
  const [x, y, width, height] = prediction.preview.box.map((/** @type {number} */ length) => length * scale);
  context.strokeStyle = "#6366f1";
  context.lineWidth = 4;
  context.strokeRect(x, y, width, height);
  return el("figure", {}, canvas, el("figcaption", {}, picture.name));
}

/** @param {{ image: string, steps: string[] }} preview */
function seen(preview) {
  const image = el("img", { className: "pixels", src: preview.image, alt: "The 28×28 pixels that the model saw" });
  const values = async () => (await import("./pixels.js")).showValues(preview.image);
  return el(
    "figure",
    { id: "seen" },
    image,
    el("figcaption", {}, `What the model saw: ${preview.steps.join(", ")}`),
    el("button", { type: "button", onclick: values }, "Pixel values"),
  );
}

/**
 * @param {Asked} asked
 * @param {string} label
 * @param {HTMLElement} figure where it is shown
 */
async function explain({ api, answer, picture }, label, figure) {
  const query = new URLSearchParams({ model: answer.model.name, label });
  figure.hidden = false;
  try {
    const { overlay, probability, drops } = await api.send(`v1/explain?${query}`, [picture], { field: "file" });
    const alt = `The pixels that the model saw; red where ${label} rests on them`;
    const most = Math.max(...drops.flat().map(Math.abs));
    const how = most < NOTICED
      ? "no one spot decides; it stays as probable with any of them covered"
      : "the redder, the less probable it gets with that spot covered";
    const caption = `Why ${label} (${percent(probability)}): ${how}`;
    figure.replaceChildren(el("img", { className: "pixels", src: overlay, alt }), el("figcaption", {}, caption));
  } catch (problem) {
    figure.replaceChildren(refusal(/** @type {any} */ (problem)));
  }
}

/** @param {Record<string, number>} spent in ms */
function timings(spent) {
  const parts = Object.entries(STAGES).map(([stage, word]) =>
    el("div", {}, el("dt", {}, word), el("dd", {}, milliseconds(spent[stage]))));
  return el("dl", { className: "timings", "aria-label": "Where the time went" }, ...parts);
}
