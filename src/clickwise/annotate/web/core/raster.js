/**
 * Masks on the screen, pixel by pixel. Device pixel s of a row shows picture pixel floor((s + 0.5 - origin) / zoom): no
 * interpolation, so what one sees is the mask. The contour is drawn inside the mask, one or two device pixels wide.
 *
 * Everything is done with runs: a row of the screen is a few [start, end) pairs, and the contour is a row without what is
 * left of it when it is eroded.
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
 *
 * @typedef {readonly number[]} Row  [start, end) pairs in device pixels, ascending, apart from each other
 *
 * @typedef {{red: number, green: number, blue: number, alpha: number, packed: number}} Pen
 *
 * @typedef {object} Sheet  what is drawn on; bytes and pixels are the same memory
 * @property {Uint8ClampedArray} bytes
 * @property {Uint32Array} pixels
 * @property {Int32Array} from  first place of each row that layers before may have painted
 * @property {Int32Array} to
 */
import { boxOf, rowOf } from "./runs.js";

const RIM_OPACITY = 0.9;
const WHITE = /** @type {Colour} */ ([255, 255, 255]);
/** @type {Row} */
const NOTHING = [];

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
  const bytes = into ?? new Uint8ClampedArray(frame.width * frame.height * 4);
  const pixels = new Uint32Array(bytes.buffer, bytes.byteOffset, frame.width * frame.height);
  const sheet = { bytes, pixels, from: new Int32Array(frame.height).fill(frame.width), to: new Int32Array(frame.height) };
  for (const layer of layers) drawLayer(frame, layer, sheet);
  return bytes;
}

/**
 * @param {Frame} frame
 * @param {Layer} layer
 * @param {Sheet} sheet
 */
function drawLayer(frame, layer, sheet) {
  const contour = Math.max(0, Math.round(layer.contour));
  const rim = Math.max(0, Math.round(layer.rim ?? 0));
  const part = screenRows(frame, layer.mask, contour + rim);
  if (!part) return;
  const within = eroded(part.rows, rim);
  const inner = eroded(within, contour);
  const pens = {
    rim: penOf(WHITE, RIM_OPACITY),
    contour: penOf(layer.colour, layer.contourOpacity ?? 1),
    fill: penOf(layer.colour, layer.opacity),
  };
  for (let i = 0; i < part.rows.length; i++) {
    const y = part.top + i - frame.top;
    if (y < 0 || y >= frame.height) continue;
    const [all, some, least] = /** @type {[Row, Row, Row]} */ ([part.rows[i], within[i], inner[i]]);
    if (rim) paint(sheet, y, without(all, some), frame, pens.rim);
    if (contour) paint(sheet, y, without(some, least), frame, pens.contour);
    paint(sheet, y, least, frame, pens.fill);
    if (!all.length) continue;
    sheet.from[y] = Math.min(/** @type {number} */ (sheet.from[y]), /** @type {number} */ (all[0]) - frame.left);
    sheet.to[y] = Math.max(/** @type {number} */ (sheet.to[y]), /** @type {number} */ (all[all.length - 1]) - frame.left);
  }
}

/**
 * The rows of the screen that a mask covers, in the frame and `margin` pixels round it; null when there are none.
 * @param {Frame} frame
 * @param {Mask} mask
 * @param {number} margin
 * @returns {{top: number, rows: Row[]}|null}
 */
function screenRows(frame, mask, margin) {
  const box = boxOf(mask);
  if (!box) return null;
  const x0 = frame.left - margin;
  const x1 = frame.left + frame.width + margin;
  if (deviceEdge(box[0], frame.x, frame.zoom) >= x1 || deviceEdge(box[2], frame.x, frame.zoom) <= x0) return null;
  // A row more on each side than the mask reaches: its outermost pixels have a neighbour that is not covered.
  const top = Math.max(frame.top - margin, deviceEdge(box[1], frame.y, frame.zoom) - 1);
  const bottom = Math.min(frame.top + frame.height + margin, deviceEdge(box[3], frame.y, frame.zoom) + 1);
  if (top >= bottom) return null;
  /** @type {Row[]} */
  const rows = [];
  let last = NaN;
  /** @type {Row} */
  let row = NOTHING;
  for (let s = top; s < bottom; s++) {
    const y = Math.floor((s + 0.5 - frame.y) / frame.zoom);
    if (y !== last) row = screenRow(rowOf(mask, y), x0, x1, frame);
    rows.push(row);
    last = y;
  }
  return { top, rows };
}

/**
 * @param {Int32Array} runs
 * @param {number} x0
 * @param {number} x1
 * @param {Frame} frame
 * @returns {Row}
 */
function screenRow(runs, x0, x1, frame) {
  /** @type {number[]} */
  const row = [];
  for (let i = 0; i < runs.length; i += 2) {
    const from = Math.max(x0, deviceEdge(/** @type {number} */ (runs[i]), frame.x, frame.zoom));
    if (from >= x1) break;
    const to = Math.min(x1, deviceEdge(/** @type {number} */ (runs[i + 1]), frame.x, frame.zoom));
    if (to <= from) continue;
    // Zoomed out, the gap between two runs may lie between two pixels.
    if (row.length && row[row.length - 1] === from) row[row.length - 1] = to;
    else row.push(from, to);
  }
  return row.length ? row : NOTHING;
}

/**
 * What is left when every pixel goes that has an uncovered one beside it (left, right, above, below), `steps` times.
 * Beyond the first and the last row counts as covered: the margin keeps the difference out of the frame.
 * @param {Row[]} rows
 * @param {number} steps
 * @returns {Row[]}
 */
function eroded(rows, steps) {
  let now = rows;
  for (let step = 0; step < steps; step++) {
    const before = now;
    /** @type {Row[]} */
    const next = new Array(before.length);
    for (let i = 0; i < before.length; i++) {
      const row = /** @type {Row} */ (before[i]);
      const above = before[i - 1] ?? row;
      const below = before[i + 1] ?? row;
      // Zoomed in, neighbouring rows of the screen show the same row of the picture, and so have the same answer.
      const same = i > 0 && row === before[i - 1] && above === (before[i - 2] ?? before[i - 1]) && below === row;
      next[i] = same ? /** @type {Row} */ (next[i - 1]) : common(common(narrowed(row), above), below);
    }
    now = next;
  }
  return now;
}

/**
 * @param {Row} row
 * @returns {Row} every run a pixel shorter at both ends
 */
function narrowed(row) {
  /** @type {number[]} */
  const out = [];
  for (let i = 0; i < row.length; i += 2) {
    const from = /** @type {number} */ (row[i]) + 1;
    const to = /** @type {number} */ (row[i + 1]) - 1;
    if (to > from) out.push(from, to);
  }
  return out.length ? out : NOTHING;
}

/**
 * @param {Row} a
 * @param {Row} b
 * @returns {Row} what both cover
 */
function common(a, b) {
  if (!a.length || !b.length) return NOTHING;
  /** @type {number[]} */
  const out = [];
  for (let i = 0, k = 0; i < a.length && k < b.length; ) {
    const endA = /** @type {number} */ (a[i + 1]);
    const endB = /** @type {number} */ (b[k + 1]);
    const from = Math.max(/** @type {number} */ (a[i]), /** @type {number} */ (b[k]));
    const to = Math.min(endA, endB);
    if (to > from) out.push(from, to);
    if (endA <= endB) i += 2;
    else k += 2;
  }
  return out.length ? out : NOTHING;
}

/**
 * @param {Row} row
 * @param {Row} part  lies within it
 * @returns {Row} the row without the part
 */
function without(row, part) {
  if (!part.length) return row;
  /** @type {number[]} */
  const out = [];
  let k = 0;
  for (let i = 0; i < row.length; i += 2) {
    let from = /** @type {number} */ (row[i]);
    const end = /** @type {number} */ (row[i + 1]);
    while (k < part.length && /** @type {number} */ (part[k]) < end) {
      if (/** @type {number} */ (part[k]) > from) out.push(from, /** @type {number} */ (part[k]));
      from = /** @type {number} */ (part[k + 1]);
      k += 2;
    }
    if (end > from) out.push(from, end);
  }
  return out;
}

const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/**
 * @param {Colour} colour
 * @param {number} alpha
 * @returns {Pen}
 */
function penOf([red, green, blue], alpha) {
  const a = Math.round(alpha * 255);
  const packed = LITTLE_ENDIAN ? (a << 24) | (blue << 16) | (green << 8) | red : (red << 24) | (green << 16) | (blue << 8) | a;
  return { red, green, blue, alpha, packed: packed >>> 0 };
}

/**
 * Runs of one row of the screen in one colour, over what is there.
 * @param {Sheet} sheet
 * @param {number} y
 * @param {Row} row
 * @param {Frame} frame
 * @param {Pen} pen
 */
function paint({ bytes, pixels, from: used, to: unused }, y, row, frame, pen) {
  if (pen.alpha === 0) return;
  const start = y * frame.width;
  for (let i = 0; i < row.length; i += 2) {
    const from = Math.max(/** @type {number} */ (row[i]) - frame.left, 0);
    const to = Math.min(/** @type {number} */ (row[i + 1]) - frame.left, frame.width);
    if (from >= to) continue;
    if (pen.alpha >= 1 || to <= /** @type {number} */ (used[y]) || from >= /** @type {number} */ (unused[y])) {
      pixels.fill(pen.packed, start + from, start + to);
      continue;
    }
    for (let place = start + from; place < start + to; place++) {
      if (pixels[place] === 0) pixels[place] = pen.packed;
      else blend(bytes, place * 4, pen);
    }
  }
}

/**
 * One colour over what is there, straight alpha.
 * @param {Uint8ClampedArray} out
 * @param {number} place
 * @param {Pen} pen
 */
function blend(out, place, pen) {
  const below = /** @type {number} */ (out[place + 3]) / 255;
  const total = pen.alpha + below * (1 - pen.alpha);
  const share = pen.alpha / total;
  out[place] = pen.red * share + /** @type {number} */ (out[place]) * (1 - share);
  out[place + 1] = pen.green * share + /** @type {number} */ (out[place + 1]) * (1 - share);
  out[place + 2] = pen.blue * share + /** @type {number} */ (out[place + 2]) * (1 - share);
  out[place + 3] = total * 255;
}
