/** How the raw values of maps are distributed, and where the ends of the colour scale cut them. */

import * as Plot from "@observablehq/plot";

import { chart, follow, leave } from "./chart_frame.ts";
import { number, percent } from "./format.ts";

const BINS = 120;
const MANY_LABELS = 480; // pixels, below which the ends of several maps are lines in their colours alone
const NARROW = 320; // pixels, below which labels of five ticks would touch

/** The shown values of one map, for the legend by name, and the ends of its colours. */
export interface Series {
  name: string;
  values: Float64Array;
  limits: { low: number; high: number };
  /** By how much a value may lie beyond the ends and be rounding. */
  slack?: number;
}

/**
 * Draw how the raw values of maps are distributed, and where the ends of their colour scales cut them.
 *
 * Both axes are logarithmic: counts from one pixel on, values on both sides of zero from a thousandth of the
 * largest on, linear between. The words below say how many values lie beyond the ends. Without a series the
 * place is emptied.
 */
export function histogramChart(
  container: HTMLElement,
  series: Series[],
  unit: string,
  regions = "pixels",
): void {
  if (series.length) follow(container, (width) => histogram(series, unit, regions, width));
  else leave(container);
}

/** Counts of values in bins of one width each on a symmetric logarithmic axis. */
export interface Binned {
  /** The ends of the bins, one more than counts. */
  edges: Float64Array;
  counts: Uint32Array;
  /** How many values lie below `low` and above `high`. */
  below: number;
  above: number;
}

/** Count values between -largest and largest; below `linear` the axis is linear. */
export function bin(
  values: Float64Array,
  linear: number,
  largest: number,
  limits: { low: number; high: number },
  slack = 0,
): Binned {
  const half = BINS / 2;
  const scale = half / Math.log1p(largest / linear);
  const counts = new Uint32Array(BINS);
  const inverse = 1 / linear;
  let below = 0;
  let above = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value < limits.low - slack) below++;
    else if (value > limits.high + slack) above++;
    const size = Math.log1p(Math.abs(value) * inverse) * scale;
    const place = Math.floor(value < 0 ? half - size : half + size);
    counts[place < 0 ? 0 : place >= BINS ? BINS - 1 : place]!++;
  }
  const edges = Float64Array.from({ length: BINS + 1 }, (_, place) => {
    const at = place - half;
    return Math.sign(at) * linear * Math.expm1(Math.abs(at) / scale);
  });
  return { edges, counts, below, above };
}

function largestOf(series: Series[]): number {
  let largest = 0;
  for (const { values } of series) {
    for (let i = 0; i < values.length; i++) {
      const size = Math.abs(values[i]!);
      if (size > largest) largest = size;
    }
  }
  return largest;
}

function histogram(series: Series[], unit: string, regions: string, width: number): Element {
  const reach = Math.max(largestOf(series), ...series.flatMap(({ limits }) => [-limits.low, limits.high]));
  const largest = reach > 0 && Number.isFinite(reach) ? reach : 1;
  const linear = largest / 1000;
  const binned = series.map(({ values, limits, slack }) => bin(values, linear, largest, limits, slack));
  const steps = series.flatMap(({ name }, which) => outline(name, binned[which]!));
  const peak = Math.max(2, ...binned.map(({ counts }) => Math.max(...counts)));
  const ends = endsOf(series);
  const named = ends.length === 2 || width >= MANY_LABELS;
  const inner = width < NARROW ? [] : [largest / 30];
  const ticks = [-largest, ...inner.map((tick) => -tick), 0, ...inner, largest];
  const drawn = chart({
    width,
    height: 200,
    marginLeft: 52,
    marginTop: 24,
    marginBottom: 42,
    marginRight: 24,
    ariaLabel: `How many ${regions} have which value, for ${series.map(({ name }) => name).join(", ")}`,
    x: { type: "symlog", constant: linear, domain: [-largest, largest] },
    y: { type: "log", domain: [0.7, peak * 1.3] },
    color: { legend: series.length > 1, domain: series.map(({ name }) => name), range: COLORS },
    marks: [
      Plot.axisY({
        ticks: countTicks(peak),
        tickFormat: (n: number) => n.toLocaleString("en-US"),
        fontSize: 11,
        label: regions,
        labelArrow: "none",
      }),
      Plot.axisX({
        ticks,
        tickFormat: (tick: number) => number(tick, 2),
        fontSize: 11,
        label: unit ? `value, ${unit}` : "value",
        labelAnchor: "center",
        labelArrow: "none",
      }),
      Plot.ruleX([0], { stroke: "var(--line)" }),
      Plot.line(steps, { x: "value", y: "count", z: "name", stroke: "name", strokeWidth: 1.4 }),
      ...ends.map((end) => Plot.ruleX([end.at], { stroke: end.color, strokeDasharray: "4 3" })),
      ...(named ? outermost(ends) : []).map(({ at, anchor }) =>
        Plot.text([at], {
          x: (at: number) => at,
          text: () => "colours end",
          frameAnchor: "top",
          dy: -14,
          textAnchor: anchor,
          fill: "currentColor",
        }),
      ),
    ],
  });
  const figure = document.createElement("div");
  const words = document.createElement("p");
  words.className = "caption";
  words.textContent = beyond(series, binned, regions);
  figure.append(drawn, words);
  return figure;
}

/** Colours of series, distinct for colour-blind readers, on light and on dark paper (Okabe and Ito 2008). */
const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

interface End {
  at: number;
  anchor: "start" | "end";
  color: string;
}

/** The ends that are named: the lowest and the highest, whose words cannot write over others'. */
function outermost(ends: End[]): End[] {
  const sorted = [...ends].sort((one, other) => one.at - other.at);
  return sorted.length ? [sorted[0]!, sorted[sorted.length - 1]!] : [];
}

/** Where colours end: once where all maps share their ends, in the colour of each map otherwise. */
function endsOf(series: Series[]): End[] {
  const shared = new Set(series.map(({ limits }) => `${limits.low} ${limits.high}`)).size === 1;
  return (shared ? series.slice(0, 1) : series).flatMap(({ limits }, place) => {
    const color = shared ? "currentColor" : COLORS[place % COLORS.length]!;
    return [
      { at: limits.low, anchor: "start" as const, color },
      { at: limits.high, anchor: "end" as const, color },
    ];
  });
}

/** The outline of a histogram; bins that hold nothing interrupt it. */
function outline(name: string, { edges, counts }: Binned): { name: string; value: number; count: number }[] {
  const points: { name: string; value: number; count: number }[] = [];
  counts.forEach((count, place) => {
    const held = count > 0 ? count : NaN;
    points.push({ name, value: edges[place]!, count: held }, { name, value: edges[place + 1]!, count: held });
  });
  return points;
}

function countTicks(peak: number): number[] {
  const powers = Math.floor(Math.log10(peak));
  const every = Math.max(1, Math.ceil(powers / 3));
  const ticks: number[] = [];
  for (let power = 0; power <= powers; power += every) ticks.push(10 ** power);
  return ticks;
}

function beyond(series: Series[], binned: Binned[], regions: string): string {
  const shares = series.map(({ name, values }, which) => {
    const { below, above } = binned[which]!;
    const share = percent((below + above) / Math.max(values.length, 1));
    return `${name} ${(below + above).toLocaleString("en-US")} (${share})`;
  });
  const noun = regions[0]!.toUpperCase() + regions.slice(1);
  return `${noun} beyond the ends of the colours, drawn in the end colour: ${shares.join(", ")}.`;
}
