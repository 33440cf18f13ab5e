/** What the viewer keeps: the view with its address, and the maps of the image in view. */

import type { RefObject } from "preact";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import type { MapStore } from "../map_store.ts";
import type { PageStudy } from "../study_types.ts";
import { firstView, fromFragment, imageOf, isView, toFragment, type View } from "../view.ts";

/** Whether the page stands in a frame of a notebook: it has no address there, and may save nothing. */
export const FRAMED = location.protocol === "about:";

const LINK_DELAY = 250; // ms; browsers refuse an address that changes with every step of a slider

/** The view, kept in the address of the page once the reader has changed it. */
export function useView(study: PageStudy): {
  view: View;
  change: (part: Partial<View>) => void;
  strange: string[];
} {
  const [state, setState] = useState(() =>
    isView(location.hash) ? fromFragment(study, location.hash) : { view: firstView(study), strange: [] },
  );
  const changed = useRef(false);
  const change = useCallback((part: Partial<View>) => {
    changed.current = true;
    setState(({ view }) => ({ view: { ...view, ...part }, strange: [] }));
  }, []);
  useEffect(() => {
    const follow = (): void => {
      if (isView(location.hash)) setState(fromFragment(study, location.hash));
    };
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  useEffect(() => {
    if (!changed.current || FRAMED) return;
    const timer = setTimeout(() => history.replaceState(null, "", toFragment(state.view)), LINK_DELAY);
    return () => clearTimeout(timer);
  }, [state.view]);
  return { view: state.view, change, strange: state.strange };
}

/** Unpack the maps of the image in view, and render again when they are there. */
export function useUnpacked(study: PageStudy, view: View, store: MapStore, ready: () => void): void {
  const [, render] = useState(0);
  useEffect(() => {
    const image = imageOf(study, view);
    if (!image) return;
    let here = true;
    void store
      .load(image, (variant) => study.variants[variant]!.model)
      .then(() => {
        if (!here) return;
        render((times) => times + 1);
        if (!image.variants.some((place) => place.maps.some((map) => store.get(map.block)))) ready();
      });
    return () => {
      here = false;
    };
  }, [view.image]);
}

/** An element and its width in pixels on screen, rendered again where that changes. */
export function useWidth(): [RefObject<HTMLDivElement | null>, number] {
  const place = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(960);
  useLayoutEffect(() => {
    const measure = (): void => setWidth(place.current?.clientWidth || 960);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(place.current!);
    return () => observer.disconnect();
  }, []);
  return [place, width];
}
