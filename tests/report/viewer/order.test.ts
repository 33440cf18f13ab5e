import assert from "node:assert/strict";
import { test } from "node:test";
import { compareValues, sortValue } from "../../../igbatch/report/viewer/src/order.ts";

const value = (text: string): number => {
  const found = sortValue(text);
  assert.equal(typeof found, "number", text);
  return found as number;
};
const ordered = (cells: string[], descending = false): string[] =>
  [...cells].sort((one, other) => compareValues(sortValue(one), sortValue(other), descending));

test("numbers are read as the report writes them", () => {
  assert.equal(value("−0.0213"), -0.0213);
  assert.equal(value("3.1×10⁻⁸"), 3.1e-8);
  assert.equal(value("−2.50×10¹²"), -2.5e12);
  assert.equal(value("1,240"), 1240);
  assert.equal(value("12 %"), 12);
  assert.equal(value("97.3\u00a0%"), 97.3);
  assert.equal(value("0"), 0);
});

test("of more than a number the first counts, and of counts the share", () => {
  assert.equal(value("0.154 (0.131 to 0.176)"), 0.154);
  assert.equal(value("−0.1 to 0.2"), -0.1);
  assert.equal(value("3.1×10⁻⁸ to 4.0×10⁻⁸"), 3.1e-8);
  assert.equal(value("3 of 8"), 3 / 8);
  assert.equal(value("1,000 of 4,000"), 0.25);
  assert.equal(sortValue("0 of 0"), null);
});

test("bounds lie just beside their number", () => {
  assert.ok(value("<0.001") < value("0.001"));
  assert.ok(value("<0.001") > value("0.00099"));
  assert.ok(value("< 0.01\u00a0%") < value("0.01\u00a0%"));
  assert.ok(value("> 99.99\u00a0%") > value("99.99\u00a0%"));
});

test("names that hold numbers stay names", () => {
  for (const name of ["00012.jpg", "random-1", "2020-01-02", "8 birds", "1,2", "<b>1</b>", "positive in 3 %"]) {
    assert.equal(sortValue(name), name);
  }
});

test("what is missing comes last in both directions, names after numbers", () => {
  const cells = ["–", "crow", "−3", "", "2", "<0.001", "anna"];
  assert.deepEqual(ordered(cells), ["−3", "<0.001", "2", "anna", "crow", "–", ""]);
  assert.deepEqual(ordered(cells, true), ["crow", "anna", "2", "<0.001", "−3", "–", ""]);
});

test("names are ordered by the numbers in them", () => {
  assert.deepEqual(ordered(["random-10", "trained", "random-2"]), ["random-2", "random-10", "trained"]);
});
