/** A study for tests: two variants, three targets, maps of 4 x 3 pixels whose values are given. */

import type { MapStore } from "../../../igbatch/report/viewer/src/map_store.ts";
import { type RawMap, regionsOf } from "../../../igbatch/report/viewer/src/raw_map.ts";
import type { Knob, Range, StoredMap, PageStudy } from "../../../igbatch/report/viewer/src/study_types.ts";

import { firstView, type View } from "../../../igbatch/report/viewer/src/view.ts";

export const SIZE = { width: 4, height: 3 };

/** Return a map of integers times a scale. */
export function raw(integers: number[], scale = 1): RawMap {
  return { ...SIZE, integers: Int16Array.from(integers), scale };
}

/** Return a range whose quantiles rise evenly to its largest magnitude; of patches of 4 and 8 it is 3 and 5 times as wide. */
export function range(minimum: number, maximum: number, n_maps: number, complete = true): Range {
  const most = Math.max(-minimum, maximum);
  const of = (times: number) => ({
    minimum: times * minimum, maximum: times * maximum, n_maps, complete,
    quantiles: Array.from({ length: 101 }, (_, i) => (times * most * (900 + i)) / 1000),
  });
  return { ...of(1), patches: { 4: of(3), 8: of(5) } };
}

function stored(target: number, block: string, minimum: number, maximum: number): StoredMap {
  return {
    target, block, scale: 1, missing: block ? "" : "not kept", class_index: target, class_name: "", minimum, maximum, sum: 1, abs_sum: 10, probability: 0.5,
    score: 0.75, score_baseline: 0.25,
    patches: { 4: { minimum: 3 * minimum, maximum: 3 * maximum }, 8: { minimum: 5 * minimum, maximum: 5 * maximum } }, gap: 0.5, steps: 8, converged: true, marks: [],
    boxes: [{ box: 0, pixels: 4, sum: 3, share: 0.3, sum_spread: null, sign_agreement: null, deletion: null, deletion_blurred: null, true_effect: null }],
  };
}

function knob(name: string, minimum: number, maximum: number, standard: number): Knob {
  return { title: name, minimum, maximum, step: 1, default: standard, words: `A ${name} of {value}.` };
}

export const STUDY: PageStudy = {
  format: 2, name: "a study", unit: "of probability", quantile_error: 0.155,
  raw: range(-5, 5, 6), dataset: range(-8, 20, 600), contrasts: {},
  knobs: {
    scopes: (["raw", "image", "pair", "targets", "models", "variant", "dataset"] as const).map((scope) => ({
      scope, title: `Title of ${scope}`, over: "the {maps}", compare: scope === "image" ? "shapes only" : "all",
      beware: scope === "dataset" || scope === "raw" ? "" : `Beware of ${scope}.`,
      contrast_over: scope === "dataset" ? "the {maps} of one contrast" : "", contrast_compare: scope === "dataset" ? "these" : "",
    })),
    regions: [1, 4, 8].map((size) => ({
      size, title: `Regions of ${size}`, label: "", one: size === 1 ? "pixel" : "patch", many: size === 1 ? "pixels" : "patches",
      words: size === 1 ? "" : `Patches of ${size}.`,
    })),
    rules: (["symmetric", "min-max", "percentile", "fixed"] as const).map((rule) => ({ rule, title: `${rule} {p}`, words: `Rule ${rule} {p}.` })),
    parts: (["signed", "positive", "negative", "absolute"] as const).map((part) => ({ part, title: part, words: part === "signed" ? "" : `Part ${part}.` })),
    palettes: [
      { palette: "red-white-blue", title: "Red", colors: ["#ff0000", "#ffffff", "#0000ff"] },
      { palette: "gray", title: "Gray", colors: ["#000000", "#808080", "#ffffff"] },
    ],
    limits: {
      percentile: knob("percentile", 90, 100, 99), level: knob("level", 1, 20, 1), contour: knob("contour", 0, 60, 0),
      blur: knob("blur", 0, 16, 4), opacity: knob("opacity", 0, 1, 1),
    },
    sentences: {
      missing: "Only {maps}.", missing_of: "Missing of {named}.", histogram: "Histograms, within {error}.", contrast: "A contrast is by itself.", lacking: "",
    },
  },
  variants: [
    { id: "trained", name: "trained", kind: "trained", model: "small", range: range(-4, 10, 300), contrasts: {} },
    { id: "random-1", name: "random-1", kind: "random", model: "small", range: range(-1, 1, 300), contrasts: {} },
  ],
  targets: ["eagle", "magpie", "crow"].map((id) => ({ id, name: id, contrast: false })),
  images: ["a.png", "b.png"].map((id) => ({
    id, name: id, label: "eagle", chosen: "featured", range: range(-4, 9, 6), contrasts: {},
    frames: [{ model: "small", ...SIZE, picture: "", missing: "gone",
               boxes: [{ box_id: "0", name: "eagle", color: "#e08a00", x_min: 0, y_min: 0, x_max: 2, y_max: 2 }], labels: {} }],
    variants: [0, 1].map((variant) => ({
      variant, prediction: "eagle", range: variant ? range(-1, 1, 3) : range(-4, 9, 3),
      maps: [0, 1, 2].map((target) => stored(target, `${id}-${variant}-${target}`, variant ? -1 : -2 - target, variant ? 0.5 : 7 + target)),
    })),
  })),
  first: [],
  first_regions: 1,
  first_scope: null,
  noun: "variant",
  aggregates: [],
  history: [],
};

/** The first two targets of STUDY in its first image, under the range of the pair. */
export const PAIR: View = { ...firstView({ ...STUDY, targets: STUDY.targets.slice(0, 2) }) };

/** STUDY with its third target as a contrast, whose maps have ranges of their own. */
export const CONTRAST: PageStudy = {
  ...STUDY,
  targets: STUDY.targets.map((each, place) => ({ ...each, contrast: place === 2 })),
  contrasts: { 2: range(-30, 40, 200) },
  variants: STUDY.variants.map((each) => ({ ...each, contrasts: { 2: range(-20, 10, 100) } })),
  images: STUDY.images.map((each) => ({ ...each, contrasts: { 2: range(-6, 5, 2) } })),
};

/** Return a store in which every map of STUDY holds -5 to 6, times its variant's scale. */
export function store(): MapStore {
  const integers = Array.from({ length: 12 }, (_, i) => i - 5);
  return {
    get: (block: string) => (block ? raw(integers, block.includes("-0-") ? 1 : 0.1) : undefined),
    regions: (block: string, size: number) =>
      block ? regionsOf(raw(integers, block.includes("-0-") ? 1 : 0.1), size) : undefined,
    broken: new Map(),
    magnitude: (blocks: string[], percent: number) => blocks.length * percent,
  } as unknown as MapStore;
}
