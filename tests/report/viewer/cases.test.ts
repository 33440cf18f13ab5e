/** Scales, their colours and texts, case by case; `tests/report/color/test_cases.py` reads the same cases. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { beyond, colorIndex } from "../../../igbatch/report/viewer/src/colors.ts";
import { outline } from "../../../igbatch/report/viewer/src/contour.ts";
import { count, listing, number, percent } from "../../../igbatch/report/viewer/src/format.ts";
import { limitsOf, quantile } from "../../../igbatch/report/viewer/src/limits.ts";
import { type RawMap, regionsOf } from "../../../igbatch/report/viewer/src/raw_map.ts";
import { type Part, partOf, type Rule, type Scope } from "../../../igbatch/report/viewer/src/style.ts";

type Pair = [number, number];

interface Cases {
  limits: { range: Pair; scope?: Scope; rule: Rule; part?: Part; quantile?: number; fixed?: Pair; ends: Pair; bar: Pair }[];
  parts: { part: Part; values: number[]; shown: number[] }[];
  colors: { ends: Pair; level?: number; values: number[]; colors: number[] }[];
  beyond: { ends: Pair; part: Part; values: number[]; pixels: number }[];
  contours: { values: number[][]; share: number; part?: Part; blur?: number; inside: Pair[] }[];
  regions: { values: number[][]; size?: number; labels?: number[][]; sums: number[]; shown: number[][] }[];
  quantiles: { values: number[]; percent: number; quantile: number }[];
  texts: Record<string, [unknown[], string][]>;
}

const CASES = JSON.parse(readFileSync(new URL("../color/cases.json", import.meta.url), "utf-8")) as Cases;

const between = ([low, high]: Pair) => ({ low, high, bar: { low, high } });

function mapOf(rows: number[][]): RawMap {
  return { width: rows[0]!.length, height: rows.length, integers: Int16Array.from(rows.flat()), scale: 1 };
}

/** Return the pixels, as [y, x], whose centres lie within the path of an outline. */
function pixelsWithin(path: string, width: number, height: number): Pair[] {
  const rings = path.split("M").slice(1).map((ring) => ring.replace("Z", "").split("L").map((point) => point.split(",").map(Number) as Pair));
  const inside = (x: number, y: number) =>
    rings.flatMap((ring) => ring.slice(1).map((to, place) => [ring[place]!, to] as const))
      .filter(([[x0, y0], [x1, y1]]) => y0 > y !== y1 > y && x < x0 + ((y - y0) / (y1 - y0)) * (x1 - x0)).length % 2 === 1;
  const pixels: Pair[] = [];
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) if (inside(x + 0.5, y + 0.5)) pixels.push([y, x]);
  return pixels;
}

test("ends and bar are those of scope, rule and part", () => {
  for (const { range: [minimum, maximum], scope = "pair", rule, part = "signed", quantile: magnitude, fixed, ends, bar } of CASES.limits) {
    const needed = () => (scope === "raw" ? undefined : magnitude) ?? assert.fail("no quantile was needed");
    const [low, high] = fixed ?? [0, 0];
    const found = limitsOf({ minimum, maximum }, { scope, rule, percentile: 95, low, high }, part, needed);
    const numbers = [found.low, found.high, found.bar.low, found.bar.high].map((value) => value + 0); // no -0
    assert.deepEqual(numbers, [...ends, ...bar], JSON.stringify({ minimum, maximum, scope, rule, part }));
  }
});

test("parts are what they are called", () => {
  for (const { part, values, shown } of CASES.parts) assert.deepEqual(values.map((value) => partOf(part, value)), shown);
});

test("values have the colours of their places", () => {
  for (const { ends, level = 1, values, colors } of CASES.colors)
    assert.deepEqual(values.map((value) => colorIndex(value, between(ends), level, 127)), colors);
});

test("pixels beyond the ends are counted, those at them are not", () => {
  for (const { ends, part, values, pixels } of CASES.beyond)
    assert.equal(beyond(mapOf([values]), between(ends), part), pixels);
});

test("the contour is around the strongest pixels", () => {
  for (const { values, share, part = "signed", blur = 0, inside } of CASES.contours) {
    const map = mapOf(values);
    assert.deepEqual(pixelsWithin(outline(map, part, share, blur), map.width, map.height), inside);
  }
});

test("regions show their sums", () => {
  for (const { values, size = 1, labels, sums, shown } of CASES.regions) {
    const numbers = labels && { numbers: Uint16Array.from(labels.flat()), regions: sums.length, names: [] };
    const found = regionsOf(mapOf(values), size, numbers);
    assert.deepEqual([...found.sums.integers], sums);
    assert.deepEqual([...found.shown.integers], shown.flat());
  }
});

test("quantiles are numpy's", () => {
  for (const { values, percent, quantile: expected } of CASES.quantiles)
    assert.equal(quantile(Float64Array.from(values), percent), expected);
});

test("numbers, shares and lists are written", () => {
  const functions = { number, percent, count, listing } as Record<string, (...given: never[]) => string>;
  for (const [name, cases] of Object.entries(CASES.texts))
    for (const [given, text] of cases) assert.equal(functions[name]!(...(given as never[])), text);
});
