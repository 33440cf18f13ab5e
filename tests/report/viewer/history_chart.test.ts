import assert from "node:assert/strict";
import { test } from "node:test";

import { byCheck, captionOf } from "../../../igbatch/report/viewer/src/history_chart.ts";
import type { CheckSeries } from "../../../igbatch/report/viewer/src/study_types.ts";

function series(check: string, role: string, more: Partial<CheckSeries> = {}): CheckSeries {
  const point = { at: "2026-11-26T02:00:00Z", night: "", figure: 0.5, threshold: 0.25, outcome: "failed" };
  return { role, check, title: check, unit: "%", at_least: false, points: [point], ...more };
}

test("series of one check share a chart, in the order of the checks", () => {
  const all = [series("b", "one"), series("a", "one"), series("b", "two")];
  assert.deepEqual(
    byCheck(all).map((group) => group.map((one) => `${one.check} ${one.role}`)),
    [["b one", "b two"], ["a one"]],
  );
  assert.deepEqual(byCheck([]), []);
});

test("a caption tells the unit, the side of the threshold, and whose line is whose", () => {
  assert.equal(captionOf([series("a", "one")]), "%; dashed: at most 0.250");
  assert.equal(captionOf([series("a", "one", { at_least: true, unit: "" })]), "dashed: at least 0.250");
  assert.match(captionOf([series("a", "one"), series("a", "two")]), /solid line: one; dotted line: two$/);
  assert.equal(captionOf([series("a", "one", { points: [] })]), "%");
});
