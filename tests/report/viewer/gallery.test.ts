import assert from "node:assert/strict";
import { test } from "node:test";

import { rangeWords } from "../../../igbatch/report/viewer/src/gallery/ranges.ts";
import { meanOf, placesOf, quartersOf, groupsOf } from "../../../igbatch/report/viewer/src/gallery/rows.ts";
import {
  firstView,
  fromFragment,
  type GalleryView,
  scopesOf,
  toFragment,
  viewerLink,
} from "../../../igbatch/report/viewer/src/gallery/view.ts";
import type { GallerySet, GalleryStudy } from "../../../igbatch/report/viewer/src/gallery_types.ts";
import { range, STUDY as PAGE } from "./study.ts";

const NAMES = ["a", "b", "c", "d", "e"];

function set(target: number, sums: (number | null)[]): GallerySet {
  return {
    variant: 0, target, block: "", width: 2, height: 1, scales: [1, 2, null, 1, 0.5], computed: NAMES.map(() => true),
    values: { "map sum": sums }, range: range(-1, 1, 5), dataset: range(-1, 1, 5), alone: false,
  };
}

const STUDY: GalleryStudy = {
  format: 1, name: "a study", unit: "of probability", quantile_error: 0.155, regions: 8, knobs: PAGE.knobs,
  raw: range(-1, 1, 5),
  variants: [{ id: "v", name: "v", predictions: ["x", "y", "x", "", "y"], in_viewer: [1] }],
  targets: [{ id: "t", name: "t" }, { id: "u & u", name: "u & u" }], all_classes: true,
  images: NAMES.map((name, i) => ({ id: name, name, label: i < 3 ? "low" : "", picture: "", missing: "" })),
  numbers: [{ key: "map sum", title: "sum", words: "", of: "map" }], values: {},
  sets: [set(0, [3, null, 1, 2, 3]), set(1, [0, 0, 0, 0, 0])],
  words: { mean: "", unlabelled: "no label", unnumbered: "no such number" },
};

const view = (part: Partial<GalleryView> = {}): GalleryView => ({ ...firstView(STUDY), ...part });

test("images without the number come last in both directions, equal ones as listed", () => {
  assert.deepEqual(placesOf(STUDY, view({ sort: "map sum" })), [0, 4, 3, 2, 1]);
  assert.deepEqual(placesOf(STUDY, view({ sort: "map sum", descending: false })), [2, 3, 0, 4, 1]);
});

test("a number, a label, a prediction and a text leave those that fit", () => {
  assert.deepEqual(placesOf(STUDY, view({ filter: "map sum", from: 2 })), [0, 3, 4]);
  assert.deepEqual(placesOf(STUDY, view({ filter: "map sum" })), [0, 1, 2, 3, 4]);
  assert.deepEqual(placesOf(STUDY, view({ label: "low", prediction: "x" })), [0, 2]);
  assert.deepEqual(placesOf(STUDY, view({ text: " B" })), [1]);
});

test("quarters part the images that have a number, whatever the ties; others are a group of their own", () => {
  for (const values of [[5, 1, 4, 2, 3, 8, 7, 6], [1, 1, 1, 1, 1, 2, 2, null], [0, 0, 0, 0, 0, 0, 0, 0]]) {
    const groups = quartersOf([0, 1, 2, 3, 4, 5, 6, 7], values);
    assert.deepEqual(groups.flatMap((group) => group.places).sort(), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert.equal(groups.some((group) => group.name === ""), values.includes(null));
  }
  assert.deepEqual(groupsOf(STUDY, view(), [0, 1, 2, 3, 4]).map(({ name, places }) => [name, places.length]), [["low", 3], ["no label", 2]]);
});

test("a mean map is the mean of the maps that are there, and says of how many", () => {
  const integers = Int16Array.from([1, 2, 3, 4, 9, 9, -5, 6, 8, 0]);
  const mean = meanOf(STUDY.sets[0]!, integers, [0, 1, 2, 4])!;
  assert.equal(mean.n, 3);
  const values = Array.from(mean.map.integers, (each) => each * mean.map.scale);
  for (const [i, expected] of [(1 + 6 + 4) / 3, (2 + 8 + 0) / 3].entries())
    assert.ok(Math.abs(values[i]! - expected) < 1e-8);
  assert.ok(Math.abs(mean.sum - (3 + 0 + 3) / 3) < 1e-12);
  assert.equal(meanOf(STUDY.sets[0]!, integers, [2]), null);
});

test("a link restores the view, and what it names and the gallery lacks is as at first", () => {
  const chosen = view({ target: 1, sort: "map sum", filter: "map sum", from: -1.5, label: "", text: "a&b", group: "prediction" });
  assert.deepEqual(fromFragment(STUDY, toFragment(STUDY, chosen)), chosen);
  assert.deepEqual(fromFragment(STUDY, "#gallery?variant=w&sort=nothing+down&range=x&label=y"), view());
  assert.deepEqual(scopesOf(STUDY, 0, 1), ["image", "pair", "variant", "dataset", "raw"]);
  assert.deepEqual(scopesOf({ ...STUDY, all_classes: false }, 0, 1), ["image", "variant", "dataset", "raw"]); // some left out
});

test("a contrast's range is said to be its own, over its own maps", () => {
  const [one, other] = STUDY.sets as [GallerySet, GallerySet];
  const study = { ...STUDY, sets: [one, { ...other, alone: true, dataset: range(-9, 9, 4) }] };
  const of = (target: number, scope: GalleryView["scope"]) => rangeWords(study, view({ target, scope }));
  assert.match(of(1, "dataset"), /^Title of dataset \(of the 4 maps of one contrast\)\..*Compare these\. A contrast is by itself\./);
  for (const words of [of(0, "dataset"), of(1, "raw"), of(1, "image")]) assert.doesNotMatch(words, /contrast/);
});

test("an image that the page shows has a link into its viewer, others have none", () => {
  const fields = new URLSearchParams(viewerLink(STUDY, view(), 1)!.split("#view?")[1]);
  assert.equal(fields.get("image"), "b");
  assert.equal(fields.get("regions"), "8");
  assert.equal(viewerLink(STUDY, view(), 0), null);
});
