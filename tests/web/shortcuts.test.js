import assert from "node:assert/strict";
import test from "node:test";
import { SHORTCUTS, chordOf, keysOf, refusal, shortcutFor, shown, withKeys } from "../../src/clickwise/annotate/web/core/shortcuts.js";

const key = (value, more = {}) => ({ key: value, code: "", ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...more });

test("no two shortcuts of one kind share a key, and all have a place", () => {
  for (const when of ["page", "crosshair"]) {
    const keys = SHORTCUTS.filter((each) => (each.when ?? "page") === when).flatMap((each) => each.keys);
    assert.equal(new Set(keys).size, keys.length);
  }
  assert.equal(new Set(SHORTCUTS.map((each) => each.id)).size, SHORTCUTS.length);
  for (const each of SHORTCUTS) for (const chord of each.keys) assert.equal(refusal(each.id, chord, {}), "");
});

test("chords of key events", () => {
  assert.equal(chordOf(key("z", { ctrlKey: true })), "Mod+Z");
  assert.equal(chordOf(key("Z", { metaKey: true, shiftKey: true })), "Mod+Shift+Z");
  assert.equal(chordOf(key("?", { shiftKey: true, code: "Slash" })), "?");
  assert.equal(chordOf(key("Tab", { shiftKey: true })), "Shift+Tab");
  assert.equal(chordOf(key("Shift", { shiftKey: true })), "");
  assert.equal(chordOf(key("&", { code: "Digit1" })), "1");
  assert.equal(chordOf(key("+", { shiftKey: true, code: "Equal" })), "+");
  assert.equal(chordOf(key("[", { code: "Digit8", ctrlKey: true, altKey: true, getModifierState: (n) => n === "AltGraph" })), "[");
});

test("a key that means something already is refused, and says what", () => {
  assert.match(refusal("fit", "B", {}), /Brush/);
  assert.match(refusal("fit", "Mod+W", {}), /browser/);
  assert.match(refusal("fit", "4", {}), /class/);
  assert.match(refusal("fit", "ArrowUp", {}), /crosshair/);
  assert.equal(refusal("fit", "F", {}), "");
  assert.equal(refusal("fit", "Enter", { "object.new": ["N"] }), "");
  assert.equal(refusal("cross.positive", "B", {}), "");
});

test("changed keys hold, usual ones are no change", () => {
  const custom = withKeys("fit", ["J"], {});
  assert.equal(shortcutFor("J", custom, "page").id, "fit");
  assert.equal(shortcutFor("F", custom, "page"), null);
  assert.deepEqual(withKeys("fit", ["F"], custom), {});
  assert.deepEqual(keysOf(SHORTCUTS.find((each) => each.id === "fit"), {}), ["F"]);
  assert.equal(shortcutFor("Enter", {}, "crosshair").id, "cross.positive");
  assert.equal(shortcutFor("Enter", {}, "page").id, "object.new");
});

test("chords as people read them", () => {
  assert.equal(shown("Mod+Shift+Z"), "Ctrl+Shift+Z");
  assert.equal(shown("Mod+Z", true), "⌘ Z");
  assert.equal(shown("+"), "+");
  assert.equal(shown("Mod++"), "Ctrl++");
});
