/**
 * Results in words, for the live region that screen readers speak, and for the status line.
 *
 * @import {Desk} from "./desk.js"
 * @import {Doc} from "./core/state.js"
 * @import {Entry} from "./core/queue.js"
 * @import {ServerMessage} from "./types.js"
 */
import { titleOf } from "./core/state.js";

export class Telling {
  /** @param {HTMLElement} region  aria-live */
  constructor(region) {
    this.region = region;
  }

  /** @param {string} text */
  say(text) {
    // The same sentence twice would not be spoken: a space that nobody sees makes it another one.
    this.region.textContent = this.region.textContent === text ? `${text}\u00a0` : text;
  }
}

/**
 * "Cup 1, click 2, 3 % larger, 84 ms"
 * @param {Entry} entry
 * @param {ServerMessage} message
 * @param {Doc} before
 * @param {Desk} desk
 * @returns {string}
 */
export function told(entry, message, before, desk) {
  const type = entry.intent.type;
  if (type === "undo") return "Undone.";
  if (type === "redo") return "Done again.";
  if (type === "action") return `${ACTIONS[entry.intent.action?.action] ?? "Done"}.`;
  const now = desk.doc?.objects.get(message.object_id);
  if (!now) return "Done.";
  const size = sized(before.objects.get(message.object_id)?.area ?? 0, now.area);
  const step = type === "click" || type === "box" ? `click ${now.clicks.length}` : type;
  const wait = type === "click" || type === "box" ? `, ${Math.round(message.timing.total)} ms` : "";
  return `${titleOf(now, desk.classes)}, ${step}, ${size}${wait}`;
}

/** @type {Record<string, string>} */
const ACTIONS = {
  class: "Class changed", rename: "Renamed", colour: "Colour changed", hide: "Hidden or shown", lock: "Locked or unlocked",
  delete: "Deleted", merge: "Merged", move: "Moved", finish: "Finished mark changed", cut_others: "Others were cut",
};

/**
 * @param {number} before
 * @param {number} now
 */
function sized(before, now) {
  if (!now) return "empty";
  if (!before) return `${now.toLocaleString("en-US")} pixels`;
  const change = Math.round((100 * (now - before)) / before);
  if (change === 0) return now === before ? "unchanged" : "about as large";
  return change > 0 ? `${change} % larger` : `${-change} % smaller`;
}
