/** The service, asked so that a busy, sleeping or restarted one is waited for. */

import { counted } from "./words.js";

const KEY = "digits-key";
const MOST_RETRIES = 8;
const ASK_AGAIN_MS = 1000;

/** What the service refused, in its own words (RFC 9457). */
export class Problem extends Error {
  /** @param {{ title: string, detail: string, status: number }} document */
  constructor({ title, detail, status }) {
    super(`${title}. ${detail}`);
    this.title = title;
    this.detail = detail;
    this.status = status;
  }
}

/**
 * @typedef {object} State what the service is doing; the detail of the event "state"
 * @property {"well" | "busy" | "gone" | "key"} kind
 * @property {string} [text] for people
 *
 * @typedef {object} Call what was asked last; the detail of the event "call"
 * @property {string} path with its query
 * @property {string} field of the form
 * @property {import("./picture.js").Picture[]} pictures
 */

export class Api extends EventTarget {
  #waiting = 0;
  /** @type {((key: string) => void)[]} */
  #wantKey = [];

  /** @returns {boolean} whether requests carry a key */
  get hasKey() {
    return sessionStorage.getItem(KEY) !== null;
  }

  /** @param {string} key kept until the tab closes; those who wait for it go on */
  useKey(key) {
    sessionStorage.setItem(KEY, key);
    for (const go of this.#wantKey.splice(0)) go(key);
  }

  /**
   * Send pictures.
   * @param {string} path with its query
   * @param {import("./picture.js").Picture[]} pictures
   * @param {{ field?: string, signal?: AbortSignal, unasked?: boolean }} [options] unasked: the page's own idea, not its user's
   * @returns {Promise<any>} the answer
   * @throws {Problem}
   */
  async send(path, pictures, { field = "files", signal, unasked = false } = {}) {
    const body = new FormData();
    for (const picture of pictures) body.append(field, picture.blob, picture.name);
    if (!unasked) this.#tell("call", { path, field, pictures });
    return this.ask(path, { method: "POST", body, signal });
  }

  /**
   * Ask until there is an answer: waits while the service is busy or away, and for a key where it wants one.
   * @param {string} path
   * @param {RequestInit} [init]
   * @param {"json" | "text" | "blob"} [form]
   * @returns {Promise<any>} the answer's content
   * @throws {Problem}
   */
  async ask(path, init = {}, form = "json") {
    this.#count(1);
    try {
      const response = await this.#answer(path, init);
      this.#tell("state", { kind: "well" });
      return await response[form]();
    } finally {
      this.#count(-1);
    }
  }

  /**
   * @param {string} path
   * @param {RequestInit} init
   */
  async #answer(path, init) {
    const signal = init.signal ?? undefined;
    for (let tries = 0; ; tries += 1) {
      const response = await this.#fetch(path, init);
      if (response === null) await this.#untilBack(tries, signal);
      else if (response.status === 401) await this.#untilKey(signal);
      else if ([429, 503].includes(response.status) && tries < MOST_RETRIES) await this.#untilLess(response, signal);
      else if (response.ok) return response;
      else throw await problemOf(response);
    }
  }

  /**
   * @param {string} path
   * @param {RequestInit} init
   * @returns {Promise<Response | null>} null if no answer came
   */
  async #fetch(path, init) {
    const key = sessionStorage.getItem(KEY);
    const headers = key === null ? {} : { Authorization: `Bearer ${key}` };
    try {
      return await fetch(path, { ...init, headers });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      return null;
    }
  }

  /**
   * @param {number} tries so far
   * @param {AbortSignal | undefined} signal
   */
  async #untilBack(tries, signal) {
    while (!(await this.#fetch("livez", { signal }))?.ok) {
      this.#tell("state", { kind: "gone", text: "The service does not answer. Trying again until it is back…" });
      await sleep(ASK_AGAIN_MS, signal);
    }
    if (tries > 1) {
      this.#tell("state", { kind: "well" });
      const detail = "The service is there, but the connection broke each time. The files may be too large for it.";
      throw new Problem({ title: "The request did not get through", detail, status: 0 });
    }
  }

  /** @param {AbortSignal | undefined} signal */
  async #untilKey(signal) {
    const text = this.hasKey ? "The service does not know this key." : "The service asks for a key.";
    sessionStorage.removeItem(KEY);
    this.#tell("state", { kind: "key", text });
    await new Promise((resolve, reject) => {
      this.#wantKey.push(resolve);
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  }

  /**
   * @param {Response} response
   * @param {AbortSignal | undefined} signal
   */
  async #untilLess(response, signal) {
    const { title } = await problemOf(response);
    for (let seconds = Math.max(1, Number(response.headers.get("Retry-After")) || 1); seconds > 0; seconds -= 1) {
      this.#tell("state", { kind: "busy", text: `${title}. Trying again in ${counted(seconds, "second")}…` });
      await sleep(1000, signal);
    }
  }

  /** @param {number} change */
  #count(change) {
    this.#waiting += change;
    this.#tell("waiting", this.#waiting > 0);
  }

  /**
   * @param {string} type
   * @param {unknown} detail
   */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** @param {Response} response */
async function problemOf(response) {
  const plain = { title: "The request failed", detail: `The answer was ${response.status}.`, status: response.status };
  try {
    return new Problem({ ...plain, ...(await response.json()) });
  } catch {
    return new Problem(plain);
  }
}

/**
 * @param {number} ms
 * @param {AbortSignal | undefined} signal
 */
function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}
