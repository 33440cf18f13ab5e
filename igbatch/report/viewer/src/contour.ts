/** The line around the strongest pixels of a map. */

import { contours } from "d3-contour";

import { type Part, partOf } from "./look.ts";
import type { RawMap } from "./raw_map.ts";

/** Return the outline of the pixels whose shown part is at least `threshold` in magnitude, as the path of an SVG. */
export function outline(map: RawMap, part: Part, threshold: number): string {
  const strength = Array.from(map.integers, (integer) => Math.abs(partOf(part, integer * map.scale)));
  const least = threshold > 0 ? threshold : Number.MIN_VALUE; // a map that is mostly zero has fewer pixels to show
  const shape = contours().size([map.width, map.height]).smooth(false).contour(strength, least);
  const rings = shape.coordinates.flat();
  return rings.map((ring) => `M${ring.map(([x, y]) => `${x},${y}`).join("L")}Z`).join("");
}
