/**
 * The threshold slider: previews while it is held, a stored step when it is let go.
 *
 * @import {App} from "./app.js"
 * @import {ServerMessage} from "./types.js"
 */
import { applyPatch } from "./core/runs.js";
import { randomId } from "./dom.js";

export class Thresholds {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    /** The preview on its way; there is one at a time. @type {string|null} */
    this.asked = null;
    /** The newest value, when it came while one was on its way. @type {number|null} */
    this.next = null;
  }

  /** The object that the slider changes now; null: it only holds for the next clicks. */
  get object() {
    const active = this.app.desk.active;
    return active?.clicks.length && !active.locked ? active : null;
  }

  /** @param {number} value  shown, not stored */
  preview(value) {
    const { desk, hub, live } = this.app;
    desk.threshold = value;
    hub.changed("tool");
    if (!desk.doc || !this.object) return;
    if (this.asked !== null) {
      this.next = value;
      return;
    }
    const id = randomId();
    const sent = live.send({
      type: "threshold",
      id,
      image_id: desk.doc.image_id,
      base_version: desk.doc.version,
      object_id: this.object.object_id,
      value,
      commit: false,
      model: this.app.settings.model || null,
    });
    if (sent) this.asked = id;
  }

  /** @param {number} value  stored */
  commit(value) {
    const { desk, hub, settings, work } = this.app;
    desk.threshold = value;
    this.next = null;
    hub.changed("tool");
    const object = this.object;
    if (object) {
      work.give({ type: "threshold", object_id: object.object_id, value, commit: true, model: settings.model || null });
    }
  }

  /** @param {ServerMessage} message  a preview */
  take(message) {
    const { desk, hub } = this.app;
    if (message.id !== this.asked) return;
    this.asked = null;
    const item = desk.doc?.objects.get(message.object_id);
    if (item && desk.doc?.image_id === message.image_id) {
      desk.preview = { objectId: item.object_id, mask: applyPatch(item.mask, message.mask) };
      hub.changed("document");
    }
    if (this.next !== null) {
      const value = this.next;
      this.next = null;
      this.preview(value);
    }
  }

  /**
   * Whether a refusal is a preview's. It is not told: the value holds for the next click all the same.
   * @param {string|null} id
   */
  refused(id) {
    if (id === null || id !== this.asked) return false;
    this.asked = null;
    return true;
  }

  /** The connection was lost, and a preview on its way with it. */
  lost() {
    this.asked = null;
    this.next = null;
  }
}
