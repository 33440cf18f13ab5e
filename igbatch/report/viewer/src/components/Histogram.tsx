/** How the values of one variant's maps are spread, and where their colours end. */

import { useEffect, useRef, useState } from "preact/hooks";

import { histogramChart } from "../histogram.ts";
import type { MapStore } from "../map_store.ts";
import { slackOf } from "../raw_map.ts";
import { type Cell, cellLimits, regionWords } from "../shown.ts";
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
  const chosen = Math.min(place, rows.length - 1);
  const row = rows[chosen] ?? [];
  const { part, regions } = view.style;
  useEffect(() => {
    const series = row.flatMap((cell) => {
      const limits = cellLimits(study, cell, row, view.normalization, view.style, store);
      const sums = cell.regions?.sums;
      if (!sums || !limits) return [];
      const values = Float64Array.from(sums.integers, (integer) => partOf(part, integer * sums.scale));
      return [{ name: cell.target.name, values, limits, slack: slackOf(cell.regions!) }];
    });
    if (container.current)
      histogramChart(container.current, series, study.unit, regionWords(study, regions).many);
  }, [row.map((cell) => cell.map.block).join(), row[0]?.raw, view.normalization, part, regions]);
  return (
    <figure class="histogram">
      <h3>
        <label>
          Values of{" "}
          <select value={chosen} onChange={(event) => setPlace(Number(event.currentTarget.value))}>
            {rows.map((each, index) => (
              <option key={each[0]!.variant.id} value={index}>
                {each[0]!.variant.name}
              </option>
            ))}
          </select>
        </label>
      </h3>
      <div ref={container} />
    </figure>
  );
}
