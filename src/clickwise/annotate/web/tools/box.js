/**
 * A box that starts an object.
 *
 * @import {App} from "../app.js"
 * @import {Point} from "../core/view.js"
 * @import {Tool} from "./tools.js"
 */
import { toPicture } from "../core/view.js";

const SMALLEST = 3;

/**
 * @param {App} app
 * @returns {Tool}
 */
export function boxTool(app) {
  const { desk, hub, work, toasts } = app;
  /**
   * In pixel edges, inside the picture.
   * @param {Point} at
   * @returns {[number, number]}
   */
  const edge = (at) => {
    const point = toPicture(desk.view, at);
    return [
      Math.min(desk.doc?.width ?? 0, Math.max(0, point.x)),
      Math.min(desk.doc?.height ?? 0, Math.max(0, point.y)),
    ];
  };
  return {
    begin(at) {
      desk.draft = { kind: "box", points: [edge(at), edge(at)], radius: 0, erases: false };
      hub.changed("draft");
    },
    move(at) {
      const from = desk.draft?.points[0];
      if (desk.draft && from) desk.draft = { ...desk.draft, points: [from, edge(at)] };
      hub.changed("draft");
    },
    end() {
      const [from, to] = desk.draft?.points ?? [];
      desk.draft = null;
      hub.changed("draft");
      if (!from || !to) return;
      const least = SMALLEST / desk.view.zoom;
      if (Math.abs(to[0] - from[0]) < least || Math.abs(to[1] - from[1]) < least) {
        toasts.say("Drag from one corner of the object to the other.");
      } else work.box(from, to);
    },
    cancel() {
      desk.draft = null;
      hub.changed("draft");
    },
  };
}
