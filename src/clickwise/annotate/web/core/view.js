/**
 * Where the picture lies on the screen. The picture's top-left corner is drawn at (x, y); a picture pixel is `zoom` screen
 * pixels wide. Screen units here are CSS pixels of the canvas; the canvas multiplies by the device's pixel ratio.
 *
 * A screen point s lies on pixel floor((s - origin) / zoom); as a click it is (s - origin) / zoom - 0.5, because pixel
 * centres are at integers.
 *
 * @typedef {{x: number, y: number, zoom: number}} View
 * @typedef {{width: number, height: number}} Size
 * @typedef {{x: number, y: number}} Point
 * @typedef {{left: number, top: number, right: number, bottom: number}} Margins
 */

/** Largest size of a picture pixel on the screen, in CSS pixels. */
export const MAX_ZOOM = 64;
const SMALLEST = 48;
const KEEP_VISIBLE = 64;
const NO_MARGINS = { left: 0, top: 0, right: 0, bottom: 0 };

/**
 * The whole picture, in the middle of what the margins leave free, as large as it goes.
 * @param {Size} picture
 * @param {Size} screen
 * @param {Margins} [margins]
 * @returns {View}
 */
export function fit(picture, screen, margins = NO_MARGINS) {
  const room = {
    width: Math.max(1, screen.width - margins.left - margins.right),
    height: Math.max(1, screen.height - margins.top - margins.bottom),
  };
  const zoom = Math.min(MAX_ZOOM, room.width / picture.width, room.height / picture.height);
  const view = centred(picture, room, zoom);
  return { ...view, x: view.x + margins.left, y: view.y + margins.top };
}

/**
 * The picture's middle in the screen's middle.
 * @param {Size} picture
 * @param {Size} screen
 * @param {number} zoom
 * @returns {View}
 */
export function centred(picture, screen, zoom) {
  return { x: (screen.width - picture.width * zoom) / 2, y: (screen.height - picture.height * zoom) / 2, zoom };
}

/**
 * Zoom by a factor; the picture point under `at` stays where it is.
 * @param {View} view
 * @param {number} factor
 * @param {Point} at
 * @param {Size} picture
 * @returns {View}
 */
export function zoomed(view, factor, at, picture) {
  const least = Math.min(1, SMALLEST / Math.max(picture.width, picture.height));
  const zoom = Math.min(MAX_ZOOM, Math.max(least, view.zoom * factor));
  const scale = zoom / view.zoom;
  return { x: at.x - (at.x - view.x) * scale, y: at.y - (at.y - view.y) * scale, zoom };
}

/**
 * Moved by (dx, dy), but a part of the picture stays in sight.
 * @param {View} view
 * @param {number} dx
 * @param {number} dy
 * @param {Size} picture
 * @param {Size} screen
 * @returns {View}
 */
export function panned(view, dx, dy, picture, screen) {
  return kept({ ...view, x: view.x + dx, y: view.y + dy }, picture, screen);
}

/**
 * The nearest view in which a part of the picture is in sight.
 * @param {View} view
 * @param {Size} picture
 * @param {Size} screen
 * @returns {View}
 */
export function kept(view, picture, screen) {
  const width = picture.width * view.zoom;
  const height = picture.height * view.zoom;
  const keepX = Math.min(KEEP_VISIBLE, width, screen.width);
  const keepY = Math.min(KEEP_VISIBLE, height, screen.height);
  return {
    x: Math.min(screen.width - keepX, Math.max(keepX - width, view.x)),
    y: Math.min(screen.height - keepY, Math.max(keepY - height, view.y)),
    zoom: view.zoom,
  };
}

/**
 * Real-valued picture corner coordinates of a screen point: 0 is the left edge of the first pixel.
 * @param {View} view
 * @param {Point} at
 * @returns {Point}
 */
export function toPicture(view, at) {
  return { x: (at.x - view.x) / view.zoom, y: (at.y - view.y) / view.zoom };
}

/**
 * Inverse of `toPicture`.
 * @param {View} view
 * @param {Point} at
 * @returns {Point}
 */
export function toScreen(view, at) {
  return { x: view.x + at.x * view.zoom, y: view.y + at.y * view.zoom };
}

/**
 * The pixel under a screen point, or null outside the picture.
 * @param {View} view
 * @param {Point} at
 * @param {Size} picture
 * @returns {Point|null}
 */
export function pixelAt(view, at, picture) {
  const point = toPicture(view, at);
  const x = Math.floor(point.x);
  const y = Math.floor(point.y);
  return x >= 0 && y >= 0 && x < picture.width && y < picture.height ? { x, y } : null;
}

/**
 * A screen point as a click: pixel centres at integers, drawn onto the picture when it lies outside.
 * @param {View} view
 * @param {Point} at
 * @param {Size} picture
 * @returns {Point}
 */
export function clickAt(view, at, picture) {
  const point = toPicture(view, at);
  return {
    x: Math.min(picture.width - 1, Math.max(0, point.x - 0.5)),
    y: Math.min(picture.height - 1, Math.max(0, point.y - 0.5)),
  };
}

/**
 * The same place of the picture in the middle after the screen changed its size.
 * @param {View} view
 * @param {Size} before
 * @param {Size} after
 * @returns {View}
 */
export function resized(view, before, after) {
  return {
    x: view.x + (after.width - before.width) / 2,
    y: view.y + (after.height - before.height) / 2,
    zoom: view.zoom,
  };
}
