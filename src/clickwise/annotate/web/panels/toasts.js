/**
 * Messages that come and go. Failures stay until they are closed, and offer to try again where that helps.
 */
import { Failure } from "../api.js";
import { h, icon, iconButton } from "../dom.js";

const STAYS = 5000;
const MOST = 4;

/**
 * @typedef {object} Shown
 * @property {string} text
 * @property {string} kind
 * @property {(() => void)[]} retries  of each of those that failed for the same reason
 * @property {number} times  so often it was said while it was shown
 * @property {HTMLElement} element
 */

/**
 * Which messages make room for others. Those that leave by themselves go first, then failures; never one that can be
 * tried again: what it is about would be lost.
 * @template {Pick<Shown, "kind"|"retries">} T
 * @param {readonly T[]} shown  oldest first
 * @param {number} most
 * @returns {T[]}
 */
export function leaving(shown, most) {
  const rest = shown.slice(0, -1).filter((each) => !each.retries.length); // the newest stays
  const inTurn = [...rest.filter((each) => !each.kind.startsWith("bad")), ...rest.filter((each) => each.kind.startsWith("bad"))];
  return inTurn.slice(0, Math.max(0, shown.length - most));
}

export class Toasts {
  /**
   * @param {HTMLElement} root
   * @param {(text: string) => void} speak
   */
  constructor(root, speak) {
    this.root = root;
    this.speak = speak;
    /** What is shown, oldest first. @type {Shown[]} */
    this.shown = [];
  }

  /** @param {string} text  something worth knowing; leaves by itself */
  say(text) {
    this.show(text, "", "info", STAYS);
  }

  /** @param {string} text */
  warn(text) {
    this.show(text, "warn", "warn", 2 * STAYS);
  }

  /**
   * @param {string} text  what failed, and why
   * @param {(() => void)|null} [retry]
   */
  fail(text, retry = null) {
    this.show(text, "bad", "warn", 0, retry);
  }

  /** Take away what says that the server is not there: it is. */
  back() {
    for (const each of [...this.shown]) if (each.kind.includes("offline")) this.close(each);
  }

  /**
   * A failure, as an error or in words.
   * @param {unknown} error
   * @param {(() => void)|null} [retry]
   */
  failure(error, retry = null) {
    const offline = error instanceof Failure && error.code === "offline";
    this.show(error instanceof Error ? error.message : String(error), offline ? "bad offline" : "bad", "warn", 0, retry);
  }

  /**
   * @param {string} text
   * @param {string} kind
   * @param {string} symbol
   * @param {number} stays  milliseconds, 0 = until it is closed
   * @param {(() => void)|null} [retry]
   */
  show(text, kind, symbol, stays, retry = null) {
    const same = this.shown.find((each) => each.text === text && each.kind === kind);
    if (same) this.close(same);
    const retries = [...(same?.retries ?? []), ...(retry ? [retry] : [])];
    const times = 1 + (kind.startsWith("bad") ? same?.times ?? 0 : 0);
    const again = retries.length ? h("button", { type: "button", class: "button", onclick: () => { this.close(now); for (const each of retries) each(); } }, "Try again") : null;
    const element = h(
      "div",
      { class: `toast ${kind}`, role: kind.startsWith("bad") ? "alert" : "note" },
      icon(symbol),
      h("p", null, text, times > 1 ? h("span", { class: "muted" }, ` (${times} times)`) : null),
      h("div", { class: "acts" }, again, iconButton("close", "Close message", () => this.close(now))),
    );
    /** @type {Shown} */
    const now = { text, kind, retries, times, element };
    this.shown.push(now);
    this.root.append(element);
    for (const each of leaving(this.shown, MOST)) this.close(each);
    if (!kind.startsWith("bad")) this.speak(text);
    if (stays) setTimeout(() => this.close(now), stays);
  }

  /** @param {Shown} toast */
  close(toast) {
    toast.element.remove();
    this.shown = this.shown.filter((each) => each !== toast);
  }
}
