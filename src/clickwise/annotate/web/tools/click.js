/**
 * Clicks on object and background, and picking objects.
 *
 * @import {App} from "../app.js"
 * @import {Point} from "../core/view.js"
 * @import {Buttons, Tool} from "./tools.js"
 */
import { objectsAt, titleOf } from "../core/state.js";
import { clickAt, pixelAt } from "../core/view.js";

const RIGHT = 2;

/**
 * @param {App} app
 * @returns {Tool}
 */
export function clickTool(app) {
  return {
    tap(at, event, opposite = false) {
      const { desk, work } = app;
      if (!desk.doc || !pixelAt(desk.view, at, desk.doc)) return;
      const other = opposite || event.button === RIGHT || event.altKey;
      const place = clickAt(desk.view, at, desk.doc);
      work.click(place.x, place.y, other ? !desk.positive : desk.positive);
    },
  };
}

/**
 * Select the topmost object under a point; again at the same place: the one below it. Shift adds to the selection.
 * @param {App} app
 * @param {Point} at
 * @param {Buttons} event
 */
export function pick(app, at, event) {
  const { desk, work, telling } = app;
  const pixel = desk.doc && pixelAt(desk.view, at, desk.doc);
  if (!desk.doc || !pixel) return;
  const found = objectsAt(desk.doc, pixel.x, pixel.y).map((item) => item.object_id);
  if (event.shiftKey) {
    const first = found[0];
    if (first === undefined) return;
    work.select(desk.selection.includes(first) ? desk.selection.filter((id) => id !== first) : [...desk.selection, first]);
    return;
  }
  const now = found.indexOf(desk.active?.object_id ?? -1);
  const next = found[(now + 1) % found.length];
  work.select(next === undefined ? [] : [next]);
  const item = desk.active;
  if (item) telling.say(`${titleOf(item, desk.classes)} selected. Clicks correct it.`);
}
