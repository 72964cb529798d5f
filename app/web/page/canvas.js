/** A sheet to write on. */

import { el } from "./dom.js";
import { ofDataUri } from "./picture.js";

const PAUSE_MS = 90;
// What is sent: dark on light, and no larger than framing needs.
const INK = "#111";
const PAPER = "#fff";

/**
 * @typedef {{ width: number, points: [number, number][] }} Stroke in the canvas' own pixels
 */

/** Strokes by mouse, finger or pen. Events: "ink" when there is something new to read, "blank" when there is nothing. */
export class Sheet extends EventTarget {
  /** @type {Stroke[]} */
  #strokes = [];
  /** @type {number | null} */
  #pointer = null;
  #pause = 0;
  #sitting = {};
  thickness = 20;

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    super();
    this.canvas = canvas;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => this.#up(/** @type {PointerEvent} */ (event)));
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#paint());
    this.#paint();
  }

  get isBlank() {
    return this.#strokes.length === 0;
  }

  undo() {
    this.#strokes.pop();
    this.#changed();
  }

  clear() {
    this.#strokes = [];
    this.#sitting = {};
    this.#changed();
  }

  /** @returns {import("./picture.js").Picture} what is written, dark on light, as a PNG */
  picture() {
    const { width, height } = this.canvas;
    const copy = el("canvas", { width, height });
    this.#render(copy.getContext("2d"), INK, PAPER);
    // Not toBlob: Chromium leaves that to idle times, which after a stroke may be a second away.
    return { ...ofDataUri(copy.toDataURL(), "drawing.png"), sitting: this.#sitting };
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (this.#pointer !== null || event.button !== 0) return;
    this.#pointer = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
    this.#strokes.push({ width: this.thickness, points: [this.#place(event)] });
    this.#paint();
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (event.pointerId !== this.#pointer) return;
    const passed = event.getCoalescedEvents();
    this.#strokes.at(-1)?.points.push(...(passed.length ? passed : [event]).map((each) => this.#place(each)));
    this.#paint();
    this.#pause ||= setTimeout(() => this.#tell(), PAUSE_MS);
  }

  /** @param {PointerEvent} event */
  #up(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = null;
    this.#tell();
  }

  #changed() {
    this.#paint();
    this.#tell();
  }

  #tell() {
    clearTimeout(this.#pause);
    this.#pause = 0;
    this.dispatchEvent(new Event(this.isBlank ? "blank" : "ink"));
  }

  /**
   * @param {PointerEvent} event
   * @returns {[number, number]}
   */
  #place(event) {
    const box = this.canvas.getBoundingClientRect();
    const { width, height } = this.canvas;
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  }

  #paint() {
    const style = getComputedStyle(this.canvas);
    this.#render(/** @type {any} */ (this.canvas.getContext("2d")), style.color, style.backgroundColor);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {string} ink
   * @param {string} paper
   */
  #render(context, ink, paper) {
    context.fillStyle = paper;
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    context.strokeStyle = ink;
    context.lineCap = context.lineJoin = "round";
    for (const { width, points } of this.#strokes) {
      context.lineWidth = width;
      context.beginPath();
      context.moveTo(...points[0]);
      for (const point of points) context.lineTo(...point);
      context.stroke();
    }
  }
}
