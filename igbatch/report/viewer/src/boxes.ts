/** The reader's own boxes: whole pixels of an image, moved and resized within it. */

import type { Rectangle } from "./raw_map.ts";

export interface Size {
  width: number;
  height: number;
}

/** Which sides of a box follow the pointer: -1 the lower one, 1 the upper one, 0 none; `[0, 0]` moves all. */
export type Grip = readonly [horizontal: -1 | 0 | 1, vertical: -1 | 0 | 1];

export const CORNERS: readonly Grip[] = [
  [-1, -1],
  [1, -1],
  [-1, 1],
  [1, 1],
];

/** Return the box between two points in any order: every pixel that it touches, at least one, within the image. */
export function between(from: [number, number], to: [number, number], size: Size): Rectangle {
  const [x_min, x_max] = span(from[0], to[0], size.width);
  const [y_min, y_max] = span(from[1], to[1], size.height);
  return { x_min, y_min, x_max, y_max };
}

/** Return a box moved by whole pixels, as far as the image allows. */
export function moved(box: Rectangle, dx: number, dy: number, size: Size): Rectangle {
  const right = clamp(Math.round(dx), -box.x_min, size.width - box.x_max);
  const down = clamp(Math.round(dy), -box.y_min, size.height - box.y_max);
  return {
    x_min: box.x_min + right,
    y_min: box.y_min + down,
    x_max: box.x_max + right,
    y_max: box.y_max + down,
  };
}

/** Return a box with the sides of a grip moved; it keeps a pixel at least, and stays within the image. */
export function resized(box: Rectangle, grip: Grip, dx: number, dy: number, size: Size): Rectangle {
  if (!grip[0] && !grip[1]) return moved(box, dx, dy, size);
  const [x_min, x_max] = side(box.x_min, box.x_max, grip[0], Math.round(dx), size.width);
  const [y_min, y_max] = side(box.y_min, box.y_max, grip[1], Math.round(dy), size.height);
  return { x_min, y_min, x_max, y_max };
}

/** Return a box of whole pixels within the image, whatever numbers were typed; null where it has no pixel. */
export function within(box: Rectangle, size: Size): Rectangle | null {
  const [x_min, x_max] = [
    clamp(Math.round(box.x_min), 0, size.width),
    clamp(Math.round(box.x_max), 0, size.width),
  ];
  const [y_min, y_max] = [
    clamp(Math.round(box.y_min), 0, size.height),
    clamp(Math.round(box.y_max), 0, size.height),
  ];
  return x_min < x_max && y_min < y_max ? { x_min, y_min, x_max, y_max } : null;
}

/** Return a box in the pixels of another size of the same image, rounded outwards as the data set's boxes are. */
export function rescaled(box: Rectangle, from: Size, to: Size): Rectangle {
  if (from.width === to.width && from.height === to.height) return box;
  const [x, y] = [to.width / from.width, to.height / from.height];
  return {
    x_min: Math.floor(box.x_min * x),
    y_min: Math.floor(box.y_min * y),
    x_max: Math.min(Math.ceil(box.x_max * x), to.width),
    y_max: Math.min(Math.ceil(box.y_max * y), to.height),
  };
}

/** Return a new box in the middle of what is shown of the image: a quarter as wide and high. */
export function middle(zoom: { k: number; x: number; y: number }, size: Size): Rectangle {
  const at = (shift: number, share: number, length: number): number => ((share - shift) / zoom.k) * length;
  return between(
    [at(zoom.x, 0.375, size.width), at(zoom.y, 0.375, size.height)],
    [at(zoom.x, 0.625, size.width), at(zoom.y, 0.625, size.height)],
    size,
  );
}

function span(a: number, b: number, length: number): [number, number] {
  const low = clamp(Math.floor(Math.min(a, b)), 0, length - 1);
  return [low, clamp(Math.ceil(Math.max(a, b)), low + 1, length)];
}

function side(low: number, high: number, grip: number, by: number, length: number): [number, number] {
  if (grip < 0) return [clamp(low + by, 0, high - 1), high];
  if (grip > 0) return [low, clamp(high + by, low + 1, length)];
  return [low, high];
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
