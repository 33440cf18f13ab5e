/** The ends of the colours of thumbnails: of all alike, or of each image's own. */

import { beyond } from "../colors.ts";
import { count } from "../format.ts";
import type { GallerySet, GalleryStudy, RegionRange } from "../gallery_types.ts";
import { type Limits, limitsOf, quantile, tabled } from "../limits.ts";
import type { RawMap } from "../raw_map.ts";
import type { Normalization } from "../style.ts";
import { contrastWords } from "../words.ts";
import { mapAt, setOf } from "./rows.ts";
import type { Unpacked } from "./set_store.ts";
import type { GalleryView } from "./view.ts";

/** Return the normalization of a view. */
export function normalizationOf({ scope, rule, percentile }: GalleryView): Normalization {
  return { scope, rule, percentile, low: -1, high: 1 };
}

/** Return the range that all thumbnails of a set share under a view; null where each image has its own. */
export function commonRange(
  study: GalleryStudy,
  view: GalleryView,
  set: GallerySet | undefined = setOf(study, view),
): RegionRange | null {
  if (view.scope === "raw") return study.raw;
  if (view.scope === "dataset") return set?.dataset ?? null;
  return view.scope === "variant" ? (set?.range ?? null) : null;
}

/** Return the ends of colours that a range comes to. */
export function commonLimits(range: RegionRange, view: GalleryView): Limits {
  return limitsOf(range, normalizationOf(view), "signed", (of) => tabled(range, of));
}

/** Return the ends of colours that maps of one image, or means, share, from their values. */
export function ownLimits(maps: RawMap[], view: GalleryView): Limits {
  const magnitudes = new Float64Array(maps.reduce((count, map) => count + map.integers.length, 0));
  let [minimum, maximum] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let filled = 0;
  for (const { integers, scale } of maps) {
    for (const integer of integers) {
      const value = integer * scale;
      if (value < minimum) minimum = value;
      if (value > maximum) maximum = value;
      magnitudes[filled++] = Math.abs(value);
    }
  }
  const magnitude = (of: number): number => quantile(magnitudes.sort(), of);
  return limitsOf({ minimum, maximum }, normalizationOf(view), "signed", magnitude);
}

/** Count the regions of the maps in view that lie beyond the ends of their colours, and all of them. */
export function countBeyond(
  study: GalleryStudy,
  view: GalleryView,
  set: GallerySet,
  unpacked: Unpacked,
  places: number[],
): [number, number] {
  const integers = unpacked.get(study.sets.indexOf(set));
  const range = commonRange(study, view);
  const common = range && commonLimits(range, view);
  let [out, all] = [0, 0];
  for (const place of integers ? places : []) {
    const map = mapAt(set, integers!, place);
    const limits = common ?? imageLimits(study, view, unpacked, place).get(view.target);
    if (!map || !limits) continue;
    out += beyond(map, limits, "signed", map.scale / 2);
    all += map.integers.length;
  }
  return [out, all];
}

/** State whose range the colours stand for, where they end, and what may be compared. */
export function rangeWords(study: GalleryStudy, view: GalleryView): string {
  const { scopes, rules, regions, sentences } = study.knobs;
  const about = scopes.find((each) => each.scope === view.scope)!;
  const range = commonRange(study, view);
  const maps = count(
    range?.n_maps ?? study.sets.filter((set) => set.variant === view.variant && !set.alone).length,
    "map",
  );
  const alone = setOf(study, view)?.alone ?? false;
  const words = alone ? contrastWords(about) : about;
  const over = words.over.replaceAll("{maps}", maps);
  const applied = view.scope === "raw" ? "symmetric" : view.rule;
  const rule = rules.find((each) => each.rule === applied)!.words;
  const lines = [
    view.scope === "raw" ? `${about.title}: one scale for ${over}.` : `${about.title} (of ${over}).`,
    range && !range.complete ? sentences.missing.replaceAll("{maps}", maps) : "",
    rule.replaceAll("{p}", String(view.percentile)),
    range && applied === "percentile"
      ? sentences.histogram.replaceAll("{error}", `${(100 * study.quantile_error).toFixed(1)} %`)
      : "",
    words.compare && `Compare ${words.compare}.`,
    about.beware,
    alone && view.scope !== "raw" && view.scope !== "image" ? sentences.contrast : "",
    regions.find((each) => each.size === study.regions)?.words ?? "",
  ];
  return lines.filter(Boolean).join(" ");
}

/** Return the ends of the colours of one image's maps, by target: its maps' own where they share no other range. */
export function imageLimits(
  study: GalleryStudy,
  view: GalleryView,
  unpacked: Unpacked,
  place: number,
): Map<number, Limits> {
  const maps = study.sets.flatMap((set, at) => {
    const integers = set.variant === view.variant ? unpacked.get(at) : undefined;
    const map = integers && mapAt(set, integers, place);
    return map ? [{ set, map }] : [];
  });
  const together = maps.filter(({ set }) => view.scope !== "image" && !set.alone).map(({ map }) => map);
  return new Map(
    maps.map(({ set, map }) => {
      const range = commonRange(study, view, set);
      if (range) return [set.target, commonLimits(range, view)];
      return [set.target, ownLimits(together.includes(map) ? together : [map], view)];
    }),
  );
}
