/** Where maps stand: how wide they are, and whether the photograph stands beside them or above. */

import { alsoWords, type Cell, nameOf } from "./shown.ts";

export interface Layout {
  /** Width of a map and of the photograph, in pixels on screen. */
  width: number;
  /** Whether the photograph stands at the left of the maps. */
  beside: boolean;
}

/** Between maps, in pixels on screen. */
export const GAP = 16;

const SMALLEST = 224; // pixels on screen, of a column that is wide enough
const SNAP = 0.1; // of a map's width, given up for a whole number of pixels on screen for each of its own

/**
 * Return how maps fill a column.
 *
 * A map is at least as wide as its own pixels, or some 224 pixels on screen where it has fewer, and at most twice
 * that; on a narrower screen it fills the column. The photograph stands beside the maps where all fit into a line.
 *
 * `column` is the width that there is, `across` how many maps are looked at together, `own` how many pixels wide one
 * is, `times` how many times wider the reader wants them.
 */
export function layoutOf(column: number, across: number, own: number, times = 1): Layout {
  const least = Math.max(1, Math.round(SMALLEST / own)) * own;
  const share = (count: number): number => (column - (count - 1) * GAP) / count;
  const beside = share(across + 1) >= least;
  const most = Math.max(1, Math.floor((column + GAP) / (least + GAP)));
  const inLine = Math.ceil(across / Math.ceil(across / most)); // lines of equally many
  const width = snapped(Math.min(share(beside ? across + 1 : inLine), 2 * least), own);
  return times === 1 ? { width, beside } : { width: Math.min(times * width, column), beside: false };
}

function snapped(width: number, own: number): number {
  const whole = Math.floor(width / own) * own;
  return whole > 0 && width - whole <= SNAP * width ? whole : Math.floor(width);
}

/** Tell whether a map would be uneven by sharp pixels: some of its own as two on screen, some as one. */
export function uneven(width: number, own: number, zoom: number, regions: number): boolean {
  const scale = (zoom * width * (globalThis.devicePixelRatio ?? 1)) / own;
  return regions === 1 && scale < 2 && !Number.isInteger(scale);
}

/** Return the maps that stand in one line each: rows, or all together where each row has one map. */
export function linesOf(rows: Cell[][]): Cell[][] {
  return rows.length > 1 && rows.every((row) => row.length === 1) ? [rows.flat()] : rows;
}

/** Return what the maps of a line are called in it: by target, or by variant too where it has several of these. */
export function headings(line: Cell[]): string[] {
  const several = new Set(line.map((cell) => cell.variant.id)).size > 1;
  return line.map((cell) => (several ? nameOf(cell) : cell.title || cell.variant.name));
}

/** Return what else is said of each map of a line: what its variant predicts, where nothing else says it; targets of its class. */
export function secondHeadings(line: Cell[]): string[] {
  const untold = !lineTitle(line);
  return line.map((cell) => {
    const { prediction } = cell.place;
    return [untold && prediction ? `predicts ${prediction}` : "", alsoWords(cell)].filter(Boolean).join("; ");
  });
}

/** Return what a line of maps is of, and what its variant predicts; empty where it has several. */
export function lineTitle(line: Cell[]): string {
  const [first, ...others] = line;
  if (!first || others.some((cell) => cell.variant !== first.variant)) return "";
  return [first.variant.name, first.place.prediction && `predicts ${first.place.prediction}`]
    .filter(Boolean)
    .join(": ");
}
