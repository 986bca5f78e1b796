/**
 * Everything that a shortcut, button or menu can do, by the shortcut's id.
 *
 * @import {App} from "./app.js"
 * @import {ToolName} from "./desk.js"
 */
import { titleOf } from "./core/state.js";
import { asked, confirmed } from "./panels/dialog.js";
import { newClass } from "./panels/classes.js";
import { openHelp } from "./panels/help.js";

const ZOOM_STEP = 1.4;
const BRUSH_STEP = 1.25;

/**
 * @param {App} app
 * @returns {Record<string, () => void>}
 */
export function commandsOf(app) {
  const { desk, hub, pictures, settings, stage, work } = app;
  const change = () => {
    app.saveSettings();
    hub.changed("settings", "draft");
  };
  /** @param {ToolName} name */
  const tool = (name) => () => {
    desk.tool = name;
    desk.draft = null;
    hub.changed("tool");
  };
  /** @param {number} factor */
  const brush = (factor) => () => {
    settings.brush = Math.min(500, Math.max(0.5, settings.brush * factor));
    change();
  };
  /** @param {number} step */
  const opacity = (step) => () => {
    settings.opacity = Math.round(100 * Math.min(1, Math.max(0, settings.opacity + step))) / 100;
    change();
  };
  return {
    undo: () => work.history("undo"),
    redo: () => work.history("redo"),
    "object.new": () => work.newObject(),
    "finish.next": () => void pictures.finishAndNext(),
    "finish.toggle": () => void (desk.doc && work.action({ action: "finish", finished: !desk.doc.finished })),
    previous: () => void pictures.go("previous"),
    next: () => void pictures.go("next"),
    unfinished: () => void pictures.go("unfinished"),
    "picture.leave": () => void pictures.leaveOut(),
    escape: () => escape(app),
    "tool.click": tool("click"),
    "tool.select": tool("select"),
    "tool.box": tool("box"),
    "tool.brush": tool("brush"),
    "tool.eraser": tool("eraser"),
    "tool.hand": tool("hand"),
    sign: () => {
      desk.positive = !desk.positive;
      app.telling.say(desk.positive ? "Clicks add to the object." : "Clicks take away from the object.");
      hub.changed("tool");
    },
    "brush.smaller": brush(1 / BRUSH_STEP),
    "brush.larger": brush(BRUSH_STEP),
    overlap: () => {
      settings.cutOthers = !settings.cutOthers;
      app.telling.say(settings.cutOthers ? "Objects do not overlap others." : "Objects may overlap.");
      change();
    },
    "object.next": () => cycle(app, 1),
    "object.previous": () => cycle(app, -1),
    "object.delete": () => ofSelected(app, (ids) => work.action({ action: "delete", object_ids: ids })),
    "object.hide": () => toggle(app, "hide", "hidden"),
    "object.lock": () => toggle(app, "lock", "locked"),
    "object.merge": () => void merge(app),
    "object.rename": () => void rename(app),
    "object.raise": () => moveBy(app, 1),
    "object.lower": () => moveBy(app, -1),
    "object.all": () => work.select(desk.doc?.order ?? []),
    "class.free": () => work.chooseFreeClass(),
    "class.add": () => void newClass(app),
    fit: () => stage.fit(),
    actual: () => stage.actual(),
    "zoom.in": () => stage.zoom(ZOOM_STEP),
    "zoom.out": () => stage.zoom(1 / ZOOM_STEP),
    "zoom.object": () => stage.zoomToSelected(),
    "opacity.less": opacity(-0.05),
    "opacity.more": opacity(0.05),
    masks: () => {
      desk.masksShown = !desk.masksShown;
      hub.changed("document");
    },
    panels: () => {
      const shown = settings.picturesShown || settings.objectsShown;
      settings.picturesShown = settings.objectsShown = !shown;
      change();
    },
    region: () => goToRegion(1),
    "region.back": () => goToRegion(-1),
    help: () => openHelp(app),
    "cross.positive": () => crossClick(app, true),
    "cross.negative": () => crossClick(app, false),
  };
}

/** @param {App} app */
function escape(app) {
  const { desk, hub, work } = app;
  if (desk.draft) desk.draft = null;
  else if (desk.cross) desk.cross = null;
  else work.select([]);
  hub.changed("draft");
}

/**
 * @param {App} app
 * @param {(ids: number[]) => void} then
 */
function ofSelected(app, then) {
  const ids = app.desk.selected.map((item) => item.object_id);
  if (ids.length) then(ids);
  else app.toasts.say("Nothing is selected. Ctrl+click an object, or choose it in the list.");
}

/**
 * @param {App} app
 * @param {"hide"|"lock"} action
 * @param {"hidden"|"locked"} field
 */
function toggle(app, action, field) {
  ofSelected(app, (ids) => {
    const value = !app.desk.selected.every((item) => item[field]);
    app.work.action({ action, object_ids: ids, [field]: value });
  });
}

/** @param {App} app */
async function merge(app) {
  const { desk, toasts, work } = app;
  const [first, ...others] = [...desk.selected].reverse();
  if (!first || !others.length) {
    toasts.say("Select two objects or more: Shift+click in the list, or Ctrl+Shift+click on the masks.");
    return;
  }
  const before = desk.selection;
  const clicks = desk.selected.some((item) => item.clicks.length || item.strokes);
  const text = `${desk.selected.length} objects become ${titleOf(first, desk.classes)}.` + (clicks ? " Their clicks end here; undo brings them back." : "");
  if (desk.selected.length > 4 && !(await confirmed("Merge objects", text, "Merge"))) return;
  if (desk.selection !== before) return;
  work.action({ action: "merge", into: first.object_id, others: others.map((item) => item.object_id) });
  work.select([first.object_id]);
}

/** @param {App} app */
async function rename(app) {
  const { desk, work } = app;
  const item = desk.active;
  if (!item) return ofSelected(app, () => {});
  const name = await asked("Rename object", "A name of its own; empty: class and number", item.name, "Rename");
  if (name !== null && name !== item.name) work.action({ action: "rename", object_id: item.object_id, name });
}

/**
 * @param {App} app
 * @param {number} step  1: one place up in the drawing order
 */
export function moveBy(app, step) {
  const { desk, work } = app;
  const item = desk.active;
  if (!desk.doc || !item) return ofSelected(app, () => {});
  const place = desk.doc.order.indexOf(item.object_id) + step;
  if (place >= 0 && place < desk.doc.order.length) work.action({ action: "move", object_id: item.object_id, place });
}

/**
 * @param {App} app
 * @param {number} step
 */
function cycle(app, step) {
  const { desk, telling, work } = app;
  const items = desk.listing;
  if (!items.length) return;
  const now = items.findIndex((item) => item.object_id === desk.active?.object_id);
  const next = now < 0 ? (step > 0 ? 0 : items.length - 1) : (now + step + items.length) % items.length;
  const item = items[next];
  if (!item) return;
  work.select([item.object_id]);
  telling.say(`${titleOf(item, desk.classes)}, ${next + 1} of ${items.length}${item.hidden ? ", hidden" : ""}${item.locked ? ", locked" : ""}`);
}

/**
 * @param {App} app
 * @param {boolean} positive
 */
function crossClick(app, positive) {
  const cross = app.desk.cross;
  if (cross) app.work.click(cross.x, cross.y, positive === app.desk.positive);
}

/** @param {number} step */
function goToRegion(step) {
  const regions = [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("#bar, [data-region]"))].filter(
    (each) => each.offsetParent !== null,
  );
  const now = regions.findIndex((each) => each.contains(document.activeElement));
  const region = regions[(now + step + regions.length) % regions.length];
  const inside = /** @type {HTMLElement|null|undefined} */ (
    region?.matches("[tabindex]") ? region : region?.querySelector('[tabindex="0"], button:not([disabled]):not([tabindex="-1"]), input, select')
  );
  inside?.focus();
}
