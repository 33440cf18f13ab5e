import assert from "node:assert/strict";
import { test } from "node:test";

import { between, CORNERS, middle, moved, rescaled, resized, within } from "../../../igbatch/report/viewer/src/boxes.ts";

const SIZE = { width: 10, height: 8 };
const BOX = { x_min: 2, y_min: 3, x_max: 5, y_max: 6 };

test("a box between two points holds every pixel it touches, in whatever order they come", () => {
  const expected = { x_min: 1, y_min: 2, x_max: 5, y_max: 4 };
  assert.deepEqual(between([1.4, 2.9], [4.1, 3.2], SIZE), expected);
  assert.deepEqual(between([4.1, 3.2], [1.4, 2.9], SIZE), expected);
  assert.deepEqual(between([3, 3], [3, 3], SIZE), { x_min: 3, y_min: 3, x_max: 4, y_max: 4 });
  assert.deepEqual(between([-5, -5], [99, 99], SIZE), { x_min: 0, y_min: 0, x_max: 10, y_max: 8 });
});

test("a moved box keeps its size and stays within the image", () => {
  assert.deepEqual(moved(BOX, 2.4, -1, SIZE), { x_min: 4, y_min: 2, x_max: 7, y_max: 5 });
  assert.deepEqual(moved(BOX, 99, -99, SIZE), { x_min: 7, y_min: 0, x_max: 10, y_max: 3 });
});

test("every corner moves its own two sides, as far as the image and the other sides allow", () => {
  for (const [horizontal, vertical] of CORNERS) {
    const next = resized(BOX, [horizontal, vertical], 1, -1, SIZE);
    assert.equal(next.x_min, BOX.x_min + (horizontal < 0 ? 1 : 0));
    assert.equal(next.x_max, BOX.x_max + (horizontal > 0 ? 1 : 0));
    assert.equal(next.y_min, BOX.y_min - (vertical < 0 ? 1 : 0));
    assert.equal(next.y_max, BOX.y_max - (vertical > 0 ? 1 : 0));
    const far = resized(BOX, [horizontal, vertical], 99, 99, SIZE);
    assert.ok(far.x_min < far.x_max && far.y_min < far.y_max && far.x_max <= 10 && far.y_max <= 8);
  }
});

test("typed corners are kept within the image; a box without a pixel is none", () => {
  assert.deepEqual(within({ x_min: -3, y_min: 1.2, x_max: 99, y_max: 4 }, SIZE), { x_min: 0, y_min: 1, x_max: 10, y_max: 4 });
  assert.equal(within({ x_min: 5, y_min: 1, x_max: 5, y_max: 4 }, SIZE), null);
});

test("a box in another size of the image is rounded outwards and covers what it did", () => {
  assert.equal(rescaled(BOX, SIZE, SIZE), BOX);
  assert.deepEqual(rescaled(BOX, SIZE, { width: 15, height: 12 }), { x_min: 3, y_min: 4, x_max: 8, y_max: 9 });
});

test("a new box lies in the middle of what is shown", () => {
  const zoom = { k: 2, x: -1, y: -1 }; // the lower right quarter
  const box = middle(zoom, { width: 16, height: 16 });
  assert.deepEqual(box, { x_min: 11, y_min: 11, x_max: 13, y_max: 13 });
});
