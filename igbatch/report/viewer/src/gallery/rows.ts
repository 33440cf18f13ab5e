/** Which images are shown, in which order, and the groups that mean maps are of. */

import { number } from "../format.ts";
import type { GallerySet, GalleryStudy } from "../gallery_types.ts";
import { quantile } from "../limits.ts";
import type { RawMap } from "../raw_map.ts";
import { type GalleryView, isLimited } from "./view.ts";

type Values = (number | null)[];

/** Return the set of maps that a view shows; undefined where the gallery has none. */
export function setOf(study: GalleryStudy, view: GalleryView): GallerySet | undefined {
  return study.sets.find((set) => set.variant === view.variant && set.target === view.target);
}

/** Return a stored number of every image, under the variant and target of a view. */
export function valuesOf(study: GalleryStudy, view: GalleryView, key: string): Values {
  const found = study.values[key] ?? setOf(study, view)?.values[key];
  return found ?? study.images.map(() => null);
}

/** Return the places of the images that a view shows, in its order; those without the number come last. */
export function placesOf(study: GalleryStudy, view: GalleryView): number[] {
  const text = view.text.trim().toLowerCase();
  const predictions = study.variants[view.variant]?.predictions ?? [];
  const limited = isLimited(view);
  const bounded = limited ? valuesOf(study, view, view.filter) : [];
  const fits = (value: number | null | undefined): boolean =>
    value != null && (view.from === null || value >= view.from) && (view.to === null || value <= view.to);
  const places = study.images.flatMap((image, place) =>
    (view.label === null || image.label === view.label) &&
    (view.prediction === null || predictions[place] === view.prediction) &&
    (!text || image.name.toLowerCase().includes(text)) &&
    (!limited || fits(bounded[place]))
      ? [place]
      : [],
  );
  if (!view.sort) return view.descending ? places : places.reverse();
  const values = valuesOf(study, view, view.sort);
  const sign = view.descending ? -1 : 1;
  return places.sort((one, other) => {
    const [a, b] = [values[one] ?? null, values[other] ?? null];
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    return sign * (a - b);
  });
}

/** Some images, and what they have in common. */
export interface Group {
  name: string;
  places: number[];
}

/** Group images by label, by the class that the variant ranks first, or by quarters of a number. */
export function groupsOf(study: GalleryStudy, view: GalleryView, places: number[]): Group[] {
  if (view.group !== "label" && view.group !== "prediction") {
    const groups = quartersOf(places, valuesOf(study, view, view.group));
    const without = groups.find((group) => !group.name);
    if (without) without.name = study.words.unnumbered;
    return groups;
  }
  const predictions = study.variants[view.variant]?.predictions ?? [];
  const found = new Map<string, number[]>();
  for (const place of places) {
    const name = view.group === "label" ? study.images[place]!.label : (predictions[place] ?? "");
    found.set(name, [...(found.get(name) ?? []), place]);
  }
  return [...found]
    .map(([name, members]) => ({ name: name || study.words.unlabelled, places: members }))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** Part images at the quartiles of their numbers; those without one are a group without a name, the last. */
export function quartersOf(places: number[], values: Values): Group[] {
  const numbered = places.filter((place) => values[place] != null);
  const ascending = Float64Array.from(numbered, (place) => values[place]!).sort();
  const ends = [0, 25, 50, 75, 100].map((percent) => quantile(ascending, percent));
  const groups = [0, 1, 2, 3].map((which): Group => {
    const [low, high] = [ends[which]!, ends[which + 1]!];
    const inside = (value: number): boolean => (which === 0 || value > low) && value <= high;
    const members = numbered.filter((place) => inside(values[place]!));
    return { name: `${which ? "above" : "from"} ${number(low)} to ${number(high)}`, places: members };
  });
  const without = places.filter((place) => values[place] == null);
  return [...groups, { name: "", places: without }].filter((group) => group.places.length);
}

/** Return the map of one image as sums over patches; null where the set has none. */
export function mapAt(set: GallerySet, integers: Int16Array, place: number): RawMap | null {
  const scale = set.scales[place] ?? null;
  const size = set.width * set.height;
  if (scale === null || !size) return null;
  const own = integers.subarray(place * size, (place + 1) * size);
  return { width: set.width, height: set.height, integers: own, scale };
}

/** The mean of the maps of some images, and how many of these have one. */
export interface Mean {
  map: RawMap;
  n: number;
  /** The mean of the stored sums of these maps: values of thumbnails are rounded. */
  sum: number;
}

const STEPS = 2 ** 30;
const SUM = "map sum";

/** Return the mean of maps; null where none of the images has one. It is rounded to a billionth of its largest value. */
export function meanOf(set: GallerySet, integers: Int16Array, places: number[]): Mean | null {
  const total = new Float64Array(set.width * set.height);
  let [n, sum] = [0, 0];
  for (const place of places) {
    const map = mapAt(set, integers, place);
    if (!map) continue;
    n++;
    sum += set.values[SUM]?.[place] ?? 0;
    for (let i = 0; i < total.length; i++) total[i]! += map.integers[i]! * map.scale;
  }
  if (!n) return null;
  const mean = total.map((value) => value / n);
  const scale = mean.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) / STEPS;
  const rounded = Int32Array.from(mean, (value) => (scale ? Math.round(value / scale) : 0));
  const map = { width: set.width, height: set.height, integers: rounded, scale };
  return { map, n, sum: sum / n };
}
