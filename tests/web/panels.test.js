import assert from "node:assert/strict";
import test from "node:test";
import { progressSoFar } from "../../src/clickwise/annotate/web/panels/images.js";
import { told } from "../../src/clickwise/annotate/web/panels/left_out.js";
import { leaving } from "../../src/clickwise/annotate/web/panels/toasts.js";

test("what is told about the list leaves broken pictures out, in words and as a share", () => {
  assert.deepEqual(progressSoFar({ finished: 1, total: 8, broken: 2 }), { words: "1 of 6 finished, 2 broken", part: 1 / 6 });
  assert.deepEqual(progressSoFar({ finished: 1, total: 4, broken: 0 }), { words: "1 of 4 pictures finished", part: 0.25 });
  assert.deepEqual(progressSoFar({ finished: 0, total: 1, broken: 1 }), { words: "0 of 0 finished, 1 broken", part: 0 });
});

test("messages that make room: never a failure that can be tried again, nor the newest", () => {
  const toast = (name, kind, retry = false) => ({ name, kind, retries: retry ? [() => {}] : [] });
  const names = (shown, most) => leaving(shown, most).map((each) => each.name);
  const failures = [1, 2, 3, 4, 5, 6].map((n) => toast(`f${n}`, "bad", true));
  assert.deepEqual(names(failures, 4), []);
  assert.deepEqual(names([...failures, toast("said", "")], 4), [], "it was not seen yet");
  assert.deepEqual(names([toast("lost", "bad"), toast("old", ""), toast("warn", "warn"), toast("f", "bad", true), toast("new", "")], 4), ["old"]);
  assert.deepEqual(names([toast("lost", "bad"), toast("f", "bad", true), toast("new", "")], 2), ["lost"]);
});

test("left-out pictures: none, all of them, more than are shown", () => {
  assert.match(told(0, 0), /^No picture is left out/);
  assert.equal(told(1, 1), "1 picture in no list, count or export. Files, objects and history are kept.");
  assert.match(told(700, 500), /^700 pictures .* The first 500 are here/);
});
