/** The sheet, the ways in, and the picture that is being looked at. */

import { Sheet } from "./canvas.js";
import { byId, el } from "./dom.js";

/**
 * Wire a sheet and its tools.
 * @param {{ canvas: HTMLCanvasElement, undo: HTMLButtonElement, clear: HTMLButtonElement, thickness: HTMLInputElement }} tools
 * @param {(picture: import("./picture.js").Picture) => void} onPicture
 * @param {() => void} onBlank
 */
export function openSheet({ canvas, undo, clear, thickness }, onPicture, onBlank) {
  const sheet = new Sheet(canvas);
  sheet.addEventListener("ink", () => onPicture(sheet.picture()));
  sheet.addEventListener("blank", onBlank);
  for (const change of ["ink", "blank"]) {
    sheet.addEventListener(change, () => (undo.disabled = clear.disabled = sheet.isBlank));
  }
  undo.addEventListener("click", () => sheet.undo());
  clear.addEventListener("click", () => sheet.clear());
  thickness.addEventListener("input", () => (sheet.thickness = Number(thickness.value)));
  document.addEventListener("keydown", (event) => {
    const typing = /** @type {HTMLElement} */ (event.target).matches("input:not([type=range]), select, textarea");
    if (event.key === "z" && (event.ctrlKey || event.metaKey) && !typing && canvas.checkVisibility() && !sheet.isBlank) sheet.undo();
  });
}

/**
 * Offer the models where there is a choice.
 * @param {import("./zoo.js").Zoo} zoo
 * @param {() => void} onChange
 */
export function offerModels(zoo, onChange) {
  byId("model").replaceChildren(...zoo.names.map((name) => el("option", { value: name }, name)));
  byId("model-choice").hidden = zoo.names.length < 2;
  byId("model").addEventListener("change", onChange);
}
