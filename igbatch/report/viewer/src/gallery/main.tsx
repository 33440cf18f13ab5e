/** The script of the gallery: it reads what the page holds, and lets the reader sort, filter and open images. */

import { render } from "preact";

import type { GalleryStudy } from "../gallery_types.ts";
import { onceDrawn } from "../ready.ts";
import { Gallery } from "./Gallery.tsx";

const study = JSON.parse(document.getElementById("gallery-data")!.textContent!) as GalleryStudy;
render(<Gallery study={study} ready={onceDrawn()} />, document.getElementById("gallery")!);
