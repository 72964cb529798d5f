/** Probabilities as bars. */

import { el } from "./dom.js";
import { percent } from "./words.js";

/**
 * @typedef {{ label: string, probability: number }} Ranked
 */

/**
 * One bar for each label, in the labels' order; the best one is marked.
 * @param {string[]} labels
 * @param {Ranked[]} ranking
 * @param {((label: string) => void) | null} [onPick] makes buttons of the bars
 */
export function bars(labels, ranking, onPick = null) {
  const byLabel = new Map(ranking.map(({ label, probability }) => [label, probability]));
  const rows = labels.map((label) => {
    const probability = byLabel.get(label) ?? 0;
    const fill = el("span", { className: "fill" });
    fill.style.inlineSize = `${probability * 100}%`;
    const parts = [
      el("span", { className: "label" }, label),
      el("span", { className: "track" }, fill),
      el("span", { className: "share" }, percent(probability)),
    ];
    const best = label === ranking[0]?.label;
    const title = `Which pixels speak for ${label}?`;
    const row = onPick
      ? el("button", { type: "button", title, onclick: () => onPick(label) }, ...parts)
      : el("div", {}, ...parts);
    return el("li", { className: best ? "best" : "" }, row);
  });
  return el("ul", { className: "bars", "aria-label": "Probability of each label" }, ...rows);
}
