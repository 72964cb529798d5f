/** One thing at a time, and the newest wins. */
export class Newest {
  /** @type {AbortController | null} */
  #running = null;

  /**
   * Start a task; the one before it is given up.
   * @param {(signal: AbortSignal) => Promise<void>} task
   * @returns {Promise<boolean>} whether it came to its end
   */
  async run(task) {
    this.#running?.abort();
    const own = new AbortController();
    this.#running = own;
    try {
      await task(own.signal);
      return true;
    } catch (error) {
      if (own.signal.aborted) return false;
      throw error;
    }
  }

  /** Give up what runs. */
  stop() {
    this.#running?.abort();
  }
}
