/** One map as a thumbnail: a pixel of its canvas for each patch. */

import { useLayoutEffect, useRef } from "preact/hooks";

import { type Colors, paint } from "../colors.ts";
import type { Limits } from "../limits.ts";
import type { RawMap } from "../raw_map.ts";

export interface ThumbProps {
  map: RawMap;
  limits: Limits;
  colors: Colors;
  /** What the map is, for those who cannot see it; empty where the words beside it say so. */
  label: string;
  painted?: () => void;
}

export function Thumb({ map, limits, colors, label, painted }: ThumbProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const pixels = new ImageData(paint(map, limits, "signed", 1, colors), map.width, map.height);
    canvas.current!.getContext("2d")!.putImageData(pixels, 0, 0);
    painted?.();
  });
  const named = label ? { role: "img" as const, "aria-label": label } : { "aria-hidden": true as const };
  return <canvas ref={canvas} width={map.width} height={map.height} {...named} />;
}
