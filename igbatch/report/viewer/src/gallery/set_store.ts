/** The sets of maps that were unpacked so far. */

import { useEffect, useState } from "preact/hooks";

import type { GalleryStudy } from "../gallery_types.ts";
import { unpack } from "../raw_map.ts";

/** Unpacked maps of sets, one below the other, by the place of the set. */
export type Unpacked = Map<number, Int16Array>;

const unpacked: Unpacked = new Map();
const asked = new Set<number>();

/** Unpack some sets, and render again as each is there. */
export function useSets(study: GalleryStudy, places: number[]): Unpacked {
  const [, render] = useState(0);
  useEffect(() => {
    for (const place of places.filter((each) => !asked.has(each))) {
      asked.add(place);
      const { block, width, height } = study.sets[place]!;
      const text = document.getElementById(block)?.textContent;
      if (!text) continue;
      void unpack(text, 1, width, height * study.images.length).then((map) => {
        unpacked.set(place, map.integers as Int16Array);
        render((times) => times + 1);
      });
    }
  }, [places.join(" ")]);
  return unpacked;
}
