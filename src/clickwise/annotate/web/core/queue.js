/**
 * Commands that the server has not acknowledged yet. They survive a lost connection and a reload of the page: each keeps
 * its id, is sent again under it, and leaves only when the server has answered. It sends nothing by itself.
 *
 * The server does the commands of a picture in the order in which they come, so everything is sent at once. A click on an
 * object that is not made yet names the command that makes it (`object_of`).
 *
 * @import {Command} from "../types.js"
 *
 * @typedef {{type: string, image_id: string, object_id?: number|null, object_of?: string|null, [field: string]: any}} Intent
 *
 * @typedef {object} Entry
 * @property {string} id
 * @property {Intent} intent
 * @property {number} base  version of the picture that the user saw
 * @property {boolean} sent  on its way in the present connection
 * @property {string} [by]  the newer click with which it went to the network
 *
 * @typedef {{getItem(key: string): string|null, setItem(key: string, value: string): void, removeItem(key: string): void}} Shelf
 */

const KEY = "clickwise.pending";

export class Queue {
  /**
   * @param {Shelf|null} shelf  where entries are kept over a reload
   * @param {() => string} newId
   */
  constructor(shelf, newId) {
    this.shelf = shelf;
    this.newId = newId;
    /** @type {Entry[]} */
    this.entries = restored(shelf);
  }

  /** Number of commands that are not acknowledged. */
  get size() {
    return this.entries.length;
  }

  /**
   * @param {Intent} intent
   * @param {number} base
   * @returns {string} the command's id
   */
  add(intent, base) {
    const entry = { id: this.newId(), intent, base, sent: false };
    this.entries.push(entry);
    this.keep();
    return entry.id;
  }

  /**
   * What is not on its way, in order; from now on it is.
   * @returns {Command[]}
   */
  due() {
    const waiting = this.entries.filter((entry) => !entry.sent);
    for (const entry of waiting) entry.sent = true;
    return waiting.map((entry) => /** @type {Command} */ ({ ...entry.intent, id: entry.id, base_version: entry.base }));
  }

  /**
   * The server answered: take the command out. Those that meant its object learn the number.
   * @param {string} id
   * @param {number|null} [objectId]
   * @returns {Entry|null}
   */
  done(id, objectId = null) {
    const entry = this.find(id);
    if (!entry) return null;
    this.entries = this.entries.filter((each) => each !== entry);
    for (const other of objectId === null ? [] : this.entries) {
      if (other.intent.object_of !== id) continue;
      const { object_of: _made, ...rest } = other.intent;
      other.intent = { ...rest, object_id: objectId };
    }
    this.keep();
    return entry;
  }

  /** The connection was lost: everything has to be sent again, under the same ids. */
  disconnected() {
    for (const entry of this.entries) entry.sent = false;
  }

  /**
   * @param {string} id
   * @returns {Entry|null}
   */
  find(id) {
    return this.entries.find((entry) => entry.id === id) ?? null;
  }

  /**
   * Commands for a picture that are not acknowledged, in order.
   * @param {string} imageId
   * @returns {Entry[]}
   */
  of(imageId) {
    return this.entries.filter((entry) => entry.intent.image_id === imageId);
  }

  /** Write the entries to the shelf. A full shelf costs the safety of a reload only. */
  keep() {
    try {
      if (!this.entries.length) this.shelf?.removeItem(KEY);
      else this.shelf?.setItem(KEY, JSON.stringify(this.entries));
    } catch {
      // quota: the entries are in memory still
    }
  }
}

/**
 * @param {Shelf|null} shelf
 * @returns {Entry[]}
 */
function restored(shelf) {
  try {
    const found = JSON.parse(shelf?.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? found.map((entry) => ({ ...entry, sent: false })) : [];
  } catch {
    return [];
  }
}
