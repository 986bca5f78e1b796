/**
 * Classes: chips that choose, and a dialog that changes them.
 *
 * @import {App} from "../app.js"
 * @import {Classes, Colour, LabelClass} from "../types.js"
 */
import { Failure } from "../api.js";
import { attribute, css, h, hex, iconButton, unhex } from "../dom.js";
import { offered } from "../core/state.js";
import { asked, openDialog, roam } from "./dialog.js";

const KEYS = "1234567890";
/** Colours of new classes, as the server's own: Okabe and Ito's first. @type {Colour[]} */
const PALETTE = [
  [0, 114, 178], [230, 159, 0], [0, 158, 115], [204, 121, 167], [213, 94, 0], [86, 180, 233],
  [240, 228, 66], [148, 103, 189], [140, 86, 75], [23, 190, 207], [188, 189, 34], [227, 26, 28],
];

/**
 * @param {App} app
 * @returns {HTMLElement}
 */
export function classesSection(app) {
  const { desk, hub, work } = app;
  const chips = h("div", { class: "chips", role: "radiogroup", "aria-labelledby": "classes-title" });
  const title = h("h2", { id: "classes-title" }, "Class");
  chips.addEventListener("keydown", (event) => void roam(event, [...chips.querySelectorAll("button")]));
  let drawn = "";
  hub.on(["classes", "selection", "document", "project"], () => {
    const classes = offered(desk.classes);
    const chosen = desk.selected.length ? new Set(desk.selected.map((item) => item.class_id)) : new Set([desk.nextClass?.class_id]);
    title.textContent = desk.selected.length ? "Class of the selected" : "Class of the next object";
    const now = JSON.stringify(classes);
    if (now !== drawn) {
      drawn = now;
      chips.replaceChildren(...classes.map((each) => chip(each, () => work.chooseClass(each.class_id))));
    }
    classes.forEach((each, place) => {
      const element = /** @type {HTMLElement} */ (chips.children[place]);
      const on = chosen.size === 1 && chosen.has(each.class_id);
      attribute(element, "aria-checked", String(on));
      element.tabIndex = on || (chosen.size !== 1 && place === 0) ? 0 : -1;
    });
  });
  return h(
    "section",
    { class: "section", "aria-labelledby": "classes-title" },
    h("header", null, title, iconButton("pencil", "Change classes", () => openClasses(app)), iconButton("plus", "New class", () => void newClass(app))),
    chips,
  );
}

/**
 * @param {LabelClass} item
 * @param {() => void} action
 */
function chip(item, action) {
  const swatch = h("span", { class: "swatch" });
  swatch.style.setProperty("--swatch", css(item.colour));
  return h(
    "button",
    { type: "button", class: "chip", role: "radio", title: item.name, onclick: action },
    swatch,
    h("span", null, item.name),
    item.key ? h("kbd", null, item.key) : null,
  );
}

/** @param {App} app */
export async function newClass(app) {
  const name = await asked("New class", "Name", "", "Add");
  if (!name) return;
  const { desk, work } = app;
  const done = await changeClasses(app, (classes) => [...classes, freshClass(classes, name)]);
  const made = done && desk.classes.classes.find((each) => each.name === name && !each.retired);
  if (made) work.chooseClass(made.class_id);
}

/**
 * @param {LabelClass[]} classes
 * @param {string} name
 * @returns {LabelClass}
 */
function freshClass(classes, name) {
  const number = 1 + Math.max(0, ...classes.map((each) => each.class_id));
  const taken = new Set(classes.filter((each) => !each.retired).map((each) => each.key));
  return {
    class_id: number,
    name,
    colour: /** @type {Colour} */ (PALETTE[(number - 1) % PALETTE.length]),
    key: [...KEYS].find((key) => !taken.has(key)) ?? null,
    retired: false,
  };
}

/**
 * Change the classes on the server. When somebody else was faster, theirs are fetched and the user is told.
 * @param {App} app
 * @param {(classes: LabelClass[]) => LabelClass[]} change
 * @param {() => void} [again]  what "Try again" does
 * @returns {Promise<boolean>}
 */
export async function changeClasses(app, change, again = () => void changeClasses(app, change)) {
  const { api, desk, hub, toasts } = app;
  try {
    desk.classes = await api.putClasses({ version: desk.classes.version, classes: change(desk.classes.classes) });
    hub.changed("classes");
    return true;
  } catch (error) {
    toasts.failure(error, again);
    if (error instanceof Failure && error.code === "conflict") {
      desk.classes = /** @type {Classes} */ (await api.json("classes"));
      hub.changed("classes");
    }
    return false;
  }
}

/** @param {App} app */
export function openClasses(app) {
  const { desk } = app;
  /** @type {LabelClass[]} */
  let now = desk.classes.classes.map((each) => ({ ...each }));
  const rows = h("div", { class: "body-rows" });
  rows.style.display = "grid";
  rows.style.gap = "0.5rem";
  const message = h("p", { class: "note bad", role: "alert" });
  /** @param {number} place */
  const goTo = (place) => /** @type {HTMLElement|null} */ (rows.children[place]?.querySelector("input:not([type=color])") ?? null)?.focus();
  const draw = () => {
    message.textContent = "";
    rows.replaceChildren(...now.filter((each) => !each.retired).map((each) => classRow(each, now, draw)));
  };
  draw();
  const add = h("button", { type: "button", class: "button left", onclick: () => {
    now = [...now, freshClass(now, "")];
    draw();
    goTo(rows.children.length - 1);
  } }, "Add class");
  const save = async () => {
    const { reason, place } = namesOf(now);
    message.textContent = reason;
    if (reason) return goTo(place);
    const known = new Map(desk.classes.classes.map((each) => [each.class_id, each.name]));
    const kept = now.filter((each) => !each.retired || known.has(each.class_id));
    const named = kept.map((each) => ({ ...each, name: each.name.trim() || (known.get(each.class_id) ?? "") }));
    if (await changeClasses(app, () => named, () => void save())) dialog.close();
  };
  const dialog = openDialog({
    title: "Classes",
    body: [
      h("p", { class: "note" }, "A digit chooses a class while you work. A class that objects have cannot be removed: give them another one first."),
      rows,
      message,
    ],
    footer: [
      add,
      h("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Cancel"),
      h("button", { type: "button", class: "button primary", onclick: () => void save() }, "Save"),
    ],
  });
}

/**
 * What is wrong with the names of classes, "" when nothing is.
 * @param {readonly LabelClass[]} classes
 * @returns {{reason: string, place: number}} place: of the class among those that are not removed
 */
export function namesOf(classes) {
  const names = classes.filter((each) => !each.retired).map((each) => each.name.trim());
  const blank = names.indexOf("");
  if (blank >= 0) return { reason: `Class ${blank + 1} of the list has no name. Give it one, or remove it.`, place: blank };
  const twice = names.findIndex((name, place) => names.indexOf(name) < place);
  if (twice >= 0) return { reason: `Two classes are named ${names[twice]}. Give one of them another name.`, place: twice };
  return { reason: "", place: -1 };
}

/**
 * @param {LabelClass} item  changed in place until the dialog is saved
 * @param {LabelClass[]} all
 * @param {() => void} draw
 */
function classRow(item, all, draw) {
  const colour = h("input", { type: "color", value: hex(item.colour), "aria-label": `Colour of ${item.name}` });
  colour.addEventListener("input", () => (item.colour = unhex(colour.value)));
  const name = h("input", { class: "field", value: item.name, maxLength: 200, placeholder: "Name", "aria-label": "Name of the class" });
  name.addEventListener("input", () => (item.name = name.value));
  const key = h(
    "select",
    { class: "field", "aria-label": `Digit of ${item.name}` },
    h("option", { value: "" }, "–"),
    ...[...KEYS].map((digit) => h("option", { value: digit }, digit)),
  );
  key.value = item.key ?? "";
  key.addEventListener("change", () => {
    for (const other of all) if (key.value && other !== item && other.key === key.value) other.key = null;
    item.key = key.value || null;
    draw();
  });
  const remove = iconButton("trash", `Remove ${item.name || "class"}`, () => {
    item.retired = true;
    item.key = null;
    draw();
  });
  remove.disabled = all.filter((each) => !each.retired).length < 2;
  return h("div", { class: "class-row" }, colour, name, key, remove);
}
