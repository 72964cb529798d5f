/** A number: its picture with a box around each digit, which can be corrected. */

import { refusal } from "./answer.js";
import { Problem } from "./api.js";
import { openSheet } from "./bench.js";
import { Corrections } from "./corrections.js";
import { download, el } from "./dom.js";
import { chooseWith } from "./intake.js";
import { Newest } from "./newest.js";
import { bitmapOf, ofFile, paint } from "./picture.js";
import { counted, milliseconds, percent } from "./words.js";

const PICTURE_SIDE = 1100;

/**
 * @param {HTMLElement} root
 * @param {import("./main.js").Page} page
 */
export function open(root, page) {
  return new Reader(root, page);
}

class Reader {
  #reading = new Newest();
  #corrections = new Corrections();
  #result = el("section", { className: "card", id: "reading", "aria-label": "What it says" });
  #save = el("button", { type: "button", hidden: true, onclick: () => this.#download() });

  /**
   * @param {HTMLElement} root
   * @param {import("./main.js").Page} page
   */
  constructor(root, page) {
    this.page = page;
    const files = el("input", { type: "file", id: "number-file", accept: "image/*" });
    const tools = {
      canvas: el("canvas", { id: "strip", width: 840, height: 336, role: "img", "aria-label": "Drawing area: write a number" }),
      undo: el("button", { type: "button", disabled: true }, "Undo"),
      clear: el("button", { type: "button", disabled: true }, "Clear"),
      thickness: el("input", { type: "range", min: 8, max: 36, value: 20, step: 2 }),
    };
    root.append(top(tools, files), this.#result);
    chooseWith(files, (chosen) => this.take(Array.from(chosen, ofFile)));
    openSheet(tools, (picture) => this.take([picture]), () => this.#empty());
    this.#empty();
  }

  /** @param {import("./picture.js").Picture[]} pictures of which the first is read */
  async take([picture]) {
    this.#result.ariaBusy = "true";
    await this.#reading.run(async (signal) => {
      try {
        const model = await this.page.model();
        const query = new URLSearchParams({ model });
        const answer = await this.page.api.send(`v1/read?${query}`, [picture], { field: "file", signal });
        await this.#show(picture, answer, (await this.page.zoo).labels(model));
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        this.#result.replaceChildren(refusal(problem));
      }
      this.#result.ariaBusy = "false";
    });
  }

  #empty() {
    this.#reading.stop();
    this.#result.replaceChildren(el("p", { className: "hint" }, "The number appears here, with a box around each digit."), this.#save);
  }

  /**
   * @param {import("./picture.js").Picture} picture
   * @param {any} answer
   * @param {string[]} labels
   */
  async #show(picture, answer, labels) {
    const bitmap = await bitmapOf(picture);
    const text = el("p", { className: "text", id: "text" });
    const write = () => (text.textContent = answer.lines.map((/** @type {any} */ line) =>
      line.digits.map((/** @type {any} */ digit) => digit.corrected ?? digit.label).join("")).join("\n"));
    write();
    const sure = `${counted(answer.digits.length, "digit")}, ${percent(answer.probability)} sure of all · ${milliseconds(answer.timings_ms.total)}`;
    const onChange = (/** @type {any} */ digit, /** @type {string} */ label) => {
      this.#correct(digit, label, bitmap);
      write();
    };
    this.#result.replaceChildren(
      text,
      el("p", { className: "by", role: "status" }, sure),
      bitmap ? boxed(bitmap, answer, labels, onChange) : el("p", {}, "Your browser cannot show this kind of picture."),
      el("p", { className: "hint" }, "Point at a digit to see how sure it is; pick it to correct it. Corrections stay in this tab until you save them."),
      this.#save,
    );
  }

  /**
   * @param {any} digit of the answer
   * @param {string} label
   * @param {ImageBitmap | null} bitmap
   */
  #correct(digit, label, bitmap) {
    digit.corrected = label;
    if (label === digit.label || !bitmap) this.#corrections.drop(digit);
    else this.#corrections.keep(digit, label, bitmap, digit.box);
    this.#save.hidden = this.#corrections.count === 0;
    this.#save.textContent = `Save ${counted(this.#corrections.count, "correction")} for training`;
  }

  async #download() {
    download(await this.#corrections.folder(), "corrections.zip");
  }
}

/**
 * @param {Parameters<typeof openSheet>[0]} tools
 * @param {HTMLInputElement} files
 */
function top({ canvas, undo, clear, thickness }, files) {
  const choose = el("label", { className: "button" }, "Choose a picture", files);
  const row = el("div", { className: "tools" }, undo, clear, el("label", {}, "Pen ", thickness), choose);
  const lead = "Write one here, or drop, paste or choose a photograph: a house number, an amount, a column of figures.";
  return el("section", { className: "card stack" }, el("h1", {}, "Read a number"), el("p", {}, lead), canvas, row);
}

/**
 * @param {ImageBitmap} bitmap
 * @param {any} answer
 * @param {string[]} labels
 * @param {(digit: any, label: string) => void} onChange
 */
function boxed(bitmap, answer, labels, onChange) {
  const canvas = el("canvas", { role: "img", "aria-label": "The picture that was read" });
  paint(canvas, bitmap, PICTURE_SIDE);
  // Of the answer's lines, not of its flat list: a correction has to reach the text.
  const digits = answer.lines.flatMap((/** @type {any} */ line) => line.digits);
  const boxes = digits.map((/** @type {any} */ digit) => box(digit, bitmap, labels, onChange));
  return el("div", { className: "boxed" }, canvas, ...boxes);
}

/**
 * @param {any} digit
 * @param {ImageBitmap} bitmap
 * @param {string[]} labels
 * @param {(digit: any, label: string) => void} onChange
 */
function box(digit, bitmap, labels, onChange) {
  const [x, y, width, height] = digit.box;
  const tip = el("span", { className: "tip" });
  const button = el("button", { type: "button", className: "box" }, tip);
  const tell = () => {
    const label = digit.corrected ?? digit.label;
    const words = digit.corrected ? "corrected" : percent(digit.probability);
    tip.textContent = `${label} · ${words}`;
    button.ariaLabel = `${label}, ${words}. Correct it`;
    button.classList.toggle("corrected", Boolean(digit.corrected));
  };
  Object.assign(button.style, {
    left: `${(x / bitmap.width) * 100}%`,
    top: `${(y / bitmap.height) * 100}%`,
    width: `${(width / bitmap.width) * 100}%`,
    height: `${(height / bitmap.height) * 100}%`,
  });
  button.addEventListener("click", async () => {
    const label = await choice(digit, labels);
    if (label) onChange(digit, label);
    tell();
  });
  tell();
  return button;
}

/**
 * @param {any} digit
 * @param {string[]} labels
 * @returns {Promise<string>} what it really is; empty if nothing was chosen
 */
async function choice(digit, labels) {
  const buttons = labels.map((label) => el("button", { value: label, className: label === digit.label ? "primary" : "" }, label));
  const ranked = digit.top_k.map((/** @type {any} */ { label, probability }) => `${label} ${percent(probability)}`).join(" · ");
  const dialog = el(
    "dialog",
    { "aria-label": "Correct a digit" },
    el("h2", {}, "What is it really?"),
    el("p", { className: "hint" }, ranked),
    el("form", { method: "dialog", className: "choice" }, ...buttons),
    el("form", { method: "dialog", className: "tools" }, el("button", { value: "" }, "Leave it")),
  );
  document.body.append(dialog);
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  dialog.remove();
  return dialog.returnValue;
}
