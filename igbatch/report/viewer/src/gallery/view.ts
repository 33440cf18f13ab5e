/** What the gallery shows, and the link that restores it; and the link of an image in the report's viewer. */

import type { GalleryStudy } from "../gallery_types.ts";
import type { Rule, Scope } from "../style.ts";

export type Show = "both" | "map" | "picture";

export interface GalleryView {
  /** Place of the variant whose maps and numbers are shown. */
  variant: number;
  /** Place of the target. */
  target: number;
  /** Key of the number that images are sorted by; empty: as the study lists them. */
  sort: string;
  descending: boolean;
  /** Key of the number that has to lie between `from` and `to`; empty: none. */
  filter: string;
  from: number | null;
  to: number | null;
  /** A label and a class that a shown image has; null: any. */
  label: string | null;
  prediction: string | null;
  /** What the name of a shown image contains. */
  text: string;
  scope: Scope;
  rule: Rule;
  percentile: number;
  palette: string;
  show: Show;
  /** What mean maps are grouped by: `label`, `prediction`, or the key of a number, whose quarters they are. */
  group: string;
}

export const SHOWS: [Show, string][] = [
  ["both", "picture and map"],
  ["map", "map"],
  ["picture", "picture"],
];

/** The scopes whose range can be told of the maps of a variant and target. */
export function scopesOf(study: GalleryStudy, variant: number, target: number): Scope[] {
  const sets = study.sets.filter((set) => set.variant === variant);
  const set = sets.find((each) => each.target === target);
  const together = sets.filter((each) => !each.alone).length;
  const scopes: Scope[] = ["image"];
  if (study.all_classes && together > 1 && sets.length === study.targets.length && !set?.alone)
    scopes.push(together === 2 ? "pair" : "targets");
  if (set?.range) scopes.push("variant");
  if (set?.dataset) scopes.push("dataset");
  if (study.raw) scopes.push("raw");
  return scopes;
}

/** Return what the gallery shows at first: the first variant and target, under the study's joint range. */
export function firstView(study: GalleryStudy): GalleryView {
  const { palettes, limits } = study.knobs;
  const { variant, target } = study.sets[0] ?? { variant: 0, target: 0 };
  const scopes = scopesOf(study, variant, target);
  return {
    variant,
    target,
    sort: "",
    descending: true,
    filter: "",
    from: null,
    to: null,
    label: null,
    prediction: null,
    text: "",
    scope: scopes.find((scope) => scope === "dataset") ?? scopes.at(-1)!,
    rule: "percentile",
    percentile: limits.percentile.default,
    palette: palettes[0]!.palette,
    show: "both",
    group: "label",
  };
}

/** Return a view in which what the chosen variant lacks is replaced. */
export function fitted(study: GalleryStudy, view: GalleryView): GalleryView {
  const sets = study.sets.filter((set) => set.variant === view.variant);
  const target = sets.some((set) => set.target === view.target) ? view.target : (sets[0]?.target ?? 0);
  const scopes = scopesOf(study, view.variant, target);
  const predictions = study.variants[view.variant]?.predictions ?? [];
  const prediction = predictions.includes(view.prediction ?? "") ? view.prediction : null;
  const scope = scopes.includes(view.scope) ? view.scope : scopes.at(-1)!;
  return { ...view, target, scope, prediction };
}

/** Tell whether a number limits which images are shown. */
export function isLimited(view: GalleryView): boolean {
  return view.filter !== "" && (view.from !== null || view.to !== null);
}

const MARK = "#gallery?";

/** Tell whether a fragment is the link of a view. */
export function isView(fragment: string): boolean {
  return fragment.startsWith(MARK);
}

/** Write a view as the fragment of a link. */
export function toFragment(study: GalleryStudy, view: GalleryView): string {
  const fields = new URLSearchParams({
    variant: study.variants[view.variant]?.id ?? "",
    target: study.targets[view.target]?.id ?? "",
    sort: `${view.sort} ${view.descending ? "down" : "up"}`,
    range: `${view.scope} ${view.rule} ${view.percentile}`,
    colors: view.palette,
    show: view.show,
    group: view.group,
  });
  if (view.filter) fields.set("number", [view.filter, view.from ?? "", view.to ?? ""].join("|"));
  if (view.label !== null) fields.set("label", view.label);
  if (view.prediction !== null) fields.set("prediction", view.prediction);
  if (view.text) fields.set("text", view.text);
  return MARK + fields.toString();
}

/** Read the fragment of a link; what it does not say, or the gallery does not hold, is as at first. */
export function fromFragment(study: GalleryStudy, fragment: string): GalleryView {
  const view = firstView(study);
  const fields = new URLSearchParams(fragment.slice(MARK.length));
  const place = (all: { id: string }[], name: string, otherwise: number): number => {
    const found = all.findIndex((each) => each.id === fields.get(name));
    return found < 0 ? otherwise : found;
  };
  view.variant = place(study.variants, "variant", view.variant);
  if (!study.sets.some((set) => set.variant === view.variant)) view.variant = study.sets[0]?.variant ?? 0;
  view.target = place(study.targets, "target", view.target);
  const sort = fields.get("sort") ?? "";
  view.sort = known(study, sort.slice(0, sort.lastIndexOf(" ")));
  view.descending = !sort.endsWith(" up");
  const [scope, rule, percentile] = (fields.get("range") ?? "").split(" ");
  view.scope = study.knobs.scopes.find((each) => each.scope === scope)?.scope ?? view.scope;
  view.rule = rule === "symmetric" ? rule : view.rule;
  const { minimum, maximum } = study.knobs.limits.percentile;
  if (Number(percentile)) view.percentile = Math.min(Math.max(Number(percentile), minimum), maximum);
  view.palette =
    study.knobs.palettes.find((each) => each.palette === fields.get("colors"))?.palette ?? view.palette;
  view.show = SHOWS.find(([show]) => show === fields.get("show"))?.[0] ?? view.show;
  const group = fields.get("group") ?? "";
  if (group === "prediction" || known(study, group)) view.group = group;
  const [filter, from, to] = (fields.get("number") ?? "").split("|");
  view.filter = known(study, filter ?? "");
  view.from = from && Number.isFinite(Number(from)) ? Number(from) : null;
  view.to = to && Number.isFinite(Number(to)) ? Number(to) : null;
  const label = fields.get("label");
  view.label = study.images.some((image) => image.label === label) ? label : null;
  view.prediction = fields.get("prediction");
  view.text = fields.get("text") ?? "";
  return fitted(study, view);
}

function known(study: GalleryStudy, key: string): string {
  return study.numbers.some((number) => number.key === key) ? key : "";
}

/** Return the link of an image in the report's viewer; null where its page does not show it. */
export function viewerLink(study: GalleryStudy, view: GalleryView, place: number): string | null {
  const variant = study.variants[view.variant]!;
  const other = study.variants.find((each) => each.in_viewer.includes(place));
  const shown = variant.in_viewer.includes(place) ? variant : other;
  if (!shown) return null;
  const fields = new URLSearchParams({
    image: study.images[place]!.id,
    variant: shown.id,
    range: `${view.scope} ${view.rule}${view.rule === "percentile" ? ` ${view.percentile}` : ""}`,
    regions: String(study.regions),
    colors: view.palette,
  });
  return `index.html#view?${fields.toString()}`;
}
