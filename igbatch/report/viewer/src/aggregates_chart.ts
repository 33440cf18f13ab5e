/** The means of box sums over the data set, with their intervals. */

import * as Plot from "@observablehq/plot";
import { scaleLinear } from "d3-scale";

import { chart, follow } from "./chart_frame.ts";
import { count, number } from "./format.ts";
import type { BoxMean, PageStudy } from "./study_types.ts";

const ROW = 20;
/** Decades of a logarithmic axis on each side of zero, at most. */
const DECADES = 8;
/** Below this width of a chart, in pixels, names take less of it. */
const NARROW = 560;

const AXES = ["in proportion", "logarithmic"] as const;
type Axis = (typeof AXES)[number];

/** Draw the chart into every place for it, `[data-chart="aggregates"]`, with a choice of its axis above. */
export function drawAggregates(root: ParentNode, study: PageStudy): void {
  for (const place of root.querySelectorAll<HTMLElement>('[data-chart="aggregates"]')) {
    if (!study.aggregates.length) continue;
    const label = document.createElement("label");
    const choice = document.createElement("select");
    choice.append(...AXES.map((axis) => new Option(axis, axis)));
    label.className = "chart-axis";
    label.append("Axis ", choice);
    const canvas = document.createElement("div");
    place.replaceChildren(label, canvas);
    const draw = (): void => follow(canvas, (width) => aggregatesChart(study, choice.value as Axis, width));
    choice.addEventListener("change", draw);
    draw();
  }
}

interface Row extends BoxMean {
  place: number;
}

/** Draw the means of box sums with their intervals, in proportion or on a logarithmic axis. */
function aggregatesChart(study: PageStudy, axis: Axis, width: number): Element {
  const rows: Row[] = [];
  const heads: { place: number; text: string }[] = [];
  let place = 0;
  for (const one of study.aggregates) {
    if (one.variant !== rows.at(-1)?.variant) heads.push({ place: place++, text: one.variant });
    rows.push({ ...one, place: place++ });
  }
  const { linear, largest } = extent(rows.flatMap((row) => [row.mean, row.low ?? 0, row.high ?? 0]));
  const left = width < NARROW ? Math.round(width * 0.42) : 250;
  const scale = axis === "logarithmic" ? logarithmic(linear, largest, width) : proportional(rows, width);
  const { ticks } = scale;
  const colored = (positive: boolean): Plot.Markish[] => {
    const own = rows.filter((row) => row.mean > 0 === positive);
    const color = positive ? "var(--positive)" : "var(--negative)";
    const known = own.filter((row) => row.low !== null && row.high !== null);
    return [
      Plot.ruleY(known, { y: "place", x1: "low", x2: "high", stroke: color, strokeWidth: 2 }),
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
    caption: `Mean sum, in units ${study.unit}: dot, and its 95 % interval: line; blue is positive. ${scale.words}`,
    x: { ...scale.options, label: null },
    y: { type: "linear", domain: [-0.7, place - 0.3], reverse: true, axis: null },
    marks: [
      Plot.gridX({ ticks, stroke: "var(--line)", strokeOpacity: 1 }),
      Plot.axisX({ ticks, tickFormat: scale.tickText, fontSize: 11 }),
      Plot.ruleX([0], { stroke: "currentColor" }),
      ...names(heads, left, 0, { fontWeight: "bold" }),
      ...names(
        rows.map((row) => ({ place: row.place, text: `${row.label} box → ${row.target}` })),
        left,
        10,
      ),
      ...colored(true),
      ...colored(false),
      Plot.tip(rows, Plot.pointerY({ ...TIP, y: "place", x: "mean", title: tipOf })),
    ],
  });
}

/** How sums lie along an axis, and what is said of it. */
interface Scale {
  options: Plot.ScaleOptions;
  ticks: number[];
  tickText: (tick: number) => string;
  words: string;
}

function logarithmic(linear: number, largest: number, width: number): Scale {
  return {
    options: { type: "symlog", constant: linear, domain: [-largest * 1.3, largest * 1.3] },
    ticks: decadeTicks(linear, largest, width < NARROW ? 2 : 3),
    tickText: (tick) => number(tick, 1),
    words: `The axis is linear within ±${number(linear, 1)} and logarithmic beyond: small sums look large.`,
  };
}

function proportional(rows: Row[], width: number): Scale {
  const ends = rows.flatMap((row) => [row.mean, row.low ?? row.mean, row.high ?? row.mean]);
  const [low, high] = [Math.min(0, ...ends), Math.max(0, ...ends)];
  const [first, last] = low < high ? [low, high] : [-1, 1];
  const margin = 0.03 * (last - first);
  const scale = scaleLinear([first - margin, last + margin], [0, 1]);
  const ticks = scale.ticks(width < NARROW ? 3 : 6);
  const format = scale.tickFormat(width < NARROW ? 3 : 6);
  return {
    options: { type: "linear", domain: [first - margin, last + margin] },
    ticks,
    tickText: format,
    words: "Lengths are in proportion: small sums look small.",
  };
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
      y: "place",
      text: "text",
      frameAnchor: "left",
      textAnchor: "start",
      dx: indent - left,
      lineWidth: (left - indent - 8) / fontSize,
      textOverflow: "ellipsis",
      fontSize,
      fill: "currentColor",
      ...more,
    }),
  ]; // prettier-ignore
}

function tipOf(row: Row): string {
  const interval =
    row.low === null || row.high === null
      ? "no interval"
      : `95 % interval ${number(row.low)} to ${number(row.high)}`;
  return `${row.variant}\n${row.label} box → ${row.target}\n${number(row.mean)}, ${interval}\n${count(row.images, "image")}`;
}

/** Where an axis stops being linear and where it ends: powers of ten, as `igbatch.report.figures.dotplot.extent`. */
export function extent(values: number[]): { linear: number; largest: number } {
  const sizes = values.map(Math.abs).filter((size) => size > 0 && Number.isFinite(size));
  if (!sizes.length) return { linear: 0.1, largest: 1 };
  const top = Math.ceil(Math.log10(Math.max(...sizes)) + 1e-9);
  const bottom = Math.max(Math.floor(Math.log10(Math.min(...sizes))), top - DECADES);
  return { linear: 10 ** Math.min(bottom, top - 1), largest: 10 ** top };
}

/** Zero, and powers of ten on both sides of it, at most `max` on each. */
function decadeTicks(linear: number, largest: number, max: number): number[] {
  const decades = Math.round(Math.log10(largest / linear));
  const every = Math.max(1, Math.ceil(decades / max));
  const powers: number[] = [];
  for (let step = 0; step < decades; step += every) powers.push(largest / 10 ** step);
  return [...powers.map((power) => -power), 0, ...powers.reverse()];
}
