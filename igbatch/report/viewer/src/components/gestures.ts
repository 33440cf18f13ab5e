/** Pointer and touch on a map: zoom and pan, the box that is drawn, boxes that are moved; by d3-zoom and d3-drag. */

import { drag } from "d3-drag";
import { pointer, select } from "d3-selection";
import { type ZoomBehavior, zoom, zoomIdentity } from "d3-zoom";
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { between, type Grip, resized, type Size } from "../boxes.ts";
import type { Rectangle } from "../raw_map.ts";
import { MAX_ZOOM, type Zoom } from "../view.ts";

/** Keep a value at hand for handlers that are attached once. */
function useLatest<T>(value: T): RefObject<T> {
  const latest = useRef(value);
  latest.current = value;
  return latest;
}

/** Zoom by wheel (where the map has the focus, or with Ctrl), pinch or double click; pan by dragging. */
export function useZoom(
  stage: RefObject<HTMLElement | null>,
  shown: Zoom,
  change: (zoom: Zoom) => void,
): void {
  const latest = useLatest(change);
  useEffect(() => {
    const element = stage.current!;
    const behavior: ZoomBehavior<HTMLElement, unknown> = zoom<HTMLElement, unknown>()
      .scaleExtent([1, MAX_ZOOM])
      .filter((event: Event) => allowed(event, element))
      .on("zoom", ({ transform, sourceEvent }) => {
        if (!sourceEvent) return; // set by the page itself
        const { clientWidth: width, clientHeight: height } = element;
        latest.current!({ k: transform.k, x: transform.x / width, y: transform.y / height });
      });
    behavior.translateExtent([
      [0, 0],
      [element.clientWidth, element.clientHeight],
    ]);
    const resize = new ResizeObserver(() =>
      behavior.translateExtent([
        [0, 0],
        [element.clientWidth, element.clientHeight],
      ]),
    );
    resize.observe(element);
    select(element).call(behavior);
    return () => {
      resize.disconnect();
      select(element).on(".zoom", null);
    };
  }, []);
  useEffect(() => {
    const element = stage.current!;
    const transform = zoomIdentity
      .translate(shown.x * element.clientWidth, shown.y * element.clientHeight)
      .scale(shown.k);
    select(element).property("__zoom", transform); // where the next gesture goes on from, as d3-zoom keeps it
  });
}

function allowed(event: Event, element: HTMLElement): boolean {
  if (event.type === "wheel") return (event as WheelEvent).ctrlKey || element === document.activeElement;
  if (event.type === "touchstart")
    return (event as TouchEvent).touches.length > 1 || element === document.activeElement;
  return !(event as MouseEvent).button && !(event as MouseEvent).ctrlKey;
}

/** Draw a box by dragging over a surface while `active`; `draw` follows, `done` gets the last one. */
export function useDrawing(
  surface: RefObject<SVGGraphicsElement | null>,
  active: boolean,
  size: Size,
  draw: (box: Rectangle | null) => void,
  done: (box: Rectangle) => void,
): void {
  const latest = useLatest({ size, draw, done });
  useEffect(() => {
    if (!active || !surface.current) return;
    const element = surface.current;
    let from: [number, number] = [0, 0];
    let box: Rectangle | null = null;
    const behavior = drag<SVGGraphicsElement, unknown>()
      .container(() => element)
      .on("start", (event) => {
        from = pointer(event, element);
        box = null;
      })
      .on("drag", (event) => {
        box = between(from, pointer(event, element), latest.current!.size);
        latest.current!.draw(box);
      })
      .on("end", () => {
        latest.current!.draw(null);
        if (box) latest.current!.done(box);
      });
    const chosen = select(element).call(behavior);
    return () => {
      chosen.on(".drag", null);
    };
  }, [active]);
}

/** Move a box, or some of its sides, by dragging an element of it. */
export function useGrip(
  element: RefObject<SVGGraphicsElement | null>,
  grip: Grip,
  box: Rectangle,
  size: Size,
  change: (box: Rectangle) => void,
): void {
  const latest = useLatest({ box, size, change });
  useEffect(() => {
    const target = element.current!;
    const surface = target.ownerSVGElement!.querySelector<SVGGraphicsElement>("g.zoomed")!;
    let from: [number, number] = [0, 0];
    let first = box;
    const behavior = drag<SVGGraphicsElement, unknown>()
      .container(() => surface)
      .on("start", (event) => {
        from = pointer(event, surface);
        first = latest.current!.box;
      })
      .on("drag", (event) => {
        const to = pointer(event, surface);
        latest.current!.change(resized(first, grip, to[0] - from[0], to[1] - from[1], latest.current!.size));
      });
    select(target).call(behavior);
    return () => {
      select(target).on(".drag", null);
    };
  }, []);
}
