/**
 * What lies on the picture: tools, their options, zoom, and one line that says what can be done now.
 *
 * @import {App} from "../app.js"
 * @import {ToolName} from "../desk.js"
 */
import { attribute, byId, h, icon, iconButton } from "../dom.js";
import { titleOf } from "../core/state.js";
import { roam } from "./dialog.js";

/** @type {[ToolName, string, string][]} */
const TOOLS = [
  ["click", "Click", "tool.click"],
  ["select", "Select", "tool.select"],
  ["box", "Box", "tool.box"],
  ["brush", "Brush", "tool.brush"],
  ["eraser", "Eraser", "tool.eraser"],
  ["hand", "Hand", "tool.hand"],
];

/**
 * @param {App} app
 * @param {Record<string, () => void>} commands
 * @param {(id: string) => string} key
 */
export function rail(app, commands, key) {
  const { desk, hub } = app;
  hub.on(["image"], () => attribute(app.stage.element, "aria-label", desk.doc ? `Picture ${desk.doc.name}` : "Picture"));
  const buttons = TOOLS.map(([name, title, id]) => ({ name, title, id, button: iconButton(name, title, () => commands[id]?.()) }));
  const sign = iconButton("plus", "Clicks add", () => commands.sign?.(), "sign");
  const root = byId("tools");
  root.append(...buttons.map(({ button }) => button), h("hr"), sign);
  root.addEventListener("keydown", (event) => {
    const all = [...buttons.map(({ button }) => button), sign];
    const now = roam(event, all);
    if (now) for (const each of all) each.tabIndex = each === now ? 0 : -1;
  });
  hub.on(["tool", "settings"], () => {
    for (const { name, title, id, button } of buttons) {
      attribute(button, "aria-pressed", String(desk.tool === name));
      button.tabIndex = desk.tool === name ? 0 : -1;
      button.title = key(id) ? `${title} (${key(id)})` : title;
    }
    sign.tabIndex = -1;
    sign.replaceChildren(icon(desk.positive ? "plus" : "minus"));
    attribute(sign, "aria-pressed", String(!desk.positive));
    sign.title = `${desk.positive ? "Clicks add to the object" : "Clicks take away from the object"} (${key("sign")})`;
    attribute(sign, "aria-label", desk.positive ? "Clicks add; press to take away" : "Clicks take away; press to add");
    app.stage.element.dataset.cursor = desk.tool === "hand" ? "grab" : desk.tool;
  });
  options(app, key);
  zoom(app, commands, key);
  hint(app, key);
}

/**
 * The size of brush and eraser.
 * @param {App} app
 * @param {(id: string) => string} key
 */
function options(app, key) {
  const { desk, hub, settings } = app;
  const slider = h("input", { type: "range", min: "0", max: "100", step: "1", "aria-label": "Brush size" });
  const output = h("output", { class: "number muted" });
  // Small sizes need small steps: the slider counts in powers.
  slider.addEventListener("input", () => {
    settings.brush = Math.round(10 * 0.5 * 400 ** (Number(slider.value) / 100)) / 10;
    app.saveSettings();
    hub.changed("settings", "draft");
  });
  byId("options").append(h("span", { class: "muted" }, "Size"), slider, output);
  hub.on(["tool", "settings"], () => {
    byId("options").hidden = desk.tool !== "brush" && desk.tool !== "eraser";
    slider.value = String((100 * Math.log(settings.brush / 0.5)) / Math.log(400));
    slider.title = `Smaller ${key("brush.smaller")}, larger ${key("brush.larger")}, Shift+wheel`;
    output.textContent = `${Math.round(settings.brush * 2)} px`;
    attribute(slider, "aria-valuetext", `${Math.round(settings.brush * 2)} pixels`);
  });
}

/**
 * @param {App} app
 * @param {Record<string, () => void>} commands
 * @param {(id: string) => string} key
 */
function zoom(app, commands, key) {
  const { desk, hub, stage } = app;
  const percent = h("button", { type: "button", class: "percent number", onclick: () => commands.actual?.() });
  const fit = iconButton("fit", "Whole picture", () => commands.fit?.());
  byId("zoom").append(
    iconButton("minus", "Zoom out", () => commands["zoom.out"]?.()),
    percent,
    iconButton("plus", "Zoom in", () => commands["zoom.in"]?.()),
    fit,
  );
  hub.on(["view", "settings", "image"], () => {
    const value = desk.view.zoom * stage.ratio * 100;
    percent.textContent = desk.doc ? `${value < 10 ? value.toFixed(1) : Math.round(value)} %` : "–";
    percent.title = `100 % (${key("actual")})`;
    attribute(percent, "aria-label", `Zoom ${percent.textContent}; press for 100 %`);
    fit.title = `Whole picture (${key("fit")})`;
  });
}

/**
 * @param {App} app
 * @param {(id: string) => string} key
 */
function hint(app, key) {
  const { desk, hub, settings } = app;
  const root = byId("hint");
  hub.on(["tool", "selection", "document", "image", "settings", "draft", "hint"], () => {
    const parts = settings.hints && desk.doc ? hintParts(app, key) : [];
    root.hidden = !parts.length;
    const text = parts.join("");
    if (root.dataset.text === text) return;
    root.dataset.text = text;
    root.replaceChildren(...parts.map((part) => (part.startsWith("*") ? h("b", null, part.slice(1)) : part)));
  });
}

/**
 * Pieces of a sentence; those that begin with * are what to press.
 * @param {App} app
 * @param {(id: string) => string} key
 * @returns {string[]}
 */
function hintParts(app, key) {
  const { desk } = app;
  const active = desk.active;
  if (desk.cross) return ["*Arrow keys", " move, ", `*${key("cross.positive")}`, " object, ", `*${key("cross.negative")}`, " background, ", "*Esc", " ends"];
  if (desk.selection.length > 1) return [`${desk.selection.length} selected: `, `*${key("object.merge")}`, " merges, ", "*digits", " set the class, ", `*${key("object.delete")}`, " deletes"];
  if (desk.tool === "box") return ["*Drag", " a box round an object"];
  if (desk.tool === "brush" || desk.tool === "eraser") {
    const what = active ? titleOf(active, desk.classes) : desk.tool === "brush" ? "a new object" : "";
    if (!what) return ["Select the object to erase from: ", "*Ctrl+click", " it"];
    return [desk.tool === "brush" ? `Paint ${what}. ` : `Erase from ${what}. `, `*${key("brush.smaller")} ${key("brush.larger")}`, " size"];
  }
  if (desk.tool === "select") return ["*Click", " an object to select it, ", "*Shift+click", " for more"];
  if (desk.tool === "hand") return ["*Drag", " the picture, ", "*wheel", " zooms"];
  if (active?.locked) return [`${titleOf(active, desk.classes)} is locked. `, `*${key("object.lock")}`, " unlocks it"];
  if (active || desk.making) {
    const name = active ? titleOf(active, desk.classes) : "New object";
    const start = active?.has_start && !active.clicks.length ? `Correct ${name}: ` : `${name}: `;
    return [start, "*click", " adds, ", "*right-click", " takes away, ", `*${key("object.new")}`, " starts another"];
  }
  if (desk.doc?.objects.size) return ["*Click", " a new object, or ", "*Ctrl+click", " a mask to correct it by clicks"];
  return ["*Click", " an object"];
}
