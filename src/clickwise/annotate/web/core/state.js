/**
 * The page's replica of a picture's document. The server is the only authority: the page takes its deltas in order and
 * fetches the document anew when one does not fit. Values are replaced, never changed.
 *
 * @import {Classes, Colour, Delta, LabelClass, ObjectDelta, Tail, WireDocument, WireObject} from "../types.js"
 * @import {Mask} from "./runs.js"
 *
 * @typedef {Omit<WireObject, "mask"> & {mask: Mask}} Item  an object with its mask unpacked
 * @typedef {Omit<WireDocument, "objects"> & {objects: ReadonlyMap<number, Item>}} Doc
 */
import { EMPTY, applyPatch, contains } from "./runs.js";

/**
 * A list from its first `keep` items and those that follow; whole lists come for what is new.
 * @template T
 * @param {readonly T[]} before
 * @param {Tail<T>|readonly T[]} tail
 * @returns {T[]}
 */
function continued(before, tail) {
  return "keep" in tail ? [...before.slice(0, tail.keep), ...tail.items] : [...tail];
}

/**
 * @param {WireDocument} wire
 * @returns {Doc}
 */
export function fromWire(wire) {
  const objects = new Map(wire.objects.map((object) => [object.object_id, changed(fresh(object.object_id), object)]));
  return { ...wire, objects };
}

/**
 * The document after a delta; the same one when the delta is known already; null when events between are missing.
 * @param {Doc} doc
 * @param {Delta} delta
 * @returns {Doc|null}
 */
export function applyDelta(doc, delta) {
  if (delta.image_id !== doc.image_id || delta.version <= doc.version) return doc;
  if (delta.from !== doc.version) return null;
  const objects = new Map(doc.objects);
  for (const object of delta.objects ?? []) {
    const before = objects.get(object.object_id) ?? fresh(object.object_id);
    objects.set(object.object_id, changed(before, object));
  }
  for (const objectId of delta.removed ?? []) objects.delete(objectId);
  const order = (delta.order ? continued(doc.order, delta.order) : doc.order).filter((id) => objects.has(id));
  return {
    ...doc,
    version: delta.version,
    objects,
    order: [...order, ...[...objects.keys()].filter((id) => !order.includes(id))],
    finished: delta.finished ?? doc.finished,
    undoable: delta.undoable ?? doc.undoable,
    redoable: delta.redoable ?? doc.redoable,
  };
}

/**
 * @param {number} objectId
 * @returns {Item}
 */
function fresh(objectId) {
  return {
    object_id: objectId,
    class_id: 1,
    name: "",
    colour: null,
    hidden: false,
    locked: false,
    clicks: [],
    strokes: 0,
    has_start: false,
    area: 0,
    bbox: null,
    mask: EMPTY,
  };
}

/**
 * @param {Item} item
 * @param {ObjectDelta} delta
 * @returns {Item}
 */
function changed(item, delta) {
  const { mask, clicks, ...rest } = delta;
  return {
    ...item,
    ...rest,
    clicks: clicks ? continued(item.clicks, clicks) : item.clicks,
    mask: mask ? applyPatch(item.mask, mask) : item.mask,
  };
}

/**
 * Objects from the lowest to the topmost.
 * @param {Doc} doc
 * @returns {Item[]}
 */
export function inOrder(doc) {
  return doc.order.flatMap((id) => doc.objects.get(id) ?? []);
}

/**
 * Visible objects that have a pixel, topmost first.
 * @param {Doc} doc
 * @param {number} x
 * @param {number} y
 * @returns {Item[]}
 */
export function objectsAt(doc, x, y) {
  return inOrder(doc)
    .filter((item) => !item.hidden && contains(item.mask, x, y))
    .reverse();
}

/**
 * @param {Classes} classes
 * @returns {LabelClass[]}  those that can be chosen
 */
export function offered(classes) {
  return classes.classes.filter((item) => !item.retired);
}

/**
 * The first class without an object on the picture, null when every one has some.
 * @param {Classes} classes
 * @param {Doc} doc
 * @returns {LabelClass|null}
 */
export function freeClass(classes, doc) {
  const used = new Set([...doc.objects.values()].map((item) => item.class_id));
  return offered(classes).find((item) => !used.has(item.class_id)) ?? null;
}

/**
 * @param {Item} item
 * @param {Classes} classes
 * @returns {string}  what people call the object: its own name, or its class and number
 */
export function titleOf(item, classes) {
  if (item.name) return item.name;
  const name = classes.classes.find((each) => each.class_id === item.class_id)?.name;
  return `${name ?? "Object"} ${item.object_id}`;
}

const GREY = /** @type {Colour} */ ([128, 128, 128]);
const GOLDEN_ANGLE = 137.508;

/**
 * The colour in which an object is drawn: its own, else that of its class, or one for each object.
 * @param {Item} item
 * @param {Classes} classes
 * @param {"class"|"object"} by
 * @returns {Colour}
 */
export function colourOf(item, classes, by) {
  if (item.colour) return item.colour;
  if (by === "object") return spread(item.object_id);
  return classes.classes.find((each) => each.class_id === item.class_id)?.colour ?? GREY;
}

/**
 * Hues as far from each other as can be, for numbers 1, 2, ...
 * @param {number} number
 * @returns {Colour}
 */
function spread(number) {
  const hue = ((number - 1) * GOLDEN_ANGLE + 200) % 360;
  const light = 0.58 - 0.1 * (number % 3);
  /** @param {number} n */
  const channel = (n) => {
    const k = (n + hue / 30) % 12;
    return Math.round(255 * (light - 0.42 * Math.min(light, 1 - light) * 1.8 * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}
