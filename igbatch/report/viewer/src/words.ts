/** The sentences that state a view: what was chosen, the ranges used, and what may not be compared. */

import { beyond } from "./colors.ts";
import { count, listing, number, percent } from "./format.ts";
import type { Limits } from "./limits.ts";
import type { MapStore } from "./map_store.ts";
import { slackOf } from "./raw_map.ts";
import {
  type Cell,
  cellLimits,
  cellScope,
  classesIn,
  isExact,
  nameOf,
  regionWords,
  type Shared,
  sharedRange,
} from "./shown.ts";
import type { KnobLimits, PageStudy, ScopeChoice } from "./study_types.ts";
import { type ColorStyle, contourBlur, type Normalization, type Scope } from "./style.ts";

const MAX_RANGES = 4;

/** State a normalization of the shown maps, in paragraphs: whose range and which rule; where colours end, and what may be compared. */
export function normalizationWords(
  study: PageStudy,
  rows: Cell[][],
  chosen: Normalization,
  style: ColorStyle,
  store: MapStore,
): string[] {
  if (!rows[0]?.length)
    return [`None of the chosen ${study.noun}s is computed on this image: choose another one.`];
  const classes = classesIn(rows[0]);
  const first = rows[0].find((cell) => !cell.target.contrast) ?? rows[0][0]!;
  const scope = cellScope(chosen, first, rows[0]);
  const { scopes, rules, sentences } = study.knobs;
  const about = scopes.find((each) => each.scope === scope)!;
  const lines = [];
  const requested = rows[0]!.reduce((sum, cell) => sum + 1 + cell.also.length, 0);
  if (scope !== chosen.scope && chosen.scope === "pair" && classes === 1 && requested > 1)
    lines.push(`A pair has two classes, and ${count(requested, "target")} are one class on this image.`);
  else if (scope !== chosen.scope && chosen.scope === "pair")
    lines.push(`A pair has two classes, ${classes} ${classes === 1 ? "is" : "are"} shown.`);
  const ranges = rangesOf(study, rows, chosen, style, store, scope);
  const shared = sharedRange(study, first, rows[0]!, scope, style.regions);
  const maps = count(shared?.n_maps ?? 0, "map");
  const { over, compare } = first.target.contrast ? contrastWords(about) : about;
  lines.push(
    scope === "raw"
      ? `${about.title}, not normalized: one scale for ${over}.`
      : `${about.title} (minimum and maximum of ${over.replaceAll("{maps}", maps)}).`,
  );
  const every = rangesIn(study, rows, chosen, style);
  const lacking = every.filter((each) => !each.shared.complete);
  if (lacking.length && every.length === 1) lines.push(sentences.missing.replaceAll("{maps}", maps));
  else if (lacking.length) {
    const named = lacking.map((each) => `${each.name} (${count(each.shared.n_maps, "map")} there)`);
    lines.push(sentences.missing_of.replaceAll("{named}", listing(named, MAX_RANGES)));
  }
  const applied = scope === "raw" && chosen.rule !== "fixed" ? "symmetric" : chosen.rule;
  const rule = rules.find((each) => each.rule === applied);
  if (rule) lines.push(rule.words.replaceAll("{p}", String(chosen.percentile)));
  const ends = [];
  if (chosen.rule === "percentile" && scope !== "raw" && every.some((each) => !isExact(each.shared, store))) {
    const error = `${(100 * study.quantile_error).toFixed(1)} %`;
    ends.push(sentences.histogram.replaceAll("{error}", error));
  }
  ends.push(ranges);
  if (chosen.rule !== "fixed") {
    if (compare) ends.push(`Compare ${compare}.`);
    if (about.beware) ends.push(about.beware);
    if (scope !== "raw" && scope !== "image" && classes < rows[0]!.length) ends.push(sentences.contrast);
  }
  return [lines, ends].map((each) => each.filter(Boolean).join(" ")).filter(Boolean);
}

/** Return each range that maps in view share with others, and whose it is: of a variant, of classes, of a contrast. */
function rangesIn(
  study: PageStudy,
  rows: Cell[][],
  chosen: Normalization,
  style: ColorStyle,
): { name: string; shared: Shared }[] {
  const found = new Map<string, Shared>();
  for (const row of rows) {
    for (const cell of row) {
      const scope = cellScope(chosen, cell, row);
      const shared = sharedRange(study, cell, row, scope, style.regions);
      if (!shared) continue;
      const ofVariant = scope === "image" || scope === "pair" || scope === "targets" || scope === "variant";
      const single = scope === "image" || (cell.target.contrast && scope !== "raw");
      const whose = single ? cell.title : ofVariant ? "" : "the classes";
      found.set([ofVariant ? cell.variant.name : "", whose].filter(Boolean).join(", "), shared);
    }
  }
  return [...found].map(([name, shared]) => ({ name, shared }));
}

/** Return over which maps the range of a contrast is, and which of them may be compared. */
export function contrastWords(about: ScopeChoice): { over: string; compare: string } {
  return { over: about.contrast_over || about.over, compare: about.contrast_compare || about.compare };
}

/** State what is shown of the values, where it is not all of them in proportion. */
export function styleWords(study: PageStudy, style: ColorStyle): string {
  const { parts, palettes, limits } = study.knobs;
  const lines = [
    regionWords(study, style.regions).words,
    parts.find((each) => each.part === style.part)?.words,
  ];
  const add = (name: Exclude<keyof KnobLimits, "percentile">, value: number | string = style[name]): void => {
    lines.push(limits[name].words.replaceAll("{value}", String(value)));
  };
  if (style.level !== 1) add("level", number(style.level, 2));
  if (style.contour > 0) {
    add("contour");
    if (contourBlur(style) > 0) add("blur");
  }
  if (style.opacity < 1) add("opacity");
  if (style.palette !== palettes[0]?.palette) {
    lines.push(`Colours: ${palettes.find((each) => each.palette === style.palette)?.title ?? ""}.`);
  }
  return lines.filter(Boolean).join(" ");
}

/** Say what to be careful about of one map: how many of its regions the colours do not reach, and its marks. */
export function marksOf(
  { regions, map }: Cell,
  limits: Limits | null,
  { part, regions: size }: ColorStyle,
  study: PageStudy,
): string[] {
  const out = regions && limits ? beyond(regions.sums, limits, part, slackOf(regions)) : 0;
  const { one, many } = regionWords(study, size);
  const share = out ? percent(out / regions!.sums.integers.length) : "";
  return [...(out ? [`${count(out, one, many)} (${share}) beyond the colours`] : []), ...map.marks];
}

/** Say which ends the colours have, of each group of maps that shares them. */
function rangesOf(
  study: PageStudy,
  rows: Cell[][],
  chosen: Normalization,
  style: ColorStyle,
  store: MapStore,
  scope: Scope,
): string {
  const groups = new Map<string, string[]>();
  for (const row of rows) {
    for (const cell of row) {
      const limits = cellLimits(study, cell, row, chosen, style, store);
      if (!limits) continue;
      const alone = scope === "image" || (cell.target.contrast && scope !== "raw");
      const name = alone ? nameOf(cell) : cell.variant.name;
      const text = ends(limits);
      groups.set(text, [...new Set([...(groups.get(text) ?? []), name])]);
    }
  }
  if (!groups.size) return "";
  const { one } = regionWords(study, style.regions);
  const region = `${one === "object" ? "an" : "a"} ${one}`;
  if (groups.size === 1)
    return `The colours run from ${[...groups.keys()][0]} ${study.unit} ${region}.`.replace("  ", " ");
  const named = [...groups].map(([text, names]) => `${text} (${listing(names, 3)})`);
  const more = named.length > MAX_RANGES ? `; ${named.length - MAX_RANGES} more are on the colour bars` : "";
  return `The colours run from ${named.slice(0, MAX_RANGES).join("; ")}${more}${study.unit && `, in units ${study.unit} ${region}`}.`;
}

function ends(limits: Limits): string {
  return `${number(limits.low)} to ${number(limits.high)}`;
}
