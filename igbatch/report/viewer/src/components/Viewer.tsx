/** The viewer: knobs, the photograph, the maps in rows and columns, the sums in boxes, and what may be taken along. */

import { useEffect, useMemo, useState } from "preact/hooks";

import { middle, rescaled } from "../boxes.ts";
import { colorsOf } from "../colors.ts";
import { save, saveCanvas } from "../download.ts";
import { headings, layoutOf, linesOf, lineTitle, secondHeadings } from "../layout.ts";
import type { MapStore } from "../map_store.ts";
import { boxRows, viewCsv } from "../numbers.ts";
import { drawView } from "../picture.ts";
import type { Rectangle } from "../raw_map.ts";
import {
  type Cell,
  cellLimits,
  cellScope,
  regionWords,
  rowsOf,
  sharedRange,
  titleOf,
  unpackedKey,
} from "../shown.ts";
import type { PageStudy } from "../study_types.ts";
import type { Normalization } from "../style.ts";
import { firstView, imageOf, toFragment, type View, WHOLE, zoomed } from "../view.ts";
import { marksOf, normalizationWords, styleWords } from "../words.ts";
import { BoxCorners, BoxTable } from "./BoxTable.tsx";
import { Controls } from "./Controls.tsx";
import { Histogram } from "./Histogram.tsx";
import { MapPanel } from "./MapPanel.tsx";
import { type Cursor, type Hand, Stage } from "./Stage.tsx";
import { FRAMED, useUnpacked, useView, useWidth } from "./state.ts";

export interface ViewerProps {
  study: PageStudy;
  store: MapStore;
  /** Called when the first map has its colours, or it is known that there is none. */
  ready: () => void;
}

export function Viewer({ study, store, ready }: ViewerProps) {
  const { view, change, strange } = useView(study);
  const [cursor, setCursor] = useState<Cursor | null>(null);
  const [drawing, setDrawing] = useState(false);
  const [message, setMessage] = useState("");
  useUnpacked(study, view, store, ready);
  const [place, column] = useWidth();
  const image = imageOf(study, view)!;
  const rows = rowsOf(study, view, store);
  const palette = study.knobs.palettes.find((each) => each.palette === view.style.palette)!;
  const colors = useMemo(() => colorsOf(palette), [palette]);
  const boxes = useMemo(
    () => boxRows(rows, view),
    [view.image, view.variants, view.targets, view.boxes, unpackedKey(rows.flat())],
  );
  const frame = rows[0]?.[0]?.frame ?? image.frames[0]!;
  const first = image.frames[0]!;
  const setBoxes = (next: Rectangle[]): void => change({ boxes: next });
  const add = (box: Rectangle): void => {
    setBoxes([...view.boxes, box]);
    setDrawing(false);
  };
  const edits = {
    change: (index: number, box: Rectangle) =>
      setBoxes(view.boxes.map((each, place) => (place === index ? box : each))),
    remove: (index: number) => setBoxes(view.boxes.filter((_, place) => place !== index)),
  };
  const hand: Hand = { drawing, cursor, point: setCursor, add, edits, zoom: (zoom) => change({ zoom }) };
  const normalizations = view.beside ? [view.normalization, view.beside] : [view.normalization];
  const words = normalizations.map((each) => normalizationWords(study, rows, each, view.style, store));
  const style = styleWords(study, view.style);
  const lines = linesOf(rows);
  const across = Math.max(1, ...lines.map((line) => line.length * normalizations.length));
  const layout = layoutOf(column, across, frame.width, view.size);
  const seconds = lines.map(secondHeadings);
  const panel = (
    cell: Cell,
    heading: string,
    second: string,
    row: Cell[],
    chosen: Normalization,
    place: number,
  ) => {
    const limits = cellLimits(study, cell, row, chosen, view.style, store);
    return (
      <MapPanel
        key={`${place} ${cell.variant.id} ${cell.target.id}`}
        cell={cell}
        heading={heading}
        second={seconds.some((each) => each.some(Boolean)) ? second : null}
        width={layout.width}
        aside={view.beside ? shortTitle(study, chosen, cell, row) : ""}
        view={view}
        region={regionWords(study, view.style.regions)}
        hand={hand}
        colors={colors}
        limits={limits}
        marks={marksOf(cell, limits, view.style, study)}
        shared={
          chosen.scope === "raw" || chosen.rule === "fixed"
            ? null
            : sharedRange(study, cell, row, cellScope(chosen, cell, row), view.style.regions)
        }
        painted={ready}
      />
    );
  };
  const line = (cells: Cell[], nth: number) => {
    const names = headings(cells);
    const title = lineTitle(cells);
    return (
      <section key={cells[0]!.variant.id} class="variant-row" aria-label={title || "Maps"}>
        {title && names[0] !== title && <h3>{title}</h3>}
        <div class="panels">
          {cells.flatMap((cell, at) =>
            normalizations.map((chosen, place) =>
              panel(
                cell,
                names[at]!,
                seconds[nth]![at]!,
                rows.find((row) => row.includes(cell))!,
                chosen,
                place,
              ),
            ),
          )}
        </div>
      </section>
    );
  };
  return (
    <div class="viewer">
      <KnobsPanel>
        <Controls study={study} image={image} view={view} change={change} />
      </KnobsPanel>
      <div class="shown" ref={place}>
        {strange.length > 0 && (
          <p class="mark" role="alert">
            The link names what this page does not hold: {strange.join(", ")}.
          </p>
        )}
        <div class="statement" aria-live="polite" id="statement">
          {words.map((paragraphs, place) =>
            paragraphs.map((text, nth) => (
              <p key={`${place}-${nth}`}>
                {view.beside && !nth && <strong>{place ? "Right: " : "Left: "}</strong>}
                {text}
              </p>
            )),
          )}
          {style && <p>{style}</p>}
        </div>
        <div class="tools" role="toolbar" aria-label="Zoom, boxes, link and downloads">
          <button type="button" onClick={() => change({ zoom: zoomed(view.zoom, 1.5) })} aria-label="Zoom in">
            +
          </button>
          <button
            type="button"
            onClick={() => change({ zoom: zoomed(view.zoom, 1 / 1.5) })}
            aria-label="Zoom out"
          >
            −
          </button>
          <button type="button" onClick={() => change({ zoom: WHOLE })}>
            Whole image
          </button>
          <button type="button" aria-pressed={drawing} onClick={() => setDrawing(!drawing)}>
            Draw a box
          </button>
          <button type="button" onClick={() => add(middle(view.zoom, first))}>
            Add a box
          </button>
          {!FRAMED && (
            <>
              <button type="button" onClick={() => copyLink(view, setMessage)}>
                Copy link
              </button>
              <button
                type="button"
                onClick={() =>
                  saveCanvas(
                    drawView(study, rows, view, colors, store, [...words.flat(), style]),
                    fileName(study, view, "png"),
                  )
                }
              >
                PNG
              </button>
              <button
                type="button"
                onClick={() =>
                  save(viewCsv(study, rows, view, store), "text/csv", fileName(study, view, "csv"))
                }
              >
                CSV
              </button>
            </>
          )}
          <button type="button" onClick={() => change(firstView(study))}>
            Reset
          </button>
          <span class="message" role="status">
            {message}
          </span>
        </div>
        <p class="reading-line" role="status" aria-live="polite">
          {cursorWords(cursor, rows)}
        </p>
        <div class={layout.beside ? "display beside" : "display"} style={{ "--map": `${layout.width}px` }}>
          <div class="top">
            <figure class="panel photo" style={{ width: `${layout.width}px` }}>
              <h3>
                {image.name}
                {image.label && <span class="faint"> labelled {image.label}</span>}
              </h3>
              {frame.picture ? (
                <Stage
                  label={`The image ${image.name}`}
                  size={frame}
                  view={view}
                  hand={hand}
                  dataBoxes={frame.boxes}
                  ownBoxes={view.boxes.map((box) => rescaled(box, first, frame))}
                  editable={frame === first}
                  reachable
                >
                  <img src={frame.picture} alt={image.name} draggable={false} />
                </Stage>
              ) : (
                <p class="missing" style={{ aspectRatio: `${frame.width} / ${frame.height}` }}>
                  {frame.missing}
                </p>
              )}
            </figure>
            <Histogram rows={rows} view={view} study={study} store={store} />
          </div>
          <div class="lines">{lines.map(line)}</div>
        </div>
        <h3>Boxes</h3>
        <div class="tools">
          {frame === first &&
            frame.boxes.map((box) => (
              <button
                key={box.box_id}
                type="button"
                onClick={() =>
                  add({ x_min: box.x_min, y_min: box.y_min, x_max: box.x_max, y_max: box.y_max })
                }
              >
                Copy {box.name} as my own
              </button>
            ))}
        </div>
        <BoxCorners boxes={view.boxes} size={first} edits={edits} />
        <BoxTable rows={boxes} image={image.name} noun={study.noun} />
      </div>
    </div>
  );
}

/** The knobs, folded at first on a small screen; a frame has its width only after it began. */
function KnobsPanel({ children }: { children: preact.ComponentChildren }) {
  const wide = useMemo(() => matchMedia("(min-width: 900px)"), []);
  const [open, setOpen] = useState(wide.matches);
  useEffect(() => {
    const follow = (): void => setOpen(wide.matches);
    follow();
    wide.addEventListener("change", follow);
    return () => wide.removeEventListener("change", follow);
  }, []);
  return (
    <details class="knobs" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Knobs</summary>
      {children}
    </details>
  );
}

function shortTitle(study: PageStudy, chosen: Normalization, cell: Cell, row: Cell[]): string {
  return `${titleOf(study, cellScope(chosen, cell, row)).toLowerCase()}, ${chosen.rule}`;
}

function cursorWords(cursor: Cursor | null, rows: Cell[][]): string {
  const frame = rows[0]?.[0]?.frame;
  if (!cursor || !frame) return "Point at a map, or focus it and use the arrow keys, to read its raw values.";
  const inside = frame.boxes.filter(
    (box) => box.x_min <= cursor.x && cursor.x < box.x_max && box.y_min <= cursor.y && cursor.y < box.y_max,
  );
  const where = inside.length ? `, in the box ${inside.map((box) => box.name).join(" and ")}` : "";
  return `Pixel x ${cursor.x}, y ${cursor.y}${where}: raw values stand below each map.`;
}

async function copyLink(view: View, setMessage: (text: string) => void): Promise<void> {
  history.replaceState(null, "", toFragment(view));
  try {
    await navigator.clipboard.writeText(location.href);
    setMessage("Link copied.");
  } catch {
    setMessage("The link is in the address bar.");
  }
}

function fileName(study: PageStudy, view: View, ending: string): string {
  const safe = (text: string): string =>
    text
      .replace(/[^A-Za-z0-9]+/g, "-")
      .replace(/^-+|-+$/g, "")
      .slice(0, 40) || "view";
  return `${safe(study.name)}-${safe(view.image)}-${view.normalization.scope}.${ending}`;
}
