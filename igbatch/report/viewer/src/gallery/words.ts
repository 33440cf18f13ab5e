/** What the gallery says of images and maps that it lacks. */

import { count, percent } from "../format.ts";
import type { GallerySet, GalleryStudy } from "../gallery_types.ts";

/** Say why an image has no map in a set. */
export function absence(set: GallerySet, place: number): string {
  if (!set.computed[place]) return "No map: not computed, or in quarantine.";
  return set.scales[place] === null ? "The map was not kept; its numbers were." : "Unpacking…";
}

/** Say how many images are shown, and how many of these have no map. */
export function countWords(study: GalleryStudy, set: GallerySet | undefined, places: number[]): string {
  const all = study.images.length;
  const shown =
    places.length === all
      ? count(all, "image")
      : `${places.length.toLocaleString("en-US")} of ${count(all, "image")}`;
  const without = places.filter((place) => set?.scales[place] == null).length;
  return without ? `${shown}; ${without.toLocaleString("en-US")} without a map here` : shown;
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
