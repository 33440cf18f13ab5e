/** A picture that is zoomed, pointed at and drawn on: the photograph, or a map. All of a view move together. */

import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";

import type { Size } from "../boxes.ts";
import type { Rectangle } from "../raw_map.ts";
import type { DrawnBox } from "../study_types.ts";
import { bounded, type View, type Zoom, zoomed } from "../view.ts";
import { type BoxEdits, DataBoxes, Draft, OwnBoxes } from "./Boxes.tsx";
import { useDrawing, useZoom } from "./gestures.ts";

/** A pixel that the reader points at. */
export interface Cursor {
  x: number;
  y: number;
}

/** What the reader may do on a picture. */
export interface Hand {
  drawing: boolean;
  cursor: Cursor | null;
  zoom: (zoom: Zoom) => void;
  point: (cursor: Cursor | null) => void;
  add: (box: Rectangle) => void;
  edits: BoxEdits;
}

export interface StageProps {
  label: string;
  size: Size;
  view: View;
  hand: Hand;
  dataBoxes: DrawnBox[];
  ownBoxes: Rectangle[];
  /** Whether own boxes may be drawn and changed here, and reached by the keyboard. */
  editable: boolean;
  reachable: boolean;
  /** The outline of the strongest pixels, as the path of an SVG. */
  contour?: string;
  children: ComponentChildren;
}

const STEPS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

export function Stage(props: StageProps) {
  const { size, view, hand } = props;
  const stage = useRef<HTMLDivElement>(null);
  const surface = useRef<SVGGElement>(null);
  const [draft, setDraft] = useState<Rectangle | null>(null);
  useZoom(stage, view.zoom, (zoom) => hand.zoom(bounded(zoom)));
  useDrawing(surface, hand.drawing && props.editable, size, setDraft, hand.add);
  const { k, x, y } = view.zoom;
  const point = (event: PointerEvent): void => {
    const place = stage.current!.getBoundingClientRect();
    hand.point({
      x: pixel(((event.clientX - place.left) / place.width - x) / k, size.width),
      y: pixel(((event.clientY - place.top) / place.height - y) / k, size.height),
    });
  };
  const press = (event: KeyboardEvent): void => {
    const step = STEPS[event.key];
    const from = hand.cursor ?? { x: size.width >> 1, y: size.height >> 1 };
    const by = event.shiftKey ? 10 : 1;
    if (step)
      hand.point({
        x: within(from.x + by * step[0], size.width),
        y: within(from.y + by * step[1], size.height),
      });
    else if (event.key === "+" || event.key === "=") hand.zoom(zoomed(view.zoom, 1.5));
    else if (event.key === "-") hand.zoom(zoomed(view.zoom, 1 / 1.5));
    else if (event.key === "0") hand.zoom({ k: 1, x: 0, y: 0 });
    else return;
    event.preventDefault();
  };
  const move = { transform: `translate(${100 * x}%, ${100 * y}%) scale(${k})` };
  return (
    <div
      ref={stage}
      class={`stage${hand.drawing ? " drawing" : ""}`}
      style={{ aspectRatio: `${size.width} / ${size.height}` }}
      tabindex={0}
      role="group"
      aria-label={`${props.label}. Arrow keys read pixels, plus and minus zoom, 0 shows all.`}
      onPointerMove={point}
      onPointerLeave={() => hand.point(null)}
      onKeyDown={press}
    >
      <div class="layers" style={move}>
        {props.children}
      </div>
      <svg viewBox={`0 0 ${size.width} ${size.height}`} preserveAspectRatio="none">
        <g
          ref={surface}
          class="zoomed"
          transform={`translate(${x * size.width} ${y * size.height}) scale(${k})`}
        >
          <rect class="surface" width={size.width} height={size.height} />
          {props.contour && <path class="contour halo" d={props.contour} />}
          {props.contour && <path class="contour" d={props.contour} />}
          {view.outlines && <DataBoxes boxes={props.dataBoxes} size={size} k={k} />}
          <OwnBoxes boxes={props.ownBoxes} size={size} k={k} edits={hand.edits} reachable={props.reachable} />
          {draft && <Draft box={draft} />}
          {hand.cursor && inside(hand.cursor, size) && (
            <rect class="cursor" x={hand.cursor.x} y={hand.cursor.y} width={1} height={1} />
          )}
        </g>
      </svg>
    </div>
  );
}

function pixel(share: number, length: number): number {
  return within(Math.floor(share * length), length);
}

function within(value: number, length: number): number {
  return Math.min(Math.max(value, 0), length - 1);
}

function inside(cursor: Cursor, size: Size): boolean {
  return cursor.x < size.width && cursor.y < size.height;
}
