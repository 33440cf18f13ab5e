import assert from "node:assert/strict";
import { test } from "node:test";

import { GAP, headings, layoutOf, lineTitle, linesOf, secondHeadings, uneven } from "../../../igbatch/report/viewer/src/layout.ts";
import { distinct } from "../../../igbatch/report/viewer/src/components/ColorBar.tsx";
import { rowsOf } from "../../../igbatch/report/viewer/src/shown.ts";
import { PAIR, STUDY, store } from "./study.ts";

test("maps fill the column with the photograph, and are never smaller than their own pixels", () => {
  for (const own of [32, 224, 384]) {
    for (let column = 400; column <= 1300; column += 7) {
      for (const across of [1, 2, 3, 4, 6, 8]) {
        const { width, beside } = layoutOf(column, across, own);
        const least = Math.max(224, own);
        const inLine = Math.max(1, Math.floor((column + GAP) / (width + GAP)));
        assert.ok(width >= Math.min(least, column) && width <= Math.min(2 * least, column));
        if (beside) assert.ok(inLine > across);
        const used = Math.min(across + (beside ? 1 : 0), inLine) * (width + GAP) - GAP;
        const grown = width >= 2 * least || used >= 0.85 * column;
        assert.ok(grown, `${column} ${across} ${own}: ${width}, ${used} used`);
      }
    }
  }
});

test("two maps stand beside the photograph at 1280 pixels, four and six in full lines, one on a phone", () => {
  assert.deepEqual(layoutOf(945, 2, 224), { width: 304, beside: true });
  assert.deepEqual(layoutOf(945, 4, 224), { width: 224, beside: false });
  assert.deepEqual(layoutOf(945, 6, 224), { width: 304, beside: false });
  assert.deepEqual(layoutOf(358, 2, 224), { width: 358, beside: false });
  assert.deepEqual(layoutOf(945, 1, 224), { width: 448, beside: true }); // a whole number of pixels for each
  assert.deepEqual(layoutOf(945, 2, 224, 2), { width: 608, beside: false });
});

test("rows of one map each are one line", () => {
  const one = { ...PAIR, targets: ["eagle"] };
  assert.deepEqual(linesOf(rowsOf(STUDY, one, store())).map((line) => line.length), [2]);
  assert.deepEqual(linesOf(rowsOf(STUDY, PAIR, store())).map((line) => line.length), [2, 2]);
});

test("maps of several variants in a line are named by these, with what each predicts", () => {
  const [line] = linesOf(rowsOf(STUDY, { ...PAIR, targets: ["eagle"] }, store()));
  assert.deepEqual(headings(line!), ["trained, eagle", "random-1, eagle"]);
  assert.deepEqual(secondHeadings(line!), ["predicts eagle", "predicts eagle"]);
  assert.equal(lineTitle(line!), "");
  const [row] = linesOf(rowsOf(STUDY, PAIR, store()));
  assert.deepEqual([headings(row!), secondHeadings(row!)], [["eagle", "magpie"], ["", ""]]);
  assert.equal(lineTitle(row!), "trained: predicts eagle");
});

test("pixels are drawn smoothly where some of them would be wider than others", () => {
  assert.ok(uneven(304, 224, 1, 1));
  for (const [width, zoom, regions] of [[448, 1, 1], [304, 2, 1], [304, 1, 8], [224, 1, 1]] as const)
    assert.ok(!uneven(width, 224, zoom, regions));
});

test("labels of a colour bar are told apart by as many decimals as it takes", () => {
  assert.deepEqual(distinct([0.351, 0.3571, 0.3629]), ["0.351", "0.357", "0.363"]);
  assert.deepEqual(distinct([0, 0.5, 1]), ["0", "0.5", "1"]);
  assert.deepEqual(distinct([-0.25, 1]), ["−0.25", "1"]);
});
