/**
 * The list of objects, topmost first: select, hide, lock, delete, colour, name, order.
 *
 * @import {App} from "../app.js"
 * @import {Item} from "../core/state.js"
 */
import { attribute, count, h, hex, icon, iconButton, pixels, plural, unhex } from "../dom.js";
import { titleOf } from "../core/state.js";
import { openMenu, roam } from "./dialog.js";

/**
 * @typedef {object} Row
 * @property {HTMLElement} element
 * @property {(item: Item) => void} update
 */

/**
 * @param {App} app
 * @param {Record<string, () => void>} commands
 * @returns {HTMLElement}
 */
export function objectsSection(app, commands) {
  const { desk, hub } = app;
  const title = h("h2", { id: "objects-title" });
  const list = h("div", { class: "rows", role: "grid", "aria-labelledby": "objects-title", "aria-multiselectable": "true" });
  const none = h("p", { class: "note" }, "Nothing yet. Click an object in the picture.");
  const merge = iconButton("merge", "Merge selected", () => commands["object.merge"]?.());
  const hideAll = iconButton("eye", "Masks on or off", () => commands.masks?.());
  const remove = iconButton("trash", "Delete selected", () => commands["object.delete"]?.());
  const add = iconButton("plus", "Next click starts a new object", () => commands["object.new"]?.());
  /** @type {Map<number, Row>} */
  const rows = new Map();

  list.addEventListener("keydown", (event) => onKey(app, list, event));
  dragging(app, list);

  hub.on(["document", "selection", "image", "classes", "settings"], () => {
    const items = desk.listing;
    title.textContent = items.length ? `Objects · ${count(items.length)}` : "Objects";
    none.hidden = items.length > 0;
    list.hidden = !items.length;
    merge.hidden = desk.selection.length < 2;
    remove.hidden = !desk.selection.length;
    hideAll.replaceChildren(icon(desk.masksShown ? "eye" : "eye-off"));
    attribute(hideAll, "aria-pressed", String(!desk.masksShown));
    let place = -1; // of a row that had the keyboard and goes
    for (const [id, row] of rows) {
      if (desk.doc?.objects.has(id)) continue;
      if (row.element.contains(document.activeElement)) place = [...list.children].indexOf(row.element);
      row.element.remove();
      rows.delete(id);
    }
    items.forEach((item, place) => {
      let row = rows.get(item.object_id);
      if (!row) rows.set(item.object_id, (row = rowOf(app, item.object_id, commands)));
      row.update(item);
      if (list.children[place] !== row.element) list.insertBefore(row.element, list.children[place] ?? null);
    });
    const active = desk.active?.object_id;
    items.forEach((item, place) => {
      const row = /** @type {Row} */ (rows.get(item.object_id)).element;
      const selected = desk.selection.includes(item.object_id);
      attribute(row, "aria-selected", String(selected));
      row.classList.toggle("active", item.object_id === active);
      row.tabIndex = item.object_id === active || (active === undefined && place === 0) ? 0 : -1;
    });
    if (active !== undefined && list.dataset.active !== String(active)) rows.get(active)?.element.scrollIntoView({ block: "nearest" });
    list.dataset.active = String(active ?? "");
    const heir = place >= 0 && /** @type {HTMLElement|undefined} */ (list.children[Math.min(place, items.length - 1)]);
    if (heir) heir.focus();
  });

  const section = h(
    "section",
    { class: "section fill", "aria-labelledby": "objects-title" },
    h("header", null, title, merge, remove, hideAll, add),
    none,
    list,
  );
  list.addEventListener("click", (event) => {
    const element = /** @type {HTMLElement} */ (event.target).closest?.(".row");
    const id = Number(/** @type {HTMLElement|null} */ (element)?.dataset.id);
    if (!id || /** @type {HTMLElement} */ (event.target).closest("button, input")) return;
    choose(app, id, event);
  });
  list.addEventListener("dblclick", () => void commands["object.rename"]?.());
  return section;
}

/**
 * @param {App} app
 * @param {number} id
 * @param {Record<string, () => void>} commands
 * @returns {Row}
 */
function rowOf(app, id, commands) {
  const { desk, work } = app;
  const dye = h("input", { type: "color", class: "dye", tabIndex: -1, "aria-label": "Own colour", title: "Own colour" });
  dye.addEventListener("change", () => work.action({ action: "colour", object_id: id, colour: unhex(dye.value) }));
  const name = h("div", { class: "name" });
  const sub = h("div", { class: "sub number" });
  const hide = iconButton("eye", "Hide", () => work.action({ action: "hide", object_ids: [id], hidden: !desk.doc?.objects.get(id)?.hidden }));
  const lock = iconButton("unlock", "Lock", () => work.action({ action: "lock", object_ids: [id], locked: !desk.doc?.objects.get(id)?.locked }));
  const remove = iconButton("trash", "Delete", () => work.action({ action: "delete", object_ids: [id] }));
  const more = iconButton("menu", "More", () => rowMenu(app, id, more, commands));
  for (const each of [hide, lock, remove, more]) each.tabIndex = -1;
  const element = h(
    "div",
    { class: "row", role: "row", draggable: true, dataset: { id: String(id) } },
    h("span", { role: "gridcell" }, dye),
    h("div", { role: "gridcell" }, name, sub),
    h("span", { role: "gridcell", class: "acts" }, hide, lock, remove, more),
  );
  return {
    element,
    update(item) {
      const title = titleOf(item, desk.classes);
      const className = desk.classes.classes.find((each) => each.class_id === item.class_id)?.name ?? "";
      const from = [
        item.name ? className : "",
        pixels(item.area),
        item.clicks.length ? plural(item.clicks.length, "click") : "",
        item.strokes ? plural(item.strokes, "stroke") : "",
        item.has_start && !item.clicks.length && !item.strokes ? "pre-label" : "",
      ];
      name.textContent = title;
      sub.textContent = from.filter(Boolean).join(" · ");
      attribute(element, "aria-label", `${title}, ${sub.textContent}${item.hidden ? ", hidden" : ""}${item.locked ? ", locked" : ""}`);
      const colour = hex(desk.colour(item));
      if (dye.value !== colour) dye.value = colour;
      element.classList.toggle("hidden", item.hidden);
      pressed(hide, item.hidden, "eye-off", "eye", item.hidden ? "Show" : "Hide");
      pressed(lock, item.locked, "lock", "unlock", item.locked ? "Unlock" : "Lock");
      remove.disabled = item.locked;
      dye.disabled = item.locked;
      remove.classList.add("quiet");
    },
  };
}

/**
 * @param {HTMLElement} button
 * @param {boolean} on
 * @param {string} iconOn
 * @param {string} iconOff
 * @param {string} title
 */
function pressed(button, on, iconOn, iconOff, title) {
  attribute(button, "aria-pressed", String(on));
  button.classList.toggle("quiet", !on);
  button.title = title;
  attribute(button, "aria-label", title);
  const wanted = on ? iconOn : iconOff;
  if (button.dataset.icon === wanted) return;
  button.dataset.icon = wanted;
  button.replaceChildren(icon(wanted));
}

/**
 * @param {App} app
 * @param {number} id
 * @param {HTMLElement} anchor
 * @param {Record<string, () => void>} commands
 */
function rowMenu(app, id, anchor, commands) {
  const { desk, stage, work } = app;
  const item = desk.doc?.objects.get(id);
  if (!item) return;
  /** @param {string} command */
  const on = (command) => () => {
    work.select([id]);
    commands[command]?.();
  };
  openMenu(anchor, [
    { label: "Correct by clicks", icon: "click", action: () => { on("tool.click")(); stage.element.focus(); } },
    { label: "Zoom to it", icon: "search", action: on("zoom.object") },
    { label: "Rename…", icon: "pencil", action: on("object.rename") },
    null,
    { label: "Move up", icon: "objects", action: on("object.raise") },
    { label: "Move down", icon: "objects", action: on("object.lower") },
    { label: "Cut it out of the others", icon: "merge", action: () => void work.action({ action: "cut_others", object_id: id }) },
    ...(item.colour ? [{ label: "Colour of its class", icon: "brush", action: () => void work.action({ action: "colour", object_id: id, colour: null }) }] : []),
    null,
    { label: "Delete", icon: "trash", action: () => void work.action({ action: "delete", object_ids: [id] }) },
  ]);
}

/**
 * @param {App} app
 * @param {number} id
 * @param {{ctrlKey: boolean, metaKey: boolean, shiftKey: boolean}} event
 */
function choose(app, id, event) {
  const { desk, work } = app;
  if (event.ctrlKey || event.metaKey) {
    work.select(desk.selection.includes(id) ? desk.selection.filter((each) => each !== id) : [...desk.selection, id]);
  } else if (event.shiftKey && desk.active) {
    const ids = desk.listing.map((item) => item.object_id);
    const [from, to] = [ids.indexOf(desk.active.object_id), ids.indexOf(id)].sort((a, b) => a - b);
    const range = ids.slice(from, /** @type {number} */ (to) + 1).filter((each) => each !== id);
    work.select([...range, id]);
  } else work.select([id]);
}

/**
 * @param {App} app
 * @param {HTMLElement} list
 * @param {KeyboardEvent} event
 */
function onKey(app, list, event) {
  const rows = /** @type {HTMLElement[]} */ ([...list.querySelectorAll(".row")]);
  const row = /** @type {HTMLElement|null} */ (document.activeElement?.closest(".row") ?? null);
  const moved = ["ArrowUp", "ArrowDown", "Home", "End"].includes(event.key) ? roam(event, rows) : null;
  if (moved) choose(app, Number(moved.dataset.id), { ctrlKey: false, metaKey: false, shiftKey: event.shiftKey });
  else if (row && (event.key === "ArrowRight" || event.key === "ArrowLeft")) within(row, event);
  else if (row && event.target === row && (event.key === " " || event.key === "Enter")) {
    event.preventDefault();
    event.stopPropagation();
    choose(app, Number(row.dataset.id), { ctrlKey: event.key === " ", metaKey: false, shiftKey: false });
    if (event.key === "Enter") app.stage.element.focus();
  }
}

/**
 * Right goes from a row to its colour and its buttons, Left back.
 * @param {HTMLElement} row
 * @param {KeyboardEvent} event
 */
function within(row, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const inside = /** @type {HTMLElement[]} */ ([...row.querySelectorAll("input, button")]).filter((each) => !each.matches(":disabled") && each.offsetParent !== null);
  const stops = [row, ...inside];
  const now = stops.findIndex((each) => each === document.activeElement);
  event.preventDefault();
  event.stopPropagation();
  stops[Math.max(0, Math.min(stops.length - 1, now + (event.key === "ArrowRight" ? 1 : -1)))]?.focus();
}

/**
 * Rows are dragged to another place.
 * @param {App} app
 * @param {HTMLElement} list
 */
function dragging(app, list) {
  const { desk, work } = app;
  /** @type {number|null} */
  let dragged = null;
  /** @param {Event} event */
  const rowAt = (event) => /** @type {HTMLElement|null} */ (/** @type {Element} */ (event.target).closest?.(".row") ?? null);
  const clear = () => list.querySelectorAll(".before, .after").forEach((each) => each.classList.remove("before", "after"));
  /** @param {DragEvent} event @param {HTMLElement} row */
  const isBefore = (event, row) => event.clientY < row.getBoundingClientRect().top + row.offsetHeight / 2;
  list.addEventListener("dragstart", (event) => {
    dragged = Number(rowAt(event)?.dataset.id) || null;
    event.dataTransfer?.setData("text/plain", "");
    if (event.dataTransfer) event.dataTransfer.effectAllowed = "move";
  });
  list.addEventListener("dragover", (event) => {
    const row = rowAt(event);
    if (dragged === null || !row) return;
    event.preventDefault();
    clear();
    row.classList.add(isBefore(event, row) ? "before" : "after");
  });
  list.addEventListener("dragleave", clear);
  list.addEventListener("dragend", () => {
    dragged = null;
    clear();
  });
  list.addEventListener("drop", (event) => {
    const row = rowAt(event);
    clear();
    if (dragged === null || !row) return;
    event.preventDefault();
    event.stopPropagation();
    const others = desk.listing.map((item) => item.object_id).filter((id) => id !== dragged);
    const at = others.indexOf(Number(row.dataset.id)) + (isBefore(event, row) ? 0 : 1);
    const place = others.length - at; // the list begins with the topmost, the drawing order with the lowest
    if (at >= 0 && desk.doc?.order.indexOf(dragged) !== place) work.action({ action: "move", object_id: dragged, place });
    dragged = null;
  });
}
