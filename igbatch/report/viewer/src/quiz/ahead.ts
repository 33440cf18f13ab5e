/** Decodes the pictures of the questions that follow, so that each is on the screen at once. */

import type { PlacedQuestion } from "./run.ts";

const AHEAD = 2;

const decoded = new Map<string, HTMLImageElement>(); // kept, or the browser may forget what it decoded

/** Decode what the questions after a place show. */
export function decodeAhead(order: PlacedQuestion[], place: number): void {
  const soon = order.slice(place, place + 1 + AHEAD).flatMap(({ question }) => {
    const { photograph, pictures } = question;
    return [...(photograph ? [photograph] : []), ...pictures].map(({ uri }) => uri);
  });
  for (const uri of decoded.keys()) if (!soon.includes(uri)) decoded.delete(uri);
  for (const uri of soon) {
    if (decoded.has(uri)) continue;
    const image = new Image();
    image.src = uri;
    image.decode().catch(() => {}); // one that cannot be decoded shows its words
    decoded.set(uri, image);
  }
}
