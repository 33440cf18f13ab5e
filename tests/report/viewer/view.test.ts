import assert from "node:assert/strict";
import { test } from "node:test";

import { bounded, firstView, fromFragment, isView, toFragment, type View, zoomed } from "../../../igbatch/report/viewer/src/view.ts";
import { STUDY } from "./study.ts";

const CHANGED: View = {
  image: "b.png", variants: ["random-1"], targets: ["magpie", "crow"],
  normalization: { scope: "models", rule: "percentile", percentile: 97.3, low: -1, high: 1 },
  beside: { scope: "raw", rule: "fixed", percentile: 99, low: -2.5e-7, high: 1e-3 },
  style: { regions: 8, part: "absolute", level: 2.5, palette: "gray", contour: 7, blur: 3, opacity: 0.35 },
  outlines: false, zoom: { k: 3, x: -0.5, y: -1.25 }, size: 2,
  boxes: [{ x_min: 0, y_min: 1, x_max: 4, y_max: 3 }, { x_min: 1, y_min: 0, x_max: 2, y_max: 1 }],
};

test("a link restores its view", () => {
  for (const view of [firstView(STUDY), CHANGED]) {
    const fragment = toFragment(view);
    assert.ok(isView(fragment));
    const { view: restored, strange } = fromFragment(STUDY, fragment);
    assert.deepEqual(strange, []);
    assert.equal(toFragment(restored), fragment);
    assert.deepEqual({ ...restored, normalization: null, beside: null }, { ...view, normalization: null, beside: null });
  }
});

test("a link of before opens the same view", () => {
  const link =
    "#view?image=b.png&variant=random-1&target=magpie&target=crow&range=models+percentile+97.3&beside=raw+fixed+-2.5e-7+0.001" +
    "&part=absolute&level=2.5&colors=gray&contour=7+3&opacity=0.35&boxes=hidden&zoom=3+-0.5+-1.25&size=2&box=0+1+4+3&box=1+0+2+1";
  const { view, strange } = fromFragment(STUDY, link);
  assert.deepEqual(strange, []);
  const style = { ...CHANGED.style, regions: 1 }; // which knew pixels only
  assert.deepEqual({ ...view, beside: null }, { ...CHANGED, style, beside: null });
  assert.deepEqual(view.beside, { ...CHANGED.beside, percentile: 97.3 });
});

test("regions that the page does not have are named", () => {
  const { view, strange } = fromFragment(STUDY, "#view?regions=5");
  assert.equal(view.style.regions, 1);
  assert.deepEqual(strange, ["regions of 5 pixels"]);
});

test("numbers in a link are kept within the limits of their knobs", () => {
  const { level, contour, blur, opacity } = fromFragment(STUDY, "#view?level=99&contour=99+99&opacity=-1").view.style;
  assert.deepEqual([level, contour, blur, opacity], [20, 60, 16, 0]);
});

test("names of any kind survive a link", () => {
  for (const id of ["a&b=c d+%20#x", "ü/鷲", '"><script>', "\ud800broken"]) {
    const study = { ...STUDY, images: [STUDY.images[0]!, { ...STUDY.images[1]!, id }] };
    assert.equal(fromFragment(study, toFragment({ ...firstView(study), image: id })).view.image, id);
  }
});

test("what a link names and the page does not hold is listed, and the rest is restored", () => {
  const { view, strange } = fromFragment(STUDY, "#view?image=gone.png&variant=trained&variant=lost&opacity=0.5");
  assert.deepEqual(strange, ["the image “gone.png”", "the variant “lost”"]);
  assert.equal(view.image, "a.png");
  assert.deepEqual(view.variants, ["trained"]);
  assert.equal(view.style.opacity, 0.5);
});

test("nonsense in a link is nothing", () => {
  const nonsense = "#view?range=pear+upside&part=x&level=NaN&contour=-4+900&opacity=7&zoom=a+b+c&size=0.5&box=1+2&box=9+9+1+1&box=0+0+99+99";
  const { view } = fromFragment(STUDY, nonsense);
  const first = firstView(STUDY);
  assert.deepEqual(view, { ...first, style: { ...first.style, blur: 16 } });
});

test("what is shown at first fits the targets", () => {
  const pair = firstView({ ...STUDY, targets: STUDY.targets.slice(0, 2), first: [1] });
  assert.equal(pair.normalization.scope, "pair");
  assert.deepEqual(pair.variants, ["random-1"]);
  assert.equal(firstView({ ...STUDY, targets: STUDY.targets.slice(2) }).normalization.scope, "image");
  assert.equal(firstView(STUDY).normalization.scope, "targets");
});

test("the zoom stays within the image, and keeps the middle where it can", () => {
  assert.deepEqual(bounded({ k: 0.5, x: 3, y: -3 }), { k: 1, x: 0, y: 0 });
  assert.deepEqual(bounded({ k: 2, x: -5, y: 1 }), { k: 2, x: -1, y: 0 });
  const near = zoomed({ k: 1, x: 0, y: 0 }, 2);
  assert.deepEqual(near, { k: 2, x: -0.5, y: -0.5 });
  assert.deepEqual(zoomed(near, 0.5), { k: 1, x: 0, y: 0 });
});
