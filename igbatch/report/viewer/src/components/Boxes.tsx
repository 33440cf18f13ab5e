/** Boxes over a map or the photograph: those of the data set, and the reader's own with their handles. */

import { useRef } from "preact/hooks";

import { CORNERS, type Grip, resized, type Size } from "../boxes.ts";
import { ownName } from "../numbers.ts";
import type { Rectangle } from "../raw_map.ts";
import type { DrawnBox } from "../study_types.ts";
import { useGrip } from "./gestures.ts";

/** What the reader's own boxes can do. */
export interface BoxEdits {
  change: (index: number, box: Rectangle) => void;
  remove: (index: number) => void;
}

/** The data set's boxes; `k` is the zoom, by which lines and letters must not grow. */
export function DataBoxes({ boxes, size, k }: { boxes: DrawnBox[]; size: Size; k: number }) {
  const letter = size.width / 19 / k;
  return (
    <g class="data-boxes">
      {boxes.map((box) => (
        <g key={box.box_id}>
          <rect class="halo" {...place(box)} />
          <rect class="outline" {...place(box)} stroke={box.color} />
          <Label text={box.name} box={box} letter={letter} color={box.color} />
        </g>
      ))}
    </g>
  );
}

export interface OwnBoxesProps {
  boxes: Rectangle[];
  size: Size;
  k: number;
  edits: BoxEdits;
  /** Whether the keyboard stops at them: on one picture of those that show the same boxes. */
  reachable: boolean;
}

/** The reader's own boxes: dragged, or moved by the arrow keys; with Shift the keys move the right and lower sides. */
export function OwnBoxes({ boxes, size, k, edits, reachable }: OwnBoxesProps) {
  return (
    <g class="own-boxes">
      {boxes.map((box, index) => (
        <OwnBox key={index} box={box} index={index} size={size} k={k} edits={edits} reachable={reachable} />
      ))}
    </g>
  );
}

/** A box while it is drawn. */
export function Draft({ box }: { box: Rectangle }) {
  return <rect class="draft" {...place(box)} />;
}

function OwnBox({
  box,
  index,
  size,
  k,
  edits,
  reachable,
}: Omit<OwnBoxesProps, "boxes"> & { box: Rectangle; index: number }) {
  const body = useRef<SVGRectElement>(null);
  const change = (next: Rectangle): void => edits.change(index, next);
  useGrip(body, [0, 0], box, size, change);
  const name = ownName(index);
  const label = `Your box ${name}: x ${box.x_min} to ${box.x_max}, y ${box.y_min} to ${box.y_max}. Arrow keys move it, with Shift they resize it, Delete removes it.`;
  const press = (event: KeyboardEvent): void => {
    const by = ARROWS[event.key];
    if (by)
      change(resized(box, event.shiftKey ? [by[0] ? 1 : 0, by[1] ? 1 : 0] : [0, 0], by[0], by[1], size));
    else if (event.key === "Delete" || event.key === "Backspace") edits.remove(index);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <g class="own">
      <rect class="halo" {...place(box)} />
      <rect
        ref={body}
        class="body"
        data-box={index}
        {...place(box)}
        tabindex={reachable ? 0 : -1}
        role="button"
        aria-label={label}
        onKeyDown={press}
      />
      <Label text={name} box={box} letter={size.width / 19 / k} color="#1b1b1b" />
      {CORNERS.map((grip) => (
        <Handle key={grip.join()} grip={grip} box={box} size={size} k={k} change={change} />
      ))}
    </g>
  );
}

const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

function Handle({
  grip,
  box,
  size,
  k,
  change,
}: {
  grip: Grip;
  box: Rectangle;
  size: Size;
  k: number;
  change: (box: Rectangle) => void;
}) {
  const element = useRef<SVGRectElement>(null);
  useGrip(element, grip, box, size, change);
  const side = size.width / 26 / k;
  const x = (grip[0] < 0 ? box.x_min : box.x_max) - side / 2;
  const y = (grip[1] < 0 ? box.y_min : box.y_max) - side / 2;
  return (
    <rect
      ref={element}
      class={grip[0] === grip[1] ? "handle falling" : "handle rising"}
      data-grip={grip.join()}
      x={x}
      y={y}
      width={side}
      height={side}
    />
  );
}

function Label({
  text,
  box,
  letter,
  color,
}: {
  text: string;
  box: Rectangle;
  letter: number;
  color: string;
}) {
  const above = box.y_min >= 1.25 * letter;
  const y = above ? box.y_min - 1.25 * letter : box.y_min;
  const width = (0.62 * text.length + 0.7) * letter;
  return (
    <g class="label" aria-hidden="true">
      <rect x={box.x_min} y={y} width={width} height={1.25 * letter} fill={color} />
      <text x={box.x_min + 0.3 * letter} y={y + 0.95 * letter} font-size={letter}>
        {text}
      </text>
    </g>
  );
}

function place(box: Rectangle): { x: number; y: number; width: number; height: number } {
  return { x: box.x_min, y: box.y_min, width: box.x_max - box.x_min, height: box.y_max - box.y_min };
}
