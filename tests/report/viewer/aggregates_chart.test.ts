import assert from "node:assert/strict";
import { test } from "node:test";

import { extent } from "../../../igbatch/report/viewer/src/aggregates_chart.ts";

test("an axis holds all values between powers of ten", () => {
  assert.deepEqual(extent([0.5, -0.02]), { linear: 0.01, largest: 1 });
  assert.deepEqual(extent([]), { linear: 0.1, largest: 1 });
  assert.ok(extent([1, 1e-30]).linear >= 1e-8); // no more than eight decades
});
