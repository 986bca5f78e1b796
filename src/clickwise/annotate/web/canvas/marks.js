/**
 * The marks' layer: clicks of the selected object, steps that wait for the server, what is being drawn, cursor, crosshair.
 *
 * @import {Stage} from "./stage.js"
 * @import {Point} from "../core/view.js"
 * @import {Draft} from "../desk.js"
 * @import {Colour} from "../types.js"
 */
import { inOrder } from "../core/state.js";
import { toScreen } from "../core/view.js";
import { css } from "../dom.js";

const OBJECT = /** @type {Colour} */ ([28, 160, 92]);
const BACKGROUND = /** @type {Colour} */ ([214, 64, 48]);
const WHITE = /** @type {Colour} */ ([255, 255, 255]);
const DARK = /** @type {Colour} */ ([16, 18, 22]);
const MARK = 6;
/** Objects smaller than this on the screen get a ring, in CSS pixels. */
const TINY = 5;

/** @param {Stage} stage */
export function drawMarks(stage) {
  const { desk, queue } = stage.app;
  const context = /** @type {CanvasRenderingContext2D} */ (stage.marks.getContext("2d"));
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, stage.marks.width, stage.marks.height);
  if (!desk.doc) return;
  context.setTransform(stage.ratio, 0, 0, stage.ratio, 0, 0);
  if (desk.masksShown) rings(stage, context);
  for (const [x, y, positive] of desk.active && !desk.active.hidden && desk.masksShown ? desk.active.clicks : []) {
    mark(context, centre(stage, { x, y }), positive, 1);
  }
  for (const { intent } of queue.of(desk.doc.image_id)) {
    if (intent.type === "click") mark(context, centre(stage, /** @type {any} */ (intent)), intent.positive, 0.6);
    else if (intent.type === "stroke") stroke(stage, context, /** @type {any} */ (intent), 0.4);
    else if (intent.type === "box") box(stage, context, [[intent.x0, intent.y0], [intent.x1, intent.y1]], true);
  }
  if (desk.draft?.kind === "stroke") stroke(stage, context, desk.draft, 0.55);
  else if (desk.draft?.kind === "box") box(stage, context, desk.draft.points, false);
  cursor(stage, context);
  if (desk.cross) crosshair(context, centre(stage, desk.cross), desk.screen);
}

/**
 * Where the centre of a pixel lies on the screen.
 * @param {Stage} stage
 * @param {Point} pixel
 */
function centre(stage, pixel) {
  return toScreen(stage.app.desk.view, { x: pixel.x + 0.5, y: pixel.y + 0.5 });
}

/**
 * A click: a dot with its sign, told apart by shape and by colour.
 * @param {CanvasRenderingContext2D} context
 * @param {Point} at
 * @param {boolean} positive
 * @param {number} alpha
 */
function mark(context, at, positive, alpha) {
  context.globalAlpha = alpha;
  context.beginPath();
  context.arc(at.x, at.y, MARK, 0, 2 * Math.PI);
  context.fillStyle = css(positive ? OBJECT : BACKGROUND);
  context.fill();
  context.lineWidth = 1.5;
  context.strokeStyle = css(WHITE);
  context.stroke();
  context.beginPath();
  context.moveTo(at.x - 3, at.y);
  context.lineTo(at.x + 3, at.y);
  if (positive) {
    context.moveTo(at.x, at.y - 3);
    context.lineTo(at.x, at.y + 3);
  }
  context.stroke();
  context.globalAlpha = 1;
}

/**
 * @param {Stage} stage
 * @param {CanvasRenderingContext2D} context
 * @param {Pick<Draft, "points"|"radius"|"erases">} draft
 * @param {number} alpha
 */
function stroke(stage, context, draft, alpha) {
  const { desk } = stage.app;
  const points = draft.points.map(([x, y]) => centre(stage, { x, y }));
  const first = points[0];
  if (!first) return;
  context.beginPath();
  context.moveTo(first.x, first.y);
  for (const point of points) context.lineTo(point.x, point.y);
  if (points.length === 1) context.lineTo(first.x + 0.01, first.y);
  context.lineCap = "round";
  context.lineJoin = "round";
  context.lineWidth = 2 * draft.radius * desk.view.zoom;
  context.strokeStyle = css(draft.erases ? DARK : desk.penColour, alpha);
  context.stroke();
}

/**
 * @param {Stage} stage
 * @param {CanvasRenderingContext2D} context
 * @param {readonly (readonly [number, number])[]} corners
 * @param {boolean} waiting
 */
function box(stage, context, corners, waiting) {
  const [a, b] = corners.map(([x, y]) => toScreen(stage.app.desk.view, { x, y }));
  if (!a || !b) return;
  context.lineWidth = 1.5;
  for (const [colour, offset] of /** @type {[Colour, number][]} */ ([[DARK, 0], [WHITE, 5]])) {
    context.setLineDash([5, 5]);
    context.lineDashOffset = offset;
    context.strokeStyle = css(colour, waiting ? 0.6 : 1);
    context.strokeRect(a.x, a.y, b.x - a.x, b.y - a.y);
  }
  context.setLineDash([]);
}

/**
 * Rings round objects that are too small to be seen from here.
 * @param {Stage} stage
 * @param {CanvasRenderingContext2D} context
 */
function rings(stage, context) {
  const { desk } = stage.app;
  for (const item of desk.doc ? inOrder(desk.doc) : []) {
    if (item.hidden || !item.bbox) continue;
    const [x0, y0, x1, y1] = item.bbox;
    if (Math.min(x1 - x0, y1 - y0) * desk.view.zoom >= TINY) continue;
    const at = toScreen(desk.view, { x: (x0 + x1) / 2, y: (y0 + y1) / 2 });
    const reach = 7 + (Math.max(x1 - x0, y1 - y0) * desk.view.zoom) / 2;
    context.beginPath();
    context.arc(at.x, at.y, reach, 0, 2 * Math.PI);
    context.lineWidth = desk.selection.includes(item.object_id) ? 3 : 2;
    context.strokeStyle = css(desk.colour(item));
    context.stroke();
  }
}

/**
 * The brush's size round the mouse.
 * @param {Stage} stage
 * @param {CanvasRenderingContext2D} context
 */
function cursor(stage, context) {
  const { desk, settings } = stage.app;
  if (!desk.hover || (desk.tool !== "brush" && desk.tool !== "eraser")) return;
  const radius = Math.max(1, settings.brush * desk.view.zoom);
  for (const [colour, width] of /** @type {[Colour, number][]} */ ([[DARK, 3], [WHITE, 1.25]])) {
    context.beginPath();
    context.arc(desk.hover.x, desk.hover.y, radius, 0, 2 * Math.PI);
    context.lineWidth = width;
    context.strokeStyle = css(colour, 0.85);
    context.stroke();
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Point} at
 * @param {{width: number, height: number}} screen
 */
function crosshair(context, at, screen) {
  const gap = 7;
  for (const [colour, width] of /** @type {[Colour, number][]} */ ([[DARK, 3], [WHITE, 1.25]])) {
    context.beginPath();
    context.moveTo(0, at.y);
    context.lineTo(at.x - gap, at.y);
    context.moveTo(at.x + gap, at.y);
    context.lineTo(screen.width, at.y);
    context.moveTo(at.x, 0);
    context.lineTo(at.x, at.y - gap);
    context.moveTo(at.x, at.y + gap);
    context.lineTo(at.x, screen.height);
    context.lineWidth = width;
    context.strokeStyle = css(colour, 0.85);
    context.stroke();
  }
}
