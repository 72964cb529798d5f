/** A photograph, by the camera that the browser may use, asked for only when someone wants one. */

import { el } from "./dom.js";
import { ofFile } from "./picture.js";

/** @returns {Promise<import("./picture.js").Picture | null>} null if none was taken */
export async function photograph() {
  const hasOwnCamera = matchMedia("(pointer: coarse)").matches;
  if (hasOwnCamera || !navigator.mediaDevices) return fromSystem();
  try {
    return await fromStream(await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } }));
  } catch {
    return fromSystem();
  }
}

/** @returns {Promise<import("./picture.js").Picture | null>} from the system's own camera, or its files */
function fromSystem() {
  const input = el("input", { type: "file", accept: "image/*" });
  input.setAttribute("capture", "environment");
  return new Promise((resolve) => {
    input.addEventListener("change", () => resolve(ofFile(input.files[0])));
    input.addEventListener("cancel", () => resolve(null));
    input.click();
  });
}

/**
 * @param {MediaStream} stream
 * @returns {Promise<import("./picture.js").Picture | null>}
 */
async function fromStream(stream) {
  const video = el("video", { srcObject: stream, autoplay: true, muted: true, playsInline: true, "aria-label": "Camera" });
  const take = el("button", { value: "take", className: "primary", disabled: true }, "Take the picture");
  video.addEventListener("loadeddata", () => (take.disabled = false), { once: true });
  const form = el(
    "form",
    { method: "dialog", className: "tools" },
    take,
    el("button", { value: "" }, "Cancel"),
  );
  const dialog = el("dialog", { "aria-label": "Camera" }, video, form);
  document.body.append(dialog);
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  const picture = dialog.returnValue === "take" ? await still(video) : null;
  for (const track of stream.getTracks()) track.stop();
  dialog.remove();
  return picture;
}

/** @param {HTMLVideoElement} video */
async function still(video) {
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  canvas.getContext("2d")?.drawImage(video, 0, 0);
  return { name: "photograph.jpg", blob: await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 }) };
}
