/**
 * The status line: is everything saved, is the server there, how long the last click took, where the mouse is.
 *
 * @import {App} from "../app.js"
 */
import { byId, h, plural } from "../dom.js";
import { pixelAt } from "../core/view.js";

/** @type {Record<string, string>} */
const BUSY = { queue: "Waiting for the network…", model: "Loading the model…", picture: "Reading the picture…", network: "The network needs long for this one…" };

/** @param {App} app */
export function status(app) {
  const { desk, hub, live, queue } = app;
  const dot = h("span", { class: "dot" });
  const saved = h("span");
  const work = h("span", { class: "item", hidden: true }, h("span", { class: "spinner" }), h("span"));
  const click = h("span", { class: "item number" });
  const size = h("span", { class: "item number" });
  const mouse = h("span", { class: "item number push" });
  const user = h("span", { class: "item" });
  byId("status").append(h("span", { class: "item", id: "saved" }, dot, saved), work, click, mouse, size, user);

  /** @type {ReturnType<typeof setInterval>|undefined} */
  let ticking;
  const draw = () => {
    const [kind, text] = state(app);
    dot.className = `dot ${kind}`;
    saved.textContent = text;
    clearInterval(ticking);
    if (live.state === "lost") ticking = setInterval(() => (saved.textContent = state(app)[1]), 1000);
  };
  hub.on(["connection", "work", "document", "project"], draw);
  hub.on(["work", "image", "project", "connection"], () => {
    const text = desk.opening ? "Opening…" : desk.uploads ? `Adding ${plural(desk.uploads, "file")}…` : queue.size && live.state === "open" ? BUSY[desk.busy ?? ""] ?? "Working…" : "";
    work.hidden = !text;
    /** @type {HTMLElement} */ (work.lastElementChild).textContent = text;
    const last = desk.lastClick;
    click.textContent = last ? `Last click ${Math.round(last.milliseconds)} ms` : "";
    click.title = last ? `waiting ${ms(last.parts.wait)}, picture ${ms(last.parts.decode)}, network ${ms(last.parts.network)}, storing ${ms(last.parts.store)}` : "";
  });
  hub.on(["draft", "image", "view"], () => {
    const pixel = desk.doc && (desk.cross ?? (desk.hover && pixelAt(desk.view, desk.hover, desk.doc)));
    mouse.textContent = pixel ? `${pixel.x}, ${pixel.y}` : "";
    size.textContent = desk.doc ? `${desk.doc.width} × ${desk.doc.height}` : "";
  });
  hub.on(["settings"], () => (user.textContent = app.settings.user));
}

/** @param {number|undefined} value */
function ms(value) {
  return `${Math.round(value ?? 0)} ms`;
}

/**
 * The truth about what is on disk: every acknowledged step is; those that are not are counted.
 * @param {App} app
 * @returns {[string, string]} kind of the dot, words
 */
function state({ live, queue }) {
  const waiting = queue.size ? `, ${plural(queue.size, "step")} not saved yet` : "";
  if (live.state === "lost") {
    const seconds = Math.max(0, Math.ceil((live.retryAt - Date.now()) / 1000));
    return ["bad", `Offline${waiting}; trying again${seconds ? ` in ${seconds} s` : ""}`];
  }
  if (live.state === "connecting" || live.state === "off") return ["warn", `Connecting…${waiting}`];
  if (live.state === "refused") return ["bad", `Token refused${waiting}`];
  if (live.state === "taken") return ["bad", `This tab is used elsewhere; reload it to go on here${waiting}`];
  if (live.state === "outdated") return ["bad", `The server speaks another version; reload the page${waiting}`];
  return queue.size ? ["warn", `${plural(queue.size, "step")} not saved yet`] : ["good", "Saved"];
}
