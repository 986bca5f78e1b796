/**
 * Tiles of pictures: fetched with the token, unpacked off the main thread, kept up to a budget. What left the view is not
 * fetched any more.
 *
 * @import {App} from "../app.js"
 * @import {Doc} from "../core/state.js"
 * @import {Tile} from "../core/pyramid.js"
 */
import { Failure } from "../api.js";

const AT_ONCE = 6;
/** Pixels of unpacked tiles that are kept, 4 bytes each. */
const BUDGET = 48e6;
const AGAIN_AFTER = 3000;
const NEWS_COME = 1000;
/** Answers that would be the same if it were asked for again: the file is damaged or gone. */
const FOR_GOOD = new Set([400, 404, 415]);

export class Tiles {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    /** Least recently used first. @type {Map<string, ImageBitmap>} */
    this.kept = new Map();
    this.pixels = 0;
    /** @type {Map<string, AbortController>} */
    this.loading = new Map();
    /** When they failed; not again, while the picture stays open, what was refused for good. @type {Map<string, number>} */
    this.failed = new Map();
    /** The picture that they are of. */
    this.shown = "";
    /** @type {{key: string, path: string}[]} */
    this.wanted = [];
  }

  /** Whether everything in sight is here. */
  get idle() {
    return !this.loading.size && !this.wanted.length;
  }

  /**
   * @param {Doc} doc
   * @param {Tile} tile
   * @returns {ImageBitmap|null}
   */
  get(doc, tile) {
    const key = keyOf(doc, tile);
    const found = this.kept.get(key);
    if (!found) return null;
    this.kept.delete(key);
    this.kept.set(key, found);
    return found;
  }

  /**
   * Fetch these and nothing else, the first one first.
   * @param {Doc} doc
   * @param {Tile[]} tiles
   */
  want(doc, tiles) {
    if (doc.image_id !== this.shown) this.failed.clear(); // its file may have been put right
    this.shown = doc.image_id;
    const now = Date.now();
    const asked = tiles
      .map((tile) => ({
        key: keyOf(doc, tile),
        path: `images/${doc.image_id}/tiles/${tile.level}/${tile.column}/${tile.row}.jpg?v=${doc.v}`,
      }))
      .filter(({ key }) => !this.kept.has(key) && now - (this.failed.get(key) ?? 0) > AGAIN_AFTER);
    const keys = new Set(asked.map(({ key }) => key));
    for (const [key, abort] of this.loading) if (!keys.has(key)) abort.abort();
    this.wanted = asked.filter(({ key }) => !this.loading.has(key));
    this.pump();
  }

  /** Start what may be started. */
  pump() {
    while (this.loading.size < AT_ONCE) {
      const next = this.wanted.shift();
      if (!next) return;
      void this.load(next.key, next.path);
    }
  }

  /**
   * @param {string} key
   * @param {string} path
   */
  async load(key, path) {
    const abort = new AbortController();
    this.loading.set(key, abort);
    try {
      const bitmap = await createImageBitmap(await this.app.api.blob(path, abort.signal));
      this.kept.set(key, bitmap);
      this.pixels += bitmap.width * bitmap.height;
      this.failed.delete(key);
      this.trim();
    } catch (error) {
      if (!abort.signal.aborted) this.missing(key, error);
    } finally {
      this.loading.delete(key);
      this.app.hub.changed("tiles");
      this.pump();
    }
  }

  /**
   * @param {string} key
   * @param {unknown} error
   */
  missing(key, error) {
    const { desk, toasts } = this.app;
    const reason = error instanceof Error ? error.message : String(error);
    const refused = error instanceof Failure && FOR_GOOD.has(error.status);
    const picture = key.slice(0, key.indexOf("/"));
    const told = [...this.failed.values()].some((when) => (when === Infinity) === refused);
    this.failed.set(key, refused ? Infinity : Date.now());
    if (refused) {
      // Where the whole picture is broken, news of it come now and say the same in its place.
      const tell = () => desk.doc?.image_id === picture && toasts.warn(`A part of the picture could not be loaded. ${reason}`);
      if (!told) setTimeout(tell, NEWS_COME);
      return;
    }
    if (!told) toasts.warn(`A part of the picture could not be loaded; it is tried again. ${reason}`);
    setTimeout(() => this.app.hub.changed("tiles"), AGAIN_AFTER + 100);
  }

  /** Give back what was not used for longest. */
  trim() {
    for (const [key, bitmap] of this.kept) {
      if (this.pixels <= BUDGET) return;
      this.kept.delete(key);
      this.pixels -= bitmap.width * bitmap.height;
      bitmap.close();
    }
  }
}

/**
 * @param {Doc} doc
 * @param {Tile} tile
 */
function keyOf(doc, tile) {
  return `${doc.image_id}/${doc.v}/${tile.level}/${tile.column}/${tile.row}`;
}
