/** Values as colours. */

import type { Limits } from "./limits.ts";
import type { RawMap } from "./raw_map.ts";
import type { PaletteChoice } from "./study_types.ts";
import { type Part, partOf } from "./style.ts";

/** A colour map as bytes: red, green, blue of each colour. */
export type Colors = Uint8Array;

/** Return the bytes of a colour map. */
export function colorsOf(palette: PaletteChoice): Colors {
  const bytes = palette.colors.flatMap((color) =>
    [1, 3, 5].map((start) => parseInt(color.slice(start, start + 2), 16)),
  );
  return Uint8Array.from(bytes);
}

/** Return the nearest integer, the even one of two: numpy's `rint`. */
export function rint(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/**
 * Return which of `count` colours stands for a value: the middle one in the middle of the limits, the outermost
 * ones from `1 / level` of the way on.
 */
export function colorIndex(value: number, limits: Limits, level: number, count: number): number {
  const half = (limits.high - limits.low) / 2;
  const side = (count - 1) / 2;
  if (!(half > 0)) return side;
  const place = (level * (value - (limits.low + limits.high) / 2)) / half;
  return side + rint(side * Math.min(Math.max(place, -1), 1));
}

/** Colour a map: RGBA bytes, row by row, opaque. */
export function paint(
  map: RawMap,
  limits: Limits,
  part: Part,
  level: number,
  colors: Colors,
): Uint8ClampedArray<ArrayBuffer> {
  const count = colors.length / 3;
  const pixels = new Uint8ClampedArray(new ArrayBuffer(4 * map.integers.length));
  for (let i = 0; i < map.integers.length; i++) {
    const color = 3 * colorIndex(partOf(part, map.integers[i]! * map.scale), limits, level, count);
    pixels[4 * i] = colors[color]!;
    pixels[4 * i + 1] = colors[color + 1]!;
    pixels[4 * i + 2] = colors[color + 2]!;
    pixels[4 * i + 3] = 255;
  }
  return pixels;
}

/** Colour a bar from the lower to the upper end of what it shows: RGBA bytes of `length` pixels. */
export function paintBar(
  limits: Limits,
  level: number,
  colors: Colors,
  length: number,
): Uint8ClampedArray<ArrayBuffer> {
  const count = colors.length / 3;
  const pixels = new Uint8ClampedArray(new ArrayBuffer(4 * length));
  for (let i = 0; i < length; i++) {
    const value = limits.bar.low + ((i + 0.5) / length) * (limits.bar.high - limits.bar.low);
    const color = 3 * colorIndex(value, limits, level, count);
    pixels.set([colors[color]!, colors[color + 1]!, colors[color + 2]!, 255], 4 * i);
  }
  return pixels;
}

/** Count the values beyond the ends of the colour scale, by more than a slack, which are drawn as its last colour. */
export function beyond(map: RawMap, limits: Limits, part: Part, slack = 0): number {
  let count = 0;
  for (const integer of map.integers) {
    const value = partOf(part, integer * map.scale);
    if (value < limits.low - slack || value > limits.high + slack) count++;
  }
  return count;
}
