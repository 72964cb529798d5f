/** All ways in but the sheet: files chosen, dropped, pasted or photographed. */

import { byId } from "./dom.js";
import { ofFile } from "./picture.js";

/** @param {(pictures: import("./picture.js").Picture[]) => void} take */
export function openIntake(take) {
  /** @param {Iterable<File>} files */
  const accept = (files) => {
    const pictures = Array.from(files, ofFile);
    if (pictures.length) take(pictures);
  };
  chooseWith(byId("files"), accept);
  dropAnywhere(accept);
  document.addEventListener("paste", (event) => accept(event.clipboardData?.files ?? []));
  byId("camera").addEventListener("click", async () => {
    const { photograph } = await import("./camera.js");
    const picture = await photograph();
    if (picture) take([picture]);
  });
}

/**
 * @param {HTMLInputElement} input
 * @param {(files: Iterable<File>) => void} accept
 */
export function chooseWith(input, accept) {
  input.addEventListener("change", () => {
    accept(Array.from(input.files ?? []));
    input.value = "";
  });
}

/** @param {(files: Iterable<File>) => void} accept */
function dropAnywhere(accept) {
  let over = 0;
  /** @param {number} change */
  const count = (change) => {
    over = Math.max(0, over + change);
    document.body.classList.toggle("dropping", over > 0);
  };
  document.addEventListener("dragenter", () => count(1));
  document.addEventListener("dragleave", () => count(-1));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    count(-over);
    accept(event.dataTransfer?.files ?? []);
  });
}
