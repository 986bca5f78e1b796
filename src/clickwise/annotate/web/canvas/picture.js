/**
 * The picture's layer: the coarsest level at once, finer tiles over it as they come.
 *
 * @import {Stage} from "./stage.js"
 */
import { levelFor, tileArea, tilesIn, visibleArea } from "../core/pyramid.js";
import { deviceEdge } from "../core/raster.js";

/** From this many device pixels for a picture pixel on, pixels are shown as squares. */
const SQUARES_FROM = 2;

/** @param {Stage} stage */
export function drawPicture(stage) {
  const { doc, view, screen } = stage.app.desk;
  const context = /** @type {CanvasRenderingContext2D} */ (stage.picture.getContext("2d"));
  context.clearRect(0, 0, stage.picture.width, stage.picture.height);
  if (!doc) return;
  const frame = stage.frame;
  context.imageSmoothingEnabled = frame.zoom < SQUARES_FROM;
  context.imageSmoothingQuality = "high";
  const area = visibleArea(view, screen, doc);
  const finest = levelFor(doc, frame.zoom);
  const coarsest = doc.levels - 1;
  const needed = tilesIn(doc, finest, area);
  const missing = needed.some((tile) => !stage.tiles.get(doc, tile));
  for (let level = coarsest; level >= finest; level--) {
    if (level !== finest && !missing) continue;
    for (const tile of level === finest ? needed : tilesIn(doc, level, area)) {
      const bitmap = stage.tiles.get(doc, tile);
      if (!bitmap) continue;
      const part = tileArea(doc, tile);
      const x0 = deviceEdge(part.x0, frame.x, frame.zoom);
      const y0 = deviceEdge(part.y0, frame.y, frame.zoom);
      const x1 = deviceEdge(part.x1, frame.x, frame.zoom);
      const y1 = deviceEdge(part.y1, frame.y, frame.zoom);
      context.drawImage(bitmap, x0, y0, x1 - x0, y1 - y0);
    }
  }
  stage.tiles.want(doc, [...tilesIn(doc, coarsest, area), ...needed]);
}
