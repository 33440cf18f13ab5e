/** One map: its picture, its colour bar, and the numbers that always stand below it. */

import { useLayoutEffect, useMemo, useRef } from "preact/hooks";

import { rescaled } from "../boxes.ts";
import { type Colors, paint } from "../colors.ts";
import { outline } from "../contour.ts";
import { number, orDash } from "../format.ts";
import { uneven } from "../layout.ts";
import type { Limits } from "../limits.ts";
import { BLURRED, precision, regionAt, valueAt } from "../raw_map.ts";
import { type Cell, extremesOf, nameOf, type Shared } from "../shown.ts";
import type { RegionChoice, StoredMap } from "../study_types.ts";
import { contourBlur } from "../style.ts";
import type { View } from "../view.ts";
import { ColorBar } from "./ColorBar.tsx";
import { type Hand, Stage } from "./Stage.tsx";

export interface MapPanelProps {
  cell: Cell;
  /** What it is called where it stands: by its target, or by its variant where a line has one of each. */
  heading: string;
  /** A second heading; null where no map has one. */
  second: string | null;
  /** In pixels on screen. */
  width: number;
  /** What the columns of one target are told apart by, where a map stands there twice. */
  aside: string;
  view: View;
  /** The words of what has one colour. */
  region: RegionChoice;
  hand: Hand;
  colors: Colors;
  limits: Limits | null;
  shared: Shared | null;
  /** What to be careful about. */
  marks: string[];
  painted: () => void;
}

export function MapPanel(props: MapPanelProps) {
  const { cell, heading, second, width, aside, view, region, hand, colors, limits, shared, painted } = props;
  const { map, frame, regions } = cell;
  const raw = regions?.shown;
  const { part, level, contour, opacity } = view.style;
  const blur = contourBlur(view.style);
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    if (!raw || !limits || !canvas.current) return;
    const pixels = new ImageData(paint(raw, limits, part, level, colors), raw.width, raw.height);
    canvas.current.getContext("2d")!.putImageData(pixels, 0, 0);
    painted();
  }, [raw, limits?.low, limits?.high, part, level, colors]);
  const line = useMemo(
    () => (raw && contour > 0 ? outline(raw, part, contour, blur) : ""),
    [raw, part, contour, blur],
  );
  const first = cell.image.frames[0]!;
  const own = view.boxes.map((box) => rescaled(box, first, frame));
  const title = [nameOf(cell), second, aside].filter(Boolean).join(", ");
  return (
    <figure
      class="panel"
      data-variant={cell.variant.id}
      data-target={cell.target.id}
      style={{ width: `${width}px` }}
    >
      <h4 title={title}>
        {heading}
        {second !== null && <span class="faint aside">{second || "\u00a0"}</span>}
        {aside && <span class="faint aside">{aside}</span>}
      </h4>
      {raw && limits ? (
        <Stage
          label={`Map of ${cell.image.name}, ${title}`}
          size={frame}
          view={view}
          hand={hand}
          dataBoxes={frame.boxes}
          ownBoxes={own}
          contour={line}
          editable={frame.width === first.width && frame.height === first.height}
          reachable={false}
        >
          {opacity < 1 && frame.picture && <img src={frame.picture} alt="" draggable={false} />}
          <canvas
            ref={canvas}
            width={raw.width}
            height={raw.height}
            class={uneven(width, raw.width, view.zoom.k, view.style.regions) ? "smooth" : ""}
            style={{ opacity: `${frame.picture ? opacity : 1}` }}
          />
        </Stage>
      ) : (
        <p class="missing" style={{ aspectRatio: `${frame.width} / ${frame.height}` }}>
          {cell.missing || (raw ? "No range." : map.block ? "Unpacking…" : "No map.")}
        </p>
      )}
      {limits && (
        <ColorBar
          limits={limits}
          level={level}
          colors={colors}
          shared={view.style.part === "signed" && shared ? shared : null}
        />
      )}
      <figcaption>
        <p class="reading" aria-hidden="true">
          {reading(cell, hand, region)}
        </p>
        <Numbers map={map} region={region} />
        {props.marks.map((mark) => (
          <p key={mark} class="mark">
            {mark}
          </p>
        ))}
      </figcaption>
    </figure>
  );
}

/** The numbers of a map, whether or not it is drawn. */
function Numbers({ map, region: { size, one } }: { map: StoredMap; region: RegionChoice }) {
  if (map.sum === null) return null;
  const ends = extremesOf(map, size);
  const region = size === 1 ? "" : `${one} `;
  const pairs: [string, string][] = [
    [`${region}min`, orDash(ends?.minimum)],
    [`${region}max`, orDash(ends?.maximum)],
    ["sum", orDash(map.sum)],
  ];
  if (map.score !== null)
    pairs.push(
      ["F(image)", orDash(map.score)],
      ["F(baseline)", orDash(map.score_baseline)],
      ["gap", orDash(map.gap, 2)],
      ["steps", map.steps === null ? "–" : `${map.steps}`],
      ["converged", map.converged === null ? "–" : map.converged ? "yes" : "no"],
    );
  return (
    <dl class="numbers">
      {pairs.map(([name, value]) => (
        <div key={name} class={name === "converged" && value === "no" ? "mark" : ""}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Write the raw value at the cursor, as far as it is known: of its region the sum, and the sum of absolute values. */
function reading({ raw, regions }: Cell, { cursor }: Hand, { size, one }: RegionChoice): string {
  if (!cursor || !raw || cursor.x >= raw.width || cursor.y >= raw.height) return "\u00a0";
  const pixel = `${number(valueAt(raw, cursor.x, cursor.y))} ± ${number(precision(raw), 1)}`;
  if (!regions || regions.shown === raw) return pixel;
  if (size === BLURRED) return `${one} ${number(valueAt(regions.shown, cursor.x, cursor.y))}; pixel ${pixel}`;
  const { labels } = regions;
  const { sum, abs_sum, bound } = regionAt(raw, cursor.x, cursor.y, size, labels);
  const name = labels?.names[labels.numbers[cursor.y * raw.width + cursor.x]!] ?? one;
  return `${name} ${number(sum)} ± ${number(bound, 1)}, of |a| ${number(abs_sum)}; pixel ${pixel}`;
}
