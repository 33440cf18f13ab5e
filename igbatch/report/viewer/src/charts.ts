/** Charts that are drawn on the page: means of box sums, and how raw values are distributed. */

import * as Plot from "@observablehq/plot";
import { count, number, percent } from "./format.ts";
import type { Aggregate, Study } from "./study.ts";

const ROW = 20;
/** Decades of a logarithmic axis on each side of zero, at most. */
const DECADES = 8;
const BINS = 120;
/** Below this width of a chart, in pixels, names take less of it. */
const NARROW = 560;

/** Draw every chart that `root` has a place for: `[data-chart="aggregates"]`. They follow their width. */
export function drawCharts(root: ParentNode, study: Study): void {
  for (const place of root.querySelectorAll<HTMLElement>('[data-chart="aggregates"]')) {
    if (study.aggregates.length) follow(place, (width) => aggregatesChart(study, width));
  }
}

/** Values of one map, for the legend by name. */
export interface Series {
  name: string;
  values: Float32Array;
}

/**
 * Draw how the raw values of maps are distributed, and where the ends of the colour scale cut them.
 *
 * Both axes are logarithmic: counts from one pixel on, values on both sides of zero from a thousandth of the
 * largest on, linear between. The words below say how many values lie beyond the ends. Without a series the
 * place is emptied.
 */
export function histogramChart(
  container: HTMLElement,
  series: Series[],
  limits: { low: number; high: number },
  unit: string,
): void {
  if (series.length) follow(container, (width) => histogram(series, limits, unit, width));
  else leave(container);
}

const followed = new WeakMap<HTMLElement, ResizeObserver>();

/** Empty a place and no longer follow its width. */
function leave(place: HTMLElement): void {
  followed.get(place)?.disconnect();
  followed.delete(place);
  place.replaceChildren();
}

/** Put what `draw` gives into a place, now and whenever its width changes. */
function follow(place: HTMLElement, draw: (width: number) => Element): void {
  followed.get(place)?.disconnect();
  let drawn = 0;
  const redraw = (): void => {
    const width = Math.floor(place.clientWidth);
    if (width === drawn || width < 1) return; // hidden, or as it was
    drawn = width;
    place.replaceChildren(withoutStyles(draw(width)));
  };
  const observer = new ResizeObserver(redraw);
  followed.set(place, observer);
  observer.observe(place);
  redraw();
}

/** Take away the style sheets that Plot puts into what it draws: the page's policy refuses them. */
function withoutStyles(drawn: Element): Element {
  for (const sheet of drawn.querySelectorAll("style")) sheet.remove();
  return drawn;
}

interface Row extends Aggregate {
  place: number;
}

function aggregatesChart(study: Study, width: number): Element {
  const rows: Row[] = [];
  const heads: { place: number; text: string }[] = [];
  let place = 0;
  for (const one of study.aggregates) {
    if (one.variant !== rows.at(-1)?.variant) heads.push({ place: place++, text: one.variant });
    rows.push({ ...one, place: place++ });
  }
  const { linear, largest } = extent(rows.flatMap((row) => [row.mean, row.low ?? 0, row.high ?? 0]));
  const left = width < NARROW ? Math.round(width * 0.42) : 250;
  const ticks = decadeTicks(linear, largest, width < NARROW ? 2 : 3);
  const colored = (positive: boolean): Plot.Markish[] => {
    const own = rows.filter((row) => row.mean > 0 === positive);
    const color = positive ? "var(--positive)" : "var(--negative)";
    const told = own.filter((row) => row.low !== null && row.high !== null);
    return [
      Plot.ruleY(told, { y: "place", x1: "low", x2: "high", stroke: color, strokeWidth: 2 }),
      Plot.dot(own, { y: "place", x: "mean", fill: color, r: 4 }),
    ];
  };
  return chart({
    width,
    height: ROW * place + 30,
    marginLeft: left,
    marginTop: 8,
    marginBottom: 24,
    marginRight: 16,
    ariaLabel: "Mean sum of attributions in boxes, with 95 % intervals; the table has the same numbers",
    caption:
      `Mean sum, in units ${study.unit}: dot, and its 95 % interval: line; blue is positive. The axis is ` +
      `linear within ±${number(linear, 1)} and logarithmic beyond.`,
    x: { type: "symlog", constant: linear, domain: [-largest * 1.3, largest * 1.3], label: null },
    y: { type: "linear", domain: [-0.7, place - 0.3], reverse: true, axis: null },
    marks: [
      Plot.gridX({ ticks, stroke: "var(--line)", strokeOpacity: 1 }),
      Plot.axisX({ ticks, tickFormat: (tick: number) => number(tick, 1), fontSize: 11 }),
      Plot.ruleX([0], { stroke: "currentColor" }),
      ...names(heads, left, 0, { fontWeight: "bold" }),
      ...names(rows.map((row) => ({ place: row.place, text: `${row.label} box → ${row.target}` })), left, 10),
      ...colored(true),
      ...colored(false),
      Plot.tip(rows, Plot.pointerY({ ...TIP, y: "place", x: "mean", title: tipOf })),
    ],
  });
}

const TIP = { fill: "var(--card)", stroke: "var(--line)", fontSize: 12 };

/** Names at the left of the chart, in its margin, cut where they would reach into the plot. */
function names(
  rows: { place: number; text: string }[],
  left: number,
  indent: number,
  more: Plot.TextOptions = {},
): Plot.Markish[] {
  const fontSize = 12;
  return [
    Plot.text(rows, {
      y: "place", text: "text", frameAnchor: "left", textAnchor: "start", dx: indent - left,
      lineWidth: (left - indent - 8) / fontSize, textOverflow: "ellipsis", fontSize, fill: "currentColor",
      ...more,
    }),
  ]; // prettier-ignore
}

function tipOf(row: Row): string {
  const interval = row.low === null || row.high === null
    ? "no interval"
    : `95 % interval ${number(row.low)} to ${number(row.high)}`;
  return `${row.variant}\n${row.label} box → ${row.target}\n${number(row.mean)}, ${interval}\n${count(row.images, "image")}`;
}

/** Where an axis stops being linear and where it ends: powers of ten, as `igbatch.report.dotplot.extent`. */
export function extent(values: number[]): { linear: number; largest: number } {
  const sizes = values.map(Math.abs).filter((size) => size > 0 && Number.isFinite(size));
  if (!sizes.length) return { linear: 0.1, largest: 1 };
  const top = Math.ceil(Math.log10(Math.max(...sizes)) + 1e-9);
  const bottom = Math.max(Math.floor(Math.log10(Math.min(...sizes))), top - DECADES);
  return { linear: 10 ** Math.min(bottom, top - 1), largest: 10 ** top };
}

/** Zero, and powers of ten on both sides of it, at most `most` on each. */
function decadeTicks(linear: number, largest: number, most: number): number[] {
  const decades = Math.round(Math.log10(largest / linear));
  const every = Math.max(1, Math.ceil(decades / most));
  const powers: number[] = [];
  for (let step = 0; step < decades; step += every) powers.push(largest / 10 ** step);
  return [...powers.map((power) => -power), 0, ...powers.reverse()];
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
  values: Float32Array,
  linear: number,
  largest: number,
  limits: { low: number; high: number },
): Binned {
  const half = BINS / 2;
  const scale = half / Math.log1p(largest / linear);
  const counts = new Uint32Array(BINS);
  const inverse = 1 / linear;
  let below = 0;
  let above = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value < limits.low) below++;
    else if (value > limits.high) above++;
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

function histogram(
  series: Series[],
  limits: { low: number; high: number },
  unit: string,
  width: number,
): Element {
  const reach = Math.max(largestOf(series), Math.abs(limits.low), Math.abs(limits.high));
  const largest = reach > 0 && Number.isFinite(reach) ? reach : 1;
  const linear = largest / 1000;
  const binned = series.map(({ values }) => bin(values, linear, largest, limits));
  const steps = series.flatMap(({ name }, which) => outline(name, binned[which]!));
  const most = Math.max(2, ...binned.map(({ counts }) => Math.max(...counts)));
  const ends = [
    { at: limits.low, text: "colours end", anchor: "start" as const },
    { at: limits.high, text: "colours end", anchor: "end" as const },
  ];
  const ticks = [-largest, -largest / 30, 0, largest / 30, largest];
  const drawn = chart({
    width,
    height: 200,
    marginLeft: 52,
    marginTop: 24,
    marginBottom: 42,
    marginRight: 24,
    ariaLabel: `How many pixels have which value, for ${series.map(({ name }) => name).join(", ")}`,
    x: { type: "symlog", constant: linear, domain: [-largest, largest] },
    y: { type: "log", domain: [0.7, most * 1.3] },
    color: { legend: series.length > 1, domain: series.map(({ name }) => name), range: COLORS },
    marks: [
      Plot.axisY({
        ticks: countTicks(most), tickFormat: (n: number) => n.toLocaleString("en-US"), fontSize: 11,
        label: "pixels", labelArrow: "none",
      }),
      Plot.axisX({
        ticks, tickFormat: (tick: number) => number(tick, 2), fontSize: 11, label: `value, ${unit}`,
        labelAnchor: "center", labelArrow: "none",
      }),
      Plot.ruleX([0], { stroke: "var(--line)" }),
      Plot.line(steps, { x: "value", y: "count", z: "name", stroke: "name", strokeWidth: 1.4 }),
      Plot.ruleX(ends, { x: "at", stroke: "currentColor", strokeDasharray: "4 3" }),
      ...ends.map((end) =>
        Plot.text([end], {
          x: "at", text: "text", frameAnchor: "top", dy: -14, textAnchor: end.anchor, fill: "currentColor",
        }),
      ),
    ],
  }); // prettier-ignore
  const figure = document.createElement("div");
  const words = document.createElement("p");
  words.className = "caption";
  words.textContent = beyond(series, binned);
  figure.append(drawn, words);
  return figure;
}

/** Colours of series, told apart by colour-blind readers, on light and on dark paper (Okabe and Ito 2008). */
const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/** The outline of a histogram; bins that hold nothing interrupt it. */
function outline(name: string, { edges, counts }: Binned): { name: string; value: number; count: number }[] {
  const points: { name: string; value: number; count: number }[] = [];
  counts.forEach((count, place) => {
    const told = count > 0 ? count : NaN;
    points.push({ name, value: edges[place]!, count: told }, { name, value: edges[place + 1]!, count: told });
  });
  return points;
}

function countTicks(most: number): number[] {
  const powers = Math.floor(Math.log10(most));
  const every = Math.max(1, Math.ceil(powers / 3));
  const ticks: number[] = [];
  for (let power = 0; power <= powers; power += every) ticks.push(10 ** power);
  return ticks;
}

function beyond(series: Series[], binned: Binned[]): string {
  const told = series.map(({ name, values }, which) => {
    const { below, above } = binned[which]!;
    const share = percent((below + above) / Math.max(values.length, 1));
    return `${name} ${(below + above).toLocaleString("en-US")} (${share})`;
  });
  return `Pixels beyond the ends of the colours, drawn in the end colour: ${told.join(", ")}.`;
}

/** Draw with Plot, as one image to screen readers. */
function chart(options: Plot.PlotOptions): Element {
  const drawn = Plot.plot({ className: "chart", ...options });
  const svg = drawn instanceof SVGElement ? drawn : drawn.querySelector(":scope > svg");
  svg?.setAttribute("role", "img");
  return drawn;
}
