import assert from "node:assert/strict";
import { test } from "node:test";
import { number, percent } from "../../../igbatch/report/viewer/src/format.ts";

// The texts are those that tests/report/test_text.py states of `igbatch.text`.
test("numbers are written as in Python", () => {
  const texts: [number, string][] = [
    [0, "0"], [0.0213456, "0.0213"], [-0.0213456, "−0.0213"], [3.14159e-8, "3.14×10⁻⁸"], [0.99951, "1.00"],
    [-1234.5, "−1,230"], [12345.6, "12,300"], [1.5e9, "1.50×10⁹"], [0.000999999, "0.00100"],
  ]; // prettier-ignore
  for (const [value, text] of texts) assert.equal(number(value), text);
  assert.equal(number(3.14159e-8, 1), "3×10⁻⁸");
});

test("shares are written in percent", () => {
  const texts: [number, string][] = [
    [0.973, "97.3"], [0.0042, "0.42"], [0.00001, "< 0.01"], [0.99999, "> 99.99"], [1, "100"], [0, "0"],
    [0.9951, "99.51"],
  ]; // prettier-ignore
  for (const [share, text] of texts) assert.equal(percent(share), `${text}\u00a0%`);
});
