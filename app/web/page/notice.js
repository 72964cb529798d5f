/** Tells how the service is: busy, gone, back, slow, or in want of a key. */

import { byId, el } from "./dom.js";

const SLOW_MS = 400;
const BACK_MS = 3000;

/** @param {import("./api.js").Api} api */
export function watch(api) {
  const notice = byId("notice");
  const waiting = byId("waiting");
  let troubled = false;
  let slow = 0;

  api.addEventListener("waiting", (event) => {
    clearTimeout(slow);
    if (/** @type {CustomEvent} */ (event).detail) slow = setTimeout(() => (waiting.hidden = false), SLOW_MS);
    else waiting.hidden = true;
  });

  api.addEventListener("state", (event) => {
    /** @type {import("./api.js").State} */
    const { kind, text } = /** @type {CustomEvent} */ (event).detail;
    if (kind === "well" && !troubled) return;
    troubled = kind !== "well";
    notice.className = kind;
    if (kind === "well") {
      notice.replaceChildren("The service answers again.");
      setTimeout(() => troubled || notice.replaceChildren(), BACK_MS);
    } else {
      notice.replaceChildren(text ?? "", ...(kind === "key" ? [keyForm(api)] : []));
    }
  });
}

/** @param {import("./api.js").Api} api */
function keyForm(api) {
  const input = el("input", { type: "password", autocomplete: "off", required: true, id: "key" });
  const form = el("form", {}, el("label", { htmlFor: "key" }, "API key"), input, el("button", { type: "submit" }, "Use it"));
  form.addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    api.useKey(input.value);
  });
  return form;
}
