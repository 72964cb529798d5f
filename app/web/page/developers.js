/** The call that was just made, in three languages, and where the rest is told. */

import { codeOf } from "./calls.js";
import { download, el } from "./dom.js";

const EXAMPLE = { path: "v1/predict", field: "files", pictures: [{ name: "digit.png", blob: new Blob() }] };

/**
 * @param {HTMLElement} root
 * @param {import("./main.js").Page} page
 */
export function open(root, page) {
  return { show: () => fill(root, page) };
}

/**
 * @param {HTMLElement} root
 * @param {import("./main.js").Page} page
 */
function fill(root, page) {
  const call = page.lastCall ?? EXAMPLE;
  const code = Object.entries(codeOf(call, document.baseURI, page.api.hasKey));
  const lead = page.lastCall ? "This is what the page asked last, as code." : "Ask the service for something, and it stands here as code.";
  root.replaceChildren(
    el("section", { className: "card" }, el("h1", {}, "Call it yourself"), el("p", {}, lead), saves(page.lastCall), ...code.map(snippet)),
    el("section", { className: "card" }, el("h2", {}, "And the rest"), links()),
  );
}

/** @param {import("./api.js").Call | null} call */
function saves(call) {
  const buttons = (call?.pictures ?? []).map(({ name, blob }) =>
    el("button", { type: "button", onclick: () => download(blob, name) }, `Save ${name}`));
  return buttons.length > 0 && el("div", { className: "tools" }, ...buttons);
}

/** @param {[string, string]} entry language and code */
function snippet([language, code]) {
  const copy = el("button", { type: "button", "aria-label": `Copy the ${language} code` }, "Copy");
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(code);
    copy.textContent = "Copied";
    setTimeout(() => (copy.textContent = "Copy"), 2000);
  });
  return el(
    "div",
    { className: "snippet" },
    el("div", { className: "title" }, el("h2", {}, language), copy),
    el("pre", { tabIndex: 0, role: "region", "aria-label": `${language} code` }, el("code", {}, code)),
  );
}

function links() {
  const rows = [
    ["docs", "API documentation", "every route, to try it in the browser"],
    ["openapi.json", "OpenAPI document", "for code generators"],
    ["metrics", "Metrics", "for Prometheus: requests, probabilities, abstentions, drift"],
    ["health", "Health", "what is loaded, and on which hardware"],
  ];
  return el("ul", { className: "links" }, ...rows.map(([href, name, about]) => el("li", {}, el("a", { href }, name), ` – ${about}`)));
}
