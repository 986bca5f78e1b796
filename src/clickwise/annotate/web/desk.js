/**
 * What lies before the user: picture, selection, tool. Data and questions about it; who changes it says so to the hub.
 *
 * @import {Classes, Colour, ImageItem, LabelClass, Progress, Project} from "./types.js"
 * @import {Doc, Item} from "./core/state.js"
 * @import {Mask} from "./core/runs.js"
 * @import {Point, View} from "./core/view.js"
 * @import {Settings} from "./core/settings.js"
 *
 * @typedef {"click"|"select"|"box"|"brush"|"eraser"|"hand"} ToolName
 *
 * @typedef {object} Draft  what is being drawn, in picture coordinates
 * @property {"stroke"|"box"} kind
 * @property {[number, number][]} points  stroke: pixel centres at integers; box: two corners in pixel edges
 * @property {number} radius
 * @property {boolean} erases
 */
import { colourOf, inOrder, offered } from "./core/state.js";

const GREY = /** @type {Colour} */ ([128, 128, 128]);

export class Desk {
  /** @param {Settings} settings */
  constructor(settings) {
    this.settings = settings;
    /** @type {Project|null} */
    this.project = null;
    /** @type {Classes} */
    this.classes = { version: 0, classes: [] };
    /** @type {Progress|null} */
    this.progress = null;
    /** @type {ImageItem[]} */
    this.images = [];
    /** Whether all of the list is here. */
    this.listed = false;

    /** @type {Doc|null} */
    this.doc = null;
    /** Picture that is being opened. @type {string|null} */
    this.opening = null;
    /** Why the chosen picture is not shown. @type {{imageId: string, message: string}|null} */
    this.trouble = null;

    /** Objects selected, the active one last. @type {readonly number[]} */
    this.selection = [];
    /** Command that is making the object which the next click means. @type {string|null} */
    this.making = null;
    /** @type {ToolName} */
    this.tool = "click";
    /** Whether a plain click adds. */
    this.positive = true;
    /** Class of the next object. */
    this.classId = 0;
    /** @type {number|null} */
    this.threshold = null;
    /** Mask that a threshold would give. @type {{objectId: number, mask: Mask}|null} */
    this.preview = null;
    this.masksShown = true;

    /** @type {View} */
    this.view = { x: 0, y: 0, zoom: 1 };
    this.screen = { width: 1, height: 1 };
    /** @type {Draft|null} */
    this.draft = null;
    /** Mouse over the picture, in CSS pixels of the canvas. @type {Point|null} */
    this.hover = null;
    /** The keyboard's crosshair, as pixel. @type {Point|null} */
    this.cross = null;

    /** @type {{milliseconds: number, parts: import("./types.js").Timing}|null} */
    this.lastClick = null;
    /** @type {"queue"|"model"|"picture"|null} */
    this.busy = null;
    this.uploads = 0;
  }

  /** The object that clicks correct. @returns {Item|null} */
  get active() {
    const id = this.selection.at(-1);
    return (id !== undefined && this.doc?.objects.get(id)) || null;
  }

  /** @returns {Item[]} */
  get selected() {
    return this.selection.flatMap((id) => this.doc?.objects.get(id) ?? []);
  }

  /** Class of the next object. @returns {LabelClass|null} */
  get nextClass() {
    const classes = offered(this.classes);
    return classes.find((each) => each.class_id === this.classId) ?? classes[0] ?? null;
  }

  /** Objects, topmost first, as lists show them. @returns {Item[]} */
  get listing() {
    return this.doc ? inOrder(this.doc).reverse() : [];
  }

  /** The open picture's entry in the list. @returns {ImageItem|null} */
  get entry() {
    return this.images.find((image) => image.image_id === (this.opening ?? this.trouble?.imageId ?? this.doc?.image_id)) ?? null;
  }

  /** Threshold that holds for the next click. */
  get thresholdShown() {
    return this.threshold ?? this.modelInUse?.default_threshold ?? 0.49;
  }

  get modelInUse() {
    const models = this.project?.models ?? [];
    return models.find((each) => each.name === (this.settings.model || this.project?.model)) ?? models.find((each) => each.name === this.project?.model) ?? null;
  }

  /**
   * @param {Item} item
   * @returns {Colour}
   */
  colour(item) {
    const { colourBy } = this.settings;
    const by = colourBy === "auto" ? (offered(this.classes).length > 1 ? "class" : "object") : colourBy;
    return colourOf(item, this.classes, by);
  }

  /** Colour of what the next click or stroke makes. @returns {Colour} */
  get penColour() {
    const active = this.active;
    return active ? this.colour(active) : this.nextClass?.colour ?? GREY;
  }
}
