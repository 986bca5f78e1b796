import assert from "node:assert/strict";
import test from "node:test";
import { Failure } from "../../src/clickwise/annotate/web/api.js";
import { Tiles } from "../../src/clickwise/annotate/web/canvas/tiles.js";
import { USUAL } from "../../src/clickwise/annotate/web/core/settings.js";
import { Desk } from "../../src/clickwise/annotate/web/desk.js";
import { Pictures } from "../../src/clickwise/annotate/web/pictures.js";

const item = (id, more = {}) => ({ image_id: id, name: `${id}.jpg`, finished: false, trouble: null, ...more });

/** A list of pictures of which the first is open; the server knows of no other one to go to. */
function table(images, doc = { image_id: images[0].image_id, finished: images[0].finished }) {
  const log = { shown: [], spoken: [] };
  const app = {
    hub: { changed() {} },
    desk: new Desk(structuredClone(USUAL)),
    api: { neighbour: async () => null },
    telling: { say: (text) => log.spoken.push(text) },
    toasts: { say: (text) => log.shown.push(text), warn: (text) => log.shown.push(text) },
  };
  app.desk.images = images;
  app.desk.doc = doc;
  return { ...app, app, log, pictures: new Pictures(app) };
}

test("news that the open picture is broken: its reason stands in its place", () => {
  const { desk, pictures } = table([item("a"), item("b")]);
  pictures.changed(item("b", { trouble: "b.jpg is torn" }));
  assert.equal(desk.doc.image_id, "a", "another one's trouble changes the list only");
  pictures.changed(item("a", { trouble: "a.jpg is torn" }));
  assert.equal(desk.doc, null);
  assert.deepEqual(desk.trouble, { imageId: "a", message: "a.jpg is torn" });
});

test("the ends of the list are told where they can be seen", async () => {
  const { pictures, log } = table([item("a")]);
  await pictures.go("next");
  await pictures.go("previous");
  assert.deepEqual(log.shown, ["This is the last picture.", "This is the first picture."]);
});

test("a picture is left out only when its steps are stored, and the one beside it opens", async () => {
  const { app, desk, pictures, log } = table([item("a"), item("b")]);
  const done = [];
  app.hub.waiting = [];
  app.queue = { of: (id) => (id === "a" && !done.includes("stored") ? [1] : []) };
  app.live = { state: "open" };
  app.api.neighbour = async (id, direction) => (direction === "next" ? null : "before");
  app.api.leaveOut = async (id) => (done.push(`out ${id}`), { name: `${id}.jpg` });
  pictures.open = async (id) => done.push(`open ${id}`);
  desk.opening = "b";
  await pictures.leaveOut();
  desk.opening = null;
  assert.deepEqual([pictures.turn, app.hub.waiting], [0, []], "the picture in sight is not the one that was asked for");
  const leaving = pictures.leaveOut();
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(done, [], "a step is on its way");
  done.push("stored");
  for (const go of app.hub.waiting) go();
  await leaving;
  assert.deepEqual(done, ["stored", "out a", "open before"]);
  assert.match(log.shown[0], /a\.jpg was left out/);
  app.api.neighbour = async () => null;
  await pictures.leaveOut();
  assert.equal(desk.doc, null, "no picture is left to show");
});

test("the open picture is fetched once more when something asks for it meanwhile; one that is torn is told in its place", async () => {
  const { app, desk, pictures } = table([item("a")]);
  const waiting = [];
  app.api.document = () => new Promise((resolve, reject) => waiting.push(reject));
  app.toasts.failure = (error) => assert.fail(error);
  const asked = [pictures.refetch(), pictures.refetch(), pictures.refetch()];
  assert.equal(waiting.length, 1);
  waiting[0](new Failure("bad_request", "torn", 400));
  await Promise.all(asked);
  assert.deepEqual(desk.trouble, { imageId: "a", message: "torn" });
  assert.equal(waiting.length, 1, "it is shown no more");

  const other = table([item("a")]);
  let fetched = 0;
  other.app.work = { keepSelection() {} };
  other.app.api.document = async () => ({ image_id: "a", version: ++fetched, order: [], objects: [] });
  await Promise.all([other.pictures.refetch(), other.pictures.refetch()]);
  await new Promise((resolve) => setTimeout(resolve));
  assert.equal(fetched, 2);
});

test("no other picture is left to do: whether this one is", async () => {
  const open = table([item("a"), item("b", { finished: true })]);
  await open.pictures.go("unfinished");
  assert.match(open.log.shown[0], /this one is not/);
  const done = table([item("a", { finished: true }), item("b", { finished: true })]);
  await done.pictures.go("unfinished");
  assert.deepEqual(done.log.shown, ["Every picture is finished."]);
  const broken = table([item("a", { trouble: "torn" })], null);
  await broken.pictures.go("unfinished");
  assert.deepEqual(broken.log.shown, ["Every picture is finished."]);
});

test("tiles that the server refuses are not asked for again, others are", async (t) => {
  globalThis.createImageBitmap = async () => ({ width: 1, height: 1 });
  t.mock.timers.enable({ apis: ["Date", "setTimeout"], now: 1e6 });
  const { app, log } = table([item("a")]);
  const asked = [];
  let status = 400;
  app.api = { blob: async (path) => { asked.push(path); throw new Failure("bad_request", "a.jpg is torn", status); } };
  const tiles = new Tiles(app);
  const doc = { image_id: "a", v: "1" };
  const want = async (column) => {
    tiles.want(doc, [{ level: 0, column, row: 0 }]);
    await new Promise((resolve) => setImmediate(resolve));
    t.mock.timers.tick(4000);
  };
  await want(0);
  await want(0);
  await want(1);
  assert.equal(asked.length, 2);
  assert.deepEqual(log.shown, ["A part of the picture could not be loaded. a.jpg is torn"]);
  status = 500;
  await want(2);
  await want(2);
  assert.equal(asked.length, 4);
  status = 401;
  await want(3);
  await want(3);
  assert.equal(asked.length, 6, "a token that was wrong may be right next time");
  tiles.want({ image_id: "b", v: "1" }, []);
  await want(0);
  assert.equal(asked.length, 7, "opened again: the file may have been put right");
});
