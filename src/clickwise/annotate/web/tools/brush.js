/**
 * Brush and eraser. The stroke is shown as a line until the server answers with the mask.
 *
 * @import {App} from "../app.js"
 * @import {Point} from "../core/view.js"
 * @import {Tool} from "./tools.js"
 */
import { toPicture } from "../core/view.js";

/** Points nearer to the last one, in screen pixels, say nothing new. */
const STEP = 1;
const MOST_POINTS = 100_000;

/**
 * @param {App} app
 * @param {boolean} erases
 * @returns {Tool}
 */
export function brushTool(app, erases) {
  const { desk, hub, settings, work } = app;
  /**
   * @param {Point} at
   * @returns {[number, number]}
   */
  const pixel = (at) => {
    const point = toPicture(desk.view, at);
    return [rounded(point.x - 0.5), rounded(point.y - 0.5)];
  };
  return {
    begin(at) {
      desk.draft = { kind: "stroke", points: [pixel(at)], radius: settings.brush, erases };
      hub.changed("draft");
    },
    move(at) {
      const draft = desk.draft;
      const last = draft?.points.at(-1);
      if (!draft || !last || draft.points.length >= MOST_POINTS) return;
      const next = pixel(at);
      if (Math.hypot(next[0] - last[0], next[1] - last[1]) * desk.view.zoom < STEP) return;
      draft.points.push(next);
      hub.changed("draft");
    },
    end() {
      const draft = desk.draft;
      desk.draft = null;
      hub.changed("draft");
      if (draft?.kind === "stroke") work.stroke(draft.points, draft.radius, draft.erases);
    },
    cancel() {
      desk.draft = null;
      hub.changed("draft");
    },
  };
}

/**
 * Hundredths of a pixel are enough, and a third of the bytes.
 * @param {number} value
 */
function rounded(value) {
  return Math.round(value * 100) / 100;
}
