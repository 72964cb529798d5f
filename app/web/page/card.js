/** A model's card: headings, lists, tables and figures of its Markdown; other marks stay as they are written. */

import { refusal } from "./answer.js";
import { Problem } from "./api.js";
import { el } from "./dom.js";

const FIGURE = /^!\[(.*)\]\(figures\/([\w.-]+)\)$/;
const LINK = /\[([^\]]+)\]\([^)]+\)/g;

/**
 * @param {import("./api.js").Api} api
 * @param {string} name
 */
export async function showCard(api, name) {
  const path = `v1/models/${encodeURIComponent(name)}`;
  const close = el("form", { method: "dialog", className: "tools" }, el("button", { className: "primary" }, "Close"));
  const body = el("div", { className: "scroll prose", tabIndex: 0, role: "region", "aria-label": "Card" });
  const dialog = el("dialog", { "aria-label": `Card of ${name}` }, body, close);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  try {
    const text = await api.ask(`${path}/card`, {}, "text");
    body.append(...blocks(text).map((block) => shown(block, api, path)));
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    body.append(refusal(problem));
  }
}

/**
 * @param {string} text
 * @returns {string[][]} lines that belong together
 */
function blocks(text) {
  return text.split(/\n\s*\n/).map((block) => block.trim().split("\n")).filter(([first]) => first);
}

/**
 * @param {string[]} lines
 * @param {import("./api.js").Api} api
 * @param {string} path of the model
 */
function shown(lines, api, path) {
  const [first] = lines;
  const figure = FIGURE.exec(first);
  if (figure) return figureOf(api, `${path}/figures/${figure[2]}`, figure[1]);
  if (first.startsWith("#")) return el(first.startsWith("##") ? "h3" : "h2", {}, plain(first.replace(/^#+ */, "")));
  if (first.startsWith("|")) return tableOf(lines);
  if (first.startsWith("- ")) return el("ul", {}, ...lines.join(" ").slice(2).split(" - ").map((item) => el("li", {}, plain(item))));
  return el("p", {}, plain(lines.join(" ")));
}

/** @param {string[]} lines */
function tableOf(lines) {
  const rows = lines.filter((line) => !/^\|[\s|:-]+\|$/.test(line)).map((line) => line.slice(1, -1).split("|"));
  const cells = (/** @type {string} */ tag, /** @type {string[]} */ row) => el("tr", {}, ...row.map((cell) => el(tag, {}, plain(cell))));
  const [head, ...others] = rows;
  return el("table", { className: "sheet" }, el("thead", {}, cells("th", head)), el("tbody", {}, ...others.map((row) => cells("td", row))));
}

/**
 * Fetched like all else, as the service may want a key for it.
 * @param {import("./api.js").Api} api
 * @param {string} path
 * @param {string} alt
 */
function figureOf(api, path, alt) {
  const image = el("img", { alt });
  const reader = new FileReader();
  reader.addEventListener("load", () => (image.src = /** @type {string} */ (reader.result)));
  api.ask(path, {}, "blob").then((blob) => reader.readAsDataURL(blob), (problem) => image.replaceWith(refusal(problem)));
  return image;
}

/** @param {string} text */
function plain(text) {
  return text.replace(LINK, "$1").replaceAll("**", "").replaceAll("`", "").trim();
}
