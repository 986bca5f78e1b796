import assert from "node:assert/strict";
import test from "node:test";
import { namesOf } from "../../src/clickwise/annotate/web/panels/classes.js";

const named = (name, retired = false) => ({ class_id: 1, name, colour: [0, 0, 0], key: null, retired });

test("names of classes are looked at before anything is sent", () => {
  assert.deepEqual(namesOf([named("cup"), named("spoon")]), { reason: "", place: -1 });
  assert.equal(namesOf([named("cup"), named("  ")]).place, 1);
  assert.match(namesOf([named("cup"), named("")]).reason, /Class 2 of the list has no name/);
  assert.equal(namesOf([named("", true), named("cup")]).reason, "", "a removed one may have any");
  assert.match(namesOf([named("cup"), named("spoon"), named(" cup ")]).reason, /named cup/);
});
