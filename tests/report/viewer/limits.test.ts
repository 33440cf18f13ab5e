import assert from "node:assert/strict";
import { test } from "node:test";

import { limitsOf, partRange, quantile, tabled } from "../../../igbatch/report/viewer/src/limits.ts";
import type { Normalization, Rule, Scope } from "../../../igbatch/report/viewer/src/style.ts";
import { range } from "./study.ts";

const never = (): number => assert.fail("no quantile was needed");
const chosen = (rule: Rule, scope: Scope = "pair"): Normalization => ({ scope, rule, percentile: 95, low: -3, high: 1 });

test("symmetric: zero is in the middle, and the bar is cut at the range", () => {
  assert.deepEqual(limitsOf({ minimum: -2, maximum: 6 }, chosen("symmetric"), "signed", never),
    { low: -6, high: 6, bar: { low: -2, high: 6 } });
});

test("min-max: the ends are the range's own, and the bar reaches zero", () => {
  assert.deepEqual(limitsOf({ minimum: 2, maximum: 6 }, chosen("min-max"), "signed", never),
    { low: 2, high: 6, bar: { low: 0, high: 6 } });
});

test("min-max of a symmetric range is symmetric", () => {
  const even = { minimum: -4, maximum: 4 };
  assert.deepEqual(limitsOf(even, chosen("min-max"), "signed", never), limitsOf(even, chosen("symmetric"), "signed", never));
});

test("percentile: the ends are the quantile, which no range is shorter than", () => {
  const ends = (magnitude: number) => limitsOf({ minimum: -2, maximum: 6 }, chosen("percentile"), "signed", () => magnitude);
  assert.deepEqual(ends(3), { low: -3, high: 3, bar: { low: -2, high: 3 } });
  assert.deepEqual(ends(9), limitsOf({ minimum: -2, maximum: 6 }, chosen("symmetric"), "signed", never));
});

test("raw keeps its one scale whatever the rule, but for ends that the reader states", () => {
  const raw = { minimum: -5, maximum: 5 };
  const symmetric = limitsOf(raw, chosen("symmetric", "raw"), "signed", never);
  for (const rule of ["min-max", "percentile"] as const) assert.deepEqual(limitsOf(raw, chosen(rule, "raw"), "signed", never), symmetric);
  assert.deepEqual(limitsOf(raw, chosen("fixed", "raw"), "signed", never), { low: -3, high: 1, bar: { low: -3, high: 1 } });
});

test("of a part, symmetric and min-max are one, and bars have one side", () => {
  for (const part of ["positive", "negative", "absolute"] as const) {
    const symmetric = limitsOf({ minimum: -2, maximum: 6 }, chosen("symmetric"), part, never);
    assert.deepEqual(limitsOf({ minimum: -2, maximum: 6 }, chosen("min-max"), part, never), symmetric);
    assert.equal(symmetric.low, -symmetric.high);
  }
  assert.equal(limitsOf({ minimum: -2, maximum: 6 }, chosen("symmetric"), "negative", never).high, 2);
  assert.deepEqual(partRange({ minimum: -7, maximum: 6 }, "absolute"), { minimum: 0, maximum: 7 });
  assert.deepEqual(partRange({ minimum: 1, maximum: 6 }, "negative"), { minimum: 0, maximum: 0 });
});

test("quantiles are interpolated as numpy does", () => {
  const values = Float64Array.from([1, 2, 4, 8]);
  assert.equal(quantile(values, 0), 1);
  assert.equal(quantile(values, 50), 3);
  assert.ok(Math.abs(quantile(values, 90) - 6.8) < 1e-12);
  assert.equal(quantile(values, 100), 8);
});

test("the table of quantiles is read at a tenth of a percent, within its ends", () => {
  const table = range(-1, 1, 3);
  assert.equal(tabled(table, 97.3), 0.973);
  assert.equal(tabled(table, 100), 1);
  assert.equal(tabled(table, 20), 0.9);
});
