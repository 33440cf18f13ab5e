/** The script of the gallery: it reads what the page holds, and lets the reader sort, filter and open images. */

import { render } from "preact";

import type { GalleryStudy } from "../gallery_types.ts";
import { Gallery } from "./Gallery.tsx";

const study = JSON.parse(document.getElementById("gallery-data")!.textContent!) as GalleryStudy;
let done = false;
const ready = (): void => {
  if (done) return;
  done = true;
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      document.documentElement.dataset.igbatchReady = ""; // once the frame that shows it is drawn
    }),
  );
};
render(<Gallery study={study} ready={ready} />, document.getElementById("gallery")!);
