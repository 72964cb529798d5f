/** How the models of a session of pictures agree. */

/**
 * @typedef {object} Entry one picture's answers
 * @property {import("./picture.js").Picture} picture
 * @property {Map<string, string>} said by model: its best label
 * @property {Map<string, number>} spent by model: ms of its run
 */

export class Tally {
  /** @type {Map<object, Entry>} a drawing counts once, in its last state */
  #entries = new Map();

  /** @param {Entry} entry */
  add(entry) {
    this.#entries.set(entry.picture.sitting ?? entry.picture, entry);
  }

  clear() {
    this.#entries.clear();
  }

  get pictures() {
    return this.#entries.size;
  }

  /** @returns {Entry[]} pictures on which not all said the same, the newest first */
  get disputed() {
    return [...this.#entries.values()].filter(({ said }) => new Set(said.values()).size > 1).reverse();
  }

  /**
   * @param {string} model
   * @returns {{ agreed: number, right: number, known: number, median: number }}
   */
  of(model) {
    const entries = [...this.#entries.values()];
    const known = entries.filter(({ picture }) => picture.truth !== undefined);
    const times = entries.map(({ spent }) => spent.get(model) ?? 0).sort((one, other) => one - other);
    return {
      agreed: entries.filter(({ said }) => said.get(model) === majority(said)).length,
      right: known.filter(({ picture, said }) => said.get(model) === picture.truth).length,
      known: known.length,
      median: times[times.length >> 1] ?? 0,
    };
  }
}

/**
 * What most models said; of equals, what was said first, the default model's answer being the first.
 * @param {Map<string, string>} said
 */
export function majority(said) {
  const counts = new Map();
  for (const label of said.values()) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].sort(([, one], [, other]) => other - one)[0]?.[0];
}
