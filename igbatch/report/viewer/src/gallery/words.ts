/** What the gallery says of images and maps that it lacks. */

import { count, orDash, percent } from "../format.ts";
import type { GallerySet, GalleryStudy } from "../gallery_types.ts";
import { valuesOf } from "./rows.ts";
import { type GalleryView, isLimited } from "./view.ts";

/** Write a stored number, whole ones without decimals; a dash where there is none. */
export function stored(value: number | null | undefined): string {
  if (value == null || !Number.isInteger(value) || Math.abs(value) >= 1e6) return orDash(value);
  return value.toLocaleString("en-US").replace("-", "−");
}

/** Say why an image has no map in a set. */
export function absence(set: GallerySet, place: number): string {
  if (!set.computed[place]) return "No map: not computed, or in quarantine.";
  return set.scales[place] === null ? "The map was not kept; its numbers were." : "Unpacking…";
}

/** Say how many images are shown, how many of these have no map, and how many a number cannot tell of. */
export function countWords(
  study: GalleryStudy,
  view: GalleryView,
  set: GallerySet | undefined,
  places: number[],
): string {
  const all = study.images.length;
  const n = (images: number): string => images.toLocaleString("en-US");
  const lines = [
    places.length === all ? count(all, "image") : `${n(places.length)} of ${count(all, "image")}`,
  ];
  const without = places.filter((place) => set?.scales[place] == null).length;
  if (without) lines.push(`${n(without)} of these without a map`);
  const unnumbered = isLimited(view)
    ? valuesOf(study, view, view.filter).filter((value) => value === null).length
    : 0;
  if (unnumbered) lines.push(`${n(unnumbered)} have no such number and are not among them`);
  return `${lines.join("; ")}.`;
}

/** Say how many regions take the end colours; empty where none does. */
export function beyondWords(study: GalleryStudy, out: number, all: number, whose: string): string {
  if (!out) return "";
  const regions = study.regions === 1 ? count(out, "pixel") : count(out, "patch", "patches");
  return `${regions} ${whose} (${percent(out / all)}) ${out === 1 ? "takes" : "take"} the end colours.`;
}

/** Say whose maps are shown, and in which unit. */
export function mapWords(study: GalleryStudy, { variant, target }: GallerySet): string {
  const unit = study.unit.startsWith("of ") ? `units ${study.unit}` : study.unit;
  return `Maps of ${study.variants[variant]!.name} for ${study.targets[target]!.name}, in ${unit}.`;
}
