/** The line around the strongest pixels of a map. */

import { blur2 } from "d3-array";
import { contours } from "d3-contour";

import { quantile } from "./limits.ts";
import type { RawMap } from "./raw_map.ts";
import { type Part, partOf } from "./style.ts";

/**
 * Return the outline of the strongest `percent` % of pixels, as the path of an SVG.
 *
 * Strength is the magnitude of what is shown in part, averaged around each pixel: three times over squares of
 * `2 * radius + 1` pixels, which is close to a Gaussian of standard deviation sqrt(radius * (radius + 1)). With a
 * radius of 0 it is the pixel's own.
 */
export function outline(map: RawMap, part: Part, percent: number, radius: number): string {
  const strength = strengths(map, part, radius);
  const threshold = quantile(Float64Array.from(strength).sort(), 100 - percent);
  const least = threshold > 0 ? threshold : Number.MIN_VALUE; // a map that is mostly zero has fewer pixels to show
  const shape = contours()
    .size([map.width, map.height])
    .smooth(radius > 0)
    .contour(strength, least);
  const rings = shape.coordinates.flat();
  return rings
    .map((ring) => `M${ring.map(([x, y]) => `${+x!.toFixed(2)},${+y!.toFixed(2)}`).join("L")}Z`)
    .join("");
}

/** Return the strength of every pixel, in units of the output. */
export function strengths(map: RawMap, part: Part, radius: number): number[] {
  const data = Array.from(map.integers, (integer) => Math.abs(partOf(part, integer * map.scale)));
  if (radius > 0) blur2({ data, width: map.width, height: map.height }, radius);
  return data;
}
