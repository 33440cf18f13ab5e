import assert from "node:assert/strict";
import { test } from "node:test";

import { beyond, colorIndex, colorsOf, paint, paintBar, rint } from "../../../igbatch/report/viewer/src/colors.ts";
import { raw, STUDY } from "./study.ts";

const even = { low: -2, high: 2, bar: { low: -1, high: 2 } };

test("halves are rounded to the even number", () => {
  assert.deepEqual([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4, -2.6].map(rint).map((value) => value + 0), [-2, -2, 0, 0, 2, 2, 2, -3]);
});

test("the middle colour is the middle of the limits, the last one their ends and beyond", () => {
  assert.deepEqual([-9, -2, 0, 2, 9].map((value) => colorIndex(value, even, 1, 127)), [0, 0, 63, 126, 126]);
  assert.equal(colorIndex(4, { ...even, low: 0, high: 8 }, 1, 127), 63);
  assert.equal(colorIndex(4, { ...even, low: 1, high: 1 }, 1, 127), 63);
});

test("at level 2 the last colour is reached half way", () => {
  assert.equal(colorIndex(1, even, 2, 127), 126);
  assert.equal(colorIndex(0.5, even, 2, 127), colorIndex(1, even, 1, 127));
});

test("opposite values have opposite colours", () => {
  for (const value of [0.1, 0.7, 1.3]) assert.equal(colorIndex(value, even, 1, 127) + colorIndex(-value, even, 1, 127), 126);
});

test("a map has the colours of its part", () => {
  const colors = colorsOf(STUDY.knobs.palettes[0]!);
  const map = raw([-2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  const first = (part: "signed" | "positive" | "negative" | "absolute") => [...paint(map, even, part, 1, colors).slice(0, 12)];
  const [red, white, blue] = [[255, 0, 0, 255], [255, 255, 255, 255], [0, 0, 255, 255]];
  assert.deepEqual(first("signed"), [...red, ...white, ...blue]);
  assert.deepEqual(first("positive"), [...white, ...white, ...blue]);
  assert.deepEqual(first("negative"), [...red, ...white, ...white]);
  assert.deepEqual(first("absolute"), [...blue, ...white, ...blue]);
});

test("a bar runs over the piece of the scale that it shows", () => {
  const bar = paintBar(even, 1, colorsOf(STUDY.knobs.palettes[0]!), 3); // values -0.5, 0.5, 1.5
  assert.deepEqual([...bar], [255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 255, 255]);
});

test("pixels beyond the ends are counted, those at them are not", () => {
  assert.equal(beyond(raw([-3, -2, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0]), even, "signed"), 2);
  assert.equal(beyond(raw([-3, -2, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0]), even, "positive"), 1);
});
