/**
 * The canvases over each other, their sizes in device pixels, and the view. Below lies the picture, then the masks, then
 * marks (clicks, crosshair, what is being drawn), so that moving the mouse redraws neither picture nor masks.
 *
 * @import {App} from "../app.js"
 * @import {Point, View} from "../core/view.js"
 */
import { centred, fit, kept, panned, resized, toScreen, zoomed } from "../core/view.js";
import { drawMarks } from "./marks.js";
import { drawMasks } from "./masks.js";
import { drawPicture } from "./picture.js";
import { Tiles } from "./tiles.js";

/** Width of the tools at the left and height of hint and zoom at the foot, in CSS pixels. */
const RAIL = 52;
const FOOT = 46;
/** Below this width of the stage, in the page's own letters (rem), the tools lie at its foot; the attribute data-narrow tells overlay.css. */
const NARROW = 34;

export class Stage {
  /**
   * @param {App} app
   * @param {HTMLElement} element  holds the canvases; has the focus for the keyboard
   */
  constructor(app, element) {
    this.app = app;
    this.element = element;
    this.picture = canvas(element, "picture");
    this.masks = canvas(element, "masks");
    this.marks = canvas(element, "marks");
    this.tiles = new Tiles(app);
    this.ratio = 1;
    this.fitted = true;
    /** Within a row of zooms and pans, the view before its origin was put on a device pixel: no errors add up. @type {View|null} */
    this.exact = null;
  }

  /** Begin to draw. */
  start() {
    const { hub } = this.app;
    new ResizeObserver(() => this.measure()).observe(this.element);
    this.measure();
    hub.on(["view", "image", "tiles"], () => drawPicture(this));
    hub.on(["view", "image", "document", "selection", "settings", "classes"], () => drawMasks(this));
    hub.on(["view", "image", "document", "selection", "settings", "draft", "tool", "work"], () => drawMarks(this));
  }

  /** Take the size of the element; the place in the middle stays in the middle. */
  measure() {
    const { desk, hub } = this.app;
    const box = this.element.getBoundingClientRect();
    const screen = { width: Math.max(1, box.width), height: Math.max(1, box.height) };
    const ratio = globalThis.devicePixelRatio || 1;
    if (screen.width === desk.screen.width && screen.height === desk.screen.height && ratio === this.ratio) return;
    const before = desk.screen;
    desk.screen = screen;
    this.ratio = ratio;
    this.element.parentElement?.toggleAttribute("data-narrow", this.isNarrow);
    for (const each of [this.picture, this.masks, this.marks]) {
      each.width = Math.round(screen.width * ratio);
      each.height = Math.round(screen.height * ratio);
    }
    if (this.fitted) this.fit();
    else this.look(resized(desk.view, before, screen));
    hub.changed("view");
    hub.flush(); // in the same frame: a canvas that changed its size is empty
  }

  /**
   * Another view; its origin lies on a device pixel, so that clicks, picture and masks agree to the last pixel.
   * @param {View} view
   * @param {boolean} [goesOn]  one more step of a row
   */
  look(view, goesOn = false) {
    const { desk, hub } = this.app;
    const inside = desk.doc ? kept(view, desk.doc, desk.screen) : view;
    this.exact = goesOn ? inside : null;
    desk.view = {
      x: Math.round(inside.x * this.ratio) / this.ratio,
      y: Math.round(inside.y * this.ratio) / this.ratio,
      zoom: inside.zoom,
    };
    this.fitted = false;
    hub.changed("view");
  }

  /** The whole picture. */
  fit() {
    const { desk } = this.app;
    if (!desk.doc) return;
    this.look(fit(desk.doc, desk.screen, this.margins));
    this.fitted = true;
  }

  /** Whether the tools lie at the foot: how wide the window is says little, lists may stand at both sides. */
  get isNarrow() {
    return this.app.desk.screen.width < NARROW * parseFloat(getComputedStyle(document.documentElement).fontSize);
  }

  /** What tools and zoom cover at the borders; less of it where the screen is small. */
  get margins() {
    const { width, height } = this.app.desk.screen;
    const narrow = this.isNarrow;
    const least = Math.min(16, width / 32, height / 32);
    const rail = narrow ? 0 : Math.min(RAIL, width / 8);
    return { left: least + rail, top: least, right: least, bottom: least + Math.min(FOOT, height / 8) };
  }

  /** One picture pixel for each device pixel, round the middle of what is seen. */
  actual() {
    this.zoom(1 / this.ratio / this.app.desk.view.zoom);
  }

  /**
   * @param {number} factor
   * @param {Point} [at]  in CSS pixels; the middle when left out
   */
  zoom(factor, at) {
    const { desk } = this.app;
    if (!desk.doc) return;
    this.look(zoomed(this.exact ?? desk.view, factor, at ?? { x: desk.screen.width / 2, y: desk.screen.height / 2 }, desk.doc), true);
  }

  /**
   * @param {number} dx
   * @param {number} dy
   */
  pan(dx, dy) {
    const { desk } = this.app;
    if (desk.doc) this.look(panned(this.exact ?? desk.view, dx, dy, desk.doc, desk.screen), true);
  }

  /** The selected objects as large as the screen allows. */
  zoomToSelected() {
    const { desk } = this.app;
    const boxes = desk.selected.flatMap((item) => (item.bbox ? [item.bbox] : []));
    if (!boxes.length) return this.fit();
    const x0 = Math.min(...boxes.map((box) => box[0]));
    const y0 = Math.min(...boxes.map((box) => box[1]));
    const size = {
      width: Math.max(...boxes.map((box) => box[2])) - x0,
      height: Math.max(...boxes.map((box) => box[3])) - y0,
    };
    const zoom = Math.min(16, 0.8 * fit(size, desk.screen, this.margins).zoom);
    const view = centred(size, desk.screen, zoom);
    this.look({ x: view.x - x0 * zoom, y: view.y - y0 * zoom, zoom });
  }

  /**
   * Bring a pixel into sight when it is not.
   * @param {Point} pixel
   */
  show(pixel) {
    const { desk } = this.app;
    const at = toScreen(desk.view, { x: pixel.x + 0.5, y: pixel.y + 0.5 });
    const margin = 30;
    const dx = at.x < margin ? margin - at.x : Math.min(0, desk.screen.width - margin - at.x);
    const dy = at.y < margin ? margin - at.y : Math.min(0, desk.screen.height - margin - at.y);
    if (dx || dy) this.pan(dx, dy);
  }

  /** The view in device pixels. */
  get frame() {
    const { view } = this.app.desk;
    return {
      x: Math.round(view.x * this.ratio),
      y: Math.round(view.y * this.ratio),
      zoom: view.zoom * this.ratio,
      left: 0,
      top: 0,
      width: this.masks.width,
      height: this.masks.height,
    };
  }
}

/**
 * @param {HTMLElement} parent
 * @param {string} name
 */
function canvas(parent, name) {
  const element = document.createElement("canvas");
  element.className = `layer ${name}`;
  element.setAttribute("aria-hidden", "true");
  parent.append(element);
  return element;
}
