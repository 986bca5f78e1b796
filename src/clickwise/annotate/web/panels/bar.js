/**
 * The bar at the top: project, picture, undo, finish, menus.
 *
 * @import {App} from "../app.js"
 */
import { attribute, byId, h, icon, iconButton } from "../dom.js";
import { openMenu } from "./dialog.js";
import { openClasses } from "./classes.js";
import { openExport, chooseFiles, restoreProject, saveProject } from "./exchange.js";
import { openLeftOut } from "./left_out.js";
import { openSettings } from "./preferences.js";

/**
 * @param {App} app
 * @param {Record<string, () => void>} commands
 * @param {(id: string) => string} key  the key that a shortcut has now
 */
export function bar(app, commands, key) {
  const { desk, hub, settings } = app;
  /**
   * @param {string} name
   * @param {string} title
   * @param {string} id
   */
  const act = (name, title, id) => iconButton(name, title, () => commands[id]?.());
  const project = h("span", { class: "project" });
  const name = h("strong");
  const place = h("span", { class: "muted number" });
  const previous = act("previous", "Previous picture", "previous");
  const next = act("next", "Next picture", "next");
  const undo = act("undo", "Undo", "undo");
  const redo = act("redo", "Redo", "redo");
  const sign = h("span", { class: "unseen" });
  const finish = h("button", { type: "button", class: "button primary", onclick: () => commands["finish.next"]?.() }, icon("check"), h("span", null, "Finish, next"));
  const finished = iconButton("check", "Finished", () => commands["finish.toggle"]?.(), "finished-mark");
  const pictures = iconButton("pictures", "Pictures", () => side("picturesShown"), "wide");
  const objects = iconButton("objects", "Objects", () => side("objectsShown"), "wide");
  const theme = iconButton("sun", "Light or dark", () => turn(app), "wide");
  const more = iconButton("menu", "More", () => menu());
  attribute(more, "aria-haspopup", "menu");

  /** @param {"picturesShown"|"objectsShown"} which */
  function side(which) {
    settings[which] = !settings[which];
    app.saveSettings();
    hub.changed("settings");
  }

  function menu() {
    const open = desk.doc ?? desk.trouble;
    openMenu(more, [
      ...(desk.doc
        ? [{ label: desk.doc.finished ? "Not finished" : "Finished, stay here", icon: "check", key: key("finish.toggle"), action: () => commands["finish.toggle"]?.() }, null]
        : []),
      { label: "Add pictures…", icon: "upload", action: () => chooseFiles(app, "pictures") },
      { label: "Import labels…", icon: "upload", action: () => chooseFiles(app, "labels") },
      { label: "Export labels…", icon: "download", action: () => openExport(app) },
      null,
      ...(open ? [{ label: "Leave this picture out", icon: "eye-off", key: key("picture.leave"), action: () => commands["picture.leave"]?.() }] : []),
      { label: "Left-out pictures…", icon: "pictures", action: () => openLeftOut(app) },
      null,
      { label: "Save project as zip", icon: "archive", action: () => void saveProject(app) },
      { label: "Restore project from zip…", icon: "archive", action: () => restoreProject(app) },
      null,
      { label: "Classes…", icon: "objects", action: () => openClasses(app) },
      { label: "Settings…", icon: "settings", action: () => openSettings(app) },
      { label: "Light or dark", icon: "sun", action: () => turn(app) },
      { label: "Shortcuts and help", icon: "help", key: key("help"), action: () => commands.help?.() },
    ]);
  }

  byId("bar").append(
    h("div", { class: "brand" }, icon("logo"), h("span", { class: "name" }, "clickwise"), project),
    h("div", { class: "group" }, previous, next),
    h("div", { class: "title" }, name, place, sign),
    finished,
    h("div", { class: "group push" }, undo, redo),
    finish,
    h("div", { class: "group" }, pictures, objects, theme, iconButton("help", "Shortcuts and help", () => commands.help?.(), "wide"), more),
  );

  hub.on(["project", "images", "image", "document", "work"], () => {
    const entry = desk.entry;
    project.textContent = desk.project?.name ?? "";
    name.textContent = entry?.name ?? desk.doc?.name ?? "";
    name.title = name.textContent;
    place.textContent = entry ? `${entry.position + 1} / ${Math.max(desk.images.length, desk.progress?.total ?? 0)}` : "";
    sign.textContent = desk.doc?.finished ? "finished" : "";
    finished.classList.toggle("finished", Boolean(desk.doc?.finished));
    attribute(finished, "aria-pressed", String(Boolean(desk.doc?.finished)));
    finished.hidden = !desk.doc;
    undo.disabled = !desk.doc?.undoable && !app.queue.size;
    redo.disabled = !desk.doc?.redoable;
    finish.disabled = !desk.doc;
    previous.disabled = next.disabled = desk.images.length < 2;
  });
  hub.on(["settings"], () => {
    const keyed = /** @type {[HTMLElement, string, string][]} */ ([
      [undo, "Undo", "undo"], [redo, "Redo", "redo"], [previous, "Previous picture", "previous"],
      [next, "Next picture", "next"], [finish, "Finished: mark it and go to the next unfinished picture", "finish.next"],
      [finished, "This picture is finished", "finish.toggle"],
    ]);
    for (const [element, title, id] of keyed) element.title = key(id) ? `${title} (${key(id)})` : title;
    attribute(pictures, "aria-pressed", String(settings.picturesShown));
    attribute(objects, "aria-pressed", String(settings.objectsShown));
    const root = byId("app");
    root.dataset.pictures = settings.picturesShown ? "on" : "off";
    root.dataset.objects = settings.objectsShown ? "on" : "off";
    theme.replaceChildren(icon(shade(settings.theme) === "dark" ? "sun" : "moon"));
  });
}

/**
 * The theme that holds: what the user chose, else what the system says.
 * @param {"auto"|"dark"|"light"} theme
 * @returns {"dark"|"light"}
 */
export function shade(theme) {
  if (theme !== "auto") return theme;
  return matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
}

/** @param {App} app */
function turn(app) {
  app.settings.theme = shade(app.settings.theme) === "dark" ? "light" : "dark";
  app.saveSettings();
  app.hub.changed("settings");
}
