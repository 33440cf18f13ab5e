/** The numbers of a view, for its table of boxes and its CSV file. */

import { csvFormat } from "d3-dsv";

import { rescaled } from "./boxes.ts";
import type { MapStore } from "./map_store.ts";
import { type RawMap, type Rectangle, sumsIn, wholeOf } from "./raw_map.ts";
import { type Cell, cellLimits, cellScope, extremesOf } from "./shown.ts";
import type { PageStudy } from "./study_types.ts";
import type { View } from "./view.ts";

/** One box in one map: what the raw values here add up to, and what the study stored. */
export interface BoxRow {
  cell: Cell;
  box: string;
  /** Whether it is the reader's own. */
  own: boolean;
  rectangle: Rectangle;
  pixels: number;
  /** Null where the map has no values here. */
  sum: number | null;
  bound: number | null;
  /** Of the map's absolute sum; null where that is zero. */
  share: number | null;
  stored_sum: number | null;
  stored_share: number | null;
  /** How the sum depends on the baseline: its deviation, and the share of baselines with its sign. */
  sum_spread: number | null;
  sign_agreement: number | null;
  /** What the output loses without the box, and without the bird; null where the study has not measured it. */
  deletion: number | null;
  deletion_blurred: number | null;
  true_effect: number | null;
}

/** Return the boxes of the data set and the reader's own in every map of a view. */
export function boxRows(rows: Cell[][], view: View): BoxRow[] {
  const cells = rows.flat();
  const size = cells[0]?.image.frames[0];
  if (!size) return [];
  const names = new Set(cells.flatMap((cell) => cell.frame.boxes.map((box) => box.box_id)));
  const stored = [...names].flatMap((id) => cells.flatMap((cell) => storedBox(cell, id)));
  const own = view.boxes.flatMap((box, index) =>
    cells.map((cell) => {
      const rectangle = rescaled(box, size, cell.frame);
      const same = cell.frame.boxes.findIndex((each) => equal(each, rectangle));
      return row(cell, ownName(index), true, rectangle, same);
    }),
  );
  return [...stored, ...own];
}

/** The name of the reader's own box, by its place. */
export function ownName(index: number): string {
  return `own ${index + 1}`;
}

/** Write the numbers of a view as CSV: a row for each map, and one for each box in each map. */
export function viewCsv(study: PageStudy, rows: Cell[][], view: View, store: MapStore): string {
  const boxes = boxRows(rows, view);
  const lines = rows.flatMap((row) =>
    row.flatMap(ofEachTarget).flatMap(([shown, cell]) => {
      const limits = cellLimits(study, shown, row, view.normalization, view.style, store);
      const { map } = cell;
      const size = view.style.regions;
      const ends = extremesOf(map, size);
      const common = {
        image: cell.image.id,
        variant: cell.variant.id,
        target: cell.target.id,
        class: map.class_name,
        minimum: map.minimum,
        maximum: map.maximum,
        sum: map.sum,
        abs_sum: map.abs_sum,
        score: map.score,
        score_baseline: map.score_baseline,
        convergence_delta: map.gap,
        steps: map.steps,
        converged: map.converged,
        region_size: size,
        region_minimum: ends?.minimum,
        region_maximum: ends?.maximum,
        scope: cellScope(view.normalization, shown, row),
        rule: view.normalization.rule,
        color_low: limits?.low,
        color_high: limits?.high,
      };
      const none = {
        box: null,
        x_min: null,
        y_min: null,
        x_max: null,
        y_max: null,
        pixels: null,
        box_sum: null,
        box_sum_bound: null,
        box_share: null,
        stored_box_sum: null,
        stored_box_share: null,
        sum_spread: null,
        sign_agreement: null,
        deletion: null,
        deletion_blurred: null,
        true_effect: null,
      };
      const within = boxes.filter((each) => each.cell === shown);
      return [
        { ...common, ...none },
        ...within.map((each) => ({
          ...common,
          box: each.box,
          x_min: each.rectangle.x_min,
          y_min: each.rectangle.y_min,
          x_max: each.rectangle.x_max,
          y_max: each.rectangle.y_max,
          pixels: each.pixels,
          box_sum: each.sum,
          box_sum_bound: each.bound,
          box_share: each.share,
          stored_box_sum: each.stored_sum,
          stored_box_share: each.stored_share,
          sum_spread: each.sum_spread,
          sign_agreement: each.sign_agreement,
          deletion: each.deletion,
          deletion_blurred: each.deletion_blurred,
          true_effect: each.true_effect,
        })),
      ];
    }),
  );
  return `${csvFormat(lines as Parameters<typeof csvFormat>[0])}\n`;
}

/** Return a cell with each target that it shows the map of. */
function ofEachTarget(shown: Cell): [shown: Cell, own: Cell][] {
  return [shown, ...shown.also.map((each) => ({ ...shown, ...each }))].map((own) => [shown, own]);
}

function storedBox(cell: Cell, id: string): BoxRow[] {
  const place = cell.frame.boxes.findIndex((box) => box.box_id === id);
  const box = cell.frame.boxes[place];
  return box ? [row(cell, box.name, false, box, place)] : [];
}

function row(cell: Cell, box: string, own: boolean, rectangle: Rectangle, place: number): BoxRow {
  const stored = cell.map.boxes.find((each) => each.box === place);
  const { x_min, y_min, x_max, y_max } = rectangle;
  const pixels = (x_max - x_min) * (y_max - y_min);
  return {
    cell,
    box,
    own,
    rectangle: { x_min, y_min, x_max, y_max },
    pixels,
    ...live(cell.raw, rectangle),
    stored_sum: stored?.sum ?? null,
    stored_share: stored?.share ?? null,
    sum_spread: stored?.sum_spread ?? null,
    sign_agreement: stored?.sign_agreement ?? null,
    deletion: stored?.deletion ?? null,
    deletion_blurred: stored?.deletion_blurred ?? null,
    true_effect: stored?.true_effect ?? null,
  };
}

function live(
  raw: RawMap | undefined,
  box: Rectangle,
): { sum: number | null; bound: number | null; share: number | null } {
  if (!raw) return { sum: null, bound: null, share: null };
  const inside = sumsIn(raw, box);
  const whole = sumsIn(raw, wholeOf(raw));
  return {
    sum: inside.sum,
    bound: inside.bound,
    share: whole.abs_sum > 0 ? inside.abs_sum / whole.abs_sum : null,
  };
}

function equal(a: Rectangle, b: Rectangle): boolean {
  return a.x_min === b.x_min && a.y_min === b.y_min && a.x_max === b.x_max && a.y_max === b.y_max;
}
