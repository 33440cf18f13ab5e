import assert from "node:assert/strict";
import { test } from "node:test";

import { bin } from "../../../igbatch/report/viewer/src/histogram.ts";

const limits = { low: -1, high: 1 };

test("every value is counted once, in a bin that holds it", () => {
  const values = Float64Array.from({ length: 1001 }, (_, i) => Math.sinh(i / 50 - 10) / Math.sinh(10));
  const { edges, counts } = bin(values, 1e-3, 1, limits);
  assert.equal(counts.reduce((sum, count) => sum + count, 0), values.length);
  const slack = 1e-9;
  for (const [place, count] of counts.entries()) {
    const inside = values.filter((v) => v > edges[place]! + slack && v < edges[place + 1]! - slack).length;
    const around = values.filter((v) => v >= edges[place]! - slack && v <= edges[place + 1]! + slack).length;
    assert.ok(count >= inside && count <= around);
  }
});

test("bins mirror each other around zero and end at the largest value", () => {
  const { edges } = bin(new Float64Array(), 1e-3, 2, limits);
  const half = edges.length >> 1;
  assert.equal(edges[half], 0);
  for (const [place, edge] of edges.entries()) {
    assert.ok(Math.abs(edge + edges[edges.length - 1 - place]!) < 1e-12);
  }
  assert.ok(Math.abs(edges.at(-1)! - 2) < 1e-12);
});

test("values beyond the ends of the colours are counted, those on an end are not", () => {
  const values = Float64Array.of(-3, -1, -0.5, 0, 1, 1.5, 2);
  const { below, above } = bin(values, 1e-3, 3, limits);
  assert.deepEqual([below, above], [1, 2]);
});
