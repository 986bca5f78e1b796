import assert from "node:assert/strict";
import test from "node:test";
import { filesAndFolders, isMaskOf, linesOf, notesOf } from "../../src/clickwise/annotate/web/panels/exchange.js";

test("a folder among what was dropped is known as one", () => {
  const item = (name, isDirectory) => ({ webkitGetAsEntry: () => ({ name, isDirectory }) });
  const transfer = { files: [{ name: "photos" }, { name: "a.jpg" }], items: [item("photos", true), item("a.jpg", false)] };
  assert.deepEqual(filesAndFolders(transfer), { files: [{ name: "a.jpg" }], folders: ["photos"] });
  assert.deepEqual(filesAndFolders({ files: [{ name: "a.jpg" }], items: [{ webkitGetAsEntry: () => null }] }).folders, []);
  assert.deepEqual(filesAndFolders(null), { files: [], folders: [] });
});

test("a mask that is dropped is known by its picture's name", () => {
  const pictures = ["cup.jpg", "day/plate.png"];
  assert.ok(isMaskOf("cup_mask.png", pictures));
  assert.ok(isMaskOf("cup.png", pictures));
  assert.ok(isMaskOf("plate_mask.PNG", pictures));
  assert.ok(!isMaskOf("saucer.png", pictures));
  assert.ok(!isMaskOf("cup.jpg", pictures));
  assert.ok(!isMaskOf("day/plate.png", pictures));
  assert.ok(!isMaskOf("plate.png", pictures), "another picture of that name");
});

test("an import is told as the server tells it", () => {
  assert.deepEqual(linesOf({ message: "2 objects on 1 picture.", notes: [] }), ["2 objects on 1 picture."]);
  const notes = ["1 picture had all of it already", "b.jpg came without its file"];
  const message = ["0 pictures came with their history.", ...notes].join(" ");
  assert.deepEqual(linesOf({ message, notes }), ["0 pictures came with their history.", ...notes]);
});

test("notes that come with an export", () => {
  assert.deepEqual(notesOf(new Headers({ "X-Clickwise-Notes": '["colours are left out"]' })), ["colours are left out"]);
  assert.deepEqual(notesOf(new Headers()), []);
  assert.deepEqual(notesOf(new Headers({ "X-Clickwise-Notes": "[" })), []);
});
