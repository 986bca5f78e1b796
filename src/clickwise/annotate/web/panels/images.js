/**
 * The list of pictures: progress, filter, search, thumbnails. Only rows in sight are in the document, so that ten
 * thousand pictures cost what ten cost.
 *
 * @import {App} from "../app.js"
 * @import {ImageItem, Progress} from "../types.js"
 */
import { attribute, byId, count, h, icon, plural, setChildren } from "../dom.js";
import { roam } from "./dialog.js";
import { Thumbnails } from "./thumbnails.js";

/**
 * One picture in the list.
 * @typedef {{element: HTMLElement, name: HTMLElement, sub: HTMLElement, thumb: HTMLElement|null, thumbOf: string,
 *   sign: HTMLElement|null}} Row
 */

const BEYOND = 4;

/** @type {["all"|"unfinished"|"broken", string][]} */
const FILTERS = [["all", "All"], ["unfinished", "To do"], ["broken", "Broken"]];

/**
 * How much is done, in words and as a share of 1. Broken pictures cannot be finished: they count in neither.
 * @param {Progress} progress
 */
export function progressSoFar({ finished, total, broken }) {
  const usable = total - broken;
  const words = broken
    ? `${count(finished)} of ${count(usable)} finished, ${count(broken)} broken`
    : `${count(finished)} of ${plural(usable, "picture")} finished`;
  return { words, part: usable ? finished / usable : 0 };
}

/** @param {App} app */
export function imagesPanel(app) {
  const { desk, hub, pictures } = app;
  const thumbnails = new Thumbnails(app);
  /** @type {"all"|"unfinished"|"broken"} */
  let filter = "all";
  let words = "";
  /** @type {ImageItem[]} */
  let shown = [];
  let current = "";
  /** The rows in the document, by picture. @type {Map<string, Row>} */
  let rows = new Map();

  const done = h("span", { class: "number" });
  const share = h("span", { class: "number" });
  const meter = h("i");
  const bar = h("div", { class: "meter", role: "progressbar", "aria-label": "Finished pictures", "aria-valuemin": "0", "aria-valuemax": "100" }, meter);
  const segments = h("div", { class: "segments", role: "radiogroup", "aria-label": "Which pictures" });
  const buttons = FILTERS.map(([name, title]) => {
    const button = h("button", { type: "button", role: "radio", onclick: () => choose(name) }, title);
    segments.append(button);
    return button;
  });
  segments.addEventListener("keydown", (event) => {
    const now = roam(event, buttons);
    const chosen = FILTERS[buttons.findIndex((each) => each === now)];
    if (chosen) choose(chosen[0]);
  });
  const search = h("input", { class: "field", type: "search", placeholder: "Find a picture", "aria-label": "Find a picture by name" });
  search.addEventListener("input", () => {
    words = search.value.trim().toLowerCase();
    refresh();
  });
  const space = h("div", { class: "space", role: "presentation" });
  const film = h("div", { class: "film", role: "listbox", "aria-label": "Pictures", tabIndex: 0 }, space);
  const none = h("p", { class: "note" });
  none.style.padding = "0.75rem";
  byId("pictures").append(h("div", { class: "head" }, h("div", { class: "progress" }, done, share), bar, segments, search), none, film);

  /** @param {"all"|"unfinished"|"broken"} name */
  function choose(name) {
    filter = name;
    refresh();
    film.scrollTop = 0;
  }

  function refresh() {
    shown = desk.images.filter(
      (image) =>
        (filter === "all" || (filter === "broken" ? image.trouble : !image.finished && !image.trouble)) &&
        (!words || image.name.toLowerCase().includes(words)),
    );
    FILTERS.forEach(([name], i) => {
      const button = /** @type {HTMLElement} */ (buttons[i]);
      attribute(button, "aria-checked", String(filter === name));
      button.tabIndex = filter === name ? 0 : -1;
    });
    const progress = desk.progress;
    const { words: told, part } = progress ? progressSoFar(progress) : { words: "", part: 0 };
    done.textContent = done.title = told;
    share.textContent = progress ? `${Math.floor(100 * part)} %` : "";
    meter.style.setProperty("--share", String(part));
    attribute(bar, "aria-valuenow", Math.floor(100 * part));
    /** @type {HTMLElement} */ (buttons[2]).textContent = progress?.broken ? `Broken ${count(progress.broken)}` : "Broken";
    none.hidden = shown.length > 0 || !desk.listed;
    none.textContent = words ? "No picture has this name." : filter === "unfinished" ? "Every picture is finished." : filter === "broken" ? "No picture is broken." : "No pictures yet. Drop some here.";
    draw();
  }

  /** Height of a row; it follows the size of the letters. */
  function rowHeight() {
    return 3.5 * parseFloat(getComputedStyle(document.documentElement).fontSize);
  }

  function draw() {
    const height = rowHeight();
    space.style.height = `${shown.length * height}px`;
    const first = Math.max(0, Math.floor(film.scrollTop / height) - BEYOND);
    const last = Math.min(shown.length, Math.ceil((film.scrollTop + film.clientHeight) / height) + BEYOND);
    const open = desk.opening ?? desk.trouble?.imageId ?? desk.doc?.image_id ?? "";
    const before = rows;
    rows = new Map();
    shown.slice(first, last).forEach((image, i) => {
      const row = before.get(image.image_id) ?? frame(image.image_id);
      rows.set(image.image_id, row);
      fill(row, image, image.image_id === open);
      row.element.style.top = `${(first + i) * height}px`;
      row.element.style.height = `${height - 2}px`;
      attribute(row.element, "aria-setsize", shown.length);
      attribute(row.element, "aria-posinset", first + i + 1);
    });
    setChildren(space, [...rows.values()].map((row) => row.element));
    attribute(film, "aria-activedescendant", shown.slice(first, last).some((image) => image.image_id === open) ? `picture-${open}` : null);
    thumbnails.only(new Set(shown.slice(first, last).map((image) => image.image_id)));
    if (open !== current) {
      current = open;
      reveal(open, height);
    }
  }

  /**
   * @param {string} imageId
   * @param {number} height
   */
  function reveal(imageId, height) {
    const place = shown.findIndex((image) => image.image_id === imageId);
    if (place < 0 || !film.clientHeight) return;
    if (place * height < film.scrollTop) film.scrollTop = Math.max(0, (place - 1) * height);
    else if ((place + 1) * height > film.scrollTop + film.clientHeight) film.scrollTop = (place + 2) * height - film.clientHeight;
  }

  /**
   * @param {string} imageId
   * @returns {Row}
   */
  function frame(imageId) {
    const name = h("div", { class: "name" });
    const sub = h("div", { class: "sub number" });
    const words = h("div", null, name, sub);
    words.style.minWidth = "0";
    const element = h("div", { class: "frame", role: "option", id: `picture-${imageId}`, onclick: () => show(imageId) }, words);
    return { element, name, sub, thumb: null, thumbOf: "", sign: null };
  }

  /**
   * What a row says, where that has changed: what the mouse is pressed on stays.
   * @param {Row} row
   * @param {ImageItem} image
   * @param {boolean} open
   */
  function fill(row, image, open) {
    const sub = image.trouble ? "cannot be opened" : image.object_count ? plural(image.object_count, "object") : "no objects";
    const { element } = row;
    attribute(element, "aria-selected", String(open));
    attribute(element, "aria-label", `${image.name}, ${sub}${image.finished ? ", finished" : ""}`);
    attribute(element, "title", image.trouble || image.name);
    if (row.name.textContent !== image.name) row.name.textContent = image.name;
    if (row.sub.textContent !== sub) row.sub.textContent = sub;
    const thumbOf = `${image.v}/${image.trouble !== null}`;
    if (row.thumbOf !== thumbOf) {
      row.thumb?.remove();
      row.thumb = image.trouble ? h("span", { class: "thumb none" }, icon("warn")) : thumbnails.image(image);
      row.thumbOf = thumbOf;
      element.prepend(row.thumb);
    }
    if (image.finished !== (row.sign !== null)) {
      row.sign?.remove();
      row.sign = image.finished ? h("span", { class: "sign", title: "Finished" }, icon("check")) : null;
      if (row.sign) element.append(row.sign);
    }
  }

  /** @param {string} imageId */
  function show(imageId) {
    byId("app").dataset.tab = "picture";
    hub.changed("hint");
    void pictures.open(imageId);
  }

  film.addEventListener("scroll", draw, { passive: true });
  new ResizeObserver(draw).observe(film);
  film.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const now = shown.findIndex((image) => image.image_id === current);
    const next = shown[Math.max(0, Math.min(shown.length - 1, now + step))];
    if (next) void pictures.open(next.image_id);
  });
  hub.on(["images", "image", "project"], refresh);
  hub.on(["settings"], draw);
}
