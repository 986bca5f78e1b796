import assert from "node:assert/strict";
import test from "node:test";
import { Queue } from "../../src/clickwise/annotate/web/core/queue.js";

function shelf() {
  const values = new Map();
  return { getItem: (k) => values.get(k) ?? null, setItem: (k, v) => values.set(k, v), removeItem: (k) => values.delete(k), values };
}
function queue(kept = shelf()) {
  let number = kept.values.size * 100;
  return new Queue(kept, () => `c${++number}`);
}
const click = (more = {}) => ({ type: "click", image_id: "a", x: 1, y: 1, ...more });

test("commands go at once, in order, each once, with the version that the user saw", () => {
  const work = queue();
  work.add(click(), 7);
  work.add({ type: "undo", image_id: "a" }, 7);
  assert.deepEqual(work.due().map((each) => [each.id, each.type, each.base_version]), [["c1", "click", 7], ["c2", "undo", 7]]);
  assert.deepEqual(work.due(), []);
  assert.equal(work.size, 2);
});

test("a lost connection sends the same commands again, under the same ids", () => {
  const work = queue();
  work.add(click(), 3);
  work.add(click(), 3);
  const sent = work.due();
  work.done("c1", 1);
  work.disconnected();
  work.add(click({ x: 5 }), 4);
  assert.deepEqual(work.due().map((each) => each.id), ["c2", "c3"]);
  assert.equal(sent[1].base_version, 3);
});

test("a click that meant an object in the making learns its number", () => {
  const work = queue();
  const first = work.add(click(), 1);
  work.add(click({ object_of: first }), 1);
  work.done(first, 12);
  const [next] = work.due();
  assert.equal(next.object_id, 12);
  assert.equal("object_of" in next, false);
});

test("a reload keeps what was not acknowledged, and nothing else", () => {
  const kept = shelf();
  const work = queue(kept);
  const first = work.add(click(), 3);
  work.add(click({ object_of: first, x: 4 }), 3);
  const sent = work.due();
  const again = queue(kept);
  assert.deepEqual(again.due(), sent);
  again.done(first, 2);
  again.done("c2", 2);
  assert.equal(kept.values.size, 0);
  assert.equal(queue(kept).size, 0);
});

test("answers for commands that are gone are passed over", () => {
  const work = queue();
  assert.equal(work.done("nobody"), null);
  work.add(click({ image_id: "b" }), 1);
  assert.deepEqual(work.of("a"), []);
  assert.equal(work.of("b").length, 1);
});

test("a damaged or full shelf costs nothing but the safety of a reload", () => {
  const broken = { getItem: () => "{not json", setItem: () => { throw new Error("quota"); }, removeItem() {} };
  const work = new Queue(broken, () => "x");
  work.add({ type: "undo", image_id: "a" }, 1);
  assert.equal(work.size, 1);
});
