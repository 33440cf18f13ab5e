/** One map as a thumbnail: a pixel of the picture for each patch. */

import { useMemo } from "preact/hooks";

import { type Colors, paint } from "../colors.ts";
import type { Limits } from "../limits.ts";
import type { RawMap } from "../raw_map.ts";
import { bitmapUri } from "./bitmap.ts";

export interface ThumbProps {
  map: RawMap;
  limits: Limits;
  colors: Colors;
  /** What the map is, for those who cannot see it; empty where the words beside it say so. */
  label: string;
  drawn?: () => void;
}

export function Thumb({ map, limits, colors, label, drawn }: ThumbProps) {
  const { integers, width, height } = map;
  const uri = useMemo(
    () => bitmapUri(paint(map, limits, "signed", 1, colors), width, height),
    [integers.buffer, integers.byteOffset, limits.low, limits.high, colors],
  );
  return <img class="map" src={uri} alt={label} decoding="sync" onLoad={drawn} />;
}
