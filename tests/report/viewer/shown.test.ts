import assert from "node:assert/strict";
import { test } from "node:test";

import { alsoWords, cellLimits, rowsOf, scopeOf, sharedRange, unpackedKey } from "../../../igbatch/report/viewer/src/shown.ts";
import { normalizationWords, styleWords } from "../../../igbatch/report/viewer/src/words.ts";
import type { Normalization, Scope } from "../../../igbatch/report/viewer/src/style.ts";
import { viewCsv } from "../../../igbatch/report/viewer/src/numbers.ts";
import { firstView } from "../../../igbatch/report/viewer/src/view.ts";
import type { ImageVariant, PageStudy } from "../../../igbatch/report/viewer/src/study_types.ts";
import { CONTRAST, PAIR, range, STUDY, store } from "./study.ts";

const first = PAIR;
const maps = store();

test("rows are the chosen variants, columns the chosen targets, in the order of the study", () => {
  const rows = rowsOf(STUDY, { ...first, variants: ["random-1", "trained"], targets: ["crow", "eagle"] }, maps);
  assert.deepEqual(rows.map((row) => row.map((cell) => `${cell.variant.id} ${cell.target.id}`)),
    [["trained eagle", "trained crow"], ["random-1 eagle", "random-1 crow"]]);
});

test("every scope takes in the maps it says", () => {
  const row = rowsOf(STUDY, first, maps)[0]!;
  const of = (scope: Scope) => {
    const found = sharedRange(STUDY, row[1]!, row, scope, 1)!;
    return [found.minimum, found.maximum, found.n_maps];
  };
  assert.deepEqual(of("image"), [-3, 8, 1]);
  assert.deepEqual(of("pair"), [-3, 8, 2]);
  assert.deepEqual(of("targets"), [-4, 9, 3]);
  assert.deepEqual(of("models"), [-4, 9, 6]);
  assert.deepEqual(of("variant"), [-4, 10, 300]);
  assert.deepEqual(of("dataset"), [-8, 20, 600]);
  assert.deepEqual(of("raw"), [-5, 5, 6]);
});

test("sums over patches have ranges of their own under every scope", () => {
  const row = rowsOf(STUDY, first, maps)[0]!;
  for (const scope of ["image", "pair", "targets", "models", "variant", "dataset", "raw"] as const) {
    const [pixels, patches] = [1, 8].map((size) => sharedRange(STUDY, row[1]!, row, scope, size)!);
    assert.deepEqual([patches!.minimum, patches!.maximum], [5 * pixels!.minimum, 5 * pixels!.maximum]);
  }
  assert.equal(sharedRange(STUDY, row[1]!, row, "dataset", 16), null); // the study has none of that size
  const style = { ...first.style, regions: 8 };
  const limits = cellLimits(STUDY, row[1]!, row, { ...first.normalization, scope: "dataset" }, style, maps)!;
  assert.deepEqual([limits.low, limits.high], [-100, 100]);
  const words = normalizationWords(STUDY, [row], { ...first.normalization, scope: "dataset" }, style, maps).join(" ");
  assert.match(words, /run from −100 to 100 of probability a patch\./);
});

test("a contrast shares ranges with the same contrast only, and leaves those of classes as they are", () => {
  const all = { ...first, targets: ["eagle", "magpie", "crow"] };
  const row = rowsOf(CONTRAST, all, maps)[0]!;
  const of = (place: number, scope: Scope) => {
    const found = sharedRange(CONTRAST, row[place]!, row, scope, 1)!;
    return [found.minimum, found.maximum, found.n_maps];
  };
  for (const scope of ["image", "pair", "targets"] as const) assert.deepEqual(of(2, scope), [-4, 9, 1]);
  assert.deepEqual(of(2, "models"), [-6, 5, 2]);
  assert.deepEqual(of(2, "variant"), [-20, 10, 100]);
  assert.deepEqual(of(2, "dataset"), [-30, 40, 200]);
  assert.deepEqual(of(2, "raw"), [-5, 5, 6]); // one scale for all
  assert.deepEqual(of(0, "pair"), [-3, 8, 2]); // of the two classes
  assert.deepEqual(of(0, "dataset"), [-8, 20, 600]);
  const chosen: Normalization = { ...first.normalization, scope: "pair" };
  const words = normalizationWords(CONTRAST, [row], chosen, first.style, maps).join(" ");
  assert.match(words, /^Title of pair.* −9\.00 to 9\.00 \(trained, crow\).*A contrast is by itself\.$/);
});

test("of contrasts alone the statement says that their range is not that of classes", () => {
  const rows = rowsOf(CONTRAST, { ...first, targets: ["crow"] }, maps);
  const of = (scope: Scope) =>
    normalizationWords(CONTRAST, rows, { ...first.normalization, scope }, first.style, maps).join(" ");
  assert.match(of("dataset"), /^Title of dataset \(minimum and maximum of the 200 maps of one contrast\)\./);
  assert.match(of("dataset"), /Compare these\. A contrast is by itself\.$/);
  assert.match(of("variant"), /A contrast is by itself\.$/);
  assert.match(of("targets"), /^Title of image/); // it is alone there
  for (const scope of ["image", "targets", "raw"] as const) assert.doesNotMatch(of(scope), /by itself|A pair/);
});

test("a range is incomplete where one of a pair is not there", () => {
  const row = rowsOf(STUDY, first, maps)[0]!;
  const lost = { ...row[1]!, map: { ...row[1]!.map, minimum: null, maximum: null } };
  const found = sharedRange(STUDY, row[0]!, [row[0]!, lost], "pair", 1)!;
  assert.equal(found.complete, false);
  assert.equal(found.n_maps, 1);
  assert.equal(sharedRange(STUDY, lost, [lost], "image", 1), null);
});

test("quantiles are of pixels where all maps of the range are here, of histograms elsewhere", () => {
  const row = rowsOf(STUDY, first, maps)[0]!;
  const vmax = (scope: Scope) =>
    cellLimits(STUDY, row[0]!, row, { scope, rule: "percentile", percentile: 90, low: 0, high: 0 }, first.style,
      { ...maps, magnitude: (blocks: string[]) => blocks.length / 100 } as unknown as typeof maps)!.high;
  assert.equal(vmax("pair"), 0.02); // two maps
  assert.equal(vmax("targets"), 0.03); // three, one of which is not shown
  assert.equal(vmax("models"), 0.06);
  assert.equal(vmax("variant"), 9); // 90 % of the table
});

test("a pair of other than two targets is another scope, and the words say so", () => {
  const chosen: Normalization = { ...first.normalization, scope: "pair" };
  assert.equal(scopeOf(chosen, 3), "targets");
  assert.equal(scopeOf(chosen, 1), "image");
  const three = rowsOf(STUDY, { ...first, targets: ["eagle", "magpie", "crow"] }, maps);
  const words = normalizationWords(STUDY, three, chosen, first.style, maps).join(" ");
  assert.match(words, /A pair has two classes, 3 are shown\. Title of targets/);
});

test("the statement names the choice, its ranges, and what it makes incomparable", () => {
  const rows = rowsOf(STUDY, first, maps);
  const pair = normalizationWords(STUDY, rows, first.normalization, first.style, maps).join(" ");
  assert.match(pair, /^Title of pair \(minimum and maximum of the 2 maps\)\. Rule symmetric 99\./);
  assert.match(pair, /−8\.00 to 8\.00 \(trained\); −1\.00 to 1\.00 \(random-1\)/);
  assert.match(pair, /Compare all\. Beware of pair\.$/);
  const joint = normalizationWords(STUDY, rows, { ...first.normalization, scope: "dataset" }, first.style, maps).join(" ");
  const sentences = normalizationWords(STUDY, rows, first.normalization, first.style, maps).map((each) => each.split(". ").length);
  assert.ok(sentences.length === 2 && sentences.every((count) => count <= 3));
  assert.match(joint, /run from −20\.0 to 20\.0 of probability a pixel\. Compare all\.$/);
  const clipped = normalizationWords(STUDY, rows, { ...first.normalization, scope: "dataset", rule: "percentile", percentile: 95 }, first.style, maps).join(" ");
  assert.match(clipped, /Rule percentile 95\. Histograms, within 15\.5 %/);
  const raw = normalizationWords(STUDY, rows, { ...first.normalization, scope: "raw", rule: "min-max" }, first.style, maps).join(" ");
  assert.match(raw, /not normalized: one scale.*Rule symmetric/);
});

test("an incomplete range is not called joint without a word", () => {
  const study = { ...STUDY, dataset: { ...STUDY.dataset!, complete: false } };
  const rows = rowsOf(study, first, maps);
  assert.match(normalizationWords(study, rows, { ...first.normalization, scope: "dataset" }, first.style, maps).join(" "), /Only 600 maps/);
});

test("ranges that lack maps are named, in any row, with how many are there; contrasts beside classes, too", () => {
  const lacking = (study: PageStudy, scope: Scope, targets: string[]) =>
    normalizationWords(study, rowsOf(study, { ...first, targets }, maps), { ...first.normalization, scope }, first.style, maps).join(" ");
  const variants = STUDY.variants.map((each, place) => ({ ...each, range: range(-1, 1, 300 - place, !place) }));
  assert.match(lacking({ ...STUDY, variants }, "variant", ["eagle"]), / Missing of random-1 \(299 maps there\)\. /);
  const contrasts = { ...CONTRAST, contrasts: { 2: range(-1, 1, 199, false) } };
  assert.match(lacking(contrasts, "dataset", ["eagle", "crow"]), / Missing of crow \(199 maps there\)\. /);
  assert.match(lacking(contrasts, "dataset", ["crow"]), / Only 199 maps\. /);
  assert.doesNotMatch(lacking(contrasts, "dataset", ["eagle"]), /Missing|Only/);
  const classes = { ...CONTRAST, dataset: range(-1, 1, 599, false) };
  assert.match(lacking(classes, "dataset", ["eagle", "crow"]), / Missing of the classes \(599 maps there\)\. /);
  const [one, two] = STUDY.images[0]!.variants as [ImageVariant, ImageVariant];
  const gone = two.maps.map((map, place) => (place ? map : { ...map, minimum: null, maximum: null }));
  const image = { ...STUDY.images[0]!, variants: [one, { ...two, maps: gone }] };
  assert.match(lacking({ ...STUDY, images: [image] }, "pair", ["eagle", "magpie"]), / Missing of random-1 \(1 map there\)\. /);
});

test("what follows from values is made again when any map is unpacked, also where the first is not kept", () => {
  const [one, ...others] = STUDY.images[0]!.variants[0]!.maps;
  const place = { ...STUDY.images[0]!.variants[0]!, maps: [{ ...one!, block: "" }, ...others] };
  const study = { ...STUDY, images: [{ ...STUDY.images[0]!, variants: [place] }] };
  const empty = { ...maps, get: () => undefined, regions: () => undefined } as unknown as typeof maps;
  const [before, after] = [empty, maps].map((each) => rowsOf(study, first, each)[0]!);
  assert.equal(after![0]!.raw, undefined);
  assert.notEqual(unpackedKey(before!), unpackedKey(after!));
});

test("the style is stated where it changes what is seen", () => {
  assert.equal(styleWords(STUDY, first.style), "");
  const all = styleWords(STUDY, { regions: 1, part: "absolute", level: 4, palette: "gray", contour: 5, blur: 4, opacity: 0.5 });
  for (const words of [/^Part absolute/, /level of 4\.0/, /contour of 5/, /blur of 4/, /opacity of 0\.5/, /Gray/]) assert.match(all, words);
});

test("patches are stated, and their contour has no blur", () => {
  const words = styleWords(STUDY, { ...first.style, regions: 4, contour: 5, blur: 4 });
  assert.equal(words, "Patches of 4. A contour of 5.");
});

test("an image on which none of the chosen variants is computed says so", () => {
  const image = { ...STUDY.images[0]!, variants: STUDY.images[0]!.variants.slice(0, 1) };
  const study = { ...STUDY, images: [image] };
  const rows = rowsOf(study, { ...first, variants: ["random-1"] }, maps);
  assert.deepEqual(rows, []);
  assert.match(normalizationWords(study, rows, first.normalization, first.style, maps).join(" "), /^None of the chosen/);
});

/** STUDY with targets eagle, predicted and top-2 whose maps are those of classes 0, 0 and 1. */
function following(change: (map: (typeof STUDY.images)[0]["variants"][0]["maps"][0], variant: number) => object = () => ({})) {
  const targets = ["eagle", "predicted", "top-2"].map((id) => ({ id, name: id, contrast: false }));
  const images = STUDY.images.map((image) => ({
    ...image,
    variants: image.variants.map((place) => {
      const [eagle, magpie] = place.maps;
      const follows = [{ ...eagle!, target: 1, class_name: "eagle" }, { ...magpie!, target: 2, class_name: "magpie" }];
      return { ...place, maps: [eagle!, ...follows].map((map) => ({ ...map, ...change(map, place.variant) })) };
    }),
  }));
  const study = { ...STUDY, targets, images };
  return { study, view: firstView(study) };
}

test("a target that follows the image names its class, and one map stands for targets of one class", () => {
  const { study, view } = following();
  const rows = rowsOf(study, view, maps);
  assert.deepEqual(rows.map((row) => row.map((cell) => cell.title)), [["eagle", "top-2: magpie"], ["eagle", "top-2: magpie"]]);
  assert.equal(alsoWords(rows[0]![0]!), "predicted is eagle too");
  assert.equal(alsoWords(rows[0]![1]!), "");
  const two = rowsOf(study, { ...view, targets: ["predicted", "top-2"] }, maps);
  assert.deepEqual(two[0]!.map((cell) => cell.title), ["predicted: eagle", "top-2: magpie"]);
  const csv = viewCsv(study, rows, view, maps).trimEnd().split("\n").map((line) => line.split(","));
  assert.deepEqual(csv.slice(1).filter((line) => line[1] === "trained").map((line) => `${line[2]} ${line[3]}`),
    ["eagle ", "eagle ", "predicted eagle", "predicted eagle", "top-2 magpie", "top-2 magpie"]);
});

test("two targets of one class have the range of their one map, and the statement says why", () => {
  const { study, view } = following();
  const both = { ...view, targets: ["eagle", "predicted"], normalization: { ...view.normalization, scope: "pair" as const } };
  const rows = rowsOf(study, both, maps);
  assert.deepEqual(rows.map((row) => row.length), [1, 1]);
  assert.equal(cellLimits(study, rows[0]![0]!, rows[0]!, both.normalization, both.style, maps)!.high, 7);
  assert.match(normalizationWords(study, rows, both.normalization, both.style, maps).join(" "), /2 targets are one class/);
});

test("maps of one class stay apart where they differ, and where one row has other classes", () => {
  const differs = following((map, variant) => (variant && map.target === 1 ? { sum: 2 } : {}));
  assert.deepEqual(rowsOf(differs.study, differs.view, maps).map((row) => row.length), [3, 3]);
  const contrast = following(() => ({ class_index: null }));
  assert.deepEqual(rowsOf(contrast.study, contrast.view, maps).map((row) => row.length), [3, 3]);
});
