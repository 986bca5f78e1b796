/**
 * The pictures that were left out of the project, to be taken back.
 *
 * @import {App} from "../app.js"
 * @import {ImageItem} from "../types.js"
 */
import { h, icon, plural } from "../dom.js";
import { openDialog } from "./dialog.js";

const MOST = 500;

/** @param {App} app */
export async function openLeftOut(app) {
  const { api, toasts } = app;
  try {
    const { total, images } = await api.leftOut(0, MOST);
    openDialog({
      title: "Left-out pictures",
      body: [h("p", { class: "note" }, told(total, images.length)), ...images.map((image) => line(app, image))],
    });
  } catch (error) {
    toasts.failure(error, () => void openLeftOut(app));
  }
}

/**
 * @param {number} total
 * @param {number} shown
 */
export function told(total, shown) {
  if (!total) return "No picture is left out. Leave this picture out, in the menu, takes one out of lists, counts and exports.";
  const rest = total > shown ? ` The first ${shown} are here; take some back to see others.` : "";
  return `${plural(total, "picture")} in no list, count or export. Files, objects and history are kept.${rest}`;
}

/**
 * @param {App} app
 * @param {ImageItem} image
 */
function line({ api, toasts }, image) {
  const back = h("button", { type: "button", class: "button", "aria-label": `Take ${image.name} back`, onclick: () => void take() }, "Take back");
  const row = h("div", { class: "left-out" }, h("span", { class: "name", title: image.name }, image.name), back);

  async function take() {
    back.disabled = true;
    try {
      await api.takeBack(image.image_id); // the list comes anew by itself: everybody is told
      back.replaceChildren(icon("check"), "In the project");
    } catch (error) {
      back.disabled = false;
      toasts.failure(error, () => void take());
    }
  }
  return row;
}
