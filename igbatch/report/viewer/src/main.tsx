/** The script of the report page: it reads what the page holds, and lets the reader turn the knobs. */

import { render } from "preact";

import { drawAggregates } from "./aggregates_chart.ts";
import { Viewer } from "./components/Viewer.tsx";
import { drawHistory } from "./history_chart.ts";
import { MapStore } from "./map_store.ts";
import { onceDrawn } from "./ready.ts";
import type { PageStudy } from "./study_types.ts";
import { enhanceTables } from "./tables.ts";
import { isView } from "./view.ts";

function main(): void {
  const study = JSON.parse(document.getElementById("study-data")!.textContent!) as PageStudy;
  const store = new MapStore((block) => document.getElementById(block)?.textContent ?? "");
  const place = document.getElementById("viewer")!;
  const ready = onceDrawn(() => {
    if (isView(location.hash)) document.getElementById("maps")?.scrollIntoView();
    enhanceTables(document);
    drawAggregates(document, study);
    drawHistory(document, study);
  });
  if (study.images.length) render(<Viewer study={study} store={store} ready={ready} />, place);
  else ready();
}

main();
