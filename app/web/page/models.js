/** The models: how good each is, what it weighs, and how fast it is here. */

import { Problem } from "./api.js";
import { el } from "./dom.js";
import { ofDataUri } from "./picture.js";
import { bytes, milliseconds } from "./words.js";

const RUNS = 7;

/**
 * @param {HTMLElement} root
 * @param {import("./main.js").Page} page
 */
export function open(root, page) {
  page.zoo.then((zoo) => fill(root, page.api, zoo.models));
  return {};
}

/**
 * @param {HTMLElement} root
 * @param {import("./api.js").Api} api
 * @param {any[]} models
 */
function fill(root, api, models) {
  const head = ["Model", "Test accuracy (95 % interval)", "Calibration error", "Multiply-adds", "Size", "Time here", ""];
  const times = new Map(models.map(({ name }) => [name, el("td", {}, "–")]));
  const table = el(
    "table",
    { className: "sheet" },
    el("thead", {}, el("tr", {}, ...head.map((words) => (words ? el("th", { scope: "col" }, words) : el("td"))))),
    el("tbody", {}, ...models.map((model) => row(api, model, times.get(model.name)))),
  );
  const note = "Accuracy is of the test split, by the same code that serves; the calibration error (ECE) is how far probabilities"
    + " are from the share that is right. Time is the median of one picture's run on this service, now.";
  root.replaceChildren(
    el(
      "div",
      { className: "title" },
      el("h1", {}, "Models that are loaded"),
      el("button", { type: "button", onclick: () => measure(api, models, times) }, "Measure the time here"),
    ),
    el("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "Table of the models" }, table),
    el("p", { className: "hint" }, note),
  );
}

/**
 * @param {import("./api.js").Api} api
 * @param {any} model
 * @param {HTMLElement} time
 */
function row(api, { name, default: isDefault, provider, manifest }, time) {
  const { metrics, cost, version } = manifest;
  const test = metrics.test;
  const about = `version ${version} · ${provider.replace("ExecutionProvider", "")}${isDefault ? " · default" : ""}`;
  const interval = test && test.interval.map((/** @type {number} */ end) => `${(end * 100).toFixed(2)}`).join(" – ");
  const card = async () => (await import("./card.js")).showCard(api, name);
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, name, el("span", { className: "hint" }, about)),
    el("td", {}, test ? `${(test.accuracy * 100).toFixed(2)} % (${interval})` : "not measured"),
    el("td", {}, test ? `${(test.ece * 100).toFixed(2)} %` : "–"),
    el("td", {}, `${(cost.macs / 1e6).toFixed(1)} M`),
    el("td", {}, bytes(cost.bytes)),
    time,
    el("td", {}, el("button", { type: "button", onclick: card, "aria-label": `Card of ${name}` }, "Card")),
  );
}

/**
 * The median time of one picture's run, model by model.
 * @param {import("./api.js").Api} api
 * @param {any[]} models
 * @param {Map<string, HTMLElement>} cells
 */
async function measure(api, models, cells) {
  const { samples } = await api.ask("v1/samples?count=1&seed=0");
  const picture = ofDataUri(samples[0].image, "sample.png");
  for (const { name } of models) {
    const cell = /** @type {HTMLElement} */ (cells.get(name));
    try {
      const path = `v1/predict?${new URLSearchParams({ model: name })}`;
      const spent = [];
      for (let run = 0; run < RUNS; run += 1) {
        const { timings_ms } = await api.send(path, [picture], { unasked: true });
        spent.push(timings_ms.inference);
      }
      cell.textContent = milliseconds(spent.sort((one, other) => one - other)[RUNS >> 1]);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      cell.textContent = problem.title;
    }
  }
}
