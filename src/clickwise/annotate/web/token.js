/**
 * The token: from the start address, which is cleaned at once, else from what the browser kept.
 *
 * @typedef {Pick<Storage, "getItem"|"setItem"|"removeItem">} Keeper
 */

const KEY = "clickwise.token";

/**
 * @param {Keeper} local  kept for the next tab
 * @param {Keeper} session  this tab's own, which wins
 * @param {string} [given]  typed in by the user
 * @returns {{value: string}}
 */
export function takeToken(local, session, given) {
  const match = /(?:^#|&)token=([^&]+)/.exec(location.hash);
  const value = given ?? (match ? decodeURIComponent(/** @type {string} */ (match[1])) : session.getItem(KEY) ?? local.getItem(KEY) ?? "");
  if (match) {
    const rest = location.hash.slice(1).split("&").filter((part) => part && !part.startsWith("token=")).join("&");
    history.replaceState(null, "", rest ? `#${rest}` : location.pathname + location.search);
  }
  if (value) {
    for (const keeper of [local, session]) {
      try {
        keeper.setItem(KEY, value);
      } catch {
        // it holds until the page is closed
      }
    }
  }
  return { value };
}
