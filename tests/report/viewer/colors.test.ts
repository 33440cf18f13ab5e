import assert from "node:assert/strict";
import { test } from "node:test";

import { colorsOf, paint, paintBar } from "../../../igbatch/report/viewer/src/colors.ts";
import { raw, STUDY } from "./study.ts";

const even = { low: -2, high: 2, bar: { low: -1, high: 2 } };

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
