import assert from "node:assert/strict";
import { test } from "node:test";

import { strengths } from "../../../igbatch/report/viewer/src/contour.ts";
import { boxRows, viewCsv } from "../../../igbatch/report/viewer/src/numbers.ts";
import { rowsOf } from "../../../igbatch/report/viewer/src/shown.ts";
import { PAIR, STUDY, store } from "./study.ts";

/** Read a CSV text whose cells hold no commas. */
function parsed(text: string): Record<string, string>[] {
  const [head, ...lines] = text.trimEnd().split("\n").map((line) => line.split(","));
  return lines.map((cells) => Object.fromEntries(cells.map((cell, place) => [head![place]!, cell])));
}

const own = { x_min: 0, y_min: 0, x_max: 2, y_max: 2 };
const view = { ...PAIR, boxes: [own, { x_min: 0, y_min: 0, x_max: 4, y_max: 3 }] };

test("an own box that equals a stored one has its stored sum beside it", () => {
  const rows = boxRows(rowsOf(STUDY, view, store()), view);
  assert.equal(rows.length, 3 * 4); // three boxes in four maps
  const [stored, mine, whole] = ["eagle", "own 1", "own 2"].map((name) => rows.find((row) => row.box === name)!);
  assert.equal(stored!.sum, -5 - 4 - 1 + 0);
  assert.equal(mine!.sum, stored!.sum);
  assert.equal(mine!.stored_sum, 3);
  assert.equal(whole!.stored_sum, null);
  assert.equal(whole!.share, 1);
  assert.equal(mine!.pixels, 4);
  assert.equal(mine!.bound, 4 * 0.5);
});

test("a map without values here has stored sums only", () => {
  const empty = { ...store(), get: () => undefined } as unknown as ReturnType<typeof store>;
  const row = boxRows(rowsOf(STUDY, view, empty), view)[0]!;
  assert.equal(row.sum, null);
  assert.equal(row.stored_sum, 3);
});

test("the CSV file holds a row for each map and one for each box in it, with every digit", () => {
  const rows = rowsOf(STUDY, view, store());
  const lines = parsed(viewCsv(STUDY, rows, view, store()));
  assert.equal(lines.length, 4 * (1 + 3));
  const whole = lines.find((line) => line["box"] === "own 2" && line["variant"] === "random-1")!;
  assert.equal(Number(whole["box_sum"]), 6 * 0.1); // -5 to 6 add up to 6
  assert.equal(whole["scope"], "pair");
  assert.equal(whole["color_high"], "1");
});

test("names with commas, quotes and line ends stay in their cells", () => {
  const name = 'a,"b"\nc';
  const study = { ...STUDY, images: [{ ...STUDY.images[0]!, id: name }] };
  const shown = { ...view, image: name };
  const text = viewCsv(study, rowsOf(study, shown, store()), shown, store());
  assert.equal(text.split('\n"a,""b""\nc",').length, 1 + 4 * (1 + 3));
});

test("strength is averaged over neighbours and keeps its total inside of a map", () => {
  const wide = { width: 31, height: 31, integers: new Int16Array(31 * 31), scale: 1 };
  wide.integers[15 * 31 + 15] = -100;
  const data = strengths(wide, "signed", 2);
  assert.ok(Math.abs(data.reduce((sum, value) => sum + value, 0) - 100) < 1e-6);
  assert.equal(Math.max(...data), data[15 * 31 + 15]);
  assert.deepEqual(strengths(wide, "positive", 0).filter(Boolean), []);
});
