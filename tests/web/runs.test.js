import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { EMPTY, applyPatch, area, boxOf, contains, parseCounts, patchRows } from "../../src/clickwise/annotate/web/core/runs.js";
import { bitmap, blobs, patchOf, randomness, writeCounts } from "./helpers.js";

const vectors = JSON.parse(readFileSync(new URL("./vectors.json", import.meta.url), "utf-8"));

for (const [name, { height, width, counts, bits, area: pixels }] of Object.entries(vectors)) {
  test(`reads what pycocotools wrote: ${name}`, () => {
    const mask = applyPatch(EMPTY, { rect: [0, 0, width, height], counts });
    assert.equal(area(mask), pixels);
    assert.equal(writeCounts(parseCounts(counts)), counts);
    if (bits) assert.equal(bitmap(mask, width, height).flat().join(""), bits);
  });
}

test("runs beyond 32 bits keep their length", () => {
  const runs = [5_000_000_000, 3, 5_000_000_001, 4_000_000_000];
  const text = runs.map((run, i) => digits(BigInt(i > 2 ? run - runs[i - 2] : run))).join("");
  assert.deepEqual(parseCounts(text), runs);
});

function digits(rest) {
  let text = "";
  for (let more = true; more; ) {
    const digit = rest & 31n;
    rest >>= 5n;
    more = digit & 16n ? rest !== -1n : rest !== 0n;
    text += String.fromCharCode(Number(digit) + (more ? 32 : 0) + 48);
  }
  return text;
}

test("damaged counts are refused, not drawn", () => {
  assert.throws(() => parseCounts("0h"), /break off|without meaning/);
  assert.throws(() => parseCounts("\u0001"), /without meaning/);
  assert.throws(() => patchRows({ rect: [0, 0, 2, 2], counts: writeCounts([1, 2]) }), /do not fill/);
  assert.throws(() => patchRows({ rect: [0, 0, 2, 2], counts: writeCounts([1, 9]) }), /leave/);
});

test("a patch changes what lies inside its rectangle, and nothing else", () => {
  const random = randomness(3);
  const [width, height] = [37, 29];
  const rows = blobs(random, width, height);
  let mask = applyPatch(EMPTY, patchOf(rows, [0, 0, width, height]));
  for (let n = 0; n < 200; n++) {
    const xs = [Math.floor(random() * (width + 1)), Math.floor(random() * (width + 1))].sort((a, b) => a - b);
    const ys = [Math.floor(random() * (height + 1)), Math.floor(random() * (height + 1))].sort((a, b) => a - b);
    const rect = [xs[0], ys[0], xs[1], ys[1]];
    const other = blobs(random, width, height);
    if (xs[0] < xs[1] && ys[0] < ys[1]) {
      mask = applyPatch(mask, patchOf(other, rect));
      for (let y = ys[0]; y < ys[1]; y++) for (let x = xs[0]; x < xs[1]; x++) rows[y][x] = other[y][x];
    } else {
      mask = applyPatch(mask, { rect, counts: "0" });
    }
    assert.deepEqual(bitmap(mask, width, height), rows);
    assert.equal(area(mask), rows.flat().reduce((a, b) => a + b, 0));
  }
});

test("runs that a patch joins become one", () => {
  const whole = applyPatch(EMPTY, patchOf([[1, 1, 1, 1, 1, 1]], [0, 0, 6, 1]));
  const again = applyPatch(whole, patchOf([[1, 1, 1, 1, 1, 1]], [2, 0, 4, 1]));
  assert.deepEqual([...again.rows[0]], [0, 6]);
});

test("an emptied mask is the empty mask; boxes are tight", () => {
  const dot = applyPatch(EMPTY, patchOf([[0, 0, 0], [0, 1, 0], [0, 0, 0]], [0, 0, 3, 3]));
  assert.deepEqual(boxOf(dot), [1, 1, 2, 2]);
  assert.equal(applyPatch(dot, patchOf([[0, 0, 0], [0, 0, 0], [0, 0, 0]], [0, 0, 3, 3])), EMPTY);
  assert.equal(boxOf(EMPTY), null);
});

test("single pixels are asked for in a mask with holes", () => {
  const rows = blobs(randomness(8), 20, 20);
  const mask = applyPatch(EMPTY, patchOf(rows, [0, 0, 20, 20]));
  for (let y = -2; y < 22; y++) {
    for (let x = -2; x < 22; x++) assert.equal(contains(mask, x, y), Boolean(rows[y]?.[x]), `${x}, ${y}`);
  }
});
