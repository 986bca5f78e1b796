/**
 * Which tiles of the picture are needed for a view. Level 0 is full size, each next one half of it, rounded up.
 *
 * @import {View} from "./view.js"
 *
 * @typedef {{level: number, column: number, row: number}} Tile
 * @typedef {{width: number, height: number, levels: number, tile: number}} Pyramid
 * @typedef {{x0: number, y0: number, x1: number, y1: number}} Area  picture corner coordinates
 */

const SLACK = 0.15;

/**
 * The coarsest level that still has a pixel for each device pixel; a trifle too coarse is allowed.
 * @param {Pyramid} pyramid
 * @param {number} zoom  device pixels for each picture pixel
 * @returns {number}
 */
export function levelFor(pyramid, zoom) {
  return Math.max(0, Math.min(pyramid.levels - 1, Math.floor(-Math.log2(zoom) + SLACK)));
}

/**
 * Part of the picture that a screen of this size shows.
 * @param {View} view
 * @param {{width: number, height: number}} screen
 * @param {Pyramid} pyramid
 * @returns {Area}
 */
export function visibleArea(view, screen, pyramid) {
  return {
    x0: Math.max(0, -view.x / view.zoom),
    y0: Math.max(0, -view.y / view.zoom),
    x1: Math.min(pyramid.width, (screen.width - view.x) / view.zoom),
    y1: Math.min(pyramid.height, (screen.height - view.y) / view.zoom),
  };
}

/**
 * The tiles of a level that touch an area, nearest to its middle first.
 * @param {Pyramid} pyramid
 * @param {number} level
 * @param {Area} area
 * @returns {Tile[]}
 */
export function tilesIn(pyramid, level, area) {
  if (area.x1 <= area.x0 || area.y1 <= area.y0) return [];
  const step = pyramid.tile * 2 ** level;
  const columns = [Math.floor(area.x0 / step), Math.ceil(Math.min(area.x1, pyramid.width) / step)];
  const rows = [Math.floor(area.y0 / step), Math.ceil(Math.min(area.y1, pyramid.height) / step)];
  const middle = { x: (area.x0 + area.x1) / 2 / step - 0.5, y: (area.y0 + area.y1) / 2 / step - 0.5 };
  /** @type {Tile[]} */
  const found = [];
  for (let row = /** @type {number} */ (rows[0]); row < /** @type {number} */ (rows[1]); row++) {
    for (let column = /** @type {number} */ (columns[0]); column < /** @type {number} */ (columns[1]); column++) {
      found.push({ level, column, row });
    }
  }
  /** @param {Tile} tile */
  const distance = (tile) => Math.hypot(tile.column - middle.x, tile.row - middle.y);
  return found.sort((a, b) => distance(a) - distance(b));
}

/**
 * The part of the picture that a tile covers.
 * @param {Pyramid} pyramid
 * @param {Tile} tile
 * @returns {Area}
 */
export function tileArea(pyramid, tile) {
  const step = pyramid.tile * 2 ** tile.level;
  return {
    x0: tile.column * step,
    y0: tile.row * step,
    x1: Math.min(pyramid.width, (tile.column + 1) * step),
    y1: Math.min(pyramid.height, (tile.row + 1) * step),
  };
}
