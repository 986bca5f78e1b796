/** Dialogs and menus, on the browser's own <dialog> and popover: focus stays inside and goes back afterwards. */
import { byId, h, icon, iconButton } from "../dom.js";

let byMouse = false;
globalThis.document?.addEventListener("pointerdown", () => (byMouse = true), true);
globalThis.document?.addEventListener("keydown", () => (byMouse = false), true);

/** Whoever came with the mouse goes back to the picture, not to the button: the next keys mean the picture. */
function backToPicture() {
  byId("stage").focus({ preventScroll: true });
}

/**
 * Messages go with the dialog in front: what lies outside an open one can be neither pressed nor heard.
 */
function carryMessages() {
  const front = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
  for (const each of [byId("toasts"), byId("live")]) if (each.parentElement !== front) front.append(each);
}

/**
 * Show a dialog. It is taken away when it is closed. What its own action says while it is open is said inside it.
 * @param {{title: string, top?: Node, body: (Node|string|null)[], footer?: (Node|null)[], broad?: boolean,
 *   onclose?: () => void}} content  top: does not scroll away
 * @returns {HTMLDialogElement}
 */
export function openDialog({ title, top, body, footer, broad, onclose }) {
  const dialog = h(
    "dialog",
    { class: broad ? "broad" : "", "aria-label": title },
    h("header", null, h("h2", null, title), iconButton("close", "Close", () => dialog.close())),
    top ? h("div", { class: "top" }, top) : null,
    h("div", { class: "body" }, ...body),
    footer ? h("footer", null, ...footer) : null,
  );
  const mouse = byMouse;
  dialog.addEventListener("close", () => {
    carryMessages();
    dialog.remove();
    if (mouse && !document.querySelector("dialog[open]")) backToPicture();
    onclose?.();
  });
  dialog.addEventListener("pointerdown", (event) => {
    if (event.target === dialog && outside(dialog, event)) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  carryMessages();
  return dialog;
}

/**
 * @param {HTMLElement} element
 * @param {MouseEvent} event
 */
function outside(element, event) {
  const box = element.getBoundingClientRect();
  return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
}

/**
 * A menu below a button.
 * @param {HTMLElement} anchor
 * @param {({label: string, icon: string, key?: string, action: () => void}|null)[]} entries  null: a line
 */
export function openMenu(anchor, entries) {
  const menu = h(
    "div",
    { class: "menu", role: "menu", popover: "auto" },
    ...entries.map((entry) =>
      entry
        ? h(
            "button",
            { type: "button", role: "menuitem", onclick: () => { menu.hidePopover(); if (byMouse) backToPicture(); entry.action(); } },
            icon(entry.icon),
            entry.label,
            entry.key ? h("kbd", null, entry.key) : null,
          )
        : h("hr", null),
    ),
  );
  menu.addEventListener("toggle", (event) => {
    if (/** @type {ToggleEvent} */ (event).newState === "closed") menu.remove();
  });
  menu.addEventListener("keydown", (event) => roam(event, [...menu.querySelectorAll("button")]));
  document.body.append(menu);
  menu.showPopover();
  const box = anchor.getBoundingClientRect();
  const own = menu.getBoundingClientRect();
  menu.style.left = `${Math.max(8, Math.min(box.right - own.width, innerWidth - own.width - 8))}px`;
  menu.style.top = `${Math.max(8, Math.min(box.bottom + 4, innerHeight - own.height - 8))}px`;
  menu.querySelector("button")?.focus();
}

/**
 * Arrow keys, Home and End go through elements; Tab leaves them.
 * @param {KeyboardEvent} event
 * @param {HTMLElement[]} elements
 * @returns {HTMLElement|null} the one that has the focus now, when it moved
 */
export function roam(event, elements) {
  const now = elements.findIndex((each) => each === document.activeElement || each.contains(document.activeElement));
  const last = elements.length - 1;
  const next =
    event.key === "ArrowDown" || event.key === "ArrowRight" ? Math.min(last, now + 1)
    : event.key === "ArrowUp" || event.key === "ArrowLeft" ? Math.max(0, now - 1)
    : event.key === "Home" ? 0
    : event.key === "End" ? last
    : -1;
  const target = elements[next];
  if (next < 0 || !target || event.ctrlKey || event.metaKey || event.altKey) return null;
  event.preventDefault();
  event.stopPropagation();
  target.focus();
  return target;
}

/**
 * Ask yes or no.
 * @param {string} title
 * @param {string} text
 * @param {string} yes
 * @returns {Promise<boolean>}
 */
export function confirmed(title, text, yes) {
  return new Promise((resolve) => {
    let answer = false;
    const dialog = openDialog({
      title,
      body: [h("p", null, text)],
      footer: [
        h("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Cancel"),
        h("button", { type: "button", class: "button primary", autofocus: true, onclick: () => { answer = true; dialog.close(); } }, yes),
      ],
      onclose: () => resolve(answer),
    });
  });
}

/**
 * Ask for a line of text.
 * @param {string} title
 * @param {string} label
 * @param {string} value
 * @param {string} yes
 * @returns {Promise<string|null>} null when it was closed
 */
export function asked(title, label, value, yes) {
  return new Promise((resolve) => {
    /** @type {string|null} */
    let answer = null;
    const field = h("input", { class: "field", value, maxLength: 200, "aria-label": label });
    const done = () => {
      answer = field.value.trim();
      dialog.close();
    };
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // or the button that gets the focus back is pressed by the same key
      done();
    });
    const dialog = openDialog({
      title,
      body: [h("label", null, h("span", { class: "note" }, label), field)],
      footer: [
        h("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Cancel"),
        h("button", { type: "button", class: "button primary", onclick: done }, yes),
      ],
      onclose: () => resolve(answer),
    });
    field.select();
  });
}
