/** Wiring: the bench, the views, and the service between them. */

import { answerOf, nothingYet, refusal } from "./answer.js";
import { Api, Problem } from "./api.js";
import { offerModels, openSheet } from "./bench.js";
import { byId, el } from "./dom.js";
import { showGrid } from "./grid.js";
import { openIntake } from "./intake.js";
import { Newest } from "./newest.js";
import { watch } from "./notice.js";
import { resultsOf, showResults } from "./results.js";
import { Zoo } from "./zoo.js";

/** @typedef {import("./picture.js").Picture} Picture */

/**
 * @typedef {object} View what a view may do beside being there
 * @property {() => void} [show] whenever it comes to the front
 * @property {(pictures: Picture[]) => void} [take] pictures that came in while it was there
 */

/** @type {Record<string, () => Promise<{ open: (root: HTMLElement, page: Page) => View }>>} loaded when first shown */
const LATER = {
  read: () => import("./read.js"),
  compare: () => import("./compare.js"),
  models: () => import("./models.js"),
  developers: () => import("./developers.js"),
};

export class Page {
  api = new Api();
  answering = new Newest();
  batch = new Newest();
  sampling = new Newest();
  /** @type {Picture | null} the picture that is being looked at */
  current = null;
  /** @type {import("./api.js").Call | null} the call that can be repeated by code */
  lastCall = null;
  /** @type {Picture[]} those of the grid */
  samples = [];
  /** @type {Promise<void>} settled once they are there, or were refused */
  sampled = Promise.resolve();
  /** @type {Map<string, View>} */
  views = new Map();

  constructor() {
    watch(this.api);
    this.api.addEventListener("call", (event) => (this.lastCall = /** @type {CustomEvent} */ (event).detail));
    this.zoo = Zoo.load(this.api);
    const tools = { canvas: byId("canvas"), undo: byId("undo"), clear: byId("clear"), thickness: byId("thickness") };
    openSheet(tools, (picture) => this.receive([picture]), () => this.forget());
    openIntake((pictures) => this.receive(pictures));
    byId("answer").append(nothingYet());
    this.frameSamples();
    addEventListener("hashchange", () => this.route());
    this.route();
  }

  /** Show the view that the address names. */
  async route() {
    const name = location.hash.slice(1) in LATER ? location.hash.slice(1) : "draw";
    document.body.dataset.view = name;
    for (const link of document.querySelectorAll("nav a")) {
      if (link.getAttribute("href") === `#${name}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (name in LATER && !this.views.has(name)) this.views.set(name, (await LATER[name]()).open(byId(name), this));
    this.views.get(name)?.show?.();
  }

  /**
   * Pictures from anywhere, for the view that is there.
   * @param {Picture[]} pictures
   */
  receive(pictures) {
    const view = this.views.get(document.body.dataset.view ?? "");
    this.current = pictures[0];
    if (view?.take) view.take(pictures);
    else this.take(pictures);
  }

  /**
   * Answer one picture, or list the results of many.
   * @param {Picture[]} pictures
   */
  async take(pictures) {
    location.hash = "draw";
    this.look(pictures[0]);
    byId("results").hidden = true;
    this.batch.stop();
    if (pictures.length === 1) return;
    const path = (await this.zoo).answerPath(await this.model());
    await this.batch.run((signal) =>
      showResults(byId("results"), pictures, resultsOf(this.api, path, pictures, signal), (picture) => this.look(picture)));
  }

  /**
   * Answer one picture.
   * @param {Picture} picture
   */
  async look(picture) {
    const root = byId("answer");
    await this.answering.run(async (signal) => {
      root.ariaBusy = "true";
      try {
        root.replaceChildren(await this.answer(picture, signal));
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        root.replaceChildren(refusal(error));
      }
      root.ariaBusy = "false";
    });
  }

  /** Nothing is looked at any more. */
  forget() {
    this.answering.stop();
    this.current = null;
    byId("answer").replaceChildren(nothingYet());
  }

  /**
   * @param {Picture} picture
   * @param {AbortSignal} signal
   */
  async answer(picture, signal) {
    const [zoo, model] = [await this.zoo, await this.model()];
    const answer = await this.api.send(zoo.predictPath(model), [picture], { signal });
    return answerOf({ picture, answer, prediction: answer.predictions[0], labels: zoo.labels(model), api: this.api });
  }

  /** @returns {Promise<string>} the name of the model that is chosen */
  async model() {
    return byId("model").value || (await this.zoo).default;
  }

  frameSamples() {
    const body = el("div", { className: "sampled" });
    const more = el("button", { type: "button", id: "more", onclick: () => (this.sampled = this.sample(body)) }, "Another 25");
    byId("samples").append(el("div", { className: "title" }, el("h2", {}, "Real handwriting"), more), body);
    this.sampled = this.zoo.then((zoo) => {
      offerModels(zoo, () => this.current && this.look(this.current));
      return this.sample(body);
    });
  }

  /** @param {HTMLElement} body */
  async sample(body) {
    const path = (await this.zoo).answerPath(await this.model());
    const desk = { api: this.api, path, pick: (/** @type {Picture} */ picture) => this.receive([picture]) };
    try {
      await this.sampling.run(async (signal) => void (this.samples = await showGrid(body, desk, signal)));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      body.replaceChildren(refusal(error));
    }
  }
}

new Page();
