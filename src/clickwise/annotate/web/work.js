/**
 * What the user does to the picture, as commands, and what the server answers. Nothing here changes a mask: the page
 * shows what the server says.
 *
 * @import {Delta, ServerMessage} from "./types.js"
 * @import {App} from "./app.js"
 * @import {Entry, Intent} from "./core/queue.js"
 */
import { applyDelta, freeClass, offered, titleOf } from "./core/state.js";
import { told } from "./telling.js";
import { Thresholds } from "./thresholds.js";

/** Errors after which the same command may well succeed. */
const WORTH_ANOTHER_TRY = new Set(["timeout", "busy", "model", "internal", "conflict", "locked"]);

export class Work {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.thresholds = new Thresholds(app);
    /** Classes for objects that are being made, by the command that makes them. @type {Map<string, number>} */
    this.wanted = new Map();
    /** Others who were met on a picture. @type {Set<string>} */
    this.met = new Set();
  }

  // ------------------------------------------------------------------------------------------ what the user does

  /**
   * @param {number} x
   * @param {number} y
   * @param {boolean} positive
   */
  click(x, y, positive) {
    const { desk, toasts } = this.app;
    if (!desk.doc || this.refused()) return;
    const meant = this.meant();
    if (!positive && !("object_of" in meant) && meant.object_id === null) {
      toasts.say("A background click corrects an object. Click the object first, or select one.");
      return;
    }
    this.draw({ type: "click", ...meant, x, y, positive, ...this.asking() });
  }

  /**
   * @param {[number, number]} from  in pixel edges
   * @param {[number, number]} to
   */
  box(from, to) {
    if (this.refused(true)) return;
    const [x0, x1] = [from[0], to[0]].sort((a, b) => a - b);
    const [y0, y1] = [from[1], to[1]].sort((a, b) => a - b);
    this.app.desk.selection = [];
    this.draw({ type: "box", object_id: null, x0, y0, x1, y1, ...this.asking() });
  }

  /**
   * @param {[number, number][]} points
   * @param {number} radius
   * @param {boolean} erases
   */
  stroke(points, radius, erases) {
    const { desk, toasts } = this.app;
    if (this.refused()) return;
    const meant = this.meant();
    if (erases && !("object_of" in meant) && meant.object_id === null) {
      toasts.say("The eraser works on the selected object. Select one first.");
      return;
    }
    this.draw({ type: "stroke", ...meant, points, radius, erases, cut_others: desk.settings.cutOthers });
  }

  /**
   * A change without a mask, as the protocol's ACTION_FIELDS name it.
   * @param {{action: string, [field: string]: any}} action
   * @returns {string|null} the command's id
   */
  action(action) {
    return this.app.desk.doc ? this.give({ type: "action", action }) : null;
  }

  /** @param {"undo"|"redo"} type */
  history(type) {
    const { desk, queue, toasts } = this.app;
    if (!desk.doc) return;
    const left = type === "undo" ? desk.doc.undoable : desk.doc.redoable;
    if (!left && !queue.size) toasts.say(type === "undo" ? "Nothing is left to undo." : "Nothing is left to redo.");
    else this.give({ type });
  }

  /** The next click starts a new object. */
  newObject() {
    const { desk, telling } = this.app;
    const active = desk.active;
    this.select([]);
    telling.say(active ? `${titleOf(active, desk.classes)} is done. The next click starts a new object.` : "The next click starts a new object.");
  }

  /** @param {readonly number[]} ids  the active one last */
  select(ids) {
    const { desk, hub } = this.app;
    desk.selection = ids;
    desk.making = null;
    desk.preview = null;
    hub.changed("selection");
  }

  /**
   * A class for the selected objects, or for the next one.
   * @param {number} classId
   */
  chooseClass(classId) {
    const { desk, hub, telling } = this.app;
    const name = desk.classes.classes.find((each) => each.class_id === classId)?.name ?? "";
    const open = desk.selected.filter((item) => item.class_id !== classId);
    desk.classId = classId;
    hub.changed("selection");
    if (open.length) this.action({ action: "class", object_ids: open.map((item) => item.object_id), class_id: classId });
    else if (desk.making) this.wanted.set(desk.making, classId);
    else if (!desk.selection.length) telling.say(`Next object: ${name}.`);
  }

  /** The first class that no object of this picture has. */
  chooseFreeClass() {
    const { desk, toasts } = this.app;
    const free = desk.doc && freeClass(desk.classes, desk.doc);
    if (free) this.chooseClass(free.class_id);
    else toasts.say(`Every one of the ${offered(desk.classes).length} classes has an object here. Shift+C adds a class.`);
  }

  // ------------------------------------------------------------------------------------------ commands

  /** Which object a click or stroke means. @returns {{object_id: number|null}|{object_of: string}} */
  meant() {
    const { desk } = this.app;
    return desk.making ? { object_of: desk.making } : { object_id: desk.active?.object_id ?? null };
  }

  /** What every question to a network says. */
  asking() {
    const { settings, desk } = this.app;
    return { model: settings.model || null, threshold: desk.threshold, cut_others: settings.cutOthers };
  }

  /**
   * Whether nothing can be drawn now; says why.
   * @param {boolean} [fresh]  for a new object
   */
  refused(fresh = false) {
    const { desk, toasts } = this.app;
    if (!desk.doc) return true;
    if (fresh) return false;
    const active = desk.active;
    if (active?.locked) toasts.say(`${titleOf(active, desk.classes)} is locked. Unlock it first (L).`);
    return Boolean(active?.locked);
  }

  /**
   * A command that makes or changes one object's mask; the next click means the same object.
   * @param {Omit<Intent, "image_id">} intent
   */
  draw(intent) {
    const { desk, hub } = this.app;
    const id = this.give(/** @type {any} */ ({ class_id: desk.nextClass?.class_id ?? null, ...intent }));
    if (id !== null && intent.object_id == null && !intent.object_of) desk.making = id;
    desk.preview = null;
    hub.changed("selection");
  }

  /**
   * @param {{type: string, [field: string]: any}} intent
   * @returns {string|null}
   */
  give(intent) {
    const { desk, queue, hub } = this.app;
    if (!desk.doc) return null;
    const id = queue.add({ ...intent, type: intent.type, image_id: desk.doc.image_id }, desk.doc.version);
    this.flush();
    hub.changed("work", "draft");
    return id;
  }

  /** Send what is not on its way. */
  flush() {
    const { live, queue } = this.app;
    if (live.state === "open") for (const command of queue.due()) live.send(command);
  }

  // ------------------------------------------------------------------------------------------ what the server says

  /** @param {ServerMessage} message  result, preview, superseded, error, busy or news */
  take(message) {
    if (message.type === "result") this.result(message);
    else if (message.type === "preview") this.thresholds.take(message);
    else if (message.type === "superseded") this.superseded(message.id, message.by);
    else if (message.type === "error") this.failed(message);
    else if (message.type === "busy") this.app.desk.busy = message.reason;
    else if (message.type === "news") this.apply([message.delta], true);
    this.app.hub.changed("work");
  }

  /** @param {ServerMessage} message */
  result(message) {
    const { desk, queue, hub, telling } = this.app;
    const entry = queue.done(message.id, message.object_id ?? null);
    for (const other of [...queue.entries]) if (other.by === message.id) queue.done(other.id, message.object_id ?? null);
    const before = desk.doc;
    this.apply([...(message.news ?? []), ...(message.delta ? [message.delta] : [])]);
    if (desk.making === message.id) {
      desk.making = null;
      if (message.object_id != null && desk.doc?.image_id === message.image_id) desk.selection = [message.object_id];
      hub.changed("selection");
    }
    this.classMade(message);
    if (!queue.size) desk.busy = null;
    if (entry && ["click", "box"].includes(entry.intent.type)) {
      desk.lastClick = { milliseconds: message.timing.total, parts: message.timing };
    }
    if (entry && before && before.image_id === message.image_id) telling.say(told(entry, message, before, desk));
    hub.changed("document", "draft");
    this.app.answered(message.id);
  }

  /**
   * The class that was chosen while an object was being made.
   * @param {ServerMessage} message  the result of what made it
   */
  classMade(message) {
    const classId = this.wanted.get(message.id);
    this.wanted.delete(message.id);
    if (classId !== undefined && message.object_id != null && this.app.desk.doc?.image_id === message.image_id) {
      this.action({ action: "class", object_ids: [message.object_id], class_id: classId });
    }
  }

  /**
   * Deltas in order; where one does not fit, the document is fetched anew.
   * @param {Delta[]} deltas
   * @param {boolean} [byOthers]
   */
  apply(deltas, byOthers = false) {
    const { desk, hub, pictures } = this.app;
    for (const delta of deltas) {
      if (!desk.doc || delta.image_id !== desk.doc.image_id) continue;
      const next = applyDelta(desk.doc, delta);
      if (next === null) {
        pictures.refetch();
        return;
      }
      if (byOthers && next !== desk.doc) this.introduce(delta);
      desk.doc = next;
    }
    this.keepSelection();
    desk.preview = null;
    hub.changed("document", "selection");
  }

  /**
   * Somebody else works here: said once for each of them and picture, and each step to screen readers.
   * @param {Delta} delta
   */
  introduce(delta) {
    const { telling, toasts } = this.app;
    const who = delta.author || "Somebody else";
    const key = `${delta.image_id}/${who}`;
    if (this.met.has(key)) telling.say(`${who}: ${delta.what}.`);
    else toasts.say(`${who} works on this picture too.`);
    this.met.add(key);
  }

  /** Selected objects that are gone are not selected. */
  keepSelection() {
    const { desk } = this.app;
    if (desk.selection.some((id) => !desk.doc?.objects.has(id))) {
      desk.selection = desk.selection.filter((id) => desk.doc?.objects.has(id));
    }
  }

  /**
   * A click went to the network with a newer one: it is answered when that one is.
   * @param {string} id
   * @param {string} by
   */
  superseded(id, by) {
    if (this.thresholds.refused(id)) return;
    const { desk, queue } = this.app;
    const entry = queue.find(id);
    if (!entry) return;
    // Those that went along with this click go along with the newer one now: only that one is answered.
    const together = [entry, ...queue.entries.filter((other) => other.by === id)];
    for (const each of together) {
      if (queue.find(by)) each.by = by;
      else queue.done(each.id);
    }
    if (desk.making === id) desk.making = by;
    const wanted = this.wanted.get(id);
    if (wanted !== undefined) this.wanted.set(by, wanted);
    this.wanted.delete(id);
    queue.keep();
  }

  /** @param {ServerMessage} message */
  failed(message) {
    const { desk, queue, toasts, pictures, hub } = this.app;
    if (this.thresholds.refused(message.id)) return;
    const entry = message.id ? queue.done(message.id) : null;
    const lost = entry ? [...queue.entries.filter((other) => other.by === entry.id), entry] : [];
    for (const other of lost) {
      queue.done(other.id);
      this.wanted.delete(other.id);
    }
    if (entry && desk.making === entry.id) desk.making = null;
    if (message.code === "conflict" || message.code === "not_found") pictures.refetch();
    if (!queue.size) desk.busy = null;
    hub.changed("draft", "selection");
    this.app.answered(message.id, message.code);
    if (message.code === "cancelled") return;
    const retry = lost.length && WORTH_ANOTHER_TRY.has(message.code) ? () => this.again(lost) : null;
    toasts.fail(message.message, retry);
  }

  /**
   * The same commands once more, under new ids.
   * @param {Entry[]} entries
   */
  again(entries) {
    const { desk, queue, hub, toasts } = this.app;
    for (const entry of entries) {
      if (entry.intent.image_id !== desk.doc?.image_id) {
        toasts.say("This step belongs to another picture. Open it and try there.");
        return;
      }
      const { object_of: _gone, ...intent } = entry.intent;
      queue.add(intent, desk.doc.version);
    }
    this.flush();
    hub.changed("work", "draft");
  }
}
