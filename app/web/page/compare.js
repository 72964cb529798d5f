/** The same picture through every model that is loaded. */

import { refusal } from "./answer.js";
import { Problem } from "./api.js";
import { bars } from "./bars.js";
import { el } from "./dom.js";
import { Newest } from "./newest.js";
import { bitmapOf, paint } from "./picture.js";
import { groups } from "./results.js";
import { Tally, majority } from "./tally.js";
import { because, counted, milliseconds, percent } from "./words.js";

const SHOWN_LABELS = 3;
const SHOWN_DISPUTES = 12;
const THUMB_SIDE = 96;

/**
 * @param {HTMLElement} root
 * @param {import("./main.js").Page} page
 */
export function open(root, page) {
  return new Comparison(root, page);
}

class Comparison {
  #asking = new Newest();
  #tally = new Tally();
  #duel = el("div", { className: "duel" });
  #session = el("div", { className: "session" });

  /**
   * @param {HTMLElement} root
   * @param {import("./main.js").Page} page
   */
  constructor(root, page) {
    this.page = page;
    const run = el("button", { type: "button", className: "primary", onclick: () => page.sampled.then(() => this.take(page.samples)) }, "Compare on the 25 samples");
    const reset = el("button", { type: "button", onclick: () => this.#reset() }, "Start over");
    root.append(
      el("div", { className: "title" }, el("h2", {}, "Every model, side by side"), el("div", { className: "tools" }, run, reset)),
      this.#duel,
      this.#session,
    );
    this.#reset();
    if (page.current) this.take([page.current]);
  }

  /** @param {import("./picture.js").Picture[]} pictures */
  async take(pictures) {
    const { models } = await this.page.zoo;
    await this.#asking.run(async (signal) => {
      for (const group of groups(pictures)) {
        try {
          await this.#ask(group, models, signal);
        } catch (problem) {
          if (!(problem instanceof Problem)) throw problem;
          this.#duel.replaceChildren(refusal(problem));
        }
      }
    });
  }

  #reset() {
    this.#tally.clear();
    this.#duel.replaceChildren(el("p", {}, "Write a digit, drop pictures, or pick a sample: every loaded model answers it here."));
    this.#session.replaceChildren();
  }

  /**
   * @param {import("./picture.js").Picture[]} pictures
   * @param {any[]} models
   * @param {AbortSignal} signal
   */
  async #ask(pictures, models, signal) {
    const zoo = await this.page.zoo;
    const answers = await Promise.all(models.map(({ name }) => this.page.api.send(zoo.predictPath(name), pictures, { signal })));
    for (const [index, picture] of pictures.entries()) {
      const results = answers.map((answer) => answer.predictions[index]);
      if (results.some((result) => result.status === "error")) continue;
      const said = new Map(models.map(({ name }, place) => [name, results[place].top_k[0].label]));
      const spent = new Map(models.map(({ name }, place) => [name, answers[place].timings_ms.inference / pictures.length]));
      this.#tally.add({ picture, said, spent });
      const most = majority(said);
      this.#duel.replaceChildren(...models.map((model, place) => corner(model, results[place], spent.get(model.name) ?? 0, most, picture)));
    }
    await this.#sum(models);
  }

  /** @param {any[]} models */
  async #sum(models) {
    const all = this.#tally.pictures;
    const disputed = this.#tally.disputed;
    const head = ["Model", "With the majority", "Right where known", "Median time"];
    const rows = models.map(({ name }) => {
      const { agreed, right, known, median } = this.#tally.of(name);
      const cells = [`${agreed} of ${all}`, known ? `${right} of ${known}` : "–", milliseconds(median)];
      return el("tr", {}, el("th", { scope: "row" }, name), ...cells.map((words) => el("td", {}, words)));
    });
    const thumbs = await Promise.all(disputed.slice(0, SHOWN_DISPUTES).map((entry) => dispute(entry)));
    this.#session.replaceChildren(
      el("h3", {}, "This session"),
      el("p", { role: "status" }, `All agree on ${all - disputed.length} of ${counted(all, "picture")}.`),
      el("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "Agreement of the models" },
        el("table", { className: "sheet" },
          el("thead", {}, el("tr", {}, ...head.map((words) => el("th", { scope: "col" }, words)))),
          el("tbody", {}, ...rows))),
      ...(thumbs.length ? [el("h3", {}, "Where they disagree"), el("ul", { className: "disputes" }, ...thumbs)] : []),
    );
  }
}

/**
 * @param {any} model
 * @param {any} result
 * @param {number} ms
 * @param {string} most what the majority said
 * @param {import("./picture.js").Picture} picture
 */
function corner({ name, manifest }, result, ms, most, picture) {
  const [best] = result.top_k;
  const differs = best.label !== most;
  const mark = picture.truth !== undefined && el("small", {}, best.label === picture.truth ? "✓" : "✗");
  // A vision transformer sees 49 patches of 4×4 pixels.
  const patched = /\bvit\b/.test(`${name} ${manifest.source.recipe}`);
  const image = el("img", { className: "pixels", src: result.preview.image, alt: `What ${name} saw${patched ? ", in 7×7 patches" : ""}` });
  const shown = result.top_k.slice(0, SHOWN_LABELS);
  return el(
    "article",
    { className: differs ? "corner differs" : "corner", "aria-label": name },
    el("h3", {}, name, differs && el("span", { className: "tag" }, "differs")),
    el("div", { className: "pair" }, el("p", { className: "digit" }, best.label, mark), el("div", { className: patched ? "patches" : "" }, image)),
    el("p", {}, result.abstained ? because(result.reason) : `${percent(best.probability)} sure`),
    bars(shown.map((/** @type {any} */ { label }) => label), shown),
    el("p", { className: "by" }, milliseconds(ms)),
  );
}

/** @param {import("./tally.js").Entry} entry */
async function dispute({ picture, said }) {
  const canvas = el("canvas", { className: "thumb", role: "img", "aria-label": picture.name });
  const bitmap = await bitmapOf(picture);
  if (bitmap) paint(canvas, bitmap, THUMB_SIDE);
  const words = [...said].map(([name, label]) => `${name} ${label}`).join(" · ");
  return el("li", {}, canvas, el("span", {}, words, picture.truth !== undefined && ` (written as ${picture.truth})`));
}
