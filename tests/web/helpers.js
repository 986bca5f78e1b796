// Shared by the unit tests of the page: slow and obvious counterparts of what the page does fast.

/** A repeatable source of numbers in [0, 1). */
export function randomness(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Rows of 0 and 1 of a mask. */
export function bitmap(mask, width, height) {
  const out = Array.from({ length: height }, () => new Array(width).fill(0));
  mask.rows.forEach((row, i) => {
    for (let k = 0; k < row.length; k += 2) {
      for (let x = row[k]; x < row[k + 1]; x++) out[mask.top + i][x] = 1;
    }
  });
  return out;
}

/** COCO's compressed counts, written from their description. */
export function writeCounts(runs) {
  let text = "";
  runs.forEach((run, i) => {
    let rest = i > 2 ? run - runs[i - 2] : run;
    let more = true;
    while (more) {
      const digit = rest & 0x1f;
      rest >>= 5;
      more = digit & 0x10 ? rest !== -1 : rest !== 0;
      text += String.fromCharCode(digit + (more ? 0x20 : 0) + 48);
    }
  });
  return text;
}

/** A patch of what rows of 0 and 1 hold inside a box. */
export function patchOf(rows, [x0, y0, x1, y1]) {
  const runs = [];
  let value = 0;
  let length = 0;
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      if (rows[y][x] !== value) {
        runs.push(length);
        length = 0;
        value = rows[y][x];
      }
      length++;
    }
  }
  runs.push(length);
  return { rect: [x0, y0, x1, y1], counts: writeCounts(runs) };
}

/** Random blobs as rows of 0 and 1. */
export function blobs(random, width, height) {
  const rows = Array.from({ length: height }, () => new Array(width).fill(0));
  for (let n = 0; n < 4; n++) {
    const [cx, cy, r] = [random() * width, random() * height, random() * Math.min(width, height) * 0.4];
    const value = n === 3 ? 0 : 1;
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) if ((x - cx) ** 2 + (y - cy) ** 2 < r * r) rows[y][x] = value;
    }
  }
  return rows;
}
