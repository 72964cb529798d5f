/** What the model saw, as numbers. */

import { el } from "./dom.js";

const SIDE = 28;
const LIGHT = 140;

/** @param {string} uri of the 28×28 picture */
export async function showValues(uri) {
  const values = await valuesOf(uri);
  const rows = Array.from({ length: SIDE }, (_, row) =>
    el("tr", {}, ...values.slice(row * SIDE, (row + 1) * SIDE).map(cell)));
  const table = el("table", { className: "values" }, el("tbody", {}, ...rows));
  const dialog = el(
    "dialog",
    { "aria-label": "Pixel values" },
    el("h2", {}, "The 784 numbers that the model saw"),
    el("p", {}, "0 is paper, 255 is ink."),
    el("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "28 rows of 28 values" }, table),
    el("form", { method: "dialog", className: "tools" }, el("button", { className: "primary" }, "Close")),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** @param {number} value 0 to 255 */
function cell(value) {
  const td = el("td", {}, value);
  td.style.backgroundColor = `rgb(${value} ${value} ${value})`;
  td.style.color = value < LIGHT ? "#fff" : "#000";
  return td;
}

/**
 * @param {string} uri
 * @returns {Promise<number[]>}
 */
async function valuesOf(uri) {
  const image = el("img", { src: uri });
  await image.decode();
  const context = new OffscreenCanvas(SIDE, SIDE).getContext("2d");
  context?.drawImage(image, 0, 0);
  const rgba = context?.getImageData(0, 0, SIDE, SIDE).data ?? [];
  return Array.from({ length: SIDE * SIDE }, (_, place) => rgba[place * 4]);
}
