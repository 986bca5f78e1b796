import assert from "node:assert/strict";
import test from "node:test";
import { area } from "../../src/clickwise/annotate/web/core/runs.js";
import { applyDelta, colourOf, freeClass, fromWire, inOrder, objectsAt, titleOf } from "../../src/clickwise/annotate/web/core/state.js";
import { patchOf } from "./helpers.js";

const whole = patchOf([[1, 1], [1, 1]], [0, 0, 2, 2]);
const object = (id, more = {}) => ({
  object_id: id, class_id: 1, name: "", colour: null, hidden: false, locked: false, clicks: [], strokes: 0,
  has_start: false, area: 4, bbox: [0, 0, 2, 2], mask: whole, ...more,
});
const document = () =>
  fromWire({
    image_id: "a", version: 3, width: 2, height: 2, levels: 1, tile: 512, v: "x", finished: false, undoable: 3,
    redoable: 0, order: [1, 2], objects: [object(1), object(2, { class_id: 2 })],
  });
const delta = (more) => ({ image_id: "a", from: 3, version: 4, undoable: 4, redoable: 0, ...more });
const classes = {
  version: 1,
  classes: [
    { class_id: 1, name: "cup", colour: [1, 2, 3], key: "1", retired: false },
    { class_id: 2, name: "old", colour: [4, 5, 6], key: "", retired: true },
    { class_id: 3, name: "jar", colour: [7, 8, 9], key: "2", retired: false },
  ],
};

test("a delta changes the named fields only", () => {
  const before = document();
  const after = applyDelta(before, delta({ objects: [{ object_id: 2, hidden: true, mask: patchOf([[0]], [0, 0, 1, 1]) }] }));
  assert.equal(after.version, 4);
  assert.equal(after.objects.get(2).hidden, true);
  assert.equal(after.objects.get(2).class_id, 2);
  assert.equal(area(after.objects.get(2).mask), 3);
  assert.equal(after.objects.get(1), before.objects.get(1));
  assert.equal(before.objects.get(2).hidden, false);
});

test("new objects come on top, removed ones go, an order is taken over", () => {
  const made = applyDelta(document(), delta({ objects: [object(3)] }));
  assert.deepEqual(made.order, [1, 2, 3]);
  const gone = applyDelta(document(), delta({ removed: [1] }));
  assert.deepEqual(inOrder(gone).map((item) => item.object_id), [2]);
  assert.deepEqual(applyDelta(document(), delta({ order: { keep: 0, items: [2, 1] } })).order, [2, 1]);
});

test("clicks grow at their end, and undo shortens them", () => {
  const one = applyDelta(document(), delta({ objects: [{ object_id: 1, clicks: { keep: 0, items: [[1, 1, true]] } }] }));
  const two = applyDelta(one, delta({ from: 4, version: 5, objects: [{ object_id: 1, clicks: { keep: 1, items: [[0, 1, false]] } }] }));
  assert.deepEqual(two.objects.get(1).clicks, [[1, 1, true], [0, 1, false]]);
  const back = applyDelta(two, delta({ from: 5, version: 6, objects: [{ object_id: 1, clicks: { keep: 1, items: [] } }] }));
  assert.deepEqual(back.objects.get(1).clicks, [[1, 1, true]]);
});

test("numbers of undo that are not known stay as they were", () => {
  assert.equal(applyDelta(document(), delta({ undoable: null, redoable: null })).undoable, 3);
});

test("a delta that is known is passed over, one that does not fit asks for the document", () => {
  const doc = document();
  assert.equal(applyDelta(doc, delta({ from: 2, version: 3 })), doc);
  assert.equal(applyDelta(doc, delta({ from: 4, version: 5 })), null);
  assert.equal(applyDelta(doc, { ...delta({}), image_id: "b" }), doc);
  assert.equal(applyDelta(doc, delta({ finished: true })).finished, true);
  assert.equal(applyDelta(doc, delta({ finished: null })).finished, false);
});

test("objects under a point come topmost first, hidden ones do not", () => {
  const doc = document();
  assert.deepEqual(objectsAt(doc, 0, 0).map((item) => item.object_id), [2, 1]);
  assert.deepEqual(objectsAt(doc, 2, 0), []);
  const hidden = applyDelta(doc, delta({ objects: [{ object_id: 2, hidden: true }] }));
  assert.deepEqual(objectsAt(hidden, 0, 0).map((item) => item.object_id), [1]);
});

test("names, colours, and the class that is left", () => {
  const doc = document();
  const [first, second] = inOrder(doc);
  assert.equal(titleOf(first, classes), "cup 1");
  assert.equal(titleOf({ ...first, name: "mine" }, classes), "mine");
  assert.deepEqual(colourOf(second, classes, "class"), [4, 5, 6]);
  assert.deepEqual(colourOf({ ...second, colour: [0, 0, 1] }, classes, "object"), [0, 0, 1]);
  assert.equal(freeClass(classes, doc).class_id, 3);
});

test("colours of their own differ for neighbours and stay in range", () => {
  const colours = Array.from({ length: 30 }, (_, i) => colourOf({ ...object(i + 1) }, classes, "object"));
  assert.ok(colours.flat().every((value) => Number.isInteger(value) && value >= 0 && value <= 255));
  assert.equal(new Set(colours.map(String)).size, 30);
});
