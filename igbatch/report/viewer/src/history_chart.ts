/** The figures of an audit's checks over time, each with its threshold. */

import * as Plot from "@observablehq/plot";

import { chart, follow } from "./chart_frame.ts";
import { number } from "./format.ts";
import type { CheckPoint, CheckSeries, PageStudy } from "./study_types.ts";

const HEIGHT = 150;
const LEFT = 68;
/** Of the lines of several references, in order. */
const DASHES = ["", "2 3"];
const LINES = ["solid line", "dotted line"];

/** Draw one chart a check into every place for them, `[data-chart="history"]`. */
export function drawHistory(root: ParentNode, study: PageStudy): void {
  for (const place of root.querySelectorAll<HTMLElement>('[data-chart="history"]')) {
    place.classList.add("chart-grid");
    place.replaceChildren();
    for (const group of byCheck(study.history)) {
      const cell = document.createElement("div");
      const head = document.createElement("h4");
      const canvas = document.createElement("div");
      head.textContent = group[0]!.title;
      cell.append(head, canvas);
      place.append(cell);
      follow(canvas, (width) => historyChart(group, width));
    }
  }
}

/** Put series of one check together, one for each reference, in the order of the checks. */
export function byCheck(series: CheckSeries[]): CheckSeries[][] {
  const groups = new Map<string, CheckSeries[]>();
  for (const one of series) groups.set(one.check, [...(groups.get(one.check) ?? []), one]);
  return [...groups.values()];
}

/** Say how to read the chart of a check, with its latest threshold. */
export function captionOf(group: CheckSeries[]): string {
  const first = group[0]!;
  const threshold = first.points.at(-1)?.threshold ?? null;
  const side = first.at_least ? "at least" : "at most";
  const parts = [first.unit, threshold === null ? "" : `dashed: ${side} ${number(threshold)}`];
  if (group.length > 1) parts.push(...group.map((one, place) => `${LINES[place] ?? "line"}: ${one.role}`));
  return parts.filter(Boolean).join("; ");
}

interface Row extends CheckPoint {
  role: string;
  time: Date;
}

function historyChart(group: CheckSeries[], width: number): Element {
  const lines: Row[][] = group.map((one) =>
    one.points.map((point) => ({ ...point, role: one.role, time: new Date(point.at) })),
  );
  const rows = lines.flat();
  const failed = rows.filter((row) => row.outcome === "failed");
  const others = rows.filter((row) => row.outcome !== "failed");
  return chart({
    width,
    height: HEIGHT,
    marginLeft: LEFT,
    marginTop: 10,
    marginRight: 14,
    marginBottom: 26,
    ariaLabel: `${group[0]!.title}: its figure at each audit, and the threshold`,
    caption: captionOf(group),
    x: { type: "utc", label: null },
    y: { label: null, nice: true },
    marks: [
      Plot.gridY({ ticks: 4, stroke: "var(--line)", strokeOpacity: 1 }),
      Plot.axisY({ ticks: 4, tickFormat: (tick: number) => number(tick, 2), fontSize: 11 }),
      Plot.axisX({ ticks: Math.max(2, Math.floor(width / 90)), fontSize: 11 }),
      ...threshold(lines[0]!),
      ...lines.map((line, place) =>
        Plot.lineY(line, {
          x: "time",
          y: "figure",
          stroke: "currentColor",
          strokeWidth: 1,
          strokeDasharray: DASHES[place] ?? "1 4",
        }),
      ),
      Plot.dot(others, { x: "time", y: "figure", fill: "var(--positive)", r: 3 }),
      Plot.dot(failed, { x: "time", y: "figure", fill: "var(--bad)", r: 4, symbol: "diamond" }),
      Plot.tip(rows, Plot.pointer({ ...TIP, x: "time", y: "figure", title: tipOf })),
    ],
  });
}

const TIP = { fill: "var(--card)", stroke: "var(--line)", fontSize: 12 };

/** The threshold as it was at each audit; one that never changed goes across the chart. */
function threshold(line: Row[]): Plot.Markish[] {
  const known = line.filter((row) => row.threshold !== null);
  const dashed = { stroke: "var(--bad)", strokeDasharray: "5 3", strokeWidth: 1.5 };
  if (new Set(known.map((row) => row.threshold)).size < 2) {
    return [Plot.ruleY(known.slice(-1), { y: "threshold", ...dashed })];
  }
  return [Plot.lineY(known, { x: "time", y: "threshold", curve: "step-after", ...dashed })];
}

function tipOf(row: Row): string {
  const allowed = row.threshold === null ? "" : `, threshold ${number(row.threshold)}`;
  const when = row.at.replace("T", " ").replace("Z", " UTC");
  return `${when}\n${row.role}\n${number(row.figure)}${allowed}: ${row.outcome}`;
}
