/**
 * All keyboard shortcuts, as data. A chord is written "Mod+Shift+Z"; Mod is Ctrl, or Cmd on a Mac.
 *
 * @typedef {object} Shortcut
 * @property {string} id
 * @property {string} title
 * @property {string} group
 * @property {readonly string[]} keys
 * @property {boolean} [once]  a key that is held down does it once: it takes another picture each time
 * @property {"page"|"crosshair"} [when]  "crosshair": only while the keyboard's crosshair is on the picture, before others
 *
 * @typedef {Record<string, string[]>} Custom  what the user changed: keys by shortcut
 */

/** @type {readonly Shortcut[]} */
export const SHORTCUTS = [
  { id: "undo", title: "Undo", group: "Work", keys: ["Mod+Z"] },
  { id: "redo", title: "Redo", group: "Work", keys: ["Mod+Y", "Mod+Shift+Z"] },
  { id: "object.new", title: "Object is done; next click starts a new one", group: "Work", keys: ["Enter", "N"] },
  { id: "finish.next", title: "Picture is finished; go to the next unfinished one", group: "Work", keys: ["S", "Mod+Enter"], once: true },
  { id: "finish.toggle", title: "Mark picture finished or not", group: "Work", keys: ["Shift+S"] },
  { id: "previous", title: "Previous picture", group: "Work", keys: ["A", "PageUp"] },
  { id: "next", title: "Next picture", group: "Work", keys: ["D", "PageDown"] },
  { id: "unfinished", title: "Next unfinished picture", group: "Work", keys: ["U"] },
  { id: "picture.leave", title: "Leave this picture out of the project", group: "Work", keys: ["Shift+Delete"], once: true },
  { id: "escape", title: "Cancel the stroke, or select nothing", group: "Work", keys: ["Escape"] },

  { id: "tool.click", title: "Click tool", group: "Tools", keys: ["Q"] },
  { id: "tool.select", title: "Select tool", group: "Tools", keys: ["V"] },
  { id: "tool.box", title: "Box tool", group: "Tools", keys: ["R"] },
  { id: "tool.brush", title: "Brush", group: "Tools", keys: ["B"] },
  { id: "tool.eraser", title: "Eraser", group: "Tools", keys: ["E"] },
  { id: "tool.hand", title: "Hand: move the picture", group: "Tools", keys: ["H"] },
  { id: "sign", title: "Left click adds or takes away", group: "Tools", keys: ["X"] },
  { id: "brush.smaller", title: "Smaller brush", group: "Tools", keys: ["["] },
  { id: "brush.larger", title: "Larger brush", group: "Tools", keys: ["]"] },
  { id: "overlap", title: "Do not overlap others: on or off", group: "Tools", keys: ["K"] },

  { id: "object.next", title: "Select next object", group: "Objects", keys: ["Tab"] },
  { id: "object.previous", title: "Select previous object", group: "Objects", keys: ["Shift+Tab"] },
  { id: "object.delete", title: "Delete selected", group: "Objects", keys: ["Delete", "Backspace"] },
  { id: "object.hide", title: "Hide or show selected", group: "Objects", keys: ["T"] },
  { id: "object.lock", title: "Lock or unlock selected", group: "Objects", keys: ["L"] },
  { id: "object.merge", title: "Merge selected into one", group: "Objects", keys: ["M"] },
  { id: "object.rename", title: "Rename selected", group: "Objects", keys: ["F2"] },
  { id: "object.raise", title: "Move selected up", group: "Objects", keys: ["Mod+ArrowUp"] },
  { id: "object.lower", title: "Move selected down", group: "Objects", keys: ["Mod+ArrowDown"] },
  { id: "object.all", title: "Select all objects", group: "Objects", keys: ["Mod+A"] },
  { id: "class.free", title: "Next class without an object here", group: "Objects", keys: ["C"] },
  { id: "class.add", title: "New class", group: "Objects", keys: ["Shift+C"] },

  { id: "fit", title: "Whole picture", group: "View", keys: ["F"] },
  { id: "actual", title: "100 %", group: "View", keys: ["Shift+F"] },
  { id: "zoom.in", title: "Zoom in", group: "View", keys: ["+", "="] },
  { id: "zoom.out", title: "Zoom out", group: "View", keys: ["-"] },
  { id: "zoom.object", title: "Zoom to selected", group: "View", keys: ["Z"] },
  { id: "opacity.less", title: "Masks fainter", group: "View", keys: [","] },
  { id: "opacity.more", title: "Masks stronger", group: "View", keys: ["."] },
  { id: "masks", title: "Masks on or off", group: "View", keys: ["W"] },
  { id: "panels", title: "Side panels on or off", group: "View", keys: ["\\"] },
  { id: "region", title: "Keyboard to the next part of the page", group: "View", keys: ["F6"] },
  { id: "region.back", title: "Keyboard to the part before", group: "View", keys: ["Shift+F6"] },
  { id: "help", title: "Shortcuts and help", group: "View", keys: ["?"] },

  { id: "cross.positive", title: "Click: object", group: "Crosshair", keys: ["Enter"], when: "crosshair" },
  { id: "cross.negative", title: "Click: background", group: "Crosshair", keys: ["Shift+Enter", "-"], when: "crosshair" },
];

/** What browsers keep for themselves, or what must go on working. */
const RESERVED = new Set(
  ["Mod+W", "Mod+T", "Mod+N", "Mod+Q", "Mod+L", "Mod+Shift+N", "Mod+Shift+T", "Mod+Shift+W", "F5", "F11", "F12", "Mod+R"],
);
const ARROWS = new Set(["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Space", " "]);
const LONE = new Set(["Control", "Shift", "Alt", "Meta", "AltGraph", "CapsLock", "Dead", "Process", "Unidentified"]);

/**
 * The chord of a key event, "" for a modifier alone.
 * @param {{key: string, code: string, ctrlKey: boolean, metaKey: boolean, altKey: boolean, shiftKey: boolean,
 *   getModifierState?: (name: string) => boolean}} event
 * @returns {string}
 */
export function chordOf(event) {
  if (LONE.has(event.key)) return "";
  const graph = event.getModifierState?.("AltGraph") ?? false; // brackets on many keyboards: not Ctrl+Alt
  const mod = !graph && (event.ctrlKey || event.metaKey);
  const alt = !graph && event.altKey;
  let key = event.key === " " ? "Space" : event.key;
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code);
  if (digit && !event.shiftKey && !graph) key = /** @type {string} */ (digit[1]); // also where digits need Shift
  const letter = key.length === 1 && key.toLowerCase() !== key.toUpperCase();
  const shift = event.shiftKey && (letter || key.length > 1 || mod);
  if (letter) key = key.toUpperCase();
  return (mod ? "Mod+" : "") + (alt ? "Alt+" : "") + (shift ? "Shift+" : "") + key;
}

/**
 * Keys of a shortcut as they are now.
 * @param {Shortcut} shortcut
 * @param {Custom} custom
 * @returns {readonly string[]}
 */
export function keysOf(shortcut, custom) {
  return custom[shortcut.id] ?? shortcut.keys;
}

/**
 * @param {string} chord
 * @param {Custom} custom
 * @param {"page"|"crosshair"} when
 * @returns {Shortcut|null}
 */
export function shortcutFor(chord, custom, when) {
  return (
    SHORTCUTS.find((each) => (each.when ?? "page") === when && keysOf(each, custom).includes(chord)) ?? null
  );
}

/**
 * Why a chord cannot be given to a shortcut, "" when it can.
 * @param {string} id
 * @param {string} chord
 * @param {Custom} custom
 * @returns {string}
 */
export function refusal(id, chord, custom) {
  const shortcut = SHORTCUTS.find((each) => each.id === id);
  if (!shortcut) return `There is no shortcut ${id}.`;
  if (RESERVED.has(chord)) return `${shown(chord)} belongs to the browser. Choose another key.`;
  if (ARROWS.has(chord)) return `${shown(chord)} moves the crosshair or the picture. Choose another key.`;
  if (/^\d$/.test(chord)) return `Digits choose classes. Choose another key, or change the class's digit.`;
  const other = SHORTCUTS.find(
    (each) =>
      each.id !== id && (each.when ?? "page") === (shortcut.when ?? "page") && keysOf(each, custom).includes(chord),
  );
  return other ? `${shown(chord)} already means “${other.title}”. Change that one first, or choose another key.` : "";
}

/**
 * @param {string} id
 * @param {string[]} keys
 * @param {Custom} custom
 * @returns {Custom}  the changes with these keys; the usual keys are no change
 */
export function withKeys(id, keys, custom) {
  const { [id]: _before, ...rest } = custom;
  const usual = SHORTCUTS.find((each) => each.id === id)?.keys ?? [];
  return keys.join("\n") === usual.join("\n") ? rest : { ...rest, [id]: keys };
}

/** @type {Record<string, string>} */
const NAMES = {
  ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→",
  Escape: "Esc", Delete: "Del", PageUp: "Page ↑", PageDown: "Page ↓", Backspace: "⌫",
};

/**
 * A chord as people read it.
 * @param {string} chord
 * @param {boolean} [mac]
 * @returns {string}
 */
export function shown(chord, mac = false) {
  const parts = chord.endsWith("++") ? [...chord.slice(0, -2).split("+"), "+"] : chord === "+" ? ["+"] : chord.split("+");
  return parts.map((part) => (part === "Mod" ? (mac ? "⌘" : "Ctrl") : NAMES[part] ?? part)).join(mac ? " " : "+");
}
