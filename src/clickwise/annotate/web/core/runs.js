/**
 * Masks as row runs: for each row the places where the mask begins and ends. A mask of a 100-megapixel picture costs what
 * its outline costs. Values are never changed, only replaced; rows are shared between a mask and its successor.
 *
 * @import {Box, Patch} from "../types.js"
 *
 * @typedef {object} Mask
 * @property {number} top  first row that may hold something
 * @property {readonly Int32Array[]} rows  row `top + i`: x of [start, end) pairs, ascending, apart from each other
 */

const DIGIT_BITS = 5;
const DIGIT = 0x1f;
const SIGN = 0x10;
const MORE = 0x20;
const ZERO = 48;

const NO_RUNS = new Int32Array(0);

/** @type {Mask} */
export const EMPTY = { top: 0, rows: [] };

/**
 * COCO's compressed counts as numbers: digits of five bits, from the fourth number on as difference to the last but one.
 * @param {string} text
 * @returns {number[]}
 */
export function parseCounts(text) {
  /** @type {number[]} */
  const runs = [];
  let place = 0;
  while (place < text.length) {
    let value = 0;
    let scale = 1;
    let letter;
    do {
      if (place >= text.length) throw new RangeError("run lengths of a mask break off");
      letter = text.charCodeAt(place++) - ZERO;
      if (letter < 0 || letter >= 2 * MORE) throw new RangeError("run lengths of a mask hold a letter without meaning");
      value += (letter & DIGIT) * scale; // no shifts: runs of a large picture leave 32 bits
      scale *= 1 << DIGIT_BITS;
    } while (letter & MORE);
    if (letter & SIGN) value -= scale;
    if (runs.length > 2) value += /** @type {number} */ (runs[runs.length - 2]);
    runs.push(value);
  }
  return runs;
}

/**
 * The rows of a patch, in picture coordinates.
 * @param {Patch} patch
 * @returns {Int32Array[]}
 */
export function patchRows(patch) {
  const [x0, y0, x1, y1] = patch.rect;
  const width = x1 - x0;
  const height = y1 - y0;
  if (width <= 0 || height <= 0) return [];
  /** @type {number[][]} */
  const rows = Array.from({ length: height }, () => []);
  let place = 0;
  let set = false;
  for (const run of parseCounts(patch.counts)) {
    if (run < 0 || place + run > width * height) throw new RangeError("run lengths of a mask leave their rectangle");
    if (set) spread(rows, place, place + run, width, x0);
    place += run;
    set = !set;
  }
  if (place !== width * height) throw new RangeError("run lengths of a mask do not fill their rectangle");
  return rows.map((row) => (row.length ? Int32Array.from(row) : NO_RUNS));
}

/**
 * Cut places [start, end), counted along the rows, into rows.
 * @param {number[][]} rows
 * @param {number} start
 * @param {number} end
 * @param {number} width
 * @param {number} left
 */
function spread(rows, start, end, width, left) {
  while (start < end) {
    const row = Math.floor(start / width);
    const stop = Math.min(end, (row + 1) * width);
    const into = /** @type {number[]} */ (rows[row]);
    into.push(left + start - row * width, left + stop - row * width);
    start = stop;
  }
}

/**
 * The mask with what a patch says inside its rectangle.
 * @param {Mask} mask
 * @param {Patch} patch
 * @returns {Mask}
 */
export function applyPatch(mask, patch) {
  const [x0, y0, x1, y1] = patch.rect;
  if (x1 <= x0 || y1 <= y0) return mask;
  const fresh = patchRows(patch);
  const top = mask.rows.length ? Math.min(mask.top, y0) : y0;
  const bottom = Math.max(mask.rows.length ? mask.top + mask.rows.length : y1, y1);
  const rows = [];
  for (let y = top; y < bottom; y++) {
    const old = rowOf(mask, y);
    rows.push(y < y0 || y >= y1 ? old : replaced(old, /** @type {Int32Array} */ (fresh[y - y0]), x0, x1));
  }
  return trimmed(top, rows);
}

/**
 * A row with [x0, x1) taken from another one that has nothing outside it.
 * @param {Int32Array} old
 * @param {Int32Array} fresh
 * @param {number} x0
 * @param {number} x1
 * @returns {Int32Array}
 */
function replaced(old, fresh, x0, x1) {
  if (old.length === 0) return fresh;
  /** @type {number[]} */
  const out = [];
  for (let i = 0; i < old.length; i += 2) {
    const start = /** @type {number} */ (old[i]);
    if (start < x0) append(out, start, Math.min(/** @type {number} */ (old[i + 1]), x0));
  }
  for (let i = 0; i < fresh.length; i += 2) {
    append(out, /** @type {number} */ (fresh[i]), /** @type {number} */ (fresh[i + 1]));
  }
  for (let i = 0; i < old.length; i += 2) {
    const end = /** @type {number} */ (old[i + 1]);
    if (end > x1) append(out, Math.max(/** @type {number} */ (old[i]), x1), end);
  }
  return out.length ? Int32Array.from(out) : NO_RUNS;
}

/**
 * Add a run behind the others; one that touches the last becomes part of it.
 * @param {number[]} out
 * @param {number} start
 * @param {number} end
 */
function append(out, start, end) {
  if (out.length && out[out.length - 1] === start) out[out.length - 1] = end;
  else out.push(start, end);
}

/**
 * Without empty rows at both ends, so that equal masks have equal rows.
 * @param {number} top
 * @param {Int32Array[]} rows
 * @returns {Mask}
 */
function trimmed(top, rows) {
  let first = 0;
  let last = rows.length;
  while (first < last && rows[first]?.length === 0) first++;
  while (last > first && rows[last - 1]?.length === 0) last--;
  return first === last ? EMPTY : { top: top + first, rows: rows.slice(first, last) };
}

/**
 * Runs of one row of the picture.
 * @param {Mask} mask
 * @param {number} y
 * @returns {Int32Array}
 */
export function rowOf(mask, y) {
  return mask.rows[y - mask.top] ?? NO_RUNS;
}

/**
 * Whether a pixel is set.
 * @param {Mask} mask
 * @param {number} x
 * @param {number} y
 * @returns {boolean}
 */
export function contains(mask, x, y) {
  const row = rowOf(mask, y);
  for (let i = 0; i < row.length; i += 2) {
    if (x < /** @type {number} */ (row[i])) return false;
    if (x < /** @type {number} */ (row[i + 1])) return true;
  }
  return false;
}

/**
 * Number of pixels that are set.
 * @param {Mask} mask
 * @returns {number}
 */
export function area(mask) {
  let total = 0;
  for (const row of mask.rows) {
    for (let i = 0; i < row.length; i += 2) {
      total += /** @type {number} */ (row[i + 1]) - /** @type {number} */ (row[i]);
    }
  }
  return total;
}

/** Boxes are asked for at every frame. @type {WeakMap<Mask, Box>} */
const boxes = new WeakMap();

/**
 * Tight half-open box of what is set, null when nothing is.
 * @param {Mask} mask
 * @returns {Box|null}
 */
export function boxOf(mask) {
  if (!mask.rows.length) return null;
  const known = boxes.get(mask);
  if (known) return known;
  let x0 = Infinity;
  let x1 = -Infinity;
  for (const row of mask.rows) {
    if (!row.length) continue;
    x0 = Math.min(x0, /** @type {number} */ (row[0]));
    x1 = Math.max(x1, /** @type {number} */ (row[row.length - 1]));
  }
  const box = /** @type {Box} */ ([x0, mask.top, x1, mask.top + mask.rows.length]);
  boxes.set(mask, box);
  return box;
}
