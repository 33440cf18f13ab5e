/** What a view shows: its maps in rows and columns, the range of each under a normalization, and its colours' ends. */

import { listing } from "./format.ts";
import { type Limits, limitsOf, tabled } from "./limits.ts";
import type { MapStore } from "./map_store.ts";
import type { RawMap, Regions } from "./raw_map.ts";
import type {
  ImageVariant,
  ModelFrame,
  PageStudy,
  PageTarget,
  PageVariant,
  Range,
  RegionChoice,
  RegionRange,
  StoredMap,
  StudyImage,
} from "./study_types.ts";
import type { ColorStyle, Normalization, Scope } from "./style.ts";
import { imageOf, type View } from "./view.ts";

/** One map of the view, with all that belongs to it. `raw` is undefined where it has no values here. */
export interface Cell {
  image: StudyImage;
  place: ImageVariant;
  variant: PageVariant;
  target: PageTarget;
  /** What the target is called on this image: one that follows the image names its class, as "predicted: eagle". */
  title: string;
  /** Other targets that are the same class here, with the same map, which is shown once. */
  also: { target: PageTarget; map: StoredMap }[];
  map: StoredMap;
  frame: ModelFrame;
  raw: RawMap | undefined;
  /** What is shown of it: sums over regions, or its pixels themselves. */
  regions: Regions | undefined;
  /** Why there are no values; empty where there are, or while they are unpacked. */
  missing: string;
}

/** The range that maps share, and how quantiles of it are known. */
export interface Shared {
  minimum: number;
  maximum: number;
  n_maps: number;
  complete: boolean;
  /** Maps of the page that are all there is in this range; null where there are others. */
  blocks: string[] | null;
  table: RegionRange | null;
}

/** Return the maps of a view, a row for each variant, a column for each target or class of several targets. */
export function rowsOf(study: PageStudy, view: View, store: MapStore): Cell[][] {
  const image = imageOf(study, view);
  if (!image) return [];
  const rows = image.variants
    .filter((place) => view.variants.includes(study.variants[place.variant]!.id))
    .map((place) => {
      const variant = study.variants[place.variant]!;
      const frame = image.frames.find((each) => each.model === variant.model) ?? image.frames[0]!;
      return place.maps
        .filter((map) => view.targets.includes(study.targets[map.target]!.id))
        .map((map): Cell => {
          const raw = map.block ? store.get(map.block) : undefined;
          const regions = map.block ? store.regions(map.block, view.style.regions) : undefined;
          const unknown =
            raw && !regions ? `No ${regionWords(study, view.style.regions).many} of this image.` : "";
          const missing = map.missing || store.broken.get(map.block) || unknown;
          const target = study.targets[map.target]!;
          const title = map.class_name ? `${target.name}: ${map.class_name}` : target.name;
          return { image, place, variant, target, title, also: [], map, frame, raw, regions, missing };
        });
    });
  const sames = sameColumns(rows);
  return rows.map((row) =>
    row.flatMap((cell, column) => {
      if (sames[column] !== column) return [];
      const also = row.filter((_, other) => other !== column && sames[other] === column);
      return [{ ...cell, also: also.map(({ target, map }) => ({ target, map })) }];
    }),
  );
}

/** Return for each column the first one that has the same class and the same map in every row. */
function sameColumns(rows: Cell[][]): number[] {
  const columns = rows[0]?.map((_, column) => column) ?? [];
  const same = (one: number, other: number): boolean =>
    rows.every((row) => sameMap(row[one]!.map, row[other]!.map));
  return columns.map((column) => columns.find((before) => before === column || same(before, column))!);
}

function sameMap(one: StoredMap, other: StoredMap): boolean {
  return (
    one.class_index !== null &&
    one.class_index === other.class_index &&
    one.block === other.block &&
    one.sum === other.sum &&
    one.minimum === other.minimum &&
    one.maximum === other.maximum
  );
}

/** Return a text that is another one where other maps are shown, or more of them are unpacked: the first may have none. */
export function unpackedKey(cells: Cell[]): string {
  return cells.map((cell) => `${cell.map.block}${cell.raw ? "+" : "-"}`).join();
}

/** Name a map among those of its image: by variant and target. */
export function nameOf({ variant, title }: Cell): string {
  return [variant.name, title].filter(Boolean).join(", ");
}

/** Say which other targets a map is of: "predicted and top-1 are eagle too"; empty where there is none. */
export function alsoWords({ also, map, target }: Cell): string {
  if (!also.length) return "";
  const known = [map, ...also.map((each) => each.map)].find((each) => each.class_name);
  const names = also.map((each) => each.target.name);
  return `${listing(names)} ${names.length === 1 ? "is" : "are"} ${known?.class_name ?? target.name} too`;
}

/** Return how many targets of a row are classes: contrasts share no range with them. */
export function classesIn(row: Cell[]): number {
  return row.filter((cell) => !cell.target.contrast).length;
}

/** Return the scope that a normalization comes to: a pair is of two classes, no more and no fewer. */
export function scopeOf(chosen: Normalization, classes: number): Scope {
  if (chosen.scope !== "pair" || classes === 2) return chosen.scope;
  return classes > 2 ? "targets" : "image";
}

/** Return the scope that a normalization comes to for one map: a contrast is in no pair, nor among all classes. */
export function cellScope(chosen: Normalization, cell: Cell, row: Cell[]): Scope {
  const scope = scopeOf(chosen, classesIn(row));
  return cell.target.contrast && (scope === "pair" || scope === "targets") ? "image" : scope;
}

/** Return the words of regions of a size. */
export function regionWords(study: PageStudy, size: number): RegionChoice {
  const { regions } = study.knobs;
  return regions.find((each) => each.size === size) ?? regions[0]!;
}

/** Return what a scope is called. */
export function titleOf(study: PageStudy, scope: Scope): string {
  return study.knobs.scopes.find((each) => each.scope === scope)?.title ?? "";
}

/**
 * Return the range that a cell's map shares with others; null where none of them is there. `row` are its neighbours,
 * `size` is that of the regions whose sums it is of, 1 of pixels. A contrast shares with the same contrast only:
 * under a pair and all targets of one image and variant it is alone.
 */
export function sharedRange(
  study: PageStudy,
  cell: Cell,
  row: Cell[],
  scope: Scope,
  size: number,
): Shared | null {
  const { contrast } = cell.target;
  const own = <T>(of: { contrasts: Record<string, T> }): T | null => of.contrasts[cell.map.target] ?? null;
  const stored: Partial<Record<Scope, Range | null>> = {
    ...(contrast ? {} : { targets: cell.place.range }),
    models: contrast ? own(cell.image) : cell.image.range,
    variant: contrast ? own(cell.variant) : cell.variant.range,
    dataset: contrast ? own(study) : study.dataset,
    raw: study.raw,
  };
  const pixels = stored[scope];
  if (pixels !== undefined) {
    const found = pixels && (size === 1 ? pixels : (pixels.patches[size] ?? null));
    const here = scope === "targets" ? [cell.place] : scope === "models" ? cell.image.variants : [];
    const alike = (map: StoredMap): boolean =>
      contrast ? map.target === cell.map.target : !study.targets[map.target]!.contrast;
    return found && { ...found, blocks: wholly(found, here, alike), table: found };
  }
  const pair = row.filter((each) => !each.target.contrast).map((each) => each.map);
  const maps = scope === "pair" && !contrast ? pair : [cell.map];
  const known = maps.flatMap((map) => {
    const ends = extremesOf(map, size);
    return ends ? [{ ...ends, block: map.block }] : [];
  });
  if (!known.length) return null;
  return {
    minimum: Math.min(...known.map((each) => each.minimum)),
    maximum: Math.max(...known.map((each) => each.maximum)),
    n_maps: known.length,
    complete: known.length === maps.length,
    blocks: known.map((each) => each.block).filter(Boolean),
    table: null,
  };
}

/** Return the smallest and the largest value of a map's regions; null where it was not computed. */
export function extremesOf(map: StoredMap, size: number): { minimum: number; maximum: number } | null {
  if (size !== 1) return map.patches[size] ?? null;
  const { minimum, maximum } = map;
  return minimum === null || maximum === null ? null : { minimum, maximum };
}

/** Return the ends of a cell's colours; null where no map of its range is there. */
export function cellLimits(
  study: PageStudy,
  cell: Cell,
  row: Cell[],
  chosen: Normalization,
  { part, regions }: ColorStyle,
  store: MapStore,
): Limits | null {
  const shared = sharedRange(study, cell, row, scopeOf(chosen, classesIn(row)), regions);
  if (!shared)
    return chosen.rule === "fixed" ? limitsOf({ minimum: 0, maximum: 0 }, chosen, part, () => 0) : null;
  return limitsOf(shared, chosen, part, (percent) => magnitude(shared, percent, store, regions));
}

/** Tell whether quantiles of a range are those of its maps, and not of histograms. */
export function isExact(shared: Shared, store: MapStore): boolean {
  return shared.blocks?.every((block) => store.get(block) !== undefined) ?? false;
}

function magnitude(shared: Shared, percent: number, store: MapStore, size: number): number {
  if (isExact(shared, store)) return store.magnitude(shared.blocks!, percent, size);
  return shared.table ? tabled(shared.table, percent) : Math.max(-shared.minimum, shared.maximum);
}

/** Return the blocks of some variants of an image, if they are all the maps of a range. */
function wholly(
  range: RegionRange,
  places: ImageVariant[],
  alike: (map: StoredMap) => boolean,
): string[] | null {
  const blocks = places.flatMap((place) => place.maps.filter(alike).flatMap((map) => map.block || []));
  return blocks.length === range.n_maps && blocks.length > 0 ? blocks : null;
}
