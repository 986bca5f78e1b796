/**
 * Masks on the screen, pixel by pixel. Device pixel s of a row shows picture pixel floor((s + 0.5 - origin) / zoom): no
 * interpolation, so what one sees is the mask. The contour is drawn inside the mask, one or two device pixels wide.
 *
 * @import {Colour} from "../types.js"
 * @import {Mask} from "./runs.js"
 *
 * @typedef {object} Frame  what to draw, all in device pixels
 * @property {number} x  origin of the picture's corner
 * @property {number} y
 * @property {number} zoom  device pixels for each picture pixel
 * @property {number} left  the rectangle to draw
 * @property {number} top
 * @property {number} width
 * @property {number} height
 *
 * @typedef {object} Layer
 * @property {Mask} mask
 * @property {Colour} colour
 * @property {number} opacity  of the fill, 0 to 1
 * @property {number} contour  width in device pixels, 0 for none
 * @property {number} [contourOpacity]
 * @property {number} [rim]  width of a white line outside the contour, for what is selected, in device pixels
 */
import { boxOf, rowOf } from "./runs.js";

const RIM_OPACITY = 0.9;

/**
 * First device pixel whose centre lies at or right of picture edge `edge`.
 * @param {number} edge
 * @param {number} origin
 * @param {number} zoom
 * @returns {number}
 */
export function deviceEdge(edge, origin, zoom) {
  return Math.ceil(origin + edge * zoom - 0.5);
}

/**
 * Draw layers, lowest first, into RGBA bytes (straight alpha) of frame.width x frame.height.
 * @param {Frame} frame
 * @param {readonly Layer[]} layers
 * @param {Uint8ClampedArray} [into]
 * @returns {Uint8ClampedArray}
 */
export function rasterise(frame, layers, into) {
  const out = into ?? new Uint8ClampedArray(frame.width * frame.height * 4);
  for (const layer of layers) drawLayer(frame, layer, out);
  return out;
}

/**
 * @param {Frame} frame
 * @param {Layer} layer
 * @param {Uint8ClampedArray} out
 */
function drawLayer(frame, layer, out) {
  const edge = Math.max(0, Math.round(layer.contour));
  const rim = Math.max(0, Math.round(layer.rim ?? 0));
  const part = coverage(frame, layer.mask, edge + rim);
  if (!part) return;
  const { cells, x0, y0, width, height } = part;
  const within = rim ? eroded(cells, width, height, rim) : cells;
  const inner = edge ? eroded(within, width, height, edge) : within;
  const [red, green, blue] = layer.colour;
  const line = layer.contourOpacity ?? 1;
  const fromX = Math.max(0, frame.left - x0);
  const toX = Math.min(width, frame.left + frame.width - x0);
  const fromY = Math.max(0, frame.top - y0);
  const toY = Math.min(height, frame.top + frame.height - y0);
  for (let row = fromY; row < toY; row++) {
    let place = ((y0 + row - frame.top) * frame.width + x0 + fromX - frame.left) * 4;
    for (let cell = row * width + fromX; cell < row * width + toX; cell++, place += 4) {
      if (!cells[cell]) continue;
      if (!within[cell]) blend(out, place, 255, 255, 255, RIM_OPACITY);
      else blend(out, place, red, green, blue, inner[cell] ? layer.opacity : line);
    }
  }
}

/**
 * One colour over what is there, straight alpha.
 * @param {Uint8ClampedArray} out
 * @param {number} place
 * @param {number} red
 * @param {number} green
 * @param {number} blue
 * @param {number} alpha
 */
function blend(out, place, red, green, blue, alpha) {
  const below = /** @type {number} */ (out[place + 3]) / 255;
  if (below === 0 || alpha >= 1) {
    out[place] = red;
    out[place + 1] = green;
    out[place + 2] = blue;
    out[place + 3] = alpha * 255;
    return;
  }
  const total = alpha + below * (1 - alpha);
  const share = total > 0 ? alpha / total : 0;
  out[place] = red * share + /** @type {number} */ (out[place]) * (1 - share);
  out[place + 1] = green * share + /** @type {number} */ (out[place + 1]) * (1 - share);
  out[place + 2] = blue * share + /** @type {number} */ (out[place + 2]) * (1 - share);
  out[place + 3] = total * 255;
}

/**
 * The device pixels that a mask covers, 1 or 0, within the frame and `margin` pixels round it.
 * @param {Frame} frame
 * @param {Mask} mask
 * @param {number} margin
 * @returns {{cells: Uint8Array, x0: number, y0: number, width: number, height: number}|null}
 */
export function coverage(frame, mask, margin) {
  const box = boxOf(mask);
  if (!box) return null;
  // One pixel more on each side than the mask reaches: its outermost pixels have a neighbour that is not covered.
  const x0 = Math.max(frame.left - margin, deviceEdge(box[0], frame.x, frame.zoom) - 1);
  const x1 = Math.min(frame.left + frame.width + margin, deviceEdge(box[2], frame.x, frame.zoom) + 1);
  const y0 = Math.max(frame.top - margin, deviceEdge(box[1], frame.y, frame.zoom) - 1);
  const y1 = Math.min(frame.top + frame.height + margin, deviceEdge(box[3], frame.y, frame.zoom) + 1);
  const width = x1 - x0;
  const height = y1 - y0;
  if (width <= 0 || height <= 0) return null;
  const cells = new Uint8Array(width * height);
  let last = NaN;
  for (let row = 0; row < height; row++) {
    const y = Math.floor((y0 + row + 0.5 - frame.y) / frame.zoom);
    if (y === last) cells.copyWithin(row * width, (row - 1) * width, row * width);
    else fillRow(cells, row * width, rowOf(mask, y), x0, x1, frame);
    last = y;
  }
  return { cells, x0, y0, width, height };
}

/**
 * @param {Uint8Array} cells
 * @param {number} start
 * @param {Int32Array} runs
 * @param {number} x0
 * @param {number} x1
 * @param {Frame} frame
 */
function fillRow(cells, start, runs, x0, x1, frame) {
  for (let i = 0; i < runs.length; i += 2) {
    const from = Math.max(x0, deviceEdge(/** @type {number} */ (runs[i]), frame.x, frame.zoom));
    if (from >= x1) return;
    const to = Math.min(x1, deviceEdge(/** @type {number} */ (runs[i + 1]), frame.x, frame.zoom));
    if (to > from) cells.fill(1, start + from - x0, start + to - x0);
  }
}

/**
 * Cells all of whose neighbours within `steps` (up, down, left, right) are covered. Beyond the border counts as covered.
 * @param {Uint8Array} cells
 * @param {number} width
 * @param {number} height
 * @param {number} steps
 * @returns {Uint8Array}
 */
function eroded(cells, width, height, steps) {
  let now = cells;
  for (let step = 0; step < steps; step++) {
    const next = now.slice();
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i++) {
        if (!now[i]) continue;
        const open =
          (x > 0 && !now[i - 1]) ||
          (x < width - 1 && !now[i + 1]) ||
          (y > 0 && !now[i - width]) ||
          (y < height - 1 && !now[i + width]);
        if (open) next[i] = 0;
      }
    }
    now = next;
  }
  return now;
}
