/**
 * What the user chose, kept in the browser.
 *
 * @import {Custom} from "./shortcuts.js"
 *
 * @typedef {object} Settings
 * @property {"auto"|"dark"|"light"} theme
 * @property {string} user  name that others see
 * @property {number} opacity  of masks, 0 to 1
 * @property {number} contour  CSS pixels: 0, 1 or 2
 * @property {number} brush  radius in picture pixels
 * @property {boolean} cutOthers  "do not overlap others"
 * @property {"auto"|"class"|"object"} colourBy  auto: by object while there is one class only
 * @property {"zoom"|"pan"} wheel
 * @property {string} model  "" for the project's default
 * @property {boolean} picturesShown
 * @property {boolean} objectsShown
 * @property {boolean} hints
 * @property {Custom} shortcuts
 */

const KEY = "clickwise.settings";

/** @type {Settings} */
export const USUAL = {
  theme: "auto",
  user: "",
  opacity: 0.45,
  contour: 2,
  brush: 12,
  cutOthers: false,
  colourBy: "auto",
  wheel: "zoom",
  model: "",
  picturesShown: true,
  objectsShown: true,
  hints: true,
  shortcuts: {},
};

/**
 * Settings as they were left; what does not fit any more is as usual.
 * @param {Pick<Storage, "getItem">} storage
 * @returns {Settings}
 */
export function loadSettings(storage) {
  /** @type {Record<string, any>} */
  const settings = { ...USUAL };
  try {
    const kept = JSON.parse(storage.getItem(KEY) ?? "{}");
    for (const [name, value] of Object.entries(USUAL)) {
      if (typeof kept[name] === typeof value && kept[name] !== null) settings[name] = kept[name];
    }
  } catch {
    // damaged or refused: the usual ones
  }
  return /** @type {Settings} */ (settings);
}

/**
 * @param {Pick<Storage, "setItem">} storage
 * @param {Settings} settings
 */
export function saveSettings(storage, settings) {
  try {
    storage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // private mode or full: they hold until the page is closed
  }
}
