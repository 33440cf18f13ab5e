/** The sentences that state a view: what was chosen, the ranges used, and what may not be compared. */

import { count, listing, number } from "./format.ts";
import type { Limits } from "./limits.ts";
import type { Normalization, Style } from "./look.ts";
import type { MapStore } from "./map_store.ts";
import { type Cell, cellLimits, isExact, scopeOf, sharedRange } from "./shown.ts";
import type { Study } from "./study.ts";

const MOST_RANGES = 4;

/** State a normalization of the shown maps. */
export function normalizationWords(
  study: Study,
  rows: Cell[][],
  chosen: Normalization,
  style: Style,
  store: MapStore,
): string {
  if (!rows.length) return "None of the chosen variants is computed on this image: choose another one.";
  const targets = rows[0]!.length;
  const kind = scopeOf(chosen, targets);
  const scope = study.scopes.find((each) => each.kind === kind);
  if (!scope) return "";
  const said = [];
  if (kind !== chosen.scope)
    said.push(`A pair has two targets, ${targets} ${targets === 1 ? "is" : "are"} shown.`);
  const ranges = rangesOf(study, rows, chosen, style, store, kind);
  const first = rows.flat()[0];
  const shared = first && sharedRange(study, first, rows[0]!, kind);
  const maps = count(shared?.n_maps ?? 0, "map");
  const over = scope.over.replaceAll("{maps}", maps);
  said.push(
    kind === "raw"
      ? `${scope.title}, not normalized: one scale for ${over}.`
      : `${scope.title} (minimum and maximum of ${over}).`,
  );
  if (shared && !shared.complete)
    said.push("Maps are missing: this is the range of those there, not the joint one.");
  const applied = kind === "raw" && chosen.rule !== "fixed" ? "symmetric" : chosen.rule;
  const rule = study.rules.find((each) => each.rule === applied);
  if (rule) said.push(rule.words.replaceAll("{p}", String(chosen.percentile)));
  if (chosen.rule === "percentile" && kind !== "raw" && shared && !isExact(shared, store)) {
    const error = (100 * study.quantile_error).toFixed(1);
    said.push(`The quantile is of stored histograms, within ${error} %.`);
  }
  said.push(ranges);
  if (chosen.rule === "fixed") return said.filter(Boolean).join(" ");
  if (scope.compare) said.push(`Compare ${scope.compare}.`);
  if (scope.beware) said.push(scope.beware);
  return said.filter(Boolean).join(" ");
}

/** State what is shown of the values, where it is not all of them in proportion. */
export function styleWords(study: Study, style: Style): string {
  const said = [];
  if (style.part !== "signed") {
    const parts = {
      positive: "Only positive values are shown.",
      negative: "Only negative values are shown.",
      absolute: "Absolute values are shown: signs cannot be seen.",
    };
    said.push(parts[style.part]);
  }
  if (style.level > 1) said.push(`The last colour is reached at 1/${number(style.level, 2)} of the range.`);
  if (style.contour > 0) {
    const means = style.blur ? `, by means of |a| within some ${style.blur} pixels` : "";
    said.push(`The line is around the strongest ${style.contour} % of each map’s pixels${means}.`);
  }
  if (style.opacity < 1) said.push("The photograph shows through: colours are not those of the bar.");
  if (style.palette !== study.palettes[0]?.name) {
    said.push(`Colours: ${study.palettes.find((each) => each.name === style.palette)?.title ?? ""}.`);
  }
  return said.join(" ");
}

/** Say which ends the colours have, of each group of maps that shares them. */
function rangesOf(
  study: Study,
  rows: Cell[][],
  chosen: Normalization,
  style: Style,
  store: MapStore,
  kind: string,
): string {
  const groups = new Map<string, string[]>();
  for (const row of rows) {
    for (const cell of row) {
      const limits = cellLimits(study, cell, row, chosen, style.part, store);
      if (!limits) continue;
      const name = kind === "image" ? `${cell.variant.name}, ${cell.target.name}` : cell.variant.name;
      const text = ends(limits);
      groups.set(text, [...new Set([...(groups.get(text) ?? []), name])]);
    }
  }
  if (!groups.size) return "";
  if (groups.size === 1) return `The colours run from ${[...groups.keys()][0]} ${study.unit} a pixel.`;
  const named = [...groups].map(([text, names]) => `${text} (${listing(names, 3)})`);
  const more =
    named.length > MOST_RANGES ? `; ${named.length - MOST_RANGES} more are on the colour bars` : "";
  return `The colours run from ${named.slice(0, MOST_RANGES).join("; ")}${more}, in units ${study.unit} a pixel.`;
}

function ends(limits: Limits): string {
  return `${number(limits.low)} to ${number(limits.high)}`;
}
