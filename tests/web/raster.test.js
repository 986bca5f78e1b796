import assert from "node:assert/strict";
import test from "node:test";
import { rasterise } from "../../src/clickwise/annotate/web/core/raster.js";
import { EMPTY, applyPatch } from "../../src/clickwise/annotate/web/core/runs.js";
import { blobs, patchOf, randomness } from "./helpers.js";

const [WIDTH, HEIGHT] = [41, 33];

function scene(random) {
  const rows = blobs(random, WIDTH, HEIGHT);
  const mask = applyPatch(EMPTY, patchOf(rows, [0, 0, WIDTH, HEIGHT]));
  const frame = {
    x: random() * 60 - 30, y: random() * 60 - 30, zoom: 0.2 + random() * 5,
    left: Math.floor(random() * 20 - 10), top: Math.floor(random() * 20 - 10), width: 50, height: 40,
  };
  const set = (sx, sy) =>
    Boolean(rows[Math.floor((sy + 0.5 - frame.y) / frame.zoom)]?.[Math.floor((sx + 0.5 - frame.x) / frame.zoom)]);
  return { mask, frame, set };
}

test("every device pixel shows the mask's pixel under its centre", () => {
  const random = randomness(11);
  for (let n = 0; n < 120; n++) {
    const { mask, frame, set } = scene(random);
    const bytes = rasterise(frame, [{ mask, colour: [10, 20, 30], opacity: 0.4, contour: 0 }]);
    for (let y = 0; y < frame.height; y++) {
      for (let x = 0; x < frame.width; x++) {
        assert.equal(bytes[(y * frame.width + x) * 4 + 3] > 0, set(frame.left + x, frame.top + y));
      }
    }
  }
});

test("the contour is every covered pixel with an uncovered one within its width", () => {
  const random = randomness(12);
  for (let n = 0; n < 60; n++) {
    const { mask, frame, set } = scene(random);
    const contour = 1 + (n % 2);
    const bytes = rasterise(frame, [{ mask, colour: [200, 0, 0], opacity: 0.2, contour }]);
    for (let y = 0; y < frame.height; y++) {
      for (let x = 0; x < frame.width; x++) {
        const [sx, sy] = [frame.left + x, frame.top + y];
        let near = false;
        for (let dy = -contour; dy <= contour; dy++) {
          for (let dx = -contour; dx <= contour; dx++) {
            if (Math.abs(dx) + Math.abs(dy) <= contour && !set(sx + dx, sy + dy)) near = true;
          }
        }
        const wanted = !set(sx, sy) ? 0 : near ? 255 : 51;
        assert.equal(bytes[(y * frame.width + x) * 4 + 3], wanted, `${n}: ${x}, ${y}`);
      }
    }
  }
});

test("drawn in parts it is what it is as a whole", () => {
  const { mask, frame } = scene(randomness(13));
  const layers = [{ mask, colour: [1, 2, 3], opacity: 0.5, contour: 2 }];
  const whole = rasterise(frame, layers);
  const part = { ...frame, left: frame.left + 13, top: frame.top + 9, width: 21, height: 17 };
  const bytes = rasterise(part, layers);
  for (let y = 0; y < part.height; y++) {
    const start = ((y + 9) * frame.width + 13) * 4;
    assert.deepEqual([...bytes.slice(y * 84, y * 84 + 84)], [...whole.slice(start, start + 84)]);
  }
});

test("a colour over another one is mixed as painters do", () => {
  const full = applyPatch(EMPTY, patchOf([[1]], [0, 0, 1, 1]));
  const frame = { x: 0, y: 0, zoom: 1, left: 0, top: 0, width: 1, height: 1 };
  const bytes = rasterise(frame, [
    { mask: full, colour: [255, 0, 0], opacity: 0.5, contour: 0 },
    { mask: full, colour: [0, 0, 255], opacity: 0.5, contour: 0 },
  ]);
  assert.ok(Math.abs(bytes[3] - 191) <= 1);
  assert.ok(Math.abs(bytes[2] - 170) <= 1 && Math.abs(bytes[0] - 85) <= 1);
});

test("what is out of sight costs nothing and draws nothing", () => {
  const full = applyPatch(EMPTY, patchOf([[1, 1]], [0, 0, 2, 1]));
  for (const [mask, left, top] of [[full, 10, 0], [full, 0, 10], [full, -9, 0], [full, 0, -9], [EMPTY, 0, 0]]) {
    const bytes = rasterise({ x: 0, y: 0, zoom: 1, left, top, width: 5, height: 5 }, [{ mask, colour: [9, 9, 9], opacity: 1, contour: 2, rim: 1 }]);
    assert.ok(bytes.every((value) => value === 0));
  }
});

test("the selected object's white rim lies outside its contour", () => {
  const square = applyPatch(EMPTY, patchOf(Array.from({ length: 9 }, () => new Array(9).fill(1)), [0, 0, 9, 9]));
  const frame = { x: 0, y: 0, zoom: 1, left: 0, top: 0, width: 9, height: 9 };
  const bytes = rasterise(frame, [{ mask: square, colour: [9, 9, 9], opacity: 0.2, contour: 1, rim: 1 }]);
  const red = [0, 1, 2].map((x) => bytes[(4 * 9 + x) * 4]);
  const alpha = [0, 1, 2].map((x) => bytes[(4 * 9 + x) * 4 + 3]);
  assert.deepEqual(red, [255, 9, 9]);
  assert.deepEqual(alpha, [230, 255, 51]);
});
