/**
 * What is shown instead of a picture, and on narrow screens the tabs between picture and lists.
 *
 * @import {App} from "../app.js"
 */
import { attribute, byId, h, icon } from "../dom.js";
import { chooseFiles } from "./exchange.js";

/** @param {App} app */
export function emptyState(app) {
  const { desk, hub, pictures } = app;
  const root = byId("empty");
  let drawn = "";
  hub.on(["image", "images", "project"], () => {
    const bare = desk.listed && !desk.images.length;
    root.hidden = !bare && !desk.trouble;
    byId("tools").hidden = byId("zoom").hidden = !desk.doc;
    byId("tools").style.display = byId("zoom").style.display = desk.doc ? "" : "none";
    const now = desk.trouble ? `trouble: ${desk.trouble.message}` : "bare";
    if (root.hidden || now === drawn) return;
    drawn = now;
    if (desk.trouble) {
      root.replaceChildren(
        icon("warn"),
        h("h2", null, "This picture cannot be opened"),
        h("p", null, desk.trouble.message),
        h("button", { type: "button", class: "button", onclick: () => void pictures.go("unfinished") }, "Go to the next one"),
        h("button", { type: "button", class: "button", onclick: () => void pictures.leaveOut() }, "Leave it out of the project"),
      );
    } else {
      root.replaceChildren(
        icon("pictures"),
        h("h2", null, "No pictures yet"),
        h("p", null, "Drop picture files here, or start with a folder: clickwise annotate FOLDER"),
        h("button", { type: "button", class: "button primary", onclick: () => chooseFiles(app, "pictures") }, "Add pictures"),
      );
    }
  });
}

/** @param {App} app */
export function tabs(app) {
  const root = byId("app");
  const nav = h("nav", { class: "tabs", "aria-label": "Parts of the page" });
  const buttons = /** @type {[string, string, string][]} */ ([
    ["pictures", "Pictures", "pictures"], ["picture", "Picture", "click"], ["objects", "Objects", "objects"],
  ]).map(([tab, title, symbol]) => {
    const button = h("button", { type: "button", dataset: { tab }, onclick: () => go(tab) }, icon(symbol), title);
    nav.append(button);
    return button;
  });
  byId("status").before(nav);

  /** @param {string} tab */
  function go(tab) {
    root.dataset.tab = tab;
    app.hub.changed("hint", "images");
  }
  root.dataset.tab = "picture";
  app.hub.on(["hint"], () => {
    for (const button of buttons) attribute(button, "aria-pressed", String(root.dataset.tab === button.dataset.tab));
  });
}
