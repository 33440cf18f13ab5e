/** The shown view as one picture: the photograph, the statement, and every map with its colour bar and numbers. */

import { rescaled } from "./boxes.ts";
import { type Colors, paint, paintBar } from "./colors.ts";
import { outline } from "./contour.ts";
import { number, orDash } from "./format.ts";
import { headings, linesOf, lineTitle, secondHeadings } from "./layout.ts";
import type { Limits } from "./limits.ts";
import type { MapStore } from "./map_store.ts";
import { ownName } from "./numbers.ts";
import type { Rectangle } from "./raw_map.ts";
import { type Cell, cellLimits, cellScope, extremesOf, regionWords, titleOf } from "./shown.ts";
import type { DrawnBox, ModelFrame, PageStudy } from "./study_types.ts";
import { contourBlur, type Normalization } from "./style.ts";
import type { View } from "./view.ts";
import { marksOf } from "./words.ts";

const SCALE = 2;
const SIDE = 224;
const GAP = 16;
const LINE = 15;
const LEAST_TEXT = 320; // pixels beside the photograph
const FONT = '"DejaVu Sans", Verdana, system-ui, sans-serif';
const INK = "#1b1b1b";
const FAINT = "#5c5c5c";
const WARN = "#8a5200";

/** Draw a view; `words` are the sentences that state it. Light, whatever the page is: it is made to be pasted. */
export async function drawView(
  study: PageStudy,
  rows: Cell[][],
  view: View,
  colors: Colors,
  store: MapStore,
  words: string[],
): Promise<HTMLCanvasElement> {
  const normalizations = view.beside ? [view.normalization, view.beside] : [view.normalization];
  const lines = linesOf(rows);
  const across = Math.max(1, ...lines.map((line) => line.length * normalizations.length));
  const width = Math.max(GAP + across * (SIDE + GAP), 3 * GAP + SIDE + LEAST_TEXT);
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d")!;
  const frames = [...new Set(rows.flat().map((cell) => cell.frame))]; // models crop the image each in its way
  const photos = new Map(await Promise.all(frames.map(async (each) => [each, await picture(each)] as const)));
  const photo = rows[0]?.[0] && photos.get(rows[0][0].frame);
  setFont(pen, 12);
  const text = wrap(pen, words.filter(Boolean), width - SIDE - 3 * GAP);
  const top = GAP + Math.max(heightOf(rows[0]?.[0]?.frame), 24 + text.length * LINE) + GAP;
  const seconds = lines.map(secondHeadings);
  const head = 18 + (view.beside ? LINE : 0) + (seconds.some((each) => each.some(Boolean)) ? LINE : 0);
  const cautions = (cell: Cell, chosen: Normalization): string[] => {
    const row = rows.find((each) => each.includes(cell))!;
    const marks = marksOf(cell, cellLimits(study, cell, row, chosen, view.style, store), view.style, study);
    setFont(pen, 11);
    return wrap(pen, marks, SIDE);
  };
  const heights = lines.map((line) => {
    const marks = line.flatMap((cell) => normalizations.map((each) => cautions(cell, each).length));
    const maps = Math.max(...line.map((cell) => heightOf(cell.frame)));
    return 24 + head + maps + 40 + (5 + Math.max(...marks)) * LINE + GAP;
  });
  canvas.width = SCALE * width;
  canvas.height = SCALE * (top + heights.reduce((sum, height) => sum + height, 0));
  pen.scale(SCALE, SCALE);
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  if (photo) drawLayer(pen, photo, rows[0]![0]!, view, GAP, GAP, 1, "");
  const left = GAP + SIDE + GAP;
  write(pen, rows[0]?.[0]?.image.name ?? "", left, GAP + 14, 14, INK, true, width - left - GAP);
  for (const [place, line] of text.entries()) {
    write(pen, line, left, GAP + 24 + (place + 1) * LINE - 3, 12, INK);
  }
  let y = top;
  for (const [place, line] of lines.entries()) {
    write(pen, lineTitle(line), GAP, y + 15, 13, INK, true, width - 2 * GAP);
    const names = headings(line);
    for (const [column, cell] of line.entries()) {
      const row = rows.find((each) => each.includes(cell))!;
      for (const [side, chosen] of normalizations.entries()) {
        const x = GAP + (column * normalizations.length + side) * (SIDE + GAP);
        drawPanel(
          pen,
          study,
          cell,
          [names[column]!, seconds[place]![column]!],
          row,
          chosen,
          view,
          colors,
          store,
          photos.get(cell.frame) ?? null,
          cautions(cell, chosen),
          x,
          y + 24,
        );
      }
    }
    y += heights[place]!;
  }
  return canvas;
}

function drawPanel(
  pen: CanvasRenderingContext2D,
  study: PageStudy,
  cell: Cell,
  [heading, second]: [string, string],
  row: Cell[],
  chosen: Normalization,
  view: View,
  colors: Colors,
  store: MapStore,
  photo: CanvasImageSource | null,
  marks: string[],
  x: number,
  y: number,
): void {
  const { map, frame } = cell;
  const raw = cell.regions?.shown;
  const { regions: size, part, level, contour, opacity } = view.style;
  const height = heightOf(frame);
  const limits = cellLimits(study, cell, row, chosen, view.style, store);
  const title = titleOf(study, cellScope(chosen, cell, row));
  write(pen, heading, x, y + 12, 12, INK, true, SIDE);
  for (const text of [second, view.beside ? `${title}, ${chosen.rule}` : ""].filter(Boolean)) {
    y += LINE;
    write(pen, text, x, y + 12, 10.5, FAINT, false, SIDE);
  }
  if (raw && limits) {
    const values = surface(raw.width, raw.height, paint(raw, limits, part, level, colors));
    const line = contour > 0 ? outline(raw, part, contour, contourBlur(view.style)) : "";
    const under = photo && opacity < 1;
    if (under) drawLayer(pen, photo, cell, view, x, y + 18, 1, null);
    drawLayer(pen, values, cell, view, x, y + 18, under ? opacity : 1, line);
  } else {
    pen.strokeStyle = FAINT;
    pen.strokeRect(x + 0.5, y + 18.5, SIDE - 1, height - 1);
    const reason = wrap(pen, [cell.missing || "No map."], SIDE - 16).slice(0, 8);
    for (const [place, line] of reason.entries()) write(pen, line, x + 8, y + 40 + place * LINE, 11, FAINT);
  }
  let at = y + 18 + height + 6;
  if (limits) drawBar(pen, limits, level, colors, x, at);
  at += 34;
  const ends = extremesOf(map, size);
  const lines =
    map.sum === null
      ? []
      : [
          `${size === 1 ? "" : `${regionWords(study, size).one} `}min ${orDash(ends?.minimum)}   max ${orDash(ends?.maximum)}`,
          `sum ${orDash(map.sum)}${map.score === null ? "" : `   gap ${orDash(map.gap, 2)}`}`,
        ];
  if (map.sum !== null && map.score !== null)
    lines.push(
      `F(image) ${orDash(map.score)}   F(baseline) ${orDash(map.score_baseline)}`,
      `${map.steps ?? "–"} steps, ${map.converged ? "converged" : "not converged"}`,
    );
  for (const [place, text] of lines.entries()) {
    write(pen, text, x, at + (place + 1) * LINE, 11, INK, false, SIDE);
  }
  for (const [place, text] of marks.entries()) {
    write(pen, text, x, at + (lines.length + place + 1) * LINE, 11, WARN, false, SIDE);
  }
}

/** Draw the photograph or a map as the zoom shows it, with its boxes and outline; `line` null: without them. */
function drawLayer(
  pen: CanvasRenderingContext2D,
  source: CanvasImageSource,
  cell: Cell,
  view: View,
  x: number,
  y: number,
  alpha: number,
  line: string | null,
): void {
  const { frame } = cell;
  const height = heightOf(frame);
  pen.save();
  pen.beginPath();
  pen.rect(x, y, SIDE, height);
  pen.clip();
  pen.translate(x + view.zoom.x * SIDE, y + view.zoom.y * height);
  pen.scale((view.zoom.k * SIDE) / frame.width, (view.zoom.k * height) / frame.height);
  pen.imageSmoothingEnabled = false;
  pen.globalAlpha = alpha;
  pen.drawImage(source, 0, 0, frame.width, frame.height);
  pen.globalAlpha = 1;
  if (line !== null) {
    const thin = frame.width / SIDE / view.zoom.k;
    if (line) {
      stroke(pen, new Path2D(line), "#ffffff", 3 * thin);
      stroke(pen, new Path2D(line), INK, 1.3 * thin);
    }
    for (const box of view.outlines ? frame.boxes : []) drawBox(pen, box, box.name, box.color, thin);
    for (const [place, box] of view.boxes.entries()) {
      drawBox(pen, rescaled(box, cell.image.frames[0]!, frame), ownName(place), INK, thin);
    }
  }
  pen.restore();
  pen.strokeStyle = "#c8c8c8";
  pen.strokeRect(x + 0.5, y + 0.5, SIDE - 1, height - 1);
}

function drawBox(
  pen: CanvasRenderingContext2D,
  box: Rectangle | DrawnBox,
  name: string,
  color: string,
  thin: number,
): void {
  const path = new Path2D();
  path.rect(box.x_min, box.y_min, box.x_max - box.x_min, box.y_max - box.y_min);
  stroke(pen, path, "#ffffff", 3 * thin);
  stroke(pen, path, color, 1.6 * thin);
  const letter = 10.5 * thin;
  pen.font = `${letter}px ${FONT}`;
  const above = box.y_min >= 1.3 * letter;
  const y = above ? box.y_min - 1.3 * letter : box.y_min;
  pen.fillStyle = color;
  pen.fillRect(box.x_min, y, pen.measureText(name).width + 0.6 * letter, 1.3 * letter);
  pen.fillStyle = "#ffffff";
  pen.fillText(name, box.x_min + 0.3 * letter, y + letter);
}

function drawBar(
  pen: CanvasRenderingContext2D,
  limits: Limits,
  level: number,
  colors: Colors,
  x: number,
  y: number,
): void {
  const { low, high } = limits.bar;
  pen.drawImage(surface(256, 1, paintBar(limits, level, colors, 256)), x, y, SIDE, 10);
  pen.strokeStyle = FAINT;
  pen.strokeRect(x + 0.5, y + 0.5, SIDE - 1, 9);
  write(pen, number(low), x, y + 24, 10.5, INK);
  pen.textAlign = "right";
  write(pen, number(high), x + SIDE, y + 24, 10.5, INK);
  pen.textAlign = "left";
  if (low <= 0 && high >= 0 && low < high) {
    const zero = x + (-low / (high - low)) * SIDE;
    pen.fillStyle = INK;
    pen.fillRect(Math.min(Math.max(zero - 0.7, x), x + SIDE - 1.4), y - 3, 1.4, 16);
    if (low < 0 && high > 0) {
      pen.textAlign = "center";
      write(pen, "0", Math.min(Math.max(zero, x + 70), x + SIDE - 70), y + 24, 10.5, INK);
      pen.textAlign = "left";
    }
  }
}

function surface(width: number, height: number, pixels: Uint8ClampedArray<ArrayBuffer>): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d")!.putImageData(new ImageData(pixels, width, height), 0, 0);
  return canvas;
}

async function picture(frame: ModelFrame): Promise<HTMLImageElement | null> {
  if (!frame.picture) return null;
  const image = new Image();
  image.src = frame.picture;
  await image.decode();
  return image;
}

function heightOf(frame: ModelFrame | undefined): number {
  return frame ? (SIDE * frame.height) / frame.width : SIDE;
}

function stroke(pen: CanvasRenderingContext2D, path: Path2D, color: string, width: number): void {
  pen.strokeStyle = color;
  pen.lineWidth = width;
  pen.stroke(path);
  pen.lineWidth = 1;
}

function setFont(pen: CanvasRenderingContext2D, size: number, bold = false): void {
  pen.font = `${bold ? "bold " : ""}${size}px ${FONT}`;
}

function write(
  pen: CanvasRenderingContext2D,
  text: string,
  x: number,
  y: number,
  size: number,
  color: string,
  bold = false,
  maxWidth = Infinity,
): void {
  setFont(pen, size, bold);
  pen.fillStyle = color;
  if (maxWidth === Infinity) pen.fillText(text, x, y);
  else pen.fillText(text, x, y, maxWidth);
}

function wrap(pen: CanvasRenderingContext2D, paragraphs: string[], width: number): string[] {
  return paragraphs.flatMap((paragraph) => {
    const lines: string[] = [];
    let line = "";
    for (const word of paragraph.split(" ")) {
      const longer = line ? `${line} ${word}` : word;
      if (line && pen.measureText(longer).width > width) {
        lines.push(line);
        line = word;
      } else line = longer;
    }
    return [...lines, line];
  });
}
