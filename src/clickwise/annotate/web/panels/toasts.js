/**
 * Messages that come and go. Failures stay until they are closed, and offer to try again where that helps.
 */
import { h, icon, iconButton } from "../dom.js";

const STAYS = 5000;
const MOST = 4;

export class Toasts {
  /**
   * @param {HTMLElement} root
   * @param {(text: string) => void} speak
   */
  constructor(root, speak) {
    this.root = root;
    this.speak = speak;
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

  /**
   * @param {string} text
   * @param {string} kind
   * @param {string} symbol
   * @param {number} stays  milliseconds, 0 = until it is closed
   * @param {(() => void)|null} [retry]
   */
  show(text, kind, symbol, stays, retry = null) {
    const same = [...this.root.children].find((each) => each.querySelector("p")?.textContent === text);
    same?.remove();
    const again = retry && h("button", { type: "button", class: "button", onclick: () => { toast.remove(); retry(); } }, "Try again");
    const toast = h(
      "div",
      { class: `toast ${kind}`, role: kind === "bad" ? "alert" : "note" },
      icon(symbol),
      h("p", null, text),
      h("div", { class: "acts" }, again, iconButton("close", "Close message", () => toast.remove())),
    );
    this.root.append(toast);
    while (this.root.children.length > MOST) this.root.firstElementChild?.remove();
    if (kind !== "bad") this.speak(text);
    if (stays) setTimeout(() => toast.remove(), stays);
  }
}
