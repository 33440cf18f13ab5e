import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync } from "node:zlib";

import { BLURRED, precision, regionAt, regionsOf, sumsIn, unpack, valueAt, wholeOf } from "../../../igbatch/report/viewer/src/raw_map.ts";
import { raw } from "./study.ts";

function packed(integers: number[]): string {
  const low = integers.map((integer) => integer & 255);
  const high = integers.map((integer) => (integer >> 8) & 255);
  return deflateSync(Uint8Array.from([...low, ...high])).toString("base64");
}

test("a map comes back as it was packed, extremes and all", async () => {
  const integers = [0, 1, -1, 255, 256, -256, 32767, -32767, 127, 128, -128, -129];
  const map = await unpack(`\n${packed(integers)}\n`, 0.5, 4, 3);
  assert.deepEqual([...map.integers], integers);
  assert.equal(valueAt(map, 2, 1), 16383.5);
  assert.equal(precision(map), 0.25);
});

test("a map of another size is refused", async () => {
  await assert.rejects(unpack(packed([1, 2, 3]), 1, 2, 2), /6 bytes, not 8/);
});

test("sums of parts add up to the whole", () => {
  const map = raw([3, -1, 4, -1, 5, -9, 2, 6, -5, 3, 5, -8], 0.25);
  const left = sumsIn(map, { x_min: 0, y_min: 0, x_max: 1, y_max: 3 });
  const right = sumsIn(map, { x_min: 1, y_min: 0, x_max: 4, y_max: 3 });
  const whole = sumsIn(map, wholeOf(map));
  assert.equal(left.sum, (3 + 5 - 5) * 0.25);
  assert.equal(left.abs_sum, 13 * 0.25);
  for (const key of ["pixels", "sum", "abs_sum", "bound"] as const) assert.equal(left[key] + right[key], whole[key]);
  assert.equal(whole.bound, 12 * 0.125);
});

test("patches are a partition of the map, and every pixel shows the sum of its own", () => {
  const integers = [3, -1, 4, -1, 5, -9, 2, 6, -5, 3, 5, -8];
  const map = raw(integers, 0.25); // 4 x 3
  const { sums, shown } = regionsOf(map, 2);
  assert.deepEqual([sums.width, sums.height, sums.scale], [2, 2, 0.25]);
  assert.deepEqual([...sums.integers], [3 - 1 + 5 - 9, 4 - 1 + 2 + 6, -5 + 3, 5 - 8]);
  assert.deepEqual([...shown.integers], [-2, -2, 11, 11, -2, -2, 11, 11, -2, -2, -3, -3]);
  const total = (values: Iterable<number>) => [...values].reduce((sum, value) => sum + value, 0);
  for (const size of [1, 2, 4, 8]) assert.equal(total(regionsOf(map, size).sums.integers), total(integers));
  assert.deepEqual(regionsOf(map, 1), { sums: map, shown: map, largest: 0 });
  const strong = raw(Array(12).fill(32767));
  assert.deepEqual([...regionsOf(strong, 4).sums.integers], [12 * 32767]); // beyond 16 bits
});

test("a blurred map has the sum of the map, and one pixel becomes a Gaussian that is mirrored at the edges", () => {
  const [width, height] = [7, 50];
  const map = { ...raw(Array(width * height).fill(0), 0.5), width, height };
  map.integers[20 * width + 3] = 1000;
  const { sums, shown, largest } = regionsOf(map, BLURRED);
  assert.ok(sums === shown && largest === 1);
  const total = Array.from(shown.integers).reduce((sum, value) => sum + value);
  assert.ok(Math.abs(total - 1000) < 1e-9);
  const row = (y: number): number => Array.from(shown.integers.slice(y * width, (y + 1) * width)).reduce((a, b) => a + b);
  for (const k of [1, 4, 12]) assert.ok(Math.abs(row(20 + k) / row(20) - Math.exp(-(k ** 2) / 32)) < 1e-12);
  assert.equal(row(20 + 17), 0);
  const flat = regionsOf({ ...map, integers: Int16Array.from(map.integers, () => 5) }, BLURRED);
  for (const value of flat.sums.integers) assert.ok(Math.abs(value - 5) < 1e-12);
});

test("the region that a pixel is in adds up as the regions do, be they patches or labelled", () => {
  const map = raw([3, -1, 4, -1, 5, -9, 2, 6, -5, 3, 5, -8], 0.25); // 4 x 3
  const labels = { numbers: Uint16Array.from([0, 0, 1, 1, 0, 2, 2, 1, 0, 0, 0, 1]), regions: 3, names: ["a", "b", "c"] };
  for (const [size, of] of [[1, undefined], [2, undefined], [8, undefined], [-1, labels]] as const) {
    const { shown, largest } = regionsOf(map, size, of);
    for (let i = 0; i < 12; i++) {
      const found = regionAt(map, i % 4, Math.floor(i / 4), size, of);
      assert.equal(found.sum, valueAt(shown, i % 4, Math.floor(i / 4)));
      assert.ok(found.pixels <= Math.max(largest, 1) && found.abs_sum >= Math.abs(found.sum));
    }
  }
  assert.equal(regionsOf(map, -1, labels).largest, 6);
  assert.deepEqual(regionAt(map, 1, 1, -1, labels), { pixels: 2, sum: -7 / 4, abs_sum: 11 / 4, bound: 2 / 8 });
});
