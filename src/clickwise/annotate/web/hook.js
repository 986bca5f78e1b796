/**
 * What tests and scripts in the console may rely on: `window.clickwise`.
 *
 * - `ready`: a promise, kept when the first picture (or the empty project) is shown.
 * - `idle()`: a promise, kept when every command is answered, nothing is fetched and everything is drawn.
 * - `state()`: plain values: picture, objects, selection, tool, view, connection, what is not saved yet.
 * - `at(x, y)`: where the centre of a picture pixel lies in the window, for real mouse events.
 *
 * @import {App} from "./app.js"
 */
import { area } from "./core/runs.js";
import { inOrder, titleOf } from "./core/state.js";
import { toScreen } from "./core/view.js";

/**
 * @param {App} app
 * @returns {{isReady: () => void}}
 */
export function hook(app) {
  let isReady = () => {};
  const ready = new Promise((resolve) => (isReady = () => resolve(true)));
  Object.assign(window, {
    clickwise: {
      ready,
      idle: () => idle(app),
      state: () => state(app),
      at: (/** @type {number} */ x, /** @type {number} */ y) => place(app, x, y),
    },
  });
  return { isReady };
}

/** @param {App} app */
function isIdle({ api, desk, hub, queue, stage, work }) {
  return hub.quiet && !queue.size && !api.running && !desk.opening && !desk.uploads && stage.tiles.idle && work.thresholds.asked === null;
}

/** @param {App} app */
async function idle(app) {
  // Twice in a row: an answer may lead to a new request in the frame after it.
  for (let quiet = 0; quiet < 2; ) {
    await new Promise((resolve) => requestAnimationFrame(resolve));
    quiet = isIdle(app) ? quiet + 1 : 0;
  }
}

/** @param {App} app */
function state({ desk, live, queue, settings }) {
  const { doc } = desk;
  return {
    image: doc && { imageId: doc.image_id, name: doc.name, width: doc.width, height: doc.height, version: doc.version, finished: doc.finished, undoable: doc.undoable, redoable: doc.redoable },
    trouble: desk.trouble?.message ?? null,
    objects: doc
      ? inOrder(doc).map((item) => ({
          id: item.object_id, classId: item.class_id, title: titleOf(item, desk.classes), name: item.name, area: item.area,
          pixels: area(item.mask), bbox: item.bbox, hidden: item.hidden, locked: item.locked, clicks: item.clicks,
          strokes: item.strokes, hasStart: item.has_start,
        }))
      : [],
    classes: desk.classes.classes.filter((each) => !each.retired),
    selection: [...desk.selection],
    tool: desk.tool,
    positive: desk.positive,
    view: { ...desk.view },
    cross: desk.cross,
    connection: live.state,
    pending: queue.size,
    progress: desk.progress,
    images: desk.images.length,
    lastClick: desk.lastClick,
    settings: { ...settings },
  };
}

/**
 * @param {App} app
 * @param {number} x
 * @param {number} y
 */
function place({ desk, stage }, x, y) {
  const box = stage.element.getBoundingClientRect();
  const at = toScreen(desk.view, { x: x + 0.5, y: y + 0.5 });
  return { x: box.left + at.x, y: box.top + at.y };
}
