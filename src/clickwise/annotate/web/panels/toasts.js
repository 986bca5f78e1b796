/**
 * Messages that come and go. Failures stay until they are closed, and offer to try again where that helps.
 */
import { Failure } from "../api.js";
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

  /** Take away what says that the server is not there: it is. */
  back() {
    for (const each of [...this.root.children]) if (each.classList.contains("offline")) each.remove();
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
    const same = [...this.root.children].find((each) => each.querySelector("p")?.textContent === text);
    same?.remove();
    const again = retry && h("button", { type: "button", class: "button", onclick: () => { toast.remove(); retry(); } }, "Try again");
    const toast = h(
      "div",
      { class: `toast ${kind}`, role: kind.startsWith("bad") ? "alert" : "note" },
      icon(symbol),
      h("p", null, text),
      h("div", { class: "acts" }, again, iconButton("close", "Close message", () => toast.remove())),
    );
    this.root.append(toast);
    while (this.root.children.length > MOST) this.root.firstElementChild?.remove();
    if (!kind.startsWith("bad")) this.speak(text);
    if (stays) setTimeout(() => toast.remove(), stays);
  }
}
