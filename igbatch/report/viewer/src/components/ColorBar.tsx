/** The colour bar below a map: its ends, where zero is, and the same normalized to (a − min) / (max − min). */

import { useLayoutEffect, useRef } from "preact/hooks";

import { type Colors, paintBar } from "../colors.ts";
import { number } from "../format.ts";
import type { Limits } from "../limits.ts";
import type { Shared } from "../shown.ts";

const LENGTH = 256;

export interface ColorBarProps {
  limits: Limits;
  level: number;
  colors: Colors;
  /** The range before any rule, for the normalized values above the bar; null where there are none. */
  shared: Pick<Shared, "minimum" | "maximum"> | null;
}

/** A label along a bar: its place from 0 at the left end to 1. */
interface Tick {
  at: number;
  text: string;
}

export function ColorBar({ limits, level, colors, shared }: ColorBarProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const pixels = new ImageData(paintBar(limits, level, colors, LENGTH), LENGTH, 1);
    canvas.current?.getContext("2d")?.putImageData(pixels, 0, 0);
  }, [limits.low, limits.high, limits.bar.low, limits.bar.high, level, colors]);
  const { low, high } = limits.bar;
  const zero = zeroAt(limits);
  return (
    <div class="bar" role="img" aria-label={barLabel(limits)}>
      <div class="ticks faint">{ticks(normalized(limits, shared))}</div>
      <div class="strip">
        <canvas ref={canvas} width={LENGTH} height={1} />
        {zero !== null && <span class="zero" style={{ left: `${100 * zero}%` }} />}
      </div>
      <div class="ticks">{ticks(zero === null ? [] : [{ at: zero, text: "0" }])}</div>
      <div class="ticks">
        {ticks([
          { at: 0, text: low ? number(low) : "" },
          { at: 1, text: high ? number(high) : "" },
        ])}
      </div>
    </div>
  );
}

/** Return where zero is on the bar, from 0 at its left end to 1; null where it lies outside, or the bar is a point. */
export function zeroAt({ bar: { low, high } }: Limits): number | null {
  return low <= 0 && high >= 0 && low < high ? -low / (high - low) : null;
}

/** State a bar for those who cannot see it. */
export function barLabel(limits: Limits): string {
  const zero = zeroAt(limits);
  const where = zero === null ? "zero is not on it" : `zero at ${Math.round(100 * zero)} % of its length`;
  return `Colour bar from ${number(limits.bar.low)} to ${number(limits.bar.high)}; ${where}`;
}

/** Return (a − min) / (max − min) at the ends of the bar and at zero. */
function normalized(limits: Limits, shared: ColorBarProps["shared"]): Tick[] {
  if (!shared || shared.maximum <= shared.minimum) return [];
  const { low, high } = limits.bar;
  const zero = zeroAt(limits);
  const marked = zero !== null && zero > 0.2 && zero < 0.8 ? [zero] : [];
  const places = [0, ...marked, 1];
  const texts = distinct(
    [low, ...marked.map(() => 0), high].map(
      (value) => (value - shared.minimum) / (shared.maximum - shared.minimum),
    ),
  );
  return places.map((at, place) => ({ at, text: texts[place]! }));
}

/** Write numbers with as many decimals as tell them apart, two at least and six at most. */
export function distinct(values: number[]): string[] {
  const written = (places: number): string[] =>
    values.map((value) => `${Number(value.toFixed(places))}`.replace("-", "−"));
  const places = [2, 3, 4, 5].find((each) => new Set(written(each)).size === values.length) ?? 6;
  return written(places);
}

function ticks(all: Tick[]) {
  return all.map(({ at, text }) => (
    <span key={at} class={at < 0.1 ? "start" : at > 0.9 ? "end" : "middle"} style={{ left: `${100 * at}%` }}>
      {text}
    </span>
  ));
}
