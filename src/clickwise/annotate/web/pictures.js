/**
 * Going from picture to picture. The list is fetched once and kept up to date by news; a document is fetched when its
 * picture is opened, and anew when a delta does not fit.
 *
 * @import {App} from "./app.js"
 * @import {ImageItem} from "./types.js"
 */
import { Failure } from "./api.js";
import { fromWire, offered } from "./core/state.js";

const PAGE = 500;

export class Pictures {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    /** Number of the latest opening; answers to older ones are passed over. */
    this.turn = 0;
    this.listing = 0;
    this.refetching = this.anew = false;
    /** The picture that this page is leaving out. @type {string|null} */
    this.leaving = null;
  }

  /** The whole list, page by page. */
  async list() {
    const { api, desk, hub } = this.app;
    const turn = ++this.listing;
    const before = desk.listed ? desk.images : [];
    /** @type {ImageItem[]} */
    const images = [];
    for (let total = Infinity; images.length < total; ) {
      const page = await api.images(images.length, PAGE);
      if (turn !== this.listing) return;
      total = page.total;
      images.push(...page.images);
      if (!page.images.length) break;
      if (!desk.listed || images.length >= total) desk.images = [...images];
      hub.changed("images");
    }
    desk.images = images;
    desk.listed = true;
    hub.changed("images");
    this.tellWhenGone(before);
  }

  /**
   * Somebody else left out the picture that is open: it stays open, and the user hears of it.
   * @param {readonly ImageItem[]} before  the list until now
   */
  tellWhenGone(before) {
    const { desk, toasts } = this.app;
    const open = desk.doc;
    if (!open || open.image_id === this.leaving) return;
    const isIn = (/** @type {readonly ImageItem[]} */ images) => images.some((each) => each.image_id === open.image_id);
    if (!isIn(before) || isIn(desk.images)) return;
    toasts.say(`${open.name} was left out of the project elsewhere. What you do here is kept; Left-out pictures, in the menu, takes it back.`);
  }

  /** @param {ImageItem} image  news of one picture */
  changed(image) {
    const { desk, hub } = this.app;
    const known = desk.images.some((each) => each.image_id === image.image_id);
    desk.images = known
      ? desk.images.map((each) => (each.image_id === image.image_id ? image : each))
      : [...desk.images, image];
    hub.changed("images");
    if (image.trouble && desk.doc?.image_id === image.image_id) this.broken(image.image_id, image.trouble);
  }

  /**
   * Show a picture. What is on its way for the one before is waited for: nothing is dropped.
   * @param {string} imageId
   * @returns {Promise<boolean>} whether it is shown
   */
  async open(imageId) {
    const { desk, hub, work } = this.app;
    const turn = ++this.turn;
    desk.opening = imageId;
    hub.changed("image");
    if (desk.doc && desk.doc.image_id !== imageId && !(await this.settled(turn))) return false;
    const { api, live } = this.app;
    live.send({ type: "open", image_id: imageId });
    try {
      const doc = fromWire(await api.document(imageId));
      if (turn !== this.turn) return false;
      const same = desk.doc?.image_id === imageId;
      desk.doc = doc;
      desk.trouble = null;
      if (same) work.keepSelection();
      else this.begin();
    } catch (error) {
      if (turn !== this.turn) return false;
      this.notShown(imageId, error);
    }
    desk.opening = null;
    hub.changed("image", "document", "selection", "view");
    return desk.trouble === null;
  }

  /** A picture that was not there before: nothing selected, all of it in sight. */
  begin() {
    const { desk, stage, work } = this.app;
    work.select([]);
    desk.draft = null;
    desk.cross = null;
    desk.threshold = null;
    if (!offered(desk.classes).some((each) => each.class_id === desk.classId)) {
      desk.classId = offered(desk.classes)[0]?.class_id ?? 0;
    }
    history.replaceState(null, "", `#image=${desk.doc?.image_id}`);
    document.title = `${desk.doc?.name ?? "clickwise"} · clickwise`;
    stage.fit();
  }

  /**
   * @param {string} imageId
   * @param {unknown} error
   */
  notShown(imageId, error) {
    const { toasts } = this.app;
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof Failure && error.code === "offline") {
      toasts.failure(error, () => void this.open(imageId));
      return;
    }
    if (error instanceof Failure && error.code === "unauthorised") {
      this.app.askToken(message);
      return;
    }
    this.broken(imageId, message);
    history.replaceState(null, "", `#image=${imageId}`);
  }

  /**
   * Say why there is no picture, in its place. Some turn out to be broken only when they are read.
   * @param {string} imageId
   * @param {string} message
   */
  broken(imageId, message) {
    const { desk, hub } = this.app;
    desk.doc = null;
    desk.trouble = { imageId, message };
    hub.changed("image", "document", "selection", "view");
  }

  /**
   * Wait until the server has everything of the open picture.
   * @param {number} turn
   * @returns {Promise<boolean>} false when the user chose otherwise meanwhile
   */
  async settled(turn) {
    const { desk, hub, live, queue, toasts } = this.app;
    const imageId = desk.doc?.image_id;
    for (let told = false; imageId && queue.of(imageId).length && turn === this.turn; ) {
      if (live.state !== "open" && !told) {
        told = true;
        toasts.say("Steps on this picture are not saved yet. The next one opens when the server is back.");
      }
      await new Promise((resolve) => this.app.hub.waiting.push(() => resolve(null)));
    }
    if (turn === this.turn) return true;
    hub.changed("image");
    return false;
  }

  /**
   * Leave a picture out of the project, after all its steps are stored, and go on to one beside it.
   * @param {string|undefined} imageId
   */
  async leaveOut(imageId = this.app.desk.doc?.image_id ?? this.app.desk.trouble?.imageId) {
    const { api, desk, hub, toasts } = this.app;
    if (!imageId || desk.opening !== null || !(await this.settled(++this.turn))) return; // opening: not the one in sight
    this.leaving = imageId;
    try {
      const to = (await api.neighbour(imageId, "next")) ?? (await api.neighbour(imageId, "previous"));
      const { name } = await api.leaveOut(imageId);
      toasts.say(`${name} was left out. Nothing of it is lost: Left-out pictures, in the menu, takes it back.`);
      if (to !== null) {
        await this.open(to);
        return;
      }
      desk.doc = desk.trouble = null;
      hub.changed("image", "document", "selection", "view");
    } catch (error) {
      toasts.failure(error, () => void this.leaveOut(imageId));
    } finally {
      this.leaving = null;
    }
  }

  /** The document once more, because what came does not fit what is here. */
  async refetch() {
    const { api, desk, hub, work } = this.app;
    const imageId = desk.doc?.image_id;
    if (!imageId) return;
    this.anew = this.refetching; // the answer on its way may be older than what asks now
    if (this.refetching) return;
    this.refetching = true;
    try {
      const doc = fromWire(await api.document(imageId));
      if (desk.doc?.image_id === imageId && doc.version >= desk.doc.version) {
        desk.doc = doc;
        work.keepSelection();
        desk.preview = null;
      }
    } catch (error) {
      if (error instanceof Failure && error.status === 400 && desk.doc?.image_id === imageId) this.broken(imageId, error.message);
      else this.app.toasts.failure(error, () => void this.refetch());
    } finally {
      this.refetching = false;
      hub.changed("document", "selection", "image");
      if (this.anew) void this.refetch();
    }
  }

  /** @param {"next"|"previous"|"unfinished"} direction */
  async go(direction) {
    const { api, desk, toasts } = this.app;
    const from = desk.opening ?? desk.trouble?.imageId ?? desk.doc?.image_id ?? desk.images[0]?.image_id;
    if (!from) return;
    try {
      const to = await api.neighbour(from, direction);
      if (to !== null && to !== from) await this.open(to);
      else if (direction !== "unfinished") toasts.say(direction === "next" ? "This is the last picture." : "This is the first picture.");
      else toasts.say(this.isToDo(from) ? "All other pictures are finished; this one is not." : "Every picture is finished.");
    } catch (error) {
      toasts.failure(error, () => void this.go(direction));
    }
  }

  /** @param {string} imageId */
  isToDo(imageId) {
    const { desk } = this.app;
    if (desk.doc?.image_id === imageId) return !desk.doc.finished;
    return desk.images.some((each) => each.image_id === imageId && !each.finished && !each.trouble);
  }

  /** Finished, saved, next one: goes on only when the server has stored the mark. */
  async finishAndNext() {
    const { desk, work, whenAnswered } = this.app;
    if (!desk.doc) {
      await this.go("unfinished");
      return;
    }
    if (!desk.doc.finished) {
      const id = work.action({ action: "finish", finished: true });
      if (id === null || !(await whenAnswered(id))) return;
    }
    await this.go("unfinished");
  }
}
