/**
 * All shortcuts, and what the mouse does. A click on a key changes it.
 *
 * @import {App} from "../app.js"
 * @import {Shortcut} from "../core/shortcuts.js"
 */
import { SHORTCUTS, chordOf, keysOf, refusal, shown, withKeys } from "../core/shortcuts.js";
import { h, iconButton } from "../dom.js";
import { openDialog } from "./dialog.js";

/** @type {[string, string][]} */
const MOUSE = [
  ["Click", "Object"],
  ["Right-click or Alt+click", "Background"],
  ["Ctrl+click", "Select an object; again: the one below"],
  ["Ctrl+Shift+click", "Select several"],
  ["Wheel", "Zoom to the cursor"],
  ["Middle button or Space and drag", "Move the picture"],
  ["Shift+wheel", "Opacity; with brush or eraser: its size"],
  ["Arrow keys on the picture", "Crosshair, Shift: larger steps"],
  ["Alt+arrow keys", "Move the picture"],
  ["→ ← in the list of objects", "To what can be done to one, and back"],
  ["Digits", "Class"],
  ["Tap, long press", "Object, background"],
  ["Two fingers", "Zoom and move"],
  ["Pen drag", "Brush; its other end erases"],
];

export const MAC = /Mac|iPhone|iPad/.test(globalThis.navigator?.platform ?? "");

/** @param {App} app */
export function openHelp(app) {
  if (document.querySelector("dialog .keys")) return;
  const message = h("p", { class: "note", role: "status" }, "A click on a key changes it; Esc leaves it as it is.");
  const keys = h("div", { class: "keys" });
  /** @type {AbortController|null} */
  let listening = null;
  /** @param {{id: string, place: number}} [at]  the key that gets the focus back */
  const draw = (at) => {
    listening?.abort();
    const groups = [...new Set(SHORTCUTS.map((each) => each.group))];
    keys.replaceChildren(
      h("section", null, h("h3", null, "Mouse, touch and pen"), ...MOUSE.map(([what, does]) => h("div", { class: "key" }, does, h("span", { class: "muted" }, what)))),
      ...groups.map((group) => h("section", null, h("h3", null, group), ...SHORTCUTS.filter((each) => each.group === group).map(line))),
    );
    if (!at) return;
    const left = /** @type {HTMLElement[]} */ ([...keys.querySelectorAll(`[data-shortcut="${at.id}"]`)]);
    left[Math.min(at.place, left.length - 1)]?.focus();
  };

  /** @param {Shortcut} shortcut */
  function line(shortcut) {
    const now = keysOf(shortcut, app.settings.shortcuts);
    const chords = now.map((chord, place) => chordButton(shortcut, now, place, shown(chord, MAC)));
    const add = iconButton("plus", `Another key for: ${shortcut.title}`, (event) => listen(shortcut, now, now.length, /** @type {HTMLElement} */ (event.currentTarget)));
    for (const each of [...chords, add]) each.dataset.shortcut = shortcut.id;
    return h("div", { class: "key" }, shortcut.title, h("span", { class: "chords" }, ...chords, add));
  }

  /**
   * @param {Shortcut} shortcut
   * @param {readonly string[]} now
   * @param {number} place
   * @param {string} text
   */
  function chordButton(shortcut, now, place, text) {
    const button = h("button", { type: "button", class: "chord", title: `Change the key for: ${shortcut.title}`, onclick: () => listen(shortcut, now, place, button) }, h("kbd", null, text));
    return button;
  }

  /**
   * The next key pressed becomes the shortcut's.
   * @param {Shortcut} shortcut
   * @param {readonly string[]} now
   * @param {number} place
   * @param {HTMLElement} button
   */
  function listen(shortcut, now, place, button) {
    listening?.abort();
    listening = new AbortController();
    for (const each of keys.querySelectorAll(".listening")) each.classList.remove("listening");
    button.classList.add("listening");
    message.classList.remove("bad");
    message.textContent = `Press the key for “${shortcut.title}”. Esc: leave it. Backspace: take it away.`;
    addEventListener("keydown", (event) => {
      const chord = chordOf(event);
      if (!chord) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      if (chord === "Escape") return draw({ id: shortcut.id, place });
      const chords = chord === "Backspace" ? now.filter((_, i) => i !== place) : [...now.slice(0, place), chord, ...now.slice(place + 1)];
      const reason = chord === "Backspace" ? "" : now.includes(chord) ? `${shown(chord, MAC)} means this already.` : refusal(shortcut.id, chord, app.settings.shortcuts);
      message.classList.toggle("bad", Boolean(reason));
      message.textContent = reason || `Changed: ${shortcut.title}.`;
      if (!reason) {
        app.settings.shortcuts = withKeys(shortcut.id, chords, app.settings.shortcuts);
        app.saveSettings();
        app.hub.changed("settings");
      }
      draw({ id: shortcut.id, place });
    }, { capture: true, signal: listening.signal });
  }

  draw();
  const dialog = openDialog({
    title: "Shortcuts and help",
    broad: true,
    top: message,
    body: [keys],
    footer: [
      h("button", { type: "button", class: "button left", onclick: () => {
        app.settings.shortcuts = {};
        app.saveSettings();
        app.hub.changed("settings");
        message.textContent = "All keys are as they were delivered.";
        draw();
      } }, "Reset all keys"),
      h("button", { type: "button", class: "button primary", onclick: () => dialog.close() }, "Close"),
    ],
    onclose: () => listening?.abort(),
  });
}
