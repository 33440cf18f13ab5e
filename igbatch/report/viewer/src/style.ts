/** The knobs of a picture: which range, how it becomes the ends of the colours, and how values become colours. */

import type { PartChoice, RuleChoice, ScopeChoice } from "./study_types.ts";

export type Scope = ScopeChoice["scope"];
export type Rule = RuleChoice["rule"];
export type Part = PartChoice["part"];

/** Which range a map's colours stand for. */
export interface Normalization {
  scope: Scope;
  rule: Rule;
  /** Of |a|, for the rule percentile. */
  percentile: number;
  /** The ends for the rule fixed, in units of the output. */
  low: number;
  high: number;
}

/** How values become colours once the range is known; the limits of its numbers are the study's `knobs.limits`. */
export interface ColorStyle {
  /** What has one colour: a pixel (1), or regions of this size (`RegionChoice`), which show their sums. */
  regions: number;
  part: Part;
  /** Multiplies the place on the colour scale: at 2 the last colour is reached at half of the range. */
  level: number;
  palette: string;
  /** A line around the strongest pixels, in percent of all; 0: none. */
  contour: number;
  /** Radius in pixels over which strength is averaged for that line; 0: every pixel by itself. */
  blur: number;
  /** Opacity of the map over the photograph. */
  opacity: number;
}

/** Return the radius over which strength is averaged for the contour: none where other regions are shown. */
export function contourBlur({ regions, blur }: ColorStyle): number {
  return regions === 1 ? blur : 0;
}

/** Return the part of a value that is shown. */
export function partOf(part: Part, value: number): number {
  if (part === "positive") return Math.max(value, 0);
  if (part === "negative") return Math.min(value, 0);
  return part === "absolute" ? Math.abs(value) : value;
}
