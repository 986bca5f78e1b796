/**
 * The tools by name. A tool taps, or it begins, moves and ends a drag; points are CSS pixels of the canvas.
 *
 * @import {App} from "../app.js"
 * @import {Point} from "../core/view.js"
 *
 * @typedef {{shiftKey: boolean, ctrlKey: boolean, metaKey: boolean, altKey: boolean, button: number, buttons: number,
 *   pointerType: string}} Buttons
 *
 * @typedef {object} Tool
 * @property {(at: Point, event: Buttons, opposite?: boolean) => void} [tap]  opposite: a long press
 * @property {(at: Point, event: Buttons) => void} [begin]
 * @property {(at: Point, event: Buttons) => void} [move]
 * @property {(at: Point, event: Buttons) => void} [end]
 * @property {() => void} [cancel]
 */
import { boxTool } from "./box.js";
import { brushTool } from "./brush.js";
import { clickTool, pick } from "./click.js";

const ERASER_END = 32;

/**
 * The tool that a press means: what is chosen, unless Ctrl picks or the pen is turned round.
 * @param {App} app
 * @param {Buttons} event
 * @param {boolean} [penDrags]  a pen is pulled over the picture
 * @returns {Tool}
 */
export function toolFor(app, event, penDrags = false) {
  const { tool } = app.desk;
  if (event.ctrlKey || event.metaKey) return { tap: (at, how) => pick(app, at, how) };
  if (event.pointerType === "pen" && event.buttons & ERASER_END) return brushTool(app, true);
  if (tool === "brush" || (penDrags && tool === "click")) return brushTool(app, false);
  if (tool === "eraser") return brushTool(app, true);
  if (tool === "box") return boxTool(app);
  if (tool === "select") return { tap: (at, how) => pick(app, at, how) };
  if (tool === "hand") return {};
  return clickTool(app);
}
