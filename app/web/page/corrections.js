/** Digits that someone corrected: cut from their pictures, kept in this tab, saved as a folder for training. */

import { zip } from "./zip.js";

const MARGIN = 0.2;

export class Corrections {
  /** @type {Map<object, { label: string, png: Promise<Blob> }>} by digit, so that the last word counts */
  #kept = new Map();

  get count() {
    return this.#kept.size;
  }

  /**
   * @param {object} digit of the answer
   * @param {string} label what it really is
   * @param {ImageBitmap} bitmap the picture
   * @param {[number, number, number, number]} box of the digit
   */
  keep(digit, label, bitmap, box) {
    this.#kept.set(digit, { label, png: cut(bitmap, box) });
  }

  /** @param {object} digit that was right after all */
  drop(digit) {
    this.#kept.delete(digit);
  }

  /** @returns {Promise<Blob>} a ZIP of LABEL/NUMBER.png, as `python -m training train --data` takes it once unpacked */
  async folder() {
    const files = [...this.#kept.values()].map(async ({ label, png }, index) => ({
      path: `corrections/${label}/${index}.png`,
      bytes: new Uint8Array(await (await png).arrayBuffer()),
    }));
    return zip(await Promise.all(files));
  }
}

/**
 * A digit with some paper around it, as framing needs it.
 * @param {ImageBitmap} bitmap
 * @param {[number, number, number, number]} box
 */
function cut(bitmap, [x, y, width, height]) {
  const margin = Math.ceil(Math.max(width, height) * MARGIN);
  const left = Math.max(0, x - margin);
  const top = Math.max(0, y - margin);
  const right = Math.min(bitmap.width, x + width + margin);
  const bottom = Math.min(bitmap.height, y + height + margin);
  const canvas = new OffscreenCanvas(right - left, bottom - top);
  canvas.getContext("2d")?.drawImage(bitmap, -left, -top);
  return canvas.convertToBlob();
}
