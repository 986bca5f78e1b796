/**
 * The masks' layer, drawn anew at each change for the part in sight.
 *
 * @import {Stage} from "./stage.js"
 * @import {Layer} from "../core/raster.js"
 */
import { rasterise } from "../core/raster.js";
import { inOrder } from "../core/state.js";

/** Fill of objects that are not selected, while one is. */
const BEHIND = 0.6;

/** Bytes are kept between frames: a new 20-megabyte array for each would be most of the work. @type {ImageData|null} */
let canvasBytes = null;

/** @param {Stage} stage */
export function drawMasks(stage) {
  const { desk } = stage.app;
  const context = /** @type {CanvasRenderingContext2D} */ (stage.masks.getContext("2d"));
  const { width, height } = stage.masks;
  const layers = desk.doc && desk.masksShown ? layersOf(stage) : [];
  if (!layers.length) {
    context.clearRect(0, 0, width, height);
    return;
  }
  if (canvasBytes?.width === width && canvasBytes.height === height) canvasBytes.data.fill(0);
  else canvasBytes = new ImageData(width, height);
  rasterise(stage.frame, layers, canvasBytes.data);
  context.putImageData(canvasBytes, 0, 0);
}

/**
 * @param {Stage} stage
 * @returns {Layer[]}
 */
function layersOf(stage) {
  const { desk, settings } = stage.app;
  if (!desk.doc) return [];
  const chosen = new Set(desk.selection);
  return inOrder(desk.doc)
    .filter((item) => !item.hidden)
    .map((item) => {
      const selected = chosen.has(item.object_id);
      return {
        mask: desk.preview?.objectId === item.object_id ? desk.preview.mask : item.mask,
        colour: desk.colour(item),
        opacity: settings.opacity * (selected || !chosen.size ? 1 : BEHIND),
        contour: settings.contour && Math.max(1, Math.round((selected ? settings.contour : 1) * stage.ratio)),
        contourOpacity: selected || !chosen.size ? 1 : 0.85,
        // A white line shows the selected one on dark and on bright pictures alike.
        rim: selected && settings.contour ? Math.max(1, Math.round(stage.ratio)) : 0,
      };
    });
}
