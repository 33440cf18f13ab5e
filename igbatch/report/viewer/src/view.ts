/** What is shown, and the link that restores it. */

import type { Rectangle } from "./raw_map.ts";
import type { Knob, PageStudy, StudyImage } from "./study_types.ts";
import type { ColorStyle, Normalization } from "./style.ts";

/** A point p of the image, in shares of its width and height, is shown at `k * p + (x, y)`. */
export interface Zoom {
  k: number;
  x: number;
  y: number;
}

export interface View {
  image: string;
  variants: string[];
  targets: string[];
  normalization: Normalization;
  /** The second normalization, side by side with the first; null where there is one only. */
  beside: Normalization | null;
  style: ColorStyle;
  /** Whether the data set's boxes are drawn. */
  outlines: boolean;
  zoom: Zoom;
  /** Pixels on screen for a pixel of a map, where the screen is wide enough. */
  size: number;
  boxes: Rectangle[];
}

export const WHOLE: Zoom = { k: 1, x: 0, y: 0 };
export const MAX_ZOOM = 16;
export const SIZES = [1, 2, 3];
const MAX_BOXES = 20;
const SEGMENTS: Record<string, string> = { "0": "superpixels", "-1": "objects", "-2": "blurred maps" };
const MARK = "#view?";

/** Return what the page shows at first. */
export function firstView(study: PageStudy): View {
  const variants = study.first.length
    ? study.first.flatMap((place) => study.variants[place] ?? [])
    : study.variants;
  const targets = study.targets.map((each) => each.id);
  const { rules, parts, palettes, limits } = study.knobs;
  const classes = study.targets.filter((each) => !each.contrast).length;
  const scope = classes === 2 ? "pair" : classes < 2 ? "image" : "targets";
  return {
    image: study.images[0]?.id ?? "",
    variants: variants.map((each) => each.id),
    targets,
    normalization: {
      scope: study.first_scope ?? scope,
      rule: rules[0]!.rule,
      percentile: limits.percentile.default,
      low: -1,
      high: 1,
    },
    beside: null,
    style: {
      regions: study.first_regions,
      part: parts[0]!.part,
      level: limits.level.default,
      palette: palettes[0]!.palette,
      contour: limits.contour.default,
      blur: limits.blur.default,
      opacity: limits.opacity.default,
    },
    outlines: true,
    zoom: WHOLE,
    size: 1,
    boxes: [],
  };
}

/** Return the zoom kept within the image. */
export function bounded(zoom: Zoom): Zoom {
  const k = Math.min(Math.max(zoom.k, 1), MAX_ZOOM);
  const shift = (value: number): number => Math.min(Math.max(value, 1 - k), 0);
  return { k, x: shift(zoom.x), y: shift(zoom.y) };
}

/** Return the zoom by another factor around the middle of what is shown. */
export function zoomed(zoom: Zoom, factor: number): Zoom {
  const k = Math.min(Math.max(zoom.k * factor, 1), MAX_ZOOM);
  const shift = (value: number): number => 0.5 - ((0.5 - value) * k) / zoom.k;
  return bounded({ k, x: shift(zoom.x), y: shift(zoom.y) });
}

/** Write a view as the fragment of a link. */
export function toFragment(view: View): string {
  const fields = new URLSearchParams({ image: view.image });
  for (const id of view.variants) fields.append("variant", id);
  for (const id of view.targets) fields.append("target", id);
  fields.set("range", words(view.normalization));
  if (view.beside) fields.set("beside", words(view.beside));
  const { regions, part, level, palette, contour, blur, opacity } = view.style;
  fields.set("regions", String(regions));
  fields.set("part", part);
  fields.set("level", String(level));
  fields.set("colors", palette);
  fields.set("contour", `${contour} ${blur}`);
  fields.set("opacity", String(opacity));
  fields.set("boxes", view.outlines ? "shown" : "hidden");
  fields.set(
    "zoom",
    [view.zoom.k, view.zoom.x, view.zoom.y].map((value) => Number(value.toFixed(6))).join(" "),
  );
  fields.set("size", String(view.size));
  for (const { x_min, y_min, x_max, y_max } of view.boxes)
    fields.append("box", [x_min, y_min, x_max, y_max].join(" "));
  return MARK + fields.toString();
}

/** Tell whether a fragment is the link of a view. */
export function isView(fragment: string): boolean {
  return fragment.startsWith(MARK);
}

/**
 * Read the fragment of a link. What it does not say stays as it is at first; what it names and the page does not
 * hold is listed in `strange`.
 */
export function fromFragment(study: PageStudy, fragment: string): { view: View; strange: string[] } {
  const view = firstView(study);
  const fields = new URLSearchParams(fragment.slice(MARK.length));
  const strange: string[] = [];
  const find = (key: string, noun: string, all: { id: string }[]): string[] =>
    fields.getAll(key).flatMap((name) => {
      const found = all.find((each) => wellFormed(each.id) === name);
      if (!found) strange.push(`${noun} “${name}”`);
      return found ? [found.id] : [];
    });
  view.image = find("image", "the image", study.images)[0] ?? view.image;
  view.variants = some(find("variant", "the variant", study.variants), view.variants);
  view.targets = some(find("target", "the target", study.targets), view.targets);
  view.normalization = normalization(fields.get("range"), study, view.normalization);
  if (fields.has("beside")) view.beside = normalization(fields.get("beside"), study, view.normalization);
  const size = fields.get("regions");
  if (size !== null && !study.knobs.regions.some((each) => String(each.size) === size))
    strange.push(SEGMENTS[size] ?? `regions of ${size} pixels`);
  const [contour, blur] = (fields.get("contour") ?? "").split(" ");
  const { regions, parts, palettes, limits } = study.knobs;
  view.style = {
    regions: regions.find((each) => String(each.size) === fields.get("regions"))?.size ?? 1, // as links of before
    part: parts.find((each) => each.part === fields.get("part"))?.part ?? view.style.part,
    level: within(limits.level, fields.get("level")),
    palette: palettes.find((each) => each.palette === fields.get("colors"))?.palette ?? view.style.palette,
    contour: within(limits.contour, contour),
    blur: Math.round(within(limits.blur, blur)),
    opacity: within(limits.opacity, fields.get("opacity")),
  };
  view.outlines = fields.get("boxes") !== "hidden";
  view.zoom = zoom(fields.get("zoom"));
  view.size = SIZES.find((size) => size === Number(fields.get("size"))) ?? view.size;
  view.boxes = fields
    .getAll("box")
    .slice(0, MAX_BOXES)
    .flatMap((text) => box(text, imageOf(study, view)));
  return { view, strange };
}

/** Return the image of a view. */
export function imageOf(study: PageStudy, view: View): StudyImage | undefined {
  return study.images.find((image) => image.id === view.image);
}

function words({ scope, rule, percentile, low, high }: Normalization): string {
  const more = rule === "percentile" ? ` ${percentile}` : rule === "fixed" ? ` ${low} ${high}` : "";
  return `${scope} ${rule}${more}`;
}

function normalization(text: string | null, study: PageStudy, first: Normalization): Normalization {
  const [scope, rule, ...more] = (text ?? "").split(" ");
  const chosen: Normalization = {
    ...first,
    scope: study.knobs.scopes.find((each) => each.scope === scope)?.scope ?? first.scope,
    rule: study.knobs.rules.find((each) => each.rule === rule)?.rule ?? first.rule,
  };
  if (chosen.rule === "percentile") chosen.percentile = within(study.knobs.limits.percentile, more[0]);
  if (chosen.rule === "fixed") {
    const [low, high] = more.map(Number);
    if (Number.isFinite(low) && Number.isFinite(high) && low! < high!)
      [chosen.low, chosen.high] = [low!, high!];
  }
  return chosen;
}

function zoom(text: string | null): Zoom {
  const [k, x, y] = (text ?? "").split(" ").map(Number);
  return [k, x, y].every(Number.isFinite) ? bounded({ k: k!, x: x!, y: y! }) : WHOLE;
}

function box(text: string, image: StudyImage | undefined): Rectangle[] {
  const [x_min, y_min, x_max, y_max] = text.split(" ").map(Number);
  const size = image?.frames[0];
  if (![x_min, y_min, x_max, y_max].every(Number.isInteger) || !size) return [];
  const fits =
    0 <= x_min! &&
    x_min! < x_max! &&
    x_max! <= size.width &&
    0 <= y_min! &&
    y_min! < y_max! &&
    y_max! <= size.height;
  return fits ? [{ x_min: x_min!, y_min: y_min!, x_max: x_max!, y_max: y_max! }] : [];
}

/** The number that a link says, within the limits of its knob; the knob's default where it says none. */
function within({ minimum, maximum, default: otherwise }: Knob, text: string | null | undefined): number {
  const value = Number(text);
  return text && Number.isFinite(value) ? Math.min(Math.max(value, minimum), maximum) : otherwise;
}

function some(found: string[], otherwise: string[]): string[] {
  return found.length ? found : otherwise;
}

/** A name as a link can hold it: halves of characters that no text may contain become �. */
function wellFormed(name: string): string {
  return name.replace(/\p{Surrogate}/gu, "\uFFFD");
}
