/** Pictures as they are on the page: a file and what is known of it. */

/**
 * @typedef {object} Picture
 * @property {string} name
 * @property {Blob} blob
 * @property {string} [truth] the label, where it is known
 * @property {object} [sitting] the same for all states of one drawing
 */

/**
 * @param {File} file
 * @returns {Picture}
 */
export function ofFile(file) {
  return { name: file.name || "pasted.png", blob: file };
}

/**
 * A data URI as a picture. The policy lets no request go to one, so it is taken apart here.
 * @param {string} uri of base64
 * @param {string} name
 * @param {string} [truth]
 * @returns {Picture}
 */
export function ofDataUri(uri, name, truth) {
  const [head, data] = uri.split(",");
  const type = head.slice("data:".length).split(";")[0];
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  return { name, blob: new Blob([bytes], { type }), truth };
}

/**
 * The upright pixels, where the browser knows the format: it has no TIFF, and a CSV has no look of its own.
 * @param {Picture} picture
 * @returns {Promise<ImageBitmap | null>}
 */
export async function bitmapOf(picture) {
  try {
    return await createImageBitmap(picture.blob);
  } catch {
    return null;
  }
}

/**
 * Draw a picture as large as a canvas may become.
 * @param {HTMLCanvasElement} canvas
 * @param {ImageBitmap} bitmap
 * @param {number} side of the square that it must fit into, in pixels
 * @returns {number} pixels of the canvas for one of the picture
 */
export function paint(canvas, bitmap, side) {
  const scale = side / Math.max(bitmap.width, bitmap.height);
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.imageSmoothingEnabled = scale < 4;
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return scale;
}
