/**
 * The keyboard: shortcuts, digits for classes, arrows for crosshair and panning, Space for the hand.
 *
 * @import {App} from "./app.js"
 * @import {Pointers} from "./canvas/pointer.js"
 */
import { chordOf, shortcutFor } from "./core/shortcuts.js";
import { offered } from "./core/state.js";
import { toPicture } from "./core/view.js";
import { byId } from "./dom.js";

const FAST = 10;
/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

/**
 * @param {App} app
 * @param {Pointers} pointers
 * @param {Record<string, () => void>} commands
 */
export function listen(app, pointers, commands) {
  const stage = app.stage.element;
  let leaving = false; // after Escape, Tab leaves the picture
  // The frame shows that the picture has the keyboard; whoever uses the mouse need not see it.
  stage.addEventListener("pointerdown", () => {
    leaving = false;
    stage.dataset.keys = "off";
  });
  document.addEventListener("keyup", (event) => {
    if (event.key === "Tab" || event.key === "F6" || event.key in ARROWS) stage.dataset.keys = "on";
  });
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open], .menu")) return;
    const onPicture = event.target === stage || event.target === document.body;
    if (writing(event)) return;
    const chord = chordOf(event);
    if (chord === "Tab" || chord === "Shift+Tab") {
      if (!onPicture || leaving || !app.desk.listing.length) return;
    } else if (chord !== "" && chord !== "Escape") leaving = false;
    if (onPicture && (arrow(app, event) || space(pointers, event))) {
      event.preventDefault();
      return;
    }
    if (!onPicture && (event.key === "Enter" || event.key === " ")) return; // belongs to the button that has the focus
    if (digit(app, chord) || run(app, event, onPicture, commands)) event.preventDefault();
    else if (chord === "Mod+S") {
      event.preventDefault();
      app.toasts.say(app.queue.size ? "Every step is saved by itself; some are still on their way." : "Everything is saved. Every step is, by itself.");
    }
    if (chord === "Escape" && onPicture) {
      leaving = !app.desk.selection.length && !app.desk.cross;
    }
  });
  document.addEventListener("keyup", (event) => {
    if (event.key === " ") release(pointers);
  });
  // Whoever pressed a button or moved a slider with the mouse goes on working on the picture: Enter and Space mean it.
  byId("app").addEventListener("click", (event) => {
    const pressed = event.detail > 0 && /** @type {Element} */ (event.target).closest("button, input[type=range], input[type=checkbox], .frame");
    if (pressed && !document.querySelector("dialog[open], .menu")) stage.focus({ preventScroll: true });
  });
  addEventListener("blur", () => release(pointers));
}

/**
 * Whether the keys belong to a field.
 * @param {KeyboardEvent} event
 */
function writing(event) {
  const target = event.target;
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) {
    if (target.type === "range") return event.key.startsWith("Arrow") || ["Home", "End", "PageUp", "PageDown"].includes(event.key);
    return !["checkbox", "radio", "button", "color"].includes(target.type);
  }
  return target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement || target.isContentEditable;
}

/**
 * @param {App} app
 * @param {KeyboardEvent} event
 * @param {boolean} onPicture
 * @param {Record<string, () => void>} commands
 */
function run(app, event, onPicture, commands) {
  const chord = chordOf(event);
  if (!chord) return false;
  const custom = app.settings.shortcuts;
  const cross = onPicture && app.desk.cross ? shortcutFor(chord, custom, "crosshair") : null;
  const shortcut = cross ?? shortcutFor(chord, custom, "page");
  if (!shortcut) return false;
  if (!(event.repeat && shortcut.once)) commands[shortcut.id]?.();
  return true;
}

/**
 * @param {App} app
 * @param {string} chord
 */
function digit(app, chord) {
  if (!/^\d$/.test(chord)) return false;
  const found = offered(app.desk.classes).find((each) => each.key === chord);
  if (found) app.work.chooseClass(found.class_id);
  else app.toasts.say(`No class has the key ${chord}. Give it one under Classes.`);
  return true;
}

/**
 * Arrow keys move the crosshair by a pixel (with Shift by ten), with Alt the picture.
 * @param {App} app
 * @param {KeyboardEvent} event
 */
function arrow(app, event) {
  const step = ARROWS[event.key];
  const { desk, hub, stage } = app;
  if (!step || !desk.doc || event.ctrlKey || event.metaKey) return false;
  if (event.altKey) {
    stage.pan(-step[0] * 60, -step[1] * 60);
    return true;
  }
  if (!desk.cross) {
    const middle = toPicture(desk.view, { x: desk.screen.width / 2, y: desk.screen.height / 2 });
    desk.cross = inside(desk.doc, Math.floor(middle.x), Math.floor(middle.y));
  } else {
    // A step is a pixel, or as much as can be seen when zoomed out.
    const far = Math.max(1, Math.round((event.shiftKey ? FAST : 1) / Math.min(1, desk.view.zoom)));
    desk.cross = inside(desk.doc, desk.cross.x + step[0] * far, desk.cross.y + step[1] * far);
  }
  stage.show(desk.cross);
  app.telling.say(`${desk.cross.x}, ${desk.cross.y}`);
  hub.changed("draft", "hint");
  return true;
}

/**
 * @param {{width: number, height: number}} picture
 * @param {number} x
 * @param {number} y
 */
function inside(picture, x, y) {
  return { x: Math.min(picture.width - 1, Math.max(0, x)), y: Math.min(picture.height - 1, Math.max(0, y)) };
}

/**
 * @param {Pointers} pointers
 * @param {KeyboardEvent} event
 */
function space(pointers, event) {
  if (event.key !== " ") return false;
  pointers.space = true;
  pointers.cursor();
  return true;
}

/** @param {Pointers} pointers */
function release(pointers) {
  pointers.space = false;
  pointers.cursor();
}
