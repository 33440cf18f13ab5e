import assert from "node:assert/strict";
import { test } from "node:test";

import { tabled } from "../../../igbatch/report/viewer/src/limits.ts";
import { range } from "./study.ts";

test("the table of quantiles is read at a tenth of a percent, within its ends", () => {
  const table = range(-1, 1, 3);
  assert.equal(tabled(table, 97.3), 0.973);
  assert.equal(tabled(table, 100), 1);
  assert.equal(tabled(table, 20), 0.9);
});
