/** How the values of one variant's maps are spread, and where their colours end. */

import { useEffect, useRef, useState } from "preact/hooks";

import { histogramChart } from "../histogram.ts";
import { headings, linesOf } from "../layout.ts";
import type { MapStore } from "../map_store.ts";
import { slackOf } from "../raw_map.ts";
import { type Cell, cellLimits, regionWords, unpackedKey } from "../shown.ts";
import type { PageStudy } from "../study_types.ts";
import { partOf } from "../style.ts";
import type { View } from "../view.ts";

export interface HistogramProps {
  rows: Cell[][];
  view: View;
  study: PageStudy;
  store: MapStore;
}

export function Histogram({ rows, view, study, store }: HistogramProps) {
  const [place, setPlace] = useState(0);
  const container = useRef<HTMLDivElement>(null);
  const lines = linesOf(rows);
  const chosen = Math.min(place, lines.length - 1);
  const row = lines[chosen] ?? [];
  const names = headings(row);
  const { part, regions } = view.style;
  useEffect(() => {
    const series = row.flatMap((cell, at) => {
      const pair = rows.find((each) => each.includes(cell)) ?? row;
      const limits = cellLimits(study, cell, pair, view.normalization, view.style, store);
      const sums = cell.regions?.sums;
      if (!sums || !limits) return [];
      const values = Float64Array.from(sums.integers, (integer) => partOf(part, integer * sums.scale));
      return [{ name: names[at]!, values, limits, slack: slackOf(cell.regions!) }];
    });
    if (container.current)
      histogramChart(container.current, series, study.unit, regionWords(study, regions).many);
  }, [unpackedKey(row), view.normalization, part, regions]);
  return (
    <figure class="histogram">
      <h3>
        {lines.length === 1 ? (
          "Values"
        ) : (
          <label>
            Values of{" "}
            <select value={chosen} onChange={(event) => setPlace(Number(event.currentTarget.value))}>
              {lines.map((each, index) => (
                <option key={each[0]!.variant.id} value={index}>
                  {each[0]!.variant.name}
                </option>
              ))}
            </select>
          </label>
        )}
      </h3>
      <div ref={container} />
    </figure>
  );
}
