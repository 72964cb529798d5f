/** The models that are loaded. */

export class Zoo {
  /** @param {{ default: string, models: any[] }} list the answer of /v1/models */
  constructor(list) {
    this.default = list.default;
    this.models = list.models;
  }

  /**
   * @param {import("./api.js").Api} api
   * @returns {Promise<Zoo>}
   */
  static async load(api) {
    return new Zoo(await api.ask("v1/models"));
  }

  /** @returns {string[]} */
  get names() {
    return this.models.map((model) => model.name);
  }

  /**
   * @param {string} name
   * @returns {string[]}
   */
  labels(name) {
    return this.models.find((model) => model.name === name).manifest.labels;
  }

  /**
   * The path that asks one model for its answers alone.
   * @param {string} name
   */
  answerPath(name) {
    return `v1/predict?${new URLSearchParams({ model: name, top_k: "1" })}`;
  }

  /**
   * The path that asks one model for all its probabilities, and for what it saw.
   * @param {string} name
   */
  predictPath(name) {
    const query = new URLSearchParams({ model: name, top_k: String(this.labels(name).length), preview: "true" });
    return `v1/predict?${query}`;
  }
}
