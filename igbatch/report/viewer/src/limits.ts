/** From the range that maps share to the ends of their colour scale. */

import type { RegionRange } from "./study_types.ts";
import type { Normalization, Part } from "./style.ts";

/** The ends of a colour scale, and the piece of it that the colour bar shows. */
export interface Limits {
  low: number;
  high: number;
  bar: { low: number; high: number };
}

/** The shared range before any rule, where values are shown in part. */
export function partRange(
  range: { minimum: number; maximum: number },
  part: Part,
): { minimum: number; maximum: number } {
  const { minimum, maximum } = range;
  if (part === "positive") return { minimum: 0, maximum: Math.max(maximum, 0) };
  if (part === "negative") return { minimum: Math.min(minimum, 0), maximum: 0 };
  if (part === "absolute") return { minimum: 0, maximum: Math.max(-minimum, maximum, 0) };
  return { minimum, maximum };
}

/**
 * Return the ends of the colour scale.
 *
 * `magnitude(p)` is the p % quantile of |a| over the range's maps; only the rule percentile calls it.
 */
export function limitsOf(
  range: { minimum: number; maximum: number },
  chosen: Normalization,
  part: Part,
  magnitude: (percent: number) => number,
): Limits {
  if (chosen.rule === "fixed") {
    const shown = partRange({ minimum: chosen.low, maximum: chosen.high }, part);
    return {
      low: chosen.low,
      high: chosen.high,
      bar: { low: Math.min(shown.minimum, 0), high: Math.max(shown.maximum, 0) },
    };
  }
  const { minimum, maximum } = partRange(range, part);
  const bar = { low: Math.min(minimum, 0), high: Math.max(maximum, 0) };
  if (chosen.scope !== "raw" && chosen.rule === "min-max" && part === "signed") {
    return { low: minimum, high: maximum, bar };
  }
  let vmax = Math.max(-minimum, maximum, 0);
  if (chosen.scope !== "raw" && chosen.rule === "percentile") {
    vmax = Math.min(magnitude(chosen.percentile), vmax);
    bar.low = Math.max(bar.low, -vmax);
    bar.high = Math.min(bar.high, vmax);
  }
  return { low: -vmax, high: vmax, bar };
}

/** Return the p % quantile of ascending values, p from 0 to 100, interpolated linearly as numpy.quantile does. */
export function quantile(ascending: Float64Array, percent: number): number {
  if (!ascending.length) return 0;
  const place = (percent / 100) * (ascending.length - 1);
  const below = Math.floor(place);
  const low = ascending[below]!;
  const high = ascending[Math.min(below + 1, ascending.length - 1)]!;
  return low + (high - low) * (place - below);
}

/** Return a quantile of |a| from the table that comes with a range: 90.0 to 100.0 % in steps of 0.1. */
export function tabled(range: RegionRange, percent: number): number {
  const place = Math.min(Math.max(Math.round((percent - 90) * 10), 0), range.quantiles.length - 1);
  return range.quantiles[place] ?? 0;
}
