/**
 * Mouse, pen and fingers on the picture become taps, drags of the tool, pans and zooms.
 *
 * Mouse: the left button is the tool's, right or Alt gives the other sign, middle or Space pans, Ctrl picks. Pen: as the
 * mouse, its eraser end erases, and it draws with the brush also in the click tool. Touch: one finger taps or pans (with
 * the brush or box it draws), two fingers pan and zoom, a long press is a background click, two quick taps fit.
 *
 * @import {App} from "../app.js"
 * @import {Point} from "../core/view.js"
 */
import { toolFor } from "../tools/tools.js";

const SLOP = 6;
const LONG_PRESS = 500;
const DOUBLE_TAP = 300;
const WHEEL_STEP = 0.0015;
const LINE = 18;

/**
 * @typedef {object} Press  a pointer that is down
 * @property {"tool"|"pan"|"wait"|"pinch"|"over"} mode  wait: not known yet whether tap or drag
 * @property {Point} start
 * @property {Point} at
 * @property {PointerEvent} event
 */

export class Pointers {
  /**
   * @param {App} app
   * @param {HTMLElement} element
   */
  constructor(app, element) {
    this.app = app;
    this.element = element;
    /** @type {Map<number, Press>} */
    this.presses = new Map();
    this.space = false;
    this.lastTap = 0;
    /** @type {ReturnType<typeof setTimeout>|undefined} */
    this.pressTimer = undefined;
    element.addEventListener("pointerdown", (event) => this.down(event));
    element.addEventListener("pointermove", (event) => this.move(event));
    element.addEventListener("pointerup", (event) => this.up(event));
    element.addEventListener("pointercancel", (event) => this.cancel(event));
    element.addEventListener("pointerleave", () => this.hover(null));
    element.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    element.addEventListener("contextmenu", (event) => event.preventDefault());
    element.addEventListener("auxclick", (event) => event.preventDefault());
  }

  /** @param {{clientX: number, clientY: number}} event */
  place(event) {
    const box = this.element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  /** @param {PointerEvent} event */
  down(event) {
    const { desk, hub } = this.app;
    if (!desk.doc) return;
    this.element.focus({ preventScroll: true });
    this.element.setPointerCapture(event.pointerId);
    event.preventDefault();
    if (desk.cross) desk.cross = null;
    const at = this.place(event);
    const press = /** @type {Press} */ ({ mode: "wait", start: at, at, event });
    this.presses.set(event.pointerId, press);
    hub.changed("draft");
    if (event.pointerType === "touch") this.touched(press);
    else if (event.button === 1 || this.space || desk.tool === "hand") press.mode = "pan";
    else this.pressed(press, at);
    this.cursor();
  }

  /**
   * A button of mouse or pen.
   * @param {Press} press
   * @param {Point} at
   */
  pressed(press, at) {
    const tool = toolFor(this.app, press.event);
    if (tool.begin) {
      press.mode = "tool";
      tool.begin(at, press.event);
    } else if (press.event.pointerType === "pen") press.mode = "wait";
    else {
      press.mode = "over";
      tool.tap?.(at, press.event);
    }
  }

  /** @param {Press} press */
  touched(press) {
    clearTimeout(this.pressTimer);
    if (this.presses.size > 1) {
      for (const each of this.presses.values()) {
        if (each.mode === "tool") toolFor(this.app, each.event).cancel?.();
        each.mode = "pinch";
      }
      return;
    }
    this.pressTimer = setTimeout(() => this.longPress(press), LONG_PRESS);
  }

  /** @param {Press} press */
  longPress(press) {
    if (press.mode !== "wait") return;
    press.mode = "over";
    toolFor(this.app, press.event).tap?.(press.at, press.event, true);
    navigator.vibrate?.(15);
  }

  /** @param {PointerEvent} event */
  move(event) {
    const at = this.place(event);
    if (event.pointerType !== "touch") this.hover(at);
    const press = this.presses.get(event.pointerId);
    if (!press) return;
    const before = press.at;
    if (press.mode === "wait" && Math.hypot(at.x - press.start.x, at.y - press.start.y) > SLOP) this.dragged(press);
    press.at = at;
    if (press.mode === "pan") this.app.stage.pan(at.x - before.x, at.y - before.y);
    else if (press.mode === "pinch") this.pinched(press, before);
    else if (press.mode === "tool") this.drawn(press, event);
  }

  /**
   * A finger or pen that moved: it draws where the tool draws, else a finger pans and a pen paints.
   * @param {Press} press
   */
  dragged(press) {
    clearTimeout(this.pressTimer);
    const tool = toolFor(this.app, press.event, press.event.pointerType === "pen");
    if (!tool.begin || this.app.desk.tool === "hand") {
      press.mode = "pan";
      return;
    }
    press.mode = "tool";
    tool.begin(press.start, press.event);
  }

  /**
   * @param {Press} press
   * @param {PointerEvent} event
   */
  drawn(press, event) {
    const tool = toolFor(this.app, press.event, press.event.pointerType === "pen");
    const all = event.getCoalescedEvents?.() ?? [];
    for (const each of all.length ? all : [event]) tool.move?.(this.place(each), each);
  }

  /**
   * @param {Press} press
   * @param {Point} before
   */
  pinched(press, before) {
    const other = [...this.presses.values()].find((each) => each !== press);
    if (!other) return;
    const { stage } = this.app;
    const was = Math.hypot(before.x - other.at.x, before.y - other.at.y);
    const is = Math.hypot(press.at.x - other.at.x, press.at.y - other.at.y);
    stage.pan((press.at.x - before.x) / 2, (press.at.y - before.y) / 2);
    const middle = { x: (press.at.x + other.at.x) / 2, y: (press.at.y + other.at.y) / 2 };
    if (was > 10 && is > 10) stage.zoom(is / was, middle);
  }

  /** @param {PointerEvent} event */
  up(event) {
    const press = this.presses.get(event.pointerId);
    this.presses.delete(event.pointerId);
    clearTimeout(this.pressTimer);
    if (!press) return;
    const tool = toolFor(this.app, press.event, press.event.pointerType === "pen");
    if (press.mode === "tool") tool.end?.(this.place(event), event);
    else if (press.mode === "wait") this.tapped(press, event);
    for (const other of this.presses.values()) other.mode = "over"; // the second finger of a pinch draws nothing
    this.cursor();
  }

  /**
   * @param {Press} press
   * @param {PointerEvent} event
   */
  tapped(press, event) {
    const { desk, stage } = this.app;
    const now = Date.now();
    if (event.pointerType === "touch" && desk.tool === "hand" && now - this.lastTap < DOUBLE_TAP) stage.fit();
    this.lastTap = now;
    const tool = toolFor(this.app, press.event);
    if (tool.tap) tool.tap(press.at, press.event);
    else if (tool.begin) {
      tool.begin(press.start, press.event);
      tool.end?.(press.at, press.event);
    }
  }

  /** @param {PointerEvent} event */
  cancel(event) {
    const press = this.presses.get(event.pointerId);
    this.presses.delete(event.pointerId);
    clearTimeout(this.pressTimer);
    if (press?.mode === "tool") toolFor(this.app, press.event).cancel?.();
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    event.preventDefault();
    const { desk, settings, stage, hub, saveSettings } = this.app;
    const unit = event.deltaMode === 1 ? LINE : event.deltaMode === 2 ? desk.screen.height : 1;
    const delta = (Math.abs(event.deltaY) > Math.abs(event.deltaX) ? event.deltaY : event.deltaX) * unit;
    if (event.shiftKey && !event.ctrlKey) {
      const draws = desk.tool === "brush" || desk.tool === "eraser";
      if (draws) settings.brush = Math.min(500, Math.max(0.5, settings.brush * Math.exp(-delta * WHEEL_STEP)));
      else settings.opacity = Math.min(1, Math.max(0, settings.opacity - Math.sign(delta) * 0.05));
      saveSettings();
      hub.changed("settings", "draft");
    } else if (settings.wheel === "pan" && !event.ctrlKey && !event.metaKey) {
      stage.pan(-event.deltaX * unit, -event.deltaY * unit);
    } else {
      const speed = event.ctrlKey ? WHEEL_STEP * 6 : WHEEL_STEP; // a pinch on a touchpad comes as Ctrl+wheel
      stage.zoom(Math.exp(-Math.max(-240, Math.min(240, delta)) * speed), this.place(event));
    }
  }

  /** @param {Point|null} at */
  hover(at) {
    const { desk, hub } = this.app;
    desk.hover = at;
    hub.changed("draft");
  }

  /** The mouse cursor that fits. */
  cursor() {
    const { desk } = this.app;
    const panning = [...this.presses.values()].some((press) => press.mode === "pan");
    const hand = this.space || desk.tool === "hand";
    this.element.dataset.cursor = panning ? "grabbing" : hand ? "grab" : desk.tool;
  }
}
