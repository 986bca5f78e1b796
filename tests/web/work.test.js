import assert from "node:assert/strict";
import test from "node:test";
import { Queue } from "../../src/clickwise/annotate/web/core/queue.js";
import { USUAL } from "../../src/clickwise/annotate/web/core/settings.js";
import { fromWire } from "../../src/clickwise/annotate/web/core/state.js";
import { Desk } from "../../src/clickwise/annotate/web/desk.js";
import { Work } from "../../src/clickwise/annotate/web/work.js";
import { patchOf } from "./helpers.js";

const whole = patchOf([[1, 1], [1, 1]], [0, 0, 2, 2]);
const object = (id, more = {}) => ({
  object_id: id, class_id: 1, name: "", colour: null, hidden: false, locked: false, clicks: [], strokes: 0,
  has_start: false, area: 4, bbox: [0, 0, 2, 2], mask: whole, ...more,
});
const timing = { wait: 0, decode: 0, network: 40, store: 2, total: 42 };

/** A desk with one picture, and a line to a server that only listens. */
function table(objects = []) {
  let number = 0;
  const log = { sent: [], said: [], failed: [], refetched: 0, answers: [] };
  const settings = structuredClone(USUAL);
  const app = {
    hub: { changed() {} },
    settings,
    desk: new Desk(settings),
    queue: new Queue(null, () => `c${++number}`),
    live: { state: "open", send: (message) => (log.sent.push(message), true) },
    telling: { say: (text) => log.said.push(text) },
    toasts: { say: (text) => log.said.push(text), warn: (text) => log.said.push(text), fail: (text, retry) => log.failed.push({ text, retry }) },
    pictures: { refetch: () => log.refetched++ },
    answered: (id, code) => log.answers.push([id, code]),
  };
  app.desk.classes = { version: 0, classes: [{ class_id: 1, name: "cup", colour: [1, 2, 3], key: "1", retired: false }] };
  app.desk.doc = fromWire({
    image_id: "a", name: "a.jpg", version: 3, width: 2, height: 2, levels: 1, tile: 512, v: "x", finished: false, undoable: 3,
    redoable: 0, order: objects.map((each) => each.object_id), objects,
  });
  app.work = new Work(app);
  return { ...app, log };
}
const result = (id, objectId, more = {}) => ({ type: "result", id, image_id: "a", version: 4, delta: null, news: [], object_id: objectId, timing, ...more });

test("the first click makes an object, quick further ones mean the same one", () => {
  const { work, log, desk } = table();
  work.click(1, 1, true);
  work.click(0, 1, true);
  assert.equal(log.sent[0].object_id, null);
  assert.equal(log.sent[1].object_of, "c1");
  work.take(result("c1", 7, { delta: { image_id: "a", from: 3, version: 4, undoable: 4, redoable: 0, objects: [object(7)], removed: [], order: { keep: 0, items: [7] } } }));
  assert.deepEqual(desk.selection, [7]);
  work.click(1, 0, false);
  assert.equal(log.sent[2].object_id, 7);
  assert.match(log.said.at(-1), /cup 7, click 0, 4 pixels, 42 ms/);
});

test("ending an object while its click is on the way: the next click makes another", () => {
  const { work, log } = table();
  work.click(1, 1, true);
  work.newObject();
  work.click(0, 0, true);
  assert.equal(log.sent[1].object_id, null);
  assert.equal(log.sent[1].object_of, undefined);
});

test("what cannot be done is said, not sent: background without object, eraser without object, locked", () => {
  const { work, log, desk } = table([object(1, { locked: true })]);
  work.click(1, 1, false);
  work.stroke([[0, 0]], 3, true);
  desk.selection = [1];
  work.click(1, 1, true);
  assert.deepEqual(log.sent, []);
  assert.equal(log.said.length, 3);
});

test("a refused step is told with its reason and can be tried again on the newest version", () => {
  const { work, log, desk, queue } = table([object(1)]);
  desk.selection = [1];
  work.click(1, 1, false);
  work.take({ type: "error", id: "c1", code: "conflict", message: "Ada changed object 1 meanwhile", keep: true });
  assert.equal(queue.size, 0);
  assert.equal(log.refetched, 1);
  assert.equal(log.failed[0].text, "Ada changed object 1 meanwhile");
  desk.doc = { ...desk.doc, version: 9 };
  log.failed[0].retry();
  assert.deepEqual([log.sent[1].object_id, log.sent[1].positive, log.sent[1].base_version, log.sent[1].id], [1, false, 9, "c2"]);
});

test("a click that went with a newer one is done, or given back, with it", () => {
  const { work, log, desk, queue } = table([object(1)]);
  desk.selection = [1];
  work.click(1, 1, true);
  work.click(0, 0, true);
  work.take({ type: "superseded", id: "c1", by: "c2" });
  assert.equal(queue.size, 2);
  work.take({ type: "error", id: "c2", code: "timeout", message: "too slow", keep: true });
  assert.equal(queue.size, 0);
  log.failed[0].retry();
  assert.deepEqual(log.sent.slice(2).map((each) => each.x), [1, 0]);
  work.take({ type: "superseded", id: "c3", by: "c4" });
  work.take(result("c4", 1));
  assert.equal(queue.size, 0);
});

test("of many quick clicks only the last is answered, and none stays behind", () => {
  const { work, log, desk, queue } = table([object(1)]);
  desk.selection = [1];
  for (const x of [0, 1, 0, 1]) work.click(x, 1, true);
  for (const [id, by] of [["c1", "c2"], ["c2", "c3"], ["c3", "c4"]]) work.take({ type: "superseded", id, by });
  assert.equal(queue.size, 4);
  work.take(result("c4", 1));
  assert.equal(queue.size, 0);
  for (const x of [0, 1, 0]) work.click(x, 0, true);
  for (const [id, by] of [["c5", "c6"], ["c6", "c7"]]) work.take({ type: "superseded", id, by });
  work.take({ type: "error", id: "c7", code: "timeout", message: "too slow", keep: true });
  assert.equal(queue.size, 0);
  log.failed[0].retry();
  assert.deepEqual(log.sent.slice(7).map((each) => each.x), [0, 1, 0]);
});

test("offline, steps are kept and sent in order when the server is back", () => {
  const { work, log, live, queue } = table([object(1)]);
  live.state = "lost";
  work.click(1, 1, true);
  work.history("undo");
  assert.deepEqual(log.sent, []);
  assert.equal(queue.size, 2);
  live.state = "open";
  work.flush();
  work.flush();
  assert.deepEqual(log.sent.map((each) => each.type), ["click", "undo"]);
});

test("one preview is on its way at a time, and the newest value wins", () => {
  const { work, log, desk } = table([object(1, { clicks: [[0, 0, true]] })]);
  desk.selection = [1];
  work.thresholds.preview(0.4);
  work.thresholds.preview(0.5);
  work.thresholds.preview(0.6);
  assert.equal(log.sent.length, 1);
  work.take({ type: "preview", id: log.sent[0].id, image_id: "a", object_id: 1, mask: patchOf([[0]], [0, 0, 1, 1]), area: 3, timing });
  assert.deepEqual(log.sent.map((each) => each.value), [0.4, 0.6]);
  assert.equal(desk.preview.objectId, 1);
  work.take({ type: "error", id: log.sent[1].id, code: "bad_request", message: "nothing kept", keep: true });
  assert.deepEqual(log.failed, []);
});

test("a preview that the stored threshold overtook is not waited for", () => {
  const { work, log, desk } = table([object(1, { clicks: [[0, 0, true]] })]);
  desk.selection = [1];
  work.thresholds.preview(0.4);
  work.thresholds.commit(0.5);
  work.take({ type: "superseded", id: log.sent[0].id, by: log.sent[1].id });
  assert.equal(work.thresholds.asked, null);
  work.thresholds.preview(0.6);
  assert.deepEqual(log.sent.map((each) => each.value), [0.4, 0.5, 0.6]);
});

test("deltas that do not fit fetch the document; others are introduced once", () => {
  const { work, log, desk } = table([object(1)]);
  const delta = (from) => ({ image_id: "a", from, version: from + 1, objects: [{ object_id: 1, hidden: from % 2 === 1 }], removed: [], undoable: 1, redoable: 0, author: "Ada", what: "hide" });
  work.take({ type: "news", delta: delta(3) });
  assert.equal(desk.doc.objects.get(1).hidden, true);
  work.take({ type: "news", delta: delta(4) });
  assert.deepEqual(log.said, ["Ada works on this picture too.", "Ada: hide."]);
  work.take({ type: "news", delta: delta(9) });
  assert.equal(log.refetched, 1);
});

test("a deleted object is not selected any more", () => {
  const { work, desk } = table([object(1), object(2)]);
  desk.selection = [2, 1];
  work.take(result("x", null, { delta: { image_id: "a", from: 3, version: 4, objects: [], removed: [1], order: { keep: 0, items: [2] }, undoable: 4, redoable: 0 } }));
  assert.deepEqual(desk.selection, [2]);
});
