/**
 * Settings of the user, and the field for the token.
 *
 * @import {App} from "../app.js"
 */
import { h } from "../dom.js";
import { openDialog } from "./dialog.js";

/** @param {App} app */
export function openSettings(app) {
  const { settings, hub } = app;
  const change = () => {
    app.saveSettings();
    hub.changed("settings", "document");
  };
  const user = h("input", { class: "field", value: settings.user, maxLength: 100, placeholder: "Your name" });
  user.addEventListener("change", () => {
    settings.user = user.value.trim();
    change();
    app.live.greetAnew();
  });
  openDialog({
    title: "Settings",
    body: [
      line("Name", user, "Others see it beside your changes; the history keeps it."),
      line("Appearance", choice(settings.theme, [["auto", "As the system"], ["dark", "Dark"], ["light", "Light"]], (value) => {
        settings.theme = /** @type {typeof settings.theme} */ (value);
        change();
      })),
      line("Mask colours", choice(settings.colourBy, [["auto", "By class, if there are several"], ["class", "By class"], ["object", "One for each object"]], (value) => {
        settings.colourBy = /** @type {typeof settings.colourBy} */ (value);
        change();
      })),
      line("Contour", choice(String(settings.contour), [["0", "None"], ["1", "Thin"], ["2", "Strong"]], (value) => {
        settings.contour = Number(value);
        change();
      })),
      line("Wheel", choice(settings.wheel, [["zoom", "Zooms"], ["pan", "Moves the picture (touchpads); pinch or Ctrl zooms"]], (value) => {
        settings.wheel = /** @type {typeof settings.wheel} */ (value);
        change();
      })),
      toggle("Show hints on the picture", settings.hints, (value) => {
        settings.hints = value;
        change();
      }),
    ],
  });
}

/**
 * @param {string} label
 * @param {HTMLElement} control
 * @param {string} [note]
 */
function line(label, control, note) {
  return h("label", { class: "line" }, h("span", null, label), control, note ? h("span", { class: "note" }, note) : null);
}

/**
 * @param {string} value
 * @param {[string, string][]} options
 * @param {(value: string) => void} then
 */
function choice(value, options, then) {
  const select = h("select", { class: "field" }, ...options.map(([key, title]) => h("option", { value: key }, title)));
  select.value = value;
  select.addEventListener("change", () => then(select.value));
  return select;
}

/**
 * @param {string} label
 * @param {boolean} value
 * @param {(value: boolean) => void} then
 */
function toggle(label, value, then) {
  const box = h("input", { type: "checkbox", role: "switch", checked: value });
  box.addEventListener("change", () => then(box.checked));
  return h("label", { class: "switch" }, box, label);
}

/**
 * Ask for the token. The dialog stays until one is given.
 * @param {string} reason
 * @param {(token: string) => void} then
 */
export function openToken(reason, then) {
  if (document.querySelector("dialog.token")) return;
  const field = h("input", { class: "field", type: "password", autocomplete: "off", spellcheck: false, required: true });
  const form = h(
    "form",
    { class: "body", onsubmit: (/** @type {Event} */ event) => {
      event.preventDefault();
      // The whole start address may be pasted as well.
      const token = field.value.trim().replace(/^.*#token=/, "");
      if (!token) return;
      dialog.remove();
      then(token);
    } },
    h("p", null, reason),
    h("p", { class: "note" }, "clickwise annotate prints an address that ends in #token=…; paste the token, or the whole address."),
    h("label", null, h("span", { class: "note" }, "Token"), field),
    h("button", { class: "button primary" }, "Open"),
  );
  const dialog = h("dialog", { class: "token", "aria-label": "Token" }, h("header", null, h("h2", null, "This project needs its token")), form);
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  document.body.append(dialog);
  dialog.showModal();
  field.focus();
}
