/**
 * Small pictures of the list, fetched with the token when they come into sight, the newest few hundred kept.
 *
 * @import {App} from "../app.js"
 * @import {ImageItem} from "../types.js"
 */
import { h } from "../dom.js";

const AT_ONCE = 3;
const KEPT = 400;

export class Thumbnails {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    /** Addresses of blobs by picture, least recently used first. @type {Map<string, string>} */
    this.kept = new Map();
    /** @type {Map<string, ImageItem>} */
    this.wanted = new Map();
    /** @type {Set<string>} */
    this.loading = new Set();
    /** Pictures that gave none. @type {Set<string>} */
    this.none = new Set();
  }

  /**
   * @param {ImageItem} image
   * @returns {HTMLImageElement} filled when the picture is here
   */
  image(image) {
    const key = keyOf(image);
    const element = h("img", { class: "thumb", alt: "", draggable: false, dataset: { key } });
    const found = this.kept.get(key);
    if (found) {
      this.kept.delete(key);
      this.kept.set(key, found);
      element.src = found;
    } else if (!this.none.has(key) && !this.loading.has(key)) {
      this.wanted.set(key, image);
      queueMicrotask(() => this.pump());
    }
    return element;
  }

  /** @param {ReadonlySet<string>} imageIds  those in sight; others are not fetched any more */
  only(imageIds) {
    for (const [key, image] of this.wanted) if (!imageIds.has(image.image_id)) this.wanted.delete(key);
  }

  /** Start what may be started. */
  pump() {
    for (const [key, image] of this.wanted) {
      if (this.loading.size >= AT_ONCE) return;
      this.wanted.delete(key);
      void this.load(key, image);
    }
  }

  /**
   * @param {string} key
   * @param {ImageItem} image
   */
  async load(key, image) {
    this.loading.add(key);
    try {
      const url = URL.createObjectURL(await this.app.api.blob(`images/${image.image_id}/thumbnail.jpg?v=${image.v}`));
      this.kept.set(key, url);
      for (const element of document.querySelectorAll("img.thumb")) {
        if (element instanceof HTMLImageElement && element.dataset.key === key) element.src = url;
      }
      this.trim();
    } catch {
      this.none.add(key); // the row says what is known of the picture; a grey field is enough here
    } finally {
      this.loading.delete(key);
      this.pump();
    }
  }

  /** Give back what was not used for longest. */
  trim() {
    for (const [key, url] of this.kept) {
      if (this.kept.size <= KEPT) return;
      this.kept.delete(key);
      URL.revokeObjectURL(url);
    }
  }
}

/** @param {ImageItem} image */
function keyOf(image) {
  return `${image.image_id}/${image.v}`;
}
