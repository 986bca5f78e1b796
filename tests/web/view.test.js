import assert from "node:assert/strict";
import test from "node:test";
import { levelFor, tileArea, tilesIn, visibleArea } from "../../src/clickwise/annotate/web/core/pyramid.js";
import { MAX_ZOOM, clickAt, fit, kept, panned, pixelAt, resized, toPicture, toScreen, zoomed } from "../../src/clickwise/annotate/web/core/view.js";
import { randomness } from "./helpers.js";

const random = randomness(5);
const picture = { width: 640, height: 427 };
const screen = { width: 900, height: 600 };
const some = () => ({ x: random() * 800 - 300, y: random() * 500 - 200, zoom: 0.02 + random() * 40 });

test("screen to picture and back is where one was", () => {
  for (let n = 0; n < 500; n++) {
    const [view, at] = [some(), { x: random() * 900, y: random() * 600 }];
    const back = toScreen(view, toPicture(view, at));
    assert.ok(Math.abs(back.x - at.x) < 1e-6 && Math.abs(back.y - at.y) < 1e-6);
  }
});

test("zooming leaves the point under the cursor where it is, and zooming back restores the view", () => {
  for (let n = 0; n < 500; n++) {
    const [view, at] = [some(), { x: random() * 900, y: random() * 600 }];
    const nearer = zoomed(view, 1.3, at, picture);
    const [a, b] = [toPicture(view, at), toPicture(nearer, at)];
    assert.ok(Math.hypot(a.x - b.x, a.y - b.y) < 1e-6);
    const again = zoomed(nearer, 1 / 1.3, at, picture);
    if (nearer.zoom < MAX_ZOOM && view.zoom > 0.1) assert.ok(Math.abs(again.x - view.x) < 1e-6 && Math.abs(again.zoom - view.zoom) < 1e-9);
  }
});

test("the pixel under a screen point is floor, and a click on its middle is its integer centre", () => {
  const view = { x: 10, y: 20, zoom: 8 };
  assert.deepEqual(pixelAt(view, { x: 10, y: 20 }, picture), { x: 0, y: 0 });
  assert.deepEqual(pixelAt(view, { x: 17.99, y: 28 }, picture), { x: 0, y: 1 });
  assert.deepEqual(clickAt(view, { x: 10 + 8 * 5.5, y: 20 + 8 * 7.5 }, picture), { x: 5, y: 7 });
  assert.equal(pixelAt(view, { x: 9.9, y: 30 }, picture), null);
  assert.deepEqual(clickAt(view, { x: -500, y: 1e6 }, picture), { x: 0, y: 426 });
});

test("fit shows the whole picture in the middle, on any screen", () => {
  for (const room of [screen, { width: 40, height: 30 }, { width: 3000, height: 200 }]) {
    const view = fit(picture, room);
    assert.ok(view.x >= 0 && view.y >= 0);
    assert.ok(view.x + picture.width * view.zoom <= room.width + 1e-9);
    assert.ok(view.y + picture.height * view.zoom <= room.height + 1e-9);
  }
});

test("a picture is never lost beyond the border", () => {
  for (let n = 0; n < 200; n++) {
    const view = panned(some(), (random() - 0.5) * 1e5, (random() - 0.5) * 1e5, picture, screen);
    assert.ok(view.x < screen.width && view.x + picture.width * view.zoom > 0);
    assert.ok(view.y < screen.height && view.y + picture.height * view.zoom > 0);
    assert.deepEqual(kept(view, picture, screen), view);
  }
});

test("a larger window keeps the middle in the middle", () => {
  const view = some();
  const after = { width: 1200, height: 700 };
  const now = resized(view, screen, after);
  const [a, b] = [toPicture(view, { x: 450, y: 300 }), toPicture(now, { x: 600, y: 350 })];
  assert.ok(Math.hypot(a.x - b.x, a.y - b.y) < 1e-6);
});

const pyramid = { width: 10_000, height: 7_001, levels: 6, tile: 512 };

test("the level has at least about one pixel for each device pixel", () => {
  assert.equal(levelFor(pyramid, 8), 0);
  assert.equal(levelFor(pyramid, 1), 0);
  assert.equal(levelFor(pyramid, 0.5), 1);
  assert.equal(levelFor(pyramid, 0.3), 1);
  assert.equal(levelFor(pyramid, 0.0001), 5);
});

test("tiles of a level cover what is seen, and no more than touches it", () => {
  for (let n = 0; n < 200; n++) {
    const view = { x: (random() - 0.7) * 3000, y: (random() - 0.7) * 2000, zoom: 0.05 + random() * 2 };
    const area = visibleArea(view, screen, pyramid);
    const level = Math.floor(random() * 6);
    const tiles = tilesIn(pyramid, level, area);
    if (area.x1 <= area.x0 || area.y1 <= area.y0) {
      assert.equal(tiles.length, 0);
      continue;
    }
    const [x, y] = [area.x0 + (area.x1 - area.x0) * random() * 0.999, area.y0 + (area.y1 - area.y0) * random() * 0.999];
    const boxes = tiles.map((tile) => tileArea(pyramid, tile));
    assert.equal(boxes.filter((b) => x >= b.x0 && x < b.x1 && y >= b.y0 && y < b.y1).length, 1);
    assert.ok(boxes.every((b) => b.x0 < area.x1 && b.x1 > area.x0 && b.y0 < area.y1 && b.y1 > area.y0));
  }
});
